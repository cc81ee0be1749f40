//! Who gets a seat, who gives one up, and what that changes.

use super::super::wire::{LobbyState, PlayerId, PlayerName};
use super::member::{HeldSeat, Player, Spectator};
use super::state::Room;
use super::token::Token;
use crate::room::{Dialect, Member};
use crate::slot::Slot;
use std::time::Duration;

/// Why a room does not take a player.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoSeat {
    /// A player, or a held seat, has this name.
    NameTaken,
    /// Every seat is taken or held.
    Full,
}

/// What changed when a player went.
#[derive(Debug)]
pub struct Departure {
    /// Who went.
    pub player: Player,
    /// It had authority; nobody has it now.
    pub had_authority: bool,
    /// The room was in the lobby and is waiting again, nobody ready.
    pub broke_lobby: bool,
}

impl Room {
    /// Whether a newcomer of this name gets a seat.
    ///
    /// # Errors
    /// The name is looked at first (protocol 3.2, step 7).
    pub fn admits(&self, name: &PlayerName) -> Result<(), NoSeat> {
        self.admits_besides(name, None)
    }

    /// Whether the dropped player `id` gets a seat again: its own held seat counts as free.
    ///
    /// # Errors
    /// As [`Room::admits`].
    pub fn admits_back(&self, id: PlayerId, name: &PlayerName) -> Result<(), NoSeat> {
        self.admits_besides(name, Some(id))
    }

    fn admits_besides(&self, name: &PlayerName, own: Option<PlayerId>) -> Result<(), NoSeat> {
        let held = || self.held.iter().filter(|seat| Some(seat.id) != own);
        if self.players.iter().any(|player| player.name.clashes_with(name))
            || held().any(|seat| seat.name.clashes_with(name))
        {
            return Err(NoSeat::NameTaken);
        }
        if self.players.len() + held().count() >= usize::from(self.plan.max_players) {
            return Err(NoSeat::Full);
        }
        Ok(())
    }

    /// A player that the room [admits](Room::admits) takes a seat. A player that enters an empty room becomes its
    /// authority (D6). Returns whether that filled the room, which is now in the lobby.
    pub fn enter(&mut self, player: Player, slot: Slot, dialect: Dialect, now: Duration) -> bool {
        if self.players.is_empty() && self.plan.supports_authority {
            self.authority = Some(player.id);
        }
        self.take_seat(player, slot, dialect, now)
    }

    /// A dropped player takes a seat again. If it had authority and nobody took it, it has it again (D21). A player
    /// that returns to an empty room becomes its authority in any case (D6). Returns whether the player became the
    /// authority, and whether the room filled up and is now in the lobby.
    pub fn enter_again(
        &mut self,
        player: Player,
        slot: Slot,
        dialect: Dialect,
        had_authority: bool,
        now: Duration,
    ) -> (bool, bool) {
        let entitled = had_authority || self.players.is_empty();
        let becomes = entitled && self.authority.is_none() && self.plan.supports_authority;
        if becomes {
            self.authority = Some(player.id);
        }
        (becomes, self.take_seat(player, slot, dialect, now))
    }

    fn take_seat(&mut self, player: Player, slot: Slot, dialect: Dialect, now: Duration) -> bool {
        let id = player.id;
        self.members.add(Member { id, slot, dialect });
        self.players.push(player);
        self.empty_since = None;
        self.last_message = now;
        self.fills_lobby()
    }

    /// The player `id` goes on with another connection and another token. Returns the connection that it had.
    pub fn change_connection(
        &mut self,
        id: PlayerId,
        slot: Slot,
        dialect: Dialect,
        token: Option<Token>,
    ) -> Option<Slot> {
        self.player_mut(id)?.token = token;
        let member = self.members.get_mut(id)?;
        member.dialect = dialect;
        Some(std::mem::replace(&mut member.slot, slot))
    }

    /// A player goes; `None` if it is not here.
    pub fn leave(&mut self, id: PlayerId, now: Duration) -> Option<Departure> {
        let place = self.players.iter().position(|player| player.id == id)?;
        let player = self.players.remove(place);
        self.members.remove(id);
        let had_authority = self.authority == Some(id);
        if had_authority {
            self.authority = None;
        }
        if self.players.is_empty() {
            self.empty_since = Some(now);
        }
        Some(Departure {
            player,
            had_authority,
            broke_lobby: self.break_lobby(),
        })
    }

    /// Reserves seat and name of a player who dropped out of a finalized room (D19); elsewhere the seat is free at once.
    pub fn hold_seat(&mut self, id: PlayerId, name: &PlayerName) {
        if self.state == LobbyState::Finalized {
            self.held.push(HeldSeat { id, name: name.clone() });
        }
    }

    /// A spectator comes.
    pub fn watch(&mut self, spectator: Spectator, slot: Slot, dialect: Dialect, now: Duration) {
        let id = spectator.id;
        self.members.add(Member { id, slot, dialect });
        self.spectators.push(spectator);
        self.last_message = now;
    }

    /// A spectator goes; `None` if it is not here.
    pub fn unwatch(&mut self, id: PlayerId) -> Option<Spectator> {
        let place = self.spectators.iter().position(|spectator| spectator.id == id)?;
        self.members.remove(id);
        Some(self.spectators.remove(place))
    }
}
