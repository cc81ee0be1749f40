//! Liveness (D24) and invalid messages in a row (D41).

use serde_json::json;
use signal_fish_core::protocol::signal_fish::Settings;
use signal_fish_simulator::world::{Got, World, error, just, player_left, say};
use std::time::Duration;

fn pings(world: &World, id: usize) -> usize {
    world.clients[id].got.iter().filter(|got| **got == Got::Ping).count()
}

#[test]
fn a_silent_client_is_pinged_at_half_time_and_closed_at_full() {
    let mut world = World::with_ping_timeout(Settings::default(), Duration::from_secs(10));
    let a = world.connect();
    world.advance(Duration::from_millis(4_750));
    assert_eq!(pings(&world, a), 0);
    world.advance(Duration::from_millis(500));
    assert_eq!(pings(&world, a), 1);
    world.advance(Duration::from_millis(4_500));
    assert_eq!(pings(&world, a), 1);
    world.expect(a, json!([]));
    // Deadlines have a resolution of 16 ms.
    world.advance(Duration::from_millis(266));
    world.expect(a, json!([{"closed": "ping timeout"}]));
    world.assert_nothing_left();
}

#[test]
fn any_frame_is_life() {
    let mut world = World::with_ping_timeout(Settings::default(), Duration::from_secs(10));
    let room = world.room(&["a", "b", "c", "d"], 8);
    let d = world.player_id(room[3]);
    for _ in 0..5 {
        world.advance(Duration::from_secs(6));
        world.send(room[0], say(json!(1)));
        world.alive(room[1]);
        world.send_text(room[2], "nonsense");
    }
    assert!(room[..3].iter().all(|id| world.is_connected(*id)));
    assert_eq!((pings(&world, room[0]), pings(&world, room[1])), (5, 5));
    // The one that said nothing is gone, and the others were told.
    assert!(!world.is_connected(room[3]));
    assert!(world.take(room[1]).contains(&player_left(&d)));
}

#[test]
fn too_much_nonsense_in_a_row_ends_a_session() {
    let mut world = World::with(Settings {
        max_invalid_messages: 3,
        ..Settings::default()
    });
    let room = world.room(&["a", "b"], 8);
    let a = room[0];
    for _ in 0..4 {
        for _ in 0..3 {
            world.send_text(a, "nonsense");
        }
        world.send(a, just("Ping"));
    }
    assert!(world.is_connected(a));
    world.skip();
    world.send_text(a, "nonsense");
    world.send_binary(a, &[1]);
    world.oversize(a, signal_fish_core::ws::Kind::Text, 70_000);
    world.skip();
    world.send_text(a, "nonsense");
    let told = error("Too many invalid messages", "INVALID_INPUT");
    world.expect(a, json!([told, {"closed": "too many invalid messages"}]));
    assert_eq!(world.take_types(room[1]), ["PlayerLeft", "AuthorityChanged"]);
}

#[test]
fn without_a_bound_nonsense_is_only_answered() {
    let mut world = World::with(Settings {
        max_invalid_messages: 0,
        ..Settings::default()
    });
    let a = world.connect();
    for text in ["not json", "", "[]", "{}", r#"{"type":"ping"}"#, r#"["Ping",null]"#] {
        world.send_text(a, text);
        world.expect(a, json!([error("Invalid client message", "INVALID_INPUT")]));
    }
    for number in 0..5_000 {
        world.send_text(a, "nonsense");
        if number % 1_000 == 999 {
            // A client may not send more at once (D42).
            world.advance(Duration::from_secs(1));
        }
    }
    world.skip();
    world.send_text(a, r#"{"data":null,"extra":1,"type":"Ping"}"#);
    world.expect(a, json!([just("Pong")]));
    assert_eq!(world.signal_fish(0).counters().invalid_messages, 5_006);
}
