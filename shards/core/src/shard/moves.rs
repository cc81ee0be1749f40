//! Connections that move to the shard that owns their room, as one value.

use super::connection::{Phase, Rest};
use super::mail::{Mail, Post, Request, Told};
use super::moving::{Moving, Stage, State};
use super::state::Shard;
use crate::http::{Refusal, refusal_text};
use crate::protocol::journal::{self, Line};
use crate::slot::{ShardIndex, Slot};
use crate::transport::Sockets;
use crate::ws::write_close;

impl<S: Sockets, P: Post<S::Socket>> Shard<S, P> {
    /// Sends off the connections that want to move. Their input is kept by now.
    pub(super) fn send_off(&mut self) {
        let mut leaving = std::mem::take(&mut self.leaving);
        for (slot, to) in leaving.drain(..) {
            let Some(protocol) = self.open_protocol(slot) else {
                continue;
            };
            if let Some(session) = self.protocols.depart(protocol, slot) {
                self.mail_connection(slot, to, Stage::Session(session));
            }
        }
        // Nothing above makes another connection move.
        self.leaving = leaving;
    }

    /// Mails a connection; one that cannot go is closed with 1013.
    pub(super) fn mail_connection(&mut self, slot: Slot, to: ShardIndex, stage: Stage) {
        self.forgive(slot);
        let Some(connection) = self.slots.get_mut(slot) else {
            return;
        };
        connection.pause(self.now.monotonic);
        let rest = connection.rest.take().map_or_else(Rest::default, |rest| *rest);
        let mut unread = rest.unread;
        unread.drain(..rest.taken);
        let state = State {
            ticket: connection.ticket.take(),
            tls: connection.tls.take(),
            decoder: rest.decoder,
            message: rest.message,
            unread,
            unsent: self.effects.outboxes.take_unsent(slot),
            debts: connection.debts,
            last_life: connection.last_life,
            paused_at: connection.paused_at,
            stage,
        };
        let Some(socket) = self.sockets.remove(slot) else {
            let post = &mut self.post;
            state.abandon(|notice| post.request(Request::Notice(notice)));
            return self.release(slot);
        };
        let moving = Box::new(Moving { socket, state });
        match self.post.mail(to, Mail::Connection(moving)) {
            Ok(()) => {
                self.counters.moves_out += 1;
                self.wheel.disarm(slot.index);
                self.slots.give_up(slot);
            }
            Err(Mail::Connection(moving)) => self.turn_back(slot, *moving),
            Err(_) => {}
        }
    }

    /// A connection that could not be mailed is closed here, in its own slot.
    fn turn_back(&mut self, slot: Slot, moving: Moving<S::Socket>) {
        let Moving { socket, mut state } = moving;
        self.counters.moves_failed += 1;
        self.effects.closes.count(1013);
        state.log(
            self.index,
            Some(slot),
            "closed",
            Some((1013, "it could not move to its shard")),
        );
        let last = state.take_last_words();
        if let Err(socket) = self.sockets.add(slot, socket) {
            self.sockets
                .refuse(socket, &Self::sealed_words(state.tls.take(), &last));
        } else {
            if let Some(connection) = self.slots.get_mut(slot) {
                connection.tls = state.tls.take();
                // It was taken out of the sockets: they tell of room only after it has refused bytes again.
                connection.blocked = false;
            }
            self.effects
                .outboxes
                .append_with(slot, |out| out.extend_from_slice(&last));
        }
        self.abandon(state);
        self.begin_closing(slot, false);
    }

    /// A connection arrives from another shard.
    pub(super) fn arrive(&mut self, moving: Moving<S::Socket>) {
        let Moving { socket, mut state } = moving;
        let slots_max = if self.has_ended { 0 } else { self.options.slots_max };
        let Some((slot, connection)) = self.slots.take(slots_max) else {
            return self.turn_away(socket, state);
        };
        // Taken from here on; what it becomes stands in the value that moved.
        connection.phase = Phase::Open(state.protocol());
        self.effects.outboxes.take_slot(slot);
        if let Err(socket) = self.sockets.add(slot, socket) {
            self.slots.give_up(slot);
            return self.turn_away(socket, state);
        }
        self.counters.moves_in += 1;
        state.log(self.index, Some(slot), "moved in", None);
        if self.is_draining() {
            state.log(self.index, Some(slot), "closed", Some((1001, "the server shuts down")));
            if let Some(connection) = self.slots.get_mut(slot) {
                connection.tls = state.tls.take();
            }
            let protocol = state.protocol();
            let mut last = std::mem::take(&mut state.unsent);
            if protocol.answers_late() {
                last.extend_from_slice(&refusal_text(Refusal::Draining));
            } else {
                self.effects.closes.count(1001);
                write_close(Some(1001), self.options.manners(protocol).draining, &mut last);
            }
            self.effects
                .outboxes
                .append_with(slot, |out| out.extend_from_slice(&last));
            self.abandon(state);
            return self.begin_closing(slot, false);
        }
        self.settle_in(slot, state);
    }

    fn settle_in(&mut self, slot: Slot, state: State) {
        if let Some(connection) = self.slots.get_mut(slot) {
            connection.ticket = state.ticket;
            connection.tls = state.tls;
            if let Some(tls) = &mut connection.tls {
                // No event tells of what is in it.
                connection.readable |= tls.has_input();
                if tls.has_output() {
                    self.due.push_back(slot);
                }
            }
            connection.debts = state.debts;
            connection.last_life = state.last_life;
            connection.paused_at = state.paused_at;
            let rest = Rest {
                decoder: state.decoder,
                message: state.message,
                unread: state.unread,
                taken: 0,
            };
            connection.rest = (!rest.is_empty()).then(|| Box::new(rest));
        }
        let unsent = state.unsent;
        self.effects
            .outboxes
            .append_with(slot, |out| out.extend_from_slice(&unsent));
        match state.stage {
            Stage::Opening(protocol, opening) => self.open(slot, protocol, opening),
            Stage::Session(session) => {
                self.effects.outboxes.open(slot);
                self.post.witness(Told::Arrived(slot));
                self.with_protocols(slot, |protocols, cx| protocols.arrived(cx, session));
                self.arm(slot);
                self.run_soon(slot);
            }
        }
    }

    /// There is no slot for a connection that moved here.
    fn turn_away(&mut self, socket: S::Socket, mut state: State) {
        self.counters.moves_failed += 1;
        self.effects.closes.count(1013);
        state.log(self.index, None, "closed", Some((1013, "no slot is left on its shard")));
        let last = state.take_last_words();
        self.sockets
            .refuse(socket, &Self::sealed_words(state.tls.take(), &last));
        self.abandon(state);
    }

    /// Gives back what a connection held that goes nowhere.
    fn abandon(&mut self, state: State) {
        if let Stage::Session(session) = &state.stage {
            self.protocols.lost(session.protocol());
        }
        let Self { effects, .. } = self;
        state.abandon(|notice| effects.notify(notice));
        self.settle();
    }
}

impl State {
    /// Logs what happens to a connection on the move, with code and reason of its end.
    fn log(&self, shard: ShardIndex, slot: Option<Slot>, message: &str, end: Option<(u16, &str)>) {
        if !journal::is_on() {
            return;
        }
        let line = Line {
            shard,
            slot,
            code: end.map(|(code, _)| code),
            reason: end.map(|(_, reason)| reason),
            ..Line::default()
        };
        let line = match &self.stage {
            Stage::Opening(_, opening) => Line {
                address: Some(opening.client),
                certificate: opening.certificate.as_deref(),
                ..line
            },
            Stage::Session(session) => session.add_to(line),
        };
        line.log(message);
    }

    /// What is left to send to a connection that cannot move: it may try again later.
    fn take_last_words(&mut self) -> Vec<u8> {
        let mut last = std::mem::take(&mut self.unsent);
        if let Stage::Opening(_, opening) = &self.stage {
            last.extend_from_slice(&opening.answer);
        }
        write_close(Some(1013), "try again later", &mut last);
        last
    }

    fn protocol(&self) -> crate::protocol::Protocol {
        match &self.stage {
            Stage::Opening(protocol, _) => *protocol,
            Stage::Session(session) => session.protocol(),
        }
    }
}
