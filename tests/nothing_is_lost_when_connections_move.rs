//! Four shards: connections move to the shard of their room, and nobody can tell.

mod harness;

use harness::raw::{self, Raw};
use harness::{Client, Incoming, Server, wait_until};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Barrier, Mutex, Weak};

fn server() -> Arc<Server> {
    static PLACE: harness::server::Shared = Mutex::new(Weak::new());
    Server::shared(&PLACE, config(json!({})))
}

fn config(more: Value) -> Value {
    let mut config = json!({"shards": {"count": 4}});
    harness::server::merge(&mut config, more);
    config
}

fn join(game: &str, code: &str, name: &str, seats: u8) -> Value {
    json!({"type": "JoinRoom", "data": {
        "game_name": game, "room_code": code, "player_name": name, "max_players": seats, "supports_authority": false,
    }})
}

/// `(sender, number)` of the next game data; what else is told about the room is passed over.
#[track_caller]
fn next_data(client: &mut Client) -> (String, u64) {
    let data = client.expect_later("GameData");
    let from = data["from_player"].as_str().expect("a sender").to_owned();
    (from, data["data"]["n"].as_u64().expect("a number"))
}

#[test]
fn forty_members_hear_each_other_exactly() {
    const MEMBERS: usize = 40;
    const EACH: u64 = 50;
    let server = server();
    let start = Barrier::new(MEMBERS);
    std::thread::scope(|scope| {
        for number in 0..MEMBERS {
            let (server, start) = (&server, &start);
            scope.spawn(move || {
                let mut member = server.client();
                member.send(join("forty", "FORTY4", &format!("P{number}"), 60));
                member.expect_joined("RoomJoined");
                start.wait();
                let mut heard: BTreeMap<String, u64> = BTreeMap::new();
                let mut count = 0;
                // Sends and reads by turns, so that nobody is a slow reader.
                for n in 0..EACH {
                    member.send_data(json!({"n": n}));
                    while count < (n + 1) * (MEMBERS as u64 - 1) {
                        let (from, n) = next_data(&mut member);
                        let expected = heard.entry(from).or_insert(0);
                        assert_eq!(n, *expected, "out of order, lost or repeated");
                        *expected += 1;
                        count += 1;
                    }
                }
                member.quiet();
                assert_eq!(heard.len(), MEMBERS - 1);
                assert!(!heard.contains_key(&member.id), "its own messages");
                assert!(heard.values().all(|count| *count == EACH));
                // Nobody leaves before everybody has heard everything.
                start.wait();
            });
        }
    });
}

/// A connection lands on any shard and its room on another, three times out of four. What it sent behind its `JoinRoom`,
/// in the same segment, arrives there too.
#[test]
fn messages_glued_behind_a_join_arrive_in_order() {
    const ROOMS: usize = 60;
    const GLUED: u64 = 50;
    let server = server();
    for room in 0..ROOMS {
        let code = format!("GLUE{room:02}");
        let mut host = server.client();
        host.send(join("glued", &code, "Host", 4));
        host.expect_joined("RoomJoined");
        let mut bytes = raw::text(&join("glued", &code, "Guest", 4).to_string());
        for n in 0..GLUED {
            bytes.extend(raw::text(
                &json!({"type": "GameData", "data": {"data": {"n": n}}}).to_string(),
            ));
        }
        bytes.extend(raw::text(r#"{"type":"Ping"}"#));
        assert!(bytes.len() < 16 * 1024, "one segment on loopback");
        let mut guest = server.client();
        guest.send_bytes(&bytes);
        guest.expect_joined("RoomJoined");
        guest.expect("Pong");
        assert_eq!(host.expect("PlayerJoined")["player"]["id"], guest.id.as_str());
        for n in 0..GLUED {
            host.expect_data(&guest.id, &json!({"n": n}));
        }
        host.send_data(json!("welcome"));
        guest.expect_data(&host.id, &json!("welcome"));
        host.quiet();
    }
}

/// The same with the upgrade request and everything behind it in one write, and cut into single bytes.
#[test]
fn whole_session_in_one_segment_or_byte_by_byte_is_the_same() {
    let server = server();
    for room in 0..16 {
        let code = format!("BYTE{room:02}");
        let mut host = server.client();
        host.send(join("bytes", &code, "Host", 4));
        host.expect_joined("RoomJoined");
        let mut bytes = raw::UPGRADE.as_bytes().to_vec();
        bytes.extend(raw::text(&join("bytes", &code, "Guest", 4).to_string()));
        for n in 0..5 {
            bytes.extend(raw::text(
                &json!({"type": "GameData", "data": {"data": {"n": n}}}).to_string(),
            ));
        }
        let mut guest = Raw::connect(server.addr);
        if room % 2 == 0 {
            guest.send(&bytes);
        } else {
            for byte in bytes.chunks(1) {
                guest.send(byte);
            }
        }
        guest.read_upgrade();
        let joined = guest.read_message();
        assert_eq!(joined["type"], "RoomJoined", "{joined}");
        let id = joined["data"]["player_id"].as_str().expect("an id").to_owned();
        host.expect("PlayerJoined");
        for n in 0..5 {
            host.expect_data(&id, &json!({"n": n}));
        }
        guest.send(&raw::frame(raw::FIN | raw::CLOSE, &1000_u16.to_be_bytes()));
        guest.expect_close(1000);
        host.expect_left(&id);
    }
}

#[test]
fn wanderers_keep_their_id_and_hear_only_their_room() {
    const WANDERERS: usize = 8;
    const ROUNDS: usize = 100;
    const ROOMS: usize = 16;
    let server = server();
    std::thread::scope(|scope| {
        for wanderer in 0..WANDERERS {
            let server = &server;
            scope.spawn(move || {
                let mut client = server.client();
                let mut id = String::new();
                for round in 0..ROUNDS {
                    let room = (wanderer * 7 + round * (2 * wanderer + 1)) % ROOMS;
                    client.send(join("wander", &format!("WAND{room:02}"), &format!("W{wanderer}"), 50));
                    client.expect_joined("RoomJoined");
                    if round > 0 {
                        assert_eq!(client.id, id, "the same id in every room");
                    }
                    id.clone_from(&client.id);
                    client.send_data(json!({"n": room}));
                    client.send_kind("LeaveRoom");
                    loop {
                        let message = client.next_message();
                        match message["type"].as_str() {
                            Some("RoomLeft") => break,
                            Some("GameData") => assert_eq!(message["data"]["data"]["n"], room, "from another room"),
                            Some("PlayerJoined" | "PlayerLeft") => {}
                            _ => client.fail("unexpected in a room"),
                        }
                    }
                }
                client.quiet();
            });
        }
    });
    // Everybody has left: whoever comes is alone.
    for room in 0..ROOMS {
        let mut late = server.client();
        late.send(join("wander", &format!("WAND{room:02}"), "Late", 50));
        let joined = late.expect_joined("RoomJoined");
        assert_eq!(joined["current_players"].as_array().map(Vec::len), Some(1), "{joined}");
    }
}

/// How a peer goes.
#[derive(Clone, Copy, Debug)]
enum End {
    Reset,
    HalfClose,
}

/// Peers that end at every step of their way, among them the middle of a move, leave nobody and nothing behind.
#[test]
fn peers_that_die_at_any_step_leave_nothing_behind() {
    const TIMES: usize = 25;
    let server = Server::start(config(json!({"server": {"enable_reconnection": false}})));
    server.client().quiet();
    let fds = server.fd_count();
    for step in 0..8 {
        for end in [End::Reset, End::HalfClose] {
            std::thread::scope(|scope| {
                for worker in 0..2 {
                    let server = &server;
                    scope.spawn(move || {
                        for time in 0..TIMES {
                            die_at(server, step, end, &format!("DIE{worker}{time:02}"));
                        }
                    });
                }
            });
        }
    }
    wait_until("every descriptor is closed", || server.fd_count() <= fds);
    for worker in 0..2 {
        for time in 0..TIMES {
            let code = format!("DIE{worker}{time:02}");
            let mut probe = server.client();
            wait_until("the room is empty", || {
                probe.send_watch("die", &code, "Probe");
                let message = probe.next_message();
                let players = message["data"]["current_players"].as_array().map_or(0, Vec::len);
                if message["type"] == "SpectatorJoined" {
                    probe.send_kind("LeaveSpectator");
                    probe.expect_later("SpectatorLeft");
                }
                players == 0
            });
            probe.send(join("die", &code, "Probe", 4));
            let joined = probe.expect_joined("RoomJoined");
            assert_eq!(joined["current_players"].as_array().map(Vec::len), Some(1), "{joined}");
        }
    }
    server.client().quiet();
}

fn die_at(server: &Server, step: usize, end: End, code: &str) {
    let join = raw::text(&join("die", code, "Mortal", 100).to_string());
    let data = raw::text(r#"{"type":"GameData","data":{"data":1}}"#);
    let mut raw = Raw::connect(server.addr);
    if step >= 1 {
        raw.send(&raw::UPGRADE.as_bytes()[..40]);
    }
    if step >= 2 {
        raw.send(&raw::UPGRADE.as_bytes()[40..]);
        raw.read_upgrade();
    }
    match step {
        // Half a frame.
        3 => raw.send(&join[..10]),
        // The join is on its way: perhaps asked, perhaps moving.
        4 => raw.send(&join),
        // With more behind it, the last of it cut.
        5 => {
            raw.send(&[&join[..], &data, &data, &data[..5]].concat());
        }
        // In the room.
        6 | 7 => {
            raw.send(&join);
            // A predecessor of the same name may not have been noticed as dead yet; either answer will do.
            raw.read_message();
            if step == 7 {
                raw.send(&raw::frame(raw::FIN | raw::CLOSE, &1000_u16.to_be_bytes()));
            }
        }
        _ => {}
    }
    match end {
        End::Reset => raw.reset(),
        End::HalfClose => {
            raw.half_close();
            while raw.read_anything() {}
        }
    }
}

#[test]
fn three_hundred_racers_to_one_code_end_in_one_room() {
    const RACERS: usize = 300;
    const SEATS: u8 = 255;
    let server = Server::start(config(json!({
        "protocol": {"max_players_limit": SEATS},
        // A snapshot of 255 players with all they may tell about themselves is over the default (D37).
        "websocket": {"max_outbound_bytes": 16 << 20},
    })));
    let mut racers: Vec<Client> = (0..RACERS).map(|_| server.client()).collect();
    let start = Barrier::new(10);
    std::thread::scope(|scope| {
        for (group, racers) in racers.chunks_mut(RACERS / 10).enumerate() {
            let start = &start;
            scope.spawn(move || {
                start.wait();
                for (number, racer) in racers.iter_mut().enumerate() {
                    racer.send(join("race", "RACERS", &format!("R{group}x{number}"), SEATS));
                }
            });
        }
    });
    let mut rooms = Vec::new();
    let mut full = 0;
    for racer in &mut racers {
        let message = racer.next_message();
        match message["type"].as_str() {
            Some("RoomJoined") => rooms.push(message["data"]["room_id"].to_string()),
            _ => {
                assert_eq!(message["data"]["error_code"], "ROOM_FULL", "{message}");
                full += 1;
            }
        }
    }
    assert_eq!((rooms.len(), full), (usize::from(SEATS), RACERS - usize::from(SEATS)));
    rooms.dedup();
    assert_eq!(rooms.len(), 1, "one room");
}

#[test]
fn last_seat_goes_to_one_of_two_whatever_their_shards() {
    let server = server();
    for round in 0..40 {
        let code = format!("LAST{round:02}");
        let mut host = server.client();
        host.send(join("last", &code, "Host", 2));
        host.expect_joined("RoomJoined");
        let start = Barrier::new(2);
        let won = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for name in ["Bob", "Carol"] {
                let (server, start, won, code) = (&server, &start, &won, &code);
                scope.spawn(move || {
                    let mut racer = server.client();
                    start.wait();
                    racer.send(join("last", code, name, 2));
                    let message = racer.next_message();
                    if message["type"] == "RoomJoined" {
                        won.fetch_add(1, Ordering::Relaxed);
                    } else {
                        assert_eq!(message["data"]["error_code"], "ROOM_FULL", "{message}");
                    }
                    // The seat stays taken until both know.
                    start.wait();
                });
            }
        });
        assert_eq!(won.into_inner(), 1, "round {round}");
    }
}

/// How many of `count` attempts, made by eight threads at once, succeed.
fn successes(count: usize, attempt: impl Fn(usize) -> bool + Sync) -> usize {
    const THREADS: usize = 8;
    let start = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (start, attempt) = (&start, &attempt);
                scope.spawn(move || {
                    start.wait();
                    (thread..count)
                        .step_by(THREADS)
                        .filter(|number| attempt(*number))
                        .count()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("a thread")).sum()
    })
}

#[test]
fn connections_of_one_address_are_counted_exactly() {
    const LIMIT: usize = 50;
    const LEAVE: usize = 20;
    let server = Server::start(config(json!({"security": {"max_connections_per_ip": LIMIT}})));
    let kept: Mutex<Vec<Client>> = Mutex::new(Vec::new());
    let connect = |_| {
        let mut client = server.client();
        client.send_kind("Ping");
        let served = client.next() == Incoming::Text(r#"{"type":"Pong"}"#.to_owned());
        if served {
            kept.lock().expect("kept").push(client);
        }
        served
    };
    assert_eq!(successes(LIMIT + 30, connect), LIMIT);
    for _ in 0..3 {
        for number in 0..LEAVE {
            let mut leaver = kept.lock().expect("kept").pop().expect("somebody");
            if number % 2 == 0 {
                leaver.send_close(1000);
            }
            leaver.reset();
        }
        // As many places as were left are given back, and not one more.
        for _ in 0..LEAVE {
            wait_until("a place is free again", || connect(0));
        }
        assert_eq!(successes(30, connect), 0);
    }
}

#[test]
fn attempts_of_one_address_are_counted_exactly() {
    const CREATIONS: usize = 30;
    const JOINS: usize = 40;
    let server = Server::start(config(json!({
        "rate_limit": {"max_room_creations": CREATIONS, "max_join_attempts": JOINS, "time_window": 3600},
    })));
    let mut host = server.client();
    host.create("counted", "Host", 100);
    let refused = |message: &Value| message["data"]["error_code"] == "RATE_LIMIT_EXCEEDED";
    let created = successes(2 * CREATIONS, |number| {
        let mut client = server.client();
        client.send_join(json!({"game_name": "counted", "player_name": format!("C{number}")}));
        !refused(&client.next_message())
    });
    assert_eq!(created, CREATIONS - 1, "the host's creation counts too");
    let joined = successes(2 * JOINS, |number| {
        let mut client = server.client();
        client.send(join("counted", &host.code, &format!("J{number}"), 4));
        !refused(&client.next_message())
    });
    assert_eq!(joined, JOINS);
}
