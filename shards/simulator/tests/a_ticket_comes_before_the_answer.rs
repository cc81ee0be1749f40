//! The place of a connection: asked for at accept, waited for behind the head, given back when the connection is idle or
//! ends (D43, D27).

use serde_json::{Value, json};
use signal_fish_core::ShardIndex;
use signal_fish_core::admission::{Ask, Limits};
use signal_fish_core::http::{ClientIpHeader, TrustedProxies};
use signal_fish_simulator::world::{Design, Got, Id, World, error, open_limits};
use signal_fish_simulator::{Client, LOCALHOST, upgrade};
use std::net::IpAddr;
use std::time::Duration;

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
const HALF: &str = "GET /healthz HTTP/1.1\r\nHost";
const SECOND: Duration = Duration::from_secs(1);

fn design(connections_per_ip_max: usize, slots_max: usize) -> Design {
    let mut design = Design::new(1, 5);
    design.limits = Limits {
        connections_per_ip_max,
        ..open_limits()
    };
    design.options.slots_max = slots_max;
    design
}

/// So many connections for each address, and slots for a thousand.
fn world(connections_per_ip_max: usize) -> World {
    World::build(design(connections_per_ip_max, 1_000))
}

/// The same, and whoever comes from 10.0.0.0/8 is a trusted proxy. Of the slots it may hold eight without a head.
fn proxied(connections_per_ip_max: usize) -> World {
    let mut design = design(connections_per_ip_max, 64);
    let networks = vec!["10.0.0.0/8".parse().expect("a network")];
    design.site.trusted_proxies = TrustedProxies::new(networks, ClientIpHeader::XForwardedFor);
    World::build(design)
}

fn proxy(number: u8) -> IpAddr {
    [10, 0, 0, number].into()
}

fn admit(world: &mut World, ip: IpAddr, requests: &str) -> Id {
    world.admit(ip, Client::asking(requests))
}

fn write(world: &mut World, id: Id, text: &str) {
    world.clients[id].write(text.as_bytes());
    world.settle();
}

fn active(world: &World) -> u64 {
    world.admission.totals().connections_active
}

fn told_and_closed() -> Value {
    let told = error("Too many connections from your IP (0/0)", "TOO_MANY_CONNECTIONS");
    json!([told, {"closed": "too many connections"}])
}

/// Everybody goes.
fn finish(mut world: World) {
    world.hold_verdicts = false;
    world.settle();
    for id in 0..world.clients.len() {
        world.drop_client(id);
    }
    world.advance(Duration::from_secs(700));
    world.assert_nothing_left();
    assert_eq!(world.report(0).connections, 0);
}

// ----- when it is asked for

#[test]
fn it_is_asked_for_at_accept_and_the_head_is_read_meanwhile() {
    let mut world = world(10);
    world.hold_verdicts = true;
    let id = admit(&mut world, LOCALHOST, "");
    assert_eq!(world.asks(), [Ask::Connect { ip: LOCALHOST }], "before any byte came");
    let receives = world.report(0).counters.receives;
    write(&mut world, id, &upgrade("", ""));
    assert!(world.report(0).counters.receives > receives, "the head is read");
    world.clients[id].say(r#"{"type":"Ping"}"#);
    world.settle();
    assert!(!world.clients[id].is_open(), "its answer waits");
    // A verdict that is late is not the client's fault.
    world.advance(Duration::from_secs(60));
    world.answer();
    assert_eq!(world.take_types(id), ["Pong"]);
    assert_eq!(world.report(0).counters.asks, 1);
    finish(world);
}

#[test]
fn plain_http_waits_for_it_too_and_is_served_in_order() {
    let mut world = world(10);
    world.hold_verdicts = true;
    let id = admit(&mut world, LOCALHOST, &HEALTH.repeat(3));
    world.expect(id, json!([]));
    world.advance(Duration::from_secs(60));
    world.answer();
    world.expect(id, json!([{"answer": 200}, {"answer": 200}, {"answer": 200}]));
    // The keep-alive clock runs from the answer on.
    world.advance(Duration::from_secs(29));
    assert!(world.shard_of(id).is_some());
    world.advance(Duration::from_secs(4));
    assert!(world.shard_of(id).is_none());
    finish(world);
}

#[test]
fn a_slot_stays_taken_until_the_verdict_is_back() {
    let mut world = World::build(design(10, 2));
    world.hold_verdicts = true;
    let first = admit(&mut world, LOCALHOST, "");
    let second = admit(&mut world, LOCALHOST, &upgrade("", ""));
    for id in [first, second] {
        world.drop_client(id);
    }
    assert_eq!(world.report(0).connections, 2);
    let late = admit(&mut world, LOCALHOST, HEALTH);
    world.expect(late, json!([{"answer": 503}]));
    assert_eq!(world.report(0).counters.newcomers_refused, 1);
    // Nobody is there any more who could take them.
    world.answer();
    world.answer();
    assert_eq!((world.report(0).connections, active(&world)), (0, 0));
    world.hold_verdicts = false;
    let next = admit(&mut world, LOCALHOST, HEALTH);
    world.expect(next, json!([{"answer": 200}]));
    finish(world);
}

// ----- who gets none

#[test]
fn who_gets_none_is_told_in_the_way_it_asks() {
    let mut world = world(0);
    let upgrading = admit(&mut world, LOCALHOST, &upgrade("", ""));
    assert!(matches!(
        world.clients[upgrading].got[..],
        [Got::Text(_), Got::Closed(1008, _)]
    ));
    world.expect(upgrading, told_and_closed());
    for request in [
        HEALTH,
        "GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /v2/ws HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let plain = admit(&mut world, LOCALHOST, request);
        world.expect(plain, json!([{"answer": 429}]));
        assert!(world.clients[plain].is_over(), "it does not stay");
    }
    let malformed = admit(&mut world, LOCALHOST, "nonsense\r\n\r\n");
    world.expect(malformed, json!([{"answer": 400}]));
    finish(world);
}

#[test]
fn a_refused_address_is_not_asked_for_again_for_a_second() {
    let mut world = world(0);
    for _ in 0..50 {
        let id = admit(&mut world, LOCALHOST, &upgrade("", ""));
        world.expect(id, told_and_closed());
    }
    assert_eq!(world.report(0).counters.asks, 1);
    assert_eq!(world.report(0).counters.tickets_refused, 50);
    let other = admit(&mut world, [127, 0, 0, 2].into(), &upgrade("", ""));
    world.expect(other, told_and_closed());
    assert_eq!(world.report(0).counters.asks, 2);
    world.advance(SECOND);
    admit(&mut world, LOCALHOST, &upgrade("", ""));
    assert_eq!(world.report(0).counters.asks, 3);
    finish(world);
}

#[test]
fn of_those_who_get_none_the_oldest_gives_way() {
    let mut world = world(0);
    let ids: Vec<_> = (0..100).map(|_| admit(&mut world, LOCALHOST, HALF)).collect();
    let left: Vec<_> = ids.iter().copied().filter(|id| world.shard_of(*id).is_some()).collect();
    assert_eq!(left, ids[36..]);
    write(&mut world, ids[99], ": a\r\n\r\n");
    world.expect(ids[99], json!([{"answer": 429}]));
    world.advance(Duration::from_secs(13));
    assert_eq!(
        world.report(0).connections,
        0,
        "whoever stays gets ten seconds as everybody else"
    );
    finish(world);
}

#[test]
fn who_was_told_and_does_not_go_gives_way_too() {
    let mut world = world(0);
    for _ in 0..300 {
        let mut client = Client::upgrading("");
        client.closes_politely = false;
        let id = world.admit(LOCALHOST, client);
        world.expect(id, told_and_closed());
        assert!(world.report(0).connections <= 64);
    }
    finish(world);
}

/// A turn takes few newcomers, so that a flood of them keeps nobody else waiting.
#[test]
fn a_turn_accepts_sixteen() {
    let mut world = world(1_000);
    let player = world.connect();
    let (before, turns) = (world.report(0).counters.accepted, world.report(0).counters.turns);
    for _ in 0..200 {
        world.enter(ShardIndex(0), [10, 0, 0, 1].into(), Client::silent());
    }
    world.clients[player].say(r#"{"type":"Ping"}"#);
    while world.report(0).counters.turns == turns {
        world.round();
    }
    assert_eq!(world.report(0).counters.accepted - before, 16);
    assert_eq!(world.take_types(player), ["Pong"], "in the same turn");
    world.settle();
    assert_eq!(world.report(0).counters.accepted - before, 200);
    finish(world);
}

// ----- kept-alive connections

#[test]
fn an_idle_connection_holds_none_and_gets_one_again() {
    let mut world = world(1);
    let id = admit(&mut world, LOCALHOST, HEALTH);
    world.expect(id, json!([{"answer": 200}]));
    assert_eq!(active(&world), 0);
    // So somebody else of the address is served meanwhile.
    let other = world.connect();
    assert!(world.clients[other].is_open());
    world.drop_client(other);
    for asks in 3..6 {
        write(&mut world, id, HALF);
        assert_eq!((active(&world), world.report(0).counters.asks), (1, asks));
        write(&mut world, id, ": a\r\n\r\n");
        world.expect(id, json!([{"answer": 200}]));
        assert_eq!(active(&world), 0);
    }
    let other = world.connect();
    assert!(world.clients[other].is_open());
    write(&mut world, id, HEALTH);
    world.expect(id, json!([{"answer": 429}]));
    finish(world);
}

#[test]
fn it_is_kept_by_a_connection_that_upgrades() {
    let mut world = world(1);
    let id = admit(&mut world, LOCALHOST, &[HEALTH, &upgrade("", "")].concat());
    world.expect(id, json!([{"answer": 200}]));
    assert!(world.clients[id].is_open());
    assert_eq!((active(&world), world.report(0).counters.asks), (1, 1));
    finish(world);
}

#[test]
fn idle_connections_have_a_bound_and_each_counts_once() {
    let mut design = design(1_000, 64);
    // Half of these may be idle.
    design.options.ticketless_max = 16;
    let mut world = World::build(design);
    // Seven of them, again and again.
    let ids: Vec<_> = (0..7).map(|_| admit(&mut world, LOCALHOST, HEALTH)).collect();
    for _ in 0..20 {
        for id in &ids {
            write(&mut world, *id, HEALTH);
        }
    }
    for id in &ids {
        assert_eq!(world.take(*id).len(), 21);
        assert!(world.shard_of(*id).is_some());
    }
    let more: Vec<_> = (0..3).map(|_| admit(&mut world, LOCALHOST, HEALTH)).collect();
    world.advance(Duration::from_secs(3));
    let open = |ids: &[Id]| ids.iter().filter(|id| world.shard_of(**id).is_some()).count();
    assert_eq!((open(&ids[..2]), open(&ids), open(&more)), (0, 5, 3));
    finish(world);
}

// ----- trusted proxies

#[test]
fn behind_a_proxy_it_is_the_client_of_the_head_that_counts() {
    let mut world = proxied(1);
    let from = |client: &str| upgrade("", &format!("X-Forwarded-For: {client}\r\n"));
    let first = admit(&mut world, proxy(1), "");
    assert_eq!(world.report(0).counters.asks, 0, "nobody knows whom to ask for");
    write(&mut world, first, &from("1.1.1.1"));
    assert!(world.clients[first].is_open());
    // The same client comes through another proxy.
    let again = admit(&mut world, proxy(2), &from("1.1.1.1"));
    assert_eq!(world.take_types(again).first().map(String::as_str), Some("Error"));
    let other = admit(&mut world, proxy(2), &from("2.2.2.2"));
    assert!(world.clients[other].is_open());
    // The proxy itself is not refused for its client.
    let other = admit(&mut world, proxy(2), &upgrade("", ""));
    assert!(world.clients[other].is_open());
    // Who is no proxy counts itself, whatever it says.
    let stranger = admit(&mut world, [9, 9, 9, 9].into(), &from("1.1.1.1"));
    assert!(world.clients[stranger].is_open());
    assert_eq!(active(&world), 4);
    finish(world);
}

#[test]
fn connections_of_proxies_without_a_head_hold_an_eighth_of_the_slots() {
    let mut world = proxied(1_000);
    let served = admit(&mut world, proxy(1), &upgrade("", ""));
    let ids: Vec<_> = (0..20).map(|_| admit(&mut world, proxy(1), HALF)).collect();
    let left: Vec<_> = ids.iter().copied().filter(|id| world.shard_of(*id).is_some()).collect();
    assert_eq!(left, ids[12..], "the oldest gave way");
    for id in left {
        write(&mut world, id, ": a\r\n\r\n");
        world.expect(id, json!([{"answer": 200}]));
    }
    assert!(world.is_connected(served));
    finish(world);
}

#[test]
fn the_next_head_of_a_proxy_counts_as_its_first_does() {
    let mut world = proxied(1_000);
    // Each is served once, one after the other, and then begins a request that it does not end.
    let ids: Vec<_> = (0..20)
        .map(|_| {
            let id = admit(&mut world, proxy(1), HEALTH);
            write(&mut world, id, HALF);
            id
        })
        .collect();
    let left = ids.iter().filter(|id| world.shard_of(**id).is_some()).count();
    assert_eq!(left, 8);
    finish(world);
}

#[test]
fn one_connection_of_a_proxy_is_counted_once_however_often_it_asks() {
    let mut world = proxied(1_000);
    let id = admit(&mut world, proxy(1), HEALTH);
    let slow = admit(&mut world, proxy(1), "");
    for _ in 0..40 {
        write(&mut world, id, HALF);
        write(&mut world, id, ": a\r\n\r\n");
    }
    assert_eq!(world.take(id).len(), 41);
    assert!(world.shard_of(slow).is_some());
    finish(world);
}

// ----- it always comes back

#[test]
fn every_ticket_returns_whenever_its_connection_ends() {
    for step in 0..7 {
        let mut world = World::build(Design {
            shards: 2,
            ..design(1_000, 64)
        });
        let ids: Vec<Id> = (0..6_u16)
            .map(|number| {
                let requests = [HEALTH, &upgrade("", "")].concat();
                world.hold_verdicts = step == 0;
                world.admit_to(ShardIndex(number % 2), LOCALHOST, Client::asking(&requests))
            })
            .collect();
        world.hold_verdicts = step == 1;
        world.hold_moves = step == 2;
        for (number, id) in ids.iter().enumerate() {
            if step > 0 {
                world.join(*id, &format!("ROOM{:02}", number / 2), &format!("p{number}"), 2);
            }
        }
        match step {
            3 => ids.iter().for_each(|id| world.clients[*id].close(1000)),
            4 => ids.iter().for_each(|id| world.finish(*id)),
            5 => world.advance(Duration::from_secs(31)),
            6 => world.drain(),
            _ => ids.iter().for_each(|id| world.drop_client(*id)),
        }
        world.settle();
        world.hold_verdicts = false;
        world.hold_moves = false;
        world.advance(Duration::from_secs(700));
        world.assert_nothing_left();
        assert_eq!(world.network().open(), 0, "step {step}");
    }
}
