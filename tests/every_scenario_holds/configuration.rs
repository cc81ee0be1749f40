//! Scenarios of configuration and the command line (protocol 10, 12).

use super::harness::client::room_of;
use super::harness::server::{binary, test_defaults};
use super::harness::{PATIENCE, Server, in_time};
use serde_json::{Value, json};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// How long each of `count` messages takes that are sent 5 ms apart, from the sender's write to the reader's hands.
fn delays(server: &Server, game: &str, count: u64) -> Vec<Duration> {
    let mut pair = room_of(server, game, 4, false, &["Alice", "Bob"]);
    let from = pair[0].id.clone();
    let begin = Instant::now();
    std::thread::scope(|scope| {
        let (sender, reader) = pair.split_at_mut(1);
        let reading = scope.spawn(|| {
            (0..count)
                .map(|number| {
                    reader[0].expect_data(&from, &json!(number));
                    begin.elapsed()
                })
                .collect::<Vec<_>>()
        });
        let mut sent = Vec::new();
        for number in 0..count {
            sent.push(begin.elapsed());
            sender[0].send_data(json!(number));
            std::thread::sleep(Duration::from_millis(5));
        }
        let arrived = reading.join().expect("the reader");
        arrived
            .iter()
            .zip(&sent)
            .map(|(arrived, sent)| arrived.saturating_sub(*sent))
            .collect()
    })
}

#[test]
fn s136_batching_delays_within_bounds_and_keeps_every_frame() {
    let batching = |on: bool| {
        let websocket = json!({"enable_batching": on, "batch_size": 5, "batch_interval_ms": 500});
        Server::start(json!({"websocket": websocket}))
    };
    in_time(Duration::from_millis(1000), || {
        delays(&batching(true), "s136", 60).into_iter().max().expect("some")
    });
    in_time(Duration::from_millis(250), || {
        let mut all = delays(&batching(false), "s136", 60);
        all.sort_unstable();
        all[30]
    });
}

/// Runs the binary with `args` and these variables in a directory with these files, until it ends.
fn run(args: &[&str], env: &[(&str, &str)], files: &[(&str, &str)]) -> Output {
    let dir = tempfile::tempdir().expect("a temporary directory");
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).expect("a file");
    }
    let mut command = binary(&dir);
    command.args(args).envs(env.iter().copied());
    let mut child = command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the binary can be started");
    let deadline = Instant::now() + PATIENCE;
    while child.try_wait().expect("waitable").is_none() {
        if Instant::now() > deadline {
            let _ = child.kill();
            panic!("{args:?} {env:?} {files:?} does not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().expect("output")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What `--print-config` says.
fn printed(args: &[&str], env: &[(&str, &str)], files: &[(&str, &str)]) -> Value {
    let args: Vec<&str> = args.iter().copied().chain(["--print-config"]).collect();
    let output = run(&args, env, files);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output.stdout)))
}

#[test]
fn s137_environment_beats_the_file_with_both_prefixes() {
    let file = [(
        "config.json",
        r#"{"server": {"default_max_players": 3}, "security": {"cors_origins": "*"}}"#,
    )];
    assert_eq!(printed(&[], &[], &file)["server"]["default_max_players"], 3);
    for name in [
        "SIGNAL_FISH_SERVER__DEFAULT_MAX_PLAYERS",
        "SIGNAL_FISH__SERVER__DEFAULT_MAX_PLAYERS",
    ] {
        assert_eq!(
            printed(&[], &[(name, "5")], &file)["server"]["default_max_players"],
            5,
            "{name}"
        );
    }
    // Commas and digits inside strings survive (D32).
    let config = printed(
        &[],
        &[
            (
                "SIGNAL_FISH_SECURITY__CORS_ORIGINS",
                "https://a.example,https://b.example",
            ),
            ("SIGNAL_FISH__SERVER__REGION_ID", "123"),
            ("SIGNAL_FISH_PORT", "4000"),
        ],
        &file,
    );
    assert_eq!(
        config["security"]["cors_origins"],
        "https://a.example,https://b.example"
    );
    assert_eq!(config["server"]["region_id"], "123");
    assert_eq!(config["port"], 4000);
    // The command line beats both.
    let config = printed(&["--port", "4001"], &[("SIGNAL_FISH_PORT", "4000")], &file);
    assert_eq!(config["port"], 4001);
    // Both spellings with different values: an error.
    let both = [
        ("SIGNAL_FISH_SERVER__DEFAULT_MAX_PLAYERS", "5"),
        ("SIGNAL_FISH__SERVER__DEFAULT_MAX_PLAYERS", "6"),
    ];
    assert_eq!(run(&["--validate-config"], &both, &file).status.code(), Some(1));
    // And the running server obeys.
    let dir = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(dir.path().join("config.json"), file[0].1).expect("a file");
    let mut command: Command = binary(&dir);
    command
        .args(["--port", "0", "--bind", "127.0.0.1"])
        .env("SIGNAL_FISH_SERVER__DEFAULT_MAX_PLAYERS", "7")
        .env("SIGNAL_FISH_LOGGING__ENABLE_FILE_LOGGING", "false");
    let server = Server::spawn(command, dir).unwrap_or_else(|output| panic!("{output}"));
    let joined = server
        .client()
        .join(json!({"game_name": "s137", "player_name": "Alice"}));
    assert_eq!(joined["max_players"], 7);
}

#[test]
fn s138_configuration_can_be_checked_and_printed() {
    let good = [("config.json", "{}")];
    let bad = [("config.json", r#"{"port": "high"}"#)];
    let output = run(&["--validate-config"], &[], &good);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(
        text(&output.stdout).contains("Configuration validation passed"),
        "{}",
        text(&output.stdout)
    );
    let output = run(&["--validate-config"], &[], &bad);
    assert_eq!(output.status.code(), Some(1));
    // D33: the fault names the file, the key and what was expected.
    let stderr = text(&output.stderr);
    assert!(stderr.contains("config.json") && stderr.contains("port"), "{stderr}");
    assert_eq!(run(&[], &[], &bad).status.code(), Some(1), "it does not start either");
    let named = [(
        "elsewhere.json",
        r#"{"security": {"metrics_auth_token": "very-secret-token"}}"#,
    )];
    let config = printed(&["--config", "elsewhere.json"], &[], &named);
    assert_eq!(
        config["security"]["metrics_auth_token"], "***",
        "secrets are never printed (D34)"
    );
    assert_eq!(
        run(&["--validate-config", "--print-config"], &[], &good).status.code(),
        Some(2)
    );
    assert_eq!(run(&["--no-such-flag"], &[], &good).status.code(), Some(2));
    assert_eq!(run(&["--help"], &[], &good).status.code(), Some(0));
    let version = run(&["--version"], &[], &good);
    assert_eq!(version.status.code(), Some(0));
    assert!(
        text(&version.stdout).starts_with("signal-fish-server "),
        "{}",
        text(&version.stdout)
    );
    let unknown = [("config.json", r#"{"server": {"ping_timout": 30}}"#)];
    let output = run(&["--validate-config"], &[], &unknown);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("ping_timeout"),
        "did you mean: {}",
        text(&output.stderr)
    );
}

/// Every documented key (protocol 12.2) with its documented value, `format` in the spelling that 0.2.0 rejected, and keys
/// of the reference server that have no meaning here (D33).
const DOCUMENTED: &str = r#"{
  "port": 3536,
  "server": {
    "default_max_players": 8, "ping_timeout": 30, "room_cleanup_interval": 60, "max_rooms_per_game": 1000,
    "empty_room_timeout": 300, "inactive_room_timeout": 3600, "reconnection_window": 300, "event_buffer_size": 100,
    "enable_reconnection": true, "heartbeat_throttle_secs": 30, "region_id": "default", "room_code_prefix": null
  },
  "rate_limit": {"max_room_creations": 5, "time_window": 60, "max_join_attempts": 20},
  "protocol": {
    "max_game_name_length": 64, "room_code_length": 6, "max_player_name_length": 32, "max_players_limit": 100,
    "enable_message_pack_game_data": true,
    "sdk_compatibility": {"enforce": false, "minimum_versions": {"unity": "1.10.0"}, "recommended_versions": {"unity": "1.12.0"}},
    "player_name_validation": {
      "allow_unicode_alphanumeric": true, "allow_spaces": true, "allow_leading_trailing_whitespace": false,
      "allowed_symbols": ["-", "_"], "additional_allowed_characters": null
    }
  },
  "logging": {
    "dir": "logs", "filename": "server.log", "rotation": "daily", "level": "info", "enable_file_logging": false,
    "format": "Json"
  },
  "security": {
    "cors_origins": "*", "require_websocket_auth": false, "require_metrics_auth": false, "max_message_size": 65536,
    "max_connections_per_ip": 10,
    "transport": {
      "tls": {"enabled": false, "certificate_path": null, "private_key_path": null, "client_ca_cert_path": null, "client_auth": "none"},
      "token_binding": {
        "enabled": false, "required": false, "require_client_fingerprint": false,
        "subprotocol": "signalfish.tokenbinding.v1", "scheme": "sec_websocket_key_sha256"
      }
    },
    "authorized_apps": [{"app_id": "my-game", "max_rooms": 100}]
  },
  "auth": {
    "rate_limit_cache_cleanup_interval_secs": 300, "rate_limit_cache_retention_secs": 172800,
    "rate_limit_cache_alert_rows": 100000
  },
  "coordination": {
    "dedup_cache": {"capacity": 100000, "ttl_secs": 60, "cleanup_interval_secs": 30},
    "membership_snapshot_interval_secs": 30
  },
  "metrics": {
    "dashboard_cache_refresh_interval_secs": 5, "dashboard_cache_ttl_secs": 30,
    "dashboard_cache_history_window_secs": 300, "dashboard_cache_history_fields": ["ActiveRooms", "RoomsByGame"]
  },
  "relay_types": {"default_relay_type": "matchbox", "game_relay_mappings": {"mapped": "WebRTC"}},
  "websocket": {"enable_batching": true, "batch_size": 10, "batch_interval_ms": 16, "auth_timeout_secs": 10}
}"#;

#[test]
fn s139_documented_configuration_starts() {
    let documented: Value = serde_json::from_str(DOCUMENTED).expect("JSON");
    let server = Server::start(documented);
    let joined = server
        .client()
        .join(json!({"game_name": "mapped", "player_name": "Alice"}));
    assert_eq!(joined["relay_type"], "WebRTC");
}

/// The port may be taken by somebody else for a while; the default itself is read from `--print-config`.
#[test]
fn s140_server_starts_without_any_configuration() {
    let config = printed(&[], &[], &[]);
    assert_eq!(config["port"], 3536);
    assert_eq!(config["security"]["require_websocket_auth"], false);
    assert_eq!(config["security"]["require_metrics_auth"], false);
    assert_eq!(config["security"]["cors_origins"], "*");
    let deadline = Instant::now() + PATIENCE;
    let server = loop {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut command = binary(&dir);
        command.args(["--bind", "127.0.0.1"]);
        match Server::spawn(command, dir) {
            Ok(server) => break server,
            Err(output) => {
                let taken = std::net::TcpListener::bind("127.0.0.1:3536").is_err();
                assert!(taken && Instant::now() < deadline, "{output}");
            }
        }
    };
    assert_eq!(server.addr.port(), 3536);
    server
        .client()
        .join(json!({"game_name": "s140", "player_name": "Alice"}));
}

/// D35. `it_stops_politely.rs` looks at it more closely.
#[test]
fn s141_sigterm_closes_everybody_with_1001() {
    let server = Server::start(json!({}));
    let mut pair = room_of(&server, "s141", 4, false, &["Alice", "Bob"]);
    server.signal(rustix::process::Signal::TERM);
    for member in &mut pair {
        member.expect_close(1001);
    }
    assert_eq!(server.wait_for_exit().code(), Some(0));
}

#[test]
fn s142_auth_timeout_has_a_range() {
    for (seconds, code) in [(4, 1), (61, 1), (5, 0), (60, 0)] {
        let mut config = test_defaults();
        config["websocket"] = json!({"auth_timeout_secs": seconds});
        let text = config.to_string();
        let output = run(&["--validate-config"], &[], &[("config.json", &text)]);
        assert_eq!(output.status.code(), Some(code), "{seconds}");
    }
}
