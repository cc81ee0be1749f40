//! A shard listens at several addresses. Each has paths of its own, and a flood of one keeps nobody of another waiting.

use signal_fish_core::http::{Origins, Routes, Site, Target, TrustedProxies};
use signal_fish_core::{ListenerIndex, ShardIndex};
use signal_fish_simulator::world::{Design, Got, World};
use signal_fish_simulator::{Client, LOCALHOST};

const OTHER: ListenerIndex = ListenerIndex(1);
/// Newcomers that a shard accepts in a turn.
const ACCEPTS_PER_TURN: usize = 64;

fn world() -> World {
    let mut design = Design::new(1, 11);
    design.other_sites = vec![Site {
        routes: Routes::new(vec![("/other", Target::Health)]),
        origins: Origins::Any,
        trusted_proxies: TrustedProxies::default(),
        secure: false,
        token_binding: None,
    }];
    World::build(design)
}

fn asking(path: &str) -> Client {
    Client::asking(&format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"))
}

fn status(world: &mut World, id: usize) -> Option<u16> {
    match world.take_all(id).pop()? {
        Got::Answer(status, _) => Some(status),
        _ => None,
    }
}

#[test]
fn paths_belong_to_a_listener() {
    let mut world = world();
    for (listener, path, expected) in [
        (ListenerIndex(0), "/healthz", 200),
        (ListenerIndex(0), "/other", 404),
        (OTHER, "/other", 200),
        (OTHER, "/healthz", 404),
    ] {
        let id = world.admit(LOCALHOST, asking(path).at(listener));
        assert_eq!(status(&mut world, id), Some(expected), "{path} of {listener:?}");
    }
}

#[test]
fn a_flood_of_one_listener_keeps_nobody_of_another_waiting() {
    let mut world = world();
    let connect = |world: &mut World, listener| {
        let line = world.line;
        world.clients.push(asking("/other").at(listener));
        world.network().connect((ShardIndex(0), listener), LOCALHOST, line)
    };
    for _ in 0..10 * ACCEPTS_PER_TURN {
        connect(&mut world, ListenerIndex(0));
    }
    let other = connect(&mut world, OTHER);
    // Its own turn, and one until the verdict is there.
    for _ in 0..4 {
        world.round();
    }
    assert_eq!(status(&mut world, other), Some(200));
    world.settle();
}

#[test]
fn a_drain_refuses_the_queues_of_all() {
    let mut world = world();
    world.network().exhausted_accepts = usize::MAX;
    let ids = [ListenerIndex(0), OTHER].map(|listener| world.admit(LOCALHOST, asking("/other").at(listener)));
    world.drain();
    world.advance(std::time::Duration::from_secs(10));
    for id in ids {
        assert_eq!(status(&mut world, id), Some(503));
    }
    assert!(world.has_ended(0));
}
