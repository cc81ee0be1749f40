//! Spectators (spec 7, D8, D37).

use super::join::already_in_room;
use super::rooms::{RoomHandle, RoomKey};
use super::{Effects, Engine, Failure, Membership, Operation, Pending, Slot, give_back};
use crate::Now;
use crate::admission::{Ask, Verdict};
use crate::protocol::signal_fish::wire::{
    ErrorCode, GameDataFormat, GameName, JoinAsSpectator, PlayerId, PlayerName, RoomCode, ServerMessage,
    SpectatorReason, Timestamp,
};
use crate::room::Spectator;
use std::borrow::Cow;

/// A valid wish to watch one room.
#[derive(Debug, Clone)]
pub(super) struct Watch {
    key: RoomKey,
    name: PlayerName,
}

impl Engine {
    pub(super) fn join_as_spectator<E: Effects>(&mut self, slot: Slot, message: &JoinAsSpectator<'_>, fx: &mut E) {
        let Some(session) = self.sessions.get(slot) else { return };
        let ip = session.client.ip;
        let attempt = self.check_watch(slot, message);
        self.ask(slot, Pending::Watch(attempt), Ask::Join { ip }, fx);
    }

    fn check_watch(&self, slot: Slot, message: &JoinAsSpectator<'_>) -> Result<Watch, Failure> {
        let settings = &*self.settings;
        let name = PlayerName::parse(&message.spectator_name, &settings.player_names)
            .map_err(|error| Failure::new(error.to_string(), ErrorCode::InvalidPlayerName))?;
        let session = self.sessions.get(slot).ok_or_else(Failure::internal)?;
        if session.membership != Membership::None {
            return Err(already_in_room());
        }
        // A game or a code that no room can have needs no other answer than one that no room has.
        let game = GameName::parse(&message.game_name, settings.max_game_name_length).map_err(|_| not_found())?;
        let code = RoomCode::parse(&message.room_code, settings.room_code_length).map_err(|_| not_found())?;
        let app = session.client.app;
        let key = RoomKey { app, game, code };
        Ok(Watch { key, name })
    }

    /// The attempt to watch was counted, or not.
    pub(super) fn watch_decided<E: Effects>(
        &mut self,
        now: Now,
        slot: Slot,
        attempt: Result<Watch, Failure>,
        verdict: Verdict,
        fx: &mut E,
    ) {
        let watch = match (verdict, attempt) {
            (Verdict::Admitted, Ok(watch)) => watch,
            (Verdict::Admitted, Err(failure)) => return self.watch_failed(slot, failure, fx),
            (Verdict::Refused(refusal), _) => return self.watch_failed(slot, Failure::refused(refusal, ""), fx),
            (other, _) => {
                give_back(other, fx);
                return self.watch_failed(slot, Failure::internal(), fx);
            }
        };
        let key = &watch.key;
        let owner = self.routing.room(key.app, key.game.as_str(), key.code.as_str());
        if owner == self.shard {
            self.watch_here(now, slot, watch, fx);
        } else {
            self.hand_off(slot, owner, Operation::Watch(watch), fx);
        }
    }

    /// Watches on the shard that owns the room.
    pub(super) fn watch_here<E: Effects>(&mut self, now: Now, slot: Slot, watch: Watch, fx: &mut E) {
        let Some(handle) = self.rooms.find(&watch.key) else {
            return self.watch_failed(slot, not_found(), fx);
        };
        let Some(room) = self.rooms.get_mut(handle) else { return };
        if room.spectators().len() >= self.settings.max_spectators_per_room {
            let failure = Failure::new("Spectator limit reached", ErrorCode::TooManySpectators);
            return self.watch_failed(slot, failure, fx);
        }
        let Some(session) = self.sessions.get_mut(slot) else {
            return;
        };
        session.membership = Membership::Spectator(handle);
        let id = session.client.player_id;
        room.watch(
            Spectator {
                slot,
                message_pack: session.client.format == GameDataFormat::MessagePack,
                id,
                name: watch.name,
                connected_at: Timestamp::from_unix(now.unix),
            },
            now.monotonic,
        );
        let outbound = &mut self.outbound;
        outbound.counters.spectators_joined += 1;
        let snapshot = room.spectator_snapshot(id);
        outbound.tell(slot, &ServerMessage::SpectatorJoined(Box::new(snapshot)), fx);
        let spectators = room.spectator_infos();
        if let Some(spectator) = spectators.last().cloned() {
            outbound.scratch.text(&ServerMessage::NewSpectatorJoined {
                spectator,
                current_spectators: spectators,
                reason: SpectatorReason::Joined,
            });
            outbound.deliver(room, Some(id), fx);
        }
    }

    fn watch_failed<E: Effects>(&mut self, slot: Slot, failure: Failure, fx: &mut E) {
        let failed = ServerMessage::SpectatorJoinFailed {
            reason: failure.reason,
            error_code: Some(failure.code),
        };
        self.outbound.tell(slot, &failed, fx);
    }

    pub(super) fn leave_spectator<E: Effects>(&mut self, slot: Slot, fx: &mut E) {
        let Some(session) = self.sessions.get_mut(slot) else {
            return;
        };
        let Membership::Spectator(handle) = session.membership else {
            let text = "You are not currently spectating a room";
            return self.outbound.error(slot, text, ErrorCode::NotASpectator, fx);
        };
        session.membership = Membership::None;
        let id = session.client.player_id;
        let reason = SpectatorReason::VoluntaryLeave;
        if let Some(room) = self.rooms.get_mut(handle)
            && room.unwatch(id).is_some()
        {
            let left = ServerMessage::SpectatorLeft {
                room_id: Some(room.id()),
                room_code: Some(Cow::Borrowed(room.code().as_str())),
                reason: Some(reason),
                current_spectators: room.spectator_infos(),
            };
            self.outbound.tell(slot, &left, fx);
            self.spectator_gone(handle, id, reason, fx);
        }
    }

    pub(super) fn spectator_dropped<E: Effects>(&mut self, handle: RoomHandle, id: PlayerId, fx: &mut E) {
        let gone = self.rooms.get_mut(handle).and_then(|room| room.unwatch(id));
        if gone.is_some() {
            self.spectator_gone(handle, id, SpectatorReason::Disconnected, fx);
        }
    }

    fn spectator_gone<E: Effects>(&mut self, handle: RoomHandle, id: PlayerId, reason: SpectatorReason, fx: &mut E) {
        let Some(room) = self.rooms.get_mut(handle) else { return };
        self.outbound.counters.spectators_left += 1;
        self.outbound.scratch.text(&ServerMessage::SpectatorDisconnected {
            spectator_id: id,
            reason,
            current_spectators: room.spectator_infos(),
        });
        self.outbound.deliver(room, None, fx);
    }
}

fn not_found() -> Failure {
    Failure::new("Room not found", ErrorCode::RoomNotFound)
}
