//! Apps that are in no list: a directory of the embedding program finds them, late if it likes; and whatever it does, nobody
//! else is held up.
#![allow(missing_docs, reason = "tests are documented by their names")]

mod harness;

use harness::{Client, wait_until};
use serde_json::{Value, json};
use signal_fish_server::embedding::{App, AppDirectory, AppQuestion};
use signal_fish_server::{Observation, Server, ServerHandle};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

fn start_with(directory: impl AppDirectory + 'static, more: Value) -> ServerHandle {
    let mut config = json!({
        "bind": "127.0.0.1",
        "port": 0,
        "shards": {"count": 2, "pin": false},
        "security": {
            "max_connections_per_ip": 2000,
            "require_websocket_auth": true,
            "authorized_apps": [{"app_id": "listed", "app_name": "Listed"}],
            "admin_token": "token of an operator".replace(' ', "-"),
        },
        "rate_limit": {"max_room_creations": 2000, "max_join_attempts": 2000},
    });
    harness::server::merge(&mut config, more);
    Server::builder(config)
        .directory(directory)
        .start()
        .expect("the server starts")
}

fn start(directory: impl AppDirectory + 'static) -> ServerHandle {
    start_with(directory, json!({}))
}

fn send(server: &ServerHandle, app: &str) -> Client {
    let mut client = Client::connect(server.address());
    client.send(json!({"type": "Authenticate", "data": {"app_id": app}}));
    client
}

/// Authenticates, and returns what is told about the app.
#[track_caller]
fn welcomed(client: &mut Client) -> Value {
    let told = client.expect("Authenticated");
    client.expect("ProtocolInfo");
    told
}

#[track_caller]
fn refused(mut client: Client, code: &str) {
    let told = client.expect("AuthenticationError");
    assert_eq!(told["error_code"], code, "{told}");
    client.expect_close(1008);
}

/// Who is listed plays whatever the directory does.
#[track_caller]
fn listed_apps_play(server: &ServerHandle, round: usize) {
    let mut ada = send(server, "listed");
    assert_eq!(welcomed(&mut ada)["app_name"], "Listed");
    ada.create(&format!("chess{round}"), "Ada", 2);
    let mut bob = send(server, "listed");
    welcomed(&mut bob);
    bob.enter(&format!("chess{round}"), &ada.code, "Bob");
    ada.expect("PlayerJoined");
}

#[test]
fn an_app_is_found_with_its_name_and_limits() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let book = Arc::clone(&seen);
    let directory = move |question: AppQuestion| {
        count.fetch_add(1, Ordering::Relaxed);
        match question.app_id() {
            "found" => question.found(App {
                name: Some("Found".to_owned()),
                max_rooms: Some(1),
                max_players_per_room: Some(3),
                rate_limit_per_minute: Some(1000),
                ..App::default()
            }),
            _ => question.not_found(),
        }
    };
    let config = json!({
        "bind": "127.0.0.1", "port": 0, "shards": {"count": 2, "pin": false},
        "security": {"max_connections_per_ip": 2000, "require_websocket_auth": true},
        "rate_limit": {"max_room_creations": 2000, "max_join_attempts": 2000},
    });
    let server =
        Server::builder(config)
            .directory(directory)
            .observer(move |seen: signal_fish_server::embedding::Seen| {
                book.lock().unwrap_or_else(PoisonError::into_inner).push(seen.what);
            });
    let server = server.start().expect("the server starts");

    let mut ada = send(&server, "found");
    let told = welcomed(&mut ada);
    assert_eq!(
        (&told["app_name"], &told["rate_limits"]["per_minute"]),
        (&json!("Found"), &json!(1000))
    );
    ada.send_join(json!({"game_name": "chess", "player_name": "Ada", "max_players": 4}));
    ada.expect_failure("RoomJoinFailed", "INVALID_MAX_PLAYERS");
    let room = ada.join(json!({"game_name": "chess", "player_name": "Ada"}));
    assert_eq!(room["max_players"], 3, "the app allows three");
    // Rooms of the app are counted over both shards; its players meet, whichever shard they are on.
    for number in 0..8 {
        let mut other = send(&server, "found");
        welcomed(&mut other);
        other.send_join(json!({"game_name": "go", "player_name": format!("p{number}")}));
        other.expect_failure("RoomJoinFailed", "MAX_ROOMS_PER_GAME_EXCEEDED");
    }
    let mut bob = send(&server, "found");
    welcomed(&mut bob);
    bob.enter("chess", &ada.code, "Bob");
    assert_eq!(asked.load(Ordering::Relaxed), 1, "it is remembered");

    refused(send(&server, "unknown"), "INVALID_APP_ID");
    refused(send(&server, &"x".repeat(300)), "INVALID_APP_ID");
    assert_eq!(
        asked.load(Ordering::Relaxed),
        2,
        "what is too long to be one is not asked for"
    );
    server.shutdown().expect("everything ends well");
    let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(Observation::RoomOpened { app, .. }) = seen.first() else {
        panic!("{seen:?}");
    };
    assert_eq!(app.as_deref(), Some("found"));
}

#[test]
fn an_answer_may_come_late_and_from_anywhere() {
    let (to, from) = std::sync::mpsc::channel::<AppQuestion>();
    let server = start(move |question: AppQuestion| to.send(question).expect("somebody answers"));
    let mut clients: Vec<_> = (0..20).map(|_| send(&server, "late")).collect();
    let question = from.recv_timeout(harness::PATIENCE).expect("a question");
    assert_eq!(question.app_id(), "late");
    listed_apps_play(&server, 0);
    question.found(App::default());
    for client in &mut clients {
        assert_eq!(welcomed(client)["app_name"], "late");
    }
    // Those who came behind the answer found it remembered.
    assert!(from.try_recv().is_err(), "one question is enough");
    server.shutdown().expect("everything ends well");
}

#[test]
fn a_directory_that_stands_still_holds_up_nobody_else() {
    let holds = Arc::new(AtomicBool::new(true));
    let held = Arc::clone(&holds);
    let server = start(move |question: AppQuestion| {
        if question.app_id() == "quick" {
            let keep = Duration::from_secs(3600);
            return question.found(App { keep, ..App::default() });
        }
        while held.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
        }
        question.not_found();
    });
    welcomed(&mut send(&server, "quick"));
    // More apps than questions may wait: the last ones are told at once, the others after a while.
    let waiting: Vec<_> = (0..300).map(|number| send(&server, &format!("app {number}"))).collect();
    listed_apps_play(&server, 1);
    welcomed(&mut send(&server, "quick"));
    for client in waiting {
        refused(client, "SERVICE_UNAVAILABLE");
    }
    listed_apps_play(&server, 2);
    holds.store(false, Ordering::Relaxed);
    // Once it answers again, whoever tries again is served.
    wait_until("the directory answers", || {
        let mut client = send(&server, "app 0");
        client.expect("AuthenticationError")["error_code"] == "INVALID_APP_ID"
    });
    server.shutdown().expect("everything ends well");
}

#[test]
fn a_directory_that_keeps_its_questions_is_asked_no_more() {
    let kept = Arc::new(Mutex::new(Vec::new()));
    let keeps = Arc::clone(&kept);
    let server =
        start(move |question: AppQuestion| keeps.lock().unwrap_or_else(PoisonError::into_inner).push(question));
    let clients: Vec<_> = (0..300).map(|number| send(&server, &format!("app {number}"))).collect();
    listed_apps_play(&server, 0);
    for client in clients {
        refused(client, "SERVICE_UNAVAILABLE");
    }
    let questions = std::mem::take(&mut *kept.lock().unwrap_or_else(PoisonError::into_inner));
    assert_eq!(questions.len(), 256);
    let apps: BTreeSet<_> = questions.iter().map(|question| question.app_id().to_owned()).collect();
    assert_eq!(apps.len(), 256, "each app is asked for once");
    // What comes too late serves those who come then.
    for question in questions {
        question.found(App::default());
    }
    wait_until("a late answer is remembered", || {
        let mut client = send(&server, apps.first().expect("one"));
        client.next_message()["type"] == "Authenticated"
    });
    server.shutdown().expect("everything ends well");
}

#[test]
fn a_directory_that_panics_or_answers_garbage_finds_nothing() {
    let server = start(|question: AppQuestion| match question.app_id() {
        "garbage" => question.found(App {
            name: Some("x".repeat(1 << 20)),
            ..App::default()
        }),
        "dropped" => drop(question),
        _ => panic!("as a directory may"),
    });
    for app in ["garbage", "dropped", "panic", "after the panic", "garbage"] {
        refused(send(&server, app), "SERVICE_UNAVAILABLE");
        listed_apps_play(&server, app.len());
    }
    server.shutdown().expect("everything ends well");
}

#[test]
fn an_app_that_is_taken_away_keeps_its_rooms() {
    let there = Arc::new(AtomicBool::new(true));
    let is_there = Arc::clone(&there);
    let server = start(move |question: AppQuestion| {
        if is_there.load(Ordering::Relaxed) {
            question.found(App {
                keep: Duration::ZERO,
                ..App::default()
            });
        } else {
            question.not_found();
        }
    });
    let mut ada = send(&server, "app");
    welcomed(&mut ada);
    ada.create("chess", "Ada", 2);
    let mut bob = send(&server, "app");
    welcomed(&mut bob);
    there.store(false, Ordering::Relaxed);
    refused(send(&server, "app"), "INVALID_APP_ID");
    // Who is in stays in.
    bob.enter("chess", &ada.code, "Bob");
    ada.expect("PlayerJoined");
    // An operator sees its rooms under its id.
    let mut raw = harness::Raw::connect(server.address());
    raw.ask(
        "GET /admin/rooms?app=app",
        "Authorization: Bearer token-of-an-operator\r\n",
    );
    let answer = raw.read_answer_within(harness::PATIENCE).expect("an answer");
    let rooms: Value = serde_json::from_str(&answer.body).expect("JSON");
    assert_eq!(rooms["rooms"][0]["app_id"], "app", "{rooms}");
    assert_eq!(rooms["rooms"][0]["players"], 2, "{rooms}");
    server.shutdown().expect("everything ends well");
}

#[test]
fn without_authentication_nobody_is_asked_for() {
    let server = start_with(
        |_: AppQuestion| panic!("nobody asks"),
        json!({"security": {"require_websocket_auth": false}}),
    );
    let mut client = send(&server, "any");
    assert_eq!(welcomed(&mut client)["app_name"], "default");
    server.shutdown().expect("everything ends well");
}
