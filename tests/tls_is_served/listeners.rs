//! Which listeners have TLS, and who counts as secure there.

use crate::harness::certificates::Files;
use crate::harness::{Client, Raw, Server};
use crate::{Socket, answer, connect, ping, tls, upgrade_at};
use rustls::version;
use serde_json::{Value, json};
use std::net::SocketAddr;
use tungstenite::Message;

/// A server with all listeners and TLS, and where relay and matchbox are.
fn start(files: &Files, relay: Value, matchbox: Value) -> (Server, SocketAddr, SocketAddr) {
    let mut config = files.config(json!({}));
    config["relay"] = json!({"enabled": true, "port": 0, "connections_per_10s": 0});
    config["matchbox"] = json!({"enabled": true, "port": 0});
    config["shards"] = json!({"count": 2, "pin": false});
    crate::harness::server::merge(&mut config, json!({"relay": relay, "matchbox": matchbox}));
    let server = Server::start(config);
    let (relay, matchbox) = (server.address_of("relay"), server.address_of("matchbox"));
    (server, relay, matchbox)
}

fn enter(files: &Files, relay: SocketAddr) -> Socket {
    let stream = tls(relay, &files.client(&version::TLS13, None));
    upgrade_at(stream, &format!("wss://{relay}/?roomId=room"), &[]).expect("upgraded")
}

fn status(addr: SocketAddr) -> Vec<u8> {
    let answered = answer(addr, b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    answered[..12.min(answered.len())].to_vec()
}

#[test]
fn every_listener_has_tls_unless_it_is_told_not_to() {
    let files = Files::new();
    for (relay_has, matchbox_has) in [(true, true), (false, true), (true, false)] {
        let (server, relay, matchbox) = start(&files, json!({"tls": relay_has}), json!({"tls": matchbox_has}));
        for (addr, has_tls) in [(server.addr, true), (relay, relay_has), (matchbox, matchbox_has)] {
            let expected: &[u8] = if has_tls { b"HTTP/1.1 400" } else { b"HTTP/1.1 200" };
            assert_eq!(status(addr), expected, "{addr}");
        }
        ping(&mut connect(&files, server.addr));
    }
    // Unless they are told, they all have it.
    let (_server, relay, matchbox) = start(&files, json!({}), json!({}));
    for addr in [relay, matchbox] {
        assert_eq!(status(addr), b"HTTP/1.1 400", "{addr}");
    }
}

#[test]
fn who_comes_with_tls_is_secure() {
    let files = Files::new();
    let (_server, relay, _) = start(&files, json!({"require_wss": true}), json!({}));
    // Some of them move to the shard of the room.
    let mut members: Vec<_> = (0..4).map(|_| enter(&files, relay)).collect();
    members[0].send(Message::text(r#"{"type":"hello"}"#)).expect("sent");
    for member in &mut members[1..] {
        let Ok(Message::Text(text)) = member.read() else {
            panic!("no text")
        };
        assert_eq!(text.as_str(), r#"{"type":"hello"}"#);
    }
}

#[test]
fn who_only_says_so_is_not() {
    let files = Files::new();
    let (_server, relay, _) = start(&files, json!({"require_wss": true, "tls": false}), json!({}));
    for headers in ["", "X-Forwarded-Proto: https\r\n"] {
        let mut raw = Raw::connect(relay);
        let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        raw.send(format!("GET /?roomId=room HTTP/1.1\r\nHost: a\r\n{upgrade}{headers}\r\n").as_bytes());
        assert_eq!(raw.read_answer().status, 101);
        let frame = raw.read_frame().expect("a close frame");
        assert_eq!(&frame.payload[2..], b"WSS required", "{headers}");
    }
    // A proxy that is trusted is believed, whichever way it came itself.
    let trusted = json!({"security": {"trusted_proxies": ["127.0.0.1"]}});
    for (relay_has_tls, said, accepted) in [(true, "http", false), (true, "https", true), (false, "https", true)] {
        let mut config = files.config(json!({}));
        config["relay"] = json!({"enabled": true, "port": 0, "require_wss": true, "tls": relay_has_tls});
        crate::harness::server::merge(&mut config, trusted.clone());
        let server = Server::start(config);
        let relay = server.address_of("relay");
        let refused = if relay_has_tls {
            let stream = tls(relay, &files.client(&version::TLS13, None));
            let url = format!("wss://{relay}/?roomId=room");
            let mut socket = upgrade_at(stream, &url, &[("x-forwarded-proto", said)]).expect("upgraded");
            // One that was refused may have been closed already.
            let _ = socket.send(Message::Ping(Vec::new().into()));
            matches!(socket.read(), Ok(Message::Close(_)))
        } else {
            Client::connect_with(relay, "/?roomId=room", &[("x-forwarded-proto", said)]).is_err()
        };
        assert_eq!(refused, !accepted, "TLS {relay_has_tls}, {said}");
    }
}
