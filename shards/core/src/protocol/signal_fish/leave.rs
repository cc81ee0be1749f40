//! Players go: by leaving, by dropping, with the room.

use super::records::Record;
use super::rooms::RoomHandle;
use super::{Effects, Engine, Membership, Slot};
use crate::Now;
use crate::admission::Notice;
use crate::protocol::signal_fish::wire::{PlayerId, ServerMessage, SpectatorReason};
use crate::room::Player;
use std::borrow::Cow;

impl Engine {
    /// LeaveRoom (spec 3.3): silent outside a room; voids the reconnection token.
    pub(super) fn leave_room<E: Effects>(&mut self, now: Now, slot: Slot, fx: &mut E) {
        let Some((player, handle)) = self.player_at(slot) else {
            return;
        };
        if let Some(session) = self.sessions.get_mut(slot) {
            session.membership = Membership::None;
        }
        self.outbound.tell(slot, &ServerMessage::RoomLeft, fx);
        self.player_gone(now, handle, player, |_, _| {}, fx);
    }

    /// The connection of a player ended: it may return (D19).
    pub(super) fn player_dropped<E: Effects>(&mut self, now: Now, handle: RoomHandle, player: PlayerId, fx: &mut E) {
        let had_authority = self
            .rooms
            .get(handle)
            .is_some_and(|room| room.authority() == Some(player));
        let remember = |engine: &mut Self, player| engine.remember(now, handle, player, had_authority);
        self.player_gone(now, handle, player, remember, fx);
        while let Some(record) = self.records.pop_surplus() {
            self.expire(record, fx);
        }
    }

    /// Takes a player out of its room and tells the others: that it went, then what this changed (D6, D12).
    /// `remember` comes in between, so that a returning player is told the changes but not of its own leaving (D20).
    fn player_gone<E: Effects>(
        &mut self,
        now: Now,
        handle: RoomHandle,
        player_id: PlayerId,
        remember: impl FnOnce(&mut Self, Player),
        fx: &mut E,
    ) {
        let Some(room) = self.rooms.get_mut(handle) else { return };
        let Some(departure) = room.leave(player_id, now.monotonic) else {
            return;
        };
        self.outbound.counters.players_left += 1;
        self.outbound
            .broadcast(room, None, &ServerMessage::PlayerLeft { player_id }, fx);
        remember(self, departure.player);
        let Some(room) = self.rooms.get_mut(handle) else { return };
        if departure.had_authority {
            self.outbound.authority_changed(room, None, fx);
        }
        if departure.broke_lobby {
            self.outbound.lobby_state_changed(room, fx);
        }
        if room.is_over() {
            self.remove_room(handle, fx);
        }
    }

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
        let Some(app) = self.rooms.entry(handle).map(|entry| entry.app) else {
            return;
        };
        let Some(room) = self.rooms.get_mut(handle) else { return };
        room.hold_seat(id, &name);
        self.outbound.counters.drops += 1;
        self.records.insert(
            now.monotonic.saturating_add(self.settings.reconnection_window),
            Record {
                player_id: id,
                room_id: room.id(),
                app,
                token,
                name,
                connected_at,
                connection_info,
                had_authority,
                since: room.await_return(),
            },
        );
    }

    /// A dropped player can no longer return.
    pub(super) fn expire<E: Effects>(&mut self, record: Record, fx: &mut E) {
        self.outbound.counters.reconnections_expired += 1;
        self.records.remember_expired(&record);
        let Some(handle) = self.rooms.find_id(record.room_id) else {
            return;
        };
        let Some(room) = self.rooms.get_mut(handle) else { return };
        room.stop_awaiting(record.player_id);
        if room.is_over() {
            self.remove_room(handle, fx);
        }
    }

    /// Removes a room and everything known of it; whoever is still in it is told (D8).
    pub(super) fn remove_room<E: Effects>(&mut self, handle: RoomHandle, fx: &mut E) {
        let Some(entry) = self.rooms.remove(handle) else { return };
        let room = entry.room;
        let outbound = &mut self.outbound;
        outbound.counters.rooms_removed += 1;
        for player in room.players() {
            outbound.counters.players_left += 1;
            outbound.tell(player.slot, &ServerMessage::RoomLeft, fx);
        }
        let closed = ServerMessage::SpectatorLeft {
            room_id: Some(room.id()),
            room_code: Some(Cow::Borrowed(room.code().as_str())),
            reason: Some(SpectatorReason::RoomClosed),
            current_spectators: Vec::new(),
        };
        for spectator in room.spectators() {
            outbound.counters.spectators_left += 1;
            outbound.tell(spectator.slot, &closed, fx);
        }
        let players = room.players().iter().map(|player| player.slot);
        let spectators = room.spectators().iter().map(|spectator| spectator.slot);
        for slot in players.chain(spectators) {
            if let Some(session) = self.sessions.get_mut(slot) {
                session.membership = Membership::None;
            }
        }
        fx.notify(Notice::RoomEnded(entry.permit));
    }
}
