//! Scenarios of authentication and the SDK gate (protocol 2.3 to 2.5).

use super::harness::{Client, Server, in_time};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

fn config() -> Value {
    let app = |id: &str, more: Value| {
        let mut app = json!({"app_id": id, "app_secret": format!("{id}-secret"), "app_name": format!("Game of {id}")});
        crate::harness::server::merge(&mut app, more);
        app
    };
    json!({
        "security": {
            "require_websocket_auth": true,
            "authorized_apps": [
                app("plain", json!({})),
                app("other", json!({})),
                app("numbers", json!({"rate_limit_per_minute": 100})),
                // One address gets a quarter of it (D25).
                app("three", json!({"rate_limit_per_minute": 12})),
                app("one-room", json!({"max_rooms": 1})),
                app("pairs", json!({"max_players_per_room": 2})),
            ],
        },
        "websocket": {"auth_timeout_secs": 5},
    })
}

fn server() -> Arc<Server> {
    static PLACE: crate::harness::server::Shared = Mutex::new(Weak::new());
    Server::shared(&PLACE, config())
}

fn client_of(server: &Server, app: &str) -> Client {
    let mut client = server.client();
    client.authenticate(json!({"app_id": app}));
    client
}

#[test]
fn s020_known_app_is_welcomed_with_its_limits() {
    let server = server();
    for (app, per_minute) in [("numbers", 100), ("plain", 1000)] {
        let mut a = server.client();
        a.send(json!({"type": "Authenticate", "data": {"app_id": app}}));
        let limits = json!({"per_minute": per_minute, "per_hour": per_minute * 60, "per_day": per_minute * 1440});
        let expected = json!({"app_name": format!("Game of {app}"), "rate_limits": limits});
        assert_eq!(a.expect("Authenticated"), expected);
        let info = a.expect("ProtocolInfo");
        assert_eq!(info["game_data_formats"], json!(["json", "message_pack"]));
        let rules = json!({
            "max_length": 32, "min_length": 1, "allow_unicode_alphanumeric": true, "allow_spaces": true,
            "allow_leading_trailing_whitespace": false, "allowed_symbols": ["-", "_"],
        });
        assert_eq!(info["player_name_rules"], rules);
        assert!(info["capabilities"].is_array(), "{info}");
        a.join(json!({"game_name": "s020", "player_name": "Alice"}));
    }
}

#[test]
fn s021_unknown_app_is_refused_and_closed() {
    let server = server();
    let mut a = server.client();
    a.send(json!({"type": "Authenticate", "data": {"app_id": "nobody"}}));
    let expected = json!({"error": "InvalidAppId", "error_code": "INVALID_APP_ID"});
    assert_eq!(a.expect("AuthenticationError"), expected);
    a.expect_close(1008);
}

#[test]
fn s022_authenticate_without_app_id_is_invalid_and_open() {
    let server = server();
    let mut a = server.client();
    a.send(json!({"type": "Authenticate", "data": {}}));
    a.expect_error("INVALID_INPUT");
    a.authenticate(json!({"app_id": "plain"}));
    a.quiet();
}

/// D5: the code is `AUTHENTICATION_REQUIRED`.
#[test]
fn s023_other_message_first_is_refused_and_closed() {
    let server = server();
    for message in [
        json!({"type": "Ping"}),
        json!({"type": "JoinRoom", "data": {"game_name": "s023", "player_name": "Alice"}}),
    ] {
        let mut a = server.client();
        a.send(message);
        a.expect_error("AUTHENTICATION_REQUIRED");
        a.expect_close(1008);
    }
}

#[test]
fn s024_binary_first_is_refused_and_closed() {
    let server = server();
    let mut a = server.client();
    a.send_binary(&[0x01]);
    a.expect_error("AUTHENTICATION_REQUIRED");
    a.expect_close(1008);
}

#[test]
fn s025_junk_first_is_invalid_and_open() {
    let server = server();
    let mut a = server.client();
    a.send_text("junk");
    a.expect_error("INVALID_INPUT");
    a.send_text(&"x".repeat(70_000));
    a.expect_error("MESSAGE_TOO_LARGE");
    a.authenticate(json!({"app_id": "plain"}));
    a.quiet();
}

#[test]
fn s026_silence_instead_of_authenticate_ends_in_time() {
    let server = server();
    in_time(Duration::from_millis(5500), || {
        let mut a = server.client();
        let begin = Instant::now();
        // Traffic that is no authentication does not extend the deadline.
        a.send_text("junk");
        a.expect_error("INVALID_INPUT");
        let text = a.expect_error("AUTHENTICATION_TIMEOUT");
        assert_eq!(text, "Authentication timeout - must authenticate within 5 seconds");
        let took = begin.elapsed();
        assert!(took >= Duration::from_millis(4500), "{took:?}");
        a.expect_close(1008);
        took
    });
}

#[test]
fn s027_fourth_authentication_in_a_minute_is_refused() {
    let server = Server::start(config());
    for _ in 0..3 {
        client_of(&server, "three").quiet();
    }
    let mut a = server.client();
    a.send(json!({"type": "Authenticate", "data": {"app_id": "three"}}));
    let expected = json!({"error": "RateLimitExceeded", "error_code": "RATE_LIMIT_EXCEEDED"});
    assert_eq!(a.expect("AuthenticationError"), expected);
    a.expect_close(1008);
    client_of(&server, "plain").quiet();
}

#[test]
fn s028_old_sdk_is_refused_and_may_try_again() {
    let mut gated = config();
    gated["protocol"] = json!({"sdk_compatibility": {
        "enforce": true,
        "minimum_versions": {"unity": "1.10.0"},
        "recommended_versions": {"unity": "1.12.0"},
        "notes": {"unity": "Use the newest."},
    }});
    let server = Server::start(gated);
    let mut a = server.client();
    let mut refused = |platform: Value, version: Value| {
        a.send(json!({
            "type": "Authenticate", "data": {"app_id": "plain", "platform": platform, "sdk_version": version},
        }));
        let data = a.expect("AuthenticationError");
        assert_eq!(data["error_code"], "SDK_VERSION_UNSUPPORTED", "{data}");
        data["error"].as_str().expect("text").to_owned()
    };
    let low = "SDK version `1.9.0` for platform `unity` is below the minimum supported version `1.10.0`";
    assert_eq!(refused(json!("unity"), json!("1.9.0")), low);
    let none = "SDK platform is required for compatibility validation";
    assert_eq!(refused(json!(null), json!("1.9.0")), none);
    assert_eq!(
        refused(json!("rust"), json!("1.0.0")),
        "SDK platform `rust` is not recognized"
    );
    assert_eq!(
        refused(json!("unity"), json!(null)),
        "SDK version is required for platform `unity`"
    );
    let invalid = refused(json!("unity"), json!("banana"));
    assert!(
        invalid.starts_with("SDK version `banana` for platform `unity` is invalid"),
        "{invalid}"
    );
    let info = a.authenticate(json!({"app_id": "plain", "platform": "Unity", "sdk_version": "1.12.0"}));
    assert_eq!(info["platform"], "Unity", "{info}");
    assert_eq!(info["sdk_version"], "1.12.0", "{info}");
    assert_eq!(info["minimum_version"], "1.10.0", "{info}");
    assert_eq!(info["recommended_version"], "1.12.0", "{info}");
    assert_eq!(info["notes"], "Use the newest.", "{info}");
}

#[test]
fn s029_platform_may_be_absent() {
    let server = server();
    client_of(&server, "plain").quiet();
    server
        .client()
        .authenticate(json!({"app_id": "plain", "platform": "rust", "sdk_version": "0.0.1"}));
}

#[test]
fn s030_rkyv_falls_back_to_json_with_an_error_first() {
    let server = server();
    let mut a = server.client();
    a.send(json!({"type": "Authenticate", "data": {"app_id": "plain", "game_data_format": "rkyv"}}));
    let text = a.expect_error("UNSUPPORTED_GAME_DATA_FORMAT");
    assert!(text.contains("Falling back to JSON"), "{text}");
    a.expect("Authenticated");
    a.expect("ProtocolInfo");
    a.join(json!({"game_name": "s030", "player_name": "Alice"}));
    a.send_binary(&[0x01]);
    a.expect_error("INVALID_INPUT");
}

#[test]
fn s031_unknown_format_is_invalid() {
    let server = server();
    let mut a = server.client();
    a.send(json!({"type": "Authenticate", "data": {"app_id": "plain", "game_data_format": "bson"}}));
    a.expect_error("INVALID_INPUT");
    a.authenticate(json!({"app_id": "plain"}));
}

#[test]
fn s032_second_room_of_an_app_with_one_is_refused() {
    let server = Server::start(config());
    let mut a = client_of(&server, "one-room");
    a.join(json!({"game_name": "s032", "player_name": "Alice"}));
    for game in ["s032", "s032-more"] {
        let mut b = client_of(&server, "one-room");
        b.send_join(json!({"game_name": game, "player_name": "Bob"}));
        b.expect_failure("RoomJoinFailed", "MAX_ROOMS_PER_GAME_EXCEEDED");
        b.enter("s032", &a.code, "Bob");
        a.expect("PlayerJoined");
        b.leave();
        a.expect("PlayerLeft");
    }
    client_of(&server, "plain").join(json!({"game_name": "s032", "player_name": "Carol"}));
}

#[test]
fn s033_rooms_of_an_app_have_no_more_seats_than_it_allows() {
    let server = server();
    let mut a = client_of(&server, "pairs");
    a.send_join(json!({"game_name": "s033", "player_name": "Alice", "max_players": 9}));
    a.expect_failure("RoomJoinFailed", "INVALID_MAX_PLAYERS");
    let joined = a.join(json!({"game_name": "s033", "player_name": "Alice"}));
    assert_eq!(joined["max_players"], 2, "the default is lowered (D25)");
}

#[test]
fn s034_apps_do_not_meet() {
    let server = server();
    let mut a = client_of(&server, "plain");
    let first = a.join(json!({"game_name": "s034", "player_name": "Alice", "room_code": "MEET34"}));
    let mut b = client_of(&server, "other");
    let second = b.join(json!({"game_name": "s034", "player_name": "Bob", "room_code": "MEET34"}));
    assert_ne!(first["room_id"], second["room_id"]);
    assert_eq!(second["current_players"].as_array().map(Vec::len), Some(1));
    let mut s = client_of(&server, "other");
    let seen = s.watch("s034", "MEET34", "Sue");
    assert_eq!(seen["room_id"], second["room_id"]);
    a.quiet();
}

/// D11, D19: a token of another app is as unknown.
#[test]
fn players_of_another_app_cannot_be_impersonated() {
    let server = server();
    let mut a = client_of(&server, "plain");
    a.join(json!({"game_name": "foreign", "player_name": "Alice"}));
    let (id, room, token) = (a.id.clone(), a.room.clone(), a.token.clone());
    let mut b = client_of(&server, "other");
    b.send_reconnect(&id, &room, &token);
    b.expect_failure("ReconnectionFailed", "RECONNECTION_FAILED");
    a.quiet();
    client_of(&server, "plain").reconnect(&id, &room, &token);
}
