//! When rooms are removed (D15, D17).

use serde_json::json;
use signal_fish_core::protocol::signal_fish::Settings;
use signal_fish_simulator::world::{World, just, say, spectate};
use std::time::Duration;

fn settings() -> Settings {
    Settings {
        room_cleanup_interval: Duration::from_secs(1),
        empty_room_timeout: Duration::from_secs(10),
        inactive_room_timeout: Duration::from_secs(20),
        ..Settings::default()
    }
}

/// Nobody is closed for silence.
fn world(settings: Settings) -> World {
    World::with_ping_timeout(settings, Duration::from_secs(1_000))
}

#[test]
fn an_empty_room_stands_for_a_while_from_becoming_empty() {
    let mut world = world(settings());
    let room = world.room(&["a"], 2);
    let first = world.clients[room[0]].room_id.clone();
    world.advance(Duration::from_secs(15));
    world.send(room[0], just("LeaveRoom"));
    world.advance(Duration::from_secs(8));
    world.join(room[0], "ROOM42", "a", 2);
    assert_eq!(world.clients[room[0]].room_id, first);
    world.send(room[0], just("LeaveRoom"));
    world.advance(Duration::from_secs(9));
    assert_eq!(world.signal_fish(0).gauges().rooms, 1);
    world.advance(Duration::from_secs(2));
    assert_eq!(world.signal_fish(0).gauges().rooms, 0);
    world.join(room[0], "ROOM42", "a", 2);
    assert_ne!(world.clients[room[0]].room_id, first);
}

#[test]
fn spectators_do_not_keep_a_room() {
    let mut world = world(settings());
    let room = world.room(&["a"], 2);
    let s = world.connect();
    world.send(s, spectate("ROOM42", "s"));
    world.send(room[0], just("LeaveRoom"));
    world.advance(Duration::from_secs(12));
    assert_eq!(world.signal_fish(0).gauges().rooms, 0);
}

#[test]
fn a_room_in_which_nobody_speaks_ends_and_its_members_are_told() {
    let mut world = world(settings());
    let room = world.room(&["a", "b"], 8);
    let s = world.connect();
    world.send(s, spectate("ROOM42", "s"));
    world.skip();
    for _ in 0..21 {
        world.advance(Duration::from_secs(1));
        // A Ping keeps the connection, not the room.
        world.send(room[0], just("Ping"));
    }
    let told = world.take(room[0]);
    assert!(told.contains(&just("RoomLeft")));
    world.expect(room[1], json!([just("RoomLeft")]));
    assert_eq!(world.take_types(s), ["SpectatorLeft"]);
    // Everybody is free to join again.
    world.join(room[1], "ROOM42", "b", 2);
    assert_eq!(world.take_types(room[1]), ["RoomJoined"]);
    world.reconnect(room[0], room[0]);
    assert_eq!(
        world.take(room[0]).last().unwrap()["data"]["error_code"],
        "RECONNECTION_FAILED"
    );
}

#[test]
fn a_room_with_traffic_lives_however_old_it_is() {
    let mut world = world(settings());
    let room = world.room(&["a", "b"], 8);
    for _ in 0..10 {
        world.advance(Duration::from_secs(15));
        world.send(room[0], say(json!(1)));
    }
    assert_eq!(world.signal_fish(0).gauges().rooms, 1);
}

#[test]
fn a_started_game_that_everybody_left_is_over_at_once() {
    let mut world = world(settings());
    let room = world.room(&["a", "b"], 2);
    for id in &room {
        world.send(*id, just("PlayerReady"));
    }
    world.send(room[0], just("LeaveRoom"));
    assert_eq!(world.signal_fish(0).gauges().rooms, 1);
    world.send(room[1], just("LeaveRoom"));
    assert_eq!(world.signal_fish(0).gauges().rooms, 0);
    assert_eq!(world.admission.totals().rooms_active, 0);
}

#[test]
fn with_no_timeout_an_empty_room_ends_at_the_next_sweep() {
    let mut world = world(Settings {
        empty_room_timeout: Duration::ZERO,
        ..settings()
    });
    let room = world.room(&["a"], 2);
    world.send(room[0], just("LeaveRoom"));
    world.advance(Duration::from_secs(2));
    assert_eq!(world.signal_fish(0).gauges().rooms, 0);
}
