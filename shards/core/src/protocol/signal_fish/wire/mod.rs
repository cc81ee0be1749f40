//! Protocol v2 on the wire: every message, enum and error code of the protocol, in both directions.
//!
//! Text parses into [`ClientMessage`] without a JSON tree and without copying the payload of game data; names and codes
//! parse into types that cannot hold a wrong value.

mod client;
mod connection_info;
mod error_code;
mod game_data;
pub mod message_pack;
mod name;
mod server;
mod timestamp;

pub use client::{Authenticate, AuthorityRequest, ClientMessage, GameDataFormat, JoinAsSpectator, JoinRoom, Reconnect};
pub use connection_info::{CONNECTION_INFO_BYTES_MAX, CONNECTION_INFO_MEMORY_MAX, ConnectionInfo, RelayTransport};
pub use error_code::ErrorCode;
pub use name::{GameName, NameError, NameRules, PlayerName, RoomCode};
pub use server::{
    LobbyState, PeerConnection, PlayerInfo, PlayerNameRules, ProtocolInfo, RateLimits, Reconnected, RoomSnapshot,
    ServerMessage, SpectatorInfo, SpectatorReason, SpectatorSnapshot, write_game_data, write_game_data_with,
};
pub use timestamp::Timestamp;

pub use crate::json::{self as json_strict, DEPTH_MAX, Invalid};
pub use crate::room::{MemberId as PlayerId, RoomId};
