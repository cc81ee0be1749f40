//! The room relay in virtual time: everybody else gets what one sends, byte for byte and in order; `peer-disconnected` comes
//! exactly once; the rates of an address hold over all shards; who is refused is told why, and nobody else hears of it.

use serde_json::Value;
use signal_fish_core::ShardIndex;
use signal_fish_core::admission::{Ask, Rate, Rates};
use signal_fish_core::http::Origins;
use signal_fish_core::protocol::relay::Settings;
use signal_fish_simulator::world::{Design, Got, Id, World};
use signal_fish_simulator::{Client, LOCALHOST, RELAY, Sequence, seeds, upgrade_at};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

const TEST: &str = "the_relay_forwards_and_forgets_nobody";

/// No limits but those of `settings`.
fn open() -> Settings {
    Settings {
        client_messages: Rate::per_10s(0),
        ip_messages: Rate::per_10s(0),
        room_messages: Rate::per_10s(0),
        ..Settings::default()
    }
}

fn world(shards: u16, seed: u64, settings: Settings) -> World {
    let mut design = Design::new(shards, seed);
    design.limits.relay = Rates {
        connections: Rate::per_10s(0),
        messages: settings.ip_messages,
    };
    design.relay = settings;
    World::build(design)
}

fn client(target: &str, headers: &str) -> Client {
    Client::asking(&upgrade_at(target, headers)).at(RELAY)
}

fn enter(world: &mut World, room: &str) -> Id {
    world.admit(LOCALHOST, client(&format!("/?roomId={room}"), ""))
}

fn message(number: usize) -> String {
    format!(r#"{{"type":"offer", "n":{number}}}"#)
}

fn texts(world: &World, id: Id) -> Vec<String> {
    let got = world.clients[id].got.iter();
    got.filter_map(|got| match got {
        Got::Text(text) => Some(text.clone()),
        _ => None,
    })
    .collect()
}

fn disconnected(world: &World, id: Id) -> Vec<String> {
    let texts = texts(world, id).into_iter();
    texts
        .filter_map(|text| {
            let message: Value = serde_json::from_str(&text).expect("JSON");
            let gone = message["type"] == "peer-disconnected";
            gone.then(|| message["clientId"].as_str().expect("an id").to_owned())
        })
        .collect()
}

fn closed(world: &World, id: Id) -> Option<(u16, &str)> {
    world.clients[id].got.iter().find_map(|got| match got {
        Got::Closed(code, reason) => Some((*code, reason.as_str())),
        _ => None,
    })
}

fn both(test: impl Fn(u16)) {
    test(1);
    test(4);
}

#[test]
fn everybody_else_gets_the_bytes_and_the_sender_nothing() {
    both(|shards| {
        let mut world = world(shards, 1, open());
        let [a, b, c] = [(); 3].map(|()| enter(&mut world, "room"));
        let other = enter(&mut world, "Room");
        let text = " {\"b\":1.0,\n\"type\":\"x\", \"a\":\"\\u00e9\"} ";
        world.send_text(a, text);
        world.send_binary(b, text.as_bytes());
        assert_eq!(texts(&world, c), [text, text]);
        assert_eq!(texts(&world, a), [text]);
        assert_eq!(texts(&world, b), [text]);
        assert!(texts(&world, other).is_empty());
        let forwarded: u64 = world.all_relay().map(|relay| relay.counters().forwarded).sum();
        assert_eq!(forwarded, 4);
    });
}

#[test]
fn whatever_the_schedule_the_others_hear_once_who_is_gone() {
    seeds(TEST, 60, |seed| {
        let mut world = world(4, seed, open());
        let mut random = Sequence::new(seed);
        world.network().shuffles_events = true;
        let watcher = enter(&mut world, "any");
        let mut here: Vec<Id> = Vec::new();
        let mut gone = 0;
        let mut sent: BTreeMap<Id, usize> = BTreeMap::new();
        for _ in 0..80 {
            match random.up_to(6) {
                0 | 1 => here.push(enter(&mut world, "any")),
                2 if !here.is_empty() => {
                    let leaver = here.swap_remove(random.up_to(here.len() - 1));
                    match random.up_to(2) {
                        0 => world.drop_client(leaver),
                        1 => world.finish(leaver),
                        _ => {
                            world.clients[leaver].close(4000);
                            world.settle();
                        }
                    }
                    gone += 1;
                }
                3 => {
                    // One that is refused, and one that gives up before it is answered.
                    enter(&mut world, "not%20a%20room");
                    world.hold_verdicts = true;
                    let early = enter(&mut world, "any");
                    world.drop_client(early);
                    world.hold_verdicts = false;
                    world.settle();
                }
                _ if !here.is_empty() => {
                    let from = here[random.up_to(here.len() - 1)];
                    let number = sent.entry(from).or_insert(0);
                    *number += 1;
                    let text = format!(r#"{{"type":"x","from":{from},"n":{number}}}"#);
                    world.send_text(from, &text);
                }
                _ => {}
            }
        }
        let heard = disconnected(&world, watcher);
        let once: std::collections::BTreeSet<_> = heard.iter().collect();
        // Who gave up early may have been inside before that was found out.
        let left: u64 = world.all_relay().map(|relay| relay.counters().left).sum();
        assert_eq!((heard.len() as u64, once.len() as u64), (left, left));
        assert!(heard.len() >= gone);
        assert!(heard.iter().all(|id| id.starts_with("client:")));
        let mut last: BTreeMap<u64, u64> = BTreeMap::new();
        for text in texts(&world, watcher) {
            let message: Value = serde_json::from_str(&text).expect("JSON");
            if let (Some(from), Some(number)) = (message["from"].as_u64(), message["n"].as_u64()) {
                let before = last.insert(from, number).unwrap_or(0);
                assert_eq!(number, before + 1, "nothing is lost, repeated or reordered");
            }
        }
        assert_eq!(last.len(), sent.len());
        for id in 0..world.clients.len() {
            world.drop_client(id);
        }
        world.assert_nothing_left();
    });
}

#[test]
fn the_upgrade_is_answered_when_it_is_decided() {
    both(|shards| {
        let mut world = world(shards, 1, open());
        let a = enter(&mut world, "room");
        world.hold_verdicts = true;
        let b = enter(&mut world, "room");
        while world.asks().iter().any(|ask| matches!(ask, Ask::Connect { .. })) {
            world.answer();
        }
        assert!(!world.clients[b].is_open(), "its entry is not decided");
        world.send_text(a, &message(1));
        world.hold_verdicts = false;
        world.settle();
        assert!(world.clients[b].is_open());
        world.send_text(a, &message(2));
        assert_eq!(texts(&world, b), [message(2)]);
    });
}

#[test]
fn refusals_have_their_codes_and_come_in_order() {
    both(|shards| {
        let settings = Settings {
            origins: Arc::new(Origins::Listed(vec!["https://a.example".to_owned()])),
            subprotocol: Some(Arc::from("game.v1")),
            room_capacity: 1,
            ..open()
        };
        let mut world = world(shards, 1, settings);
        let good = "Origin: https://a.example\r\nSec-WebSocket-Protocol: x, game.v1\r\n";
        let inside = world.admit(LOCALHOST, client("/?roomId=room", good));
        for (target, headers, code, reason) in [
            ("/", "Origin: https://b.example\r\n", 1008, "Invalid roomId"),
            (
                "/?roomId=room",
                "Origin: https://b.example\r\n",
                1008,
                "Origin not allowed",
            ),
            ("/?roomId=room", "", 1008, "Subprotocol required"),
            ("/?roomId=room", good, 1000, "Room is full"),
        ] {
            let id = world.admit(LOCALHOST, client(target, headers));
            assert_eq!(closed(&world, id), Some((code, reason)));
        }
        assert!(texts(&world, inside).is_empty(), "nobody is told of who was refused");
    });
}

fn with_tokens() -> Settings {
    Settings {
        require_token: true,
        ..open()
    }
}

#[test]
fn a_token_lets_into_its_rooms_alone() {
    both(|shards| {
        let mut world = world(shards, 1, with_tokens());
        let inside = world.admit(LOCALHOST, client("/?roomId=room&token=for-room", ""));
        let other = world.admit(LOCALHOST, client("/?roomId=room&token=for-ro*", ""));
        let header = "Authorization: Bearer for-room\r\n";
        let by_header = world.admit(LOCALHOST, client("/?roomId=room&token=bad&token=worse", header));
        world.send_text(inside, &message(1));
        assert_eq!(texts(&world, other), [message(1)]);
        assert_eq!(texts(&world, by_header), [message(1)], "the header wins");
        for (target, headers, code, reason) in [
            ("/?roomId=room", "", 1008, "Unauthorized"),
            ("/?roomId=room&token=bad", "", 1008, "Unauthorized"),
            ("/?roomId=room&token=for-room&token=for-room", "", 1008, "Unauthorized"),
            (
                "/?roomId=room&token=for-room",
                "Authorization: Bearer bad\r\n",
                1008,
                "Unauthorized",
            ),
            ("/?roomId=room&token=for-other", "", 1008, "Room not allowed"),
            ("/?roomId=not%20one&token=bad", "", 1008, "Invalid roomId"),
        ] {
            let id = world.admit(LOCALHOST, client(target, headers));
            assert_eq!(closed(&world, id), Some((code, reason)), "{target}");
        }
        assert!(disconnected(&world, inside).is_empty());
    });
}

#[test]
fn a_wrong_token_costs_no_place_among_the_connections_of_the_address() {
    both(|shards| {
        let mut design = Design::new(shards, 1);
        design.limits.relay.connections = Rate::per_10s(2);
        design.relay = with_tokens();
        let mut world = World::build(design);
        for _ in 0..5 {
            let id = world.admit(LOCALHOST, client("/?roomId=room&token=bad", ""));
            assert_eq!(closed(&world, id), Some((1008, "Unauthorized")));
        }
        let inside: Vec<Id> = (0..2)
            .map(|_| world.admit(LOCALHOST, client("/?roomId=room&token=for-room", "")))
            .collect();
        assert!(inside.iter().all(|id| closed(&world, *id).is_none()));
        let third = world.admit(LOCALHOST, client("/?roomId=room&token=for-room", ""));
        assert_eq!(closed(&world, third), Some((1013, "Rate limited")));
    });
}

#[test]
fn a_late_verdict_on_a_token_holds_up_nobody_else() {
    seeds(TEST, 40, |seed| {
        let mut world = world(4, seed, with_tokens());
        let mut random = Sequence::new(seed);
        world.network().shuffles_events = true;
        let watcher = world.admit(LOCALHOST, client("/?roomId=any&token=for-any", ""));
        let speaker = world.admit(LOCALHOST, client("/?roomId=any&token=for-any", ""));
        world.hold_tokens = true;
        let mut waiting: Vec<(Id, bool)> = Vec::new();
        let mut said = 0;
        for _ in 0..60 {
            match random.up_to(5) {
                0 | 1 => {
                    let good = random.up_to(2) > 0;
                    let token = if good { "for-any" } else { "bad" };
                    let id = world.admit(LOCALHOST, client(&format!("/?roomId=any&token={token}"), ""));
                    assert!(!world.clients[id].is_open(), "nothing is answered before the verdict");
                    waiting.push((id, good));
                }
                2 if !waiting.is_empty() => {
                    let (id, _) = waiting.swap_remove(random.up_to(waiting.len() - 1));
                    world.drop_client(id);
                }
                3 => drop(world.answer_token()),
                _ => {
                    said += 1;
                    world.send_text(speaker, &message(said));
                    assert_eq!(
                        texts(&world, watcher).last(),
                        Some(&message(said)),
                        "known clients talk meanwhile"
                    );
                }
            }
        }
        world.hold_tokens = false;
        world.settle();
        for (id, good) in waiting {
            match good {
                true => assert!(world.clients[id].is_open() && closed(&world, id).is_none()),
                false => assert_eq!(closed(&world, id), Some((1008, "Unauthorized"))),
            }
        }
        // Who left before its verdict was never inside, so nobody hears of it.
        let left: u64 = world.all_relay().map(|relay| relay.counters().left).sum();
        assert_eq!(disconnected(&world, watcher).len() as u64, left);
        for id in 0..world.clients.len() {
            world.drop_client(id);
        }
        world.assert_nothing_left();
    });
}

#[test]
fn a_drain_answers_who_waits_for_a_verdict_on_its_token() {
    both(|shards| {
        let mut world = world(shards, 1, with_tokens());
        world.hold_tokens = true;
        let id = world.admit(LOCALHOST, client("/?roomId=room&token=for-room", ""));
        world.drain();
        assert!(!world.clients[id].is_open(), "it gets what newcomers get");
        world.hold_tokens = false;
        world.settle();
        world.advance(Duration::from_secs(10));
        world.assert_nothing_left();
    });
}

#[test]
fn a_connection_without_a_ticket_is_refused_in_its_turn() {
    both(|shards| {
        let mut design = Design::new(shards, 1);
        design.limits.connections_per_ip_max = 1;
        design.limits.relay.connections = Rate::per_10s(3);
        design.relay = open();
        let mut world = World::build(design);
        let a = enter(&mut world, "room");
        assert_eq!(closed(&world, a), None);
        let wrong = enter(&mut world, "not%20a%20room");
        assert_eq!(closed(&world, wrong), Some((1008, "Invalid roomId")));
        for _ in 0..2 {
            let id = enter(&mut world, "room");
            assert_eq!(closed(&world, id), Some((1008, "Too many connections")));
        }
        let fourth = enter(&mut world, "room");
        assert_eq!(closed(&world, fourth), Some((1013, "Rate limited")));
        world.drop_client(a);
        world.advance(Duration::from_secs(20));
        assert_eq!(world.admission.totals().connections_active, 0);
        world.assert_nothing_left();
    });
}

#[test]
fn the_rate_of_an_address_holds_over_all_shards() {
    for limit in [10, 50] {
        let settings = Settings {
            ip_messages: Rate::per_10s(limit),
            ..open()
        };
        let mut world = world(4, 3, settings);
        let other: IpAddr = Ipv4Addr::new(192, 0, 2, 7).into();
        // Rooms on every shard, each with a listener from elsewhere.
        let pairs: Vec<(Id, Id)> = (0..12)
            .map(|room| {
                let target = format!("/?roomId=room{room}");
                (
                    world.admit(LOCALHOST, client(&target, "")),
                    world.admit(other, client(&target, "")),
                )
            })
            .collect();
        let shards: std::collections::BTreeSet<_> = pairs.iter().filter_map(|(id, _)| world.shard_of(*id)).collect();
        assert_eq!(shards.len(), 4);
        // They are idle for long, so that every shard holds a block and the bucket is full again.
        world.advance(Duration::from_secs(5));
        for number in 0..2 * limit as usize {
            for (sender, _) in &pairs {
                world.send_text(*sender, &message(number));
            }
        }
        let heard: usize = pairs.iter().map(|(_, listener)| texts(&world, *listener).len()).sum();
        assert_eq!(heard, limit as usize);
        let dropped: u64 = world.all_relay().map(|relay| relay.counters().ip_rate_drops).sum();
        assert_eq!(dropped, u64::from(24 * limit) - heard as u64);
        // The bucket fills again all the time.
        world.advance(Duration::from_secs(5));
        for number in 0..limit as usize {
            for (sender, _) in &pairs {
                world.send_text(*sender, &message(number));
            }
        }
        let more: usize = pairs.iter().map(|(_, listener)| texts(&world, *listener).len()).sum();
        assert!(
            more > heard && more <= heard + limit as usize / 2,
            "{more} after {heard}"
        );
        for id in 0..world.clients.len() {
            world.drop_client(id);
        }
        world.advance(Duration::from_secs(60));
        world.admission.sweep(world.now);
        assert_eq!(world.admission.totals().relay_addresses_active, 0);
        world.assert_nothing_left();
    }
}

#[test]
fn what_an_idle_shard_was_lent_goes_back() {
    let settings = Settings {
        ip_messages: Rate::per_10s(20),
        ..open()
    };
    let mut world = world(4, 3, settings);
    for room in 0..20 {
        enter(&mut world, &format!("idle{room}"));
    }
    // After that no shard holds anything.
    world.advance(Duration::from_secs(25));
    let [a, b] = [(); 2].map(|()| enter(&mut world, "busy"));
    for number in 0..30 {
        world.send_text(a, &message(number));
    }
    assert_eq!(texts(&world, b).len(), 20);
}

#[test]
fn clients_and_rooms_have_buckets_and_a_dropped_message_takes_no_later_token() {
    let settings = Settings {
        client_messages: Rate::per_10s(5),
        room_messages: Rate::per_10s(8),
        ..open()
    };
    both(|shards| {
        let mut world = world(shards, 1, settings.clone());
        let [a, b, c] = [(); 3].map(|()| enter(&mut world, "room"));
        for number in 0..20 {
            world.send_text(a, &message(number));
        }
        assert_eq!(texts(&world, c).len(), 5);
        // What was dropped of a took nothing from the room: three are left, and an invalid message costs one.
        world.send_text(b, "invalid");
        for number in 0..4 {
            world.send_text(b, &message(number));
        }
        assert_eq!(texts(&world, c).len(), 7);
        let counters = |of: fn(&signal_fish_core::protocol::relay::Counters) -> u64| -> u64 {
            world.all_relay().map(|relay| of(relay.counters())).sum()
        };
        assert_eq!(counters(|counters| counters.client_rate_drops), 15);
        assert_eq!(counters(|counters| counters.room_rate_drops), 2);
        assert_eq!(counters(|counters| counters.schema_rejects), 1);
        world.advance(Duration::from_secs(2));
        world.send_text(a, &message(99));
        assert_eq!(texts(&world, c).len(), 8);
    });
}

#[test]
fn a_held_message_is_handled_before_those_behind_it() {
    let settings = Settings {
        ip_messages: Rate::per_10s(100),
        ..open()
    };
    let mut world = world(1, 1, settings);
    let [a, b] = [(); 2].map(|()| enter(&mut world, "room"));
    world.hold_verdicts = true;
    for number in 0..25 {
        world.send_text(a, &message(number));
    }
    assert_eq!(texts(&world, b).len(), 10, "a block is a tenth");
    assert!(world.is_connected(a));
    world.hold_verdicts = false;
    world.settle();
    let expected: Vec<String> = (0..25).map(message).collect();
    assert_eq!(texts(&world, b), expected);
}

#[test]
fn pings_come_in_every_interval_and_silence_of_two_ends() {
    both(|shards| {
        let mut world = world(shards, 1, open());
        let [silent, alive, busy] = [(); 3].map(|()| enter(&mut world, "room"));
        world.clients[alive].answers_pings = true;
        for number in 0..15 {
            world.advance(Duration::from_secs(8));
            world.send_text(busy, &message(number));
        }
        let pings = |id: Id| world.clients[id].got.iter().filter(|got| **got == Got::Ping).count();
        assert_eq!(closed(&world, silent), Some((1008, "Heartbeat timeout")));
        assert_eq!((closed(&world, alive), closed(&world, busy)), (None, None));
        assert!((3..=5).contains(&pings(alive)), "{}", pings(alive));
        assert!((3..=5).contains(&pings(busy)), "{}", pings(busy));
        assert_eq!(disconnected(&world, busy).len(), 1);
    });
}

#[test]
fn a_client_that_reads_nothing_is_closed_in_its_own_words() {
    let mut design = Design::new(1, 1);
    design.relay = open();
    design.options.relay.outbound_bytes_max = 10_000;
    design.options.messages_per_sec_max = 0;
    let mut world = World::build(design);
    let [a, slow] = [(); 2].map(|()| enter(&mut world, "room"));
    world.network().line(slow).window_bytes = 1000;
    world.network().line(slow).reads_bytes_max = 0;
    let large = format!(r#"{{"type":"x","pad":"{}"}}"#, "x".repeat(2000));
    for _ in 0..10 {
        world.send_text(a, &large);
    }
    assert_eq!(disconnected(&world, a).len(), 1);
    world.network().line(slow).window_bytes = usize::MAX;
    world.network().line(slow).reads_bytes_max = usize::MAX;
    world.settle();
    assert_eq!(closed(&world, slow), Some((1013, "Server overloaded")));
    assert_eq!(
        world.all_relay().map(|relay| relay.counters().closed_slow).sum::<u64>(),
        1
    );
}

#[test]
fn a_drain_closes_with_its_words_and_answers_503_to_who_is_on_the_way() {
    both(|shards| {
        let mut world = world(shards, 1, open());
        let ids = [(); 3].map(|()| enter(&mut world, "room"));
        world.hold_verdicts = true;
        let early = enter(&mut world, "room");
        while world.asks().iter().any(|ask| matches!(ask, Ask::Connect { .. })) {
            world.answer();
        }
        world.drain();
        for id in ids {
            assert_eq!(closed(&world, id), Some((1001, "Going away")));
            assert!(disconnected(&world, id).is_empty());
        }
        assert!(matches!(world.clients[early].got.last(), Some(Got::Answer(503, _))));
        world.hold_verdicts = false;
        world.advance(Duration::from_secs(10));
        world.assert_nothing_left();
    });
}

#[test]
fn invalid_messages_are_answered_and_too_many_in_a_row_end_the_connection() {
    let settings = Settings {
        invalid_messages_max: 3,
        ..open()
    };
    both(|shards| {
        let mut world = world(shards, 1, settings.clone());
        let [a, b] = [(); 2].map(|()| enter(&mut world, "room"));
        world.send_text(a, "{}");
        world.send_binary(a, b"\xff");
        world.send_text(a, r#"{"type":"control"}"#);
        let answer = r#"{"type":"control","action":"schema-error"}"#;
        assert_eq!(texts(&world, a), [answer; 3]);
        assert!(texts(&world, b).is_empty());
        world.send_text(a, &message(1));
        for _ in 0..4 {
            world.send_text(a, "{}");
        }
        assert_eq!(closed(&world, a), Some((1008, "too many invalid messages")));
        assert_eq!(disconnected(&world, b).len(), 1);
    });
}

#[test]
fn a_client_that_cannot_move_is_told() {
    let mut world = world(4, 1, open());
    world.mailroom().moves_max = 0;
    let ids: Vec<Id> = (0..8)
        .map(|_| world.admit_to(ShardIndex(0), LOCALHOST, client("/?roomId=there", "")))
        .collect();
    let at_home = ids.iter().filter(|id| closed(&world, **id).is_none()).count();
    let refused = ids
        .iter()
        .filter(|id| closed(&world, **id) == Some((1013, "try again later")))
        .count();
    assert_eq!(at_home + refused, 8);
    assert!(at_home == 0 || at_home == 8);
}
