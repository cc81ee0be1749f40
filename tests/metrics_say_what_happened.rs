//! What is shown of the server is exact, and showing it holds up nobody (protocol 1, D30).

mod harness;

use harness::server::{Server, binary, test_defaults};
use harness::{Client, Raw, wait_until};
use serde_json::{Value, json};
use signal_fish_server::metrics;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// The samples of Prometheus text, by name and labels.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').expect("name and value");
            (name.to_owned(), value.parse().expect("a number"))
        })
        .collect()
}

fn prometheus(server: &Server) -> BTreeMap<String, f64> {
    let answer = server.ask("GET /metrics/prom", "");
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    samples(&answer.body)
}

/// A session whose every step is known.
fn play(server: &Server) -> Vec<Client> {
    let (mut a, mut b, mut c) = (server.client(), server.client(), server.client());
    a.create("chess", "Ann", 3);
    let code = a.code.clone();
    b.enter("chess", &code, "Ben");
    a.expect("PlayerJoined");
    c.watch("chess", &code, "Cy");
    a.expect("NewSpectatorJoined");
    b.expect("NewSpectatorJoined");
    for number in 0..3 {
        a.send_data(json!(number));
        b.expect_data(&a.id, &json!(number));
        c.expect_data(&a.id, &json!(number));
    }
    b.send_data(json!("back"));
    a.expect_data(&b.id, &json!("back"));
    c.expect_data(&b.id, &json!("back"));
    // Refused: a taken name, no JSON.
    let mut d = server.client();
    d.send_join(json!({"game_name": "chess", "room_code": code, "player_name": "ann"}));
    d.expect_failure("RoomJoinFailed", "INVALID_PLAYER_NAME");
    d.send_text("no json");
    d.expect_error("INVALID_INPUT");
    d.send_close(1000);
    d.expect_close(1000);
    // Gone without a word.
    let ben = b.id.clone();
    b.hang_up();
    a.expect_left(&ben);
    c.expect_left(&ben);
    vec![a, c]
}

#[test]
fn a_session_makes_exact_numbers_in_both_forms() {
    let server = Server::start(json!({"shards": {"count": 2, "pin": false}}));
    let stay = play(&server);
    let expected = [
        ("connections_total", 4),
        ("connections_active", 2),
        ("connections_disconnections_total", 2),
        ("rooms_created_total", 1),
        ("rooms_joined_total", 1),
        ("rooms_active", 1),
        ("rooms_deleted_total", 0),
        ("games_active", 1),
        ("players_joined_total", 2),
        ("players_left_total", 1),
        ("players_active", 1),
        ("spectators_joined_total", 1),
        ("spectators_active", 1),
        ("game_data_messages_total", 4),
        ("game_data_deliveries_total", 8),
        ("joins_failed_total", 1),
        ("errors_validation_total", 1),
        ("reconnection_tokens_issued_total", 2),
        ("reconnection_sessions_active", 1),
        // Those of the players and the spectator, of the two ends, and this one.
        ("tickets_held", 3),
        ("control_up", 1),
    ];
    let mut found = json!(null);
    // The connections that ended may still be lingering.
    wait_until("only what stays is held", || {
        found = server.metrics();
        found["totals"]["tickets_held"] == 3
    });
    for (name, value) in expected {
        assert_eq!(found["totals"][name], value, "{name} in {found}");
    }
    for (key, value) in [("active_rooms", 1), ("active_players", 1), ("total_rooms_created", 1)] {
        assert_eq!(found[key], value, "{key}");
    }
    assert_eq!(
        (&found["closes"]["1000"], &found["closes"]["1006"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(
        (&found["latency"]["relay"]["count"], &found["latency"]["join"]["count"]),
        (&json!(4), &json!(2))
    );
    let shards = found["shards"].as_array().expect("a row per shard");
    assert_eq!(shards.len(), 2);
    let sum = |key: &str| {
        shards
            .iter()
            .map(|row| row[key].as_u64().expect("a number"))
            .sum::<u64>()
    };
    assert_eq!(
        (sum("sessions"), sum("rooms"), sum("messages_in_total"), sum("up")),
        (2, 1, 4, 2)
    );
    assert_eq!(found["total_messages_sent"], sum("messages_out_total"));
    // 3 snapshots, 1 join and 2 spectators told, 8 deliveries, 2 refusals, 2 told of the drop and 2 of what it changed.
    assert!(sum("messages_out_total") >= 18, "{found}");

    let samples = prometheus(&server);
    for (name, value) in expected {
        assert_eq!(samples[&format!("signal_fish_{name}")], f64::from(value), "{name}");
    }
    assert_eq!(samples[r#"signal_fish_closes_total{code="1006"}"#], 1.0);
    let of_shards = |name: &str, rest: &str| -> f64 {
        let labels = [0, 1].map(|shard| format!("signal_fish_shard_{name}{{shard=\"{shard}\"{rest}}}"));
        labels.iter().map(|label| samples[label]).sum()
    };
    assert_eq!(of_shards("relay_latency_seconds_count", ""), 4.0);
    assert_eq!(of_shards("relay_latency_seconds_bucket", ",le=\"+Inf\""), 4.0);
    assert_eq!(of_shards("join_latency_seconds_count", ""), 2.0);
    assert!(of_shards("join_latency_seconds_sum", "") > 0.0);
    assert!(samples["process_resident_memory_bytes"] > 1e6 && samples["process_open_fds"] > 10.0);
    drop(stay);
}

#[test]
fn every_metric_has_help_type_and_a_value() {
    let server = Server::start(json!({"shards": {"count": 1}}));
    let text = server.ask("GET /v1/metrics/prom", "").body;
    assert!(text.ends_with('\n'));
    let samples = samples(&text);
    for metric in metrics::METRICS {
        let name = metric.name;
        if name == "signal_fish_tls_certificate_expiry_seconds" {
            // Without TLS there is no certificate; `tests/tls_is_served` looks at one.
            assert!(!text.contains(name));
            continue;
        }
        assert!(text.contains(&format!("# HELP {name} {}\n", metric.help)), "{name}");
        assert!(
            text.contains(&format!("# TYPE {name} {}\n", metric.kind.name())),
            "{name}"
        );
        let suffix = if metric.kind == metrics::Kind::Histogram {
            "_count"
        } else {
            ""
        };
        let is_there = |sample: &String| {
            let rest = sample.strip_prefix(name).and_then(|rest| rest.strip_prefix(suffix));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('{'))
        };
        assert!(samples.keys().any(is_there), "{name} has no value");
    }
}

#[test]
fn the_manual_is_made_from_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    let made = metrics::markdown();
    if std::env::var_os("WRITE_MANUAL").is_some() {
        std::fs::write(&path, &made).expect("the manual is written");
    }
    let written = std::fs::read_to_string(&path).expect("docs/metrics.md");
    assert!(
        written == made,
        "run WRITE_MANUAL=1 cargo test --test metrics_say_what_happened"
    );
}

#[test]
fn refusals_are_counted_by_reason() {
    let server = Server::start(json!({
        "security": {"max_connections_per_ip": 3},
        "rate_limit": {"max_join_attempts": 1},
        "server": {"max_rooms_per_game": 1},
    }));
    let (mut a, mut b) = (server.client(), server.client());
    a.create("chess", "Ann", 2);
    b.send_join(json!({"game_name": "chess", "player_name": "Ben"}));
    b.expect_failure("RoomJoinFailed", "MAX_ROOMS_PER_GAME_EXCEEDED");
    for (code, refusal) in [
        ("NOROOM", "MAX_ROOMS_PER_GAME_EXCEEDED"),
        ("NOROOM", "RATE_LIMIT_EXCEEDED"),
    ] {
        b.send_join(json!({"game_name": "chess", "room_code": code, "player_name": "Ben"}));
        b.expect_failure("RoomJoinFailed", refusal);
    }
    let third = server.client();
    let mut fourth = server.client();
    fourth.expect_error("TOO_MANY_CONNECTIONS");
    fourth.expect_close(1008);
    drop(third);
    let mut refusals = json!(null);
    wait_until("there is a place for the request", || {
        let answer = server.ask("GET /metrics", "");
        if answer.status == 200 {
            let all: Value = serde_json::from_str(&answer.body).expect("JSON");
            refusals = all["refusals"].clone();
            assert_eq!(all["closes"]["1008"], 1);
        }
        answer.status == 200
    });
    let mut bad = server.raw();
    bad.send(b"GARBAGE\r\n\r\n");
    assert_eq!(bad.read_answer().status, 400);
    wait_until("what is no request is counted", || {
        let answer = server.ask("GET /metrics", "");
        answer.body.contains(r#""bad_http":1"#)
    });
    for (reason, times) in [("join_rate", 1), ("rooms_per_game", 2)] {
        assert_eq!(refusals[reason], times, "{reason} in {refusals}");
    }
    assert!(refusals["connections_per_address"].as_u64() >= Some(1), "{refusals}");
}

#[test]
fn an_event_tells_what_was_measured_since_the_one_before() {
    let server = Server::start(json!({"shards": {"count": 2, "pin": false}}));
    let mut viewer = server.raw();
    viewer.ask("GET /metrics/stream", "");
    viewer.read_until("\r\n\r\n");
    let first = event(&mut viewer);
    assert_eq!(
        (&first["recent"], &first["shards"][0]["recent"]),
        (&Value::Null, &Value::Null)
    );
    let clients = play(&server);
    let (mut relays, mut joins, mut of_shards) = (0, 0, 0);
    let count = |recent: &Value, what: &str| recent["latency"][what]["count"].as_u64().expect("a count");
    wait_until("an event without news follows those with all of it", || {
        let event = event(&mut viewer);
        let now = count(&event["recent"], "relay");
        relays += now;
        joins += count(&event["recent"], "join");
        let shards = event["shards"].as_array().expect("shards").iter();
        of_shards += shards.map(|shard| count(&shard["recent"], "relay")).sum::<u64>();
        assert!(
            event["recent"]["latency"]["relay"]["p99_ms"].is_null() == (now == 0),
            "{event}"
        );
        now == 0 && relays == event["latency"]["relay"]["count"].as_u64().expect("a count") && relays > 0
    });
    assert_eq!((relays, joins, of_shards), (4, 2, 4));
    drop(clients);
}

/// The next event of a stream.
fn event(viewer: &mut Raw) -> Value {
    let event = viewer.read_until("\n\n");
    serde_json::from_str(event.strip_prefix("data: ").expect("an event")).expect("JSON")
}

#[test]
fn a_stream_brings_an_event_a_second() {
    let server = Server::start(json!({"shards": {"count": 2, "pin": false}}));
    let mut viewers: Vec<Raw> = (0..4).map(|_| server.raw()).collect();
    for viewer in &mut viewers {
        viewer.ask("GET /metrics/stream", "");
        let head = viewer.read_until("\r\n\r\n");
        assert!(
            head.starts_with("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"),
            "{head}"
        );
    }
    for viewer in &mut viewers {
        wait_until("all four are seen", || event(viewer)["totals"]["streams_active"] == 4);
    }
    // HEAD opens none, and who goes is no viewer any more.
    let mut asker = server.raw();
    asker.send(b"HEAD /metrics/stream HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(asker.read_answer().status, 200);
    viewers.truncate(1);
    wait_until("one is left", || {
        event(&mut viewers[0])["totals"]["streams_active"] == 1
    });
    assert_eq!(server.metrics()["totals"]["streams_total"], 4);
    server.signal(rustix::process::Signal::TERM);
    wait_until("the drain ends the stream", || !viewers[0].read_anything());
    assert_eq!(server.wait_for_exit().code(), Some(0));
}

/// However many look, there is one piece a second, and the same for all.
#[test]
fn a_second_has_one_event_for_all_viewers() {
    let server = Server::start(json!({"shards": {"count": 1}}));
    let mut viewers = [server.raw(), server.raw(), server.raw()];
    for viewer in &mut viewers {
        viewer.ask("GET /metrics/stream", "");
        viewer.read_until("\r\n\r\n");
    }
    let uptime = |event: &Value| event["uptime_seconds"].as_u64().expect("seconds");
    let firsts: Vec<u64> = viewers.iter_mut().map(|viewer| uptime(&event(viewer))).collect();
    for _ in 0..5 {
        viewers.iter_mut().for_each(|viewer| _ = event(viewer));
    }
    let lasts: Vec<Value> = viewers.iter_mut().map(event).collect();
    for (first, last) in firsts.iter().zip(&lasts) {
        assert!(uptime(last) >= first + 5, "six events later than {first}: {last}");
    }
}

/// Whoever asks again and again waits for the next collection.
#[test]
fn collections_have_a_pause_between_them() {
    let server = Server::start(json!({"shards": {"count": 1}}));
    let mut asker = server.raw();
    let begin = Instant::now();
    for _ in 0..41 {
        asker.ask("GET /metrics/prom", "");
        assert_eq!(asker.read_answer().status, 200);
    }
    let took = begin.elapsed();
    assert!(took >= Duration::from_millis(40 * 50), "{took:?}");
}

/// Somebody opens a stream and does not read from it, with a socket that holds little. It is closed when more waits for it
/// than may wait, and who reads goes on.
#[test]
fn a_viewer_that_stops_reading_is_closed() {
    // The more shards, the longer an event.
    let server = Server::start(json!({"shards": {"count": 12, "pin": false}}));
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(4_096).expect("a small buffer");
    socket.connect(&server.addr.into()).expect("the server listens");
    let mut stuck = std::net::TcpStream::from(socket);
    stuck
        .write_all(b"GET /metrics/stream HTTP/1.1\r\nHost: a\r\n\r\n")
        .expect("it is taken");
    let mut viewer = server.raw();
    viewer.ask("GET /metrics/stream", "");
    viewer.read_until("\r\n\r\n");
    let mut bytes = 0;
    let last = (0..120).find_map(|_| {
        let text = viewer.read_until("\n\n");
        bytes += text.len();
        let event: Value = serde_json::from_str(text.strip_prefix("data: ").expect("an event")).expect("JSON");
        (event["totals"]["streams_unread_closes_total"] == 1).then_some(event)
    });
    let last = last.unwrap_or_else(|| panic!("it is kept, although {bytes} bytes were sent"));
    assert!(bytes > 256 * 1024, "{bytes} bytes are few to close a viewer for");
    assert_eq!(last["totals"]["streams_active"], 1);
    event(&mut viewer);
    drop(stuck);
}

#[test]
fn metrics_need_the_token_if_an_operator_says_so() {
    let server = Server::start(json!({"security": {
        "require_metrics_auth": true,
        "metrics_auth_token": "a token of 16 characters",
        "authorized_apps": [{"app_id": "my-app", "app_secret": "my-secret"}, {"app_id": "no-secret"}],
    }}));
    let status = |path: &str, authorization: &str| {
        let headers = match authorization {
            "" => String::new(),
            authorization => format!("Authorization: {authorization}\r\n"),
        };
        server.ask(&format!("GET {path}"), &headers).status
    };
    for path in ["/metrics", "/v2/metrics", "/metrics/prom", "/v1/metrics/stream"] {
        for refused in [
            "",
            "Bearer wrong",
            "Bearer my-app:",
            "Bearer no-secret:",
            "Bearer my-app:my-secre",
            "Basic bXktYXBwOm15LXNlY3JldA==",
        ] {
            assert_eq!(status(path, refused), 401, "{path} {refused}");
        }
    }
    for accepted in ["Bearer a token of 16 characters", "Bearer my-app:my-secret"] {
        assert_eq!(status("/metrics", accepted), 200, "{accepted}");
        assert_eq!(status("/v1/metrics/prom", accepted), 200, "{accepted}");
    }
    assert_eq!(status("/healthz", ""), 200);
    let shown = server
        .ask("GET /metrics", "Authorization: Bearer my-app:my-secret\r\n")
        .body;
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    assert_eq!(shown["desk_denied"]["metrics"], 24);
    let log = server.log();
    assert!(!log.contains("my-secret") && !log.contains("a token of"), "{log}");
}

/// A shard that stands still shows as stale. Nobody waits for it longer than a second, and it is not asked again and again.
#[test]
fn a_shard_that_stands_still_holds_nobody_up() {
    if std::env::var_os("SIGNAL_FISH_BINARY").is_some() || !cfg!(debug_assertions) {
        return;
    }
    let mut config = test_defaults();
    config["shards"] = json!({"count": 2, "pin": false});
    let dir = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(dir.path().join("config.json"), config.to_string()).expect("a file");
    let file = dir.path().join("stall");
    let mut command = binary(&dir);
    command
        .args(["--port", "0", "--bind", "127.0.0.1"])
        .env("TEST_STALL_WHILE", &file);
    let server = Server::spawn(command, dir).unwrap_or_else(|output| panic!("{output}"));
    // Somebody who asks is on the other shard, wherever the kernel puts them.
    let mut askers: Vec<Raw> = (0..16).map(|_| server.raw()).collect();
    for asker in &mut askers {
        asker.ask("GET /metrics", "");
        assert_eq!(asker.read_answer().status, 200);
    }
    std::fs::write(&file, "").expect("a file");
    std::thread::sleep(Duration::from_millis(100));
    for asker in &mut askers {
        asker.ask("GET /metrics/prom", "");
    }
    // Those of the other shard are answered; whoever waits for the others waits for ever.
    let mut answered = None;
    wait_until("somebody of the other shard is answered", || {
        let mut answers = askers.iter_mut().enumerate();
        answered = answers.find_map(|(at, asker)| Some((at, asker.read_answer_within(Duration::from_millis(5))?)));
        answered.is_some()
    });
    let (at, answer) = answered.expect("somebody is answered");
    let asker = &mut askers[at];
    let samples = samples(&answer.body);
    assert_eq!(samples[r#"signal_fish_shard_up{shard="0"}"#], 0.0);
    assert_eq!(samples[r#"signal_fish_shard_up{shard="1"}"#], 1.0);
    assert!(samples[r#"signal_fish_shard_figures_age_seconds{shard="0"}"#] > 0.0);
    assert!(
        samples[r#"signal_fish_shard_mailbox_depth{shard="0"}"#] < 20.0,
        "mail piles up"
    );
    asker.ask("GET /readyz", "");
    assert_eq!(asker.read_answer().status, 503);
    asker.ask("GET /healthz", "");
    assert_eq!(asker.read_answer().status, 503);
    std::fs::remove_file(&file).expect("the file is there");
    wait_until("the shard is back", || {
        server.ask("GET /readyz", "").status == 200 && prometheus(&server)[r#"signal_fish_shard_up{shard="0"}"#] == 1.0
    });
}
