//! Who is in a room. Where members are and what they speak is in the room's [`Members`](crate::room::Members).

use super::super::wire::{ConnectionInfo, PlayerId, PlayerName, Timestamp};
use super::token::Token;

/// A player in a room.
#[derive(Debug)]
pub struct Player {
    /// Whether it is ready; never true outside a lobby or a finalized room.
    pub ready: bool,
    /// Id.
    pub id: PlayerId,
    /// Name, unlike every other player's.
    pub name: PlayerName,
    /// When it joined.
    pub connected_at: Timestamp,
    /// How to reach it, if it told.
    pub connection_info: Option<Box<ConnectionInfo>>,
    /// What it must show to come back after a drop.
    pub token: Option<Token>,
}

/// A spectator of a room.
#[derive(Debug)]
pub struct Spectator {
    /// Id.
    pub id: PlayerId,
    /// Name; need not be unique.
    pub name: PlayerName,
    /// When it came.
    pub connected_at: Timestamp,
}

/// A seat of a finalized room that waits for its player (D19).
#[derive(Debug)]
pub struct HeldSeat {
    /// Who may return to it.
    pub id: PlayerId,
    /// The name stays taken too.
    pub name: PlayerName,
}
