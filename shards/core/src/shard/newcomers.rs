//! Newcomers: they are accepted, given a slot, and asked for a ticket (D43).

use super::connection::{Asker, Head, Phase, Standing};
use super::mail::Post;
use super::state::Shard;
use crate::admission::Ask;
use crate::http::{Conversation, Refusal, refusal_text};
use crate::protocol::journal::{self, Line};
use crate::slot::{ListenerIndex, Slot};
use crate::transport::{Accepted, Sockets};
use std::net::IpAddr;
use std::time::Duration;

/// Pause after an accept that failed for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Time for a head that is under way while the server shuts down (D45).
pub(super) const LAST_HEADS: Duration = Duration::from_secs(1);

impl<S: Sockets, P: Post<S::Socket>> Shard<S, P> {
    pub(super) fn may_accept(&self) -> bool {
        self.accepting && self.accept_again_at.is_none()
    }

    /// An event told that somebody waits in the queue of a listener.
    pub(super) fn somebody_waits(&mut self, listener: ListenerIndex) {
        if !self.newcomers.contains(&listener) {
            self.newcomers.push_back(listener);
        }
    }

    pub(super) fn accept_newcomers(&mut self, accepts_max: usize) {
        if self.accept_again_at.is_some_and(|at| at <= self.now.monotonic) {
            self.accept_again_at = None;
        }
        if !self.may_accept() {
            return;
        }
        for _ in 0..accepts_max {
            let Some(&listener) = self.newcomers.front() else {
                return;
            };
            match self.sockets.accept(listener) {
                Accepted::Connection(socket, peer) => {
                    // One from each in turn: a flood of one listener keeps nobody of another waiting.
                    self.newcomers.rotate_left(1);
                    self.welcome(listener, socket, peer);
                }
                Accepted::Nobody => {
                    self.newcomers.pop_front();
                }
                Accepted::Exhausted => {
                    self.counters.accepts_exhausted += 1;
                    self.accept_again_at = Some(self.now.monotonic.saturating_add(ACCEPT_PAUSE));
                    return;
                }
            }
        }
    }

    /// Slots that newcomers may take. The others are for connections that move in.
    fn newcomers_max(&self) -> usize {
        let slots_max = self.options.slots_max;
        slots_max - (slots_max / 16).min(256)
    }

    fn welcome(&mut self, listener: ListenerIndex, socket: S::Socket, peer: IpAddr) {
        let newcomers_max = self.newcomers_max();
        let hello = self.hello(self.sites.of(listener).secure);
        let Some((slot, connection)) = self.slots.take(newcomers_max) else {
            self.counters.newcomers_refused += 1;
            if journal::is_on() {
                Line {
                    shard: self.index,
                    address: Some(peer),
                    reason: Some("no slot is left"),
                    ..Line::default()
                }
                .log("refused");
            }
            return self.sockets.refuse(socket, &self.refusal_at(listener, Refusal::NoSlot));
        };
        let now = self.now.monotonic;
        let allowed = if self.drain_deadline.is_some() {
            LAST_HEADS
        } else {
            self.options.head_timeout
        };
        let trusted = &self.sites.of(listener).trusted_proxies;
        let conversation = if trusted.introduces(peer) {
            Conversation::behind_proxy()
        } else {
            Conversation::default()
        };
        connection.phase = Phase::Head(Box::new(Head {
            hello,
            listener,
            conversation,
            peer,
            standing: Standing::Unknown,
            deadline: now.saturating_add(allowed),
        }));
        connection.last_life = now;
        self.effects.outboxes.take_slot(slot);
        if let Err(socket) = self.sockets.add(slot, socket) {
            self.counters.newcomers_refused += 1;
            self.sockets.refuse(socket, &self.refusal_at(listener, Refusal::NoSlot));
            return self.slots.give_up(slot);
        }
        self.counters.accepted += 1;
        self.log_http(slot, "accepted", None);
        self.arm(slot);
        if self.is_draining() {
            return;
        }
        if self.sites.of(listener).trusted_proxies.trusts(peer.to_canonical()) {
            // Whose connection it is stands in the head, or before it.
            return self.add_proxy_head(slot);
        }
        self.ask_for_ticket(slot, peer);
    }

    /// What a newcomer is told that gets no connection: nothing in plain where TLS has to come.
    pub(super) fn refusal_at(&self, listener: ListenerIndex, refusal: Refusal) -> Vec<u8> {
        if self.sites.of(listener).secure {
            Vec::new()
        } else {
            refusal_text(refusal)
        }
    }

    /// Asks for the ticket of a client at `address`, unless it was refused a moment ago.
    pub(super) fn ask_for_ticket(&mut self, slot: Slot, address: IpAddr) {
        if let Some(refusal) = self.refused.refusal(self.now.monotonic, address) {
            self.counters.tickets_refused_unasked += 1;
            return self.refuse_ticket(slot, refusal);
        }
        let ask = if self.cannot_be_told(slot) {
            Ask::ConnectSecurely { ip: address }
        } else {
            Ask::Connect { ip: address }
        };
        self.ask(slot, Asker::Ticket, ask);
    }

    /// A connection of a trusted proxy, whose client is not known until its head is complete.
    pub(super) fn add_proxy_head(&mut self, slot: Slot) {
        let Some(Phase::Head(head)) = self.slots.get(slot).map(|connection| &connection.phase) else {
            return;
        };
        let answered = head.conversation.answered();
        let Self { proxy_heads, slots, .. } = self;
        let gives_way = proxy_heads.add(slot, answered, |slot, answered| {
            slots.get(slot).is_some_and(|connection| match &connection.phase {
                Phase::Head(head) => {
                    matches!(head.standing, Standing::Unknown)
                        && connection.asked.is_none()
                        && head.conversation.answered() == answered
                }
                _ => false,
            })
        });
        if let Some(oldest) = gives_way {
            self.release(oldest);
        }
    }
}
