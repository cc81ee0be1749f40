use super::Token;
use crate::protocol::signal_fish::wire::{ConnectionInfo, PlayerId, PlayerName, Timestamp};

/// One connection on one shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot {
    /// Place in the shard's table.
    pub index: u32,
    /// How often the place was given to another connection before.
    pub generation: u32,
}

/// A player in a room.
#[derive(Debug)]
pub struct Player {
    /// Its connection.
    pub slot: Slot,
    /// Whether it takes game data as MessagePack.
    pub message_pack: bool,
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
    /// Its connection.
    pub slot: Slot,
    /// Whether it takes game data as MessagePack.
    pub message_pack: bool,
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
