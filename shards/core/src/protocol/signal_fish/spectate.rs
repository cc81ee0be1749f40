//! Spectators (protocol 7, D8, D37).

use super::failure::Failure;
use super::pending::{Arrival, Wanted, Watch, Wish};
use super::room::{Spectator, key};
use super::session::Membership;
use super::state::SignalFish;
use super::tell::{self, encode, tell};
use super::wire::{
    ErrorCode, GameName, JoinAsSpectator, PlayerId, PlayerName, RoomCode, ServerMessage, SpectatorReason, Timestamp,
};
use crate::admission::Ask;
use crate::effects::Cx;
use crate::room::RoomHandle;
use std::borrow::Cow;

impl SignalFish {
    pub(super) fn join_as_spectator(&mut self, cx: &mut Cx<'_>, message: &JoinAsSpectator<'_>) {
        let Some(session) = self.sessions.get(cx.slot) else {
            return;
        };
        let ip = session.ip;
        let wish = match self.check_watch(cx, message) {
            Ok(watch) => Wish::Watch(watch),
            Err(failure) => Wish::Fail(Wanted::View, failure),
        };
        self.ask_leave(cx, wish, Ask::Join { ip });
    }

    fn check_watch(&self, cx: &Cx<'_>, message: &JoinAsSpectator<'_>) -> Result<Watch, Failure> {
        let settings = &*self.settings;
        let name = PlayerName::parse(&message.spectator_name, &settings.player_names)
            .map_err(|error| Failure::new(error.to_string(), ErrorCode::InvalidPlayerName))?;
        let session = self.sessions.get(cx.slot).ok_or_else(Failure::internal)?;
        if session.membership != Membership::None {
            return Err(Failure::already_in_room());
        }
        // A game or a code that no room can have needs no other answer than one that no room has.
        let not_found = |_| Failure::room_not_found();
        let game = GameName::parse(&message.game_name, settings.max_game_name_length).map_err(not_found)?;
        let code = RoomCode::parse(&message.room_code, settings.room_code_length).map_err(not_found)?;
        let key = key(session.app, &game, &code);
        Ok(Watch { key, name })
    }

    /// The attempt to watch was counted.
    pub(super) fn watch(&mut self, cx: &mut Cx<'_>, watch: Watch) {
        let owner = self.routing.room(&watch.key);
        self.go_to(cx, owner, Arrival::Watch(watch));
    }

    /// Watches on the shard that owns the room.
    pub(super) fn watch_here(&mut self, cx: &mut Cx<'_>, watch: Watch) {
        let Some(handle) = self.rooms.find(&watch.key) else {
            return self.fail(cx, Wanted::View, Failure::room_not_found());
        };
        let (Some(room), Some(session)) = (self.rooms.get_mut(handle), self.sessions.get_mut(cx.slot)) else {
            return;
        };
        if room.spectators().len() >= self.settings.max_spectators_per_room {
            let failure = Failure::new("Spectator limit reached", ErrorCode::TooManySpectators);
            return self.fail(cx, Wanted::View, failure);
        }
        session.membership = Membership::Spectator(handle);
        let id = session.player_id;
        let spectator = Spectator {
            id,
            name: watch.name,
            connected_at: Timestamp::from_unix(cx.now.unix),
        };
        room.watch(spectator, cx.slot, session.dialect, cx.now.monotonic);
        self.counters.spectators_joined += 1;
        let snapshot = room.spectator_snapshot(id);
        tell(cx, &ServerMessage::SpectatorJoined(Box::new(snapshot)));
        let spectators = room.spectator_infos();
        if let Some(spectator) = spectators.last().cloned() {
            let joined = ServerMessage::NewSpectatorJoined {
                spectator,
                current_spectators: spectators,
                reason: SpectatorReason::Joined,
            };
            encode(cx.fx, &joined);
            self.deliver(cx.fx, handle, Some(id));
        }
        self.log(cx.slot, "watches");
    }

    pub(super) fn leave_spectator(&mut self, cx: &mut Cx<'_>) {
        let Some(session) = self.sessions.get(cx.slot) else {
            return;
        };
        let Membership::Spectator(handle) = session.membership else {
            let text = "You are not currently spectating a room";
            return tell::error(cx, text, ErrorCode::NotASpectator);
        };
        self.log(cx.slot, "watches no more");
        let Some(session) = self.sessions.get_mut(cx.slot) else {
            return;
        };
        session.membership = Membership::None;
        let id = session.player_id;
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
            tell(cx, &left);
            self.spectator_gone(cx, handle, id, reason);
        }
    }

    /// The connection of a spectator ended.
    pub(super) fn spectator_dropped(&mut self, cx: &mut Cx<'_>, handle: RoomHandle, id: PlayerId) {
        let gone = self.rooms.get_mut(handle).and_then(|room| room.unwatch(id));
        if gone.is_some() {
            self.spectator_gone(cx, handle, id, SpectatorReason::Disconnected);
        }
    }

    fn spectator_gone(&mut self, cx: &mut Cx<'_>, handle: RoomHandle, id: PlayerId, reason: SpectatorReason) {
        let Some(room) = self.rooms.get(handle) else { return };
        self.counters.spectators_left += 1;
        let gone = ServerMessage::SpectatorDisconnected {
            spectator_id: id,
            reason,
            current_spectators: room.spectator_infos(),
        };
        encode(cx.fx, &gone);
        self.deliver(cx.fx, handle, None);
    }
}
