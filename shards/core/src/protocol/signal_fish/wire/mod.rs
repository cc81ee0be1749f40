//! Protocol v2 on the wire: every message, enum and error code of the protocol, in both directions.
//!
//! Text parses into [`ClientMessage`] without a JSON tree and without copying the payload of game data; names and codes
//! parse into types that cannot hold a wrong value.

mod client;
mod connection_info;
mod error_code;
mod game_data;
mod id;
pub mod json_strict;
pub mod message_pack;
mod name;
mod server;
mod timestamp;

pub use client::{
    Authenticate, AuthorityRequest, ClientMessage, GameDataFormat, Invalid, JoinAsSpectator, JoinRoom, Reconnect,
    RelayTransport,
};
pub use connection_info::{CONNECTION_INFO_BYTES_MAX, ConnectionInfo};
pub use error_code::ErrorCode;
pub use id::{PlayerId, RoomId};
pub use name::{GameName, NameError, NameRules, PlayerName, RoomCode};
pub use server::{
    LobbyState, PeerConnection, PlayerInfo, PlayerNameRules, ProtocolInfo, RateLimits, Reconnected, RoomSnapshot,
    ServerMessage, SpectatorInfo, SpectatorReason, SpectatorSnapshot, write_game_data,
};
pub use timestamp::Timestamp;

/// Deepest nesting of objects and arrays that a relayed value may have; deeper ones could break the parsers of other
/// players (D2).
pub const DEPTH_MAX: usize = 120;
