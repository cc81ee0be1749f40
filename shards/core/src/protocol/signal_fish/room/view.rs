//! How clients see a room.

use super::super::wire::{
    LobbyState, PeerConnection, PlayerId, PlayerInfo, RoomSnapshot, ServerMessage, SpectatorInfo, SpectatorReason,
    SpectatorSnapshot,
};
use super::member::{Player, Spectator};
use super::state::Room;
use super::token::Token;
use std::borrow::Cow;

impl Room {
    /// The room as its player `id` sees it (D12).
    #[must_use]
    pub fn snapshot(&self, id: PlayerId, token: Option<&Token>) -> RoomSnapshot<'_> {
        RoomSnapshot {
            room_id: self.plan.id,
            room_code: Cow::Borrowed(self.plan.code.as_str()),
            player_id: id,
            game_name: Cow::Borrowed(self.plan.game.as_str()),
            max_players: self.plan.max_players,
            supports_authority: self.plan.supports_authority,
            current_players: self.player_infos(),
            is_authority: self.authority == Some(id),
            lobby_state: self.state,
            ready_players: self.ready_players(),
            relay_type: Cow::Borrowed(&self.plan.relay_type),
            current_spectators: self.spectator_infos(),
            auth_token: token.map(|token| Cow::Owned(token.to_text())),
        }
    }

    /// The room as its spectator `id` sees it.
    #[must_use]
    pub fn spectator_snapshot(&self, id: PlayerId) -> SpectatorSnapshot<'_> {
        SpectatorSnapshot {
            room_id: self.plan.id,
            room_code: Cow::Borrowed(self.plan.code.as_str()),
            spectator_id: id,
            game_name: Cow::Borrowed(self.plan.game.as_str()),
            current_players: self.player_infos(),
            current_spectators: self.spectator_infos(),
            lobby_state: self.state,
            reason: SpectatorReason::Joined,
        }
    }

    /// One player as others see it.
    #[must_use]
    pub fn player_info<'a>(&self, player: &'a Player) -> PlayerInfo<'a> {
        PlayerInfo {
            id: player.id,
            name: Cow::Borrowed(player.name.as_str()),
            is_authority: self.authority == Some(player.id),
            is_ready: player.ready,
            connected_at: player.connected_at,
            connection_info: player.connection_info.as_deref().map(Cow::Borrowed),
        }
    }

    /// Every spectator as others see it.
    #[must_use]
    pub fn spectator_infos(&self) -> Vec<SpectatorInfo<'_>> {
        self.spectators.iter().map(Spectator::info).collect()
    }

    /// The lobby as it is.
    #[must_use]
    pub fn lobby_state_changed(&self) -> ServerMessage<'static> {
        ServerMessage::LobbyStateChanged {
            lobby_state: self.state,
            ready_players: self.ready_players(),
            all_ready: self.state != LobbyState::Waiting && self.all_ready(),
        }
    }

    /// How the players reach each other.
    #[must_use]
    pub fn game_starting(&self) -> ServerMessage<'_> {
        let peer = |player| self.peer_connection(player);
        ServerMessage::GameStarting {
            peer_connections: self.players.iter().map(peer).collect(),
        }
    }

    fn peer_connection<'a>(&'a self, player: &'a Player) -> PeerConnection<'a> {
        PeerConnection {
            player_id: player.id,
            player_name: Cow::Borrowed(player.name.as_str()),
            is_authority: self.authority == Some(player.id),
            relay_type: Cow::Borrowed(&self.plan.relay_type),
            connection_info: player.connection_info.as_deref().map(Cow::Borrowed),
        }
    }

    fn player_infos(&self) -> Vec<PlayerInfo<'_>> {
        self.players.iter().map(|player| self.player_info(player)).collect()
    }
}

impl Spectator {
    /// The spectator as others see it.
    #[must_use]
    pub fn info(&self) -> SpectatorInfo<'_> {
        SpectatorInfo {
            id: self.id,
            name: Cow::Borrowed(self.name.as_str()),
            connected_at: self.connected_at,
        }
    }
}
