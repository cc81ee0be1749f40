//! The lobby: waiting, lobby, finalized (protocol 5, D12 to D14).

use super::super::wire::{LobbyState, PlayerId};
use super::state::Room;

/// Readiness cannot change in the present state of the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotInLobby;

/// What a change of readiness led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readied {
    /// Somebody is not ready yet.
    Toggled,
    /// Everybody is ready: the room is finalized and the game starts.
    Finalized,
}

impl Room {
    /// Toggles readiness of a player.
    ///
    /// # Errors
    /// [`NotInLobby`] unless every seat is taken and the game has not started. A room with one seat never has a lobby;
    /// there the first toggle finalizes at once (D14).
    pub fn toggle_ready(&mut self, id: PlayerId) -> Result<Readied, NotInLobby> {
        let alone = self.plan.max_players == 1 && self.state == LobbyState::Waiting;
        if self.state != LobbyState::Lobby && !alone {
            return Err(NotInLobby);
        }
        let player = self.player_mut(id).ok_or(NotInLobby)?;
        player.ready = !player.ready;
        if self.all_ready() {
            self.state = LobbyState::Finalized;
            return Ok(Readied::Finalized);
        }
        Ok(Readied::Toggled)
    }

    /// Players that are ready, in the order in which they joined.
    #[must_use]
    pub fn ready_players(&self) -> Vec<PlayerId> {
        let ready = self.players.iter().filter(|player| player.ready);
        ready.map(|player| player.id).collect()
    }

    /// Whether there are players and each is ready.
    #[must_use]
    pub fn all_ready(&self) -> bool {
        !self.players.is_empty() && self.players.iter().all(|player| player.ready)
    }

    pub(super) fn fills_lobby(&mut self) -> bool {
        let full = self.players.len() == usize::from(self.plan.max_players);
        let fills = self.state == LobbyState::Waiting && full && self.plan.max_players > 1;
        if fills {
            self.state = LobbyState::Lobby;
        }
        fills
    }

    pub(super) fn break_lobby(&mut self) -> bool {
        let breaks = self.state == LobbyState::Lobby;
        if breaks {
            self.state = LobbyState::Waiting;
            for player in &mut self.players {
                player.ready = false;
            }
        }
        breaks
    }
}
