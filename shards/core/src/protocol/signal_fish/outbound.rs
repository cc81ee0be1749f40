//! Telling clients: every message is encoded once, into a buffer that is used again and again.

use super::{Counters, Effects, Form, Slot};
use crate::protocol::signal_fish::wire::{ErrorCode, PlayerId, ServerMessage};
use crate::room::Room;
use std::borrow::Cow;

/// Capacity above which a buffer is given back after a burst of large messages.
const KEPT_BYTES_MAX: usize = 256 * 1024;

/// A buffer for one message.
#[derive(Debug, Default)]
pub(super) struct Scratch(Vec<u8>);

impl Scratch {
    /// The empty buffer.
    pub(super) fn clear(&mut self) -> &mut Vec<u8> {
        if self.0.capacity() > KEPT_BYTES_MAX {
            self.0 = Vec::new();
        }
        self.0.clear();
        &mut self.0
    }

    /// What is in it.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Encodes a message.
    pub(super) fn text(&mut self, message: &ServerMessage<'_>) -> &[u8] {
        message.write(self.clear());
        &self.0
    }
}

/// What is needed to tell somebody something.
#[derive(Debug, Default)]
pub(super) struct Outbound {
    pub(super) scratch: Scratch,
    pub(super) counters: Counters,
}

impl Outbound {
    /// To one client.
    pub(super) fn tell<E: Effects>(&mut self, to: Slot, message: &ServerMessage<'_>, fx: &mut E) {
        fx.send(to, Form::Text, self.scratch.text(message));
        self.counters.messages_out += 1;
    }

    /// An `Error` to one client.
    pub(super) fn error<'a, E: Effects>(
        &mut self,
        to: Slot,
        message: impl Into<Cow<'a, str>>,
        code: ErrorCode,
        fx: &mut E,
    ) {
        let message = message.into();
        let error_code = Some(code);
        self.tell(to, &ServerMessage::Error { message, error_code }, fx);
    }

    /// To every member but `except`; kept for those who can still return.
    pub(super) fn broadcast<E: Effects>(
        &mut self,
        room: &mut Room,
        except: Option<PlayerId>,
        message: &ServerMessage<'_>,
        fx: &mut E,
    ) {
        self.scratch.text(message);
        self.deliver(room, except, fx);
    }

    /// As [`Outbound::broadcast`], for a message that is in the scratch buffer already. Returns how many were told.
    pub(super) fn deliver<E: Effects>(&mut self, room: &mut Room, except: Option<PlayerId>, fx: &mut E) -> u64 {
        let mut told = 0;
        for (id, slot, _) in room.members() {
            if Some(id) != except {
                fx.send(slot, Form::Text, &self.scratch.0);
                told += 1;
            }
        }
        self.counters.messages_out += told;
        self.record(room);
        told
    }

    /// Keeps the text in the scratch buffer for those who can still return (D20).
    pub(super) fn record(&mut self, room: &mut Room) {
        if room.is_recording() {
            let kept = room.record(&self.scratch.0);
            self.counters.events_recorded += u64::from(kept);
            self.counters.events_left_out += u64::from(!kept);
        }
    }

    /// Who has authority now. Each member is told whether it is itself; `except` is told nothing.
    pub(super) fn authority_changed<E: Effects>(&mut self, room: &mut Room, except: Option<PlayerId>, fx: &mut E) {
        let authority_player = room.authority();
        let changed = |you_are_authority| ServerMessage::AuthorityChanged {
            authority_player,
            you_are_authority,
        };
        self.counters.authority_changes += 1;
        let holder = authority_player.filter(|holder| Some(*holder) != except);
        if let Some(player) = holder.and_then(|holder| room.player(holder)) {
            self.tell(player.slot, &changed(true), fx);
        }
        self.scratch.text(&changed(false));
        for (id, slot, _) in room.members() {
            if Some(id) != except && Some(id) != authority_player {
                fx.send(slot, Form::Text, &self.scratch.0);
                self.counters.messages_out += 1;
            }
        }
        self.record(room);
    }

    /// How the lobby is now, to every member.
    pub(super) fn lobby_state_changed<E: Effects>(&mut self, room: &mut Room, fx: &mut E) {
        let message = room.lobby_state_changed();
        self.broadcast(room, None, &message, fx);
    }
}
