//! The turn is the batch: one send for each recipient, however many messages, and nothing waits for a timer (D28).

use serde_json::json;
use signal_fish_simulator::world::{Design, Id, World, just, say};

/// A room of four.
fn room(batching: bool) -> (World, Vec<Id>) {
    let mut design = Design::new(1, 3);
    design.options.batching = batching;
    let mut world = World::build(design);
    let room = world.room(&["a", "b", "c", "d"], 4);
    (world, room)
}

/// Sends that it takes to answer what one client says at once.
fn sends(world: &mut World, id: Id, messages: &[serde_json::Value]) -> u64 {
    let before = world.report(0).counters.sends;
    for message in messages {
        world.clients[id].say(&message.to_string());
    }
    let (now, turns) = (world.now, world.report(0).counters.turns);
    world.settle();
    assert_eq!(world.now, now, "it did not take any time");
    assert!(world.report(0).counters.turns - turns <= 2);
    world.report(0).counters.sends - before
}

#[test]
fn each_recipient_costs_one_send_however_many_messages() {
    let (mut world, room) = room(true);
    let messages: Vec<_> = (0..20).map(|n| say(json!(n))).chain([just("Ping")]).collect();
    assert_eq!(sends(&mut world, room[0], &messages), 4);
    assert_eq!(world.take(room[0]), [just("Pong")]);
    for id in &room[1..] {
        assert_eq!(world.take(*id).len(), 20);
    }
    // Several senders in one turn are still one send.
    for id in &room {
        world.clients[*id].say(&say(json!("all")).to_string());
    }
    assert_eq!(sends(&mut world, room[0], &[]), 4);
}

#[test]
fn without_batching_each_message_is_sent_by_itself() {
    let (mut world, room) = room(false);
    let long = "x".repeat(70_00);
    let messages: Vec<_> = [1, 2, 3].map(|n| say(json!([n, long, "y".repeat(n)]))).to_vec();
    assert_eq!(sends(&mut world, room[0], &messages), 9);
    let messages: Vec<_> = (0..20).map(|n| say(json!(n))).chain([just("Ping")]).collect();
    assert_eq!(sends(&mut world, room[0], &messages), 61);
    for id in &room[1..] {
        assert_eq!(world.take(*id).len(), 23);
    }
}
