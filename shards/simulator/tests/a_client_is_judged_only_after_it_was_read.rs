//! Silence and messages that never end, and what is not the client's fault: the time in which the server does not read
//! (D24).

use serde_json::json;
use signal_fish_core::protocol::signal_fish::{App, Settings};
use signal_fish_simulator::world::{Design, Got, Id, World, error, just, say};
use signal_fish_simulator::{Client, Line, masked_binary, masked_ping, masked_text, upgrade};
use std::time::Duration;

const LOCALHOST: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// Longer than any bound on silence or on a message.
const LONG: Duration = Duration::from_secs(100);

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// One shard and a bound on silence.
fn world(ping_timeout: u64) -> World {
    World::with_ping_timeout(Settings::default(), seconds(ping_timeout))
}

/// As many shards, with the documented bounds.
fn shards(count: u16) -> World {
    World::build(Design::new(count, 7))
}

fn write(world: &mut World, id: Id, bytes: &[u8]) {
    world.clients[id].write(bytes);
    world.settle();
}

fn pings(world: &World, id: Id) -> usize {
    world.clients[id].got.iter().filter(|got| **got == Got::Ping).count()
}

/// A frame of a fragmented message that is not its last one.
fn fragment(text: &str, is_first: bool) -> Vec<u8> {
    let mut frame = masked_text(text);
    frame[0] = u8::from(is_first);
    frame
}

/// The last frame of a fragmented message.
fn last_fragment(text: &str) -> Vec<u8> {
    let mut frame = masked_text(text);
    frame[0] = 0x80;
    frame
}

/// What a client hears whose message takes too long.
fn too_long() -> serde_json::Value {
    json!([error("Message was not complete in time", "INVALID_INPUT"), {"closed": "message took too long"}])
}

// ----- any byte is life

#[test]
fn every_byte_is_life_whatever_it_is_a_part_of() {
    let text = masked_text(&"x".repeat(60));
    let large = masked_binary(&vec![0; 200_000]);
    // A few bytes of a header, of a payload, of a message that is discarded.
    for (bytes, step) in [(&large[..10], 1), (&text[..], 8), (&large[..], 20_000)] {
        let mut world = world(10);
        let id = world.connect();
        for piece in bytes.chunks(step).take(6) {
            world.advance(seconds(4));
            write(&mut world, id, piece);
        }
        assert_eq!(pings(&world, id), 0, "it was never silent for half of the time");
        assert!(world.is_connected(id));
    }
}

#[test]
fn a_pong_is_life() {
    let mut world = world(10);
    let id = world.connect();
    world.clients[id].answers_pings = true;
    world.advance(LONG);
    assert!(world.is_connected(id));
    // Silent for five seconds, twenty times.
    assert!((19..=20).contains(&pings(&world, id)), "{}", pings(&world, id));
    world.clients[id].answers_pings = false;
    world.advance(seconds(11));
    world.expect(id, json!([{"closed": "ping timeout"}]));
    assert_eq!(world.report(0).counters.closed_silent, 1);
}

// ----- a message is complete in time

#[test]
fn a_message_that_never_ends_ends_its_connection() {
    let header = masked_binary(&vec![0; 70_000])[..14].to_vec();
    let text = masked_text(&"x".repeat(60));
    let large = masked_binary(&vec![0; 200_000]);
    let fragments = [fragment("\"", true), fragment("x", false).repeat(30)].concat();
    let ping = masked_ping(b"x");
    let with_pings = [fragment("\"", true), ping.repeat(30)].concat();
    for (what, bytes, step) in [
        ("a header", header, 1),
        ("a frame", text, 3),
        ("a message that is discarded", large, 10_000),
        ("fragments", fragments, 7),
        ("pings in between", with_pings, ping.len()),
        ("a ping", masked_ping(&[0; 60]), 3),
    ] {
        let mut world = shards(1);
        let id = world.connect();
        let mut pieces = bytes.chunks(step);
        for _ in 0..10 {
            write(&mut world, id, pieces.next().expect("it goes on"));
            world.advance(Duration::from_millis(2_990));
        }
        world.expect(id, json!([]));
        world.advance(Duration::from_millis(150));
        assert_eq!(json!(world.take(id)), too_long(), "{what}");
        assert_eq!(world.report(0).counters.closed_incomplete, 1, "{what}");
        world.assert_nothing_left();
    }
}

#[test]
fn a_message_that_takes_too_long_is_found_however_long_one_may_be_silent() {
    let mut design = Design::new(1, 7);
    design.options.ping_timeout = LONG;
    design.options.message_timeout = seconds(2);
    let mut world = World::build(design);
    let id = world.connect();
    for _ in 0..3 {
        world.send(id, just("Ping"));
        world.advance(seconds(5));
    }
    world.skip();
    write(&mut world, id, &masked_text("{}")[..3]);
    world.advance(Duration::from_millis(1_950));
    world.expect(id, json!([]));
    world.advance(Duration::from_millis(100));
    assert_eq!(json!(world.take(id)), too_long());
}

#[test]
fn a_message_that_ends_in_time_makes_way_for_the_next() {
    let mut world = shards(1);
    let id = world.connect();
    let ping = masked_text(r#"{"type":"Ping"}"#);
    for _ in 0..5 {
        for (piece, pause) in [(&ping[..1], 14), (&ping[1..9], 15), (&ping[9..], 5)] {
            write(&mut world, id, piece);
            world.advance(seconds(pause));
        }
        world.expect(id, json!([just("Pong")]));
        for (frame, pause) in [
            (fragment("{\"type\":", true), 14),
            (masked_ping(b""), 15),
            (last_fragment("\"Ping\"}"), 5),
        ] {
            write(&mut world, id, &frame);
            world.advance(seconds(pause));
        }
        world.expect(id, json!([just("Pong")]));
    }
}

#[test]
fn messages_whose_pieces_straddle_receives_never_time_out() {
    let mut world = shards(1);
    let id = world.connect();
    let frame = masked_text(r#"{"type":"Ping"}"#);
    // Every piece ends one message and begins the next.
    write(&mut world, id, &frame[..5]);
    for _ in 0..200 {
        world.advance(seconds(1));
        write(&mut world, id, &[&frame[5..], &frame[..5]].concat());
    }
    assert_eq!(world.take(id).len(), 200);
    assert!(world.is_connected(id));
}

#[test]
fn pings_without_a_pause_do_not_keep_a_message_open() {
    let mut world = shards(1);
    let id = world.connect();
    write(&mut world, id, &fragment("\"", true));
    // More than the server handles in all that time: there is always input that was not read.
    world.turn_time = Duration::from_millis(100);
    world.clients[id].write(&masked_ping(b"").repeat(32 * 10 * 60));
    let start = world.now;
    world.settle();
    assert_eq!(json!(world.take(id)), too_long());
    let pongs = world.clients[id].pongs;
    assert!(pongs < 32 * 10 * 40, "{pongs} pongs in {:?}", world.now - start);
}

// ----- the clocks stand still while the server does not read

/// Whatever held the client up, it is silent for ten seconds before and gets the rest of its time afterwards.
fn is_pinged_and_closed_as_if_no_time_had_passed(world: &mut World, id: Id) {
    world.skip();
    let before = pings(world, id);
    world.advance(Duration::from_millis(4_900));
    assert_eq!(pings(world, id), before, "it was silent for 14.9 seconds");
    world.advance(Duration::from_millis(200));
    assert_eq!(pings(world, id), before + 1, "it was silent for 15.1 seconds");
    world.advance(Duration::from_millis(14_750));
    world.expect(id, json!([]));
    world.advance(Duration::from_millis(200));
    world.expect(id, json!([{"closed": "ping timeout"}]));
}

#[test]
fn they_stand_still_while_a_verdict_is_waited_for() {
    let mut world = shards(1);
    let id = world.connect();
    world.hold_verdicts = true;
    world.join(id, "ROOM42", "Ann", 2);
    world.advance(LONG);
    assert!(world.is_connected(id));
    assert_eq!(pings(&world, id), 0);
    world.answer();
    world.advance(LONG);
    world.answer();
    assert_eq!(world.take_types(id), ["RoomJoined"]);
    world.advance(seconds(10));
    is_pinged_and_closed_as_if_no_time_had_passed(&mut world, id);
}

#[test]
fn they_stand_still_while_a_connection_moves() {
    let mut world = shards(2);
    world.hold_moves = true;
    let mut codes = (0..).map(|number| format!("ROOM{number:02}"));
    let id = loop {
        let id = world.connect();
        world.join(id, &codes.next().expect("there are many"), "Ann", 2);
        if world.shard_of(id).is_none() {
            break id;
        }
    };
    world.advance(LONG);
    world.hold_moves = false;
    world.settle();
    assert_eq!(world.take_types(id), ["RoomJoined"]);
    world.advance(seconds(10));
    is_pinged_and_closed_as_if_no_time_had_passed(&mut world, id);
}

#[test]
fn they_stand_still_while_a_sender_pays() {
    let mut design = Design::new(1, 7);
    design.options.messages_per_sec_max = 10;
    let mut world = World::build(design);
    let id = world.connect();
    // The pings cost a minute in which the server does not read, in the middle of a message.
    write(&mut world, id, &fragment("{\"type\":", true));
    write(&mut world, id, &masked_ping(b"").repeat(600));
    world.advance(seconds(50));
    assert_eq!(pings(&world, id), 0, "it was not silent");
    world.advance(seconds(25));
    assert_eq!(world.clients[id].pongs, 600);
    // Of its time half a minute is left but for the last seconds.
    write(&mut world, id, &last_fragment("\"Ping\"}"));
    world.expect(id, json!([just("Pong")]));
    // Not for ever: the time in which it is read is counted.
    write(&mut world, id, &fragment("{\"type\":", true));
    for _ in 0..40 {
        world.advance(seconds(1));
        write(&mut world, id, &masked_ping(b""));
    }
    assert_eq!(json!(world.take(id)), too_long());
}

#[test]
fn a_ping_that_was_sent_before_a_wait_is_not_answered_late() {
    let mut world = shards(1);
    let id = world.connect();
    world.advance(seconds(20));
    assert_eq!(pings(&world, id), 1);
    world.hold_verdicts = true;
    world.join(id, "ROOM42", "Ann", 2);
    world.advance(LONG);
    world.hold_verdicts = false;
    world.settle();
    // The join was a sign of life.
    world.advance(seconds(14));
    assert_eq!(pings(&world, id), 1);
    assert!(world.is_connected(id));
}

// ----- the server itself stands still

#[test]
fn what_arrived_while_the_server_stood_still_is_read_first() {
    for late_events in [false, true] {
        let mut world = shards(1);
        let [silent, half, late] = [world.connect(), world.connect(), world.connect()];
        let ping = masked_text(r#"{"type":"Ping"}"#);
        write(&mut world, half, &ping[..5]);
        let line = Line {
            arrives_bytes_max: 3,
            ..Line::default()
        };
        *world.network().line(late) = line;
        world.stand_still(LONG);
        world.clients[half].write(&ping[5..]);
        for id in [silent, late] {
            world.clients[id].write(&ping);
        }
        // So many events are told at once; those of the others come later than their deadlines.
        world.network().holds_events = late_events;
        world.settle();
        world.network().holds_events = false;
        world.settle();
        for id in [silent, half, late] {
            world.expect(id, json!([just("Pong")]));
            assert!(world.is_connected(id), "late events: {late_events}");
        }
        let counters = world.report(0).counters;
        assert_eq!((counters.closed_silent, counters.closed_incomplete), (0, 0));
    }
}

#[test]
fn a_backlog_is_read_before_its_message_is_judged() {
    let mut world = shards(1);
    let id = world.connect();
    // More than a turn reads of one connection.
    let frame = masked_binary(&vec![0; 250_000]);
    write(&mut world, id, &frame[..100]);
    world.stand_still(LONG);
    write(&mut world, id, &frame[100..]);
    world.expect(
        id,
        json!([error(
            "Binary payloads are disabled for this connection",
            "INVALID_INPUT"
        )]),
    );
    assert!(world.is_connected(id));
}

#[test]
fn who_could_not_be_pinged_in_time_is_pinged_before_it_is_closed() {
    let mut world = shards(1);
    let [living, dead] = [world.connect(), world.connect()];
    world.clients[living].answers_pings = true;
    world.stand_still(LONG);
    world.settle();
    assert_eq!((pings(&world, living), pings(&world, dead)), (1, 1));
    world.advance(seconds(7));
    world.expect(dead, json!([]));
    world.advance(seconds(1));
    world.expect(dead, json!([{"closed": "ping timeout"}]));
    assert!(world.is_connected(living));
}

#[test]
fn a_head_is_read_before_it_is_judged() {
    for late_events in [false, true] {
        let mut world = shards(1);
        let id = world.admit(LOCALHOST, Client::asking("GET /healthz HTTP/1.1\r\n"));
        world.stand_still(LONG);
        world.clients[id].write(b"Host: a\r\n\r\n");
        world.network().holds_events = late_events;
        world.settle();
        world.network().holds_events = false;
        world.settle();
        world.expect(id, json!([{"answer": 200}]));
    }
}

#[test]
fn authenticate_that_came_in_time_is_answered_however_late() {
    let app = App {
        app_id: "game".to_owned(),
        app_name: "Game".to_owned(),
        max_players_per_room: None,
        rate_limit_per_minute: None,
        authorized: true,
    };
    let settings = Settings {
        require_auth: true,
        apps: vec![app],
        auth_timeout: seconds(5),
        ..Settings::default()
    };
    let mut design = Design::new(1, 7).with_settings(settings);
    design.limits.apps = vec![signal_fish_core::admission::AppLimits::default()];
    let mut world = World::build(design);
    let [waiting, unread, nothing] = [world.connect(), world.connect(), world.connect()];
    let authenticate = json!({"type": "Authenticate", "data": {"app_id": "game"}});
    world.advance(seconds(4));
    world.hold_verdicts = true;
    world.send(waiting, authenticate.clone());
    world.stand_still(LONG);
    world.clients[unread].say(&authenticate.to_string());
    world.settle();
    world.hold_verdicts = false;
    world.settle();
    for id in [waiting, unread] {
        assert_eq!(world.take_types(id), ["Authenticated", "ProtocolInfo"]);
    }
    world.advance(seconds(1));
    assert!(!world.is_connected(nothing));
}

// ----- what is no silence

#[test]
fn who_spoke_http_for_long_is_not_silent_when_it_upgrades() {
    let mut world = shards(1);
    let health = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    let id = world.admit(LOCALHOST, Client::asking(health));
    for _ in 0..3 {
        world.advance(seconds(20));
        write(&mut world, id, health.as_bytes());
    }
    write(&mut world, id, upgrade("", "").as_bytes());
    world.skip();
    world.advance(Duration::from_millis(14_900));
    assert_eq!(pings(&world, id), 0);
    world.join(id, "ROOM42", "Ann", 2);
    assert_eq!(world.take_types(id), ["RoomJoined"]);
    world.send(id, say(json!(1)));
}

#[test]
fn who_cannot_be_told_anything_any_more_is_gone() {
    let mut world = shards(1);
    let room = world.room(&["Ann", "Bob"], 2);
    // Its socket fails, and no end can be read from it.
    world.network().fail_sends(room[1]);
    world.send(room[0], say(json!(1)));
    assert_eq!(world.take_types(room[0]), ["PlayerLeft", "LobbyStateChanged"]);
    assert_eq!(world.shard_of(room[1]), None);
    world.drop_client(room[0]);
    world.advance(seconds(700));
    world.assert_nothing_left();
}
