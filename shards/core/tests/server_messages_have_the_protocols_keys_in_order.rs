//! Protocol 4: every server message, key by key, and back again.

use serde_json::value::RawValue;
use signal_fish_core::protocol::signal_fish::wire::{
    ConnectionInfo, DEPTH_MAX, ErrorCode, GameDataFormat, LobbyState, PeerConnection, PlayerId, PlayerInfo,
    PlayerNameRules, ProtocolInfo, RateLimits, Reconnected, RoomId, RoomSnapshot, ServerMessage, SpectatorInfo,
    SpectatorReason, SpectatorSnapshot, Timestamp,
};
use std::borrow::Cow;
use std::time::Duration;

const A: &str = "0a0a0a0a-0a0a-4a0a-8a0a-0a0a0a0a0a0a";
const B: &str = "0b0b0b0b-0b0b-4b0b-8b0b-0b0b0b0b0b0b";
const R: &str = "01010101-0101-4101-8101-010101010101";
const AT: &str = "2023-11-14T22:13:20.123456789Z";

fn a() -> PlayerId {
    PlayerId::from_random([0x0a; 16])
}

fn b() -> PlayerId {
    PlayerId::from_random([0x0b; 16])
}

fn room() -> RoomId {
    RoomId::from_random([1; 16])
}

fn at() -> Timestamp {
    Timestamp::from_unix(Duration::new(1_700_000_000, 123_456_789))
}

fn written(message: &ServerMessage<'_>) -> String {
    let mut out = b"before".to_vec();
    message.write(&mut out);
    let text = String::from_utf8(out).expect("UTF-8");
    text.strip_prefix("before").expect("only appends").to_owned()
}

/// The message is written as `expected`. Reading that back and writing it again gives the same text.
fn assert_wire(message: &ServerMessage<'_>, expected: &str) {
    assert_eq!(written(message), expected);
    let read: ServerMessage<'_> = serde_json::from_str(expected).unwrap_or_else(|error| panic!("{error}: {expected}"));
    assert_eq!(written(&read), expected);
}

fn custom(text: &str) -> ConnectionInfo {
    ConnectionInfo::parse(text).expect("valid")
}

fn player<'a>(id: PlayerId, name: &'a str, info: Option<&str>) -> PlayerInfo<'a> {
    PlayerInfo {
        id,
        name: name.into(),
        is_authority: info.is_some(),
        is_ready: false,
        connected_at: at(),
        connection_info: info.map(|text| Cow::Owned(custom(text))),
    }
}

fn spectator(name: &str) -> SpectatorInfo<'_> {
    SpectatorInfo {
        id: b(),
        name: name.into(),
        connected_at: at(),
    }
}

const CUSTOM: &str = r#"{"type":"custom","data":{"z":1.10,"a":[1E5, "\u00e9"],"z":null}}"#;

fn player_text() -> String {
    format!(
        r#"{{"id":"{A}","name":"Ada","is_authority":true,"is_ready":false,"connected_at":"{AT}","connection_info":{CUSTOM}}}"#
    )
}

fn bare_player_text() -> String {
    format!(r#"{{"id":"{B}","name":"Bob","is_authority":false,"is_ready":false,"connected_at":"{AT}"}}"#)
}

fn spectator_text() -> String {
    format!(r#"{{"id":"{B}","name":"Sam","connected_at":"{AT}"}}"#)
}

fn snapshot(token: Option<&'static str>) -> RoomSnapshot<'static> {
    RoomSnapshot {
        room_id: room(),
        room_code: "ABC234".into(),
        player_id: a(),
        game_name: "chess".into(),
        max_players: 4,
        supports_authority: true,
        current_players: vec![player(a(), "Ada", Some(CUSTOM)), player(b(), "Bob", None)],
        is_authority: true,
        lobby_state: LobbyState::Waiting,
        ready_players: vec![a()],
        relay_type: "matchbox".into(),
        current_spectators: vec![spectator("Sam")],
        auth_token: token.map(Into::into),
    }
}

fn snapshot_text(token: &str) -> String {
    format!(
        r#""room_id":"{R}","room_code":"ABC234","player_id":"{A}","game_name":"chess","max_players":4,"supports_authority":true,"current_players":[{},{}],"is_authority":true,"lobby_state":"waiting","ready_players":["{A}"],"relay_type":"matchbox","current_spectators":[{}]{token}"#,
        player_text(),
        bare_player_text(),
        spectator_text()
    )
}

#[test]
fn authentication() {
    assert_wire(
        &ServerMessage::Authenticated {
            app_name: "default".into(),
            rate_limits: RateLimits {
                per_minute: 1000,
                per_hour: 10_000,
                per_day: 100_000,
            },
        },
        r#"{"type":"Authenticated","data":{"app_name":"default","rate_limits":{"per_minute":1000,"per_hour":10000,"per_day":100000}}}"#,
    );
    assert_wire(
        &ServerMessage::AuthenticationError {
            error: "InvalidAppId".into(),
            error_code: ErrorCode::InvalidAppId,
        },
        r#"{"type":"AuthenticationError","data":{"error":"InvalidAppId","error_code":"INVALID_APP_ID"}}"#,
    );
}

#[test]
fn protocol_info() {
    let mut info = ProtocolInfo {
        platform: None,
        sdk_version: None,
        minimum_version: None,
        recommended_version: None,
        capabilities: vec!["reconnection".into()],
        notes: None,
        game_data_formats: vec![GameDataFormat::Json, GameDataFormat::MessagePack],
        player_name_rules: PlayerNameRules {
            max_length: 32,
            min_length: 1,
            allow_unicode_alphanumeric: true,
            allow_spaces: true,
            allow_leading_trailing_whitespace: false,
            allowed_symbols: vec!['-', '_'],
            additional_allowed_characters: None,
        },
    };
    const RULES: &str = r#""max_length":32,"min_length":1,"allow_unicode_alphanumeric":true,"allow_spaces":true,"allow_leading_trailing_whitespace":false,"allowed_symbols":["-","_"]"#;
    assert_wire(
        &ServerMessage::ProtocolInfo(Box::new(info.clone())),
        &format!(
            r#"{{"type":"ProtocolInfo","data":{{"capabilities":["reconnection"],"game_data_formats":["json","message_pack"],"player_name_rules":{{{RULES}}}}}}}"#
        ),
    );
    info.platform = Some("Unity".into());
    info.sdk_version = Some("1.12.0".into());
    info.minimum_version = Some("1.10.0".into());
    info.recommended_version = Some("1.12.0".into());
    info.notes = Some("n".into());
    info.player_name_rules.additional_allowed_characters = Some("!".to_owned());
    assert_wire(
        &ServerMessage::ProtocolInfo(Box::new(info)),
        &format!(
            r#"{{"type":"ProtocolInfo","data":{{"platform":"Unity","sdk_version":"1.12.0","minimum_version":"1.10.0","recommended_version":"1.12.0","capabilities":["reconnection"],"notes":"n","game_data_formats":["json","message_pack"],"player_name_rules":{{{RULES},"additional_allowed_characters":"!"}}}}}}"#
        ),
    );
}

#[test]
fn joining_and_leaving() {
    assert_wire(
        &ServerMessage::RoomJoined(Box::new(snapshot(None))),
        &format!(r#"{{"type":"RoomJoined","data":{{{}}}}}"#, snapshot_text("")),
    );
    assert_wire(
        &ServerMessage::RoomJoined(Box::new(snapshot(Some("t")))),
        &format!(
            r#"{{"type":"RoomJoined","data":{{{}}}}}"#,
            snapshot_text(r#","auth_token":"t""#)
        ),
    );
    assert_wire(
        &ServerMessage::RoomJoinFailed {
            reason: "Room is full".into(),
            error_code: Some(ErrorCode::RoomFull),
        },
        r#"{"type":"RoomJoinFailed","data":{"reason":"Room is full","error_code":"ROOM_FULL"}}"#,
    );
    assert_wire(
        &ServerMessage::RoomJoinFailed {
            reason: "\"\n".into(),
            error_code: None,
        },
        r#"{"type":"RoomJoinFailed","data":{"reason":"\"\n"}}"#,
    );
    assert_wire(&ServerMessage::RoomLeft, r#"{"type":"RoomLeft"}"#);
    assert_wire(&ServerMessage::Pong, r#"{"type":"Pong"}"#);
    assert_wire(
        &ServerMessage::PlayerJoined {
            player: player(b(), "Bob", None),
        },
        &format!(
            r#"{{"type":"PlayerJoined","data":{{"player":{}}}}}"#,
            bare_player_text()
        ),
    );
    assert_wire(
        &ServerMessage::PlayerLeft { player_id: b() },
        &format!(r#"{{"type":"PlayerLeft","data":{{"player_id":"{B}"}}}}"#),
    );
}

#[test]
fn authority() {
    assert_wire(
        &ServerMessage::AuthorityChanged {
            authority_player: Some(a()),
            you_are_authority: true,
        },
        &format!(r#"{{"type":"AuthorityChanged","data":{{"authority_player":"{A}","you_are_authority":true}}}}"#),
    );
    assert_wire(
        &ServerMessage::AuthorityChanged {
            authority_player: None,
            you_are_authority: false,
        },
        r#"{"type":"AuthorityChanged","data":{"authority_player":null,"you_are_authority":false}}"#,
    );
    assert_wire(
        &ServerMessage::AuthorityResponse {
            granted: true,
            reason: None,
            error_code: None,
        },
        r#"{"type":"AuthorityResponse","data":{"granted":true,"reason":null}}"#,
    );
    assert_wire(
        &ServerMessage::AuthorityResponse {
            granted: false,
            reason: Some("Not in a room".into()),
            error_code: Some(ErrorCode::NotInRoom),
        },
        r#"{"type":"AuthorityResponse","data":{"granted":false,"reason":"Not in a room","error_code":"NOT_IN_ROOM"}}"#,
    );
}

#[test]
fn the_lobby_and_the_start() {
    for (lobby_state, spelling) in [
        (LobbyState::Waiting, "waiting"),
        (LobbyState::Lobby, "lobby"),
        (LobbyState::Finalized, "finalized"),
    ] {
        assert_wire(
            &ServerMessage::LobbyStateChanged {
                lobby_state,
                ready_players: vec![a(), b()],
                all_ready: true,
            },
            &format!(
                r#"{{"type":"LobbyStateChanged","data":{{"lobby_state":"{spelling}","ready_players":["{A}","{B}"],"all_ready":true}}}}"#
            ),
        );
    }
    let peer = |player_id, info: Option<&str>| PeerConnection {
        player_id,
        player_name: "Ada".into(),
        is_authority: false,
        relay_type: "matchbox".into(),
        connection_info: info.map(|text| Cow::Owned(custom(text))),
    };
    assert_wire(
        &ServerMessage::GameStarting {
            peer_connections: vec![peer(a(), Some(CUSTOM)), peer(b(), None)],
        },
        &format!(
            r#"{{"type":"GameStarting","data":{{"peer_connections":[{{"player_id":"{A}","player_name":"Ada","is_authority":false,"relay_type":"matchbox","connection_info":{CUSTOM}}},{{"player_id":"{B}","player_name":"Ada","is_authority":false,"relay_type":"matchbox"}}]}}}}"#
        ),
    );
}

#[test]
fn coming_back() {
    let events = [
        format!(r#"{{"type":"GameData","data":{{"from_player":"{B}","data":{{"b": 1.0,"a":1E+5}}}}}}"#),
        r#"{"type":"RoomLeft"}"#.to_owned(),
    ]
    .map(|event| RawValue::from_string(event).expect("JSON"));
    assert_wire(
        &ServerMessage::Reconnected(Box::new(Reconnected {
            room: snapshot(Some("t")),
            missed_events: events.iter().map(|event| &**event).collect(),
        })),
        &format!(
            r#"{{"type":"Reconnected","data":{{{},"missed_events":[{},{}]}}}}"#,
            snapshot_text(r#","auth_token":"t""#),
            events[0],
            events[1]
        ),
    );
    assert_wire(
        &ServerMessage::Reconnected(Box::new(Reconnected {
            room: snapshot(None),
            missed_events: Vec::new(),
        })),
        &format!(
            r#"{{"type":"Reconnected","data":{{{},"missed_events":[]}}}}"#,
            snapshot_text("")
        ),
    );
    assert_wire(
        &ServerMessage::ReconnectionFailed {
            reason: "Reconnection is not enabled".into(),
            error_code: ErrorCode::ReconnectionFailed,
        },
        r#"{"type":"ReconnectionFailed","data":{"reason":"Reconnection is not enabled","error_code":"RECONNECTION_FAILED"}}"#,
    );
    assert_wire(
        &ServerMessage::PlayerReconnected { player_id: a() },
        &format!(r#"{{"type":"PlayerReconnected","data":{{"player_id":"{A}"}}}}"#),
    );
}

#[test]
fn spectators() {
    let sam = spectator_text();
    assert_wire(
        &ServerMessage::SpectatorJoined(Box::new(SpectatorSnapshot {
            room_id: room(),
            room_code: "ABC234".into(),
            spectator_id: b(),
            game_name: "chess".into(),
            current_players: vec![player(a(), "Ada", Some(CUSTOM))],
            current_spectators: vec![spectator("Sam")],
            lobby_state: LobbyState::Lobby,
            reason: SpectatorReason::Joined,
        })),
        &format!(
            r#"{{"type":"SpectatorJoined","data":{{"room_id":"{R}","room_code":"ABC234","spectator_id":"{B}","game_name":"chess","current_players":[{}],"current_spectators":[{sam}],"lobby_state":"lobby","reason":"joined"}}}}"#,
            player_text()
        ),
    );
    assert_wire(
        &ServerMessage::SpectatorJoinFailed {
            reason: "Room not found".into(),
            error_code: Some(ErrorCode::RoomNotFound),
        },
        r#"{"type":"SpectatorJoinFailed","data":{"reason":"Room not found","error_code":"ROOM_NOT_FOUND"}}"#,
    );
    assert_wire(
        &ServerMessage::SpectatorLeft {
            room_id: Some(room()),
            room_code: Some("ABC234".into()),
            reason: Some(SpectatorReason::RoomClosed),
            current_spectators: vec![spectator("Sam")],
        },
        &format!(
            r#"{{"type":"SpectatorLeft","data":{{"room_id":"{R}","room_code":"ABC234","reason":"room_closed","current_spectators":[{sam}]}}}}"#
        ),
    );
    assert_wire(
        &ServerMessage::SpectatorLeft {
            room_id: None,
            room_code: None,
            reason: None,
            current_spectators: Vec::new(),
        },
        r#"{"type":"SpectatorLeft","data":{"current_spectators":[]}}"#,
    );
    assert_wire(
        &ServerMessage::NewSpectatorJoined {
            spectator: spectator("Sam"),
            current_spectators: vec![spectator("Sam")],
            reason: SpectatorReason::Joined,
        },
        &format!(
            r#"{{"type":"NewSpectatorJoined","data":{{"spectator":{sam},"current_spectators":[{sam}],"reason":"joined"}}}}"#
        ),
    );
    for (reason, spelling) in [
        (SpectatorReason::VoluntaryLeave, "voluntary_leave"),
        (SpectatorReason::Disconnected, "disconnected"),
        (SpectatorReason::Removed, "removed"),
    ] {
        assert_wire(
            &ServerMessage::SpectatorDisconnected {
                spectator_id: b(),
                reason,
                current_spectators: Vec::new(),
            },
            &format!(
                r#"{{"type":"SpectatorDisconnected","data":{{"spectator_id":"{B}","reason":"{spelling}","current_spectators":[]}}}}"#
            ),
        );
    }
}

#[test]
fn errors() {
    assert_wire(
        &ServerMessage::Error {
            message: "Invalid client message".into(),
            error_code: Some(ErrorCode::InvalidInput),
        },
        r#"{"type":"Error","data":{"message":"Invalid client message","error_code":"INVALID_INPUT"}}"#,
    );
}

/// serde_json, as many parsers of other players, refuses 128 levels.
#[test]
fn the_deepest_connection_info_stays_readable_inside_missed_events() {
    let depth = DEPTH_MAX - 1;
    let deepest = format!(
        r#"{{"type":"custom","data":{}{}}}"#,
        "[".repeat(depth),
        "]".repeat(depth)
    );
    let start = written(&ServerMessage::GameStarting {
        peer_connections: vec![PeerConnection {
            player_id: a(),
            player_name: "Ada".into(),
            is_authority: false,
            relay_type: "matchbox".into(),
            connection_info: Some(Cow::Owned(custom(&deepest))),
        }],
    });
    let event = RawValue::from_string(start).expect("JSON");
    let text = written(&ServerMessage::Reconnected(Box::new(Reconnected {
        room: snapshot(None),
        missed_events: vec![&event],
    })));
    serde_json::from_str::<serde_json::Value>(&text).expect("readable by an ordinary parser");
}
