//! Spectators: what they are told, and how many a room takes (protocol 7, D8, D37).

use serde_json::{Value, json};
use signal_fish_core::protocol::signal_fish::Settings;
use signal_fish_simulator::world::{self, Id, World, authority, error, just, kind, say, spectate};
use std::time::Duration;

fn failed(reason: &str, code: &str) -> Value {
    json!({"type": "SpectatorJoinFailed", "data": {"reason": reason, "error_code": code}})
}

/// A room of two players and a spectator; everything read.
fn watched(world: &mut World) -> [Id; 3] {
    let room = world.room(&["a", "b"], 3);
    let s = world.connect();
    world.send(s, spectate("room42", "s"));
    world.skip();
    [room[0], room[1], s]
}

#[test]
fn a_spectator_gets_the_room_and_the_members_get_the_spectator() {
    let mut world = World::simple();
    let [a, b, s] = watched(&mut world);
    let t = world.connect();
    world.send(t, spectate("ROOM42", "s"));
    let joined = world.take_one(t);
    assert_eq!(kind(&joined), "SpectatorJoined");
    let data = &joined["data"];
    assert_eq!(data["current_players"].as_array().unwrap().len(), 2);
    assert_eq!(data["lobby_state"], "waiting");
    assert_eq!(data["reason"], "joined");
    assert_eq!(data["room_id"], world.clients[a].room_id);
    let spectators = data["current_spectators"].as_array().unwrap();
    assert_eq!(spectators.len(), 2);
    assert_eq!(spectators[1]["id"], data["spectator_id"]);
    let told = json!({"type": "NewSpectatorJoined", "data": {
        "spectator": spectators[1], "current_spectators": spectators, "reason": "joined"}});
    for id in [a, b, s] {
        world.expect(id, json!([told]));
    }
    // A player who comes later sees them too, and they take no seat.
    let c = world.connect();
    world.join(c, "ROOM42", "s", 3);
    assert_eq!(
        world.take(c)[0]["data"]["current_spectators"],
        data["current_spectators"]
    );
}

#[test]
fn a_spectator_hears_everything_that_happens() {
    let mut world = World::simple();
    let [a, b, s] = watched(&mut world);
    let c = world.connect();
    world.join(c, "ROOM42", "c", 3);
    world.send(a, say(json!(1)));
    world.send(a, authority(false));
    for id in [a, b, c] {
        world.send(id, just("PlayerReady"));
    }
    world.send(c, just("LeaveRoom"));
    assert_eq!(
        world.take_types(s),
        [
            "PlayerJoined",
            "LobbyStateChanged",
            "GameData",
            "AuthorityChanged",
            "LobbyStateChanged",
            "LobbyStateChanged",
            "LobbyStateChanged",
            "GameStarting",
            "PlayerLeft"
        ]
    );
}

#[test]
fn what_only_players_may_send_is_refused() {
    let mut world = World::simple();
    let [a, b, s] = watched(&mut world);
    let info = json!({"type": "ProvideConnectionInfo", "data": {"connection_info": {"type": "custom", "data": 1}}});
    for message in [say(json!(1)), just("PlayerReady"), just("StartGame"), info] {
        world.send(s, message);
        world.expect(s, json!([error("Not in a room", "NOT_IN_ROOM")]));
    }
    world.send(s, just("LeaveRoom"));
    world.expect(s, json!([]));
    world.send(s, just("Ping"));
    world.expect(s, json!([just("Pong")]));
    for id in [a, b] {
        world.expect(id, json!([]));
    }
}

#[test]
fn nobody_is_player_and_spectator_at_once() {
    let mut world = World::simple();
    let [a, _, s] = watched(&mut world);
    for code in ["ROOM42", "OTHER1"] {
        world.send(a, spectate(code, "a"));
        world.expect(a, json!([failed("Already in a room", "ALREADY_IN_ROOM")]));
        world.send(s, spectate(code, "s"));
        world.expect(s, json!([failed("Already in a room", "ALREADY_IN_ROOM")]));
        world.join(s, code, "s", 3);
        world.expect(s, json!([world::join_failed("Already in a room", "ALREADY_IN_ROOM")]));
    }
}

#[test]
fn failures_say_why() {
    let mut world = World::with(Settings {
        max_spectators_per_room: 1,
        ..Settings::default()
    });
    let [_, _, s] = watched(&mut world);
    let t = world.connect();
    world.send(t, spectate("ROOM42", "t!"));
    world.expect(
        t,
        json!([failed("Player name contains invalid characters", "INVALID_PLAYER_NAME")]),
    );
    for code in ["NOSUCH", "?", ""] {
        world.send(t, spectate(code, "t"));
        world.expect(t, json!([failed("Room not found", "ROOM_NOT_FOUND")]));
    }
    world.send(t, spectate("ROOM42", "t"));
    world.expect(t, json!([failed("Spectator limit reached", "TOO_MANY_SPECTATORS")]));
    world.send(t, just("LeaveSpectator"));
    world.expect(
        t,
        json!([error("You are not currently spectating a room", "NOT_A_SPECTATOR")]),
    );
    world.send(s, just("LeaveSpectator"));
    world.send(t, spectate("ROOM42", "t"));
    assert_eq!(world.take_types(t), ["SpectatorJoined"]);
}

#[test]
fn a_spectator_that_goes_is_told_of() {
    for leaves in [true, false] {
        let mut world = World::simple();
        let [a, b, s] = watched(&mut world);
        let t = world.connect();
        world.send(t, spectate("ROOM42", "t"));
        let joined = world.take_one(t);
        let (own, rest) = (
            &joined["data"]["spectator_id"],
            &joined["data"]["current_spectators"][0],
        );
        world.skip();
        let reason = if leaves { "voluntary_leave" } else { "disconnected" };
        if leaves {
            world.send(t, just("LeaveSpectator"));
            let room_id = &world.clients[a].room_id.clone();
            world.expect(
                t,
                json!([{"type": "SpectatorLeft", "data": {
                "room_id": room_id, "room_code": "ROOM42", "reason": reason, "current_spectators": [rest]}}]),
            );
        } else {
            world.drop_client(t);
        }
        let told = json!({"type": "SpectatorDisconnected", "data": {
            "spectator_id": own, "reason": reason, "current_spectators": [rest]}});
        for id in [a, b, s] {
            world.expect(id, json!([told]));
        }
    }
}

#[test]
fn a_room_that_closes_tells_its_spectators() {
    let mut world = World::with(Settings {
        empty_room_timeout: Duration::from_secs(5),
        room_cleanup_interval: Duration::from_secs(1),
        ..Settings::default()
    });
    let [a, b, s] = watched(&mut world);
    world.send(a, just("LeaveRoom"));
    world.send(b, just("LeaveRoom"));
    world.skip();
    world.advance(Duration::from_secs(7));
    let room_id = &world.clients[a].room_id.clone();
    world.expect(
        s,
        json!([{"type": "SpectatorLeft", "data": {
        "room_id": room_id, "room_code": "ROOM42", "reason": "room_closed", "current_spectators": []}}]),
    );
    world.join(s, "ROOM42", "s", 2);
    assert_eq!(world.take_types(s), ["RoomJoined"]);
}
