//! A connection that speaks a protocol: bytes are received, decoded in place and given to the protocol as messages.

use super::connection::{Incomplete, Phase, Rest};
use super::debts::Caused;
use super::mail::{Cause, Post, Told};
use super::state::Shard;
use super::turn::{BYTES_PER_TURN_MAX, FRAMES_PER_TURN_MAX};
use crate::protocol::{Message, Protocol, Trouble};
use crate::slot::Slot;
use crate::transport::{Received, Sockets, Taken};
use crate::ws::{Event, Violation, write_close, write_pong};

/// What one connection may still do in this turn.
struct Budget {
    frames: u32,
    bytes: usize,
}

impl<S: Sockets, P: Post<S::Socket>> Shard<S, P> {
    /// Handles input until there is none, the connection has to wait, or its budget is used up.
    pub(super) fn serve_open(&mut self, slot: Slot, protocol: Protocol) {
        let mut budget = Budget {
            frames: FRAMES_PER_TURN_MAX,
            bytes: BYTES_PER_TURN_MAX,
        };
        let now = self.now.monotonic;
        while self.goes_on(slot, protocol) {
            let Some(connection) = self.slots.get_mut(slot) else {
                return;
            };
            if connection.unpause(now) {
                // While it paused its clocks stood still, and it may have lost its deadline.
                self.forgive(slot);
                self.arm(slot);
            }
            let Some(connection) = self.slots.get_mut(slot) else {
                return;
            };
            if !connection.readable && !connection.has_unread() {
                return;
            }
            if budget.frames == 0 || budget.bytes == 0 {
                return self.run_soon(slot);
            }
            if connection.has_unread() {
                self.handle_unread(slot, protocol, &mut budget);
            } else {
                self.receive(slot, protocol, &mut budget);
            }
        }
        self.forgive(slot);
        if let Some(connection) = self.slots.get_mut(slot) {
            connection.pause(now);
            if matches!(connection.phase, Phase::Open(_)) && !connection.debts.are_paid(now, &self.prices) {
                connection.owes = true;
                self.paying += 1;
                self.counters.senders_paused += 1;
                self.arm(slot);
            }
        }
        self.look_for_end(slot, protocol);
    }

    /// A sender has paid, or ends, or goes elsewhere with what it owes.
    pub(super) fn forgive(&mut self, slot: Slot) {
        if let Some(connection) = self.slots.get_mut(slot)
            && std::mem::take(&mut connection.owes)
        {
            self.paying -= 1;
        }
    }

    /// Whether a connection is not read because of what it owes.
    #[must_use]
    pub fn pays(&self, slot: Slot) -> bool {
        let connection = self.slots.get(slot);
        connection.is_some_and(|connection| connection.owes)
    }

    /// A connection that waits is not read, unless its end is known. Who is gone waits for nothing: what admission grants
    /// meanwhile goes back. What was sent before the end is kept, and handled when the waiting is over.
    fn look_for_end(&mut self, slot: Slot, protocol: Protocol) {
        while self.open_protocol(slot).is_some()
            && let Some(connection) = self.slots.get_mut(slot).filter(|connection| connection.ended)
        {
            let kept = connection.rest.as_ref().map_or(0, |rest| rest.unread.len());
            let room = self.buffer.len().saturating_sub(kept);
            if room == 0 {
                return;
            }
            let mut buffer = std::mem::take(&mut self.buffer);
            let taken = self.receive_input(slot, &mut buffer[..room]);
            let connection = self.slots.get_mut(slot);
            if let (Received::Bytes(count), Some(connection)) = (taken.received, connection) {
                let rest = connection.rest.get_or_insert_default();
                rest.unread.extend_from_slice(&buffer[..count]);
            }
            self.buffer = buffer;
            let Some(connection) = self.slots.get_mut(slot) else {
                return;
            };
            match taken.received {
                Received::Bytes(_) => {}
                Received::Nothing if taken.more => {}
                Received::Nothing => return,
                // It may still read the answers to what it sent.
                Received::Ended if connection.has_unread() => return,
                Received::Ended => {
                    self.leave(slot, protocol, Cause::Ended);
                    self.begin_closing(slot, true);
                }
                Received::Lost => {
                    self.leave(slot, protocol, Cause::Lost);
                    self.release(slot);
                }
            }
        }
    }

    /// Whether messages of this connection may be delivered. During a drain the session has ended, and what comes until
    /// the connection is closed stays where it is.
    fn goes_on(&self, slot: Slot, protocol: Protocol) -> bool {
        let Some(connection) = self.slots.get(slot) else {
            return false;
        };
        matches!(connection.phase, Phase::Open(_))
            && !self.is_draining()
            && connection.debts.are_paid(self.now.monotonic, &self.prices)
            && !self.protocols.waits(protocol, slot)
    }

    /// Receives once and handles what came.
    fn receive(&mut self, slot: Slot, protocol: Protocol, budget: &mut Budget) {
        // The buffer is out of the shard while messages borrow from it.
        let mut buffer = std::mem::take(&mut self.buffer);
        let taken = self.receive_input(slot, &mut buffer);
        budget.bytes = budget.bytes.saturating_sub(taken.ciphertext);
        match (taken.received, self.slots.get_mut(slot)) {
            (Received::Bytes(count), Some(connection)) => {
                // What comes later is an edge of its own, but for an end that came before.
                connection.readable = taken.more || connection.ended;
                connection.lives(self.now.monotonic);
                let mut kept = connection.rest.take();
                let mut fresh = Rest::default();
                let rest = kept.as_deref_mut().unwrap_or(&mut fresh);
                let taken = self.handle(slot, protocol, rest, &mut buffer[..count], budget);
                if taken < count {
                    rest.unread = buffer[taken..count].to_vec();
                }
                if !rest.is_empty() {
                    self.keep(slot, kept.unwrap_or_else(|| Box::new(fresh)));
                }
            }
            (Received::Nothing, Some(connection)) if taken.more || !connection.ended => {
                connection.readable = taken.more;
                if taken.ciphertext > 0 {
                    // A part of a record is a sign of life as well.
                    connection.lives(self.now.monotonic);
                }
            }
            (Received::Ended, _) => {
                self.leave(slot, protocol, Cause::Ended);
                self.begin_closing(slot, true);
            }
            // An end that was told and cannot be read is the end all the same: its output may be lost alone.
            (Received::Lost | Received::Nothing, Some(_)) => {
                self.leave(slot, protocol, Cause::Lost);
                self.release(slot);
            }
            (_, None) => {}
        }
        self.buffer = buffer;
    }

    /// Receives once into a buffer that is not empty, through TLS where there is any.
    pub(super) fn receive_input(&mut self, slot: Slot, buffer: &mut [u8]) -> Taken {
        if self.slots.get(slot).is_some_and(|connection| connection.tls.is_some()) {
            return self.receive_secure(slot, buffer);
        }
        self.counters.receives += 1;
        Taken::plain(self.sockets.receive(slot, buffer), buffer.len())
    }

    /// Handles what was received in an earlier turn.
    fn handle_unread(&mut self, slot: Slot, protocol: Protocol, budget: &mut Budget) {
        let rest = self.slots.get_mut(slot).and_then(|connection| connection.rest.take());
        let Some(mut rest) = rest else { return };
        let mut unread = std::mem::take(&mut rest.unread);
        let start = std::mem::take(&mut rest.taken);
        let taken = start + self.handle(slot, protocol, &mut rest, &mut unread[start..], budget);
        if taken < unread.len() {
            rest.unread = unread;
            rest.taken = taken;
        }
        if !rest.is_empty() {
            self.keep(slot, rest);
        }
    }

    /// Keeps what a connection has not handled, unless it is closed meanwhile.
    fn keep(&mut self, slot: Slot, rest: Box<Rest>) {
        if self.open_protocol(slot).is_none() {
            return;
        }
        let until = rest.message.map(|message| message.until);
        if let Some(connection) = self.slots.get_mut(slot) {
            connection.rest = Some(rest);
        }
        if until == Some(self.now.monotonic.saturating_add(self.options.message_timeout)) {
            // It began just now.
            self.arm(slot);
        }
    }

    /// Decodes and handles frames from the front of `input`; returns how many bytes were taken.
    fn handle(
        &mut self,
        slot: Slot,
        protocol: Protocol,
        rest: &mut Rest,
        input: &mut [u8],
        budget: &mut Budget,
    ) -> usize {
        let limits = self.options.manners(protocol).codec;
        let Rest { decoder, message, .. } = rest;
        let mut taken = 0;
        while taken < input.len() && budget.frames > 0 {
            let event = match decoder.decode(&mut input[taken..], &limits) {
                Ok((count, event)) => {
                    taken += count;
                    event
                }
                Err(violation) => {
                    self.violated(slot, protocol, violation);
                    return input.len();
                }
            };
            let Some(event) = event else { break };
            budget.frames -= 1;
            let is_message = !matches!(event, Event::Ping(_) | Event::Pong);
            let before = self.effects.outboxes.appended();
            self.handle_event(slot, protocol, event);
            self.charge(slot, before, decoder.take_frames());
            if is_message || !decoder.is_in_message() {
                *message = None;
            }
            if !self.goes_on(slot, protocol) {
                break;
            }
        }
        // A message that came in pieces would otherwise stay in memory until the next one.
        decoder.release();
        if !decoder.is_idle() {
            message.get_or_insert(Incomplete {
                until: self.now.monotonic.saturating_add(self.options.message_timeout),
                is_overdue: false,
            });
        }
        taken
    }

    /// The sender pays for a message that was handled: `appended_before` bytes were in outboxes then, and the message came
    /// in so many frames.
    fn charge(&mut self, slot: Slot, appended_before: u64, frames: u32) {
        /// Fragments that count as one message.
        const FRAGMENTS_PER_MESSAGE: u32 = 64;
        let outboxes = &mut self.effects.outboxes;
        let caused = Caused {
            messages: frames.div_ceil(FRAGMENTS_PER_MESSAGE).max(1),
            bytes: outboxes.appended() - appended_before,
            bytes_to_one: outboxes.take_largest_message() as u64,
        };
        if let Some(connection) = self.slots.get_mut(slot) {
            connection.debts.spend(self.now.monotonic, caused, &self.prices);
        }
    }

    fn handle_event(&mut self, slot: Slot, protocol: Protocol, event: Event<'_>) {
        let message = match event {
            Event::Text(text) => Message::Text(text),
            Event::Binary(payload) => Message::Binary(payload),
            Event::Oversize { kind, length } => Message::Oversize { kind, length },
            Event::Ping(payload) => {
                self.effects
                    .outboxes
                    .append_control(slot, |out| write_pong(payload, out));
                return self.settle();
            }
            Event::Pong => return,
            Event::Close(said) => {
                let (code, reason) = said.unzip();
                self.leave(slot, protocol, Cause::Closed(code));
                if self.effects.outboxes.shut(slot) {
                    self.effects.closes.count(1000);
                    self.effects
                        .outboxes
                        .append_with(slot, |out| write_close(code, reason.unwrap_or_default(), out));
                }
                return self.begin_closing(slot, true);
            }
        };
        self.post.witness(Told::Message(slot, message));
        self.with_protocols(slot, |protocols, cx| protocols.message(protocol, cx, message));
    }

    fn violated(&mut self, slot: Slot, protocol: Protocol, violation: Violation) {
        self.give_notice(
            slot,
            protocol,
            &Trouble::Violation(violation),
            violation.close_code(),
            violation.reason(),
        );
    }
}
