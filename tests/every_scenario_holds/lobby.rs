//! Scenarios of the lobby and the start of the game (protocol 5).

use super::harness::client::room_of;
use super::harness::{Client, Server, in_time};
use super::server;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn ready(client: &mut Client) {
    client.send_kind("PlayerReady");
}

/// `GameStarting`, the peers sorted by name.
#[track_caller]
fn starting(client: &mut Client) -> Vec<Value> {
    let mut peers = match client.expect("GameStarting")["peer_connections"].take() {
        Value::Array(peers) => peers,
        other => client.fail(&format!("no list of peers: {other}")),
    };
    peers.sort_by_key(|peer| peer["player_name"].to_string());
    peers
}

/// A pair whose game has started.
fn started(server: &Server, game: &str, seats: u8, names: &[&str]) -> Vec<Client> {
    let mut members = room_of(server, game, seats, false, names);
    for member in &mut members {
        ready(member);
        member.drain();
    }
    for member in &mut members {
        member.drain();
    }
    members
}

#[test]
fn s087_filling_the_room_opens_the_lobby() {
    let server = server();
    let (mut a, mut b) = (server.client(), server.client());
    a.create("s087", "Alice", 2);
    let joined = b.enter("s087", &a.code, "Bob");
    // D12: the snapshot shows the room with the newcomer in it.
    assert_eq!(joined["lobby_state"], "lobby");
    b.expect_lobby("lobby", &[], false);
    b.quiet();
    a.expect("PlayerJoined");
    a.expect_lobby("lobby", &[], false);
    a.quiet();
}

#[test]
fn s088_ready_before_the_room_is_full_is_refused() {
    let server = server();
    let mut pair = room_of(&server, "s088", 3, false, &["Alice", "Bob"]);
    ready(&mut pair[0]);
    pair[0].expect_error("INVALID_ROOM_STATE");
    pair[0].quiet();
    pair[1].quiet();
}

#[test]
fn s089_ready_outside_a_room_is_refused() {
    let server = server();
    let mut a = server.client();
    ready(&mut a);
    a.expect_error("NOT_IN_ROOM");
    a.send(json!({
        "type": "ProvideConnectionInfo",
        "data": {"connection_info": {"type": "direct", "host": "localhost", "port": 1}},
    }));
    a.expect_error("NOT_IN_ROOM");
}

#[test]
fn s090_ready_toggles() {
    let server = server();
    let mut pair = room_of(&server, "s090", 2, false, &["Alice", "Bob"]);
    let a = pair[0].id.clone();
    ready(&mut pair[0]);
    for member in &mut pair {
        member.expect_lobby("lobby", &[&a], false);
    }
    ready(&mut pair[0]);
    for member in &mut pair {
        member.expect_lobby("lobby", &[], false);
        member.quiet();
    }
}

#[test]
fn s091_last_ready_starts_the_game_at_once() {
    let server = server();
    in_time(Duration::from_millis(200), || {
        let mut pair = room_of(&server, "s091", 2, false, &["Alice", "Bob"]);
        let ids = [pair[0].id.clone(), pair[1].id.clone()];
        let begin = Instant::now();
        for member in &mut pair {
            ready(member);
        }
        for member in &mut pair {
            // Either came first.
            let first = member.expect("LobbyStateChanged");
            assert_eq!(first["ready_players"].as_array().map(Vec::len), Some(1), "{first}");
            member.expect_lobby("finalized", &[&ids[0], &ids[1]], true);
            let peers = starting(member);
            assert_eq!(peers.len(), 2);
            assert_eq!(peers[0]["player_id"], ids[0].as_str());
            assert_eq!(peers[1]["player_id"], ids[1].as_str());
        }
        let took = begin.elapsed();
        for member in &mut pair {
            member.quiet();
        }
        took
    });
}

#[test]
fn s092_start_tells_how_to_connect() {
    let server = server();
    let mut trio = room_of(&server, "s092", 3, true, &["Alice", "Bob", "Carol"]);
    let relay = json!({
        "type": "relay", "host": "relay.example", "port": 7, "allocation_id": "al", "token": "to", "unknown": 1,
    });
    for (member, info) in [
        (0, json!({"type": "direct", "host": "a.example", "port": 65_535})),
        (0, json!({"type": "webrtc", "ice_candidates": ["one"]})),
        (1, relay),
    ] {
        trio[member].send(json!({"type": "ProvideConnectionInfo", "data": {"connection_info": info}}));
        // Neither answered nor announced.
        trio[member].quiet();
    }
    trio[0].send_text(
        r#"{"type":"ProvideConnectionInfo","data":{"connection_info":{"type":"direct","host":"x","port":65536}}}"#,
    );
    trio[0].expect_error("INVALID_INPUT");
    for member in &mut trio {
        ready(member);
    }
    let expected = json!([
        {
            "player_id": trio[0].id, "player_name": "Alice", "is_authority": true, "relay_type": "matchbox",
            "connection_info": {"type": "webrtc", "sdp": null, "ice_candidates": ["one"]},
        },
        {
            "player_id": trio[1].id, "player_name": "Bob", "is_authority": false, "relay_type": "matchbox",
            "connection_info": {
                "type": "relay", "host": "relay.example", "port": 7, "transport": "auto", "allocation_id": "al",
                "token": "to",
            },
        },
        {"player_id": trio[2].id, "player_name": "Carol", "is_authority": false, "relay_type": "matchbox"},
    ]);
    for member in &mut trio {
        for _ in 0..3 {
            member.expect("LobbyStateChanged");
        }
        let peers = starting(member);
        assert_eq!(Value::Array(peers), expected);
    }
}

#[test]
fn s093_last_change_of_the_lobby_says_finalized() {
    let server = server();
    let mut pair = room_of(&server, "s093", 2, false, &["Alice", "Bob"]);
    let ids = [pair[0].id.clone(), pair[1].id.clone()];
    let mut watcher = server.client();
    let code = pair[0].code.clone();
    watcher.watch("s093", &code, "Sue");
    for member in &mut pair {
        member.drain();
    }
    ready(&mut pair[0]);
    for member in &mut pair {
        member.expect_lobby("lobby", &[&ids[0]], false);
    }
    ready(&mut pair[1]);
    for member in &mut pair {
        member.expect_lobby("finalized", &[&ids[0], &ids[1]], true);
        starting(member);
        member.quiet();
    }
    let mut late = server.client();
    let seen = late.watch("s093", &code, "Sam");
    assert_eq!(seen["lobby_state"], "finalized");
    assert!(
        seen["current_players"]
            .as_array()
            .into_iter()
            .flatten()
            .all(|player| player["is_ready"] == true)
    );
}

#[test]
fn s094_lobby_breaks_when_a_player_leaves() {
    let server = server();
    let mut pair = room_of(&server, "s094", 2, false, &["Alice", "Bob"]);
    let code = pair[0].code.clone();
    let (a, b) = (pair[0].id.clone(), pair[1].id.clone());
    ready(&mut pair[0]);
    pair[0].expect_lobby("lobby", &[&a], false);
    pair[0].leave();
    pair[1].expect_lobby("lobby", &[&a], false);
    pair[1].expect_left(&a);
    pair[1].expect_lobby("waiting", &[], false);
    let mut c = server.client();
    let joined = c.enter("s094", &code, "Carol");
    assert_eq!(joined["ready_players"], json!([]));
    c.expect_lobby("lobby", &[], false);
    pair[1].expect("PlayerJoined");
    pair[1].expect_lobby("lobby", &[], false);
    ready(&mut pair[1]);
    for member in [&mut pair[1], &mut c] {
        member.expect_lobby("lobby", &[&b], false);
        member.quiet();
    }
}

#[test]
fn s095_lobby_breaks_when_a_player_drops() {
    let server = server();
    let mut trio = room_of(&server, "s095", 3, false, &["Alice", "Bob", "Carol"]);
    let code = trio[0].code.clone();
    let (a, b) = (trio[0].id.clone(), trio[1].id.clone());
    for member in [0, 1] {
        ready(&mut trio[member]);
    }
    for member in &mut trio {
        member.expect("LobbyStateChanged");
        member.expect_lobby("lobby", &[&a, &b], false);
    }
    trio.remove(0).reset();
    for member in &mut trio {
        member.expect_left(&a);
        member.expect_lobby("waiting", &[], false);
    }
    let mut d = server.client();
    d.enter("s095", &code, "Dave");
    d.expect_lobby("lobby", &[], false);
    ready(&mut trio[0]);
    d.expect_lobby("lobby", &[&b], false);
    d.quiet();
}

#[test]
fn s096_ready_after_the_start_is_refused() {
    let server = server();
    let mut pair = started(&server, "s096", 2, &["Alice", "Bob"]);
    ready(&mut pair[0]);
    pair[0].expect_error("INVALID_ROOM_STATE");
    pair[0].quiet();
    pair[1].quiet();
    // D13: a later version's message is accepted and ignored.
    pair[0].send_kind("StartGame");
    pair[0].quiet();
    pair[1].quiet();
}

/// D14 overrides the scenario: the single player's `PlayerReady` starts the game.
#[test]
fn s097_room_for_one_has_no_lobby_and_starts_when_ready() {
    let server = server();
    let mut a = server.client();
    let joined = a.create("s097", "Alice", 1);
    assert_eq!(joined["lobby_state"], "waiting");
    a.quiet();
    ready(&mut a);
    let id = a.id.clone();
    a.expect_lobby("finalized", &[&id], true);
    let peers = starting(&mut a);
    assert_eq!(peers.len(), 1);
    assert_eq!(peers[0]["player_id"], id.as_str());
    a.quiet();
}

#[test]
fn s098_refilled_lobby_is_announced_at_once() {
    let server = server();
    in_time(Duration::from_secs(2), || {
        let mut pair = room_of(&server, "s098", 2, false, &["Alice", "Bob"]);
        let code = pair[0].code.clone();
        let begin = Instant::now();
        for _ in 0..5 {
            let left = pair[1].id.clone();
            pair[1].leave();
            pair[0].expect_left(&left);
            pair[0].expect_lobby("waiting", &[], false);
            pair[1].enter("s098", &code, "Bob");
            pair[1].expect_lobby("lobby", &[], false);
            pair[0].expect("PlayerJoined");
            pair[0].expect_lobby("lobby", &[], false);
        }
        begin.elapsed()
    });
}

/// D15: a seat that its player gave up is free; one that waits for a dropped player is not (D19).
#[test]
fn s099_newcomer_sees_a_started_game_if_a_seat_is_free() {
    let server = server();
    let mut trio = started(&server, "s099", 3, &["Alice", "Bob", "Carol"]);
    let code = trio[0].code.clone();
    let bob = trio[1].id.clone();
    trio[1].leave();
    trio[0].expect_left(&bob);
    trio[0].quiet();
    let mut d = server.client();
    let joined = d.enter("s099", &code, "Dave");
    assert_eq!(joined["lobby_state"], "finalized");
    let ready_players = joined["ready_players"].as_array().cloned().unwrap_or_default();
    assert!(
        !ready_players.contains(&json!(bob)) && !ready_players.contains(&json!(d.id)),
        "{joined}"
    );
    for player in joined["current_players"].as_array().into_iter().flatten() {
        assert_eq!(player["is_ready"], ready_players.contains(&player["id"]), "{joined}");
    }
    d.quiet();
    trio[0].expect("PlayerJoined");
    trio[0].quiet();
    let carol = trio.remove(2);
    let carol_id = carol.id.clone();
    carol.reset();
    trio[0].expect_left(&carol_id);
    let mut e = server.client();
    e.send_join(json!({"game_name": "s099", "player_name": "Erin", "room_code": code}));
    e.expect_failure("RoomJoinFailed", "ROOM_FULL");
}

/// D37.
#[test]
fn connection_info_has_a_limit() {
    let server = server();
    let mut a = server.client();
    a.create("info", "Alice", 4);
    for (length, fits) in [(3000, true), (5000, false)] {
        a.send(json!({
            "type": "ProvideConnectionInfo",
            "data": {"connection_info": {"type": "custom", "data": "x".repeat(length)}},
        }));
        if !fits {
            a.expect_error("INVALID_INPUT");
        }
        a.quiet();
    }
}
