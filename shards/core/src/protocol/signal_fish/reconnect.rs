//! A dropped player comes back (spec 8, D18 to D21).

use super::join::already_in_room;
use super::open::{NAME_TAKEN, ROOM_FULL, mint_token};
use super::rooms::RoomHandle;
use super::{Effects, Engine, Failure, Membership, Operation, Pending, Slot, give_back};
use crate::Now;
use crate::admission::{Ask, Verdict};
use crate::protocol::signal_fish::wire::{
    ErrorCode, GameDataFormat, PlayerId, Reconnect, Reconnected, RoomId, ServerMessage,
};
use crate::room::{NoSeat, Player, Room, Token};
use serde_json::value::RawValue;

impl Engine {
    pub(super) fn reconnect<E: Effects>(&mut self, now: Now, slot: Slot, message: &Reconnect<'_>, fx: &mut E) {
        let Some(session) = self.sessions.get(slot) else { return };
        if !self.settings.enable_reconnection {
            let failure = Failure::new("Reconnection is not enabled", ErrorCode::ReconnectionFailed);
            return self.reconnect_failed(slot, failure, fx);
        }
        if session.membership != Membership::None {
            return self.reconnect_failed(slot, already_in_room(), fx);
        }
        let token = Token::parse(&message.auth_token);
        let owner = self.routing.room_id(message.room_id);
        if owner == self.shard {
            self.reconnect_here(now, slot, message.player_id, message.room_id, token, fx);
        } else {
            let operation = Operation::Reconnect(message.player_id, message.room_id, token);
            self.hand_off(slot, owner, operation, fx);
        }
    }

    /// Reconnects on the shard that owns the room.
    pub(super) fn reconnect_here<E: Effects>(
        &mut self,
        now: Now,
        slot: Slot,
        player: PlayerId,
        room: RoomId,
        token: Option<Token>,
        fx: &mut E,
    ) {
        let Some(session) = self.sessions.get(slot) else { return };
        let app = session.client.app;
        let handle = self.rooms.find_id(room);
        let entry = handle.and_then(|handle| self.rooms.entry(handle));
        let living = entry
            .filter(|entry| entry.app == app)
            .and_then(|entry| entry.room.player(player));
        let shows = |wanted: &Token| token.as_ref().is_some_and(|token| token.matches(wanted));
        if let (Some(handle), Some(living)) = (handle, living) {
            if living.token.as_ref().is_some_and(shows) {
                return self.take_over(now, slot, handle, player, fx);
            }
            return self.reconnect_failed(slot, wrong_token(), fx);
        }
        let record = self.records.get(player);
        let Some(record) = record.filter(|record| record.room_id == room && record.app == app) else {
            let failure = if self.records.has_expired(player, room) {
                Failure::new("Reconnection window has expired", ErrorCode::ReconnectionExpired)
            } else {
                Failure::new("No disconnection record found", ErrorCode::ReconnectionFailed)
            };
            return self.reconnect_failed(slot, failure, fx);
        };
        if !shows(&record.token) {
            return self.reconnect_failed(slot, wrong_token(), fx);
        }
        let Some(handle) = handle else {
            let failure = Failure::new("Room no longer exists", ErrorCode::RoomNotFound);
            return self.reconnect_failed(slot, failure, fx);
        };
        let admitted = entry.map(|entry| entry.room.admits_back(player, &record.name));
        match admitted {
            Some(Err(NoSeat::NameTaken)) => {
                let failure = Failure::new(NAME_TAKEN, ErrorCode::ReconnectionFailed);
                self.reconnect_failed(slot, failure, fx);
            }
            Some(Err(NoSeat::Full)) => {
                let failure = Failure::new(ROOM_FULL, ErrorCode::RoomFull);
                self.reconnect_failed(slot, failure, fx);
            }
            _ => self.return_player(now, slot, handle, player, fx),
        }
    }

    /// Puts a dropped player back into its room: itself first, then the others learn of it (D21).
    fn return_player<E: Effects>(&mut self, now: Now, slot: Slot, handle: RoomHandle, player_id: PlayerId, fx: &mut E) {
        let Some(session) = self.sessions.get_mut(slot) else {
            return;
        };
        let Some(room) = self.rooms.get_mut(handle) else { return };
        let Some(record) = self.records.remove(player_id) else {
            return;
        };
        let token = mint_token(&self.settings, &mut *self.random);
        session.membership = Membership::Player(handle);
        session.client.player_id = player_id;
        let player = Player {
            slot,
            message_pack: session.client.format == GameDataFormat::MessagePack,
            ready: false,
            id: player_id,
            name: record.name,
            connected_at: record.connected_at,
            connection_info: record.connection_info,
            token: token.clone(),
        };
        let (restored, filled) = room.enter_again(player, record.had_authority, now.monotonic);
        let outbound = &mut self.outbound;
        outbound.counters.reconnections += 1;
        let back = reconnected(room, player_id, token.as_ref(), record.since);
        outbound.tell(slot, &back, fx);
        room.stop_awaiting(player_id);
        outbound.broadcast(
            room,
            Some(player_id),
            &ServerMessage::PlayerReconnected { player_id },
            fx,
        );
        if restored {
            // The returning player knows from its snapshot, as a creator does.
            outbound.authority_changed(room, Some(player_id), fx);
        }
        if filled {
            outbound.lobby_state_changed(room, fx);
        }
    }

    /// The player is still here, on a connection that its network may have lost: the new one takes its place (D21).
    fn take_over<E: Effects>(&mut self, now: Now, slot: Slot, handle: RoomHandle, player_id: PlayerId, fx: &mut E) {
        let token = mint_token(&self.settings, &mut *self.random);
        let Some(session) = self.sessions.get_mut(slot) else {
            return;
        };
        session.membership = Membership::Player(handle);
        session.client.player_id = player_id;
        let message_pack = session.client.format == GameDataFormat::MessagePack;
        let Some(room) = self.rooms.get_mut(handle) else { return };
        room.touch(now.monotonic);
        let Some(player) = room.player_mut(player_id) else {
            return;
        };
        let old = std::mem::replace(&mut player.slot, slot);
        player.message_pack = message_pack;
        player.token.clone_from(&token);
        let outbound = &mut self.outbound;
        outbound.counters.takeovers += 1;
        let text = "The player came back on another connection";
        outbound.error(old, text, ErrorCode::PlayerAlreadyConnected, fx);
        let nothing_missed = u64::MAX;
        outbound.tell(slot, &reconnected(room, player_id, token.as_ref(), nothing_missed), fx);
        outbound.broadcast(
            room,
            Some(player_id),
            &ServerMessage::PlayerReconnected { player_id },
            fx,
        );
        // The old session is no member any more, so that its end changes nothing in the room.
        if let Some(session) = self.sessions.get_mut(old) {
            session.membership = Membership::None;
        }
        self.close(now, old, "the player came back on another connection", fx);
    }

    /// A failed Reconnect counts as an attempt to join before its failure is told (D22).
    fn reconnect_failed<E: Effects>(&mut self, slot: Slot, failure: Failure, fx: &mut E) {
        let Some(session) = self.sessions.get(slot) else { return };
        let ip = session.client.ip;
        self.ask(slot, Pending::Reconnect(failure), Ask::Join { ip }, fx);
    }

    pub(super) fn reconnect_failure_decided<E: Effects>(
        &mut self,
        slot: Slot,
        failure: Failure,
        verdict: Verdict,
        fx: &mut E,
    ) {
        let failure = match verdict {
            Verdict::Refused(refusal) => Failure::refused(refusal, ""),
            other => {
                give_back(other, fx);
                failure
            }
        };
        self.outbound.counters.reconnections_failed += 1;
        let failed = ServerMessage::ReconnectionFailed {
            reason: failure.reason,
            error_code: failure.code,
        };
        self.outbound.tell(slot, &failed, fx);
    }
}

fn wrong_token() -> Failure {
    Failure::new("Invalid reconnection token", ErrorCode::ReconnectionTokenInvalid)
}

fn reconnected<'a>(room: &'a Room, player: PlayerId, token: Option<&Token>, since: u64) -> ServerMessage<'a> {
    let missed = room.recorded_since(since);
    ServerMessage::Reconnected(Box::new(Reconnected {
        room: room.snapshot(player, token),
        // What was recorded is JSON that this server wrote.
        missed_events: missed
            .filter_map(|event| serde_json::from_str::<&RawValue>(event).ok())
            .collect(),
    }))
}
