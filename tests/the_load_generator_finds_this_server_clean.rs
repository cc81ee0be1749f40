//! Every load of the generator, small, against the real server: nothing lost, nothing refused, and each limit named when
//! it strikes.

mod harness;

use harness::Server;
use harness::certificates::Files;
use serde_json::{Value, json};
use signal_fish_loadtest::report::Report;
use signal_fish_loadtest::{Format, Load, Plan, Target, TlsFiles, run};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

fn server(overrides: Value) -> Server {
    Server::start(overrides)
}

fn plan(server: &Server, load: Load) -> Plan {
    let url = format!("ws://{}/v2/ws", server.addr);
    Plan {
        rooms: 6,
        players: 4,
        rate: 20.0,
        warm_up: Duration::ZERO,
        duration: Duration::from_secs(1),
        // Long enough for a machine on which every test runs at once; a clean run does not wait for it.
        drain: Duration::from_secs(20),
        threads: 2,
        ..Plan::new(load, Target::parse(&url).expect("an address that the server gave"))
    }
}

fn report(plan: &Plan) -> Report {
    Report::new(&run(plan, &AtomicBool::new(false), &mut |_| {}).expect("the run can be made"))
}

fn assert_clean(report: &Report) {
    let failed = report.connections.failed + report.connections.lost + report.failed;
    assert!(report.messages.is_clean(), "{:?}", report.messages);
    assert_eq!(
        (failed, report.refusals.len()),
        (0, 0),
        "{:?} {:?}",
        report.connections,
        report.refusals
    );
}

#[test]
fn relayed_data_in_both_forms_arrives_once_and_in_order() {
    let server = server(json!({"shards": {"count": 2}}));
    for format in [Format::Json, Format::MessagePack] {
        let report = report(&Plan {
            format,
            ..plan(&server, Load::Relay)
        });
        assert_clean(&report);
        assert_eq!(report.messages.sent, 6 * 4 * 20);
        assert_eq!(report.messages.delivered, 6 * 4 * 20 * 3);
    }
}

#[test]
fn data_relayed_through_tls_arrives_once_and_in_order() {
    let files = Files::new();
    let (certificate, key) = files.leaf();
    files.write("client.pem", &certificate);
    files.write("client.key", &key);
    let mut config = files.config(json!({"client_auth": "require", "client_ca_cert_path": files.path("ca.pem")}));
    config["shards"] = json!({"count": 2});
    let server = server(config);
    let target = |client| {
        let url = format!("wss://{}/v2/ws", server.addr);
        let tls = TlsFiles {
            authorities: Some(files.path("ca.pem").into()),
            client,
            insecure: false,
        };
        Target::parse_with(&url, &tls).expect("files that can be used").into()
    };
    let shown = target(Some((files.path("client.pem").into(), files.path("client.key").into())));
    let report_with = |target, payload| {
        report(&Plan {
            target,
            payload,
            ..plan(&server, Load::Relay)
        })
    };
    // A small record each, and messages of more than one record.
    for payload in [100, 30_000] {
        let report = report_with(std::sync::Arc::clone(&shown), payload);
        assert_clean(&report);
        assert_eq!(report.messages.delivered, 6 * 4 * 20 * 3);
    }
    let refused = report_with(target(None), 100);
    assert_eq!(refused.connections.joined, 0, "{:?}", refused.connections);
}

#[test]
fn spectators_get_what_players_get() {
    let server = server(json!({"shards": {"count": 2}}));
    let report = report(&Plan {
        spectators: 2,
        ..plan(&server, Load::Spectate)
    });
    assert_clean(&report);
    assert_eq!(report.messages.delivered, 6 * 4 * 20 * 5);
    assert_eq!(
        report.latency("delivery to spectators").expect("spectators").count,
        6 * 4 * 20 * 2
    );
}

#[test]
fn sessions_run_from_join_to_start() {
    let server = server(json!({}));
    let report = report(&Plan {
        sessions_max: 20,
        at_once: 8,
        ..plan(&server, Load::Lobby)
    });
    assert_clean(&report);
    assert_eq!(
        (report.completed, report.latency("session").expect("sessions").count),
        (20, 20)
    );
}

#[test]
fn rooms_fill_and_stand() {
    let server = server(json!({}));
    let report = report(&Plan {
        sessions_max: 30,
        fill_only: true,
        ..plan(&server, Load::Lobby)
    });
    assert_clean(&report);
    assert_eq!((report.completed, report.connections.joined), (30, 120));
}

#[test]
fn connections_come_and_go() {
    let server = server(json!({}));
    let report = report(&Plan {
        sessions_max: 200,
        ..plan(&server, Load::Churn)
    });
    assert_clean(&report);
    assert_eq!(
        (report.completed, report.latency("close").expect("closes").count),
        (200, 200)
    );
}

#[test]
fn players_that_drop_together_come_back() {
    let server = server(json!({"shards": {"count": 2}}));
    let report = report(&Plan {
        storms: 2,
        storm_share: 0.5,
        ..plan(&server, Load::Reconnect)
    });
    assert_clean(&report);
    assert_eq!(report.completed, 2 * 6 * 4 / 2);
}

#[test]
fn idle_connections_stay_and_their_cost_is_known() {
    let server = server(json!({}));
    let pid = u32::try_from(server.pid).expect("a process id is positive");
    let report = report(&Plan {
        idle: 400,
        server_pid: Some(pid),
        ..plan(&server, Load::Idle)
    });
    assert_clean(&report);
    assert_eq!(report.connections.joined, 400);
    assert!(
        report
            .server
            .expect("the server is watched")
            .resident_each_bytes
            .is_some()
    );
}

#[test]
fn all_loads_run_beside_each_other() {
    let server = server(json!({"shards": {"count": 2}}));
    let mixed = Plan {
        idle: 40,
        spectators: 1,
        sessions_per_second: 5.0,
        churn_per_second: 20.0,
        ..plan(&server, Load::Mix)
    };
    let report = report(&mixed);
    assert_clean(&report);
    assert_eq!(report.messages.delivered, 6 * 4 * 20 * 4);
    assert!(report.completed >= 20, "{}", report.completed);
}

#[test]
fn the_limit_that_refused_is_named() {
    let server = server(json!({"security": {"max_connections_per_ip": 5}}));
    let report = report(&Plan {
        threads: 1,
        ..plan(&server, Load::Relay)
    });
    assert!(report.connections.failed > 0);
    assert!(
        report
            .refusals
            .iter()
            .any(|refusal| refusal.limit.contains("security.max_connections_per_ip")),
        "{:?}",
        report.refusals
    );
}
