//! Limits of admission as clients meet them: what counts, in which order, with which text (D22, D25, D40).

use serde_json::json;
use signal_fish_core::admission::{AppLimits, Ask, Limits};
use signal_fish_core::protocol::signal_fish::{App, Settings};
use signal_fish_simulator::world::{self, World, join, join_failed, just, open_limits, reconnect, spectate};
use std::time::Duration;

const ID: &str = "9f0c4d3e-7a2b-4c1d-8e5f-0a1b2c3d4e5f";

#[test]
fn creations_are_counted_with_and_without_a_code_and_even_if_they_fail() {
    let mut world = World::limited(Limits {
        room_creations_max: 3,
        ..open_limits()
    });
    let a = world.connect();
    world.join(a, "", "", 2);
    world.join(a, "ROOM42", "Ann", 2);
    world.send(a, just("LeaveRoom"));
    world.join(a, "", "Ann", 2);
    world.send(a, just("LeaveRoom"));
    world.skip();
    for name in ["Ann", ""] {
        world.join(a, "", name, 2);
        let text = "Room creation rate limit exceeded. Try again in 60 seconds.";
        world.expect(a, json!([join_failed(text, "RATE_LIMIT_EXCEEDED")]));
    }
    world.join(a, "OTHER1", "Ann", 2);
    assert_eq!(world.take_one(a)["data"]["error_code"], "RATE_LIMIT_EXCEEDED");
    // The room that stands is joined, not created.
    world.join(a, "ROOM42", "Ann", 2);
    assert_eq!(world.take_types(a), ["RoomJoined"]);
    world.send(a, just("LeaveRoom"));
    world.skip();
    world.advance(Duration::from_secs(20));
    world.send(a, just("Ping"));
    world.advance(Duration::from_millis(20_500));
    world.send(a, just("Ping"));
    world.skip();
    world.join(a, "", "Ann", 2);
    let text = "Room creation rate limit exceeded. Try again in 19 seconds.";
    world.expect(a, json!([join_failed(text, "RATE_LIMIT_EXCEEDED")]));
    world.advance(Duration::from_secs(20));
    world.join(a, "", "Ann", 2);
    assert_eq!(world.take_types(a), ["RoomJoined"]);
}

#[test]
fn joins_spectators_and_failed_reconnects_share_one_count() {
    let mut world = World::limited(Limits {
        handshakes_per_sec_per_ip: 10,
        join_attempts_max: 4,
        ..open_limits()
    });
    let [a, b] = [world.connect(), world.connect()];
    world.join(a, "ROOM42", "Ann", 2);
    world.join(b, "x", "Bob", 2);
    world.send(b, spectate("NOSUCH", "Bob"));
    world.send(b, reconnect(ID, ID, "x"));
    world.skip();
    let text = "Join attempt rate limit exceeded. Try again in 60 seconds.";
    world.join(b, "ROOM42", "Bob", 2);
    world.expect(b, json!([join_failed(text, "RATE_LIMIT_EXCEEDED")]));
    world.join(b, "x", "Bob", 2);
    world.expect(b, json!([join_failed(text, "RATE_LIMIT_EXCEEDED")]));
    let limited = |kind: &str| json!([{"type": kind, "data": {"reason": text, "error_code": "RATE_LIMIT_EXCEEDED"}}]);
    world.send(b, spectate("ROOM42", "Bob"));
    world.expect(b, limited("SpectatorJoinFailed"));
    world.send(b, reconnect(ID, ID, "x"));
    world.expect(b, limited("ReconnectionFailed"));
    // A Reconnect that succeeds is never counted, so it is not refused either.
    world.drop_client(a);
    world.reconnect(b, a);
    assert_eq!(world.take_types(b), ["Reconnected"]);
}

#[test]
fn a_game_has_so_many_rooms_and_each_that_ends_makes_place() {
    let mut world = World::limited(Limits {
        rooms_per_game_max: 2,
        ..open_limits()
    });
    let ids: Vec<_> = (0..3).map(|_| world.connect()).collect();
    world.join(ids[0], "", "Ann", 1);
    world.join(ids[1], "ROOM42", "Ann", 2);
    world.skip();
    for code in ["", "OTHER1"] {
        world.join(ids[2], code, "Ann", 2);
        let text = "Game `pong` already has 2 rooms (limit 2)";
        world.expect(ids[2], json!([join_failed(text, "MAX_ROOMS_PER_GAME_EXCEEDED")]));
    }
    world.join(ids[2], "ROOM42", "Bob", 2);
    assert_eq!(world.take_types(ids[2]), ["RoomJoined", "LobbyStateChanged"]);
    world.send(ids[2], just("LeaveRoom"));
    // A game that started and that everybody left is over at once.
    world.send(ids[0], just("PlayerReady"));
    world.send(ids[0], just("LeaveRoom"));
    world.skip();
    world.join(ids[2], "OTHER1", "Ann", 2);
    assert_eq!(world.take_types(ids[2]), ["RoomJoined"]);
}

#[test]
fn an_app_has_its_own_limits_of_rooms_and_players() {
    let app = |id: &str, players| App {
        authorized: true,
        app_id: id.to_owned(),
        app_name: id.to_uppercase(),
        max_players_per_room: players,
        rate_limit_per_minute: None,
    };
    let settings = Settings {
        require_auth: true,
        apps: vec![app("small", Some(2)), app("large", None)],
        ..Settings::default()
    };
    let rooms = |rooms_max| AppLimits {
        rooms_max,
        authentications_per_minute_max: None,
    };
    let limits = Limits {
        apps: vec![rooms(Some(1)), rooms(None)],
        ..open_limits()
    };
    let mut world = World::new(1, 7, settings, limits);
    let ids: Vec<_> = (0..3).map(|_| world.connect()).collect();
    for (id, app) in ids.iter().zip(["small", "small", "large"]) {
        world.send(*id, json!({"type": "Authenticate", "data": {"app_id": app}}));
    }
    world.skip();
    world.join(ids[0], "ROOM42", "Ann", 3);
    world.expect(
        ids[0],
        json!([join_failed("Max players cannot exceed 2", "INVALID_MAX_PLAYERS")]),
    );
    let plain = json!({"type": "JoinRoom", "data": {"game_name": "pong", "player_name": "Ann", "room_code": "ROOM42"}});
    world.send(ids[0], plain.clone());
    assert_eq!(world.take_one(ids[0])["data"]["max_players"], 2);
    world.join(ids[1], "", "Bob", 2);
    let text = "App already has 1 rooms (limit 1)";
    world.expect(ids[1], json!([join_failed(text, "MAX_ROOMS_PER_GAME_EXCEEDED")]));
    // The same code in another app is another room.
    world.send(ids[2], plain);
    let joined = world.take_one(ids[2]);
    assert_eq!(joined["data"]["current_players"].as_array().unwrap().len(), 1);
    assert_eq!(joined["data"]["max_players"], 8);
    world.send(ids[1], spectate("ROOM42", "Bob"));
    assert_eq!(
        world.take_one(ids[1])["data"]["current_players"][0]["id"],
        world.player_id(ids[0])
    );
}

#[test]
fn a_connection_over_the_limit_is_told_and_closed_and_nothing_is_kept_of_it() {
    let mut world = World::limited(Limits {
        connections_per_ip_max: 1,
        ..open_limits()
    });
    let a = world.connect();
    let b = world.connect();
    world.expect(a, json!([]));
    let told = world::error("Too many connections from your IP (1/1)", "TOO_MANY_CONNECTIONS");
    world.expect(b, json!([told, {"closed": "too many connections"}]));
    world.drop_client(a);
    // A refusal is remembered for a second (D43).
    world.advance(Duration::from_secs(1));
    let c = world.connect();
    world.expect(c, json!([]));
    world.drop_client(c);
    world.assert_nothing_left();
}

#[test]
fn a_full_server_says_so() {
    let mut world = World::limited(Limits {
        connections_max: 0,
        ..open_limits()
    });
    let a = world.connect();
    let told = world::error("Server is full", "SERVICE_UNAVAILABLE");
    world.expect(a, json!([told, {"closed": "too many connections"}]));
}

#[test]
fn what_is_asked_depends_on_the_code_and_on_whether_the_rest_is_valid() {
    let mut world = World::simple();
    let a = world.connect();
    world.hold_verdicts = true;
    let ip = std::net::IpAddr::from([127, 0, 0, 1]);
    for (message, ask) in [
        (join("ROOM42", "", 2), Ask::Join { ip }),
        (join("", "", 2), Ask::Create { ip }),
        (
            join("", "Ann", 2),
            Ask::OpenRoom {
                ip,
                app: None,
                game: "pong".into(),
            },
        ),
    ] {
        world.send(a, message);
        assert_eq!(world.asks(), [ask]);
        // Whatever comes meanwhile is looked at afterwards.
        world.send(a, just("Ping"));
        world.expect(a, json!([]));
        world.answer();
        assert_eq!(world.take_types(a)[1], "Pong");
    }
}
