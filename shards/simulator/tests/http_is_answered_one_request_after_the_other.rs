//! Connections while they speak HTTP, and the end of the server as they see it (D39, D45, D35).

use serde_json::{Value, json};
use signal_fish_core::http::{Asset, Routes, Target};
use signal_fish_simulator::world::{Design, Got, Id, World, just};
use signal_fish_simulator::{Client, LOCALHOST, Line, upgrade};
use std::sync::LazyLock;
use std::time::Duration;

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
const READY: &str = "GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n";
const NOWHERE: &str = "GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n";
const PAGE: &str = "GET /page HTTP/1.1\r\nHost: a\r\n\r\n";
const PAGE_BYTES: usize = 10_000;
const HALF: &str = "GET /healthz HTTP/1.1\r\nHost";

fn world() -> World {
    World::build(Design::new(1, 5))
}

fn admit(world: &mut World, requests: &str) -> Id {
    world.admit(LOCALHOST, Client::asking(requests))
}

fn write(world: &mut World, id: Id, text: &str) {
    world.clients[id].write(text.as_bytes());
    world.settle();
}

fn millis(world: &mut World, millis: u64) {
    world.advance(Duration::from_millis(millis));
}

fn answers(statuses: &[u16]) -> Value {
    statuses.iter().map(|status| json!({ "answer": status })).collect()
}

/// A server that has begun to end, and is held up by a client that does not answer the close frame.
fn draining() -> World {
    let mut world = world();
    let deaf = world.connect();
    world.clients[deaf].closes_politely = false;
    world.drain();
    assert!(!world.has_ended(0));
    world
}

// ----- requests

#[test]
fn requests_that_come_at_once_are_answered_in_order_and_an_upgrade_may_follow() {
    let mut world = world();
    let all = [HEALTH, NOWHERE, READY, HEALTH, &upgrade("", "")].concat();
    let id = admit(&mut world, &all);
    world.expect(id, answers(&[200, 404, 200, 200]));
    assert!(world.clients[id].is_open());
    // More than are answered in a turn, in pieces of any size.
    for size in [1, 7, 1_000] {
        let id = admit(&mut world, "");
        for piece in NOWHERE.repeat(50).as_bytes().chunks(size) {
            world.clients[id].write(piece);
            world.settle();
        }
        world.expect(id, answers(&[404; 50]));
    }
    assert_eq!(world.admission.totals().connections_active, 1);
}

#[test]
fn the_hundredth_answer_is_the_last() {
    let mut world = world();
    let id = admit(&mut world, &HEALTH.repeat(120));
    world.expect(id, answers(&[200; 100]));
    assert!(world.clients[id].is_over());
}

/// A page of 10,000 bytes, at `/page`.
fn world_with_a_page() -> World {
    static PAGE: LazyLock<Asset> = LazyLock::new(|| Asset {
        content_type: "text/html; charset=utf-8",
        tag: "\"a\"".to_owned(),
        headers: "etag: \"a\"\r\n".to_owned(),
        body: vec![b'x'; PAGE_BYTES],
        gzip: None,
        is_listed: true,
    });
    let mut design = Design::new(1, 5);
    design.site.routes = Routes::new(vec![("/page", Target::Asset(&PAGE)), ("/healthz", Target::Health)]);
    World::build(design)
}

#[test]
fn who_asks_for_pages_and_does_not_read_them_gets_no_more_of_them() {
    let mut world = world_with_a_page();
    world.line = Line {
        window_bytes: 2_000,
        reads_bytes_max: 0,
        ..Line::default()
    };
    let greedy = admit(&mut world, &PAGE.repeat(120));
    let [others, held] = [1, 2].map(|_| {
        world.line = Line::default();
        let id = admit(&mut world, HEALTH);
        world.expect(id, answers(&[200]));
        world.report(0).outbox_bytes
    });
    assert_eq!(others, held);
    assert!((PAGE_BYTES..4 * PAGE_BYTES).contains(&held), "{held}");
    // Whoever reads late gets everything.
    millis(&mut world, 9_000);
    world.network().line(greedy).reads_bytes_max = 700;
    world.settle();
    world.expect(greedy, answers(&[200; 100]));
    // Whoever never reads is given up.
    world.line.window_bytes = 2_000;
    world.line.reads_bytes_max = 0;
    admit(&mut world, &PAGE.repeat(120));
    assert!(world.report(0).outbox_bytes > 0);
    millis(&mut world, 13_000);
    assert_eq!(world.report(0).outbox_bytes, 0);
}

// ----- clocks

#[test]
fn a_head_that_does_not_come_in_time_is_408() {
    let mut world = world();
    let [nothing, half, late] = ["", HALF, ""].map(|text| admit(&mut world, text));
    // Bytes now and then do not make it longer, nor does a late beginning.
    for byte in [":", " ", "a"] {
        millis(&mut world, 3_000);
        write(&mut world, half, byte);
    }
    write(&mut world, late, HALF);
    millis(&mut world, 900);
    for id in [nothing, half, late] {
        world.expect(id, json!([]));
    }
    millis(&mut world, 200);
    for id in [nothing, half, late] {
        world.expect(id, answers(&[408]));
    }
}

#[test]
fn an_idle_connection_is_closed_without_a_word() {
    let mut world = world();
    let id = admit(&mut world, HEALTH);
    world.expect(id, answers(&[200]));
    millis(&mut world, 29_900);
    assert!(!world.clients[id].is_over());
    millis(&mut world, 200);
    world.expect(id, json!([]));
    assert!(world.clients[id].is_over());
}

#[test]
fn the_next_head_has_ten_seconds_however_long_the_connection_was_idle() {
    let mut world = world();
    let id = admit(&mut world, HEALTH);
    millis(&mut world, 29_000);
    write(&mut world, id, HALF);
    millis(&mut world, 9_900);
    write(&mut world, id, ": a\r\n\r\n");
    world.expect(id, answers(&[200, 200]));
    millis(&mut world, 20_000);
    write(&mut world, id, HALF);
    millis(&mut world, 9_900);
    world.expect(id, json!([]));
    millis(&mut world, 200);
    world.expect(id, answers(&[408]));
    // One that begins behind another has them, too.
    let id = admit(&mut world, "");
    millis(&mut world, 9_000);
    write(&mut world, id, &[HEALTH, HALF].concat());
    millis(&mut world, 9_900);
    world.expect(id, answers(&[200]));
    millis(&mut world, 200);
    world.expect(id, answers(&[408]));
}

// ----- descriptors

#[test]
fn who_finds_no_descriptor_left_is_served_as_soon_as_there_is_one() {
    let mut world = world();
    let before = world.connect();
    world.network().exhausted_accepts = 2;
    let ids: Vec<_> = (0..3).map(|_| admit(&mut world, HEALTH)).collect();
    let turns = world.report(0).counters.turns;
    millis(&mut world, 90);
    assert!(
        world.report(0).counters.turns - turns <= 2,
        "nobody tries again at once"
    );
    world.send(before, just("Ping"));
    world.expect(before, json!([just("Pong")]));
    world.expect(ids[0], json!([]));
    millis(&mut world, 150);
    for id in ids {
        world.expect(id, answers(&[200]));
    }
    assert_eq!(world.report(0).counters.accepts_exhausted, 2);
}

// ----- the end of the server

#[test]
fn newcomers_are_turned_away_and_probes_are_answered() {
    let mut world = draining();
    for (request, status) in [(HEALTH, 200), (READY, 503), (NOWHERE, 404)] {
        let id = admit(&mut world, request);
        world.expect(id, answers(&[status]));
        assert!(world.clients[id].is_over(), "nothing is kept alive");
    }
    let id = admit(&mut world, &upgrade("", ""));
    world.expect(id, answers(&[503]));
    assert_eq!(
        world.report(0).counters.asks,
        1,
        "nobody is asked about who cannot stay"
    );
    millis(&mut world, 5_100);
    assert!(world.has_ended(0));
    world.assert_nothing_left();
}

#[test]
fn heads_that_are_under_way_get_a_second() {
    let mut world = world();
    let [idle, half, late, fresh] = [HEALTH, HALF, HALF, ""].map(|text| admit(&mut world, text));
    let upgrading = upgrade("", "");
    let (begin, end) = upgrading.split_at(20);
    let socket = admit(&mut world, begin);
    world.skip();
    world.drain();
    world.expect(idle, json!([]));
    assert!(world.clients[idle].is_over());
    millis(&mut world, 900);
    write(&mut world, half, ": a\r\n\r\n");
    world.expect(half, answers(&[200]));
    write(&mut world, socket, end);
    world.expect(socket, answers(&[503]));
    assert!(!world.has_ended(0));
    millis(&mut world, 200);
    for id in [late, fresh] {
        world.expect(id, answers(&[503]));
    }
    assert!(world.has_ended(0), "nobody is left");
    world.assert_nothing_left();
}

#[test]
fn a_request_whose_verdict_is_late_is_answered_before_the_end() {
    let mut world = world();
    world.hold_verdicts = true;
    let [health, socket] = [HEALTH.to_owned(), upgrade("", "")].map(|text| admit(&mut world, &text));
    let late = admit(&mut world, HEALTH);
    world.drain();
    world.answer();
    world.answer();
    world.expect(health, answers(&[200]));
    world.expect(socket, answers(&[503]));
    millis(&mut world, 1_100);
    world.expect(late, answers(&[503]));
    millis(&mut world, 5_000);
    assert!(world.has_ended(0));
}

#[test]
fn who_does_not_go_does_not_hold_up_the_end() {
    let mut world = world();
    let room = world.room(&["a", "b", "c"], 3);
    for id in &room {
        world.clients[*id].closes_politely = false;
        world.network().line(*id).reads_bytes_max = 0;
        world.network().line(*id).window_bytes = 1;
    }
    let mut slow = admit(&mut world, HALF);
    world.drain();
    for _ in 0..20 {
        // Newcomers do not prolong it, either.
        millis(&mut world, 300);
        if !world.has_ended(0) {
            slow = admit(&mut world, HALF);
        }
    }
    assert!(world.has_ended(0));
    assert!(world.clients[slow].is_over() || world.shard_of(slow).is_none());
    assert!(
        world.clients[slow]
            .got
            .iter()
            .all(|got| matches!(got, Got::Answer(503, _)))
    );
    assert_eq!(world.network().open(), 0);
    world.assert_nothing_left();
}
