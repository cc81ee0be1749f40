//! What a program gets that runs the server inside itself: every fault of its configuration by name, a listener of its own,
//! an observer, routes, and a handle that many hold.
#![allow(missing_docs, reason = "tests are documented by their names")]

mod harness;

use harness::{Client, Raw, wait_until};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};
use serde_json::{Value, json};
use signal_fish_server::embedding::{HttpRequest, HttpResponse, Seen};
use signal_fish_server::{Builder, Observation, RoomQuery, Server, ServerHandle, StartError};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

fn builder(more: Value) -> Builder {
    let mut config = json!({
        "bind": "127.0.0.1",
        "port": 0,
        "shards": {"count": 2, "pin": false},
        "security": {"max_connections_per_ip": 200},
        "rate_limit": {"max_room_creations": 200, "max_join_attempts": 200},
    });
    harness::server::merge(&mut config, more);
    Server::builder(config)
}

fn start(builder: Builder) -> ServerHandle {
    builder.start().expect("the server starts")
}

#[track_caller]
fn ask(server: &ServerHandle, path: &str) -> (u16, String) {
    let mut raw = Raw::connect(server.address());
    raw.ask(&format!("GET {path}"), "");
    let answer = raw.read_answer_within(harness::PATIENCE);
    let answer = answer.unwrap_or_else(|| panic!("{path} was not answered"));
    (answer.status, answer.body)
}

#[test]
fn every_fault_of_a_configuration_is_named() {
    let faulty = builder(json!({"prot": 1, "server": {"ping_timeout": "x"}, "security": {"proxy_protocol": true}}));
    let Err(StartError::Config(faults)) = faulty.start() else {
        panic!("it started");
    };
    let named = faults.to_string();
    for fault in ["prot", "server.ping_timeout", "did you mean `port`"] {
        assert!(named.contains(fault), "{fault} is missing: {named}");
    }
    let mut config = signal_fish_server::Config::default();
    config.security.proxy_protocol = true;
    let error = Server::builder(config).start().expect_err("nobody may name a client");
    assert!(error.to_string().contains("security.proxy_protocol"), "{error}");
}

#[test]
fn an_observer_sees_the_life_of_a_room() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let book = Arc::clone(&seen);
    let server = start(builder(json!({})).observer(move |seen: Seen| {
        assert_eq!(seen.lost, 0);
        book.lock().unwrap_or_else(PoisonError::into_inner).push(seen.what);
    }));
    let mut alice = Client::connect(server.address());
    alice.create("observed", "Alice", 4);
    let mut bob = Client::connect(server.address());
    bob.enter("observed", &alice.code, "Bob");
    alice.expect("PlayerJoined");
    let (bob_id, token, room) = (bob.id.clone(), bob.token.clone(), bob.room.clone());
    bob.reset();
    alice.expect_left(&bob_id);
    let mut bob = Client::connect(server.address());
    bob.reconnect(&bob_id, &room, &token);
    alice.expect("PlayerReconnected");
    bob.leave();
    alice.expect_left(&bob_id);
    server.shutdown().expect("everything ends well");

    // The end of the server waits until everything was seen.
    let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    let name = |observation: &Observation| {
        let room_id = |room: &signal_fish_server::RoomId| assert_eq!(room.to_string(), room_of(&alice));
        match observation {
            Observation::RoomOpened {
                room,
                game,
                code,
                app,
                max_players,
            } => {
                room_id(room);
                assert_eq!(
                    (&**game, &**code, app, *max_players),
                    ("observed", &*alice.code, &None, 4)
                );
                "opened".to_owned()
            }
            Observation::PlayerJoined { room, name, .. } => {
                room_id(room);
                format!("{name} joined")
            }
            Observation::PlayerLeft { player, may_return, .. } => {
                assert_eq!(player.to_string(), bob_id);
                format!("left, may return: {may_return}")
            }
            Observation::PlayerReturned { player, .. } => {
                assert_eq!(player.to_string(), bob_id);
                "returned".to_owned()
            }
            Observation::PlayerExpired { .. } => "expired".to_owned(),
            Observation::RoomEnded { room } => {
                room_id(room);
                "ended".to_owned()
            }
        }
    };
    let names: Vec<_> = seen.iter().map(name).collect();
    let expected = [
        "opened",
        "Alice joined",
        "Bob joined",
        "left, may return: true",
        "returned",
        "left, may return: false",
        "ended",
    ];
    assert_eq!(names, expected);
}

fn room_of(client: &Client) -> &str {
    &client.room
}

/// A thread of its own serves routes; one that stands still holds up nobody else, and too many requests for it are refused.
#[test]
fn routes_are_answered_beside_everything_else() {
    let stands_still = Arc::new(AtomicBool::new(true));
    let holds = Arc::clone(&stands_still);
    let server = start(
        builder(json!({}))
            .route("/hello", |request: &HttpRequest| {
                HttpResponse::text(format!("{} {:?}", request.path, request.query))
            })
            .route("/below/*", |_: &HttpRequest| HttpResponse::json("{}"))
            .route("/slow", move |_: &HttpRequest| {
                while holds.load(Ordering::Relaxed) {
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
                HttpResponse::text("late")
            }),
    );
    assert_eq!(ask(&server, "/hello?x=1"), (200, r#"/hello Some("x=1")"#.to_owned()));
    assert_eq!(ask(&server, "/below/it").0, 200);
    assert_eq!(ask(&server, "/below/").0, 404);
    let mut refused = Raw::connect(server.address());
    refused.ask("POST /hello", "");
    assert_eq!(refused.read_answer().status, 405);

    let mut waiting: Vec<_> = (0..60)
        .map(|_| {
            let mut raw = Raw::connect(server.address());
            raw.ask("GET /slow", "");
            raw
        })
        .collect();
    // Others are answered while the route stands still, also what the desk answers.
    assert_eq!(ask(&server, "/metrics").0, 200);
    assert_eq!(ask(&server, "/healthz").0, 200);
    let mut player = Client::connect(server.address());
    player.create("beside", "Alice", 4);
    stands_still.store(false, Ordering::Relaxed);
    for raw in &mut waiting {
        assert_eq!(raw.read_answer().body, "late");
    }
    server.shutdown().expect("everything ends well");
}

/// As Docker's default profile does: without a ring there is an error, and no panic.
#[test]
fn a_machine_without_io_uring_is_an_error() {
    const IO_URING_SETUP: i64 = 425;
    const EPERM: u32 = 1;
    let arch = TargetArch::try_from(std::env::consts::ARCH).expect("an architecture with seccomp");
    let rules = [(IO_URING_SETUP, Vec::new())].into_iter().collect();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(EPERM), arch).expect("a filter");
    let program: BpfProgram = filter.try_into().expect("a program");
    // The filter holds for this thread and for what it starts.
    let started = std::thread::spawn(move || {
        seccompiler::apply_filter(&program).expect("a filter may be added");
        builder(json!({})).start()
    });
    let error = started.join().expect("no panic").expect_err("there is no ring");
    assert!(matches!(error, StartError::Host(_)), "{error}");
}

#[test]
fn routes_that_cannot_be_are_refused() {
    for path in ["hello", "/metrics", "/v2/ws", "/a?b", "/a*b", "/ä", "/with space"] {
        let builder = builder(json!({})).route(path, |_: &HttpRequest| HttpResponse::not_found());
        let error = builder.start().expect_err(path);
        assert!(matches!(error, StartError::Route { .. }), "{path}: {error}");
    }
}

#[test]
fn a_given_listener_is_shared_by_all_shards() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("an address");
    let server = start(builder(json!({"bind": "::", "port": 1})).listener(listener));
    assert_eq!(server.address(), address);
    let mut clients: Vec<_> = (0..20).map(|_| Client::connect(address)).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        client.create("given", &format!("p{number}"), 4);
    }
    // Rooms are on both shards, so connections moved between them as ever.
    wait_until("every room is counted", || {
        let rooms = server.rooms(&RoomQuery {
            count: 100,
            ..RoomQuery::default()
        });
        rooms.expect("the shards answer").len() == 20
    });
    server.shutdown().expect("everything ends well");
    assert!(
        std::net::TcpStream::connect(address).is_err(),
        "nobody listens any more"
    );

    let no_listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    let error = builder(json!({}))
        .listener(no_listener.into())
        .start()
        .expect_err("it does not listen");
    assert!(error.to_string().contains("does not listen"), "{error}");
}

#[test]
fn many_hold_the_handle_and_learn_of_the_end() {
    let server = start(builder(json!({"server": {"drain_timeout_secs": 5}})));
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let server = server.clone();
            std::thread::spawn(move || server.wait())
        })
        .collect();
    let mut alice = Client::connect(server.address());
    alice.create("held", "Alice", 4);
    let metrics: Value = serde_json::from_str(&server.metrics().expect("metrics")).expect("JSON");
    assert_eq!(metrics["active_rooms"], 1, "{metrics}");
    let of = |game: &str| RoomQuery {
        game: Some(game.into()),
        count: 10,
        ..RoomQuery::default()
    };
    let rooms = server.rooms(&of("held")).expect("rooms");
    assert_eq!((rooms.len(), rooms[0].players), (1, 1));
    assert!(server.rooms(&of("other")).expect("rooms").is_empty());
    assert!(
        server
            .rooms(&RoomQuery::default())
            .expect("none was asked for")
            .is_empty()
    );

    server.drain();
    alice.expect_close(1001);
    for waiting in waiting {
        let totals = waiting.join().expect("no panic").expect("everything ends well");
        assert_eq!(totals.admission.connections_active, 0);
    }
    assert!(server.wait().is_ok(), "it has ended already");
    assert!(server.metrics().is_err() && server.rooms(&of("held")).is_err());
}
