//! TLS handshakes that are slow, never end, or are too many: each has its documented end, and the others are served
//! (protocol 2.11).

use signal_fish_core::ShardIndex;
use signal_fish_core::shard::Counters;
use signal_fish_simulator::world::{Design, Got, Id, World, just};
use signal_fish_simulator::{Client, LOCALHOST, Line, SECURE, Version};
use std::net::IpAddr;
use std::time::Duration;

/// Handshakes under way per shard.
const UNDER_WAY_MAX: usize = 64;
/// Time for handshake and head, and the resolution of deadlines.
const TIME_MAX: Duration = Duration::from_secs(10);
const RESOLUTION: Duration = Duration::from_millis(16);

fn world() -> World {
    World::build(Design::new(1, 7).with_tls())
}

fn address(number: usize) -> IpAddr {
    IpAddr::V4(u32::try_from(number).expect("few").into())
}

fn counters(world: &World) -> Counters {
    world.report(0).counters
}

/// A client whose ClientHello comes in part only.
fn begins(world: &mut World, ip: IpAddr, bytes: usize) -> Id {
    let id = world.admit(ip, Client::silent().at(SECURE));
    let mut hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec();
    hello.resize(bytes, 0);
    world.put_bytes(id, &hello);
    id
}

/// Somebody else is served, plain and with TLS.
#[track_caller]
fn others_are_served(world: &mut World, ip: IpAddr) {
    let plain = world.admit(ip, Client::upgrading(""));
    let secure = world.admit(ip, Client::upgrading("").at(SECURE).over(Version::Tls13, true));
    for id in [plain, secure] {
        world.send(id, just("Ping"));
        assert_eq!(world.take_types(id), ["Pong"]);
        world.clients[id].close(1000);
        world.settle();
    }
}

#[test]
fn one_that_does_not_go_on_ends_without_a_word() {
    // Nothing at all, one byte, a part of the message.
    for bytes in [0, 1, 11, 200] {
        let mut world = world();
        let slow = begins(&mut world, LOCALHOST, bytes);
        for _ in 0..4 {
            others_are_served(&mut world, LOCALHOST);
            world.advance(Duration::from_secs(2));
        }
        world.advance(Duration::from_millis(1_900));
        assert!(world.is_connected(slow));
        world.advance(Duration::from_millis(200) + RESOLUTION);
        assert!(
            world.clients[slow].is_over() && world.clients[slow].got.is_empty(),
            "{bytes}"
        );
        assert_eq!(counters(&world).handshakes_expired, 1, "{bytes}");
        others_are_served(&mut world, LOCALHOST);
        world.advance(Duration::from_secs(60));
        world.assert_nothing_left();
    }
}

#[test]
fn one_that_drips_has_no_more_time() {
    for version in Version::ALL {
        let mut world = world();
        world.line = Line {
            arrives_bytes_max: 1,
            drips: Duration::from_millis(100),
            ..Line::default()
        };
        let slow = world.admit(LOCALHOST, Client::upgrading("").at(SECURE).over(version, true));
        world.line = Line::default();
        world.advance(TIME_MAX - Duration::from_millis(100));
        assert!(world.is_connected(slow));
        others_are_served(&mut world, LOCALHOST);
        world.advance(Duration::from_millis(100) + RESOLUTION);
        assert!(world.clients[slow].is_over() && world.clients[slow].got.is_empty());
        assert_eq!(counters(&world).handshakes_expired, 1);
    }
}

/// The head behind the handshake has what is left of the time.
#[test]
fn the_head_has_no_time_of_its_own() {
    let mut world = world();
    world.advance(Duration::from_secs(1));
    let client = Client::silent().at(SECURE).over(Version::Tls13, true);
    let slow = world.admit(LOCALHOST, client);
    assert_eq!(counters(&world).handshakes_tls13, 1);
    world.advance(TIME_MAX - Duration::from_millis(100));
    assert!(world.is_connected(slow));
    world.advance(Duration::from_millis(100) + RESOLUTION);
    // Now it can be told.
    let got = world.take_all(slow);
    assert!(matches!(&got[..], [Got::Answer(408, _)]), "{got:?}");
    assert_eq!(counters(&world).handshakes_expired, 0);
}

#[test]
fn the_oldest_gives_way() {
    let mut world = world();
    let slow: Vec<Id> = (0..UNDER_WAY_MAX)
        .map(|number| begins(&mut world, address(number), 100))
        .collect();
    assert!(slow.iter().all(|id| world.is_connected(*id)));
    // Somebody who knows how to shake hands takes a place for a moment.
    others_are_served(&mut world, address(1_000));
    assert_eq!(counters(&world).handshakes_displaced, 1);
    assert!(!world.is_connected(slow[0]) && world.clients[slow[0]].got.is_empty());
    assert!(slow[1..].iter().all(|id| world.is_connected(*id)));
    // Its place is free: the next one displaces nobody, but the one after it does.
    let more: Vec<Id> = (0..3)
        .map(|number| begins(&mut world, address(2_000 + number), 100))
        .collect();
    assert_eq!(counters(&world).handshakes_displaced, 3);
    assert!(!world.is_connected(slow[2]) && world.is_connected(slow[3]));
    assert!(more.iter().all(|id| world.is_connected(*id)));
}

/// Who waits for its turn is not read and holds no place, and gets it while others of its address shake hands slowly.
#[test]
fn those_of_one_address_wait_for_their_turn() {
    let mut world = world();
    let clients: Vec<Id> = (0..40)
        .map(|_| world.admit(LOCALHOST, Client::upgrading("").at(SECURE).over(Version::Tls13, true)))
        .collect();
    let open = |world: &World| clients.iter().filter(|id| world.clients[**id].is_open()).count();
    assert_eq!(open(&world), 20, "a burst");
    others_are_served(&mut world, address(7));
    world.advance(Duration::from_millis(500) + RESOLUTION);
    assert_eq!(open(&world), 25, "ten a second");
    world.advance(Duration::from_millis(1_500) + RESOLUTION);
    assert_eq!(open(&world), 40);
    let counters = counters(&world);
    assert_eq!((counters.handshakes_displaced, counters.handshakes_expired), (0, 0));
}

/// Clients that get no ticket are told why through TLS, but not all of a flood.
#[test]
fn of_a_refused_flood_few_are_told_why() {
    let mut design = Design::new(1, 7).with_tls();
    design.limits.connections_per_ip_max = 1;
    let mut world = World::build(design);
    let held = world.admit(LOCALHOST, Client::upgrading("").at(SECURE).over(Version::Tls13, true));
    assert!(world.clients[held].is_open());
    let mut flood: Vec<Id> = Vec::new();
    for _ in 0..5 {
        // Fewer at once than may be without a ticket, so that none of them gives way to another.
        flood.extend((0..40).map(|_| {
            let client = Client::upgrading("").at(SECURE).over(Version::Tls13, true);
            world.enter(ShardIndex(0), LOCALHOST, client)
        }));
        world.settle();
    }
    let told = |world: &World| {
        let told = |id: &&Id| {
            world.clients[**id]
                .got
                .iter()
                .any(|got| matches!(got, Got::Closed(1008, _)))
        };
        flood.iter().filter(told).count()
    };
    assert_eq!(told(&world), 64);
    assert_eq!(counters(&world).handshakes_refused, 136);
    assert!(flood.iter().all(|id| !world.is_connected(*id)));
    let other = Client::upgrading("").at(SECURE).over(Version::Tls13, true);
    let other = world.admit(address(7), other);
    world.send(other, just("Ping"));
    assert_eq!(world.take_types(other), ["Pong"]);
}
