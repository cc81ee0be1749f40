//! Output: every outbox with something new gets one send in a turn, however many messages it holds (D28).

use super::connection::Phase;
use super::mail::Post;
use super::state::Shard;
use crate::slot::Slot;
use crate::transport::{Sent, Sockets};
use crate::ws::frame_length;

impl<S: Sockets, P: Post<S::Socket>> Shard<S, P> {
    /// Sends up to `sends_max` outboxes. Returns whether there were any.
    pub(super) fn flush(&mut self, sends_max: usize) -> bool {
        let mut any = false;
        self.effects.outboxes.take_fresh(&mut self.due);
        for _ in 0..sends_max {
            let Some(slot) = self.due.pop_front() else { break };
            any = true;
            self.flush_slot(slot);
        }
        any
    }

    fn flush_slot(&mut self, slot: Slot) {
        self.effects.outboxes.seen(slot);
        let Some(connection) = self.slots.get(slot) else { return };
        if connection.blocked {
            // An event tells when the socket has room.
            return;
        }
        if connection.tls.is_some() {
            if !self.flush_secure(slot) {
                return;
            }
        } else {
            while !self.effects.outboxes.unsent(slot).is_empty() {
                match self.send_plain(slot) {
                    Sent::Bytes(_) => {}
                    Sent::Blocked => return,
                    Sent::Lost => return self.output_lost(slot),
                }
            }
        }
        if !matches!(
            self.slots.get(slot).map(|connection| &connection.phase),
            Some(Phase::Open(_))
        ) {
            self.sent_everything(slot);
        }
    }

    /// The outbox of a connection that is not open is empty.
    #[cold]
    fn sent_everything(&mut self, slot: Slot) {
        match self.slots.get(slot).map(|connection| &connection.phase) {
            Some(Phase::Closing(_)) => self.serve_closing(slot),
            // Its next request may have waited for this.
            Some(Phase::Head(head)) if head.conversation.is_complete() => self.run_soon(slot),
            _ => {}
        }
    }

    /// Sends once from the front of an outbox that is not empty. Runs no protocol.
    pub(super) fn send_once(&mut self, slot: Slot) -> Sent {
        if self.slots.get(slot).is_some_and(|connection| connection.tls.is_some()) {
            self.send_secure(slot)
        } else {
            self.send_plain(slot)
        }
    }

    // In its two callers, as it was before there was another way to send: a call of its own shows in the counts.
    #[inline(always)]
    fn send_plain(&mut self, slot: Slot) -> Sent {
        let unsent = self.effects.outboxes.unsent(slot);
        let bytes = if self.options.batching {
            unsent
        } else {
            &unsent[..frame_length(unsent).min(unsent.len())]
        };
        self.counters.sends += 1;
        let sent = self.sockets.send(slot, bytes);
        match sent {
            Sent::Bytes(count) => {
                self.counters.bytes_out += count as u64;
                self.effects.outboxes.advance(slot, count);
            }
            Sent::Blocked => {
                if let Some(connection) = self.slots.get_mut(slot) {
                    connection.blocked = true;
                }
            }
            Sent::Lost => {}
        }
        sent
    }

    /// The peer is gone. Nothing more is sent; a session ends when its connection has its turn and reads the end.
    pub(super) fn output_lost(&mut self, slot: Slot) {
        self.effects.outboxes.clear(slot);
        let Some(connection) = self.slots.get_mut(slot) else {
            return;
        };
        connection.readable = true;
        connection.ended = true;
        match connection.phase {
            Phase::Open(_) => self.run_soon(slot),
            _ => self.release(slot),
        }
    }
}
