//! Who floods is read more slowly: nothing is lost, nobody gets an error, nobody else waits (D42). What waits for all
//! clients together is bounded, too (D26).

use serde_json::{Value, json};
use signal_fish_simulator::Line;
use signal_fish_simulator::world::{Design, Got, Id, World, just, say};
use std::time::Duration;

fn numbers(world: &mut World, id: Id) -> Vec<u64> {
    let heard = world.take(id);
    let told = heard.iter().filter(|message| message["type"] == "GameData");
    told.map(|message| message["data"]["data"][0].as_u64().expect("a number"))
        .collect()
}

#[test]
fn a_flood_arrives_whole_at_the_rate_that_is_allowed() {
    let mut world = World::simple();
    let room = world.room(&["a", "b"], 2);
    for n in 0..10_000_u64 {
        world.send(room[0], say(json!([n])));
    }
    // Joining took two messages of its second.
    let first = numbers(&mut world, room[1]).len();
    assert!((1_960..=2_001).contains(&first), "{first}");
    let mut heard = first as u64;
    for _ in 0..4 {
        world.advance(Duration::from_secs(1));
        let next = numbers(&mut world, room[1]);
        assert_eq!(next.first(), Some(&heard));
        assert!((1_960..=2_040).contains(&next.len()), "{}", next.len());
        heard += next.len() as u64;
    }
    world.advance(Duration::from_secs(1));
    assert_eq!(numbers(&mut world, room[1]).last(), Some(&9_999));
    assert!(world.report(0).counters.senders_paused > 0);
    world.expect(room[0], json!([]));
}

#[test]
fn others_of_the_room_do_not_wait_for_a_flood() {
    let mut world = World::simple();
    let room = world.room(&["a", "b", "c"], 3);
    for n in 0..5_000_u64 {
        world.send(room[0], say(json!([n])));
    }
    world.skip();
    world.send(room[1], say(json!([77])));
    assert_eq!(numbers(&mut world, room[2]), [77]);
    world.send(room[0], just("Ping"));
    world.expect(
        room[0],
        json!([{
            "type": "GameData",
            "data": {"from_player": world.player_id(room[1]), "data": [77]}
        }]),
    );
}

#[test]
fn pings_count_as_messages() {
    let mut world = World::simple();
    let a = world.connect();
    for _ in 0..3_000 {
        world.alive(a);
    }
    world.send(a, just("Ping"));
    world.expect(a, json!([]));
    world.advance(Duration::from_secs(1));
    world.expect(a, json!([just("Pong")]));
}

/// Whoever reads 4 MiB a second keeps up with one sender, and a burst of it fits into half an outbox.
#[test]
fn no_recipient_gets_more_of_one_sender_than_an_ordinary_line_carries() {
    let mut world = World::simple();
    let room = world.room(&["a", "b"], 2);
    world.skip();
    let large = "x".repeat(60_000);
    for n in 0..300_u64 {
        world.send(room[0], say(json!([n, large])));
    }
    let mut heard = numbers(&mut world, room[1]);
    let message = large.len();
    assert!(heard.len() * message <= 512 * 1024 + 2 * message, "{}", heard.len());
    while heard.len() < 300 {
        world.advance(Duration::from_millis(100));
        let next = numbers(&mut world, room[1]);
        assert!(
            next.len() * message <= 4 * 1024 * 1024 / 10 + 2 * message,
            "{}",
            next.len()
        );
        assert!(!next.is_empty(), "it goes on");
        heard.extend(next);
    }
    assert_eq!(heard, (0..300).collect::<Vec<_>>());
}

#[test]
fn what_a_sender_owes_moves_with_it() {
    let mut world = World::build(Design::new(4, 9));
    let first = world.connect();
    world.join(first, "ROOM42", "first", 4);
    let home = world.shard_of(first);
    let other = loop {
        let id = world.connect();
        if world.shard_of(id) != home {
            break id;
        }
    };
    for _ in 0..1_999 {
        world.send(other, just("Ping"));
    }
    world.join(other, "ROOM42", "other", 4);
    assert_eq!(world.shard_of(other), home, "it moved");
    world.skip();
    for n in 0..100_u64 {
        world.send(other, say(json!([n])));
    }
    let heard = numbers(&mut world, first).len();
    assert!(heard < 10, "{heard}: the second of messages was used up elsewhere");
    world.advance(Duration::from_secs(1));
    assert_eq!(numbers(&mut world, first).last(), Some(&99));
}

#[test]
fn the_largest_go_first_when_all_together_hold_too_much() {
    let mut design = Design::new(1, 5);
    design.options.outbound_bytes_max = 100_000;
    // Memory counts: an outbox may be up to half empty.
    design.options.outbound_total_bytes_max = 250_000;
    design.options.messages_per_sec_max = 0;
    design.options.fanout_bytes_per_sec_max = 0;
    let mut world = World::build(design);
    let names = ["a", "b", "c", "d", "e", "f"];
    let room = world.room(&names, 8);
    let blocked = Line {
        window_bytes: 1_000,
        reads_bytes_max: 0,
        ..Line::default()
    };
    // One after the other stops reading, so that each holds less than the one before.
    for id in &room[1..] {
        *world.network().line(*id) = blocked;
        for n in 0..25 {
            world.send(room[0], say(json!([n, "x".repeat(500)])));
        }
    }
    assert_eq!(
        world.report(0).counters.closed_slow,
        1,
        "15 to 75 kB in buffers of 16 to 128 KiB are 304 together"
    );
    let left = world.take(room[0]);
    let left: Vec<_> = left.iter().filter(|message| message["type"] == "PlayerLeft").collect();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0]["data"]["player_id"], world.player_id(room[1]));
    world.network().line(room[1]).reads_bytes_max = usize::MAX;
    world.settle();
    let got = world.take_all(room[1]);
    assert!(matches!(got.last(), Some(Got::Closed(1013, _))), "{:?}", got.last());
    for id in &room[2..] {
        world.network().line(*id).reads_bytes_max = usize::MAX;
    }
    world.settle();
    let heard: Vec<Value> = world.take(room[5]);
    assert!(heard.iter().filter(|message| message["type"] == "GameData").count() >= 25);
}

/// A message of 28 bytes that becomes two kilobytes for everybody in a full lobby is paid for by its bytes.
#[test]
fn short_messages_pay_for_the_long_ones_that_they_cause() {
    const PER_SECOND: u64 = 1 << 20;
    const MESSAGES: usize = 60;
    let mut design = Design::new(1, 5);
    design.options.fanout_bytes_per_sec_max = PER_SECOND;
    let mut world = World::build(design);
    let names: Vec<String> = (0..50).map(|number| format!("p{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let room = world.room(&names, 50);
    // Whoever is ready stands in every message; one of them never is, or the game would start.
    for id in &room[1..49] {
        world.send(*id, just("PlayerReady"));
    }
    world.advance(Duration::from_secs(5));
    world.skip();
    let before = world.report(0).counters;
    for _ in 0..MESSAGES {
        world.send(room[0], just("PlayerReady"));
    }
    world.advance(Duration::from_secs(1));
    let after = world.report(0).counters;
    let sent = after.bytes_out - before.bytes_out;
    // A second, a tenth of one that was saved up, and one message more than that.
    assert!((PER_SECOND / 2..PER_SECOND * 13 / 10).contains(&sent), "{sent}");
    assert!(after.senders_paused > before.senders_paused);
    world.advance(Duration::from_secs(20));
    for id in [room[0], room[49]] {
        assert_eq!(
            world.take_types(id),
            vec!["LobbyStateChanged"; MESSAGES],
            "nothing is lost"
        );
    }
}
