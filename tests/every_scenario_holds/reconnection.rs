//! Scenarios of reconnection (protocol 8).

use super::harness::client::room_of;
use super::harness::{Client, Server, wait_until};
use super::server;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

/// A server with short times for dropped players and for empty rooms.
fn hasty() -> Arc<Server> {
    static PLACE: super::harness::server::Shared = Mutex::new(Weak::new());
    let hasty = json!({"server": {
        "reconnection_window": 1, "room_cleanup_interval": 1, "empty_room_timeout": 600, "event_buffer_size": 5,
    }});
    Server::shared(&PLACE, hasty)
}

/// What is needed to come back.
struct Away {
    id: String,
    room: String,
    token: String,
}

/// Drops the last of `members`; the others have read what that caused.
#[track_caller]
fn drop_last(members: &mut Vec<Client>) -> Away {
    let gone = members.pop().expect("somebody");
    let away = Away {
        id: gone.id.clone(),
        room: gone.room.clone(),
        token: gone.token.clone(),
    };
    assert!(!away.token.is_empty(), "a player gets a token (D18)");
    gone.reset();
    for member in members {
        member.expect_left(&away.id);
    }
    away
}

/// A new connection that tries to come back and is refused.
#[track_caller]
fn refused(server: &Server, away: &Away, code: &str) -> String {
    let mut client = server.client();
    client.send_reconnect(&away.id, &away.room, &away.token);
    let reason = client.expect_failure("ReconnectionFailed", code);
    client.quiet();
    reason
}

fn kinds(events: &Value) -> Vec<&str> {
    events
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|event| event["type"].as_str())
        .collect()
}

#[test]
fn s119_dropped_player_comes_back() {
    let server = server();
    let mut members = room_of(&server, "s119", 5, true, &["Alice", "Bob"]);
    let code = members[0].code.clone();
    let away = drop_last(&mut members);
    members[0].send_data(json!({"n": 1}));
    let mut c = server.client();
    c.enter("s119", &code, "Carol");
    members[0].expect("PlayerJoined");
    members[0].send_data(json!({"n": 2}));
    members[0].quiet();
    let mut back = server.client();
    let state = back.reconnect(&away.id, &away.room, &away.token);
    assert_eq!(back.id, away.id);
    assert_eq!(back.room, away.room);
    assert_eq!(back.code, code);
    assert!(
        !back.token.is_empty() && back.token != away.token,
        "the token is rotated"
    );
    assert_eq!(state["game_name"], "s119");
    assert_eq!(state["max_players"], 5);
    assert_eq!(state["lobby_state"], "waiting");
    assert_eq!(state["is_authority"], false);
    assert_eq!(state["current_players"].as_array().map(Vec::len), Some(3));
    let missed = &state["missed_events"];
    assert_eq!(kinds(missed), ["GameData", "PlayerJoined", "GameData"]);
    let a = members[0].id.clone();
    assert_eq!(
        missed[0],
        json!({"type": "GameData", "data": {"from_player": a, "data": {"n": 1}}})
    );
    assert_eq!(missed[1]["data"]["player"]["id"], c.id.as_str());
    assert_eq!(missed[2]["data"]["data"], json!({"n": 2}));
    back.quiet();
    c.expect("GameData");
    for other in [&mut members[0], &mut c] {
        assert_eq!(other.expect("PlayerReconnected"), json!({"player_id": away.id}));
        other.quiet();
    }
    back.send_data(json!("back"));
    for other in [&mut members[0], &mut c] {
        other.expect_data(&away.id, &json!("back"));
    }
    members[0].send_data(json!("welcome"));
    back.expect_data(&a, &json!("welcome"));
}

#[test]
fn s120_wrong_token_is_refused() {
    let server = server();
    let mut members = room_of(&server, "s120", 4, false, &["Alice", "Bob"]);
    let live = Away {
        id: members[0].id.clone(),
        room: members[0].room.clone(),
        token: members[1].token.clone(),
    };
    refused(&server, &live, "RECONNECTION_TOKEN_INVALID");
    let mut away = drop_last(&mut members);
    let good = std::mem::replace(&mut away.token, "00000000-0000-4000-8000-000000000000".to_owned());
    for wrong in [
        away.token.clone(),
        String::new(),
        format!("{good}0"),
        format!("x{good}"),
    ] {
        away.token = wrong;
        refused(&server, &away, "RECONNECTION_TOKEN_INVALID");
    }
    // A failed attempt does not use up the token (D19).
    server.client().reconnect(&away.id, &away.room, &good);
    assert_eq!(members[0].expect("PlayerReconnected")["player_id"], away.id.as_str());
}

#[test]
fn s121_unknown_player_is_refused() {
    let server = server();
    let mut members = room_of(&server, "s121", 4, false, &["Alice", "Bob"]);
    let other_room = room_of(&server, "s121", 4, false, &["Alice"]);
    let away = drop_last(&mut members);
    let mut stranger = Away {
        id: "11111111-2222-4333-8444-555555555555".to_owned(),
        room: away.room.clone(),
        token: away.token.clone(),
    };
    refused(&server, &stranger, "RECONNECTION_FAILED");
    // A room that does not match the record: as unknown (D19).
    stranger.id = away.id.clone();
    stranger.room = other_room[0].room.clone();
    refused(&server, &stranger, "RECONNECTION_FAILED");
    members[0].quiet();
    server.client().reconnect(&away.id, &away.room, &away.token);
}

#[test]
fn s122_window_ends() {
    let server = hasty();
    let mut members = room_of(&server, "s122", 4, false, &["Alice", "Bob"]);
    let away = drop_last(&mut members);
    // The window is a second of real time. Only an attempt to return tells whether it is over.
    std::thread::sleep(Duration::from_millis(1500));
    refused(&server, &away, "RECONNECTION_EXPIRED");
    members[0].quiet();
}

#[test]
fn s123_token_works_once() {
    let server = server();
    let mut members = room_of(&server, "s123", 4, false, &["Alice", "Bob"]);
    let first = drop_last(&mut members);
    let mut back = server.client();
    back.reconnect(&first.id, &first.room, &first.token);
    members[0].expect("PlayerReconnected");
    refused(&server, &first, "RECONNECTION_TOKEN_INVALID");
    back.quiet();
    members.push(back);
    let second = drop_last(&mut members);
    refused(&server, &first, "RECONNECTION_TOKEN_INVALID");
    server.client().reconnect(&second.id, &second.room, &second.token);
}

/// D21 overrides the scenario: the holder of the token is the player.
#[test]
fn s124_living_connection_is_taken_over() {
    let server = server();
    let mut members = room_of(&server, "s124", 4, false, &["Alice", "Bob"]);
    let mut old = members.pop().expect("two");
    let mut new = server.client();
    new.reconnect(&old.id, &old.room, &old.token);
    assert_eq!(new.id, old.id);
    new.quiet();
    old.expect_error("PLAYER_ALREADY_CONNECTED");
    old.expect_close(1008);
    assert_eq!(members[0].expect("PlayerReconnected"), json!({"player_id": new.id}));
    members[0].quiet();
    new.send_data(json!("it is me"));
    members[0].expect_data(&new.id, &json!("it is me"));
}

#[test]
fn s125_room_may_be_gone() {
    let server = Server::start(json!({"server": {"room_cleanup_interval": 1, "empty_room_timeout": 0}}));
    let mut alone = room_of(&server, "s125", 4, false, &["Alice"]);
    let code = alone[0].code.clone();
    let away = drop_last(&mut alone);
    let mut probe = server.client();
    wait_until("the empty room is removed", || {
        probe.send_watch("s125", &code, "Sue");
        let message = probe.next_message();
        if message["type"] == "SpectatorJoined" {
            probe.send_kind("LeaveSpectator");
            probe.expect_later("SpectatorLeft");
        }
        message["data"]["error_code"] == "ROOM_NOT_FOUND"
    });
    refused(&server, &away, "ROOM_NOT_FOUND");
}

#[test]
fn s126_reconnection_may_be_off() {
    let server = Server::start(json!({"server": {"enable_reconnection": false}}));
    let mut members = room_of(&server, "s126", 4, false, &["Alice", "Bob"]);
    let gone = members.pop().expect("two");
    let away = Away {
        id: gone.id.clone(),
        room: gone.room.clone(),
        token: "00000000-0000-4000-8000-000000000000".to_owned(),
    };
    gone.reset();
    members[0].expect_left(&away.id);
    assert_eq!(
        refused(&server, &away, "RECONNECTION_FAILED"),
        "Reconnection is not enabled"
    );
}

#[test]
fn s127_newest_events_are_kept() {
    let server = Server::start(json!({"server": {"event_buffer_size": 5}}));
    let mut members = room_of(&server, "s127", 4, false, &["Alice", "Bob"]);
    let away = drop_last(&mut members);
    for number in 0..12 {
        members[0].send_data(json!(number));
    }
    members[0].quiet();
    let state = server.client().reconnect(&away.id, &away.room, &away.token);
    let numbers: Vec<&Value> = state["missed_events"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|e| &e["data"]["data"])
        .collect();
    assert_eq!(numbers, [7, 8, 9, 10, 11]);
}

#[test]
fn s128_who_left_does_not_come_back() {
    let server = server();
    let mut members = room_of(&server, "s128", 4, false, &["Alice", "Bob"]);
    let mut bob = members.pop().expect("two");
    let away = Away {
        id: bob.id.clone(),
        room: bob.room.clone(),
        token: bob.token.clone(),
    };
    bob.leave();
    members[0].expect_left(&away.id);
    refused(&server, &away, "RECONNECTION_FAILED");
    bob.reset();
    refused(&server, &away, "RECONNECTION_FAILED");
    members[0].quiet();
}

/// D6, D20, D21: what the drop caused is replayed, and authority that nobody took is given back.
#[test]
fn returning_holder_gets_its_authority_back() {
    let server = server();
    let mut members = room_of(&server, "holder", 4, true, &["Holder", "Bob"]);
    members.reverse();
    let away = drop_last(&mut members);
    members[0].expect_authority(None, false);
    let mut back = server.client();
    let state = back.reconnect(&away.id, &away.room, &away.token);
    assert_eq!(state["is_authority"], true);
    let cleared = json!({"type": "AuthorityChanged", "data": {"authority_player": null, "you_are_authority": false}});
    assert_eq!(state["missed_events"], json!([cleared]));
    members[0].expect("PlayerReconnected");
    members[0].expect_authority(Some(&away.id), false);
    members[0].quiet();
}

/// D12, D21: a lobby that the drop broke is whole again, and nobody is ready in it.
#[test]
fn returning_player_refills_the_lobby() {
    let server = server();
    let mut members = room_of(&server, "refill", 2, false, &["Alice", "Bob"]);
    let alice = members[0].id.clone();
    members[0].send_kind("PlayerReady");
    members[0].expect_lobby("lobby", &[&alice], false);
    members[1].expect_lobby("lobby", &[&alice], false);
    let away = drop_last(&mut members);
    members[0].expect_lobby("waiting", &[], false);
    let mut back = server.client();
    let state = back.reconnect(&away.id, &away.room, &away.token);
    assert_eq!(state["lobby_state"], "lobby");
    assert_eq!(state["ready_players"], json!([]));
    assert_eq!(kinds(&state["missed_events"]), ["LobbyStateChanged"]);
    members[0].expect("PlayerReconnected");
    members[0].expect_lobby("lobby", &[], false);
    members[0].quiet();
}

/// D19: in waiting and lobby the seat is free at once.
#[test]
fn room_that_filled_up_meanwhile_refuses() {
    let server = server();
    let mut members = room_of(&server, "filled", 2, false, &["Alice", "Bob"]);
    let code = members[0].code.clone();
    let away = drop_last(&mut members);
    let mut c = server.client();
    c.enter("filled", &code, "Carol");
    refused(&server, &away, "ROOM_FULL");
    c.leave();
    server.client().reconnect(&away.id, &away.room, &away.token);
}

/// D19: the name may have been taken by another.
#[test]
fn name_that_was_taken_meanwhile_refuses() {
    let server = server();
    let mut members = room_of(&server, "taken", 4, false, &["Alice", "Bob"]);
    let code = members[0].code.clone();
    let away = drop_last(&mut members);
    let mut c = server.client();
    c.enter("taken", &code, "bOB");
    refused(&server, &away, "RECONNECTION_FAILED");
}

/// D19: in a started game the seat and the name wait.
#[test]
fn seat_of_a_started_game_waits() {
    let server = server();
    let mut members = room_of(&server, "waits", 2, false, &["Alice", "Bob"]);
    let code = members[0].code.clone();
    for member in &mut members {
        member.send_kind("PlayerReady");
        member.drain();
    }
    for member in &mut members {
        member.drain();
    }
    let away = drop_last(&mut members);
    members[0].quiet();
    let mut c = server.client();
    c.send_join(json!({"game_name": "waits", "player_name": "Carol", "room_code": code}));
    c.expect_failure("RoomJoinFailed", "ROOM_FULL");
    let mut back = server.client();
    let state = back.reconnect(&away.id, &away.room, &away.token);
    assert_eq!(state["lobby_state"], "finalized");
    back.quiet();
    members[0].expect("PlayerReconnected");
    members[0].quiet();
}

/// D20, D38: what was relayed as MessagePack is replayed as JSON.
#[test]
fn binary_data_is_replayed_as_json() {
    let server = server();
    let mut m = server.client();
    m.authenticate(json!({"app_id": "any", "game_data_format": "message_pack"}));
    m.create("replay", "Mia", 4);
    let mut members = vec![m, server.client()];
    let code = members[0].code.clone();
    members[1].enter("replay", &code, "Joe");
    members[0].expect("PlayerJoined");
    let away = drop_last(&mut members);
    members[0].send_binary(b"\x81\xa1x\x02");
    members[0].quiet();
    let state = server.client().reconnect(&away.id, &away.room, &away.token);
    let data = json!({"from_player": members[0].id, "data": {"x": 2}});
    assert_eq!(state["missed_events"], json!([{"type": "GameData", "data": data}]));
}

/// D18: the token can be kept out of the messages.
#[test]
fn token_may_be_switched_off() {
    let server = Server::start(json!({"server": {"send_reconnection_token": false}}));
    let mut a = server.client();
    let joined = a.create("no-token", "Alice", 4);
    assert_eq!(joined.get("auth_token"), None);
}
