//! Requests that the desk answers, as their shard and their clients see them: the connection waits, answers find who asked,
//! streams are bounded.

use serde_json::{Value, json};
use signal_fish_core::http::{Body, DeskAnswer};
use signal_fish_core::shard::{Mail, Question, Reply, ToDesk};
use signal_fish_core::{ShardIndex, Slot};
use signal_fish_simulator::world::{Design, Id, World};
use signal_fish_simulator::{Client, LOCALHOST, Line, upgrade};
use std::time::Duration;

const METRICS: &str = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n";
const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";

/// A request that waits at the desk.
struct Waiting {
    shard: ShardIndex,
    slot: Slot,
    number: u8,
}

fn world() -> World {
    World::build(Design::new(1, 5))
}

fn ask(world: &mut World, requests: &str) -> Id {
    world.admit(LOCALHOST, Client::asking(requests))
}

fn seconds(world: &mut World, seconds: u64) {
    world.advance(Duration::from_secs(seconds));
}

fn at_desk(world: &mut World) -> Vec<Waiting> {
    let messages = std::mem::take(&mut world.mailroom().at_desk);
    let inquiries = messages.into_iter().filter_map(|message| match message {
        ToDesk::Inquiry {
            shard, slot, number, ..
        } => Some(Waiting { shard, slot, number }),
        ToDesk::Reply { .. } => None,
    });
    inquiries.collect()
}

/// The only request at the desk.
#[track_caller]
fn sole(world: &mut World) -> Waiting {
    let mut waiting = at_desk(world);
    assert_eq!(waiting.len(), 1);
    waiting.remove(0)
}

fn answer(world: &mut World, to: &Waiting, body: Body) {
    let answer = DeskAnswer {
        status: "200 OK",
        content_type: "text/plain",
        headers: "",
        body,
    };
    let Waiting { shard, slot, number } = *to;
    let mail = Mail::Answer { slot, number, answer };
    world.mailroom().mail_from_control(shard, mail);
    world.settle();
}

fn whole(text: &str) -> Body {
    Body::Whole(text.as_bytes().into())
}

fn feed(world: &mut World, bytes: usize) {
    let piece = vec![b'x'; bytes].into();
    world.mailroom().mail_from_control(ShardIndex(0), Mail::Piece(piece));
    world.settle();
}

fn answers(statuses: &[u16]) -> Value {
    statuses.iter().map(|status| json!({ "answer": status })).collect()
}

fn tickets(world: &World) -> u64 {
    world.admission.totals().connections_active
}

// ----- answers

#[test]
fn the_connection_waits_and_what_follows_is_answered_behind_it() {
    let mut world = world();
    let id = ask(
        &mut world,
        &[METRICS, HEALTH, METRICS, HEALTH, &upgrade("", "")].concat(),
    );
    let first = sole(&mut world);
    world.expect(id, json!([]));
    answer(&mut world, &first, whole("figures"));
    world.expect(id, answers(&[200, 200]));
    let second = sole(&mut world);
    assert_eq!((first.number, second.number), (1, 3));
    answer(&mut world, &second, whole("figures"));
    world.expect(id, answers(&[200, 200]));
    assert!(world.clients[id].is_open());
    assert_eq!(tickets(&world), 1);
}

/// While the desk works nobody's clock runs, and the ticket is held.
#[test]
fn a_waiting_connection_is_not_timed_out_and_keeps_its_ticket() {
    let mut world = world();
    let id = ask(&mut world, METRICS);
    let waiting = sole(&mut world);
    seconds(&mut world, 9);
    world.expect(id, json!([]));
    assert_eq!(tickets(&world), 1);
    answer(&mut world, &waiting, whole(""));
    world.expect(id, answers(&[200]));
    assert_eq!(tickets(&world), 0, "an idle connection holds none");
    seconds(&mut world, 29);
    assert!(!world.clients[id].is_over());
    seconds(&mut world, 2);
    assert!(world.clients[id].is_over());
}

#[test]
fn a_desk_that_stands_still_is_waited_for_ten_seconds() {
    let mut world = world();
    let id = ask(&mut world, &[METRICS, HEALTH].concat());
    let waiting = sole(&mut world);
    seconds(&mut world, 11);
    world.expect(id, answers(&[503, 200]));
    // The late answer is for nobody, whatever is asked by then.
    world.clients[id].write(METRICS.as_bytes());
    world.settle();
    answer(&mut world, &waiting, whole("late"));
    world.expect(id, json!([]));
    let waiting = sole(&mut world);
    answer(&mut world, &waiting, whole("in time"));
    world.expect(id, answers(&[200]));
    assert_eq!(world.report(0).counters.inquiries_unanswered, 1);
}

#[test]
fn a_desk_that_takes_nothing_is_told_at_once() {
    let mut world = world();
    world.mailroom().desk_is_closed = true;
    let id = ask(&mut world, &[METRICS, HEALTH].concat());
    world.expect(id, answers(&[503, 200]));
    assert_eq!(world.report(0).counters.inquiries_refused, 1);
}

#[test]
fn an_answer_for_a_connection_that_has_gone_reaches_nobody() {
    let mut world = world();
    let gone = ask(&mut world, METRICS);
    let waiting = sole(&mut world);
    world.drop_client(gone);
    answer(&mut world, &waiting, whole("for nobody"));
    seconds(&mut world, 20);
    assert_eq!(tickets(&world), 0);
    // Somebody else has the place by now.
    let next = ask(&mut world, METRICS);
    let other = sole(&mut world);
    assert_eq!(other.slot.index, waiting.slot.index);
    answer(&mut world, &waiting, whole("for nobody"));
    world.expect(next, json!([]));
    answer(&mut world, &other, whole(""));
    world.expect(next, answers(&[200]));
}

#[test]
fn who_says_no_more_still_gets_the_answer() {
    let mut world = world();
    let id = ask(&mut world, METRICS);
    world.finish(id);
    let waiting = sole(&mut world);
    answer(&mut world, &waiting, whole(""));
    world.expect(id, answers(&[200]));
    seconds(&mut world, 1);
    assert!(world.clients[id].is_over());
}

#[test]
fn a_drain_gives_the_desk_a_second() {
    let mut world = world();
    let [early, late] = [METRICS, METRICS].map(|request| ask(&mut world, request));
    let waiting = at_desk(&mut world);
    world.drain();
    answer(&mut world, &waiting[0], whole(""));
    world.expect(early, answers(&[200]));
    assert!(!world.has_ended(0));
    seconds(&mut world, 2);
    world.expect(late, answers(&[503]));
    assert!(world.has_ended(0));
    assert_eq!(tickets(&world), 0);
}

#[test]
fn a_question_is_answered() {
    let mut world = world();
    world.connect();
    for (number, question) in [(7, Question::Figures), (8, Question::Alive)] {
        let mail = Mail::Question { number, question };
        world.mailroom().mail_from_control(ShardIndex(0), mail);
    }
    world.settle();
    let replies = std::mem::take(&mut world.mailroom().at_desk);
    let [
        ToDesk::Reply {
            number: 7,
            reply: Reply::Figures(figures),
            ..
        },
        ToDesk::Reply {
            number: 8,
            reply: Reply::Alive,
            ..
        },
    ] = &Vec::from(replies)[..]
    else {
        panic!("two replies in order")
    };
    assert_eq!((figures.report.gauges.sessions, figures.streams), (1, 0));
}

// ----- streams

/// A viewer whose stream has begun.
fn viewer(world: &mut World) -> Id {
    let id = ask(world, METRICS);
    let waiting = sole(world);
    answer(world, &waiting, Body::Stream);
    world.expect(id, answers(&[200]));
    id
}

/// Its window takes `bytes` and nobody reads from it.
fn stops_reading(world: &mut World, id: Id, bytes: usize) {
    *world.network().line(id) = Line {
        window_bytes: bytes,
        reads_bytes_max: 0,
        ..Line::default()
    };
}

#[test]
fn a_stream_lasts_until_its_viewer_goes() {
    let mut world = world();
    let [stays, goes] = [viewer(&mut world), viewer(&mut world)];
    for _ in 0..100 {
        seconds(&mut world, 10);
        feed(&mut world, 1_000);
    }
    assert_eq!(tickets(&world), 2);
    world.finish(goes);
    assert_eq!(tickets(&world), 1);
    feed(&mut world, 1_000);
    assert!(world.is_connected(stays));
    assert_eq!(world.report(0).counters.closed_unread_streams, 0);
}

/// Nothing is kept for who does not read beyond a bound, and the others go on.
#[test]
fn a_viewer_that_stops_reading_is_closed_and_counted() {
    let mut world = world();
    let [reads, stops] = [viewer(&mut world), viewer(&mut world)];
    stops_reading(&mut world, stops, 10_000);
    for _ in 0..40 {
        feed(&mut world, 10_000);
    }
    assert_eq!(world.report(0).counters.closed_unread_streams, 1);
    assert!(world.is_connected(reads));
    assert_eq!(world.shard_of(stops), None);
    assert_eq!(tickets(&world), 1);
}

#[test]
fn a_viewer_that_talks_is_closed() {
    let mut world = world();
    let id = viewer(&mut world);
    world.clients[id].write(HEALTH.as_bytes());
    world.settle();
    world.expect(id, json!([]));
    assert!(world.is_connected(id), "a little is ignored");
    world.clients[id].write(&[b'x'; 10_000]);
    world.settle();
    assert!(world.clients[id].is_over());
    assert_eq!(tickets(&world), 0);
}

#[test]
fn a_shard_has_so_many_streams_and_no_more() {
    let mut world = world();
    let viewers: Vec<_> = (0..32).map(|_| viewer(&mut world)).collect();
    let late = ask(&mut world, METRICS);
    let waiting = sole(&mut world);
    answer(&mut world, &waiting, Body::Stream);
    world.expect(late, answers(&[503]));
    world.finish(viewers[3]);
    viewer(&mut world);
    assert_eq!(world.report(0).counters.streams, 33);
}

#[test]
fn a_drain_ends_streams() {
    let mut world = world();
    let id = viewer(&mut world);
    let asked = ask(&mut world, METRICS);
    let waiting = sole(&mut world);
    world.drain();
    assert!(world.clients[id].is_over());
    answer(&mut world, &waiting, Body::Stream);
    world.expect(asked, answers(&[200]));
    assert!(world.clients[asked].is_over() && world.has_ended(0));
}
