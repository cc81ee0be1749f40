//! The PROXY protocol on whole connections: whose ticket is asked, when, and what a proxy may hold (D23, D43).

use serde_json::{Value, json};
use signal_fish_core::admission::{Ask, Limits};
use signal_fish_core::http::{ClientIpHeader, TrustedProxies};
use signal_fish_simulator::world::{Design, Got, Id, World, just, open_limits};
use signal_fish_simulator::{Client, site};
use std::net::IpAddr;
use std::time::Duration;

const PROXY: &str = "10.0.0.1";
const STRANGER: &str = "192.0.2.1";
const EXPECTED: &str = "This listener expects a PROXY protocol header from its proxies.";
const UNEXPECTED: &str = "A PROXY protocol header is not expected here.";
/// The proxy speaks for itself.
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn design(shards: u16, connections_per_ip_max: usize) -> Design {
    let networks = vec!["10.0.0.0/8".parse().expect("a network")];
    Design {
        site: site(TrustedProxies::new(networks, ClientIpHeader::XForwardedFor).with_proxy_protocol(true)),
        limits: Limits {
            connections_per_ip_max,
            ..open_limits()
        },
        ..Design::new(shards, 11)
    }
}

fn world(connections_per_ip_max: usize) -> World {
    World::build(design(1, connections_per_ip_max))
}

/// Version 1 and version 2 of the header that names this client.
fn headers(client: &str) -> [Vec<u8>; 2] {
    let IpAddr::V4(client) = ip(client) else {
        panic!("an IPv4 address")
    };
    let line = format!("PROXY TCP4 {client} 10.0.0.9 4660 80\r\n").into_bytes();
    let fixed = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x10";
    let binary = [
        &fixed[..],
        &client.octets(),
        &[10, 0, 0, 9, 0x12, 0x34, 0, 80, 4, 0, 1, 9],
    ]
    .concat();
    [line, binary]
}

/// A client behind the proxy, which names it so.
fn connect(world: &mut World, client: &str) -> Id {
    let [line, _] = headers(client);
    world.admit(ip(PROXY), Client::upgrading("").behind(&line))
}

/// A connection of `peer` that sends these bytes and no more.
fn send(world: &mut World, peer: &str, bytes: &[u8]) -> Id {
    world.admit(ip(peer), Client::silent().behind(bytes))
}

fn answer(status: u16, body: &str) -> Vec<Got> {
    vec![Got::Answer(status, body.to_owned())]
}

fn is_served(world: &mut World, id: Id) -> bool {
    world.send(id, just("Ping"));
    world.take(id) == [json!({"type": "Pong"})]
}

#[test]
fn the_ticket_is_asked_for_as_soon_as_the_header_is_there() {
    for header in headers("198.51.100.7") {
        let mut world = world(1);
        world.hold_verdicts = true;
        let id = send(&mut world, PROXY, &header[..header.len() - 1]);
        assert_eq!(world.asks(), []);
        world.clients[id].write(&header[header.len() - 1..]);
        world.settle();
        assert_eq!(world.asks(), [Ask::Connect { ip: ip("198.51.100.7") }]);
        // The request comes before or after the verdict, and nothing is asked twice.
        world.clients[id].write(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
        world.settle();
        assert_eq!((world.asks().len(), world.take_all(id)), (1, vec![]));
        world.answer();
        assert_eq!(world.take_all(id), answer(200, "OK"));
        // A kept connection asks again for the same client, without another header.
        world.clients[id].write(b"GET /healthz HTTP/1.1\r\n");
        world.settle();
        assert_eq!(world.asks(), [Ask::Connect { ip: ip("198.51.100.7") }]);
        world.drop_client(id);
        world.hold_verdicts = false;
        world.settle();
        world.assert_nothing_left();
    }
}

#[test]
fn clients_of_one_proxy_are_counted_apart() {
    let mut world = world(1);
    let first = connect(&mut world, "198.51.100.7");
    let second = connect(&mut world, "198.51.100.8");
    let third = connect(&mut world, "198.51.100.7");
    assert!(is_served(&mut world, first) && is_served(&mut world, second));
    let told: Vec<Value> = world.take(third);
    assert_eq!(told[0]["data"]["error_code"], "TOO_MANY_CONNECTIONS", "{told:?}");
    // What is remembered of the refusal is the client's, not the proxy's.
    let fourth = connect(&mut world, "198.51.100.9");
    assert!(is_served(&mut world, fourth));
    let fifth = connect(&mut world, "198.51.100.7");
    assert_eq!(world.take(fifth)[0]["data"]["error_code"], "TOO_MANY_CONNECTIONS");
    world.drop_client(first);
    world.advance(Duration::from_secs(1));
    let sixth = connect(&mut world, "198.51.100.7");
    assert!(is_served(&mut world, sixth));
    for id in [second, fourth, sixth] {
        world.drop_client(id);
    }
    world.advance(Duration::from_secs(5));
    world.assert_nothing_left();
}

#[test]
fn a_forged_header_is_refused_and_frees_nobody_of_the_limit() {
    for header in headers("198.51.100.7") {
        let mut world = world(1);
        let id = world.admit(ip(STRANGER), Client::upgrading("").behind(&header));
        assert_eq!(world.take_all(id), answer(400, UNEXPECTED));
        world.advance(Duration::from_secs(5));
        world.assert_nothing_left();
        // The stranger is counted under its own address while its bytes are awaited.
        world.hold_verdicts = true;
        send(&mut world, STRANGER, &header[..3]);
        assert_eq!(world.asks(), [Ask::Connect { ip: ip(STRANGER) }]);
    }
}

#[test]
fn a_proxy_that_sends_no_header_or_two_is_refused_and_holds_nothing() {
    let [line, binary] = headers("198.51.100.7");
    let get = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    for (bytes, sentence) in [
        (get.to_vec(), EXPECTED),
        (b"PROXY TCP4 nobody\r\n".to_vec(), EXPECTED),
        ([&line[..], &line, get].concat(), UNEXPECTED),
        ([&binary[..], &line, get].concat(), UNEXPECTED),
        ([&line[..], &binary, get].concat(), UNEXPECTED),
        ([LOCAL, &binary, get].concat(), UNEXPECTED),
    ] {
        let mut world = world(1);
        let id = send(&mut world, PROXY, &bytes);
        assert_eq!(world.take_all(id), answer(400, sentence), "{bytes:?}");
        world.advance(Duration::from_secs(5));
        assert!(world.clients[id].is_over());
        world.assert_nothing_left();
    }
}

#[test]
fn the_header_must_come_within_the_time_of_a_head() {
    for bytes in [&b""[..], b"PROXY TCP4", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x02\0"] {
        let mut world = world(1);
        let id = send(&mut world, PROXY, &bytes[..bytes.len().min(1)]);
        world.advance(Duration::from_secs(9));
        world.clients[id].write(bytes.get(1..).unwrap_or_default());
        world.settle();
        assert_eq!(world.take_all(id), []);
        world.advance(Duration::from_millis(1_100));
        let late = "The request head did not arrive in time.";
        assert_eq!(world.take_all(id), answer(408, late), "{bytes:?}");
        world.advance(Duration::from_secs(5));
        world.assert_nothing_left();
    }
}

/// The header does not start the clock of the head anew.
#[test]
fn the_header_buys_no_time() {
    let mut world = world(1);
    let [line, _] = headers("198.51.100.7");
    let id = send(&mut world, PROXY, b"P");
    world.advance(Duration::from_secs(6));
    world.clients[id].write(&line[1..]);
    world.settle();
    world.advance(Duration::from_secs(3));
    world.clients[id].write(b"GET ");
    world.settle();
    world.advance(Duration::from_millis(1_100));
    assert_eq!(
        world.take_all(id),
        answer(408, "The request head did not arrive in time.")
    );
    world.advance(Duration::from_secs(5));
    world.assert_nothing_left();
}

#[test]
fn connections_without_their_header_give_way_and_those_with_it_stay() {
    let mut design = design(1, 1_000);
    design.options.slots_max = 32;
    let mut world = World::build(design);
    let [line, _] = headers("198.51.100.7");
    // An eighth of the slots is for those that nobody is known for.
    let known: Vec<Id> = (0..6).map(|_| send(&mut world, PROXY, &line)).collect();
    let unknown: Vec<Id> = (0..6).map(|_| send(&mut world, PROXY, &line[..5])).collect();
    assert!(known.iter().all(|id| world.is_connected(*id)));
    let stay: Vec<bool> = unknown.iter().map(|id| world.is_connected(*id)).collect();
    assert_eq!(stay, [false, false, true, true, true, true]);
}

#[test]
fn a_proxy_may_ask_for_itself() {
    let mut world = world(1);
    let get = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    let id = send(&mut world, PROXY, &[LOCAL, get, get].concat());
    let ok = Got::Answer(200, "OK".to_owned());
    assert_eq!(world.take_all(id), [ok.clone(), ok]);
    // It names a client in the header of HTTP then, as does a proxy in front of it.
    let [chained, _] = headers("10.0.0.2");
    for (number, header) in [LOCAL, &chained].into_iter().enumerate() {
        world.hold_verdicts = true;
        let address = format!("203.0.113.{number}");
        let get = format!("GET /healthz HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {address}\r\n\r\n");
        let id = send(&mut world, PROXY, &[header, get.as_bytes()].concat());
        assert_eq!(world.asks(), [Ask::Connect { ip: ip(&address) }]);
        world.hold_verdicts = false;
        world.settle();
        assert_eq!(world.take_all(id), answer(200, "OK"));
    }
}

/// Without the switch a trusted proxy is believed about its HTTP header alone.
#[test]
fn without_the_switch_proxies_send_no_header() {
    let mut design = design(1, 1);
    design.site.trusted_proxies = design.site.trusted_proxies.with_proxy_protocol(false);
    let mut world = World::build(design);
    let get = b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n";
    let id = send(&mut world, PROXY, get);
    assert_eq!(world.take_all(id), answer(200, "OK"));
    let [line, _] = headers("198.51.100.7");
    let id = send(&mut world, PROXY, &[&line[..], get].concat());
    assert_eq!(world.take_all(id), answer(400, UNEXPECTED));
}

/// Byte by byte, with everything sent at once, on any shard: the session is the client's.
#[test]
fn a_session_begins_behind_the_header_however_it_arrives() {
    for arrives_bytes_max in [1, 7, usize::MAX] {
        let mut world = World::build(design(4, 1));
        world.line.arrives_bytes_max = arrives_bytes_max;
        for (number, header) in headers("198.51.100.7").into_iter().enumerate() {
            let mut client = Client::upgrading("").behind(&header);
            client.hurries = true;
            client.say(&just("Ping").to_string());
            let id = world.admit(ip(PROXY), client);
            world.advance(Duration::from_secs(1));
            let seen = world.take(id);
            if number == 0 {
                assert_eq!(seen, [json!({"type": "Pong"})]);
            } else {
                assert_eq!(seen[0]["data"]["error_code"], "TOO_MANY_CONNECTIONS", "{seen:?}");
            }
        }
    }
}

#[test]
fn a_server_that_drains_still_reads_the_header() {
    let mut world = world(1);
    let [line, _] = headers("198.51.100.7");
    let half = send(&mut world, PROXY, &line[..9]);
    // Somebody keeps the server from ending at once.
    let stays = connect(&mut world, "198.51.100.8");
    world.clients[stays].closes_politely = false;
    world.drain();
    // Nobody is asked any more, so nothing waits for a verdict.
    world.hold_verdicts = true;
    world.clients[half].write(&line[9..]);
    world.clients[half].write(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
    world.settle();
    assert_eq!(world.take_all(half), answer(200, "OK"));
    world.hold_verdicts = false;
    world.advance(Duration::from_secs(10));
    world.assert_nothing_left();
}
