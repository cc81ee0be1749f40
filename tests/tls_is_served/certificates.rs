//! What certificates of clients decide, and where an operator sees them.

use crate::harness::certificates::Files;
use crate::harness::{Server, wait_until};
use crate::{expect, send, tls, upgrade};
use data_encoding::{BASE64, HEXLOWER};
use rustls::version;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::io::{Read, Write};
use tungstenite::Message;

#[test]
fn certificates_of_clients_decide_who_gets_in() {
    let (files, strangers) = (Files::new(), Files::new());
    for (mode, without) in [("optional", true), ("require", false)] {
        let server =
            Server::start(files.config(json!({"client_auth": mode, "client_ca_cert_path": files.path("ca.pem")})));
        for version in [&version::TLS12, &version::TLS13] {
            let gets_in = |shown| {
                let stream = tls(server.addr, &files.client(version, shown));
                upgrade(stream, server.addr, &[]).is_ok()
            };
            assert!(gets_in(files.shown()), "{mode}");
            assert_eq!(gets_in(None), without, "{mode}");
            assert!(
                !gets_in(strangers.shown()),
                "{mode}: an invalid one is not taken for none"
            );
        }
    }
}

#[test]
fn signatures_cover_the_certificate() {
    let files = Files::new();
    let mut config = files.config(json!({"client_auth": "optional", "client_ca_cert_path": files.path("ca.pem")}));
    config["security"]["transport"]["token_binding"] =
        json!({"enabled": true, "required": true, "require_client_fingerprint": true});
    let server = Server::start(config);
    let offer = [("sec-websocket-protocol", "signalfish.tokenbinding.v1")];
    let refused = upgrade(
        tls(server.addr, &files.client(&version::TLS13, None)),
        server.addr,
        &offer,
    );
    assert!(refused.expect_err("refused").contains("401"));
    let shown = files.shown().expect("a certificate");
    let fingerprint = HEXLOWER.encode(&Sha256::digest(&shown.0[0]));
    for (given, accepted) in [(fingerprint.as_str(), true), (&"0".repeat(64), false)] {
        let shown = Some((shown.0.clone(), shown.1.clone_key()));
        let key = BASE64.encode(&[5; 16]);
        let headers = [offer[0], ("sec-websocket-key", key.as_str())];
        let stream = tls(server.addr, &files.client(&version::TLS13, shown));
        let mut socket = upgrade(stream, server.addr, &headers).expect("upgraded");
        let signature = {
            use hmac::{Hmac, KeyInit, Mac};
            let mut mac = Hmac::<Sha256>::new_from_slice(&[5; 16]).expect("any length");
            mac.update(br#"{"type":"Ping"}"#);
            mac.update(given.as_bytes());
            BASE64.encode(&mac.finalize().into_bytes())
        };
        let proof = json!({"scheme": "sec_websocket_key_sha256", "signature": signature, "fingerprint": given});
        send(&mut socket, &json!({"type": "Ping", "token_binding": proof}));
        let Ok(Message::Text(text)) = socket.read() else {
            panic!("no text")
        };
        assert_eq!(text.contains("Pong"), accepted, "{text}");
        assert_eq!(text.contains("Client fingerprint mismatch"), !accepted, "{text}");
    }
}

#[test]
fn operators_see_the_fingerprint_and_nobody_else_does() {
    const TOKEN: &str = "0123456789abcdef-operator";
    let files = Files::new();
    let mut config = files.config(json!({"client_auth": "optional", "client_ca_cert_path": files.path("ca.pem")}));
    config["security"]["admin_token"] = json!(TOKEN);
    config["logging"] = json!({"level": "debug"});
    // They have to move to the shard of their room.
    config["shards"] = json!({"count": 4, "pin": false});
    let server = Server::start(config);
    let shown = files.shown().expect("a certificate");
    let fingerprint = HEXLOWER.encode(&Sha256::digest(&shown.0[0]));
    let anonymous = files.client(&version::TLS13, None);
    let mut clients = Vec::new();
    let mut room = Value::Null;
    for (name, config) in [
        ("known", &files.client(&version::TLS13, Some(shown))),
        ("unknown", &anonymous),
    ] {
        // What it says of itself counts for nothing.
        let claim = [("x-signalfish-client-cert-sha256", &*"0".repeat(64))];
        let mut client = upgrade(tls(server.addr, config), server.addr, &claim).expect("upgraded");
        let data = json!({"game_name": "g", "player_name": name, "room_code": "ABC123"});
        send(&mut client, &json!({"type": "JoinRoom", "data": data}));
        let joined = expect(&mut client, "RoomJoined");
        assert!(!joined.to_string().contains(&fingerprint), "{joined}");
        room = joined["room_id"].clone();
        clients.push(client);
    }
    let mut admin = tls(server.addr, &anonymous);
    let room = room.as_str().expect("an id");
    let request = format!(
        "GET /admin/rooms/{room} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
    );
    admin.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    admin.read_to_string(&mut answer).expect("an end that was announced");
    let body = answer.split("\r\n\r\n").nth(1).expect("a body");
    let shown: Value = serde_json::from_str(body).expect("JSON");
    let of = |name: &str| {
        let members = shown["members"].as_array().expect("members");
        let member = members.iter().find(|member| member["player_name"] == name);
        member.expect("the member")["certificate_sha256"].clone()
    };
    assert_eq!(
        (of("known"), of("unknown")),
        (json!(fingerprint), Value::Null),
        "{shown}"
    );
    // Of the handshake, for every protocol, and of the session.
    wait_until("the lines", || {
        let log = server.log();
        let of = |message: &str| {
            let mut lines = log.lines().filter(|line| line.contains(&fingerprint));
            lines.any(|line| line.contains(message))
        };
        of("a certificate was shown") && of("opened") && of("joined")
    });
}
