//! What an observer may learn.

use super::wire::PlayerId;
use crate::room::RoomId;

/// Something that happened to a room of Signal Fish. The observations of one room come in order, for it lives on one shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observation {
    /// A room was opened. Its first player joins next.
    RoomOpened {
        /// The room.
        room: RoomId,
        /// Game name, as its creator wrote it.
        game: Box<str>,
        /// Room code.
        code: Box<str>,
        /// The app of its creator, with `security.require_websocket_auth`.
        app: Option<Box<str>>,
        /// Seats.
        max_players: u8,
    },
    /// A player took a seat.
    PlayerJoined {
        /// The room.
        room: RoomId,
        /// The player.
        player: PlayerId,
        /// Name, as the player wrote it.
        name: Box<str>,
    },
    /// A player is gone: it left, its connection ended, or an operator removed it.
    PlayerLeft {
        /// The room.
        room: RoomId,
        /// The player.
        player: PlayerId,
        /// It dropped, and has `server.reconnection_window` to return.
        may_return: bool,
    },
    /// A player that dropped has its seat again, or a player goes on with another connection (D21).
    PlayerReturned {
        /// The room.
        room: RoomId,
        /// The player.
        player: PlayerId,
    },
    /// A player that dropped can return no more. The room may have ended before.
    PlayerExpired {
        /// The room.
        room: RoomId,
        /// The player.
        player: PlayerId,
    },
    /// A room is gone. Players who are still in it are gone with it.
    RoomEnded {
        /// The room.
        room: RoomId,
    },
}
