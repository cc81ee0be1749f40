//! A connection whose room is on a shard that cannot take it is closed with 1013, behind everything that it was to hear,
//! and counted; what it held goes back.

use serde_json::json;
use signal_fish_core::ShardIndex;
use signal_fish_simulator::world::{Design, Got, Id, World, join, just};
use signal_fish_simulator::{Client, LOCALHOST, Line, upgrade};
use std::time::Duration;

const SLOTS: usize = 8;

/// Two shards with few slots, the second of which owns the returned room and has no slot left.
fn full() -> (World, String) {
    let mut design = Design::new(2, 11);
    design.options.slots_max = SLOTS;
    let mut world = World::build(design);
    let code = code_of_the_second_shard(&mut world);
    for _ in 0..SLOTS {
        let id = world.admit_to(ShardIndex(1), LOCALHOST, Client::upgrading(""));
        assert!(world.clients[id].is_open());
    }
    assert_eq!(world.report(1).connections, SLOTS);
    (world, code)
}

fn code_of_the_second_shard(world: &mut World) -> String {
    let mut codes = (0..).map(|number| format!("ROOM{number:02}"));
    loop {
        let code = codes.next().expect("there are many");
        let id = world.admit_to(ShardIndex(0), LOCALHOST, Client::upgrading(""));
        world.join(id, &code, "Ann", 2);
        let moved = world.shard_of(id) == Some(1);
        world.drop_client(id);
        if moved {
            world.advance(Duration::from_secs(700));
            return code;
        }
    }
}

/// A client on the first shard asks to be pinged and goes to the room, all at once.
fn traveller(world: &mut World, code: &str) -> Id {
    let id = world.admit_to(ShardIndex(0), LOCALHOST, Client::upgrading(""));
    for message in [just("Ping"), join(code, "Bob", 2), just("Ping")] {
        world.clients[id].say(&message.to_string());
    }
    world.settle();
    id
}

fn moves_failed(world: &World) -> [u64; 2] {
    [0, 1].map(|shard| world.report(shard).counters.moves_failed)
}

fn is_turned_back(world: &mut World, id: Id) {
    let got = world.take_all(id);
    let [Got::Text(pong), Got::Closed(1013, reason)] = &got[..] else {
        panic!("{got:?}")
    };
    assert_eq!(
        (pong.as_str(), reason.as_str()),
        (r#"{"type":"Pong"}"#, "try again later")
    );
}

fn finish(mut world: World) {
    for id in 0..world.clients.len() {
        world.drop_client(id);
    }
    world.advance(Duration::from_secs(700));
    world.assert_nothing_left();
    assert_eq!(world.network().open(), 0);
}

#[test]
fn no_slot_is_free_there() {
    let (mut world, code) = full();
    let id = traveller(&mut world, &code);
    is_turned_back(&mut world, id);
    assert_eq!(moves_failed(&world), [0, 1]);
    assert_eq!(world.admission.totals().connections_active, SLOTS as u64);
    // The others of the shard are not touched, and somebody who goes makes room.
    world.drop_client(id - 1);
    let id = traveller(&mut world, &code);
    assert_eq!(world.take_types(id), ["Pong", "RoomJoined", "Pong"]);
    finish(world);
}

#[test]
fn no_slot_is_free_where_its_url_sends_it() {
    let (mut world, code) = full();
    let url = upgrade(&format!("?game_name=pong&room_code={code}"), "");
    let id = world.admit_to(ShardIndex(0), LOCALHOST, Client::asking(&url));
    world.expect(id, json!([{"closed": [1013, "try again later"]}]));
    assert_eq!(moves_failed(&world), [0, 1]);
    finish(world);
}

#[test]
fn its_mailbox_is_full() {
    let (mut world, code) = full();
    world.mailroom().moves_max = 0;
    let id = traveller(&mut world, &code);
    is_turned_back(&mut world, id);
    assert_eq!(moves_failed(&world), [1, 0]);
    finish(world);
}

/// Schedule 595 of the simulator: whoever cannot go is closed in the slot that it had, and its socket had refused bytes
/// before it was taken out.
#[test]
fn who_did_not_read_is_told_as_soon_as_it_reads() {
    let (mut world, code) = full();
    world.mailroom().moves_max = 0;
    let id = world.admit_to(ShardIndex(0), LOCALHOST, Client::upgrading(""));
    *world.network().line(id) = Line {
        window_bytes: 20,
        reads_bytes_max: 0,
        ..Line::default()
    };
    for _ in 0..2 {
        world.send(id, just("Ping"));
    }
    assert!(world.network().is_blocked(id));
    world.join(id, &code, "Bob", 2);
    assert_eq!(moves_failed(&world), [1, 0]);
    *world.network().line(id) = Line::default();
    world.settle();
    let expected = [just("Pong"), just("Pong"), json!({"closed": [1013, "try again later"]})];
    assert_eq!(world.take(id), expected);
    finish(world);
}

#[test]
fn a_slot_is_kept_for_those_who_move() {
    let mut design = Design::new(2, 11);
    design.options.slots_max = 64;
    let mut world = World::build(design);
    let code = code_of_the_second_shard(&mut world);
    let mut refused = 0;
    for _ in 0..64 {
        let id = world.admit_to(ShardIndex(1), LOCALHOST, Client::upgrading(""));
        refused += usize::from(!world.clients[id].is_open());
    }
    assert_eq!((refused, world.report(1).counters.newcomers_refused), (4, 4));
    for number in 0..5 {
        let id = traveller(&mut world, &code);
        let moved = world.take_types(id).len() == 3;
        assert_eq!(moved, number < 4);
    }
    finish(world);
}

#[test]
fn those_who_move_in_one_turn_arrive_in_order() {
    let mut world = World::build(Design::new(2, 11));
    let code = code_of_the_second_shard(&mut world);
    let ids: Vec<_> = (0..5)
        .map(|_| world.admit_to(ShardIndex(0), LOCALHOST, Client::upgrading("")))
        .collect();
    for (number, id) in ids.iter().enumerate() {
        world.clients[*id].say(&join(&code, &format!("p{number}"), 8).to_string());
    }
    world.settle();
    let players: Vec<_> = ids
        .iter()
        .map(|id| world.take(*id)[0]["data"]["current_players"].as_array().map(Vec::len))
        .collect();
    assert_eq!(players, (1..=5).map(Some).collect::<Vec<_>>());
    finish(world);
}

#[test]
fn a_connection_on_its_way_is_closed_by_a_server_that_ends() {
    for ended in [false, true] {
        let mut world = World::build(Design::new(2, 11));
        let code = code_of_the_second_shard(&mut world);
        // Somebody keeps the shard from ending, or nobody does.
        let deaf = world.admit_to(ShardIndex(1), LOCALHOST, Client::upgrading(""));
        world.clients[deaf].closes_politely = ended;
        world.hold_moves = true;
        let id = traveller(&mut world, &code);
        assert_eq!(world.shard_of(id), None);
        if !ended {
            world.drain();
            world.hold_moves = false;
            world.settle();
            assert_eq!(world.take(id), [just("Pong"), json!({"closed": "drain"})]);
        } else {
            world.hold_moves = false;
            world.drain();
            world.settle();
            assert_eq!(world.take(id).first(), Some(&just("Pong")));
        }
        world.advance(Duration::from_secs(6));
        assert!(world.has_ended(0) && world.has_ended(1));
        assert_eq!(world.network().open(), 0);
        world.assert_nothing_left();
    }
}
