//! One address opens far more connections than it may. Others are served, nobody loses a connection, and the log stays short
//! (D43).

mod harness;

use harness::raw::{self, Raw};
use harness::{Server, wait_until};
use serde_json::{Value, json};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Something that any shard answers by itself. Whether all are well is another question: on a machine that stands still for a
/// second `/healthz` says that they are not.
const QUESTION: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
const HOSTILE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 66));
const STRANGER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 67));

/// Connections that say nothing, as many as there may be, all of one address. Each ends as the server wants.
fn silent(addr: SocketAddr, count: usize) -> Vec<TcpStream> {
    let connect = || {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
        socket
            .bind(&SocketAddr::new(HOSTILE, 0).into())
            .expect("an address of this machine");
        // It waits in the queue of the listener if nobody accepts it.
        socket.connect_timeout(&addr.into(), Duration::from_secs(5)).ok()?;
        Some(TcpStream::from(socket))
    };
    (0..count).filter_map(|_| connect()).collect()
}

fn player(addr: SocketAddr, code: &str, name: &str) -> Raw {
    let mut raw = Raw::upgraded(addr);
    join(&mut raw, code, name);
    raw
}

fn join(raw: &mut Raw, code: &str, name: &str) {
    let join = json!({"type": "JoinRoom", "data": {
        "game_name": "floods", "room_code": code, "player_name": name, "max_players": 16,
    }});
    raw.send(&raw::text(&join.to_string()));
    while raw.read_message()["type"] != "RoomJoined" {}
}

fn answers(raw: &mut Raw) {
    raw.send(&raw::text(r#"{"type":"Ping"}"#));
    while raw.read_message()["type"] != "Pong" {}
}

/// What a stranger is answered, and how long that takes.
fn question(addr: SocketAddr) -> (u16, Duration) {
    let begin = Instant::now();
    let mut raw = Raw::connect_from(STRANGER, addr);
    raw.send(QUESTION);
    (raw.read_answer().status, begin.elapsed())
}

fn config() -> Value {
    json!({
        "shards": {"count": 2},
        "server": {"ping_timeout": 600},
        "security": {"max_connections_per_ip": 50},
        "logging": {"level": "info"},
    })
}

#[test]
fn silent_connections_of_one_address_take_nobodys_place() {
    let server = Server::start(config());
    let mut players: Vec<_> = (0..10)
        .map(|number| player(server.addr, "AAAAAA", &format!("p{number}")))
        .collect();
    let flood = silent(server.addr, 1_200);
    assert!(flood.len() > 1_000, "{}", flood.len());
    for _ in 0..5 {
        let (status, took) = question(server.addr);
        assert_eq!(status, 200);
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
    // Players go from room to room, and so from shard to shard.
    for round in 0..8 {
        for (number, player) in players.iter_mut().enumerate() {
            player.send(&raw::text(r#"{"type":"LeaveRoom"}"#));
            join(player, &format!("ROOM{round:02}"), &format!("p{number}"));
        }
    }
    players.iter_mut().for_each(answers);
    drop(flood);
    wait_until("a stranger may come once the flood is over", || {
        question(server.addr).0 == 200
    });
}

#[test]
fn without_descriptors_others_are_answered_and_the_log_stays_short() {
    let server = Server::start_with_open_files(config(), 400);
    let mut player = player(server.addr, "AAAAAA", "Ann");
    let idle = server.fd_count();
    wait_until("what is told at the start is read", || {
        server.log().contains("anybody may read the metrics")
    });
    let lines = server.log().lines().count();
    let flood = silent(server.addr, 1_200);
    let begin = Instant::now();
    let mut answered = 0;
    while begin.elapsed() < Duration::from_secs(3) {
        // A ping for each line that a server without bounds would write.
        answers(&mut player);
        let (status, took) = question(server.addr);
        assert_eq!(status, 200);
        assert!(took < Duration::from_secs(5), "{took:?}");
        answered += 1;
    }
    assert!(answered > 0);
    let more = server.log().lines().count() - lines;
    assert!(more <= 10, "{more} lines for {answered} pings:\n{}", server.log());
    drop(flood);
    wait_until("every descriptor is closed", || server.fd_count() <= idle);
    answers(&mut player);
}
