//! Scenarios of limits, liveness and the removal of rooms (protocol 2.6, 9, 11).

use super::harness::client::room_of;
use super::harness::{Client, Incoming, PATIENCE, Server, in_time, raw, wait_until};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

#[track_caller]
fn seconds_in(reason: &str, what: &str) -> u64 {
    let seconds = reason
        .strip_prefix(what)
        .and_then(|rest| rest.strip_prefix(" rate limit exceeded. Try again in "))
        .and_then(|rest| rest.strip_suffix(" seconds."))
        .unwrap_or_else(|| panic!("{reason}"));
    seconds.parse().expect("whole seconds")
}

/// One attempt to enter a room; `true` if it was refused for its rate.
fn attempt(client: &mut Client, fields: Value) -> bool {
    client.send_join(fields);
    let message = client.next_message();
    if message["type"] == "RoomJoined" {
        client.leave();
    }
    message["data"]["error_code"] == "RATE_LIMIT_EXCEEDED"
}

#[test]
fn s129_sixth_creation_is_refused_until_the_window_ends() {
    in_time(Duration::from_secs(6), || {
        let server = Server::start(json!({"rate_limit": {"max_room_creations": 5, "time_window": 4}}));
        let mut a = server.client();
        let begin = Instant::now();
        for number in 0..5 {
            // D22: a creation with a code of one's own counts too.
            let code = (number % 2 == 1).then(|| format!("S129A{number}"));
            a.join(json!({"game_name": "s129", "player_name": "Alice", "room_code": code}));
            a.leave();
        }
        a.send_join(json!({"game_name": "s129", "player_name": "Alice"}));
        let reason = a.expect_failure("RoomJoinFailed", "RATE_LIMIT_EXCEEDED");
        assert!(seconds_in(&reason, "Room creation") <= 4, "{reason}");
        assert!(attempt(
            &mut a,
            json!({"game_name": "s129", "player_name": "Alice", "room_code": "S129ZZ"})
        ));
        if begin.elapsed() >= Duration::from_secs(4) {
            // Too slow to tell.
            return Duration::MAX;
        }
        wait_until("the window ends", || {
            !attempt(&mut a, json!({"game_name": "s129", "player_name": "Alice"}))
        });
        let took = begin.elapsed();
        assert!(took >= Duration::from_secs(4), "{took:?}");
        took
    });
}

#[test]
fn s130_twenty_first_join_is_refused() {
    let server = Server::start(json!({"rate_limit": {"max_join_attempts": 20, "time_window": 600}}));
    let mut a = server.client();
    a.create("s130", "Alice", 8);
    let mut b = server.client();
    // D22: a well-formed attempt counts whatever becomes of it, one that is malformed does not.
    b.send_text(r#"{"type":"JoinRoom","data":{"room_code":7}}"#);
    b.expect_error("INVALID_INPUT");
    for number in 0..20 {
        let name = if number == 7 { "alice" } else { "Bob" };
        let fields = json!({"game_name": "s130", "player_name": name, "room_code": a.code});
        assert!(!attempt(&mut b, fields), "attempt {number}");
    }
    b.send_join(json!({"game_name": "s130", "player_name": "Bob", "room_code": a.code}));
    let reason = b.expect_failure("RoomJoinFailed", "RATE_LIMIT_EXCEEDED");
    assert!(seconds_in(&reason, "Join attempt") <= 600);
    // The same count holds for spectators; creating a room is counted apart.
    b.send_watch("s130", &a.code.clone(), "Sue");
    b.expect_failure("SpectatorJoinFailed", "RATE_LIMIT_EXCEEDED");
    b.create("s130", "Bob", 8);
}

#[test]
fn s131_new_connection_of_the_address_is_still_limited() {
    let server = Server::start(json!({"rate_limit": {"max_room_creations": 5, "time_window": 600}}));
    for _ in 0..5 {
        let mut client = server.client();
        assert!(!attempt(
            &mut client,
            json!({"game_name": "s131", "player_name": "Alice"})
        ));
        client.reset();
    }
    let mut client = server.client();
    assert!(attempt(
        &mut client,
        json!({"game_name": "s131", "player_name": "Alice"})
    ));
}

/// D24: any inbound frame counts as life, and the server asks with a WebSocket ping before it gives up.
#[test]
fn s132_silent_client_is_closed_and_living_ones_are_not() {
    in_time(Duration::from_secs(5), || {
        let server = Server::start(json!({"server": {"ping_timeout": 3, "room_cleanup_interval": 1}}));
        let mut watcher = server.client();
        watcher.create("s132", "Watcher", 8);
        let code = watcher.code.clone();
        let mut pinging = server.client();
        pinging.enter("s132", &code, "Pinging");
        let mut sending = server.client();
        sending.enter("s132", &code, "Sending");
        // One that only answers the server's pings: a tungstenite client that reads.
        let mut answering = server.client();
        answering.enter("s132", &code, "Answering");
        let mut never_joined = raw::Raw::upgraded(server.addr);
        let mut silent = raw::Raw::upgraded(server.addr);
        let join =
            json!({"type": "JoinRoom", "data": {"game_name": "s132", "player_name": "Silent", "room_code": code}});
        silent.send(&raw::text(&join.to_string()));
        let id = silent.read_message()["data"]["player_id"]
            .as_str()
            .expect("joined")
            .to_owned();
        let begin = Instant::now();
        // Everybody alive does its own thing until the silent one is gone; reading answers pings.
        loop {
            assert!(begin.elapsed() < PATIENCE, "the silent one still sits there");
            pinging.send_kind("Ping");
            sending.send_data(json!(0));
            pinging.expect_later("Pong");
            let _ = answering.next_within(Duration::from_millis(50));
            let _ = sending.next_within(Duration::from_millis(50));
            if let Some(Incoming::Text(text)) = watcher.next_within(Duration::from_millis(100))
                && text.contains("PlayerLeft")
            {
                assert!(text.contains(&id), "{text}");
                break;
            }
        }
        let took = begin.elapsed();
        assert!(took > Duration::from_secs(2), "too early: {took:?}");
        for dead in [&mut silent, &mut never_joined] {
            let mut pinged = false;
            let close = loop {
                let frame = dead.read_frame().expect("a close frame");
                match frame.opcode {
                    raw::CLOSE => break frame,
                    raw::PING => pinged = true,
                    _ => {}
                }
            };
            assert!(pinged, "asked before it was closed");
            assert_eq!(close.payload.get(..2), Some(&1008_u16.to_be_bytes()[..]));
        }
        for alive in [&mut pinging, &mut sending, &mut answering, &mut watcher] {
            alive.drain();
        }
        took
    });
}

/// A server that sweeps every second and forgets rooms soon.
fn forgetful() -> Arc<Server> {
    static PLACE: super::harness::server::Shared = Mutex::new(Weak::new());
    let forgetful =
        json!({"server": {"room_cleanup_interval": 1, "empty_room_timeout": 2, "inactive_room_timeout": 3}});
    Server::shared(&PLACE, forgetful)
}

#[test]
fn s133_empty_room_stays_for_its_time_and_then_goes() {
    let server = forgetful();
    let mut a = server.client();
    a.enter("s133", "ROOM33", "Alice");
    let room = a.room.clone();
    // It ages while it is in use: the time counts from the moment it became empty.
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_millis(2500) {
        a.send_data(json!("busy"));
        std::thread::sleep(Duration::from_millis(200));
    }
    a.quiet();
    for _ in 0..2 {
        a.leave();
        a.enter("s133", "ROOM33", "Alice");
        assert_eq!(a.room, room, "re-entered before its time");
    }
    a.leave();
    let empty = Instant::now();
    let mut probe = server.client();
    wait_until("the empty room is removed", || {
        probe.send_watch("s133", "ROOM33", "Sue");
        let message = probe.next_message();
        if message["type"] == "SpectatorJoined" {
            probe.send_kind("LeaveSpectator");
            probe.expect_later("SpectatorLeft");
            // Watching does not keep a room without players alive, but there is no need to ask every 10 ms.
            std::thread::sleep(Duration::from_millis(100));
        }
        message["data"]["error_code"] == "ROOM_NOT_FOUND"
    });
    let took = empty.elapsed();
    // Two seconds for the room and one for the next look, on a machine that may be busy.
    assert!((Duration::from_secs(2)..PATIENCE).contains(&took), "{took:?}");
    a.enter("s133", "ROOM33", "Alice");
    assert_ne!(a.room, room);
}

#[test]
fn s134_room_with_traffic_lives_on() {
    let server = forgetful();
    let mut pair = room_of(&server, "s134", 4, false, &["Alice", "Bob"]);
    let from = pair[0].id.clone();
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(6) {
        pair[0].send_data(json!("alive"));
        pair[1].expect_data(&from, &json!("alive"));
        std::thread::sleep(Duration::from_millis(200));
    }
    let mut c = server.client();
    c.enter("s134", &pair[0].code, "Carol");
    assert_eq!(c.room, pair[0].room);
}

/// D8, D17: `Ping` is life of the connection, not of the room.
#[test]
fn s135_members_of_a_removed_room_are_told_and_may_join_again() {
    let server = forgetful();
    let mut pair = room_of(&server, "s135", 4, false, &["Alice", "Bob"]);
    let code = pair[0].code.clone();
    let mut s = server.client();
    s.watch("s135", &code, "Sue");
    for member in &mut pair {
        member.expect("NewSpectatorJoined");
    }
    let begin = Instant::now();
    let left = loop {
        assert!(begin.elapsed() < Duration::from_secs(8), "the idle room still stands");
        pair[0].send_kind("Ping");
        let message = pair[0].next_message();
        if message["type"] != "Pong" {
            break message;
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(left, json!({"type": "RoomLeft"}));
    assert!(
        begin.elapsed() > Duration::from_millis(2500),
        "too early: {:?}",
        begin.elapsed()
    );
    pair[1].expect("RoomLeft");
    pair[1].quiet();
    let data = s.expect("SpectatorLeft");
    assert_eq!(data["reason"], "room_closed");
    s.quiet();
    // The answer to the last `Ping`.
    pair[0].expect("Pong");
    let old = pair[0].room.clone();
    pair[0].enter("s135", &code, "Alice");
    assert_ne!(pair[0].room, old);
    pair[1].enter("s135", &code, "Bob");
    assert_eq!(pair[1].room, pair[0].room);
    s.watch("s135", &code, "Sue");
}

/// D40.
#[test]
fn limit_of_zero_allows_none() {
    let server = Server::start(json!({"rate_limit": {"max_room_creations": 0, "max_join_attempts": 0}}));
    let mut a = server.client();
    assert!(attempt(&mut a, json!({"game_name": "zero", "player_name": "Alice"})));
    assert!(attempt(
        &mut a,
        json!({"game_name": "zero", "player_name": "Alice", "room_code": "ZERO00"})
    ));
    let server = Server::start(json!({"security": {"max_connections_per_ip": 0}}));
    let mut a = server.client();
    assert!(a.expect_error("TOO_MANY_CONNECTIONS").contains("(0/0)"));
    a.expect_close(1008);
}

/// D22: a failed Reconnect is an attempt to join, a successful one is not.
#[test]
fn failed_returns_are_limited_and_successful_ones_are_not() {
    let server = Server::start(json!({"rate_limit": {"max_join_attempts": 5, "time_window": 600}}));
    let mut a = server.client();
    a.create("returns", "Alice", 4);
    for _ in 0..10 {
        let mut back = server.client();
        back.reconnect(&a.id, &a.room, &a.token);
        a = back;
    }
    for _ in 0..5 {
        let mut stranger = server.client();
        stranger.send_reconnect(&a.id, &a.room, "guess");
        stranger.expect_failure("ReconnectionFailed", "RECONNECTION_TOKEN_INVALID");
    }
    let mut stranger = server.client();
    stranger.send_reconnect(&a.id, &a.room, "guess");
    stranger.expect_failure("ReconnectionFailed", "RATE_LIMIT_EXCEEDED");
    a.quiet();
}
