//! `Authenticate` with authentication on and off, and the SDK gate (protocol 2.3 to 2.5, D3 to D5).

use serde_json::{Value, json};
use signal_fish_core::admission::{AppLimits, Limits};
use signal_fish_core::protocol::signal_fish::{App, SdkCompatibility, Settings};
use signal_fish_core::ws::Kind;
use signal_fish_simulator::world::{self, World, error, just, kind, open_limits};
use std::net::Ipv4Addr;
use std::time::Duration;

fn authenticate(data: Value) -> Value {
    json!({"type": "Authenticate", "data": data})
}

fn refused(text: &str, code: &str) -> Value {
    json!({"type": "AuthenticationError", "data": {"error": text, "error_code": code}})
}

fn guarded(enforce: bool) -> World {
    let version = |text: &str| semver::Version::parse(text).unwrap();
    let list = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect::<Vec<_>>();
    let settings = Settings {
        require_auth: true,
        auth_timeout: Duration::from_secs(5),
        apps: vec![App {
            authorized: true,
            app_id: "game".to_owned(),
            app_name: "My Game".to_owned(),
            max_players_per_room: None,
            rate_limit_per_minute: Some(12),
        }],
        sdk_compatibility: SdkCompatibility {
            enforce,
            minimum_versions: [("unity".to_owned(), version("1.10.0"))].into(),
            recommended_versions: [("unity".to_owned(), version("1.12.0"))].into(),
            capabilities: [
                ("_default".to_owned(), list(&["reconnection"])),
                ("unity".to_owned(), list(&["reconnection", "relay-mirror"])),
            ]
            .into(),
            notes: [("unity".to_owned(), "Update soon".to_owned())].into(),
        },
        ..Settings::default()
    };
    let apps = vec![AppLimits {
        rooms_max: None,
        authentications_per_minute_max: Some(12),
    }];
    World::new(1, 7, settings, Limits { apps, ..open_limits() })
}

#[test]
fn an_app_is_welcomed() {
    let mut world = guarded(false);
    let a = world.connect();
    world.send(a, authenticate(json!({"app_id": "game"})));
    let rules = json!({"max_length": 32, "min_length": 1, "allow_unicode_alphanumeric": true, "allow_spaces": true,
                       "allow_leading_trailing_whitespace": false, "allowed_symbols": ["-", "_"]});
    let limits = json!({"per_minute": 12, "per_hour": 720, "per_day": 17280});
    let welcome = json!([
        {"type": "Authenticated", "data": {"app_name": "My Game", "rate_limits": limits}},
        {"type": "ProtocolInfo", "data": {"capabilities": ["reconnection"],
            "game_data_formats": ["json", "message_pack"], "player_name_rules": rules}},
    ]);
    world.expect(a, welcome.clone());
    // Once more: the same pair, whatever is said, and nothing is counted.
    for _ in 0..5 {
        world.send(
            a,
            authenticate(json!({"app_id": "other", "platform": "unity", "game_data_format": "message_pack"})),
        );
        world.expect(a, welcome.clone());
    }
    world.send_binary(a, &[1]);
    world.expect(
        a,
        json!([error(
            "Binary payloads are disabled for this connection",
            "INVALID_INPUT"
        )]),
    );
}

#[test]
fn anything_else_before_ends_the_connection() {
    for message in [
        just("Ping"),
        just("LeaveRoom"),
        world::join("", "a", 2),
        world::say(json!(1)),
    ] {
        let mut world = guarded(false);
        let a = world.connect();
        world.send(a, message);
        world.expect(
            a,
            json!([error("Authentication required", "AUTHENTICATION_REQUIRED"), {"closed": "authentication required"}]),
        );
        world.assert_nothing_left();
    }
    let mut world = guarded(false);
    let a = world.connect();
    world.send_binary(a, &[1]);
    let text = "Authentication required before sending binary data";
    world.expect(
        a,
        json!([error(text, "AUTHENTICATION_REQUIRED"), {"closed": "authentication required"}]),
    );
}

#[test]
fn nonsense_before_is_answered_and_the_connection_lives() {
    let mut world = guarded(false);
    let a = world.connect();
    for text in ["not json", "", r#"{"type":"Authenticate","data":{}}"#] {
        world.send_text(a, text);
        world.expect(a, json!([error("Invalid client message", "INVALID_INPUT")]));
    }
    world.oversize(a, Kind::Text, 70_000);
    world.expect(
        a,
        json!([error(
            "Message too large (70000 bytes, max 65536 bytes)",
            "MESSAGE_TOO_LARGE"
        )]),
    );
    world.send(a, authenticate(json!({"app_id": "game", "platform": "p".repeat(129)})));
    world.expect(a, json!([error("Invalid client message", "INVALID_INPUT")]));
    world.send(a, authenticate(json!({"app_id": "game"})));
    assert_eq!(world.take_types(a), ["Authenticated", "ProtocolInfo"]);
}

#[test]
fn an_unknown_app_is_refused() {
    let mut world = guarded(false);
    let a = world.connect();
    world.send(a, authenticate(json!({"app_id": "Game"})));
    world.expect(
        a,
        json!([refused("InvalidAppId", "INVALID_APP_ID"), {"closed": "authentication failed"}]),
    );
    world.assert_nothing_left();
}

/// One address gets a quarter of what is left to the app (D25), which has twelve.
#[test]
fn an_app_authenticates_so_often_a_minute() {
    let mut world = guarded(false);
    for _ in 0..3 {
        let a = world.connect();
        world.send(a, authenticate(json!({"app_id": "game"})));
        assert_eq!(world.take_types(a), ["Authenticated", "ProtocolInfo"]);
    }
    let a = world.connect();
    world.send(a, authenticate(json!({"app_id": "game"})));
    world.expect(
        a,
        json!([refused("RateLimitExceeded", "RATE_LIMIT_EXCEEDED"), {"closed": "authentication failed"}]),
    );
    // Nobody else is locked out, until the twelve are used up.
    let mut welcome = 0;
    for host in 2..20 {
        let other = world.connect_from(Ipv4Addr::new(127, 0, 0, host).into(), None);
        world.send(other, authenticate(json!({"app_id": "game"})));
        welcome += usize::from(world.take_types(other) == ["Authenticated", "ProtocolInfo"]);
    }
    assert_eq!(welcome, 9);
}

#[test]
fn who_does_not_authenticate_in_time_is_closed() {
    let mut world = guarded(false);
    let [a, b] = [world.connect(), world.connect()];
    world.advance(Duration::from_millis(2_500));
    // Traffic does not extend the deadline.
    world.send_text(a, "nonsense");
    world.send(b, authenticate(json!({"app_id": "game"})));
    world.skip();
    world.advance(Duration::from_millis(2_250));
    world.expect(a, json!([]));
    world.advance(Duration::from_millis(500));
    let text = "Authentication timeout - must authenticate within 5 seconds";
    world.expect(
        a,
        json!([error(text, "AUTHENTICATION_TIMEOUT"), {"closed": "authentication timeout"}]),
    );
    world.expect(b, json!([]));
}

#[test]
fn the_gate_names_what_is_missing_and_lets_try_again() {
    let unsupported = |text: &str| json!([refused(text, "SDK_VERSION_UNSUPPORTED")]);
    let cases = [
        (json!({}), "SDK platform is required for compatibility validation"),
        (json!({"platform": "Rust"}), "SDK platform `Rust` is not recognized"),
        (
            json!({"platform": "Unity"}),
            "SDK version is required for platform `Unity`",
        ),
        (
            json!({"platform": "unity", "sdk_version": "1.9.0"}),
            "SDK version `1.9.0` for platform `unity` is below the minimum supported version `1.10.0`",
        ),
        (
            json!({"platform": "unity", "sdk_version": "1.10.0-beta"}),
            "SDK version `1.10.0-beta` for platform `unity` is below the minimum supported version `1.10.0`",
        ),
    ];
    for (told, text) in cases {
        let mut world = guarded(true);
        let a = world.connect();
        let mut data = told;
        data["app_id"] = "game".into();
        world.send(a, authenticate(data));
        world.expect(a, unsupported(text));
        world.send(
            a,
            authenticate(json!({"app_id": "game", "platform": "UNITY", "sdk_version": "1.12.0"})),
        );
        let got = world.take(a);
        assert_eq!(kind(&got[0]), "Authenticated");
        let info = &got[1]["data"];
        assert_eq!(info["platform"], "UNITY");
        assert_eq!(info["sdk_version"], "1.12.0");
        assert_eq!(info["minimum_version"], "1.10.0");
        assert_eq!(info["recommended_version"], "1.12.0");
        assert_eq!(info["notes"], "Update soon");
        assert_eq!(info["capabilities"], json!(["reconnection", "relay-mirror"]));
    }
    let mut world = guarded(true);
    let a = world.connect();
    world.send(
        a,
        authenticate(json!({"app_id": "game", "platform": "unity", "sdk_version": "banana"})),
    );
    let got = world.take_one(a);
    let text = got["data"]["error"].as_str().unwrap();
    assert!(
        text.starts_with("SDK version `banana` for platform `unity` is invalid: "),
        "{text}"
    );
}

#[test]
fn a_format_that_is_not_served_falls_back_to_json() {
    let mut world = guarded(false);
    let a = world.connect();
    world.send(a, authenticate(json!({"app_id": "game", "game_data_format": "rkyv"})));
    let got = world.take(a);
    let text =
        "Requested game data format Rkyv is not supported. Server supports: Json, MessagePack. Falling back to JSON.";
    assert_eq!(got[0], error(text, "UNSUPPORTED_GAME_DATA_FORMAT"));
    assert_eq!(
        (kind(&got[1]), kind(&got[2]), got.len()),
        ("Authenticated", "ProtocolInfo", 3)
    );
    let b = world.connect();
    world.send(b, authenticate(json!({"app_id": "game", "game_data_format": "bson"})));
    world.expect(b, json!([error("Invalid client message", "INVALID_INPUT")]));
}

#[test]
fn without_authentication_it_is_answered_all_the_same() {
    let mut world = World::simple();
    let a = world.connect();
    for format in ["message_pack", "json"] {
        world.send(
            a,
            authenticate(json!({"app_id": "whatever", "game_data_format": format})),
        );
        let got = world.take(a);
        let limits = json!({"per_minute": 1000, "per_hour": 10000, "per_day": 100000});
        let wanted = json!({"type": "Authenticated", "data": {"app_name": "default", "rate_limits": limits}});
        assert_eq!(got[0], wanted);
        assert_eq!((kind(&got[1]), got.len()), ("ProtocolInfo", 2));
    }
    // The first one counts.
    world.send_binary(a, &[1]);
    world.expect(a, json!([error("Not in a room", "NOT_IN_ROOM")]));
}
