//! What the server sends.

use super::client::GameDataFormat;
use super::connection_info::ConnectionInfo;
use super::error_code::ErrorCode;
use super::timestamp::Timestamp;
use crate::room::{MemberId as PlayerId, RoomId};
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::convert::Infallible;

/// What the server sends as text (protocol 4); keys are written in the order of the fields.
///
/// Reading one back borrows from the text and needs `type` to come first, which it does in everything this server writes.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum ServerMessage<'a> {
    /// The app was accepted.
    Authenticated {
        /// Name of the app.
        app_name: Cow<'a, str>,
        /// Advisory limits.
        rate_limits: RateLimits,
    },
    /// What this server offers.
    #[serde(borrow)]
    ProtocolInfo(Box<ProtocolInfo<'a>>),
    /// The app was refused.
    AuthenticationError {
        /// Identifier-like reason, or the text of the SDK gate.
        error: Cow<'a, str>,
        /// Code.
        error_code: ErrorCode,
    },
    /// The client is now a player of this room.
    #[serde(borrow)]
    RoomJoined(Box<RoomSnapshot<'a>>),
    /// The client could not join.
    RoomJoinFailed {
        /// Reason for people.
        reason: Cow<'a, str>,
        /// Code.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error_code: Option<ErrorCode>,
    },
    /// The client is no longer in a room.
    RoomLeft,
    /// Answer to `Ping`.
    Pong,
    /// A player came.
    PlayerJoined {
        /// The newcomer.
        #[serde(borrow)]
        player: PlayerInfo<'a>,
    },
    /// A player went.
    PlayerLeft {
        /// Who.
        player_id: PlayerId,
    },
    /// A value that a player relays; see [`write_game_data`] for the path of a relayed message.
    GameData {
        /// Sender.
        from_player: PlayerId,
        /// The sender's own text.
        #[serde(borrow)]
        data: &'a RawValue,
    },
    /// Authority moved.
    AuthorityChanged {
        /// Holder, if there is one.
        authority_player: Option<PlayerId>,
        /// Whether it is the receiver.
        you_are_authority: bool,
    },
    /// Answer to `AuthorityRequest`.
    AuthorityResponse {
        /// Whether the request was granted.
        granted: bool,
        /// Why not.
        reason: Option<Cow<'a, str>>,
        /// Code, when denied.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error_code: Option<ErrorCode>,
    },
    /// The lobby changed.
    LobbyStateChanged {
        /// New state.
        lobby_state: LobbyState,
        /// Players that are ready, in the order in which they joined.
        ready_players: Vec<PlayerId>,
        /// Whether every player is ready.
        all_ready: bool,
    },
    /// The game starts.
    GameStarting {
        /// Everybody, the receiver included.
        #[serde(borrow)]
        peer_connections: Vec<PeerConnection<'a>>,
    },
    /// The client is back in its room.
    #[serde(borrow)]
    Reconnected(Box<Reconnected<'a>>),
    /// The client could not come back.
    ReconnectionFailed {
        /// Reason for people.
        reason: Cow<'a, str>,
        /// Code.
        error_code: ErrorCode,
    },
    /// A player came back.
    PlayerReconnected {
        /// Who.
        player_id: PlayerId,
    },
    /// The client now watches this room.
    #[serde(borrow)]
    SpectatorJoined(Box<SpectatorSnapshot<'a>>),
    /// The client could not watch.
    SpectatorJoinFailed {
        /// Reason for people.
        reason: Cow<'a, str>,
        /// Code.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error_code: Option<ErrorCode>,
    },
    /// The client no longer watches.
    SpectatorLeft {
        /// Room that was watched.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room_id: Option<RoomId>,
        /// Its code.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room_code: Option<Cow<'a, str>>,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<SpectatorReason>,
        /// Who still watches.
        #[serde(borrow)]
        current_spectators: Vec<SpectatorInfo<'a>>,
    },
    /// A spectator came.
    NewSpectatorJoined {
        /// The newcomer.
        #[serde(borrow)]
        spectator: SpectatorInfo<'a>,
        /// Everybody who watches, the newcomer included.
        #[serde(borrow)]
        current_spectators: Vec<SpectatorInfo<'a>>,
        /// Always `joined`.
        reason: SpectatorReason,
    },
    /// A spectator went.
    SpectatorDisconnected {
        /// Who.
        spectator_id: PlayerId,
        /// Why.
        reason: SpectatorReason,
        /// Who still watches.
        #[serde(borrow)]
        current_spectators: Vec<SpectatorInfo<'a>>,
    },
    /// Something is wrong with what the client sent, or with the connection.
    Error {
        /// Reason for people.
        message: Cow<'a, str>,
        /// Code.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error_code: Option<ErrorCode>,
    },
}

impl ServerMessage<'_> {
    /// Appends the message as compact JSON to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        // Writing to a Vec cannot fail, and no map key or value here is one that JSON cannot express.
        let written = serde_json::to_writer(out, self);
        debug_assert!(written.is_ok());
    }
}

/// Appends a `GameData` message to `out`: the sender's text of `data` as it came, nothing parsed, nothing rebuilt (D2).
pub fn write_game_data(from_player: PlayerId, data: &str, out: &mut Vec<u8>) {
    // Appending text cannot fail.
    let Ok(()) = write_game_data_with(from_player, out, |out| {
        out.extend_from_slice(data.as_bytes());
        Ok::<_, Infallible>(())
    });
}

/// As [`write_game_data`], for a value whose JSON text `write` appends.
///
/// # Errors
/// That of `write`; `out` then ends anywhere.
pub fn write_game_data_with<E>(
    from_player: PlayerId,
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    out.extend_from_slice(br#"{"type":"GameData","data":{"from_player":""#);
    out.extend_from_slice(from_player.encode(&mut [0; 36]).as_bytes());
    out.extend_from_slice(br#"","data":"#);
    write(out)?;
    out.extend_from_slice(b"}}");
    Ok(())
}

/// Advisory limits shown in `Authenticated`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateLimits {
    /// Requests per minute.
    pub per_minute: u32,
    /// Requests per hour.
    pub per_hour: u32,
    /// Requests per day.
    pub per_day: u32,
}

/// Contents of `ProtocolInfo`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProtocolInfo<'a> {
    /// Platform as the client spelt it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Cow<'a, str>>,
    /// Version as the client gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sdk_version: Option<Cow<'a, str>>,
    /// Oldest version that is served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum_version: Option<Cow<'a, str>>,
    /// Version that is advised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recommended_version: Option<Cow<'a, str>>,
    /// Capabilities offered to this platform.
    pub capabilities: Vec<Cow<'a, str>>,
    /// Notes for this platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<Cow<'a, str>>,
    /// Forms of game data that can be negotiated.
    pub game_data_formats: Vec<GameDataFormat>,
    /// Rules for player names.
    pub player_name_rules: PlayerNameRules,
}

/// Rules for player names as clients see them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PlayerNameRules {
    /// Longest name.
    pub max_length: usize,
    /// Shortest name: 1.
    pub min_length: usize,
    /// See [`NameRules`](super::name::NameRules).
    pub allow_unicode_alphanumeric: bool,
    /// See [`NameRules`](super::name::NameRules).
    pub allow_spaces: bool,
    /// See [`NameRules`](super::name::NameRules).
    pub allow_leading_trailing_whitespace: bool,
    /// See [`NameRules`](super::name::NameRules).
    pub allowed_symbols: Vec<char>,
    /// See [`NameRules`](super::name::NameRules).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub additional_allowed_characters: Option<String>,
}

/// A room as its new player sees it, itself included (D12).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RoomSnapshot<'a> {
    /// Room.
    pub room_id: RoomId,
    /// Its code.
    pub room_code: Cow<'a, str>,
    /// The receiver's own id.
    pub player_id: PlayerId,
    /// Game.
    pub game_name: Cow<'a, str>,
    /// Seats.
    pub max_players: u8,
    /// Whether the room has an authority.
    pub supports_authority: bool,
    /// Players, in the order in which they joined.
    #[serde(borrow)]
    pub current_players: Vec<PlayerInfo<'a>>,
    /// Whether the receiver has authority.
    pub is_authority: bool,
    /// State of the lobby.
    pub lobby_state: LobbyState,
    /// Players that are ready.
    pub ready_players: Vec<PlayerId>,
    /// Relay type of the game: a free string.
    pub relay_type: Cow<'a, str>,
    /// Spectators.
    #[serde(borrow)]
    pub current_spectators: Vec<SpectatorInfo<'a>>,
    /// Token to come back with after a drop (D18).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_token: Option<Cow<'a, str>>,
}

/// A room as a returning player sees it: the keys of [`RoomSnapshot`], then the missed events.
#[derive(Debug, Clone, Serialize)]
pub struct Reconnected<'a> {
    /// The room.
    #[serde(flatten)]
    pub room: RoomSnapshot<'a>,
    /// Broadcasts since the drop, oldest first (D20).
    pub missed_events: Vec<&'a RawValue>,
}

/// Reading through `flatten` would buffer the raw values, which they do not survive; so the object is read twice.
impl<'de: 'a, 'a> Deserialize<'de> for Reconnected<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Missed<'a> {
            #[serde(borrow)]
            missed_events: Vec<&'a RawValue>,
        }

        let text = <&'de RawValue>::deserialize(deserializer)?.get();
        let Missed { missed_events } = serde_json::from_str(text).map_err(de::Error::custom)?;
        let room = serde_json::from_str(text).map_err(de::Error::custom)?;
        Ok(Self { room, missed_events })
    }
}

/// A room as its new spectator sees it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SpectatorSnapshot<'a> {
    /// Room.
    pub room_id: RoomId,
    /// Its code.
    pub room_code: Cow<'a, str>,
    /// The receiver's own id.
    pub spectator_id: PlayerId,
    /// Game.
    pub game_name: Cow<'a, str>,
    /// Players.
    #[serde(borrow)]
    pub current_players: Vec<PlayerInfo<'a>>,
    /// Spectators, the receiver included.
    #[serde(borrow)]
    pub current_spectators: Vec<SpectatorInfo<'a>>,
    /// State of the lobby.
    pub lobby_state: LobbyState,
    /// Always `joined`.
    pub reason: SpectatorReason,
}

/// A player as others see it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PlayerInfo<'a> {
    /// Id.
    pub id: PlayerId,
    /// Name.
    pub name: Cow<'a, str>,
    /// Whether it has authority.
    pub is_authority: bool,
    /// Whether it is ready.
    pub is_ready: bool,
    /// When it joined the room.
    pub connected_at: Timestamp,
    /// How to reach it, if it told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_info: Option<Cow<'a, ConnectionInfo>>,
}

/// A spectator as others see it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SpectatorInfo<'a> {
    /// Id.
    pub id: PlayerId,
    /// Name.
    pub name: Cow<'a, str>,
    /// When it began to watch.
    pub connected_at: Timestamp,
}

/// A player in `GameStarting`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PeerConnection<'a> {
    /// Id.
    pub player_id: PlayerId,
    /// Name.
    pub player_name: Cow<'a, str>,
    /// Whether it has authority.
    pub is_authority: bool,
    /// Relay type of the game.
    pub relay_type: Cow<'a, str>,
    /// How to reach it, if it told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_info: Option<Cow<'a, ConnectionInfo>>,
}

/// State of a room's lobby (protocol 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LobbyState {
    /// Seats are free.
    Waiting,
    /// Every seat is taken; players get ready.
    Lobby,
    /// The game has started.
    Finalized,
}

/// Why a spectator came or went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpectatorReason {
    /// It came.
    Joined,
    /// It left.
    VoluntaryLeave,
    /// Its connection ended.
    Disconnected,
    /// It was removed.
    Removed,
    /// The room was closed.
    RoomClosed,
}
