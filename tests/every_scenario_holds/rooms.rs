//! Scenarios of joining and leaving rooms (protocol 3.2, 3.3, 11).

use super::harness::client::room_of;
use super::harness::{Server, in_time, wait_until};
use super::server;
use serde_json::{Value, json};
use std::sync::Barrier;
use std::time::{Duration, Instant};

#[test]
fn s052_creator_gets_the_whole_room() {
    let server = server();
    let mut a = server.client();
    a.send_join(json!({"game_name": "s052", "player_name": "Alice"}));
    let joined = a.expect_joined("RoomJoined");
    let keys: Vec<&str> = joined
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    let mut expected = vec![
        "room_id",
        "room_code",
        "player_id",
        "game_name",
        "max_players",
        "supports_authority",
        "current_players",
        "is_authority",
        "lobby_state",
        "ready_players",
        "relay_type",
        "current_spectators",
        "auth_token",
    ];
    expected.sort_unstable();
    let mut keys = keys;
    keys.sort_unstable();
    assert_eq!(keys, expected);
    let alphabet = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
    assert!(
        a.code.len() == 6 && a.code.chars().all(|c| alphabet.contains(c)),
        "{}",
        a.code
    );
    assert_eq!(joined["game_name"], "s052");
    assert_eq!(joined["max_players"], 8);
    assert_eq!(joined["supports_authority"], true);
    assert_eq!(joined["is_authority"], true);
    assert_eq!(joined["lobby_state"], "waiting");
    assert_eq!(joined["ready_players"], json!([]));
    assert_eq!(joined["relay_type"], "matchbox");
    assert_eq!(joined["current_spectators"], json!([]));
    let mut own = joined["current_players"].clone();
    let since = own[0].as_object_mut().and_then(|player| player.remove("connected_at"));
    let since = since.as_ref().and_then(Value::as_str).expect("a time");
    assert!(since.len() >= 20 && since.ends_with('Z'), "{since}");
    assert_eq!(
        own,
        json!([{"id": a.id, "name": "Alice", "is_authority": true, "is_ready": false}])
    );
    a.quiet();
}

#[test]
fn s053_null_means_default() {
    let server = server();
    let mut a = server.client();
    let joined = a.join(json!({
        "game_name": "s053", "player_name": "Alice", "room_code": null, "max_players": null,
        "supports_authority": null, "relay_transport": null,
    }));
    assert_eq!(joined["max_players"], 8);
    assert_eq!(joined["supports_authority"], true);
    assert_eq!(a.code.len(), 6);
}

#[test]
fn s054_second_player_joins_with_lower_case_code() {
    let server = server();
    let (mut a, mut b) = (server.client(), server.client());
    a.create("s054", "Alice", 4);
    let joined = b.enter("s054", &a.code.to_lowercase(), "Bob");
    assert_eq!(b.code, a.code);
    assert_eq!(b.room, a.room);
    assert_ne!(b.id, a.id);
    let names: Vec<&Value> = joined["current_players"]
        .as_array()
        .expect("players")
        .iter()
        .map(|p| &p["name"])
        .collect();
    assert_eq!(names.len(), 2);
    assert!(names.contains(&&json!("Alice")) && names.contains(&&json!("Bob")));
    let player = &a.expect("PlayerJoined")["player"];
    assert_eq!(player["id"], b.id.as_str());
    assert_eq!(player["name"], "Bob");
    assert_eq!(player["is_ready"], false);
    assert_eq!(player["is_authority"], false);
    b.quiet();
    a.quiet();
}

#[test]
fn s055_settings_of_the_second_player_are_ignored() {
    let server = server();
    let (mut a, mut b) = (server.client(), server.client());
    a.join(json!({"game_name": "s055", "player_name": "Alice", "max_players": 5, "supports_authority": true}));
    let joined = b.join(json!({
        "game_name": "s055", "player_name": "Bob", "room_code": a.code, "max_players": 2, "supports_authority": false,
    }));
    assert_eq!(joined["max_players"], 5);
    assert_eq!(joined["supports_authority"], true);
    assert_eq!(joined["is_authority"], false);
}

#[test]
fn s056_unknown_code_creates_that_room() {
    let server = server();
    let mut a = server.client();
    a.enter("s056", "qwe456", "Alice");
    assert_eq!(a.code, "QWE456");
    // The characters that generated codes avoid are allowed in a given one.
    let mut b = server.client();
    b.enter("s056", "0o1i2l", "Bob");
    assert_eq!(b.code, "0O1I2L");
}

#[test]
fn s057_same_code_in_another_game_is_another_room() {
    let server = server();
    let (mut a, mut b) = (server.client(), server.client());
    a.enter("s057-one", "SAME57", "Alice");
    let joined = b.enter("s057-two", "SAME57", "Bob");
    assert_ne!(a.room, b.room);
    assert_eq!(joined["current_players"].as_array().map(Vec::len), Some(1));
    a.quiet();
}

#[test]
fn s058_case_of_the_game_name_matters() {
    let server = server();
    let (mut a, mut b) = (server.client(), server.client());
    a.enter("s058", "SAME58", "Alice");
    b.enter("S058", "SAME58", "Bob");
    assert_ne!(a.room, b.room);
}

#[test]
fn s059_full_room_refuses() {
    let server = server();
    let mut pair = room_of(&server, "s059", 2, false, &["Alice", "Bob"]);
    let mut c = server.client();
    c.send_join(json!({"game_name": "s059", "player_name": "Carol", "room_code": pair[0].code}));
    assert_eq!(c.expect_failure("RoomJoinFailed", "ROOM_FULL"), "Room is full");
    for member in &mut pair {
        member.quiet();
    }
}

#[test]
fn s060_name_clash_is_refused_and_nobody_hears_of_it() {
    let server = server();
    let mut alone = room_of(&server, "s060", 4, false, &["Alice"]);
    let mut b = server.client();
    b.send_join(json!({"game_name": "s060", "player_name": "aLICE", "room_code": alone[0].code}));
    let reason = b.expect_failure("RoomJoinFailed", "INVALID_PLAYER_NAME");
    assert_eq!(reason, "Player name already exists in this room");
    alone[0].quiet();
    b.enter("s060", &alone[0].code, "Bob");
}

#[test]
fn s061_join_inside_a_room_is_refused() {
    let server = server();
    let mut pair = room_of(&server, "s061", 4, false, &["Alice", "Bob"]);
    pair[1].send_join(json!({"game_name": "s061", "player_name": "Bob"}));
    assert_eq!(
        pair[1].expect_failure("RoomJoinFailed", "ALREADY_IN_ROOM"),
        "Already in a room"
    );
    pair[1].send_data(json!("still here"));
    let id = pair[1].id.clone();
    pair[0].expect_data(&id, &json!("still here"));
    pair[1].quiet();
}

/// D7: lengths count characters, not bytes.
#[test]
fn s062_game_names_have_rules() {
    let server = server();
    let mut a = server.client();
    let long = "é".repeat(65);
    for (name, reason) in [
        ("", "Game name cannot be empty"),
        (long.as_str(), "Game name too long (max 64 characters)"),
        ("a/b", "Game name contains invalid characters"),
    ] {
        a.send_join(json!({"game_name": name, "player_name": "Alice"}));
        assert_eq!(a.expect_failure("RoomJoinFailed", "INVALID_GAME_NAME"), reason);
    }
    a.join(json!({"game_name": "é".repeat(64), "player_name": "Alice"}));
    a.leave();
    a.join(json!({"game_name": "s062".repeat(16), "player_name": "Alice"}));
}

/// D5 and D7: the code is `INVALID_PLAYER_NAME`, lengths count characters.
#[test]
fn s063_player_names_have_rules() {
    let server = server();
    let mut a = server.client();
    let long = "é".repeat(33);
    for (name, reason) in [
        ("", "Player name cannot be empty"),
        ("   ", "Player name cannot be blank"),
        (" Alice", "Player name cannot have leading or trailing whitespace"),
        ("Alice ", "Player name cannot have leading or trailing whitespace"),
        ("Al\tice", "Player name cannot contain whitespace characters"),
        ("p!", "Player name contains invalid characters"),
        (long.as_str(), "Player name too long (max 32 characters)"),
    ] {
        a.send_join(json!({"game_name": "s063", "player_name": name}));
        assert_eq!(a.expect_failure("RoomJoinFailed", "INVALID_PLAYER_NAME"), reason);
    }
    for name in ["日本", "a-b_c d", &"é".repeat(32)] {
        a.join(json!({"game_name": "s063", "player_name": name}));
        a.leave();
    }
}

#[test]
fn s064_max_players_has_a_range() {
    let server = server();
    let mut a = server.client();
    for (seats, reason) in [
        (0, "Max players must be at least 1"),
        (101, "Max players cannot exceed 100"),
    ] {
        a.send_join(json!({"game_name": "s064", "player_name": "Alice", "max_players": seats}));
        assert_eq!(a.expect_failure("RoomJoinFailed", "INVALID_MAX_PLAYERS"), reason);
    }
    for seats in [1, 100] {
        let joined = a.join(json!({"game_name": "s064", "player_name": "Alice", "max_players": seats}));
        assert_eq!(joined["max_players"], seats);
        a.leave();
    }
}

#[test]
fn s065_room_codes_have_rules() {
    let server = server();
    let mut a = server.client();
    for (code, reason) in [
        ("", "Room code cannot be empty"),
        ("ABC12", "Room code must be exactly 6 characters"),
        ("ABC1234", "Room code must be exactly 6 characters"),
        ("ABC12!", "Room code must be alphanumeric"),
        ("ABC12É", "Room code must be alphanumeric"),
    ] {
        a.send_join(json!({"game_name": "s065", "player_name": "Alice", "room_code": code}));
        assert_eq!(a.expect_failure("RoomJoinFailed", "INVALID_ROOM_CODE"), reason);
    }
    a.quiet();
}

#[test]
fn s066_game_with_all_its_rooms_refuses_at_once() {
    let server = Server::start(json!({"server": {"max_rooms_per_game": 3}}));
    let mut rooms: Vec<_> = (0..3).map(|_| server.client()).collect();
    for client in &mut rooms {
        client.create("s066", "Alice", 4);
    }
    let mut d = server.client();
    for code in [None, Some("NEW066"), Some("NEW066"), None] {
        in_time(Duration::from_millis(100), || {
            let begin = Instant::now();
            d.send_join(json!({"game_name": "s066", "player_name": "Dave", "room_code": code}));
            let reason = d.expect_failure("RoomJoinFailed", "MAX_ROOMS_PER_GAME_EXCEEDED");
            assert!(reason.contains("s066") && reason.contains('3'), "{reason}");
            begin.elapsed()
        });
    }
    d.create("s066-other", "Dave", 4);
    d.leave();
    let code = rooms[0].code.clone();
    d.enter("s066", &code, "Dave");
}

#[test]
fn s067_leaver_and_others_are_told() {
    let server = server();
    let mut trio = room_of(&server, "s067", 4, false, &["Alice", "Bob", "Carol"]);
    trio[1].leave();
    trio[1].quiet();
    let left = trio[1].id.clone();
    for other in [0, 2] {
        trio[other].expect_left(&left);
        trio[other].quiet();
    }
}

#[test]
fn s068_leaving_outside_a_room_is_silent() {
    let server = server();
    let mut a = server.client();
    a.send_kind("LeaveRoom");
    a.quiet();
    a.create("s068", "Alice", 4);
    a.leave();
    a.send_kind("LeaveRoom");
    a.quiet();
}

#[test]
fn s069_player_keeps_its_id_from_room_to_room() {
    let server = server();
    let mut a = server.client();
    a.create("s069", "Alice", 4);
    let first = a.id.clone();
    a.leave();
    a.create("s069", "Alice", 4);
    assert_eq!(a.id, first);
    a.leave();
    a.enter("s069-elsewhere", "ELSE69", "Alice");
    assert_eq!(a.id, first);
}

#[test]
fn s070_dropped_player_is_gone_within_a_second() {
    let server = server();
    for drop in [super::harness::Client::reset, super::harness::Client::hang_up] {
        in_time(Duration::from_secs(1), || {
            let mut pair = room_of(&server, "s070", 4, false, &["Alice", "Bob"]);
            let bob = pair.pop().expect("two");
            let id = bob.id.clone();
            let begin = Instant::now();
            drop(bob);
            pair[0].expect_left(&id);
            let took = begin.elapsed();
            let mut again = server.client();
            again.enter("s070", &pair[0].code, "Bob");
            assert_ne!(again.id, id);
            took
        });
    }
}

#[test]
fn s071_last_seat_goes_to_one_of_two() {
    let server = server();
    for _ in 0..20 {
        let mut first = server.client();
        first.create("s071", "Alice", 2);
        let code = first.code.clone();
        let start = Barrier::new(2);
        let outcomes = std::thread::scope(|scope| {
            let racers = ["Bob", "Carol"].map(|name| {
                let (server, code, start) = (&server, &code, &start);
                scope.spawn(move || {
                    let mut racer = server.client();
                    start.wait();
                    racer.send_join(json!({"game_name": "s071", "player_name": name, "room_code": code}));
                    let message = racer.next_message();
                    // The winner stays connected until both know.
                    (message["type"].clone(), message["data"]["error_code"].clone(), racer)
                })
            });
            racers.map(|racer| racer.join().expect("a racer"))
        });
        let won = outcomes.iter().filter(|outcome| outcome.0 == "RoomJoined").count();
        let lost = outcomes.iter().filter(|outcome| outcome.1 == "ROOM_FULL").count();
        assert_eq!((won, lost), (1, 1), "{outcomes:?}");
    }
}

#[test]
fn s072_fifty_creators_of_one_code_meet_in_one_room() {
    let server = server();
    let start = Barrier::new(50);
    let mut players: Vec<_> = std::thread::scope(|scope| {
        let racers: Vec<_> = (0..50)
            .map(|number| {
                let (server, start) = (&server, &start);
                scope.spawn(move || {
                    let mut racer = server.client();
                    start.wait();
                    racer.join(json!({
                        "game_name": "s072", "player_name": format!("P{number}"), "room_code": "RACE72",
                        "max_players": 60,
                    }));
                    racer
                })
            })
            .collect();
        racers.into_iter().map(|racer| racer.join().expect("a racer")).collect()
    });
    let room = players[0].room.clone();
    assert!(players.iter().all(|player| player.room == room));
    let mut witness = server.client();
    let seen = witness.enter("s072", "RACE72", "Witness");
    assert_eq!(seen["current_players"].as_array().map(Vec::len), Some(51));
    let authorities = seen["current_players"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|p| p["is_authority"] == true);
    assert_eq!(authorities.count(), 1, "one of them created it");
    for player in &mut players {
        wait_until("everybody hears of the last one", || {
            player.expect("PlayerJoined")["player"]["name"] == "Witness"
        });
    }
}
