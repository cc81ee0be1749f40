//! TLS on the real binary: what clients get, what plain ones are told, what certificates decide, what SIGHUP changes.

mod harness;

use data_encoding::{BASE64, HEXLOWER};
use harness::certificates::{Files, der};
use harness::run::run;
use harness::{PATIENCE, Server, wait_until};
use rcgen::{CertificateParams, KeyPair};
use rustix::process::Signal;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, StreamOwned, version};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use tungstenite::client::IntoClientRequest;
use tungstenite::protocol::WebSocket;
use tungstenite::{Error, Message};

type Tls = StreamOwned<ClientConnection, TcpStream>;
type Socket = WebSocket<Tls>;

fn tls(addr: SocketAddr, config: &Arc<ClientConfig>) -> Tls {
    let stream = TcpStream::connect(addr).expect("the server listens");
    stream.set_nodelay(true).expect("nodelay");
    stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
    let name = ServerName::try_from("localhost").expect("a name");
    let session = ClientConnection::new(Arc::clone(config), name).expect("a client");
    StreamOwned::new(session, stream)
}

fn upgrade(stream: Tls, addr: SocketAddr, headers: &[(&'static str, &str)]) -> Result<Socket, String> {
    let mut request = format!("wss://{addr}/v2/ws")
        .into_client_request()
        .expect("a valid URL");
    for (name, value) in headers {
        let value = value.parse().expect("a valid header");
        request.headers_mut().insert(*name, value);
    }
    match tungstenite::client::client(request, stream) {
        Ok((socket, _)) => Ok(socket),
        Err(error) => Err(error.to_string()),
    }
}

fn connect(files: &Files, addr: SocketAddr) -> Socket {
    upgrade(tls(addr, &files.client(&version::TLS13, None)), addr, &[]).expect("upgraded")
}

fn send(socket: &mut Socket, message: &Value) {
    socket.send(Message::text(message.to_string())).expect("sent");
}

/// The next message of this type; others are passed over.
#[track_caller]
fn expect(socket: &mut Socket, kind: &str) -> Value {
    loop {
        match socket.read().expect("a message") {
            Message::Text(text) => {
                let message: Value = serde_json::from_str(&text).expect("JSON");
                if message["type"] == kind {
                    return message["data"].clone();
                }
                assert_ne!(message["type"], "Error", "{message}");
            }
            Message::Close(frame) => panic!("closed: {frame:?}"),
            _ => {}
        }
    }
}

fn ping(socket: &mut Socket) {
    send(socket, &json!({"type": "Ping"}));
    expect(socket, "Pong");
}

/// What a peer answers until it ends the connection.
fn answer(addr: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(addr).expect("the server listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
    stream.write_all(bytes).expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("the end");
    answer
}

#[test]
fn games_are_played_over_tls_and_move_between_shards() {
    let files = Files::new();
    let mut config = files.config(json!({}));
    config["shards"] = json!({"count": 4, "pin": false});
    let server = Server::start(config);
    for (number, version) in (0..24).zip([&version::TLS12, &version::TLS13].into_iter().cycle()) {
        let config = files.client(version, None);
        // Three of four members have to move: their records too.
        let mut members: Vec<Socket> = (0..3)
            .map(|_| upgrade(tls(server.addr, &config), server.addr, &[]).expect("upgraded"))
            .collect();
        for (index, member) in members.iter_mut().enumerate() {
            let data =
                json!({"game_name": "g", "player_name": format!("p{index}"), "room_code": format!("ROOM{number:02}")});
            send(member, &json!({"type": "JoinRoom", "data": data}));
            // What comes behind the join waits for the move and is lost by nobody.
            for value in 0..20 {
                send(
                    member,
                    &json!({"type": "GameData", "data": {"data": {"value": value, "pad": "x".repeat(value * 500)}}}),
                );
            }
            expect(member, "RoomJoined");
        }
        let large = json!({"type": "GameData", "data": {"data": "y".repeat(60_000)}});
        send(&mut members[2], &large);
        for member in &mut members[..2] {
            loop {
                let data = expect(member, "GameData");
                if data["data"] == large["data"]["data"] {
                    break;
                }
            }
        }
    }
}

#[test]
fn what_a_slow_reader_leaves_arrives_when_it_reads() {
    let files = Files::new();
    let server = Server::start(files.config(json!({})));
    let (mut sender, mut reader) = (connect(&files, server.addr), connect(&files, server.addr));
    for (socket, name) in [(&mut sender, "sender"), (&mut reader, "reader")] {
        let data = json!({"game_name": "g", "player_name": name, "room_code": "ABC123"});
        send(socket, &json!({"type": "JoinRoom", "data": data}));
        expect(socket, "RoomJoined");
    }
    // More than the kernel and one sealed part hold together.
    for value in 0..20 {
        send(
            &mut sender,
            &json!({"type": "GameData", "data": {"data": [value, "z".repeat(40_000)]}}),
        );
    }
    ping(&mut sender);
    for value in 0..20 {
        assert_eq!(expect(&mut reader, "GameData")["data"][0], value);
    }
}

#[test]
fn http_is_answered_and_ends_with_close_notify() {
    let files = Files::new();
    let server = Server::start(files.config(json!({})));
    let mut stream = tls(server.addr, &files.client(&version::TLS13, None));
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .expect("sent");
    let mut answer = String::new();
    // Without close_notify this would be an error.
    stream.read_to_string(&mut answer).expect("an end that was announced");
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("OK"),
        "{answer}"
    );
}

#[test]
fn the_wrong_protocol_gets_a_clear_answer() {
    let files = Files::new();
    let server = Server::start(files.config(json!({})));
    let text = answer(server.addr, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let text = String::from_utf8(text).expect("plain text");
    assert!(text.starts_with("HTTP/1.1 400 "), "{text}");
    assert!(text.contains("https://") && text.contains("wss://"), "{text}");
    // An alert or nothing, and the end.
    let answered = answer(server.addr, b"\x16\x03\x01\x00\x05hello");
    assert!(answered.first().is_none_or(|first| *first == 21), "{answered:?}");
    // A ClientHello without an end is cut off.
    let mut hello = b"\x16\x03\x01\x3f\xff\x01\x00\xea\x60".to_vec();
    hello.resize(40_000, 0);
    let mut stream = TcpStream::connect(server.addr).expect("the server listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
    // The server may have ended before everything is sent.
    let _ = stream.write_all(&hello);
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert!(rest.len() < 100, "an alert at most");
    drop(server);

    // TLS at a plain port: HTTP says what is wrong, and the client of TLS sees no TLS.
    let server = Server::start(json!({}));
    let mut stream = tls(server.addr, &files.client(&version::TLS13, None));
    assert!(stream.write_all(b"GET / HTTP/1.1\r\n\r\n").is_err());
}

/// The header of a proxy stands in front of TLS; who sends none is told so, as far as that can be told.
#[test]
fn proxies_introduce_their_clients_before_the_handshake() {
    let files = Files::new();
    let mut config = files.config(json!({}));
    harness::server::merge(
        &mut config,
        json!({"security": {"proxy_protocol": true, "trusted_proxies": ["127.0.0.1"], "max_connections_per_ip": 1}}),
    );
    let server = Server::start(config);
    let config = files.client(&version::TLS13, None);
    let introduced = |client: &str| {
        let mut stream = tls(server.addr, &config);
        let header = format!("PROXY TCP4 {client} 127.0.0.1 4660 443\r\n");
        stream.sock.write_all(header.as_bytes()).expect("sent");
        upgrade(stream, server.addr, &[]).expect("upgraded")
    };
    let mut clients = [introduced("198.51.100.7"), introduced("198.51.100.8")];
    for client in &mut clients {
        ping(client);
    }
    let refused = introduced("198.51.100.7").read().expect("a message");
    assert!(refused.to_string().contains("TOO_MANY_CONNECTIONS"), "{refused}");
    assert!(upgrade(tls(server.addr, &config), server.addr, &[]).is_err());
    clients.iter_mut().for_each(ping);
}

#[test]
fn a_client_that_vanishes_leaves_its_room() {
    let files = Files::new();
    let server = Server::start(files.config(json!({})));
    let (mut stays, mut goes) = (connect(&files, server.addr), connect(&files, server.addr));
    for (socket, name) in [(&mut stays, "stays"), (&mut goes, "goes")] {
        let data = json!({"game_name": "g", "player_name": name, "room_code": "ABC123"});
        send(socket, &json!({"type": "JoinRoom", "data": data}));
        expect(socket, "RoomJoined");
    }
    // A FIN without close_notify.
    goes.get_ref().sock.shutdown(std::net::Shutdown::Both).expect("open");
    expect(&mut stays, "PlayerLeft");
}

#[test]
fn refused_connections_are_told_why_through_tls() {
    let files = Files::new();
    let mut config = files.config(json!({}));
    config["security"]["max_connections_per_ip"] = json!(2);
    let server = Server::start(config);
    let _held = [connect(&files, server.addr), connect(&files, server.addr)];
    let mut third = connect(&files, server.addr);
    let Ok(Message::Text(text)) = third.read() else {
        panic!("no text")
    };
    assert!(text.contains("TOO_MANY_CONNECTIONS"), "{text}");
    assert!(matches!(third.read(), Ok(Message::Close(Some(frame))) if u16::from(frame.code) == 1008));
}

#[test]
fn handshakes_of_one_address_wait_for_their_turn() {
    let files = Files::new();
    let server = Server::start(files.config(json!({"handshakes_per_sec_per_ip": 10})));
    let start = std::time::Instant::now();
    for _ in 0..25 {
        let mut socket = connect(&files, server.addr);
        ping(&mut socket);
    }
    // Twenty at once, and five at ten a second.
    assert!(start.elapsed().as_millis() >= 400, "{:?}", start.elapsed());
}

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

/// The certificate that a newcomer is shown.
fn shown_by(files: &Files, addr: SocketAddr) -> CertificateDer<'static> {
    let mut stream = tls(addr, &files.client(&version::TLS13, None));
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        .expect("sent");
    stream.conn.peer_certificates().expect("a chain")[0].clone()
}

#[test]
fn sighup_shows_a_new_certificate_and_nobody_notices() {
    let files = Files::new();
    let server = Server::start(files.config(json!({})));
    let file = |name: &str| std::fs::read_to_string(Path::new(&files.path(name))).expect("a file");
    let mut client = connect(&files, server.addr);
    for round in 0..100 {
        files.renew();
        let count = || server.log().matches("the configuration was reloaded").count();
        let before = count();
        server.signal(Signal::HUP);
        ping(&mut client);
        if round % 20 == 0 {
            let expected = der(&file("server.pem"));
            wait_until("the new certificate", || shown_by(&files, server.addr) == expected);
        } else if count() == before {
            wait_until("the reload", || count() > before);
        }
    }
    let last = der(&file("server.pem"));
    wait_until("the last certificate", || shown_by(&files, server.addr) == last);
    // A broken one changes nothing and is named.
    for (name, text) in [("server.pem", "nonsense"), ("server.key", files.leaf().1.as_str())] {
        let kept = file(name);
        files.write(name, text);
        let count = || server.log().matches("stays as it is").count();
        let before = count();
        server.signal(Signal::HUP);
        wait_until("the refusal", || count() > before);
        assert_eq!(shown_by(&files, server.addr), last);
        files.write(name, &kept);
    }
    ping(&mut client);
}

#[test]
fn every_fault_of_the_files_is_named_before_the_start() {
    let files = Files::new();
    files.write("nonsense.pem", "nonsense");
    files.write(
        "damaged.pem",
        "-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n",
    );
    let other_key = files.leaf().1;
    files.write("other.key", &other_key);
    let key = |name: &str| format!("security.transport.tls.{name}");
    for (change, named, said) in [
        (json!({"certificate_path": null}), "certificate_path", "expected a file"),
        (
            json!({"certificate_path": files.path("none.pem")}),
            "certificate_path",
            "cannot be read",
        ),
        (
            json!({"certificate_path": files.path("nonsense.pem")}),
            "certificate_path",
            "no certificate in it",
        ),
        (
            json!({"certificate_path": files.path("damaged.pem")}),
            "certificate_path",
            "",
        ),
        (
            json!({"private_key_path": files.path("ca.pem")}),
            "private_key_path",
            "no private key",
        ),
        (
            json!({"private_key_path": files.path("other.key")}),
            "private_key_path",
            "does not belong to the certificate",
        ),
        (
            json!({"client_auth": "require"}),
            "client_ca_cert_path",
            "expected a file",
        ),
        (
            json!({"client_auth": "optional", "client_ca_cert_path": files.path("server.key")}),
            "client_ca_cert_path",
            "no certificate",
        ),
        (
            json!({"enabled": false, "client_auth": "require"}),
            "client_auth",
            "tls.enabled",
        ),
    ] {
        let config = files.config(change.clone()).to_string();
        for flag in ["--validate-config", "--check"] {
            let run = run(&["--config", "test.json", flag], &[], &[("test.json", &config)]);
            assert_eq!(run.code, Some(1), "{change}\n{}{}", run.out, run.err);
            assert!(
                run.err.contains(&key(named)) && run.err.contains(said),
                "{change}: {}",
                run.err
            );
        }
    }
    let config = files.config(json!({})).to_string();
    let run = run(
        &["--config", "test.json", "--validate-config"],
        &[],
        &[("test.json", &config)],
    );
    assert_eq!(run.code, Some(0), "{}", run.err);
    assert!(
        run.out.contains("TLS certificate: from ") && run.out.contains("days left"),
        "{}",
        run.out
    );
}

#[test]
fn a_certificate_that_expires_soon_is_warned_of() {
    let files = Files::new();
    let now = std::time::SystemTime::now();
    for (days, said) in [(3_u64, "expires soon"), (0, "has expired")] {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        params.not_before = (now - std::time::Duration::from_secs(10 * 86_400)).into();
        params.not_after =
            (now + std::time::Duration::from_secs(days * 86_400) - std::time::Duration::from_secs(60)).into();
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &files.authority).expect("signed");
        files.write("server.pem", &certificate.pem());
        files.write("server.key", &key.serialize_pem());
        let config = files.config(json!({})).to_string();
        let run = run(
            &["--config", "test.json", "--validate-config"],
            &[],
            &[("test.json", &config)],
        );
        assert_eq!(run.code, Some(0), "{}", run.err);
        assert!(run.err.contains(said), "{}", run.err);
    }
}

#[test]
fn a_drain_says_goodbye_through_tls() {
    let files = Files::new();
    let server = Server::start(files.config(json!({})));
    let mut client = connect(&files, server.addr);
    ping(&mut client);
    server.signal(Signal::TERM);
    assert!(matches!(client.read(), Ok(Message::Close(Some(frame))) if u16::from(frame.code) == 1001));
    assert!(
        matches!(client.read(), Err(Error::ConnectionClosed)),
        "close_notify came"
    );
    assert_eq!(server.wait_for_exit().code(), Some(0));
}
