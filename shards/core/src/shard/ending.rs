//! What ends a connection, and how: the rest of its output is sent, its sending direction is ended, its input is discarded,
//! its slot is given up. A socket that is closed with unread input would turn the close into a reset that destroys the
//! answer.

use super::connection::{Linger, Phase};
use super::mail::{Cause, Mail, Post, Told};
use super::state::Shard;
use super::turn::DRAINED_PER_TURN_MAX;
use crate::admission::Notice;
use crate::http::{Refusal, refusal_text};
use crate::protocol::journal::{self, Line};
use crate::protocol::{Protocol, Trouble};
use crate::slot::Slot;
use crate::transport::{Received, Sockets};
use std::sync::Arc;
use std::time::Duration;

/// How long a closing connection may take to send its last output and to see the peer's end.
const LINGER: Duration = Duration::from_secs(2);
/// Input of a closing connection that is read and thrown away, in bytes.
const DISCARD_BYTES_MAX: u32 = 64 * 1024;

/// How RFC 6455 section 7.1.5 names the end of a connection without a close frame, for the log and to be counted.
pub(super) const ABNORMAL: u16 = 1006;

/// Code and reason for the log; codes are those of RFC 6455, section 7.1.5.
fn logged(cause: Cause<'_>) -> (u16, &'static str) {
    match cause {
        Cause::Closed(code) => (code.unwrap_or(1005), "the client closed"),
        Cause::Ended => (ABNORMAL, "the connection ended without a close frame"),
        Cause::Lost => (ABNORMAL, "the connection was lost"),
        Cause::Silent => (1008, "ping timeout"),
        // Those who end these log them themselves.
        Cause::Slow => (1013, "too slow"),
        Cause::Trouble(_) => (1008, "trouble"),
    }
}

impl<S: Sockets, P: Post<S::Socket>> Shard<S, P> {
    /// Ends the session of an open connection without the protocol's doing.
    pub(super) fn leave(&mut self, slot: Slot, protocol: Protocol, cause: Cause<'_>) {
        self.post.witness(Told::Left(slot, cause));
        let (code, reason) = logged(cause);
        self.log_closed(slot, protocol, code, reason);
        if code == ABNORMAL {
            self.effects.closes.count(code);
        }
        self.with_protocols(slot, |protocols, cx| protocols.left(protocol, cx));
    }

    /// An open connection ends, with this code, because of that.
    #[cold]
    #[inline(never)]
    pub(super) fn log_closed(&self, slot: Slot, protocol: Protocol, code: u16, reason: &str) {
        if journal::is_on() {
            Line {
                code: Some(code),
                reason: Some(reason),
                ..self.protocols.line(protocol, self.index, slot)
            }
            .log("closed");
        }
    }

    /// Something happened to a connection that speaks HTTP.
    #[cold]
    #[inline(never)]
    pub(super) fn log_http(&self, slot: Slot, message: &str, reason: Option<&str>) {
        if journal::is_on() {
            let address = match self.slots.get(slot).map(|connection| &connection.phase) {
                Some(Phase::Head(head)) => Some(head.peer),
                _ => None,
            };
            Line {
                shard: self.index,
                slot: Some(slot),
                address,
                reason,
                ..Line::default()
            }
            .log(message);
        }
    }

    /// Closes an open connection: a close frame goes behind what is in its outbox. Its session has ended already.
    pub(super) fn close(&mut self, slot: Slot, code: u16, reason: &str) {
        self.effects.close(slot, code, reason);
        self.settle();
    }

    /// Closes an open connection for a reason that its client is told first.
    pub(super) fn give_notice(&mut self, slot: Slot, protocol: Protocol, trouble: &Trouble, code: u16, reason: &str) {
        self.log_closed(slot, protocol, code, reason);
        self.post.witness(Told::Left(slot, Cause::Trouble(trouble)));
        self.with_protocols(slot, |protocols, cx| {
            protocols.explain(protocol, cx, trouble);
            protocols.left(protocol, cx);
        });
        self.close(slot, code, reason);
    }

    /// Nothing more is accepted from or for the connection; what is in its outbox is still sent. `peer_done`: the peer has
    /// said that it sends nothing more.
    pub(super) fn begin_closing(&mut self, slot: Slot, peer_done: bool) {
        let until = self.now.monotonic.saturating_add(self.linger(slot));
        let Some(connection) = self.slots.get_mut(slot) else {
            return;
        };
        match connection.phase {
            Phase::Head(_) | Phase::Stream(_) => self.log_http(slot, "ended", None),
            Phase::Open(_) => {}
            Phase::Free | Phase::Closing(_) | Phase::Ended => return,
        }
        let Some(connection) = self.slots.get_mut(slot) else {
            return;
        };
        connection.phase = Phase::Closing(Linger {
            until,
            discarded: 0,
            shut: false,
            peer_done,
        });
        connection.rest = None;
        connection.paused_at = None;
        self.forgive(slot);
        self.effects.outboxes.shut(slot);
        self.arm(slot);
        if !self.has_output(slot) {
            // Otherwise the flush comes back here.
            self.run_soon(slot);
        }
    }

    /// How long a connection may take to end. Those of some protocols have less time in a drain.
    fn linger(&self, slot: Slot) -> Duration {
        match self.open_protocol(slot) {
            Some(protocol) if self.is_draining() => LINGER.min(self.options.manners(protocol).drain_timeout),
            _ => LINGER,
        }
    }

    /// Goes on with the end of a connection.
    pub(super) fn serve_closing(&mut self, slot: Slot) {
        if self.has_output(slot) {
            return;
        }
        let Some(connection) = self.slots.get_mut(slot) else {
            return;
        };
        let Phase::Closing(linger) = &mut connection.phase else {
            return;
        };
        // The flush sends it and comes back here (T8).
        if connection.tls.as_mut().is_some_and(|tls| tls.close()) {
            return self.due.push_back(slot);
        }
        if !linger.shut && !linger.peer_done {
            linger.shut = true;
            self.sockets.shut(slot);
        }
        while connection.readable && linger.discarded < DISCARD_BYTES_MAX {
            self.counters.receives += 1;
            match self.sockets.receive(slot, &mut self.buffer) {
                Received::Bytes(count) => {
                    linger.discarded = linger
                        .discarded
                        .saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
                    connection.readable = count == self.buffer.len() || connection.ended;
                }
                Received::Nothing => connection.readable = false,
                Received::Ended | Received::Lost => return self.release(slot),
            }
        }
        if linger.peer_done || linger.discarded >= DISCARD_BYTES_MAX {
            self.release(slot);
        }
    }

    /// Closes the socket and gives the slot up; the session, if there was one, has ended already. The ticket goes back.
    pub(super) fn release(&mut self, slot: Slot) {
        let Some(connection) = self.slots.get_mut(slot) else {
            return;
        };
        match connection.phase {
            Phase::Head(_) | Phase::Stream(_) => self.log_http(slot, "ended", None),
            Phase::Free | Phase::Ended => return,
            Phase::Open(_) | Phase::Closing(_) => {}
        }
        let Some(connection) = self.slots.get_mut(slot) else {
            return;
        };
        let ticket = connection.ticket.take();
        if std::mem::take(&mut connection.owes) {
            self.paying -= 1;
        }
        connection.phase = Phase::Ended;
        connection.tls = None;
        connection.rest = None;
        let asked = connection.asked.is_some();
        self.sockets.close(slot);
        if let Some(ticket) = ticket {
            self.notify(Notice::ConnectionEnded(ticket));
        }
        self.effects.outboxes.clear(slot);
        self.wheel.disarm(slot.index);
        if !asked {
            self.slots.give_up(slot);
        }
    }

    // ----- the end of the server

    /// The server shuts down. All sessions end here; [`Self::go_on_draining`] closes their connections, some in each turn.
    pub(super) fn drain(&mut self) {
        if self.is_draining() {
            return;
        }
        self.drain_deadline = Some(self.now.monotonic.saturating_add(self.options.drain_timeout));
        self.protocols.drain(&mut self.effects);
        self.settle();
        self.drained = Some(0);
    }

    /// Every client is closed with 1001, heads that are under way get a second (D35, D45). Returns whether there was
    /// anything to do. A connection that takes a place after the drain went by needs nothing: who arrives is closed at
    /// once, and newcomers have no more than a second from the start.
    pub(super) fn go_on_draining(&mut self) -> bool {
        let Some(from) = self.drained else { return false };
        let places = self.slots.places();
        let to = from.saturating_add(DRAINED_PER_TURN_MAX).min(places);
        for index in from..to {
            let Some(slot) = self.slots.at(index) else { continue };
            match self.slots.get(slot).map(|connection| &connection.phase) {
                Some(Phase::Open(_)) => self.close_for_drain(slot),
                Some(Phase::Head(_)) => self.drain_head(slot),
                Some(Phase::Stream(_)) => self.begin_closing(slot, false),
                _ => {}
            }
        }
        self.drained = (to < places).then_some(to);
        true
    }

    /// Closes an open connection whose session the drain has ended.
    pub(super) fn close_for_drain(&mut self, slot: Slot) {
        let draining = self
            .open_protocol(slot)
            .map_or("", |protocol| self.options.manners(protocol).draining);
        self.close(slot, 1001, draining);
    }

    /// Ends the shard when nobody is left, or when the drain has taken its time: a stream of newcomers must not prolong it.
    pub(super) fn go_on_ending(&mut self) {
        let Some(deadline) = self.drain_deadline else { return };
        let out_of_time = deadline <= self.now.monotonic;
        if self.has_ended || (self.slots.live() > 0 && !out_of_time) {
            return;
        }
        if self.accepting {
            self.accepting = false;
            let sites = Arc::clone(&self.sites);
            self.sockets.stop_accepting(|listener| {
                if sites.of(listener).secure {
                    Vec::new()
                } else {
                    refusal_text(Refusal::Draining)
                }
            });
        }
        for index in 0..self.slots.places() {
            if let Some(slot) = self.slots.at(index) {
                self.release(slot);
            }
        }
        // What arrives too late goes back.
        while let Some(mail) = self.post.take() {
            match mail {
                Mail::Verdict { slot, verdict, .. } => self.decided(slot, verdict),
                Mail::Connection(moving) => self.arrive(*moving),
                Mail::Answer { .. }
                | Mail::Piece(_)
                | Mail::Question { .. }
                | Mail::Relayed(_)
                | Mail::Breaker(_)
                | Mail::Reload(_)
                | Mail::Drain => {}
            }
        }
        self.flush(usize::MAX);
        self.has_ended = true;
        self.report_at = Some(Duration::ZERO);
    }
}
