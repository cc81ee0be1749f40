//! The protocol messages the generator sends and reads (protocol 3 and 4); stamped game data never comes this way.

use serde::{Deserialize, Serialize};
use signal_fish_core::protocol::signal_fish::wire::{Authenticate, GameDataFormat, JoinAsSpectator, JoinRoom};
use std::borrow::Cow;

/// The message type of a server's text, which every known server writes first.
#[must_use]
pub fn message_type(text: &[u8]) -> &str {
    text.strip_prefix(br#"{"type":""#)
        .and_then(|rest| rest.split(|byte| *byte == b'"').next())
        .and_then(|name| std::str::from_utf8(name).ok())
        .unwrap_or_default()
}

/// The fields of a server message, if it has them.
#[must_use]
pub fn fields<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Option<T> {
    #[derive(Deserialize)]
    struct Envelope<T> {
        data: T,
    }
    serde_json::from_slice::<Envelope<T>>(text)
        .ok()
        .map(|envelope| envelope.data)
}

/// What the generator needs of `RoomJoined` and `Reconnected`; a replay is passed over.
#[derive(Debug, Deserialize)]
pub struct Joined<'a> {
    /// Room.
    pub room_id: &'a str,
    /// Its code.
    pub room_code: &'a str,
    /// The receiver's own id.
    pub player_id: &'a str,
    /// Token to come back with (D18).
    #[serde(default)]
    pub auth_token: Option<&'a str>,
}

/// What the generator needs of `LobbyStateChanged`.
#[derive(Debug, Deserialize)]
pub struct LobbyStateChanged<'a> {
    /// New state.
    #[serde(borrow)]
    pub lobby_state: Cow<'a, str>,
    /// Whether every player is ready.
    pub all_ready: bool,
}

/// A refusal in any of its shapes: `Error`, `RoomJoinFailed`, `SpectatorJoinFailed`, `ReconnectionFailed`,
/// `AuthenticationError`.
#[derive(Debug, Deserialize)]
pub struct Refused<'a> {
    /// Reason for people.
    #[serde(borrow, alias = "reason", alias = "error")]
    pub message: Cow<'a, str>,
    /// Code.
    #[serde(borrow, default)]
    pub error_code: Option<Cow<'a, str>>,
}

/// `Authenticate`, asking for MessagePack if `message_pack`.
#[must_use]
pub fn authenticate(app_id: &str, message_pack: bool) -> Vec<u8> {
    message(
        "Authenticate",
        &Authenticate {
            app_id: app_id.into(),
            sdk_version: None,
            platform: None,
            game_data_format: Some(if message_pack {
                GameDataFormat::MessagePack
            } else {
                GameDataFormat::Json
            }),
        },
    )
}

/// `JoinRoom` by code, or to create a room of `max_players`.
#[must_use]
pub fn join_room(game_name: &str, player_name: &str, room_code: Option<&str>, max_players: u8) -> Vec<u8> {
    message(
        "JoinRoom",
        &JoinRoom {
            game_name: game_name.into(),
            room_code: room_code.map(Cow::Borrowed),
            player_name: player_name.into(),
            max_players: Some(max_players),
            supports_authority: None,
            relay_transport: None,
        },
    )
}

/// `JoinAsSpectator`.
#[must_use]
pub fn join_as_spectator(game_name: &str, spectator_name: &str, room_code: &str) -> Vec<u8> {
    message(
        "JoinAsSpectator",
        &JoinAsSpectator {
            game_name: game_name.into(),
            room_code: room_code.into(),
            spectator_name: spectator_name.into(),
        },
    )
}

/// `Reconnect`, with the ids as the server wrote them.
#[must_use]
pub fn reconnect(player_id: &str, room_id: &str, auth_token: &str) -> Vec<u8> {
    #[derive(Serialize)]
    struct Reconnect<'a> {
        player_id: &'a str,
        room_id: &'a str,
        auth_token: &'a str,
    }
    message(
        "Reconnect",
        &Reconnect {
            player_id,
            room_id,
            auth_token,
        },
    )
}

/// A message without fields.
#[must_use]
pub fn bare(name: &str) -> Vec<u8> {
    format!(r#"{{"type":"{name}"}}"#).into_bytes()
}

fn message(name: &str, data: &impl Serialize) -> Vec<u8> {
    #[derive(Serialize)]
    struct Envelope<'a, T> {
        r#type: &'a str,
        data: &'a T,
    }
    // None of these types can fail to serialise; an empty message would be refused by the server and shown.
    serde_json::to_vec(&Envelope { r#type: name, data }).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_of_refusal_is_read() {
        for text in [
            &br#"{"type":"Error","data":{"message":"a \"b\"","error_code":"NOT_IN_ROOM"}}"#[..],
            br#"{"type":"RoomJoinFailed","data":{"reason":"a \"b\"","error_code":"NOT_IN_ROOM"}}"#,
            br#"{"type":"AuthenticationError","data":{"error":"a \"b\"","error_code":"NOT_IN_ROOM"}}"#,
        ] {
            let refused: Refused<'_> = fields(text).unwrap();
            assert_eq!(
                (&*refused.message, refused.error_code.as_deref()),
                ("a \"b\"", Some("NOT_IN_ROOM"))
            );
        }
    }

    #[test]
    fn the_type_is_read_from_the_front() {
        assert_eq!(message_type(br#"{"type":"RoomJoined","data":{}}"#), "RoomJoined");
        assert_eq!(message_type(b"nonsense"), "");
        assert_eq!(bare("Ping"), br#"{"type":"Ping"}"#);
    }
}
