//! What clients send.

use super::connection_info::{ConnectionInfo, RelayTransport};
use super::{game_data, json_strict};
use crate::json::Invalid;
use crate::room::{MemberId as PlayerId, RoomId};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// What a client may send (protocol 3). Borrowed from the frame it came in.
#[derive(Debug, Clone)]
pub enum ClientMessage<'a> {
    /// First message of a client, required when `security.require_websocket_auth` is on.
    Authenticate(Authenticate<'a>),
    /// Create a room or join one by code.
    JoinRoom(JoinRoom<'a>),
    /// Leave the room.
    LeaveRoom,
    /// Relay a value, given as its JSON text, to the other members; it is passed on untouched (D2).
    GameData(&'a str),
    /// Toggle readiness in the lobby.
    PlayerReady,
    /// Take or release authority.
    AuthorityRequest(AuthorityRequest),
    /// Tell the others how to connect.
    ProvideConnectionInfo(Box<ConnectionInfo>),
    /// Ask for a `Pong`.
    Ping,
    /// Come back after a drop.
    Reconnect(Reconnect<'a>),
    /// Watch a room.
    JoinAsSpectator(JoinAsSpectator<'a>),
    /// Stop watching.
    LeaveSpectator,
    /// A later version's message, accepted and ignored in a finalized room (D13).
    StartGame,
}

/// Fields of `Authenticate` (protocol 3.1).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Authenticate<'a> {
    /// Public id of the app.
    #[serde(borrow)]
    pub app_id: Cow<'a, str>,
    /// Version of the client's SDK.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub sdk_version: Option<Cow<'a, str>>,
    /// Platform of the client's SDK.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Cow<'a, str>>,
    /// Form in which the client wants game data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub game_data_format: Option<GameDataFormat>,
}

/// Fields of `JoinRoom` (protocol 3.2), not yet checked against the rules for names and codes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct JoinRoom<'a> {
    /// Game the room belongs to.
    #[serde(borrow)]
    pub game_name: Cow<'a, str>,
    /// Room to join, or to create under this code; absent: a generated code.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub room_code: Option<Cow<'a, str>>,
    /// Name shown to the others.
    #[serde(borrow)]
    pub player_name: Cow<'a, str>,
    /// Seats of a room that is created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_players: Option<u8>,
    /// Whether a room that is created has an authority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supports_authority: Option<bool>,
    /// Parsed and ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relay_transport: Option<RelayTransport>,
}

/// Field of `AuthorityRequest` (protocol 3.6).
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct AuthorityRequest {
    /// `true` takes authority, `false` releases it.
    pub become_authority: bool,
}

/// Fields of `Reconnect` (protocol 3.9).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Reconnect<'a> {
    /// Player that comes back.
    pub player_id: PlayerId,
    /// Room it was in.
    pub room_id: RoomId,
    /// The token that `RoomJoined` or `Reconnected` gave it.
    #[serde(borrow)]
    pub auth_token: Cow<'a, str>,
}

/// Fields of `JoinAsSpectator` (protocol 3.10), not yet checked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct JoinAsSpectator<'a> {
    /// Game the room belongs to.
    #[serde(borrow)]
    pub game_name: Cow<'a, str>,
    /// Code of the room.
    #[serde(borrow)]
    pub room_code: Cow<'a, str>,
    /// Name shown to the others.
    #[serde(borrow)]
    pub spectator_name: Cow<'a, str>,
}

/// Form of game data on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GameDataFormat {
    /// JSON text frames only.
    Json,
    /// JSON text frames and MessagePack binary frames.
    MessagePack,
    /// Known to the protocol, never served.
    Rkyv,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct GameDataBody<'a> {
    #[serde(borrow)]
    data: &'a RawValue,
}

#[derive(Deserialize)]
struct ConnectionInfoBody<'a> {
    #[serde(borrow)]
    connection_info: &'a RawValue,
}

#[derive(Serialize)]
struct Provided<'a> {
    connection_info: &'a ConnectionInfo,
}

impl<'a> ClientMessage<'a> {
    /// Parses one text message: first the envelope, then `data` by its type.
    ///
    /// # Errors
    /// [`Invalid`] for everything protocol 2.8 lists, for arrays in place of objects, and for values that a strict parser could
    /// not read (D2; see [`json`](crate::json)).
    pub fn parse(text: &'a str) -> Result<Self, Invalid> {
        if let Some(value) = game_data::value(text) {
            return Ok(Self::GameData(value));
        }
        Self::parse_any(text)
    }

    /// As [`Self::parse`], without the short way that `GameData` takes in its usual shape.
    pub(super) fn parse_any(text: &'a str) -> Result<Self, Invalid> {
        let envelope: Envelope<'a> = object(text)?;
        let data = envelope.data.map(RawValue::get);
        Ok(match &*envelope.kind {
            "GameData" => Self::GameData(game_data_value(data)?),
            "Ping" => without_payload(data, Self::Ping)?,
            "Authenticate" => Self::Authenticate(object(data.ok_or(Invalid)?)?),
            "JoinRoom" => Self::JoinRoom(object(data.ok_or(Invalid)?)?),
            "LeaveRoom" => without_payload(data, Self::LeaveRoom)?,
            "PlayerReady" => without_payload(data, Self::PlayerReady)?,
            "AuthorityRequest" => Self::AuthorityRequest(object(data.ok_or(Invalid)?)?),
            "ProvideConnectionInfo" => Self::ProvideConnectionInfo(Box::new(connection_info(data)?)),
            "Reconnect" => Self::Reconnect(object(data.ok_or(Invalid)?)?),
            "JoinAsSpectator" => Self::JoinAsSpectator(object(data.ok_or(Invalid)?)?),
            "LeaveSpectator" => without_payload(data, Self::LeaveSpectator)?,
            "StartGame" => without_payload(data, Self::StartGame)?,
            _ => return Err(Invalid),
        })
    }

    /// Appends the message as a compact JSON envelope to `out`; what a client does. The text of game data goes out as
    /// it is.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Authenticate(data) => envelope("Authenticate", Some(data), out),
            Self::JoinRoom(data) => envelope("JoinRoom", Some(data), out),
            Self::LeaveRoom => envelope("LeaveRoom", None::<()>, out),
            Self::GameData(data) => {
                for part in [r#"{"type":"GameData","data":{"data":"#, data, "}}"] {
                    out.extend_from_slice(part.as_bytes());
                }
            }
            Self::PlayerReady => envelope("PlayerReady", None::<()>, out),
            Self::AuthorityRequest(data) => envelope("AuthorityRequest", Some(data), out),
            Self::ProvideConnectionInfo(connection_info) => {
                envelope("ProvideConnectionInfo", Some(Provided { connection_info }), out);
            }
            Self::Ping => envelope("Ping", None::<()>, out),
            Self::Reconnect(data) => envelope("Reconnect", Some(data), out),
            Self::JoinAsSpectator(data) => envelope("JoinAsSpectator", Some(data), out),
            Self::LeaveSpectator => envelope("LeaveSpectator", None::<()>, out),
            Self::StartGame => envelope("StartGame", None::<()>, out),
        }
    }
}

fn envelope<T: Serialize>(kind: &'static str, data: Option<T>, out: &mut Vec<u8>) {
    #[derive(Serialize)]
    struct Written<T> {
        #[serde(rename = "type")]
        kind: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        data: Option<T>,
    }

    // Writing to a Vec cannot fail, and no map key or value here is one that JSON cannot express.
    let written = serde_json::to_writer(out, &Written { kind, data });
    debug_assert!(written.is_ok());
}

/// Parses an object; a derived struct would accept an array of its fields too.
fn object<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Invalid> {
    if !text.trim_start_matches([' ', '\t', '\r', '\n']).starts_with('{') {
        return Err(Invalid);
    }
    serde_json::from_str(text).map_err(|_| Invalid)
}

fn without_payload<'a>(data: Option<&str>, message: ClientMessage<'a>) -> Result<ClientMessage<'a>, Invalid> {
    match data {
        None => Ok(message),
        // Unknown keys are ignored everywhere, so any object reads like an empty one.
        Some(text) if text.starts_with('{') => Ok(message),
        Some(_) => Err(Invalid),
    }
}

fn game_data_value(data: Option<&str>) -> Result<&str, Invalid> {
    let body: GameDataBody<'_> = object(data.ok_or(Invalid)?)?;
    json_strict::check(body.data.get())?;
    Ok(body.data.get())
}

fn connection_info(data: Option<&str>) -> Result<ConnectionInfo, Invalid> {
    let body: ConnectionInfoBody<'_> = object(data.ok_or(Invalid)?)?;
    ConnectionInfo::parse(body.connection_info.get())
}
