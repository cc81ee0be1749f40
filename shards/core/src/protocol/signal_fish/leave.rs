//! Players go: by leaving, by dropping, with the room.

use super::records::Record;
use super::room::Player;
use super::session::Membership;
use super::state::SignalFish;
use super::tell::{encode, tell};
use super::wire::{PlayerId, ServerMessage, SpectatorReason};
use crate::Now;
use crate::admission::Notice;
use crate::effects::{Cx, Effects};
use crate::room::RoomHandle;
use std::borrow::Cow;

impl SignalFish {
    /// LeaveRoom (protocol 3.3): silent outside a room; voids the reconnection token.
    pub(super) fn leave_room(&mut self, cx: &mut Cx<'_>) {
        let Some((player, room)) = self.sessions.player(cx.slot) else {
            return;
        };
        self.log(cx.slot, "left");
        if let Some(session) = self.sessions.get_mut(cx.slot) {
            session.membership = Membership::None;
        }
        tell(cx, &ServerMessage::RoomLeft);
        self.player_gone(cx, room, player, |_, _| {});
    }

    /// The connection of a player ended: it may return (D19).
    pub(super) fn player_dropped(&mut self, cx: &mut Cx<'_>, room: RoomHandle, player: PlayerId) {
        let had_authority = self
            .rooms
            .get(room)
            .is_some_and(|room| room.authority() == Some(player));
        let now = cx.now;
        self.player_gone(cx, room, player, |this, player| {
            this.remember(now, room, player, had_authority);
        });
        while let Some(record) = self.records.pop_surplus() {
            self.expire(cx.fx, record);
        }
    }

    /// Takes a player out of its room and tells the others that it left, then what that changed (D6, D12). `remember`
    /// runs in between, so that a returning player is told the changes but not its own `PlayerLeft` (D20).
    fn player_gone(
        &mut self,
        cx: &mut Cx<'_>,
        handle: RoomHandle,
        player_id: PlayerId,
        remember: impl FnOnce(&mut Self, Player),
    ) {
        let Some(room) = self.rooms.get_mut(handle) else { return };
        let Some(departure) = room.leave(player_id, cx.now.monotonic) else {
            return;
        };
        self.counters.players_left += 1;
        self.broadcast(cx.fx, handle, None, &ServerMessage::PlayerLeft { player_id });
        remember(self, departure.player);
        if departure.had_authority {
            self.authority_changed(cx.fx, handle, None);
        }
        if departure.broke_lobby {
            self.lobby_state_changed(cx.fx, handle);
        }
        self.remove_if_over(cx.fx, handle);
    }

    /// Keeps what a player needs to return, if it has a token.
    fn remember(&mut self, now: Now, handle: RoomHandle, player: Player, had_authority: bool) {
        let Player {
            id,
            name,
            connected_at,
            connection_info,
            token,
            ..
        } = player;
        let Some(token) = token else { return };
        let Some(app) = self.rooms.entry(handle).map(|entry| entry.key.app()) else {
            return;
        };
        let Some(room) = self.rooms.get_mut(handle) else { return };
        room.hold_seat(id, &name);
        let room_id = room.id();
        self.counters.drops += 1;
        self.records.insert(
            now.monotonic.saturating_add(self.settings.reconnection_window),
            Record {
                player_id: id,
                room_id,
                app,
                token,
                name,
                connected_at,
                connection_info,
                had_authority,
                since: room.await_return(),
            },
        );
        self.log_room(room_id, Some(id), "dropped, may return");
    }

    /// A dropped player can no longer return.
    pub(super) fn expire(&mut self, fx: &mut Effects, record: Record) {
        self.counters.reconnections_expired += 1;
        self.records.remember_expired(&record);
        self.log_room(record.room_id, Some(record.player_id), "may return no more");
        let Some(handle) = self.rooms.find_id(record.room_id) else {
            return;
        };
        self.stop_awaiting(handle, record.player_id);
        self.remove_if_over(fx, handle);
    }

    /// Removes a room whose game is over (D15).
    pub(super) fn remove_if_over(&mut self, fx: &mut Effects, handle: RoomHandle) {
        if self.rooms.get(handle).is_some_and(|room| room.is_over()) {
            self.remove_room(fx, handle);
        }
    }

    /// Removes a room and tells those who are still in it (D8).
    pub(super) fn remove_room(&mut self, fx: &mut Effects, handle: RoomHandle) {
        let Some(entry) = self.rooms.remove(handle) else { return };
        let room = entry.room;
        self.replays.changed(handle, room.replay().memory(), 0);
        self.counters.rooms_removed += 1;
        self.log_room(room.id(), None, "room removed");
        self.counters.players_left += room.players().len() as u64;
        self.counters.spectators_left += room.spectators().len() as u64;
        encode(fx, &ServerMessage::RoomLeft);
        for player in room.players() {
            if let Some(member) = room.members().get(player.id) {
                fx.append(member.slot);
            }
        }
        let closed = ServerMessage::SpectatorLeft {
            room_id: Some(room.id()),
            room_code: Some(Cow::Borrowed(room.code().as_str())),
            reason: Some(SpectatorReason::RoomClosed),
            current_spectators: Vec::new(),
        };
        encode(fx, &closed);
        for spectator in room.spectators() {
            if let Some(member) = room.members().get(spectator.id) {
                fx.append(member.slot);
            }
        }
        for member in room.members().all() {
            if let Some(session) = self.sessions.get_mut(member.slot) {
                session.membership = Membership::None;
            }
        }
        fx.notify(Notice::RoomEnded(entry.permit));
    }
}
