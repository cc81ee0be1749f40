//! A connection with TLS moves while a record is cut at any of its bytes, in either direction: none is lost, repeated or out
//! of order.

use serde_json::json;
use signal_fish_core::ShardIndex;
use signal_fish_simulator::world::{Design, Got, Id, World, join, just, say};
use signal_fish_simulator::{Client, LOCALHOST, Line, SECURE, Version};
use std::net::IpAddr;
use std::time::Duration;

/// A world in which the only room belongs to one shard, its first member, and another shard.
fn world() -> (World, Id, ShardIndex) {
    let mut world = World::build(Design::new(2, 7).with_tls());
    let first = world.admit(LOCALHOST, Client::upgrading("").at(SECURE).over(Version::Tls13, true));
    world.join(first, "ROOM42", "first", 100);
    let owner = world.shard_of(first).expect("it is connected");
    world.skip();
    (world, first, ShardIndex(1 - owner))
}

/// A client at the shard that does not own the room.
fn newcomer(world: &mut World, shard: ShardIndex, version: Version) -> Id {
    // Each has an address of its own: those of one would have to wait for their handshakes.
    let number = u32::try_from(world.clients.len()).expect("few");
    let client = Client::upgrading("").at(SECURE).over(version, true);
    let id = world.admit_to(shard, IpAddr::V4(number.into()), client);
    assert!(world.clients[id].is_open());
    assert_eq!(world.shard_of(id), Some(shard.0));
    id
}

/// How many bytes the client reads, and how many fit on the way to it.
fn line(world: &mut World, id: Id, reads_bytes_max: usize, window_bytes: usize) {
    *world.network().line(id) = Line {
        reads_bytes_max,
        window_bytes,
        ..Line::default()
    };
}

/// It goes, so that the room does not fill up.
fn goes(world: &mut World, id: Id) {
    world.clients[id].close(1000);
    world.settle();
    world.skip();
}

#[test]
fn what_the_client_says_may_be_cut_anywhere() {
    for version in Version::ALL {
        let (mut world, first, shard) = world();
        let (mut cut, mut length) = (0, 0);
        while cut <= length {
            for rest_comes_on_the_way in [true, false] {
                let id = newcomer(&mut world, shard, version);
                world.clients[id].say(&join("ROOM42", "second", 100).to_string());
                let mut bytes = world.take_bytes(id);
                // Two records behind the one that makes it move.
                let begin = bytes.len();
                for number in [1, 2] {
                    world.clients[id].say(&say(json!(number)).to_string());
                    bytes.extend(world.take_bytes(id));
                }
                length = bytes.len() - begin;
                let (now, later) = bytes.split_at(begin + cut);
                world.hold_moves = true;
                world.put_bytes(id, now);
                assert_eq!(world.shard_of(id), None, "it is on its way");
                if rest_comes_on_the_way {
                    world.put_bytes(id, later);
                }
                world.hold_moves = false;
                world.settle();
                if !rest_comes_on_the_way {
                    world.put_bytes(id, later);
                }
                assert_eq!(world.shard_of(id), Some(1 - shard.0));
                let types = world.take_types(first);
                assert_eq!(
                    types,
                    ["PlayerJoined", "GameData", "GameData"],
                    "{version:?}, cut at {cut}"
                );
                assert!(world.clients[id].is_open());
                goes(&mut world, id);
            }
            cut += 1;
        }
        assert!(length > 100, "two records");
    }
}

#[test]
fn what_the_server_says_may_be_cut_anywhere() {
    for version in Version::ALL {
        let (mut world, first, shard) = world();
        // A client to whom nothing was sent would read nothing, so that there would be no event.
        let (mut window, mut was_cut) = (1, 0);
        loop {
            let id = newcomer(&mut world, shard, version);
            // The client reads nothing, and so much fits on the way to it.
            line(&mut world, id, 0, window);
            world.send(id, just("Ping"));
            let whole = !world.network().is_blocked(id);
            world.send(id, join("ROOM42", "second", 100));
            assert_eq!(world.shard_of(id), Some(1 - shard.0), "it has moved");
            assert!(world.clients[id].got.is_empty(), "it has read nothing");
            line(&mut world, id, usize::MAX, usize::MAX);
            world.settle();
            assert_eq!(
                world.take_types(id),
                ["Pong", "RoomJoined"],
                "{version:?}, cut at {window}"
            );
            world.send(first, say(json!(window)));
            assert_eq!(world.take_types(id), ["GameData"], "{version:?}, cut at {window}");
            goes(&mut world, id);
            if whole {
                break;
            }
            (window, was_cut) = (window + 1, was_cut + 1);
        }
        assert!(was_cut > 30, "a record");
    }
}

/// Whoever cannot move is told so in a record, behind what was sealed before.
#[test]
fn who_cannot_move_is_told_through_tls() {
    for version in Version::ALL {
        for window in [0, 1, 30, 1_000] {
            let (mut world, _, shard) = world();
            let id = newcomer(&mut world, shard, version);
            line(&mut world, id, 0, window);
            world.send(id, just("Ping"));
            line(&mut world, id, 0, usize::MAX);
            world.mailroom().moves_max = 0;
            world.send(id, join("ROOM42", "second", 100));
            line(&mut world, id, usize::MAX, usize::MAX);
            world.settle();
            let got = world.take_all(id);
            assert!(matches!(&got[0], Got::Text(text) if text.contains("Pong")), "{got:?}");
            assert_eq!(
                got[1..],
                [Got::Closed(1013, "try again later".into())],
                "{version:?}, {window}"
            );
        }
    }
}

/// Any byte is a sign of life (D24), also one that is a part of a record.
#[test]
fn every_byte_of_a_record_is_life() {
    for version in Version::ALL {
        let mut design = Design::new(1, 7).with_tls();
        design.options.ping_timeout = Duration::from_secs(4);
        let mut world = World::build(design);
        let id = newcomer(&mut world, ShardIndex(0), version);
        *world.network().line(id) = Line {
            arrives_bytes_max: 1,
            drips: Duration::from_millis(500),
            ..Line::default()
        };
        world.send(id, just("Ping"));
        world.advance(Duration::from_secs(15));
        assert!(world.is_connected(id) && world.take_types(id).is_empty(), "{version:?}");
        world.advance(Duration::from_secs(60));
        assert_eq!(world.take_types(id)[0], "Pong", "{version:?}");
    }
}
