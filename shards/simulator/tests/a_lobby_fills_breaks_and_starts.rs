//! The lobby: it fills, breaks and starts the game (protocol 5, D12 to D15).

use serde_json::json;
use signal_fish_simulator::world::{World, error, just, kind, lobby, player_left};

const NOT_IN_LOBBY: &str = "Cannot change ready status. Room must be in lobby state (full with all players joined).";

#[test]
fn the_joiner_that_fills_the_room_is_told_after_its_snapshot() {
    let mut world = World::simple();
    let [a, b] = [world.connect(), world.connect()];
    world.join(a, "ROOM42", "a", 2);
    assert_eq!(world.take_one(a)["data"]["lobby_state"], "waiting");
    world.join(b, "room42", "b", 9);
    let got = world.take(b);
    assert_eq!(kind(&got[0]), "RoomJoined");
    assert_eq!(got[0]["data"]["lobby_state"], "lobby");
    assert_eq!(got[0]["data"]["max_players"], 2);
    assert_eq!(got[1..], [lobby("lobby", &[], false)]);
    let got = world.take(a);
    assert_eq!(kind(&got[0]), "PlayerJoined");
    assert_eq!(got[1..], [lobby("lobby", &[], false)]);
}

#[test]
fn ready_toggles_and_the_last_ready_starts_the_game() {
    let mut world = World::simple();
    let room = world.room(&["a", "b"], 2);
    let (a, b) = (world.player_id(room[0]), world.player_id(room[1]));
    world.send(room[1], just("PlayerReady"));
    world.send(room[1], just("PlayerReady"));
    world.send(room[1], just("PlayerReady"));
    for id in [room[0], room[1]] {
        world.expect(
            id,
            json!([
                lobby("lobby", &[&b], false),
                lobby("lobby", &[], false),
                lobby("lobby", &[&b], false)
            ]),
        );
    }
    world.send(
        room[1],
        json!({"type": "ProvideConnectionInfo",
               "data": {"connection_info": {"type": "direct", "host": "h", "port": 1}}}),
    );
    world.send(room[0], just("PlayerReady"));
    let starting = json!({"type": "GameStarting", "data": {"peer_connections": [
        {"player_id": a, "player_name": "a", "is_authority": true, "relay_type": "matchbox"},
        {"player_id": b, "player_name": "b", "is_authority": false, "relay_type": "matchbox",
         "connection_info": {"type": "direct", "host": "h", "port": 1}},
    ]}});
    for id in [room[0], room[1]] {
        // Ready players come in the order of joining, whoever was ready first.
        world.expect(id, json!([lobby("finalized", &[&a, &b], true), starting]));
    }
    world.send(room[0], just("PlayerReady"));
    world.expect(room[0], json!([error(NOT_IN_LOBBY, "INVALID_ROOM_STATE")]));
    world.send(room[0], just("StartGame"));
    world.expect(room[0], json!([]));
}

#[test]
fn a_lobby_that_breaks_forgets_who_was_ready() {
    for leaves in [true, false] {
        let mut world = World::simple();
        let room = world.room(&["a", "b"], 2);
        let a = world.player_id(room[0]);
        let b = world.player_id(room[1]);
        world.send(room[1], just("PlayerReady"));
        world.skip();
        if leaves {
            world.send(room[1], just("LeaveRoom"));
            world.expect(room[1], json!([just("RoomLeft")]));
        } else {
            world.drop_client(room[1]);
        }
        world.expect(room[0], json!([player_left(&b), lobby("waiting", &[], false)]));
        world.send(room[0], just("PlayerReady"));
        world.expect(room[0], json!([error(NOT_IN_LOBBY, "INVALID_ROOM_STATE")]));
        let c = world.connect();
        world.join(c, "ROOM42", "c", 2);
        world.skip();
        world.send(room[0], just("PlayerReady"));
        world.expect(c, json!([lobby("lobby", &[&a], false)]));
    }
}

#[test]
fn a_single_player_starts_alone_and_never_has_a_lobby() {
    let mut world = World::simple();
    let a = world.connect();
    world.join(a, "", "a", 1);
    assert_eq!(world.take_one(a)["data"]["lobby_state"], "waiting");
    let id = world.player_id(a);
    world.send(a, just("StartGame"));
    world.expect(
        a,
        json!([error(
            "Cannot start the game. Every player must be ready.",
            "INVALID_ROOM_STATE"
        )]),
    );
    world.send(a, just("PlayerReady"));
    let got = world.take(a);
    assert_eq!(got[0], lobby("finalized", &[&id], true));
    assert_eq!(kind(&got[1]), "GameStarting");
    assert_eq!(got.len(), 2);
}

#[test]
fn a_finalized_room_takes_a_newcomer_into_a_free_seat_and_stays_finalized() {
    let mut world = World::simple();
    let room = world.room(&["a", "b"], 2);
    let a = world.player_id(room[0]);
    let b = world.player_id(room[1]);
    world.send(room[0], just("PlayerReady"));
    world.send(room[1], just("PlayerReady"));
    world.skip();
    world.send(room[1], just("LeaveRoom"));
    world.expect(room[0], json!([player_left(&b)]));
    let c = world.connect();
    world.join(c, "ROOM42", "c", 2);
    let joined = world.take_one(c);
    assert_eq!(joined["data"]["lobby_state"], "finalized");
    assert_eq!(joined["data"]["ready_players"], json!([a]));
    assert_eq!(world.take_types(room[0]), ["PlayerJoined"]);
}

#[test]
fn readiness_outside_a_room_is_refused() {
    let mut world = World::simple();
    let a = world.connect();
    for kind in ["PlayerReady", "StartGame"] {
        world.send(a, just(kind));
        world.expect(a, json!([error("Not in a room", "NOT_IN_ROOM")]));
    }
    world.send(
        a,
        json!({"type": "ProvideConnectionInfo", "data": {"connection_info": {"type": "custom", "data": 1}}}),
    );
    world.expect(a, json!([error("Not in a room", "NOT_IN_ROOM")]));
}
