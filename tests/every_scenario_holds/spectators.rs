//! Scenarios of spectators (protocol 7).

use super::harness::client::room_of;
use super::harness::{Client, Server};
use super::server;
use serde_json::{Value, json};

/// Ids in a list of spectators.
fn ids(list: &Value) -> Vec<&str> {
    let mut ids: Vec<&str> = list
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|one| one["id"].as_str())
        .collect();
    ids.sort_unstable();
    ids
}

fn sorted(mut ids: Vec<&str>) -> Vec<&str> {
    ids.sort_unstable();
    ids
}

/// Alice and Bob play, Sue watches.
fn watched(server: &Server, game: &str, seats: u8, authority: bool) -> (Vec<Client>, Client) {
    let mut pair = room_of(server, game, seats, authority, &["Alice", "Bob"]);
    let mut s = server.client();
    s.watch(game, &pair[0].code.clone(), "Sue");
    for member in &mut pair {
        member.drain();
    }
    (pair, s)
}

#[test]
fn s108_spectator_is_announced_to_players_and_spectators() {
    let server = server();
    let mut pair = room_of(&server, "s108", 4, false, &["Alice", "Bob"]);
    let code = pair[0].code.clone();
    let mut s = server.client();
    let seen = s.watch("s108", &code, "Sue");
    let mut keys: Vec<&str> = seen
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    let expected = [
        "current_players",
        "current_spectators",
        "game_name",
        "lobby_state",
        "reason",
        "room_code",
        "room_id",
        "spectator_id",
    ];
    assert_eq!(keys, expected);
    assert_eq!(seen["reason"], "joined");
    assert_eq!(seen["room_id"], pair[0].room.as_str());
    assert_eq!(seen["game_name"], "s108");
    assert_eq!(seen["current_players"].as_array().map(Vec::len), Some(2));
    assert_eq!(ids(&seen["current_spectators"]), [s.id.as_str()]);
    s.quiet();
    for member in &mut pair {
        let data = member.expect("NewSpectatorJoined");
        assert_eq!(data["spectator"]["id"], s.id.as_str());
        assert_eq!(data["spectator"]["name"], "Sue");
        assert_eq!(data["reason"], "joined");
        assert_eq!(ids(&data["current_spectators"]), [s.id.as_str()]);
        member.quiet();
    }
    // Names of spectators need not be unique.
    let mut t = server.client();
    t.watch("s108", &code, "Sue");
    let data = s.expect("NewSpectatorJoined");
    assert_eq!(ids(&data["current_spectators"]), sorted(vec![&s.id, &t.id]));
    s.quiet();
    t.quiet();
}

#[test]
fn s109_lower_case_code_is_found() {
    let server = server();
    let pair = room_of(&server, "s109", 4, false, &["Alice", "Bob"]);
    let mut s = server.client();
    s.watch("s109", &pair[0].code.to_lowercase(), "Sue");
    assert_eq!(s.code, pair[0].code);
}

#[test]
fn s110_unknown_room_is_told() {
    let server = server();
    let pair = room_of(&server, "s110", 4, false, &["Alice"]);
    let mut s = server.client();
    for (game, code) in [("s110", "NOROOM"), ("s110-other", pair[0].code.as_str())] {
        s.send_watch(game, code, "Sue");
        assert_eq!(
            s.expect_failure("SpectatorJoinFailed", "ROOM_NOT_FOUND"),
            "Room not found"
        );
    }
    s.quiet();
}

#[test]
fn s111_spectator_names_have_rules() {
    let server = server();
    let mut pair = room_of(&server, "s111", 4, false, &["Alice"]);
    let mut s = server.client();
    s.send_watch("s111", &pair[0].code, "");
    let reason = s.expect_failure("SpectatorJoinFailed", "INVALID_PLAYER_NAME");
    assert_eq!(reason, "Player name cannot be empty");
    s.send_watch("s111", &pair[0].code, "p!");
    s.expect_failure("SpectatorJoinFailed", "INVALID_PLAYER_NAME");
    pair[0].quiet();
}

#[test]
fn s112_spectator_receives_what_a_player_would() {
    let server = server();
    let (mut pair, mut s) = watched(&server, "s112", 3, true);
    let code = pair[0].code.clone();
    let (a, b) = (pair[0].id.clone(), pair[1].id.clone());
    pair[0].send_data(json!({"n": 1}));
    s.expect_data(&a, &json!({"n": 1}));
    let mut c = server.client();
    c.enter("s112", &code, "Carol");
    assert_eq!(s.expect("PlayerJoined")["player"]["id"], c.id.as_str());
    s.expect_lobby("lobby", &[], false);
    c.leave();
    s.expect_left(&c.id);
    s.expect_lobby("waiting", &[], false);
    pair[0].send_authority(false);
    s.expect_authority(None, false);
    c.enter("s112", &code, "Carol");
    s.expect("PlayerJoined");
    s.expect_lobby("lobby", &[], false);
    for member in pair.iter_mut().chain([&mut c]) {
        member.send_kind("PlayerReady");
        s.expect("LobbyStateChanged");
    }
    let starting = s.expect("GameStarting");
    assert_eq!(starting["peer_connections"].as_array().map(Vec::len), Some(3));
    let mut t = server.client();
    t.watch("s112", &code, "Tom");
    assert_eq!(s.expect("NewSpectatorJoined")["spectator"]["id"], t.id.as_str());
    pair.remove(1).reset();
    s.expect_left(&b);
    s.quiet();
}

/// D8 overrides the scenario: the spectator is told, and nobody hears anything.
#[test]
fn s113_spectator_may_not_act() {
    let server = server();
    let (mut pair, mut s) = watched(&server, "s113", 4, true);
    s.send_data(json!(1));
    s.expect_error("NOT_IN_ROOM");
    s.send_kind("PlayerReady");
    s.expect_error("NOT_IN_ROOM");
    s.send_authority(true);
    s.expect_denied("NOT_IN_ROOM");
    s.send(json!({
        "type": "ProvideConnectionInfo",
        "data": {"connection_info": {"type": "direct", "host": "localhost", "port": 1}},
    }));
    s.expect_error("NOT_IN_ROOM");
    s.send_kind("LeaveRoom");
    s.quiet();
    for member in &mut pair {
        member.quiet();
    }
}

#[test]
fn s114_leaving_spectator_and_others_are_told() {
    let server = server();
    let (mut pair, mut s) = watched(&server, "s114", 4, false);
    let mut t = server.client();
    t.watch("s114", &pair[0].code.clone(), "Tom");
    for member in pair.iter_mut().chain([&mut s]) {
        member.expect("NewSpectatorJoined");
    }
    s.send_kind("LeaveSpectator");
    let left = s.expect("SpectatorLeft");
    assert_eq!(left["reason"], "voluntary_leave");
    assert_eq!(left["room_id"], pair[0].room.as_str());
    assert_eq!(left["room_code"], pair[0].code.as_str());
    assert_eq!(ids(&left["current_spectators"]), [t.id.as_str()]);
    let rest = t.id.clone();
    for member in pair.iter_mut().chain([&mut t]) {
        let data = member.expect("SpectatorDisconnected");
        assert_eq!(data["spectator_id"], s.id.as_str());
        assert_eq!(data["reason"], "voluntary_leave");
        assert_eq!(ids(&data["current_spectators"]), [rest.as_str()]);
        member.quiet();
    }
    // It may play now.
    s.enter("s114", &pair[0].code, "Sue");
}

#[test]
fn s115_leaving_without_watching_is_refused() {
    let server = server();
    let mut alone = room_of(&server, "s115", 4, false, &["Alice"]);
    let mut s = server.client();
    for client in [&mut s, &mut alone[0]] {
        client.send_kind("LeaveSpectator");
        let text = client.expect_error("NOT_A_SPECTATOR");
        assert_eq!(text, "You are not currently spectating a room");
        client.quiet();
    }
}

#[test]
fn s116_dropped_spectator_is_announced() {
    let server = server();
    let (mut pair, s) = watched(&server, "s116", 4, false);
    let id = s.id.clone();
    s.reset();
    for member in &mut pair {
        let data = member.expect("SpectatorDisconnected");
        let expected = json!({"spectator_id": id, "reason": "disconnected", "current_spectators": []});
        assert_eq!(data, expected);
        member.quiet();
    }
}

#[test]
fn s117_spectators_take_no_seat() {
    let server = server();
    let mut alone = room_of(&server, "s117", 2, false, &["Alice"]);
    let code = alone[0].code.clone();
    let mut spectators: Vec<Client> = (0..3).map(|_| server.client()).collect();
    for s in &mut spectators {
        s.watch("s117", &code, "Sue");
    }
    alone[0].drain();
    let mut b = server.client();
    b.enter("s117", &code, "Bob");
    b.expect_lobby("lobby", &[], false);
    for member in [&mut alone[0], &mut b] {
        member.send_kind("PlayerReady");
    }
    b.expect_later("GameStarting");
}

#[test]
fn s118_joining_player_sees_the_spectators() {
    let server = server();
    let (pair, s) = watched(&server, "s118", 4, false);
    let mut c = server.client();
    let joined = c.enter("s118", &pair[0].code, "Carol");
    assert_eq!(ids(&joined["current_spectators"]), [s.id.as_str()]);
    assert_eq!(joined["current_spectators"][0]["name"], "Sue");
}

/// D8: one connection is player or spectator of one room, never both.
#[test]
fn player_and_spectator_exclude_each_other() {
    let server = server();
    let (mut pair, mut s) = watched(&server, "exclusive", 4, false);
    let code = pair[0].code.clone();
    pair[0].send_watch("exclusive", &code, "Alice");
    pair[0].expect_failure("SpectatorJoinFailed", "ALREADY_IN_ROOM");
    s.send_watch("exclusive", &code, "Sue");
    s.expect_failure("SpectatorJoinFailed", "ALREADY_IN_ROOM");
    s.send_join(json!({"game_name": "exclusive", "player_name": "Sue", "room_code": code}));
    s.expect_failure("RoomJoinFailed", "ALREADY_IN_ROOM");
    for member in &mut pair {
        member.quiet();
    }
}

/// D37.
#[test]
fn spectators_are_limited() {
    let server = Server::start(json!({"server": {"max_spectators_per_room": 2}}));
    let mut alone = room_of(&server, "limited", 4, false, &["Alice"]);
    let code = alone[0].code.clone();
    let mut spectators: Vec<Client> = (0..2).map(|_| server.client()).collect();
    for s in &mut spectators {
        s.watch("limited", &code, "Sue");
    }
    let mut third = server.client();
    third.send_watch("limited", &code, "Tom");
    third.expect_failure("SpectatorJoinFailed", "TOO_MANY_SPECTATORS");
    alone[0].drain();
    spectators.pop().expect("two").reset();
    alone[0].expect("SpectatorDisconnected");
    third.watch("limited", &code, "Tom");
}
