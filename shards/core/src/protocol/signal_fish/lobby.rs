//! Readiness, and how players reach each other (protocol 3.5, 3.7, 5).

use super::room::{NotInLobby, Readied, Room};
use super::state::SignalFish;
use super::tell::{self, encode, not_in_room};
use super::wire::{ConnectionInfo, ErrorCode, LobbyState};
use crate::effects::Cx;
use crate::room::RoomHandle;

impl SignalFish {
    pub(super) fn player_ready(&mut self, cx: &mut Cx<'_>) {
        let Some((player, handle)) = self.sessions.player(cx.slot) else {
            return not_in_room(cx);
        };
        let Some(room) = self.rooms.get_mut(handle) else { return };
        match room.toggle_ready(player) {
            Ok(readied) => {
                self.lobby_state_changed(cx.fx, handle);
                if readied == Readied::Finalized {
                    self.start(cx, handle);
                }
            }
            Err(NotInLobby) => tell::error(
                cx,
                "Cannot change ready status. Room must be in lobby state (full with all players joined).",
                ErrorCode::InvalidRoomState,
            ),
        }
    }

    fn start(&mut self, cx: &mut Cx<'_>, handle: RoomHandle) {
        let Some(room) = self.rooms.get(handle) else { return };
        self.counters.games_started += 1;
        encode(cx.fx, &room.game_starting());
        self.deliver(cx.fx, handle, None);
    }

    /// `StartGame` starts the game in later versions of the protocol. Here the game starts by itself (D13).
    pub(super) fn start_game(&mut self, cx: &mut Cx<'_>) {
        let Some((_, handle)) = self.sessions.player(cx.slot) else {
            return not_in_room(cx);
        };
        let state = self.rooms.get(handle).map(Room::lobby_state);
        if state != Some(LobbyState::Finalized) {
            let text = "Cannot start the game. Every player must be ready.";
            tell::error(cx, text, ErrorCode::InvalidRoomState);
        }
    }

    pub(super) fn provide_connection_info(&mut self, cx: &mut Cx<'_>, info: Box<ConnectionInfo>) {
        let Some((player, handle)) = self.sessions.player(cx.slot) else {
            return not_in_room(cx);
        };
        let player = self.rooms.get_mut(handle).and_then(|room| room.player_mut(player));
        if let Some(player) = player {
            player.connection_info = Some(info);
        }
    }
}
