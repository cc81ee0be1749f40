//! Effects are carried out here: questions, moves and closes leave the protocols as effects, verdicts come back.

use super::connection::{Asker, Phase};
use super::mail::{Cause, Post, Request, Told};
use super::state::Shard;
use crate::admission::{Ask, Verdict};
use crate::effects::{Cx, Effect, Outboxes};
use crate::entry::grant;
use crate::protocol::Protocol;
use crate::slot::Slot;
use crate::transport::{Sent, Sockets};
use crate::ws::write_ping;

impl<S: Sockets, P: Post<S::Socket>> Shard<S, P> {
    /// Carries out what protocols want done, and looks at the outboxes that passed their bound.
    pub(super) fn settle(&mut self) {
        loop {
            while let Some(slot) = self.effects.outboxes.next_over() {
                self.relieve(slot, |outboxes| outboxes.is_over(slot));
            }
            while self.effects.outboxes.is_total_over()
                && let Some(slot) = self.effects.outboxes.next_largest()
            {
                self.relieve(slot, Outboxes::is_total_over);
                self.effects.outboxes.list(slot);
            }
            let mut effects = std::mem::take(&mut self.carried_out);
            self.effects.take(&mut effects);
            let quiet = effects.is_empty();
            for effect in effects.drain(..) {
                self.carry_out(effect);
            }
            self.carried_out = effects;
            if quiet {
                return;
            }
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Ask(slot, ask) => {
                if let Some(protocol) = self.open_protocol(slot) {
                    self.ask(slot, Asker::Session(protocol), ask);
                }
            }
            Effect::Notify(notice) => self.notify(notice),
            Effect::Resume(slot) => self.run_soon(slot),
            Effect::Close(slot) => self.begin_closing(slot, false),
            Effect::Ping(slot) => self.ping(slot),
            Effect::Move(slot, to) => self.leaving.push((slot, to)),
            Effect::Publish(message) => {
                if self.post.publish(*message).is_err() {
                    self.protocols.relay.unpublished();
                }
            }
        }
    }

    /// A protocol pings by itself: the judgement of silence counts it as a ping of its own.
    fn ping(&mut self, slot: Slot) {
        if let Some(connection) = self.slots.get_mut(slot) {
            connection.pinged_at.get_or_insert(self.now.monotonic);
            self.effects.outboxes.append_control(slot, |out| write_ping(&[], out));
        }
    }

    pub(super) fn ask(&mut self, slot: Slot, asker: Asker, ask: Ask) {
        let shard = self.index;
        if let Some(connection) = self.slots.get_mut(slot) {
            debug_assert!(connection.asked.is_none(), "one question at a time");
            connection.asked = Some(asker);
            self.counters.asks += 1;
            let connections = self.slots.live();
            self.post.request(Request::Ask {
                shard,
                slot,
                ask,
                connections,
            });
        }
    }

    /// Admission answered.
    pub(super) fn decided(&mut self, slot: Slot, verdict: Verdict) {
        if matches!(verdict, Verdict::Refused(_)) {
            self.counters.refusals += 1;
        }
        let connection = self.slots.get_mut(slot);
        let asked = connection.and_then(|connection| {
            let in_head = matches!(connection.phase, Phase::Head(_));
            Some((connection.asked.take()?, in_head))
        });
        match asked {
            Some((Asker::Session(protocol), _)) => {
                self.with_protocols(slot, |protocols, cx| protocols.verdict(protocol, cx, verdict));
            }
            Some((Asker::Ticket, true)) => {
                let decision = grant::ticket(verdict, &mut self.effects);
                self.ticket_decided(slot, decision);
            }
            Some((Asker::Ticket, false)) | None => grant::give_back(verdict, &mut self.effects),
        }
        self.settle();
        if matches!(
            self.slots.get(slot).map(|connection| &connection.phase),
            Some(Phase::Ended)
        ) {
            self.slots.give_up(slot);
        }
    }

    /// Sends from an outbox that holds more than it may, and judges then: a client whose socket refuses bytes is closed as
    /// a slow consumer (D26). Nothing of a protocol runs here but the end of that session.
    fn relieve(&mut self, slot: Slot, is_over: impl Fn(&Outboxes) -> bool) {
        let Some(protocol) = self.open_protocol(slot) else {
            // Its last words are said; what its peer does not take is not worth the memory of others.
            if is_over(&self.effects.outboxes) && self.slots.get(slot).is_some() {
                self.release(slot);
            }
            return;
        };
        while is_over(&self.effects.outboxes) && !self.effects.outboxes.unsent(slot).is_empty() {
            match self.send_once(slot) {
                Sent::Bytes(_) => {}
                Sent::Blocked => {
                    let reason = self.options.manners(protocol).slow;
                    self.counters.closed_slow += 1;
                    self.log_closed(slot, protocol, 1013, reason);
                    self.post.witness(Told::Left(slot, Cause::Slow));
                    // Its protocol may just have closed it for another reason: then its session has ended already, and
                    // the close frame of then goes with what is cut.
                    if self.effects.outboxes.shut(slot) {
                        self.protocols.too_slow(protocol);
                        self.end_session(slot, protocol);
                    }
                    self.effects.outboxes.cut(slot);
                    self.effects.outboxes.open(slot);
                    return self.effects.close(slot, 1013, reason);
                }
                Sent::Lost => return self.output_lost(slot),
            }
        }
    }

    /// Ends a session while effects are carried out; what it leads to is carried out with them.
    fn end_session(&mut self, slot: Slot, protocol: Protocol) {
        let mut cx = Cx::new(self.now, slot, &mut self.effects);
        self.protocols.left(protocol, &mut cx);
    }
}
