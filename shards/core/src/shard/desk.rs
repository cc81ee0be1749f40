//! What the desk has to do with a shard: requests that it answers, streams that it feeds, questions that it asks.

use super::connection::{Phase, Viewer};
use super::mail::{Post, Question, Reply, ToDesk};
use super::state::Shard;
use crate::admission::{Refusal, Ticket};
use crate::http::{After, Body, DeskAnswer, Inquiry};
use crate::protocol::Trouble;
use crate::slot::Slot;
use crate::transport::{Received, Sockets};
use std::net::IpAddr;
use std::time::Duration;

/// How long an answer of the desk is waited for. The desk is faster; this is for a desk that stands still.
const ANSWER_WAIT: Duration = Duration::from_secs(10);
/// Streams of one shard.
pub(super) const STREAMS_MAX: usize = 32;
/// Unsent bytes of a stream with which it gets another piece. One that holds more is read by nobody.
const STREAM_BACKLOG_BYTES_MAX: usize = 256 * 1024;
/// Input of a stream that is thrown away, in bytes. Whoever sends more is no viewer.
const STREAM_INPUT_BYTES_MAX: u32 = 8 * 1024;

impl<S: Sockets, P: Post<S::Socket>> Shard<S, P> {
    /// Sends a request to the desk. The connection waits for the answer: nothing of it is read, and the clock of its head
    /// stands still.
    pub(super) fn inquire(&mut self, slot: Slot, inquiry: Box<Inquiry>) {
        let until = self.now.monotonic.saturating_add(ANSWER_WAIT);
        let Some((_, head)) = self.head(slot) else { return };
        head.deadline = until;
        let number = head.conversation.answered();
        self.arm(slot);
        let shard = self.index;
        let message = ToDesk::Inquiry {
            shard,
            slot,
            number,
            inquiry,
        };
        self.counters.inquiries += 1;
        if self.post.to_desk(message).is_err() {
            self.counters.inquiries_refused += 1;
            self.answered_by_desk(slot, number, &DeskAnswer::unavailable());
        }
    }

    /// The desk answered. Nobody may wait for it any more.
    pub(super) fn answered_by_desk(&mut self, slot: Slot, number: u8, answer: &DeskAnswer) {
        let draining = self.is_draining();
        let has_place = answer.body != Body::Stream || self.has_stream_left();
        let too_many;
        let answer = if has_place {
            answer
        } else {
            too_many = DeskAnswer::too_many_streams();
            &too_many
        };
        let Some((_, head)) = self.head(slot) else { return };
        if !head.conversation.is_at_desk() || head.conversation.answered() != number {
            return;
        }
        let mut bytes = Vec::new();
        let after = head.conversation.answer(answer, draining, &mut bytes);
        self.effects
            .outboxes
            .append_with(slot, |out| out.extend_from_slice(&bytes));
        match after {
            After::KeepAlive => {
                self.request_ends(slot);
                self.run_soon(slot);
            }
            After::Close => self.begin_closing(slot, false),
            After::Stream => self.begin_stream(slot),
        }
    }

    // ----- streams

    fn has_stream_left(&mut self) -> bool {
        let slots = &self.slots;
        self.streams.retain(|slot| is_stream(slots.get(*slot)));
        self.streams.len() < STREAMS_MAX
    }

    fn begin_stream(&mut self, slot: Slot) {
        if self.is_draining() {
            return self.begin_closing(slot, false);
        }
        if let Some(connection) = self.slots.get_mut(slot) {
            connection.phase = Phase::Stream(Viewer::default());
            self.streams.push(slot);
            self.counters.streams += 1;
            // Its end may be there already.
            self.run_soon(slot);
        }
    }

    /// Every stream gets the next piece. A viewer that does not read is closed, and so are the others' bytes bounded.
    pub(super) fn feed_streams(&mut self, piece: &[u8]) {
        let streams = std::mem::take(&mut self.streams);
        for &slot in &streams {
            if !is_stream(self.slots.get(slot)) {
                continue;
            }
            if self.effects.outboxes.unsent(slot).len() > STREAM_BACKLOG_BYTES_MAX {
                self.counters.closed_unread_streams += 1;
                self.release(slot);
                continue;
            }
            self.effects
                .outboxes
                .append_with(slot, |out| out.extend_from_slice(piece));
            self.streams.push(slot);
        }
    }

    /// A viewer has nothing to say; its end is the end of the stream.
    pub(super) fn serve_stream(&mut self, slot: Slot) {
        loop {
            let Some(connection) = self.slots.get_mut(slot).filter(|connection| connection.readable) else {
                return;
            };
            let Phase::Stream(viewer) = &mut connection.phase else {
                return;
            };
            self.counters.receives += 1;
            match self.sockets.receive(slot, &mut self.buffer) {
                Received::Bytes(count) => {
                    viewer.discarded = viewer
                        .discarded
                        .saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
                    connection.readable = count == self.buffer.len() || connection.ended;
                    if viewer.discarded > STREAM_INPUT_BYTES_MAX {
                        return self.begin_closing(slot, false);
                    }
                }
                Received::Nothing => connection.readable = false,
                Received::Ended => return self.begin_closing(slot, true),
                Received::Lost => return self.release(slot),
            }
        }
    }

    /// Closes every connection that holds a ticket of this address.
    fn close_address(&mut self, address: IpAddr) -> bool {
        let mut any = false;
        for index in 0..self.slots.places() {
            let Some(slot) = self.slots.at(index) else { continue };
            let Some(connection) = self.slots.get(slot) else {
                continue;
            };
            if connection.ticket.as_ref().map(Ticket::ip) != Some(address) {
                continue;
            }
            any = true;
            match connection.phase {
                Phase::Open(protocol) => {
                    let trouble = Trouble::Refused(Refusal::Banned);
                    self.give_notice(slot, protocol, &trouble, 1008, "banned");
                }
                Phase::Head(_) | Phase::Stream(_) => self.begin_closing(slot, false),
                Phase::Free | Phase::Closing(_) | Phase::Ended => {}
            }
        }
        any
    }

    // ----- questions

    /// The desk asks. It is never kept waiting for other shards.
    pub(super) fn reply(&mut self, number: u64, question: &Question) {
        let reply = match question {
            Question::Alive => Reply::Alive,
            Question::Figures => Reply::Figures(Box::new(self.figures())),
            Question::Rooms(query) => Reply::Rooms(self.protocols.list_rooms(self.now.monotonic, query)),
            Question::Room(room) => {
                let detail = self.protocols.show_room(self.now.monotonic, *room, &self.effects);
                Reply::Room(detail.map(Box::new))
            }
            Question::CloseRoom(room) => {
                let done = self.protocols.close_room(&mut self.effects, *room);
                self.settle();
                Reply::Done(done)
            }
            Question::Kick { room, member, reason } => {
                let done = self.protocols.kick(self.now, &mut self.effects, *room, *member, reason);
                self.settle();
                Reply::Done(done)
            }
            Question::CloseAddress(address) => Reply::Done(self.close_address(*address)),
        };
        let shard = self.index;
        // A desk that takes no replies has ended.
        let _ = self.post.to_desk(ToDesk::Reply { shard, number, reply });
    }
}

fn is_stream(connection: Option<&super::connection::Connection>) -> bool {
    connection.is_some_and(|connection| matches!(connection.phase, Phase::Stream(_)))
}
