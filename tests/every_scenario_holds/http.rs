//! Scenarios of HTTP (protocol 1).

use super::harness::{Client, Server};
use super::server;
use crate::harness::raw::{self, Answer};
use crate::harness::wait_until;
use serde_json::{Value, json};
use std::net::IpAddr;

fn request(server: &Server, text: &str) -> Answer {
    let mut raw = server.raw();
    raw.send(text.as_bytes());
    raw.read_answer()
}

fn with_headers(server: &Server, line: &str, headers: &str) -> Answer {
    request(server, &format!("{line} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"))
}

#[test]
fn s001_health_is_ok() {
    let answer = with_headers(&server(), "GET /v2/health", "");
    assert_eq!((answer.status, answer.body.as_str()), (200, "OK"));
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(answer.header("content-length"), Some("2"));
}

#[test]
fn s002_head_of_health_has_no_body() {
    let answer = with_headers(&server(), "HEAD /v2/health", "");
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
}

#[test]
fn s003_post_to_health_is_not_allowed() {
    let answer = with_headers(&server(), "POST /v2/health", "Content-Length: 0\r\n");
    assert_eq!(answer.status, 405);
    let mut allowed: Vec<&str> = answer
        .header("allow")
        .unwrap_or_default()
        .split(',')
        .map(str::trim)
        .collect();
    allowed.sort_unstable();
    assert_eq!(allowed, ["GET", "HEAD"]);
}

#[test]
fn s004_plain_get_of_the_socket_path_names_the_upgrade() {
    let answer = with_headers(&server(), "GET /v2/ws", "");
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("upgrade"), "{}", answer.body);
}

const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\n";

#[test]
fn s005_upgrade_with_another_version_is_refused() {
    let key = "Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let answer = with_headers(&server(), "GET /v2/ws", &format!("{UPGRADE}{key}"));
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("Sec-WebSocket-Version"), "{}", answer.body);
}

#[test]
fn s006_upgrade_without_a_key_is_refused() {
    let answer = with_headers(
        &server(),
        "GET /v2/ws",
        &format!("{UPGRADE}Sec-WebSocket-Version: 13\r\n"),
    );
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("Sec-WebSocket-Key"), "{}", answer.body);
}

/// The flat keys of the documentation, with its spelling (D30).
#[test]
fn s007_metrics_have_the_documented_keys_and_rise() {
    let server = Server::start(json!({"shards": {"count": 2}}));
    let read = |path: &str| -> Value {
        let answer = with_headers(&server, &format!("GET {path}"), "");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        serde_json::from_str(&answer.body).expect("JSON")
    };
    let keys = |of: &Value| of.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    let before = read("/metrics");
    for path in ["/v1/metrics", "/v2/metrics"] {
        assert_eq!(keys(&read(path)), keys(&before), "{path}");
    }
    let mut client = server.client();
    client.create("chess", "Ann", 2);
    let after = read("/metrics");
    for (key, rise) in [
        ("active_rooms", 1),
        ("active_players", 1),
        ("total_rooms_created", 1),
        ("total_messages_sent", 1),
        ("uptime_seconds", 0),
    ] {
        let of = |value: &Value| value[key].as_u64().unwrap_or_else(|| panic!("{key} in {value}"));
        assert!(of(&after) >= of(&before) + rise, "{key}");
    }
}

#[test]
fn s008_prometheus_text_follows_connections() {
    let server = Server::start(json!({"shards": {"count": 2}}));
    let active = |path: &str| -> u64 {
        let answer = with_headers(&server, &format!("GET {path}"), "");
        assert_eq!(
            answer.header("content-type"),
            Some("text/plain; version=0.0.4; charset=utf-8")
        );
        let mut described = std::collections::BTreeSet::new();
        for line in answer.body.lines() {
            if let Some(comment) = line.strip_prefix("# ") {
                let mut words = comment.split(' ');
                let (kind, name) = (words.next().expect("a word"), words.next().expect("a name"));
                described.insert((kind.to_owned(), name.to_owned()));
                continue;
            }
            let name = line.split(['{', ' ']).next().expect("a name");
            let family = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|end| name.strip_suffix(end))
                .unwrap_or(name);
            for kind in ["HELP", "TYPE"] {
                assert!(described.contains(&(kind.to_owned(), family.to_owned())), "{line}");
            }
        }
        let line = answer
            .body
            .lines()
            .find_map(|line| line.strip_prefix("signal_fish_connections_active "));
        line.and_then(|value| value.parse().ok()).expect("a number")
    };
    let before = active("/metrics/prom");
    let clients = [server.client(), server.client()];
    assert_eq!(active("/v1/metrics/prom"), before + 2);
    drop(clients);
    wait_until("the connections are gone", || active("/v2/metrics/prom") == before);
}

#[test]
fn s009_metrics_auth_takes_either_token() {
    let server = Server::start(json!({"security": {
        "require_metrics_auth": true,
        "metrics_auth_token": "0123456789abcdef",
        "authorized_apps": [{"app_id": "app", "app_secret": "secret"}],
    }}));
    for (authorization, status) in [
        ("", 401),
        ("Authorization: Bearer fedcba9876543210\r\n", 401),
        ("Authorization: Basic YXBwOnNlY3JldA==\r\n", 401),
        ("Authorization: Bearer 0123456789abcdef\r\n", 200),
        ("Authorization: Bearer app:secret\r\n", 200),
    ] {
        for path in ["/metrics", "/metrics/prom"] {
            assert_eq!(
                with_headers(&server, &format!("GET {path}"), authorization).status,
                status,
                "{authorization}"
            );
        }
    }
}

#[test]
fn s010_listed_origins_are_echoed_and_others_are_not() {
    let listed = Server::start(json!({"security": {"cors_origins": "https://a.example, https://b.example"}}));
    let answer = with_headers(&listed, "GET /v2/health", "Origin: https://b.example\r\n");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://b.example"));
    let answer = with_headers(&listed, "GET /v2/health", "Origin: https://c.example\r\n");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), None);
    let preflight = "Origin: https://a.example\r\nAccess-Control-Request-Method: GET\r\n";
    let answer = with_headers(&listed, "OPTIONS /v2/health", preflight);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://a.example"));
    assert!(answer.header("access-control-allow-methods").is_some());
    let answer = with_headers(&server(), "GET /v2/health", "Origin: https://c.example\r\n");
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
}

/// D36: a list of origins also guards the upgrade.
#[test]
fn s011_foreign_origin_may_connect_unless_a_list_is_set() {
    let foreign = [("origin", "https://c.example")];
    let open = server();
    let mut client = Client::connect_with(open.addr, "/v2/ws", &foreign).expect("every origin may connect");
    client.quiet();
    let listed = Server::start(json!({"security": {"cors_origins": "https://a.example"}}));
    assert_eq!(Client::connect_with(listed.addr, "/v2/ws", &foreign).err(), Some(403));
    let own = [("origin", "https://a.example")];
    Client::connect_with(listed.addr, "/v2/ws", &own)
        .expect("a listed origin may connect")
        .quiet();
    Client::connect_with(listed.addr, "/v2/ws", &[])
        .expect("no origin, no browser")
        .quiet();
}

#[test]
fn unknown_path_is_404_and_names_the_known_ones() {
    let answer = with_headers(&server(), "GET /v2/wss", "");
    assert_eq!(answer.status, 404);
    let body: Value = serde_json::from_str(&answer.body).expect("a JSON body");
    assert!(body.to_string().contains("/v2/ws"), "{body}");
}

#[test]
fn probes_of_orchestrators_are_answered() {
    for path in ["/healthz", "/readyz"] {
        assert_eq!(
            with_headers(&server(), &format!("GET {path}"), "").status,
            200,
            "{path}"
        );
    }
}

/// One connection serves many requests, pipelined or not, and an upgrade may follow (D39).
#[test]
fn requests_share_a_connection_and_an_upgrade_may_follow() {
    let server = server();
    let mut raw = server.raw();
    let get = "GET /v2/health HTTP/1.1\r\nHost: localhost\r\n\r\n";
    raw.send(format!("{get}GET /nothing HTTP/1.1\nHost: localhost\n\n{get}").as_bytes());
    for status in [200, 404, 200] {
        assert_eq!(raw.read_answer().status, status);
    }
    raw.send(b"GET http://example.org/v2/health HTTP/1.1\r\nHost: example.org\r\n\r\n");
    assert_eq!(raw.read_answer().body, "OK");
    raw.send(raw::UPGRADE.as_bytes());
    raw.read_upgrade();
    raw.send(&raw::text(r#"{"type":"Ping"}"#));
    assert_eq!(raw.read_message(), json!({"type": "Pong"}));
}

#[test]
fn a_request_names_its_host_once() {
    let server = server();
    for hosts in ["", "Host: a\r\nHost: a\r\n"] {
        let answer = request(&server, &format!("GET /v2/health HTTP/1.1\r\n{hosts}\r\n"));
        assert_eq!(answer.status, 400, "{hosts:?}");
        assert_eq!(answer.header("connection"), Some("close"));
    }
}

#[test]
fn a_client_that_closes_is_closed() {
    let server = server();
    let mut raw = server.raw();
    raw.send(b"GET /v2/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert_eq!(raw.read_answer().status, 200);
    assert!(raw.is_at_end());
}

/// D23: a proxy names its client in front of HTTP, in either version; its clients are counted apart. Nobody else may.
#[test]
fn proxies_introduce_their_clients() {
    let server = Server::start(json!({"security": {
        "proxy_protocol": true,
        "trusted_proxies": ["127.0.0.2"],
        "max_connections_per_ip": 1,
        // The header stands in front of TLS, which is another test (`tests/tls_is_served`).
        "transport": {"tls": {"enabled": false}},
    }}));
    let (proxy, stranger) = (IpAddr::from([127, 0, 0, 2]), IpAddr::from([127, 0, 0, 3]));
    let connect = |source: IpAddr, header: &[u8]| {
        let mut raw = raw::Raw::connect_from(source, server.addr);
        raw.send(&[header, raw::UPGRADE.as_bytes(), &raw::text(r#"{"type":"Ping"}"#)].concat());
        raw
    };
    let line = |client: &str| format!("PROXY TCP4 {client} 127.0.0.1 4660 80\r\n").into_bytes();
    let binary = [
        &b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"[..],
        &[198, 51, 100, 8, 127, 0, 0, 1, 0x12, 0x34, 0, 80],
    ]
    .concat();
    let mut served = Vec::new();
    for (source, header) in [(proxy, &line("198.51.100.7")[..]), (proxy, &binary), (stranger, b"")] {
        let mut raw = connect(source, header);
        raw.read_upgrade();
        assert_eq!(raw.read_message(), json!({"type": "Pong"}));
        served.push(raw);
    }
    let mut second = connect(proxy, &line("198.51.100.8"));
    second.read_upgrade();
    assert_eq!(second.read_message()["data"]["error_code"], "TOO_MANY_CONNECTIONS");
    for (source, header, sentence) in [
        (
            proxy,
            &b""[..],
            "This listener expects a PROXY protocol header from its proxies.",
        ),
        (
            IpAddr::from([127, 0, 0, 4]),
            &line("198.51.100.9")[..],
            "A PROXY protocol header is not expected here.",
        ),
        (
            IpAddr::from([127, 0, 0, 5]),
            &binary,
            "A PROXY protocol header is not expected here.",
        ),
    ] {
        let mut raw = connect(source, header);
        let answer = raw.read_answer();
        assert_eq!((answer.status, answer.body.as_str()), (400, sentence));
        assert!(raw.is_at_end());
    }
}
