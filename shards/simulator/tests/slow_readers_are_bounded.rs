//! What waits for a client is bounded; a client that reads late gets everything, or a close frame that says why not
//! (D26).

use serde_json::json;
use signal_fish_simulator::world::{Design, Got, Id, World, player_left, say};
use signal_fish_simulator::{Line, masked_ping};
use std::time::Duration;

const OUTBOUND_BYTES_MAX: usize = 10_000;
const WINDOW_BYTES: usize = 2_000;

/// A room of two in which the second one does not read.
fn room() -> (World, [Id; 2]) {
    let mut design = Design::new(1, 3);
    design.options.outbound_bytes_max = OUTBOUND_BYTES_MAX;
    // Nobody is slowed down: this is about who reads.
    design.options.messages_per_sec_max = 0;
    design.options.fanout_bytes_per_sec_max = 0;
    let mut world = World::build(design);
    let room = world.room(&["a", "b"], 2);
    *world.network().line(room[1]) = Line {
        window_bytes: WINDOW_BYTES,
        reads_bytes_max: 0,
        ..Line::default()
    };
    (world, [room[0], room[1]])
}

fn read_again(world: &mut World, id: Id) {
    world.network().line(id).reads_bytes_max = 700;
    world.settle();
}

#[test]
fn who_pauses_for_less_than_that_loses_nothing() {
    let (mut world, [a, b]) = room();
    for n in 0..90 {
        world.send(a, say(json!([n, "x".repeat(20)])));
    }
    assert_eq!(world.network().unread_by_client(b), WINDOW_BYTES, "the socket is full");
    world.expect(b, json!([]));
    read_again(&mut world, b);
    let heard = world.take(b);
    let numbers: Vec<_> = heard.iter().map(|message| message["data"]["data"][0].clone()).collect();
    assert_eq!(numbers, (0..90).map(serde_json::Value::from).collect::<Vec<_>>());
    assert!(world.is_connected(b));
}

#[test]
fn who_pauses_for_longer_is_closed_and_reads_that_and_everything_before() {
    let (mut world, [a, b]) = room();
    for n in 0..1_000 {
        world.send(a, say(json!([n, "x".repeat(20)])));
    }
    assert_eq!(world.report(0).counters.closed_slow, 1);
    assert_eq!(world.take_types(a), ["PlayerLeft", "LobbyStateChanged"]);
    read_again(&mut world, b);
    let got = world.take_all(b);
    let frame_bytes = |got: &Got| match got {
        Got::Text(text) if text.len() < 126 => 2 + text.len(),
        Got::Text(text) => 4 + text.len(),
        _ => 0,
    };
    let bytes: usize = got.iter().map(frame_bytes).sum();
    assert!(bytes <= OUTBOUND_BYTES_MAX + WINDOW_BYTES + 200, "{bytes}");
    for (n, got) in got[..got.len() - 1].iter().enumerate() {
        let Got::Text(text) = got else { panic!("{got:?}") };
        assert!(text.contains(&format!(r#""data":[{n},"#)), "{n}: {text}");
    }
    assert!(matches!(got.last(), Some(Got::Closed(1013, _))), "{:?}", got.last());
}

#[test]
fn who_never_reads_again_keeps_nothing() {
    let (mut world, [a, b]) = room();
    for _ in 0..1_000 {
        world.send(a, say(json!("x".repeat(30))));
    }
    world.advance(Duration::from_secs(3));
    assert_eq!(world.shard_of(b), None, "it is given up after two seconds");
    world.drop_client(a);
    world.advance(Duration::from_secs(700));
    world.assert_nothing_left();
}

#[test]
fn a_burst_evicts_nobody_whose_socket_takes_it() {
    // Who reads has room in its socket for all of it, many times what may wait for it.
    for batching in [true, false] {
        let mut design = Design::new(1, 3);
        design.options.outbound_bytes_max = OUTBOUND_BYTES_MAX;
        design.options.messages_per_sec_max = 0;
        design.options.fanout_bytes_per_sec_max = 0;
        design.options.batching = batching;
        let mut world = World::build(design);
        let room = world.room(&["a", "b", "c"], 3);
        world.stand_still(Duration::from_secs(100));
        for sender in &room[..2] {
            for n in 0..30 {
                world.clients[*sender].say(&say(json!([n, "x".repeat(1_000)])).to_string());
            }
        }
        let turns = world.report(0).counters.turns;
        world.settle();
        assert!(world.report(0).counters.turns - turns <= 3, "it came in one turn");
        assert_eq!(world.take(room[2]).len(), 60);
        assert_eq!(world.take(room[0]).len(), 30);
        assert_eq!(world.report(0).counters.closed_slow, 0);
    }
}

#[test]
fn one_message_of_any_size_waits_for_who_had_read_everything() {
    let (mut world, [a, b]) = room();
    world.send(a, say(json!("x".repeat(5 * OUTBOUND_BYTES_MAX))));
    assert_eq!(world.report(0).counters.closed_slow, 0);
    // The next one is too much, however short it is. Of a slow consumer's output the frame under way is kept.
    world.send(a, say(json!(2)));
    assert_eq!(world.report(0).counters.closed_slow, 1);
    read_again(&mut world, b);
    let got = world.take_all(b);
    assert!(
        matches!(&got[..], [Got::Text(_), Got::Closed(1013, _)]),
        "{}",
        got.len()
    );
    let (mut world, [a, b]) = room();
    world.send(a, say(json!("x".repeat(5 * OUTBOUND_BYTES_MAX))));
    read_again(&mut world, b);
    world.send(a, say(json!(2)));
    assert_eq!(world.take(b).len(), 2);
}

/// As JSON it is eight times as long, and over the bound only by that.
#[test]
fn a_packed_message_that_grows_waits_too() {
    let (mut world, [a, b]) = room();
    world.send(
        a,
        json!({"type": "Authenticate", "data": {"app_id": "x", "game_data_format": "message_pack"}}),
    );
    world.skip();
    // An array with a map in it whose key is a map of 5,000 pairs of `false`.
    let mut payload = b"\x91\x81\xde\x13\x88".to_vec();
    payload.extend(std::iter::repeat_n(0xc2, 10_000));
    payload.push(1);
    world.send_binary(a, &payload);
    assert_eq!(world.report(0).counters.closed_slow, 0);
    read_again(&mut world, b);
    let got = world.take_all(b);
    let [Got::Text(text)] = &got[..] else {
        panic!("{}", got.len())
    };
    assert!(
        text.len() > 7 * payload.len() && text.len() > OUTBOUND_BYTES_MAX,
        "{}",
        text.len()
    );
    assert!(world.is_connected(b));
}

#[test]
fn the_others_of_the_room_are_told_and_hear_everything() {
    let mut design = Design::new(1, 3);
    design.options.outbound_bytes_max = OUTBOUND_BYTES_MAX;
    design.options.messages_per_sec_max = 0;
    design.options.fanout_bytes_per_sec_max = 0;
    let mut world = World::build(design);
    let room = world.room(&["a", "b", "c", "d"], 4);
    let deaf = [room[1], room[2]];
    for id in deaf {
        *world.network().line(id) = Line {
            window_bytes: WINDOW_BYTES,
            reads_bytes_max: 0,
            ..Line::default()
        };
    }
    // Both pass the bound in the same fan-out; each is among those whom the end of the other is told.
    let gone = deaf.map(|id| world.player_id(id));
    for n in 0..200 {
        world.clients[room[0]].say(&say(json!([n, "x".repeat(100)])).to_string());
    }
    world.settle();
    assert_eq!(world.report(0).counters.closed_slow, 2);
    let heard = world.take(room[3]);
    let numbers = heard.iter().filter(|message| message["type"] == "GameData");
    assert!(numbers.map(|message| message["data"]["data"][0].clone()).eq(0..200));
    for gone in gone {
        assert!(heard.contains(&player_left(&gone)));
        assert!(
            world.clients[room[0]]
                .got
                .iter()
                .any(|got| matches!(got, Got::Text(text) if text.contains(&gone)))
        );
    }
    assert_eq!(world.signal_fish(0).gauges().players, 2);
}

#[test]
fn pongs_count_too() {
    let (mut world, [a, b]) = room();
    let ping = masked_ping(&[0; 100]);
    world.clients[b].write(&ping.repeat(10_000));
    world.settle();
    assert_eq!(world.report(0).counters.closed_slow, 1);
    read_again(&mut world, b);
    let pongs = world.clients[b].pongs;
    assert!(pongs <= (OUTBOUND_BYTES_MAX + WINDOW_BYTES) / 100 + 2, "{pongs}");
    assert_eq!(world.take_types(a), ["PlayerLeft", "LobbyStateChanged"]);
}
