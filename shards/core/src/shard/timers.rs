//! Deadlines of connections: heads, silence, messages that take too long, the end (D24, D39).

use super::connection::Phase;
use super::mail::{Cause, Post, Told};
use super::state::Shard;
use crate::protocol::{Protocol, Trouble};
use crate::slot::Slot;
use crate::transport::Sockets;
use crate::ws::write_ping;
use std::time::Duration;

/// What a message gets once to be read in, when its time is over and there is more input than a turn reads: the server
/// itself may have stood still.
const CATCHING_UP: Duration = Duration::from_secs(2);

impl<S: Sockets, P: Post<S::Socket>> Shard<S, P> {
    /// Sets the deadline of a connection. A deadline that becomes later is found out when the old one fires.
    pub(super) fn arm(&mut self, slot: Slot) {
        if let Some(at) = self.deadline(slot) {
            self.wheel.arm(slot.index, at);
        }
    }

    /// Whether the deadline of a connection, if it has one, is met when it comes.
    #[must_use]
    pub fn meets_deadline(&self, slot: Slot) -> bool {
        self.deadline(slot).is_none_or(|at| self.wheel.is_armed(slot.index, at))
    }

    fn deadline(&self, slot: Slot) -> Option<Duration> {
        let connection = self.slots.get(slot)?;
        match &connection.phase {
            // A request that is complete waits for the server, not for its client.
            Phase::Head(head)
                if connection.asked.is_some() && head.conversation.is_complete() && !self.is_draining() =>
            {
                None
            }
            Phase::Head(head) => {
                let hello = head.hello.as_ref().and_then(|hello| hello.waits_until);
                Some(hello.unwrap_or(head.deadline).min(head.deadline))
            }
            Phase::Closing(linger) => Some(linger.until),
            Phase::Free | Phase::Ended | Phase::Stream(_) => None,
            Phase::Open(protocol) => {
                let of_protocol = self.protocols.deadline(*protocol, slot);
                if connection.paused_at.is_some() {
                    let paid = connection.owes.then(|| connection.debts.paid_at(&self.prices));
                    return [of_protocol, paid].into_iter().flatten().min();
                }
                [
                    Some(connection.silent_until(self.options.manners(*protocol).silence_max)),
                    connection.message_until(),
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
            self.post.witness(Told::Tick);
            self.protocols.tick(self.now, &mut self.effects);
            self.settle();
        }
        any
    }

    fn fire(&mut self, slot: Slot) {
        self.end_wait_for_handshake(slot);
        if self.is_due(slot) {
            self.read_first(slot);
        }
        if self.is_due(slot) {
            match self.slots.get(slot).map(|connection| &connection.phase) {
                Some(Phase::Head(_)) => self.head_timed_out(slot),
                Some(Phase::Closing(_)) => self.release(slot),
                Some(Phase::Open(protocol)) => {
                    let protocol = *protocol;
                    self.open_due(slot, protocol);
                }
                Some(Phase::Free | Phase::Ended | Phase::Stream(_)) | None => {}
            }
        }
        // It was early, or there is another one.
        self.arm(slot);
    }

    /// The handshakes of its address had to wait until now.
    fn end_wait_for_handshake(&mut self, slot: Slot) {
        let now = self.now.monotonic;
        if let Some(connection) = self.slots.get_mut(slot)
            && let Phase::Head(head) = &mut connection.phase
            && let Some(hello) = &mut head.hello
            && hello.waits_until.is_some_and(|until| until <= now)
        {
            hello.waits_until = None;
            self.run_soon(slot);
        }
    }

    fn is_due(&self, slot: Slot) -> bool {
        self.deadline(slot)
            .is_some_and(|deadline| deadline <= self.now.monotonic)
    }

    /// Reads before it judges (D24). When the server itself stood still there may be input of which no event has told yet:
    /// so many are told at once, and a signal may have swallowed them.
    fn read_first(&mut self, slot: Slot) {
        if let Some(connection) = self.slots.get_mut(slot)
            && let Phase::Head(_) | Phase::Open(_) = connection.phase
        {
            connection.readable = true;
            self.serve(slot);
        }
    }

    fn open_due(&mut self, slot: Slot, protocol: Protocol) {
        if self.is_draining() {
            // Its turn to be closed would have come anyway.
            return self.close_for_drain(slot);
        }
        let now = self.now.monotonic;
        let of_protocol = self.protocols.deadline(protocol, slot);
        if of_protocol.is_some_and(|deadline| deadline <= now) {
            self.post.witness(Told::Due(slot));
            return self.with_protocols(slot, |protocols, cx| protocols.due(protocol, cx));
        }
        let Some(connection) = self.slots.get_mut(slot) else {
            return;
        };
        if connection.paused_at.is_some() {
            if connection.owes {
                self.forgive(slot);
                self.run_soon(slot);
            }
            return;
        }
        let has_input = connection.readable || connection.has_unread();
        let message = connection.rest.as_mut().and_then(|rest| rest.message.as_mut());
        if let Some(message) = message.filter(|message| message.until <= now) {
            if has_input && !message.is_overdue {
                message.is_overdue = true;
                message.until = now.saturating_add(CATCHING_UP);
                return;
            }
            self.counters.closed_incomplete += 1;
            return self.give_notice(slot, protocol, &Trouble::MessageTimeout, 1008, "message took too long");
        }
        let manners = self.options.manners(protocol);
        if connection.silent_until(manners.silence_max) > now {
            return;
        }
        if has_input {
            // What is there and has not been read is life.
            return connection.lives(now);
        }
        if connection.pinged_at.is_none() {
            connection.pinged_at = Some(now);
            self.effects.outboxes.append_control(slot, |out| write_ping(&[], out));
            return self.settle();
        }
        // No code of the protocols says this, so the close frame alone explains (D9).
        self.counters.closed_silent += 1;
        self.leave(slot, protocol, Cause::Silent);
        self.close(slot, 1008, manners.silent);
    }
}
