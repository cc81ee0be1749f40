//! Readiness, and how players reach each other (spec 3.5, 3.7, 5).

use super::rooms::RoomHandle;
use super::{Effects, Engine, Membership, Slot};
use crate::protocol::signal_fish::wire::{ConnectionInfo, ErrorCode, LobbyState, PlayerId};
use crate::room::{NotInLobby, Readied};

impl Engine {
    /// The player and its room, if this connection is a player.
    pub(super) fn player_at(&self, slot: Slot) -> Option<(PlayerId, RoomHandle)> {
        let session = self.sessions.get(slot)?;
        match session.membership {
            Membership::Player(room) => Some((session.client.player_id, room)),
            Membership::None | Membership::Spectator(_) => None,
        }
    }

    pub(super) fn player_ready<E: Effects>(&mut self, slot: Slot, fx: &mut E) {
        let Some((player, handle)) = self.player_at(slot) else {
            return self.not_in_room(slot, fx);
        };
        let Some(room) = self.rooms.get_mut(handle) else { return };
        match room.toggle_ready(player) {
            Ok(readied) => {
                self.outbound.lobby_state_changed(room, fx);
                if readied == Readied::Finalized {
                    self.outbound.counters.games_started += 1;
                    let starting = room.game_starting();
                    self.outbound.scratch.text(&starting);
                    self.outbound.deliver(room, None, fx);
                }
            }
            Err(NotInLobby) => self.outbound.error(
                slot,
                "Cannot change ready status. Room must be in lobby state (full with all players joined).",
                ErrorCode::InvalidRoomState,
                fx,
            ),
        }
    }

    /// A later version's message: there the game starts with it, here it has started by itself (D13).
    pub(super) fn start_game<E: Effects>(&mut self, slot: Slot, fx: &mut E) {
        let Some((_, handle)) = self.player_at(slot) else {
            return self.not_in_room(slot, fx);
        };
        let state = self.rooms.get(handle).map(crate::room::Room::lobby_state);
        if state != Some(LobbyState::Finalized) {
            let text = "Cannot start the game. Every player must be ready.";
            self.outbound.error(slot, text, ErrorCode::InvalidRoomState, fx);
        }
    }

    pub(super) fn provide_connection_info<E: Effects>(&mut self, slot: Slot, info: Box<ConnectionInfo>, fx: &mut E) {
        let Some((player, handle)) = self.player_at(slot) else {
            return self.not_in_room(slot, fx);
        };
        let player = self.rooms.get_mut(handle).and_then(|room| room.player_mut(player));
        if let Some(player) = player {
            player.connection_info = Some(info);
        }
    }
}
