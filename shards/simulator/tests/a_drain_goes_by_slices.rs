//! A drain closes so many connections per turn, so that a shard with many clients stays responsive (D35, D45).

use serde_json::json;
use signal_fish_simulator::world::{Id, World, just, say};
use std::time::Duration;

/// Connections that a shard closes in a turn.
const SLICE: usize = 256;

fn closed(world: &World, ids: &[Id]) -> usize {
    ids.iter().filter(|id| world.clients[**id].is_over()).count()
}

#[test]
fn nobody_is_served_between_the_order_and_the_close() {
    let mut world = World::simple();
    let mut ids: Vec<Id> = (0..2 * SLICE).map(|_| world.connect()).collect();
    let room = world.room(&["Ann", "Bob", "Cyd"], 3);
    ids.extend(&room);
    world.skip();
    // What clients send comes with the order.
    world.order_drain();
    world.clients[room[0]].say(&say(json!("too late")).to_string());
    world.clients[room[1]].say(&just("Ping").to_string());
    world.clients[room[1]].ping();
    world.clients[room[2]].say("nonsense");
    for turn in 1..=3 {
        assert!(world.round(), "there is something to do");
        assert_eq!(closed(&world, &ids), ids.len().min(turn * SLICE), "after turn {turn}");
    }
    world.settle();
    for id in ids {
        world.expect(id, json!([{"closed": "drain"}]));
    }
    assert_eq!(world.clients[room[1]].pongs, 0);
    world.assert_nothing_left();
    assert!(world.has_ended(0));
}

#[test]
fn who_leaves_or_vanishes_before_its_turn_is_gone() {
    let mut world = World::simple();
    let ids: Vec<Id> = (0..2 * SLICE + 4).map(|_| world.connect()).collect();
    let last = &ids[2 * SLICE..];
    world.skip();
    world.order_drain();
    world.clients[last[0]].close(1000);
    world.network().lose(last[1]);
    world.clients[last[2]].say(&just("Ping").to_string());
    world.clients[last[2]].end();
    world.settle();
    world.expect(last[2], json!([{"closed": "drain"}]));
    world.expect(last[3], json!([{"closed": "drain"}]));
    world.assert_nothing_left();
    assert!(world.has_ended(0));
}

#[test]
fn stuck_clients_end_in_time_and_newcomers_are_answered_meanwhile() {
    let mut world = World::simple();
    let ids: Vec<Id> = (0..2 * SLICE).map(|_| world.connect()).collect();
    for id in &ids {
        world.clients[*id].closes_politely = false;
    }
    world.skip();
    world.order_drain();
    assert!(world.round());
    assert_eq!(closed(&world, &ids), SLICE);
    let late = world.connect();
    world.expect(late, json!([{"answer": 503}]));
    assert!(!world.has_ended(0));
    world.advance(Duration::from_millis(2_100));
    assert!(world.has_ended(0));
    world.assert_nothing_left();
}

#[test]
fn one_turn_is_enough_for_a_few() {
    let mut world = World::simple();
    let room = world.room(&["Ann", "Bob"], 2);
    world.order_drain();
    assert!(world.round());
    assert_eq!(closed(&world, &room), 2);
}
