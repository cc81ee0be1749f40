//! Every sentence of the chapter "Room relay" of docs/protocol.md, against the real binary with one shard and with four.
//! `tests/relay.md` is the list.

mod harness;

use harness::server::binary;
use harness::{Client, Incoming, Raw, Server};
use serde_json::{Value, json};
use std::net::SocketAddr;

const SCHEMA_ERROR: &str = r#"{"type":"control","action":"schema-error"}"#;
const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// A server with the relay and without its rates, and where that is.
fn start(shards: usize, relay: Value, more: Value) -> (Server, SocketAddr) {
    let mut config = json!({
        "relay": {
            "enabled": true, "port": 0, "connections_per_10s": 0, "messages_per_10s": 0, "ip_messages_per_10s": 0,
            "room_messages_per_10s": 0
        },
        "shards": {"count": shards, "pin": false}
    });
    harness::server::merge(&mut config, json!({ "relay": relay }));
    harness::server::merge(&mut config, more);
    let server = Server::start(config);
    let address = server.address_of("relay");
    (server, address)
}

/// The same test with one shard and with four.
fn both(relay: Value, more: Value, test: impl Fn(&Server, SocketAddr)) {
    for shards in [1, 4] {
        let (server, address) = start(shards, relay.clone(), more.clone());
        test(&server, address);
    }
}

fn plain(test: impl Fn(&Server, SocketAddr)) {
    both(json!({}), json!({}), test);
}

#[track_caller]
fn enter(address: SocketAddr, room: &str) -> Client {
    Client::connect_with(address, &format!("/?roomId={room}"), &[]).unwrap_or_else(|status| panic!("{room}: {status}"))
}

/// Asks for an upgrade; the 101 answer, and the code and reason of the close frame behind it.
fn refused(address: SocketAddr, target: &str, headers: &str) -> (harness::raw::Answer, u16, String) {
    let mut raw = Raw::connect(address);
    raw.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n{UPGRADE}{headers}\r\n").as_bytes());
    let answer = raw.read_answer();
    assert_eq!(answer.status, 101, "{target}");
    let frame = raw.read_frame().expect("a close frame");
    assert_eq!(
        frame.opcode,
        8,
        "{target}: {:?}",
        String::from_utf8_lossy(&frame.payload)
    );
    let code = u16::from_be_bytes([frame.payload[0], frame.payload[1]]);
    let reason = String::from_utf8_lossy(&frame.payload[2..]).into_owned();
    (answer, code, reason)
}

#[track_caller]
fn expect_refusal(address: SocketAddr, target: &str, headers: &str, code: u16, reason: &str) {
    let (_, got, said) = refused(address, target, headers);
    assert_eq!((got, said.as_str()), (code, reason), "{target}");
}

#[track_caller]
fn expect_text(client: &mut Client, text: &str) {
    assert_eq!(client.next(), Incoming::Text(text.to_owned()));
}

/// A message of `from` reaches `to`, so nothing else has come before.
#[track_caller]
fn reaches(from: &mut Client, to: &mut Client) {
    let text = r#"{"type":"next"}"#;
    from.send_text(text);
    expect_text(to, text);
}

fn request(address: SocketAddr, method: &str, target: &str) -> (u16, String) {
    let mut raw = Raw::connect(address);
    raw.send(format!("{method} {target} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
    let answer = raw.read_answer();
    (answer.status, answer.body)
}

#[test]
fn the_table_is_complete() {
    harness::table::is_complete("relay.md", "relay_keeps_its_contract.rs");
}

#[test]
fn the_listener_is_there_when_it_is_enabled() {
    let off = Server::start(json!({}));
    off.client().quiet();
    assert!(!off.log().contains("relay listens"));
    plain(|server, address| {
        assert_ne!(server.addr, address);
        let mut player = server.client();
        player.create("pong", "Alice", 4);
        player.quiet();
        enter(address, "room");
    });
}

#[test]
fn plain_http_has_three_paths() {
    plain(|_, address| {
        assert_eq!(request(address, "GET", "/healthz"), (200, "ok".to_owned()));
        assert_eq!(request(address, "GET", "/readyz"), (200, "ready".to_owned()));
        assert_eq!(request(address, "GET", "/?roomId=room").0, 400);
        for path in ["/v2/ws", "/v2/health", "/room"] {
            assert_eq!(request(address, "GET", path).0, 404, "{path}");
        }
    });
}

#[test]
fn metrics_have_their_documented_names() {
    let (_server, address) = start(1, json!({"messages_per_10s": 5}), json!({}));
    let mut a = enter(address, "a");
    let _b = enter(address, "a");
    expect_refusal(address, "/", "", 1008, "Invalid roomId");
    for _ in 0..8 {
        a.send_text(r#"{"type":"x"}"#);
    }
    let has = |line: &str| {
        let (status, body) = request(address, "GET", "/metrics");
        assert_eq!(status, 200);
        body.lines().any(|other| other == line)
    };
    for line in [
        "signaling_active_connections 2",
        "signaling_local_rooms 1",
        "signaling_messages_forwarded_total 5",
        "signaling_rate_limit_drops_total{scope=\"client\"} 3",
        "signaling_refused_connections_total{reason=\"room_id\"} 1",
        "signaling_redis_up 0",
    ] {
        harness::wait_until(line, || has(line));
    }
    let (_, body) = request(address, "GET", "/metrics");
    let fanouts = body
        .lines()
        .find(|line| line.starts_with("signaling_fanout_duration_seconds_count{"));
    assert_eq!(
        fanouts,
        Some("signaling_fanout_duration_seconds_count{shard=\"0\"} 5"),
        "{body}"
    );
    let locked = json!({"security": {"require_metrics_auth": true, "metrics_auth_token": "a token of the metrics"}});
    let (_server, address) = start(1, json!({}), locked);
    assert_eq!(request(address, "GET", "/metrics").0, 401);
}

#[test]
fn the_query_names_the_room() {
    plain(|_, address| {
        let mut a = enter(address, "Room-1:x.y_Z");
        let path = "/?x=%20&roomId=%52oom-1%3Ax.y_Z&roomid=other";
        let mut b = Client::connect_with(address, path, &[]).expect("it enters");
        reaches(&mut a, &mut b);
        let mut other = enter(address, "room-1:x.y_Z");
        other.send_text(r#"{"type":"elsewhere"}"#);
        reaches(&mut b, &mut a);
    });
}

#[test]
fn a_wrong_room_id_is_refused() {
    plain(|_, address| {
        for target in [
            "/".to_owned(),
            "/?roomId=".to_owned(),
            "/?roomId=a&roomId=a".to_owned(),
            "/?roomId=a%20b".to_owned(),
            "/?roomId=%ff".to_owned(),
            format!("/?roomId={}", "a".repeat(129)),
        ] {
            expect_refusal(address, &target, "", 1008, "Invalid roomId");
        }
        enter(address, &"a".repeat(128));
    });
}

#[test]
fn require_wss_believes_trusted_proxies() {
    both(json!({"require_wss": true}), json!({}), |_, address| {
        expect_refusal(address, "/", "X-Forwarded-Proto: https\r\n", 1008, "WSS required");
    });
    let trusted = json!({"security": {"trusted_proxies": ["127.0.0.1"]}});
    both(json!({"require_wss": true}), trusted, |_, address| {
        expect_refusal(address, "/?roomId=a", "", 1008, "WSS required");
        expect_refusal(
            address,
            "/?roomId=a",
            "X-Forwarded-Proto: https, http\r\n",
            1008,
            "WSS required",
        );
        let entered = Client::connect_with(address, "/?roomId=a", &[("x-forwarded-proto", "https")]);
        let mut b = Client::connect_with(address, "/?roomId=a", &[("x-forwarded-proto", "wss")]).expect("it enters");
        reaches(&mut entered.expect("it enters"), &mut b);
    });
}

#[test]
fn origins_are_closed_not_answered() {
    let more = json!({"security": {"cors_origins": "https://main.example"}});
    both(
        json!({"allowed_origins": ["https://play.example"]}),
        more,
        |_, address| {
            expect_refusal(
                address,
                "/?roomId=a",
                "Origin: https://main.example\r\n",
                1008,
                "Origin not allowed",
            );
            let mut a =
                Client::connect_with(address, "/?roomId=a", &[("origin", "https://play.example")]).expect("listed");
            let mut b = enter(address, "a");
            reaches(&mut a, &mut b);
        },
    );
    plain(|_, address| {
        let any = Client::connect_with(address, "/?roomId=a", &[("origin", "https://any.example")]);
        reaches(&mut any.expect("all are welcome"), &mut enter(address, "a"));
    });
}

#[test]
fn the_subprotocol_is_demanded_and_echoed() {
    both(json!({"subprotocol": "game.v1"}), json!({}), |_, address| {
        expect_refusal(address, "/?roomId=a", "", 1008, "Subprotocol required");
        let offers = "Sec-WebSocket-Protocol: other\r\n";
        expect_refusal(address, "/?roomId=a", offers, 1008, "Subprotocol required");
        let offers = "Sec-WebSocket-Protocol: other, game.v1\r\n";
        let (answer, ..) = refused(address, "/?roomId=", offers);
        assert_eq!(
            answer.header("sec-websocket-protocol"),
            Some("game.v1"),
            "a refusal echoes it, too"
        );
        let mut raw = Raw::connect(address);
        raw.send(format!("GET /?roomId=a HTTP/1.1\r\nHost: a\r\n{UPGRADE}{offers}\r\n").as_bytes());
        let answer = raw.read_answer();
        assert_eq!(answer.header("sec-websocket-protocol"), Some("game.v1"));
    });
    plain(|_, address| {
        let (answer, ..) = refused(address, "/", "Sec-WebSocket-Protocol: game.v1\r\n");
        assert_eq!(answer.header("sec-websocket-protocol"), None);
    });
}

#[test]
fn a_client_without_a_token_is_refused() {
    let auth = json!({"auth": {"enabled": true, "secret": "a secret of thirty-two bytes or more"}});
    both(auth, json!({}), |_, address| {
        expect_refusal(address, "/?roomId=", "", 1008, "Invalid roomId");
        expect_refusal(address, "/?roomId=a", "", 1008, "Unauthorized");
        expect_refusal(address, "/?roomId=a&token=a.b.c", "", 1008, "Unauthorized");
    });
}

#[test]
fn connections_are_limited_in_time() {
    both(json!({"connections_per_10s": 3}), json!({}), |_, address| {
        for _ in 0..5 {
            expect_refusal(address, "/", "", 1008, "Invalid roomId");
        }
        let _inside: Vec<Client> = (0..3).map(|_| enter(address, "a")).collect();
        expect_refusal(address, "/?roomId=a", "", 1013, "Rate limited");
    });
}

#[test]
fn connections_are_limited_in_number() {
    both(
        json!({}),
        json!({"security": {"max_connections_per_ip": 2}}),
        |_, address| {
            let mut a = enter(address, "a");
            let mut b = enter(address, "a");
            expect_refusal(address, "/?roomId=", "", 1008, "Invalid roomId");
            expect_refusal(address, "/?roomId=a", "", 1008, "Too many connections");
            reaches(&mut a, &mut b);
        },
    );
}

#[test]
fn a_full_room_is_refused() {
    both(json!({"room_capacity": 2}), json!({}), |_, address| {
        let mut a = enter(address, "a");
        let mut b = enter(address, "a");
        expect_refusal(address, "/?roomId=a", "", 1000, "Room is full");
        let _other = enter(address, "b");
        reaches(&mut a, &mut b);
    });
}

#[test]
fn entering_is_silent() {
    plain(|_, address| {
        let mut a = enter(address, "a");
        let mut b = enter(address, "a");
        let _c = enter(address, "a");
        a.expect_silence();
        b.expect_silence();
    });
}

#[test]
fn messages_are_forwarded_untouched() {
    plain(|_, address| {
        let mut a = enter(address, "a");
        let mut b = enter(address, "a");
        let mut c = enter(address, "a");
        let texts: Vec<String> = (0..100)
            .map(|number| format!(" {{\"z\":1.0,\"type\":\"x\", \"n\" :{number},\"s\":\"\\u00e9é\"}}\n"))
            .collect();
        for text in &texts {
            a.send_text(text);
        }
        for other in [&mut b, &mut c] {
            for text in &texts {
                expect_text(other, text);
            }
        }
        b.send_text(r#"{"type":"end"}"#);
        expect_text(&mut a, r#"{"type":"end"}"#);
    });
}

#[test]
fn binary_text_is_text() {
    plain(|_, address| {
        let mut a = enter(address, "a");
        let mut b = enter(address, "a");
        a.send_binary(r#"{"type":"é"}"#.as_bytes());
        expect_text(&mut b, r#"{"type":"é"}"#);
        a.send_binary(b"\xff\xfe");
        expect_text(&mut a, SCHEMA_ERROR);
    });
}

#[test]
fn invalid_messages_are_answered() {
    both(
        json!({}),
        json!({"security": {"max_invalid_messages": 8}}),
        |_, address| {
            let mut a = enter(address, "a");
            let mut b = enter(address, "a");
            let deep = |depth: usize| format!(r#"{{"type":"x","a":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
            for text in [
                "{}",
                "[]",
                r#"{"type":1}"#,
                r#"{"type":"control"}"#,
                r#"{"type":"peer-disconnected","clientId":"client:x"}"#,
                r#"{"type":"a","\u0074ype":"b"}"#,
                r#"{"type":"x","a":"\ud800"}"#,
                &deep(120),
            ] {
                a.send_text(text);
                expect_text(&mut a, SCHEMA_ERROR);
            }
            a.send_text(&deep(119));
            expect_text(&mut b, &deep(119));
            for _ in 0..9 {
                a.send_text("{}");
                expect_text(&mut a, SCHEMA_ERROR);
            }
            a.expect_close(1008);
        },
    );
}

#[test]
fn an_oversize_message_is_dropped() {
    both(json!({"message_max_bytes": 1000}), json!({}), |_, address| {
        let mut a = enter(address, "a");
        let mut b = enter(address, "a");
        a.send_text(&format!(r#"{{"type":"x","a":"{}"}}"#, "x".repeat(2000)));
        reaches(&mut a, &mut b);
        reaches(&mut b, &mut a);
    });
}

#[test]
fn rates_drop_silently() {
    for key in ["messages_per_10s", "ip_messages_per_10s", "room_messages_per_10s"] {
        let (_server, address) = start(4, json!({ key: 10 }), json!({}));
        let mut a = enter(address, "a");
        let mut b = enter(address, "a");
        for number in 0..100 {
            a.send_text(&format!(r#"{{"type":"x","n":{number}}}"#));
        }
        for number in 0..10 {
            expect_text(&mut b, &format!(r#"{{"type":"x","n":{number}}}"#));
        }
        // The bucket fills again while this runs, so that some more may come; most do not.
        let mut more = 0;
        while b.next_within(std::time::Duration::from_millis(300)).is_some() {
            more += 1;
        }
        assert!(more < 50, "{key}: {more}");
        assert!(a.next_within(std::time::Duration::from_millis(1)).is_none());
    }
    plain(|_, address| {
        let mut a = enter(address, "a");
        let mut b = enter(address, "a");
        for number in 0..1000 {
            a.send_text(&format!(r#"{{"type":"x","n":{number}}}"#));
        }
        for number in 0..1000 {
            expect_text(&mut b, &format!(r#"{{"type":"x","n":{number}}}"#));
        }
    });
}

#[test]
fn alone_messages_go_nowhere() {
    plain(|_, address| {
        let mut a = enter(address, "a");
        a.send_text(r#"{"type":"alone"}"#);
        a.expect_silence();
        let mut b = enter(address, "a");
        reaches(&mut a, &mut b);
    });
}

#[test]
fn leaving_is_told_once() {
    both(json!({"room_capacity": 3}), json!({}), |_, address| {
        let mut a = enter(address, "a");
        let mut b = enter(address, "a");
        let c = enter(address, "a");
        expect_refusal(address, "/?roomId=a", "", 1000, "Room is full");
        c.reset();
        let heard: Vec<Value> = [&mut a, &mut b].map(Client::next_message).into();
        assert_eq!(heard[0], heard[1]);
        assert_eq!(heard[0]["type"], "peer-disconnected");
        let id = heard[0]["clientId"].as_str().expect("an id").to_owned();
        let uuid = id.strip_prefix("client:").and_then(|id| uuid::Uuid::parse_str(id).ok());
        assert_eq!(uuid.map(|id| id.get_version_num()), Some(4), "{id}");
        reaches(&mut a, &mut b);
        reaches(&mut b, &mut a);
    });
}

#[test]
fn heartbeats_are_sent() {
    let (_server, address) = start(1, json!({"heartbeat_interval_ms": 1000}), json!({}));
    let mut raw = Raw::connect(address);
    raw.send(format!("GET /?roomId=a HTTP/1.1\r\nHost: a\r\n{UPGRADE}\r\n").as_bytes());
    raw.read_upgrade();
    assert_eq!(raw.read_frame().map(|frame| frame.opcode), Some(9));
    // Nobody answers it.
    let close = loop {
        let frame = raw.read_frame().expect("a close");
        if frame.opcode != 9 {
            break frame;
        }
    };
    let mut body = 1008_u16.to_be_bytes().to_vec();
    body.extend_from_slice(b"Heartbeat timeout");
    assert_eq!((close.opcode, close.payload), (8, body));
}

#[test]
fn a_drain_closes_with_1001() {
    plain(|server, address| {
        let mut raw = Raw::connect(address);
        raw.send(format!("GET /?roomId=a HTTP/1.1\r\nHost: a\r\n{UPGRADE}\r\n").as_bytes());
        raw.read_upgrade();
        server.signal(rustix::process::Signal::TERM);
        let frame = raw.read_frame().expect("a close");
        let mut body = 1001_u16.to_be_bytes().to_vec();
        body.extend_from_slice(b"Going away");
        assert_eq!((frame.opcode, frame.payload), (8, body));
        drop(raw);
        assert!(server.wait_for_exit().success());
    });
}

#[test]
fn the_log_names_the_address_of_a_client() {
    plain(|server, address| {
        let a = enter(address, "a");
        drop(a);
        harness::wait_until("the end is logged with the address", || {
            let log = server.log();
            let mut closed = log.lines().filter(|line| line.contains("\"closed\""));
            closed.any(|line| line.contains("127.0.0.1"))
        });
    });
}

#[test]
fn the_log_says_why_a_client_did_not_get_in() {
    let (server, address) = start(1, json!({}), json!({}));
    expect_refusal(address, "/?token=xyzzy", "", 1008, "Invalid roomId");
    harness::wait_until("the refusal is logged with the address", || {
        let log = server.log();
        let mut closed = log.lines().filter(|line| line.contains("\"closed\""));
        closed.any(|line| line.contains("127.0.0.1") && line.contains("Invalid roomId"))
    });
    assert!(!server.log().contains("xyzzy"));
}

#[test]
fn a_faulty_url_of_redis_stops_the_start() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut command = binary(&dir);
    command
        .arg("--validate-config")
        .env("SIGNAL_FISH_RELAY__REDIS_URL", "rediss://:xyzzy@127.0.0.1");
    let output = command.output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success() && said.contains("relay."), "{said}");
    assert!(!said.contains("xyzzy"), "{said}");
}
