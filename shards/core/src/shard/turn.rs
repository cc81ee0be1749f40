//! The turn: one pass over everything that a shard has to do. Its budgets stand here, side by side; what is left over makes
//! the next turn start at once.

use super::connection::Phase;
use super::mail::{Mail, Post, Request};
use super::meter::Forwarded;
use super::state::Shard;
use crate::Now;
use crate::slot::Slot;
use crate::transport::{Event, Sockets};
use std::time::Duration;

/// Pieces of mail taken in a turn.
const MAIL_PER_TURN_MAX: usize = 64;
/// Newcomers accepted in a turn. One costs about 8 µs, so others wait for no more than 200 µs of a flood.
const ACCEPTS_PER_TURN_MAX: usize = 16;
/// Frames of one connection handled in a turn.
pub(super) const FRAMES_PER_TURN_MAX: u32 = 32;
/// Bytes of one connection received in a turn.
pub(super) const BYTES_PER_TURN_MAX: usize = 64 * 1024;
/// HTTP requests of one connection answered in a turn.
pub(super) const REQUESTS_PER_TURN_MAX: u32 = 8;
/// Bytes of HTTP answers that one connection has not taken when its next request waits.
pub(super) const UNREAD_ANSWERS_MAX: usize = 16 * 1024;
/// Outboxes sent in a turn.
const SENDS_PER_TURN_MAX: usize = 1024;
/// Places of connections that a drain goes through in a turn.
pub(super) const DRAINED_PER_TURN_MAX: u32 = 256;
/// Period of reports while something happens.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// When a shard wants its next turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// At once: a budget was used up.
    Now,
    /// When something happens, and at this time at the latest.
    At(Duration),
    /// Never: it has ended.
    Ended,
}

impl<S: Sockets, P: Post<S::Socket>> Shard<S, P> {
    /// One pass: mail, newcomers, what is ready, what is due, then the flush. Returns when the next one has to come.
    // A function of its own, so that the search for locks in the running server can count turns.
    #[inline(never)]
    pub fn turn(&mut self, now: Now) -> Next {
        self.now = now;
        self.counters.turns += 1;
        self.tls.turn();
        let mut worked = self.read_mail();
        worked |= self.take_events();
        self.accept_newcomers(ACCEPTS_PER_TURN_MAX);
        worked |= self.serve_ready();
        worked |= self.fire_due();
        worked |= self.go_on_draining();
        self.send_off();
        worked |= self.flush(SENDS_PER_TURN_MAX);
        self.go_on_ending();
        self.report_sometimes(worked);
        self.tell_observer();
        self.post.turn_ends();
        self.next()
    }

    /// The turn is over: what was to be sent was sent as far as the sockets took it. `now` is the second reading of the
    /// clock, from which latencies are measured.
    pub fn turn_ended(&mut self, now: Duration) {
        let began = self.now.monotonic;
        let read = self.protocols.signal_fish.relayed() + self.protocols.relay.counters().messages;
        if read != self.forwarded.game_data + self.forwarded.of_relay {
            self.measure_forwarded(began);
        }
        let sent_all = self.due.is_empty() && !self.effects.outboxes.has_fresh();
        self.meter.turn_ended(began, now, sent_all);
        for asked_at in self.protocols.take_joined() {
            self.meter.joins.record(now.saturating_sub(asked_at), 1);
        }
    }

    /// Messages for others were read in the turn that began then.
    #[inline(never)]
    fn measure_forwarded(&mut self, began: Duration) {
        let game_data = self.protocols.signal_fish.relayed();
        let of_relay = self.protocols.relay.counters().messages;
        let before = std::mem::replace(&mut self.forwarded, Forwarded { game_data, of_relay });
        let read = Forwarded {
            game_data: game_data - before.game_data,
            of_relay: of_relay - before.of_relay,
        };
        self.meter.read(began, read);
    }

    fn tell_observer(&mut self) {
        let observations = self.protocols.take_observations();
        if !observations.is_empty() {
            self.post.observed(self.now.unix, observations);
        }
    }

    fn read_mail(&mut self) -> bool {
        if !self.mail_left && !self.post.has_mail() {
            return false;
        }
        self.mail_left = true;
        for _ in 0..MAIL_PER_TURN_MAX {
            let Some(mail) = self.post.take() else {
                self.mail_left = false;
                break;
            };
            match mail {
                Mail::Verdict { slot, verdict, crowded } => {
                    self.crowded = crowded;
                    self.decided(slot, verdict);
                }
                Mail::Connection(moving) => self.arrive(*moving),
                Mail::Answer { slot, number, answer } => self.answered_by_desk(slot, number, &answer),
                Mail::Piece(piece) => self.feed_streams(&piece),
                Mail::Question { number, question } => self.reply(number, &question),
                Mail::Relayed(message) => {
                    self.protocols.relay.relayed(&message, &mut self.effects);
                    self.settle();
                }
                Mail::Breaker(open) => self.protocols.relay.breaker(open),
                Mail::Reload(reload) => self.reload(&reload),
                Mail::Drain => self.drain(),
            }
        }
        true
    }

    /// Edges are only remembered here.
    fn take_events(&mut self) -> bool {
        let mut any = false;
        while let Some(event) = self.sockets.next_event() {
            any = true;
            match event {
                Event::Newcomers(listener) => self.somebody_waits(listener),
                Event::Ready(slot, ready) => {
                    let Some(connection) = self.slots.get_mut(slot) else {
                        continue;
                    };
                    connection.readable |= ready.input;
                    connection.ended |= ready.ended;
                    if ready.output && std::mem::take(&mut connection.blocked) {
                        self.due.push_back(slot);
                    }
                    if ready.input {
                        self.run_soon(slot);
                    }
                }
            }
        }
        any
    }

    /// Serves the connections that are on the run list now; who comes back on it waits for the next turn.
    fn serve_ready(&mut self) -> bool {
        let ready = self.run.len();
        for _ in 0..ready {
            let Some(slot) = self.run.pop_front() else { break };
            if let Some(connection) = self.slots.get_mut(slot) {
                connection.queued = false;
                self.serve(slot);
            }
        }
        ready > 0
    }

    /// What a connection has to do, by its phase.
    pub(super) fn serve(&mut self, slot: Slot) {
        match self.slots.get(slot).map(|connection| &connection.phase) {
            Some(Phase::Head(_)) => self.serve_head(slot),
            Some(Phase::Open(protocol)) => {
                let protocol = *protocol;
                self.serve_open(slot, protocol);
            }
            Some(Phase::Stream(_)) => self.serve_stream(slot),
            Some(Phase::Closing(_)) => self.serve_closing(slot),
            Some(Phase::Free | Phase::Ended) | None => {}
        }
    }

    fn report_sometimes(&mut self, worked: bool) {
        let now = self.now.monotonic;
        if self.report_at.is_some_and(|at| at <= now) {
            self.report_at = None;
            let report = Box::new(self.report());
            self.post.request(Request::Report(report));
        } else if worked && self.report_at.is_none() {
            self.report_at = Some(now.saturating_add(REPORT_INTERVAL));
        }
    }

    fn next(&self) -> Next {
        if self.has_ended {
            return Next::Ended;
        }
        let more = self.mail_left
            || !self.run.is_empty()
            || !self.due.is_empty()
            || self.effects.outboxes.has_fresh()
            || self.drained.is_some()
            || (!self.newcomers.is_empty() && self.may_accept());
        if more {
            return Next::Now;
        }
        let deadlines = [
            self.wheel.next(),
            self.report_at,
            self.accept_again_at,
            self.drain_deadline,
            Some(self.protocols.next_due()),
        ];
        Next::At(deadlines.into_iter().flatten().min().unwrap_or(Duration::MAX))
    }
}
