//! Messages of Signal Fish that scripts send, and answers that they expect.

use serde_json::{Value, json};

/// The type of a message.
#[must_use]
pub fn kind(message: &Value) -> &str {
    message["type"].as_str().unwrap_or_default()
}

/// `JoinRoom`; without a code the room is created.
#[must_use]
pub fn join(code: &str, name: &str, max_players: u8) -> Value {
    let mut data = json!({"game_name": "pong", "player_name": name, "max_players": max_players});
    if !code.is_empty() {
        data["room_code"] = code.into();
    }
    json!({"type": "JoinRoom", "data": data})
}

/// `JoinAsSpectator`.
#[must_use]
pub fn spectate(code: &str, name: &str) -> Value {
    json!({"type": "JoinAsSpectator", "data": {"game_name": "pong", "room_code": code, "spectator_name": name}})
}

/// `Reconnect`.
#[must_use]
pub fn reconnect(player_id: &str, room_id: &str, token: &str) -> Value {
    json!({"type": "Reconnect", "data": {"player_id": player_id, "room_id": room_id, "auth_token": token}})
}

/// `GameData`.
#[must_use]
pub fn say(value: Value) -> Value {
    json!({"type": "GameData", "data": {"data": value}})
}

/// A message without data.
#[must_use]
pub fn just(kind: &str) -> Value {
    json!({ "type": kind })
}

/// `AuthorityRequest`.
#[must_use]
pub fn authority(become_authority: bool) -> Value {
    json!({"type": "AuthorityRequest", "data": {"become_authority": become_authority}})
}

/// `Error`.
#[must_use]
pub fn error(message: &str, code: &str) -> Value {
    json!({"type": "Error", "data": {"message": message, "error_code": code}})
}

/// `RoomJoinFailed`.
#[must_use]
pub fn join_failed(reason: &str, code: &str) -> Value {
    json!({"type": "RoomJoinFailed", "data": {"reason": reason, "error_code": code}})
}

/// `LobbyStateChanged`.
#[must_use]
pub fn lobby(state: &str, ready: &[&String], all_ready: bool) -> Value {
    json!({"type": "LobbyStateChanged", "data": {"lobby_state": state, "ready_players": ready, "all_ready": all_ready}})
}

/// `AuthorityChanged`.
#[must_use]
pub fn authority_changed(player: Option<&str>, you: bool) -> Value {
    json!({"type": "AuthorityChanged", "data": {"authority_player": player, "you_are_authority": you}})
}

/// `PlayerLeft`.
#[must_use]
pub fn player_left(player: &str) -> Value {
    json!({"type": "PlayerLeft", "data": {"player_id": player}})
}
