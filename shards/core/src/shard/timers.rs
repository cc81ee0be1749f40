//! Deadlines of connections: heads, silence, messages that take too long, the end (D24, D39).

use super::connection::Phase;
use super::mail::Post;
use super::state::Shard;
use crate::protocol::{Protocol, Trouble};
use crate::slot::Slot;
use crate::transport::Sockets;
use crate::ws::write_ping;
use std::time::Duration;

/// How soon a connection is looked at again whose input has to be read before it is judged.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

impl<S: Sockets, P: Post<S::Socket>> Shard<S, P> {
    /// Sets the deadline of a connection. A deadline that becomes later is found out when the old one fires.
    pub(super) fn arm(&mut self, slot: Slot) {
        if let Some(at) = self.deadline(slot) {
            self.wheel.arm(slot.index, at);
        }
    }

    fn deadline(&self, slot: Slot) -> Option<Duration> {
        let connection = self.slots.get(slot)?;
        match &connection.phase {
            Phase::Head(head) => Some(head.deadline),
            Phase::Closing(linger) => Some(linger.until),
            Phase::Free | Phase::Ended => None,
            Phase::Open(protocol) => {
                let of_protocol = self.protocols.deadline(*protocol, slot);
                if connection.paused {
                    let paid = connection.owes.then(|| connection.debts.paid_at(&self.prices));
                    return [of_protocol, paid].into_iter().flatten().min();
                }
                let timeout = self.options.ping_timeout;
                let silence_max = if connection.pinged { timeout } else { timeout / 2 };
                let message = connection.rest.as_ref().and_then(|rest| rest.message_since);
                [
                    Some(connection.last_life.saturating_add(silence_max)),
                    message.map(|since| since.saturating_add(self.options.message_timeout)),
                    of_protocol,
                ]
                .into_iter()
                .flatten()
                .min()
            }
        }
    }

    /// Handles the deadlines that have come. Returns whether there were any.
    pub(super) fn fire_due(&mut self) -> bool {
        let now = self.now.monotonic;
        let mut fired = std::mem::take(&mut self.fired);
        self.wheel.advance(now, &mut fired);
        let mut any = !fired.is_empty();
        for index in fired.drain(..) {
            if let Some(slot) = self.slots.at(index) {
                self.fire(slot);
            }
        }
        self.fired = fired;
        if self.protocols.next_due() <= now {
            any = true;
            self.protocols.tick(self.now, &mut self.effects);
            self.settle();
        }
        any
    }

    fn fire(&mut self, slot: Slot) {
        let now = self.now.monotonic;
        if self.deadline(slot).is_some_and(|deadline| deadline <= now) {
            match self.slots.get(slot).map(|connection| &connection.phase) {
                Some(Phase::Head(_)) => self.head_timed_out(slot),
                Some(Phase::Closing(_)) => self.release(slot),
                Some(Phase::Open(protocol)) => {
                    let protocol = *protocol;
                    self.open_due(slot, protocol);
                }
                Some(Phase::Free | Phase::Ended) | None => {}
            }
        }
        // It was early, or there is another one.
        self.arm(slot);
    }

    fn open_due(&mut self, slot: Slot, protocol: Protocol) {
        if self.is_draining() {
            // Its turn to be closed would have come anyway.
            return self.close_for_drain(slot);
        }
        let now = self.now.monotonic;
        let of_protocol = self.protocols.deadline(protocol, slot);
        if of_protocol.is_some_and(|deadline| deadline <= now) {
            return self.with_protocols(slot, |protocols, cx| protocols.due(protocol, cx));
        }
        let Some(connection) = self.slots.get_mut(slot) else {
            return;
        };
        if connection.paused {
            if std::mem::take(&mut connection.owes) {
                self.run_soon(slot);
            }
            return;
        }
        if connection.readable || connection.has_unread() {
            // Read first, judge then: the server itself may have stood still.
            return self.wheel.arm(slot.index, now.saturating_add(LOOK_AGAIN));
        }
        let timeout = self.options.ping_timeout;
        let silence = now.saturating_sub(connection.last_life);
        let message = connection.rest.as_ref().and_then(|rest| rest.message_since);
        if message.is_some_and(|since| since.saturating_add(self.options.message_timeout) <= now) {
            self.counters.closed_incomplete += 1;
            self.give_notice(slot, protocol, &Trouble::MessageTimeout, 1008, "message took too long");
        } else if silence >= timeout {
            // No code of the protocols says this, so the close frame alone explains (D9).
            self.counters.closed_silent += 1;
            self.leave(slot, protocol);
            self.close(slot, 1008, "ping timeout");
        } else if silence >= timeout / 2 && !connection.pinged {
            connection.pinged = true;
            self.effects.outboxes.append_control(slot, |out| write_ping(&[], out));
            self.settle();
        }
    }
}
