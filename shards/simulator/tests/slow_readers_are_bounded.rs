//! What waits for a client is bounded; a client that reads late gets everything, or a close frame that says why not
//! (D26).

use serde_json::json;
use signal_fish_simulator::Line;
use signal_fish_simulator::world::{Design, Got, Id, World, say};
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
