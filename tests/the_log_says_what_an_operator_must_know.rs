//! The log: its forms, levels and files, the first lines, and a warning for each open door.

mod harness;

use harness::server::{Server, binary, test_defaults};
use harness::wait_until;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::path::Path;

/// What a server that was started like this had printed when it had ended.
fn log_of(config: &Value, env: &[(&str, &str)], look: impl FnOnce(&Path)) -> String {
    let dir = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(dir.path().join("config.json"), config.to_string()).expect("a file");
    let mut command = binary(&dir);
    command
        .args(["--port", "0", "--bind", "127.0.0.1"])
        .envs(env.iter().copied());
    let path = dir.path().to_owned();
    let server = Server::spawn(command, dir).unwrap_or_else(|output| panic!("{output}"));
    server
        .client()
        .join(json!({"game_name": "log", "player_name": "Alice-xyzzy"}));
    server.signal(Signal::TERM);
    assert_eq!(server.wait_for_exit().code(), Some(0));
    look(&path);
    server.log()
}

fn quiet(logging: &Value) -> Value {
    let mut config = test_defaults();
    config["logging"] = json!({"enable_file_logging": false});
    for (name, value) in logging.as_object().expect("an object") {
        config["logging"][name] = value.clone();
    }
    config
}

fn lines(log: &str) -> Vec<Value> {
    log.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

const DOORS: [&str; 3] = [
    "security.require_websocket_auth",
    "security.cors_origins",
    "security.require_metrics_auth",
];

#[test]
fn the_last_line_tells_what_was_counted() {
    let lines = lines(&log_of(&quiet(&json!({})), &[], |_| {}));
    let last = &lines.last().expect("a line")["fields"];
    assert_eq!(last["message"], "ended");
    assert_eq!((&last["connections"], &last["rooms"]), (&json!(1), &json!(1)), "{last}");
    // The head and the join came in; the upgrade, the answer to the join and the close went out.
    assert_eq!(last["messages_out"], 1, "{last}");
    for (calls, least) in [("receives", 2), ("sends", 2), ("bytes_out", 100)] {
        assert!(last[calls].as_u64().is_some_and(|count| count >= least), "{last}");
    }
}

/// What a server holds when the signal comes is told before it drains, and nothing is held at the end.
#[test]
fn what_is_held_is_told_before_and_after_the_drain() {
    let lines = lines(&log_of(&quiet(&json!({})), &[], |_| {}));
    let line = |text: &str| {
        let found = lines.iter().find(|line| line["fields"]["message"] == text);
        &found.unwrap_or_else(|| panic!("a line `{text}`"))["fields"]
    };
    assert!(line("so far")["connections_held"].is_u64(), "{lines:?}");
    for what in [
        "connections",
        "sessions",
        "rooms",
        "players",
        "spectators",
        "awaited",
        "openings",
        "tickets",
        "permits",
    ] {
        assert_eq!(line("ended")[format!("{what}_held")], 0, "{what}: {lines:?}");
    }
}

#[test]
fn the_first_lines_tell_version_address_shards_and_limits() {
    let log = log_of(&quiet(&json!({})), &[], |_| {});
    let lines = lines(&log);
    for line in &lines {
        assert!(
            line["timestamp"].as_str().is_some_and(|time| time.ends_with('Z')),
            "{line}"
        );
        assert!(
            line["level"].is_string() && line["target"].is_string() && line["fields"]["message"].is_string(),
            "{line}"
        );
    }
    assert_eq!(lines[0]["fields"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(lines[0]["fields"]["config"], "config.json");
    let address = lines[1]["fields"]["address"].as_str().expect("an address");
    assert_eq!(lines[1]["fields"]["message"], format!("listening on {address}"));
    assert!(
        lines[2]["fields"]["shards"].is_u64() && lines[2]["fields"]["connections_max"].is_u64(),
        "{log}"
    );
    assert!(!log.contains("xyzzy"), "what players send is not logged: {log}");
}

#[test]
fn every_open_door_is_warned_of_and_no_closed_one() {
    let open = log_of(&quiet(&json!({})), &[], |_| {});
    let warnings: Vec<_> = lines(&open)
        .into_iter()
        .filter(|line| line["level"] == "WARN")
        .collect();
    assert_eq!(warnings.len(), DOORS.len(), "{open}");
    for door in DOORS {
        assert!(
            warnings.iter().any(|line| line.to_string().contains(door)),
            "{door}: {open}"
        );
    }
    let mut config = quiet(&json!({}));
    config["security"] = json!({
        "cors_origins": "https://play.example",
        "require_metrics_auth": true, "metrics_auth_token": "hunter2-hunter2-hunter2", "max_connections_per_ip": 5
    });
    let closed = log_of(&config, &[], |_| {});
    let warnings: Vec<_> = lines(&closed)
        .into_iter()
        .filter(|line| line["level"] == "WARN")
        .collect();
    assert_eq!(warnings.len(), 1, "{closed}");
    assert!(!closed.contains("hunter2"), "{closed}");
}

#[test]
fn text_has_no_escape_sequences_when_it_is_no_terminal() {
    let log = log_of(&quiet(&json!({"format": "Text"})), &[], |_| {});
    assert!(
        log.contains(" INFO signal_fish_server: listening on 127.0.0.1:"),
        "{log}"
    );
    assert!(!log.contains('\u{1b}'), "{log}");
}

#[test]
fn the_level_comes_from_the_configuration_then_from_rust_log() {
    let mut without_effect = quiet(&json!({}));
    without_effect["auth"] = json!({"rate_limit_cache_alert_rows": 7});
    let info = log_of(&without_effect, &[], |_| {});
    assert!(!info.contains("DEBUG"), "{info}");
    let debug = log_of(&without_effect, &[("RUST_LOG", "debug")], |_| {});
    assert!(
        debug.contains("DEBUG") && debug.contains("auth.rate_limit_cache_alert_rows"),
        "{debug}"
    );
    let configured = log_of(&quiet(&json!({"level": "INFO"})), &[("RUST_LOG", "debug")], |_| {});
    assert!(!configured.contains("DEBUG"), "{configured}");
    let doubtful = log_of(&quiet(&json!({})), &[("RUST_LOG", "signal=loud=er")], |_| {});
    assert!(doubtful.contains("RUST_LOG is not understood"), "{doubtful}");
}

#[test]
fn files_hold_the_same_lines_and_are_named_by_their_rotation() {
    for (rotation, dashes) in [("daily", 2), ("hourly", 3), ("never", 0)] {
        let logging =
            json!({"enable_file_logging": true, "dir": "some/where", "filename": "fish.log", "rotation": rotation});
        let mut written = String::new();
        let printed = log_of(&quiet(&logging), &[], |dir| {
            let files: Vec<_> = std::fs::read_dir(dir.join("some/where"))
                .expect("a directory")
                .flatten()
                .collect();
            assert!((1..=2).contains(&files.len()), "{files:?}");
            for file in files {
                let name = file.file_name().into_string().expect("UTF-8");
                let date = name.strip_prefix("fish.log").expect("the configured name");
                assert_eq!(date.matches('-').count(), dashes, "{name}");
                assert_eq!(date.starts_with('.'), dashes > 0, "{name}");
                written.push_str(&std::fs::read_to_string(file.path()).expect("a file"));
            }
        });
        assert!(
            written.contains("listening on") && written.contains("ended"),
            "{written}"
        );
        assert_eq!(written.lines().count(), printed.lines().count());
    }
}

/// At debug every connection can be followed from accept to its end.
#[test]
fn the_life_of_a_connection_is_told_at_debug() {
    let app = json!({"app_id": "life-of-an-app", "app_secret": "hunter2-hunter2"});
    let server = Server::start(json!({
        "logging": {"level": "trace"},
        "security": {"require_websocket_auth": true, "authorized_apps": [app]},
    }));
    let mut alice = server.client();
    alice.send(json!({"type": "Authenticate", "data": {"app_id": "life-of-an-app"}}));
    let _ = (alice.next_message(), alice.next_message());
    alice.join(json!({"game_name": "life-of-a-game", "player_name": "Alice-in-Wonderland"}));
    alice.send_data(json!({"secret plans": "a payload nobody logs"}));
    alice.send(json!({"type": "JoinRoom", "data": {"game_name": "life-of-a-game", "player_name": "Another-Alice"}}));
    alice.expect("RoomJoinFailed");
    let (player, room) = (alice.id.clone(), alice.room.clone());
    alice.send_close(4321);
    let mut raw = server.raw();
    raw.send(b"nonsense\r\n\r\n");
    wait_until("both ends are told", || {
        let log = server.log();
        let refusals = log.matches("\"refused\"").count();
        log.contains("4321") && log.contains("dropped") && log.contains("\"ended\"") && refusals >= 2
    });
    let mut lines = lines(&server.log());
    for line in &lines {
        let target = line["target"].as_str().expect("a target");
        assert!(target.starts_with("signal_fish"), "no line of a library: {line}");
    }
    lines.retain(|line| line["target"] == "signal_fish::connection");
    let find = |message: &str| {
        let found = lines.iter().find(|line| line["fields"]["message"] == message);
        found.unwrap_or_else(|| panic!("`{message}` in {lines:#?}"))["fields"].clone()
    };
    for message in ["accepted", "opened", "joined", "closed"] {
        let line = find(message);
        assert_eq!(line["address"], "127.0.0.1", "{line}");
        assert!(line["shard"].is_u64() && line["slot"].is_string(), "{line}");
    }
    let closed = find("closed");
    assert_eq!(
        (&closed["code"], &closed["app"], &closed["room"], &closed["player"]),
        (&json!(4321), &json!("life-of-an-app"), &json!(room), &json!(player)),
        "{closed}"
    );
    let refused: Vec<_> = lines
        .iter()
        .filter(|line| line["fields"]["message"] == "refused")
        .collect();
    // The two clients may be on different shards, and then their lines come in any order.
    let of_alice = |line: &&&Value| line["fields"]["player"] == player.as_str();
    let Some(join) = refused.iter().find(of_alice) else {
        panic!("{refused:?}")
    };
    assert_eq!(join["fields"]["reason"], "ALREADY_IN_ROOM", "{refused:?}");
    // The same words, from clients that send what is no HTTP.
    let Some(nonsense) = refused.iter().find(|line| !of_alice(line)) else {
        panic!("{refused:?}")
    };
    assert!(nonsense["fields"]["reason"].is_string(), "{refused:?}");
    assert_eq!(find("room created")["room"], room.as_str());
    assert_eq!(find("dropped, may return")["player"], player.as_str());
}

/// What was refused is told once a minute, and at the end.
#[test]
fn what_was_refused_is_told_in_one_line() {
    let server = Server::start(json!({"logging": {"level": "info"}, "security": {"max_connections_per_ip": 1}}));
    let mut alice = server.client();
    alice.send(json!({"type": "JoinRoom", "data": {"game_name": "log", "player_name": "Alice", "max_players": 0}}));
    alice.expect("RoomJoinFailed");
    let _second = server.client();
    server.signal(Signal::TERM);
    assert_eq!(server.wait_for_exit().code(), Some(0));
    let lines = lines(&server.log());
    let told: Vec<_> = lines
        .iter()
        .filter(|line| line["fields"]["refused"].is_string())
        .collect();
    let [line] = &told[..] else { panic!("{lines:?}") };
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["fields"]["refused"], "connections_per_address=1 joins=1", "{line}");
    assert!(line["fields"]["closed"].is_null(), "{line}");
}

/// What a server of the documentation's example configuration does: the spelling `Json`, log files, keys without meaning.
#[test]
fn the_example_of_the_reference_server_runs_unchanged() {
    let example = json!({
        "port": 3536,
        "server": {
            "default_max_players": 8, "ping_timeout": 30, "room_cleanup_interval": 60, "max_rooms_per_game": 1000,
            "empty_room_timeout": 300, "inactive_room_timeout": 3600, "reconnection_window": 300,
            "event_buffer_size": 100, "enable_reconnection": true, "heartbeat_throttle_secs": 30, "region_id": "default"
        },
        "rate_limit": {"max_room_creations": 5, "time_window": 60, "max_join_attempts": 20},
        "protocol": {
            "max_game_name_length": 64, "room_code_length": 6, "max_player_name_length": 32, "max_players_limit": 100,
            "enable_message_pack_game_data": true
        },
        "logging": {
            "dir": "logs", "filename": "server.log", "rotation": "daily", "enable_file_logging": true, "format": "Json"
        },
        "security": {
            "cors_origins": "*", "require_websocket_auth": false, "require_metrics_auth": false,
            "max_message_size": 65536, "max_connections_per_ip": 10,
            "transport": {"tls": {"enabled": false}, "token_binding": {"enabled": false}},
            "authorized_apps": [{
                "app_id": "my-game", "app_secret": "hunter2", "app_name": "A Game", "max_rooms": 100,
                "max_players_per_room": 16, "rate_limit_per_minute": 60
            }]
        },
        "coordination": {
            "dedup_cache": {"capacity": 100000, "ttl_secs": 60, "cleanup_interval_secs": 30},
            "membership_snapshot_interval_secs": 30
        },
        "metrics": {
            "dashboard_cache_refresh_interval_secs": 5, "dashboard_cache_ttl_secs": 30,
            "dashboard_cache_history_window_secs": 300
        },
        "relay_types": {"default_relay_type": "matchbox", "game_relay_mappings": {}},
        "websocket": {"enable_batching": true, "batch_size": 10, "batch_interval_ms": 16, "auth_timeout_secs": 10}
    });
    let log = log_of(&example, &[], |dir| {
        let files: Vec<_> = std::fs::read_dir(dir.join("logs"))
            .expect("a directory")
            .flatten()
            .collect();
        assert!(
            files
                .iter()
                .all(|file| file.file_name().to_string_lossy().starts_with("server.log.2")),
            "{files:?}"
        );
    });
    assert!(!log.contains("hunter2"), "{log}");
}
