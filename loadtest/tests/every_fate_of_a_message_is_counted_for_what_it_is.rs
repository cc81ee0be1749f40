//! Between the generator and a relay server stands a proxy that loses, repeats, swaps, delays and rewrites messages; the
//! report has to say exactly what it did.

mod support;

use signal_fish_loadtest::accounting::Counts;
use signal_fish_loadtest::limit::find_limit;
use signal_fish_loadtest::report::Report;
use signal_fish_loadtest::{Load, Plan, Target, run};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use support::{Fault, Habit, Harm, Lie, faulty_proxy, relay_server};

fn plan(address: std::net::SocketAddr) -> Plan {
    Plan {
        rooms: 3,
        players: 2,
        rate: 40.0,
        warm_up: Duration::ZERO,
        duration: Duration::from_millis(500),
        drain: Duration::from_millis(500),
        ..Plan::new(Load::Relay, Target::parse(&format!("ws://{address}")).unwrap())
    }
}

fn report(plan: &Plan) -> Report {
    Report::new(&run(plan, &AtomicBool::new(false), &mut |_| {}).unwrap())
}

fn through(fault: Fault) -> (Report, u64) {
    let (address, harm) = faulty_proxy(relay_server(Habit::Good), fault);
    let report = report(&plan(address));
    let done = |harm: &Harm| harm.done.load(Ordering::SeqCst);
    (report, done(&harm))
}

#[test]
fn an_honest_server_is_clean() {
    let (report, _) = through(Fault::None);
    let messages = report.messages;
    assert!(messages.is_clean(), "{messages:?}");
    assert_eq!((messages.sent, messages.expected, messages.delivered), (120, 120, 120));
    assert_eq!(report.latency("delivery").unwrap().count, 120);
    assert_eq!(report.connections.joined, 6);
}

#[test]
fn what_is_dropped_is_lost() {
    let (report, dropped) = through(Fault::Drop);
    assert_eq!(dropped, 24);
    assert_eq!(
        (report.messages.lost, report.messages.delivered),
        (dropped, 120 - dropped)
    );
    assert_eq!((report.messages.duplicated, report.messages.out_of_order), (0, 0));
    // Every sender lost the same share.
    assert!(
        report.senders.iter().all(|sender| sender.lost == 4),
        "{:?}",
        report.senders
    );
}

#[test]
fn what_comes_twice_is_duplicated() {
    let (report, repeated) = through(Fault::Duplicate);
    assert_eq!((report.messages.duplicated, repeated), (24, 24));
    assert_eq!(
        (
            report.messages.delivered,
            report.messages.lost,
            report.messages.out_of_order
        ),
        (120, 0, 0)
    );
}

#[test]
fn what_is_overtaken_is_out_of_order() {
    let (report, swapped) = through(Fault::Swap);
    assert_eq!((report.messages.out_of_order, swapped), (24, 24));
    assert_eq!(
        (
            report.messages.delivered,
            report.messages.lost,
            report.messages.duplicated
        ),
        (120, 0, 0)
    );
}

#[test]
fn a_stall_is_charged_to_every_message_that_was_due_in_it() {
    let (report, stalls) = through(Fault::Stall(2, Duration::from_millis(300)));
    assert_eq!(stalls, 6);
    assert!(report.messages.is_clean(), "{:?}", report.messages);
    // A message is due every 25 ms on each of six connections: those due in the first 200 ms of a stall waited over 100 ms.
    let delivery = report.latency("delivery").unwrap();
    let slow_from = delivery
        .distribution
        .iter()
        .find(|(_, latency)| *latency > 100.0)
        .unwrap()
        .0;
    assert!(slow_from <= 0.7, "{delivery:?}");
    assert!(delivery.max_ms >= 290.0, "{delivery:?}");
}

#[test]
fn a_cut_connection_is_lost_with_all_it_did_not_get() {
    let (report, cut) = through(Fault::Cut(5));
    assert!(cut > 0);
    assert!(report.connections.lost >= cut, "{:?}", report.connections);
    assert!(report.messages.lost >= cut, "{:?}", report.messages);
    assert_eq!(
        report.messages.expected,
        report.messages.delivered + report.messages.lost
    );
    assert!(
        report.refusals.iter().any(|refusal| refusal.code == "dropped"),
        "{:?}",
        report.refusals
    );
}

#[test]
fn an_echo_is_misdelivered() {
    let report = report(&plan(relay_server(Habit::Echo)));
    assert_eq!(report.messages.misdelivered, 120);
    assert_eq!((report.messages.delivered, report.messages.lost), (120, 0));
}

/// What the proxy does to every fifth of 120 messages, and how the account ends.
fn lie(lie: Lie, counts: Counts) {
    for threads in [1, 2] {
        let (address, harm) = faulty_proxy(relay_server(Habit::Good), Fault::Lie(lie));
        let report = report(&Plan {
            threads,
            ..plan(address)
        });
        assert_eq!(harm.done.load(Ordering::SeqCst), 24, "{lie:?}");
        let expected = Counts {
            sent: 120,
            expected: 120,
            delivered: 96,
            ..counts
        };
        assert_eq!(report.messages, expected, "{lie:?}, {threads} threads");
        assert!(!report.messages.is_clean());
        assert_eq!(report.latency("delivery").unwrap().count, 96);
    }
}

#[test]
fn a_shortened_message_is_truncated() {
    lie(
        Lie::Truncate,
        Counts {
            truncated: 24,
            ..Counts::default()
        },
    );
}

#[test]
fn a_changed_message_is_corrupted() {
    let corrupted = Counts {
        corrupted: 24,
        ..Counts::default()
    };
    for kind in [Lie::Corrupt, Lie::Extend, Lie::AddMember] {
        lie(kind, corrupted);
    }
    // Nobody knows whose it was, so the one that was sent is lost as well.
    for kind in [Lie::CorruptStamp, Lie::Unstamp] {
        lie(kind, Counts { lost: 24, ..corrupted });
    }
}

#[test]
fn a_message_in_the_name_of_another_is_forged() {
    let forged = Counts {
        forged: 24,
        ..Counts::default()
    };
    for kind in [Lie::Forge, Lie::Anonymize] {
        lie(kind, forged);
    }
    let report = report(&plan(relay_server(Habit::Impostor)));
    assert_eq!((report.messages.forged, report.messages.delivered), (120, 0));
}

#[test]
fn members_that_share_an_id_are_a_failure() {
    let report = report(&plan(relay_server(Habit::OneId)));
    assert_eq!(report.connections.failed, 3);
    assert!(report.refusals.iter().any(|refusal| refusal.text.contains("player_id")));
}

#[test]
fn a_broadcast_to_all_rooms_is_misdelivered_however_many_threads_there_are() {
    for (threads, rooms) in [(1, 2), (2, 2), (2, 3)] {
        let report = report(&Plan {
            threads,
            rooms,
            ..plan(relay_server(Habit::Broadcast))
        });
        let messages = report.messages;
        assert_eq!(
            messages.delivered,
            40 * rooms as u64,
            "{threads} threads, {rooms} rooms"
        );
        // Those that come after the last one that was awaited are not looked at any more.
        assert!(
            messages.misdelivered > 0,
            "{threads} threads, {rooms} rooms: {messages:?}"
        );
    }
}

#[test]
fn a_refusal_names_the_limit_behind_it() {
    let report = report(&plan(relay_server(Habit::NoRooms)));
    let refusal = &report.refusals[0];
    assert_eq!((refusal.code.as_str(), refusal.count), ("RATE_LIMIT_EXCEEDED", 3));
    assert!(refusal.limit.contains("rate_limit.max_room_creations"), "{refusal:?}");
    assert_eq!(report.connections.failed, 6);
}

#[test]
fn a_close_frame_names_the_limit_behind_it() {
    let report = report(&plan(relay_server(Habit::Impatient)));
    let refusal = report
        .refusals
        .iter()
        .find(|refusal| refusal.code == "close 1013")
        .unwrap();
    assert!(refusal.limit.contains("websocket.max_outbound_bytes"), "{refusal:?}");
}

#[test]
fn threads_share_the_rooms_and_nothing_is_counted_twice() {
    let (address, _) = faulty_proxy(relay_server(Habit::Good), Fault::None);
    let report = report(&Plan {
        threads: 2,
        ..plan(address)
    });
    assert!(report.messages.is_clean(), "{:?}", report.messages);
    assert_eq!((report.messages.sent, report.messages.delivered), (120, 120));
    assert_eq!(report.generator.busy_share.len(), 2);
}

#[test]
fn the_search_stops_at_the_rate_that_loses() {
    // From the 21st message of a connection on everything is lost: at 200 ms that is a rate of 100 per second.
    let (address, _) = faulty_proxy(relay_server(Habit::Good), Fault::DropFrom(20));
    let plan = Plan {
        rate: 40.0,
        duration: Duration::from_millis(200),
        drain: Duration::from_millis(300),
        ..plan(address)
    };
    let mut told = 0;
    let report = find_limit(&plan, 5_000.0, &AtomicBool::new(false), &mut |_| {}, &mut |_| told += 1).unwrap();
    assert!((90.0..=105.0).contains(&report.plan.rate), "{:?}", report.steps);
    assert_eq!(told, report.steps.len());
    assert!(report.steps.iter().any(|step| step.lost > 0));
    assert_eq!(report.messages.lost, 0);
}

#[test]
fn a_stopped_run_reports_what_it_has() {
    let address = relay_server(Habit::Good);
    let plan = Plan {
        duration: Duration::from_secs(600),
        ..plan(address)
    };
    let stop = AtomicBool::new(false);
    let run = run(&plan, &stop, &mut |sample| {
        if sample.progress.delivered > 20 {
            stop.store(true, Ordering::SeqCst);
        }
    });
    let report = Report::new(&run.unwrap());
    assert!(report.interrupted);
    assert!(
        report.messages.delivered > 20 && report.messages.is_clean(),
        "{:?}",
        report.messages
    );
}
