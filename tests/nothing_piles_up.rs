//! Memory and descriptors of one server over its life: what ends leaves nothing behind, and what idles costs little.
//! One test at a time: they measure.

mod harness;

use harness::raw::{self, Raw};
use harness::{Server, wait_until};
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Mutex;

/// Both tests load the machine; neither shall measure the other.
static ALONE: Mutex<()> = Mutex::new(());

/// One connection that joins, is answered and closes. It ends with a reset after the closing handshake, so that no port
/// waits for its time.
fn cycle(addr: SocketAddr, messages: &[u8], last_answer: &str) {
    let mut raw = Raw::connect(addr);
    raw.send(raw::UPGRADE.as_bytes());
    raw.read_upgrade();
    raw.send(messages);
    loop {
        let answer = raw.read_frame().expect("an answer");
        let text = String::from_utf8_lossy(&answer.payload);
        assert!(!text.contains("\"error_code\""), "{text}");
        if text.contains(last_answer) {
            break;
        }
    }
    raw.send(&raw::frame(raw::FIN | raw::CLOSE, &1000_u16.to_be_bytes()));
    while raw.read_frame().expect("a close frame").opcode != raw::CLOSE {}
    raw.reset();
}

/// So many cycles, a few at a time.
fn cycles(server: &Server, count: usize) {
    const CLIENTS: usize = 4;
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            scope.spawn(move || {
                for number in 0..count / CLIENTS {
                    // By turns a game of its own, whose room ends with its only player, and one of a few rooms that
                    // stand empty until somebody comes or the sweep does. More empty rooms at a time would make the
                    // tables' high-water mark, which is no leak, part of the measurement.
                    let alone = number % 2 == 0;
                    let code = if alone {
                        format!("A{client}{:04}", number % 10_000)
                    } else {
                        format!("B{client}{:04}", number % 50)
                    };
                    let join = json!({"type": "JoinRoom", "data": {
                        "game_name": "cycles", "player_name": format!("P{client}x{number}"), "room_code": code,
                        "max_players": if alone { 1 } else { 4 },
                    }});
                    let mut messages = raw::text(&join.to_string());
                    if alone {
                        messages.extend(raw::text(r#"{"type":"PlayerReady"}"#));
                    }
                    let last_answer = if alone { "GameStarting" } else { "RoomJoined" };
                    cycle(server.addr, &messages, last_answer);
                }
            });
        }
    });
}

#[test]
fn hundred_thousand_connections_leave_nothing_behind() {
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    // By then the allocator has met every shape of load, the sweep of thousands of rooms included.
    const WARM_UP: usize = 40_000;
    const MEASURED: usize = 100_000;
    let server = Server::start(json!({
        "server": {
            "enable_reconnection": false, "empty_room_timeout": 0, "room_cleanup_interval": 1,
            "max_rooms_per_game": 1_000_000,
        },
        "logging": {"level": "info"},
    }));
    server.client().quiet();
    let idle_fds = server.fd_count();
    cycles(&server, WARM_UP);
    wait_until("warm: every descriptor is closed", || server.fd_count() <= idle_fds);
    let before = server.rss_bytes();
    cycles(&server, MEASURED);
    wait_until("every descriptor is closed", || server.fd_count() <= idle_fds);
    let allowed = 1024 * MEASURED as u64 / 1000;
    // The last rooms are swept within seconds; only then is it fair to compare.
    wait_until(
        &format!(
            "{MEASURED} cycles cost {} bytes, {allowed} allowed",
            server.rss_bytes().saturating_sub(before)
        ),
        || server.rss_bytes().saturating_sub(before) <= allowed,
    );
}

#[test]
fn idle_member_costs_at_most_four_kib() {
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    const ROOMS: u64 = 1000;
    const SEATS: u64 = 8;
    let server = Server::start(json!({"server": {"max_rooms_per_game": 1_000_000, "ping_timeout": 600}}));
    // The code paths and pools that every connection shares belong to the empty server.
    let mut first = server.client();
    first.create("warm", "Warm", 8);
    first.leave();
    first.reset();
    let before = server.rss_bytes();
    let mut members = Vec::new();
    for room in 0..ROOMS {
        for seat in 0..SEATS {
            let mut raw = Raw::upgraded(server.addr);
            let join = json!({"type": "JoinRoom", "data": {
                "game_name": "idle", "player_name": format!("P{seat}"), "room_code": format!("R{room:05}"),
                "max_players": SEATS,
            }});
            raw.send(&raw::text(&join.to_string()));
            assert_eq!(raw.read_message()["type"], "RoomJoined");
            members.push(raw);
        }
    }
    let allowed = ROOMS * SEATS * 4096;
    wait_until(
        &format!(
            "{} members cost {} bytes, {allowed} allowed",
            members.len(),
            server.rss_bytes() - before
        ),
        || server.rss_bytes().saturating_sub(before) <= allowed,
    );
    // They are really there.
    for member in members.iter_mut().step_by(997) {
        member.send(&raw::text(r#"{"type":"Ping"}"#));
        while member.read_message()["type"] != "Pong" {}
    }
}
