//! TLS on the real binary: what clients get, what plain ones are told, what certificates decide, what SIGHUP changes.

#[path = "../harness/mod.rs"]
mod harness;

mod certificates;
mod files;
mod listeners;
mod reload;

use harness::certificates::Files;
use harness::{PATIENCE, Server, wait_until};
use rustix::process::Signal;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned, version};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
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
    upgrade_at(stream, &format!("wss://{addr}/v2/ws"), headers)
}

fn upgrade_at(stream: Tls, url: &str, headers: &[(&'static str, &str)]) -> Result<Socket, String> {
    let mut request = url.into_client_request().expect("a valid URL");
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
fn handshakes_are_counted_by_what_became_of_them() {
    let files = Files::new();
    let server = Server::start(files.config(json!({})));
    let modern = files.client(&version::TLS13, None);
    for config in [&files.client(&version::TLS12, None), &modern, &modern] {
        let mut socket = upgrade(tls(server.addr, config), server.addr, &[]).expect("upgraded");
        // The ticket has come with the answer, so that the third client resumes the session of the second.
        ping(&mut socket);
    }
    answer(server.addr, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    answer(server.addr, b"\x16\x03\x01\x00\x05hello");
    // This one stays in its handshake.
    let mut begun = TcpStream::connect(server.addr).expect("the server listens");
    begun.write_all(b"\x16\x03\x01\x00\xff\x01").expect("sent");
    let metrics = || {
        let mut stream = tls(server.addr, &files.client(&version::TLS13, None));
        stream
            .write_all(b"GET /metrics/prom HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            .expect("sent");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an end that was announced");
        text
    };
    let value = |text: &str, name: &str| -> f64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let line = line.unwrap_or_else(|| panic!("no {name}"));
        line.trim().parse().expect("a number")
    };
    wait_until("the handshakes", || {
        let text = metrics();
        value(&text, "signal_fish_tls_handshakes_active ") == 1.0
            && value(&text, "signal_fish_tls_handshakes_total{result=\"tls1.2\"} ") == 1.0
            && value(&text, "signal_fish_tls_handshakes_total{result=\"plain\"} ") == 1.0
            && value(&text, "signal_fish_tls_handshakes_total{result=\"failed\"} ") == 1.0
            && value(&text, "signal_fish_tls_handshakes_resumed_total ") == 1.0
    });
    let text = metrics();
    assert!(value(&text, "signal_fish_tls_handshakes_total{result=\"tls1.3\"} ") >= 3.0);
    assert!(value(&text, "signal_fish_tls_certificate_expiry_seconds ") > 86_400.0);
    drop(begun);
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
