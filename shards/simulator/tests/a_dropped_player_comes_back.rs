//! Reconnection: tokens, windows, replay, takeover (protocol 8, D18 to D21, D37).

use serde_json::{Value, json};
use signal_fish_core::admission::Limits;
use signal_fish_core::protocol::signal_fish::{App, Settings};
use signal_fish_simulator::world::{
    Id, World, authority, authority_changed, error, join_failed, just, kind, lobby, open_limits, player_left,
    reconnect, say, spectate,
};
use std::time::Duration;

const ID: &str = "9f0c4d3e-7a2b-4c1d-8e5f-0a1b2c3d4e5f";
const WRONG: &str = "00000000000000000000000000000000";

fn failed(reason: &str, code: &str) -> Value {
    json!({"type": "ReconnectionFailed", "data": {"reason": reason, "error_code": code}})
}

fn unknown() -> Value {
    failed("No disconnection record found", "RECONNECTION_FAILED")
}

fn returned(player: &str) -> Value {
    json!({"type": "PlayerReconnected", "data": {"player_id": player}})
}

/// Everybody in the room gets ready; everything read.
fn start(world: &mut World, room: &[Id]) {
    for id in room {
        world.send(*id, just("PlayerReady"));
    }
    world.skip();
}

#[test]
fn it_gets_its_place_its_id_and_what_it_missed() {
    let mut world = World::simple();
    let room = world.room(&["a", "b", "c"], 3);
    let (a, b) = (world.player_id(room[0]), world.player_id(room[1]));
    world.send(
        room[0],
        json!({"type": "ProvideConnectionInfo", "data": {"connection_info": {"type": "custom", "data": 1}}}),
    );
    world.send(room[0], just("PlayerReady"));
    world.skip();
    world.drop_client(room[0]);
    world.send(room[1], say(json!("hello")));
    let s = world.connect();
    world.send(s, spectate("ROOM42", "s"));
    world.skip();
    let new = world.connect();
    world.reconnect(new, room[0]);
    let got = world.take(new);
    assert_eq!(kind(&got[0]), "Reconnected");
    let data = &got[0]["data"];
    assert_eq!(data["player_id"], a);
    assert_eq!(data["room_id"], world.clients[room[0]].room_id);
    assert_eq!(data["is_authority"], true);
    assert_eq!(data["lobby_state"], "lobby");
    assert_eq!(data["ready_players"], json!([]));
    let own = &data["current_players"][2];
    assert_eq!((&own["id"], &own["is_authority"]), (&json!(a), &json!(true)));
    assert_eq!(own["connection_info"], json!({"type": "custom", "data": 1}));
    let missed = data["missed_events"].as_array().unwrap();
    assert_eq!(
        missed[..3],
        [
            authority_changed(None, false),
            lobby("waiting", &[], false),
            json!({"type": "GameData", "data": {"from_player": b, "data": "hello"}}),
        ]
    );
    assert_eq!(kind(&missed[3]), "NewSpectatorJoined");
    assert_eq!(missed.len(), 4);
    // The room filled up again, which everybody is told.
    assert_eq!(got[1..], [lobby("lobby", &[], false)]);
    for id in [room[1], room[2], s] {
        world.expect(
            id,
            json!([
                returned(&a),
                authority_changed(Some(&a), false),
                lobby("lobby", &[], false)
            ]),
        );
    }
    world.send(new, say(json!("back")));
    let told = world.take_one(room[1]);
    assert_eq!(told["data"]["from_player"], a);
}

#[test]
fn the_token_is_new_each_time_and_works_once() {
    let mut world = World::simple();
    let room = world.room(&["a", "b"], 8);
    let first = world.clients[room[0]].token.clone();
    world.drop_client(room[0]);
    let again = world.connect();
    world.reconnect(again, room[0]);
    let second = world.clients[again].token.clone();
    assert!(first != second && second.len() == 32);
    world.drop_client(again);
    world.skip();
    let new = world.connect();
    world.reconnect(new, room[0]);
    world.expect(
        new,
        json!([failed("Invalid reconnection token", "RECONNECTION_TOKEN_INVALID")]),
    );
    world.reconnect(new, again);
    assert_eq!(world.take_types(new), ["Reconnected"]);
}

#[test]
fn a_failure_says_why_and_does_not_use_up_the_token() {
    let mut world = World::simple();
    let room = world.room(&["a", "b", "c"], 3);
    let (a, room_id) = (world.player_id(room[0]), world.clients[room[0]].room_id.clone());
    let token = world.clients[room[0]].token.clone();
    let new = world.connect();
    let wrong = failed("Invalid reconnection token", "RECONNECTION_TOKEN_INVALID");
    // Alive or dropped, the wrong token is the wrong token.
    for dropped in [false, true] {
        if dropped {
            world.drop_client(room[0]);
        }
        for guess in [WRONG, "", "x", &token.to_uppercase()] {
            world.send(new, reconnect(&a, &room_id, guess));
            world.expect(new, json!([wrong]));
        }
        for (player, room) in [(ID, &*room_id), (&*a, ID)] {
            world.send(new, reconnect(player, room, &token));
            world.expect(new, json!([unknown()]));
        }
    }
    // The seat and the name are free in the lobby, and somebody takes them.
    let d = world.connect();
    world.join(d, "ROOM42", "d", 3);
    world.reconnect(new, room[0]);
    world.expect(new, json!([failed("Room is full", "ROOM_FULL")]));
    world.send(d, just("LeaveRoom"));
    world.join(d, "ROOM42", "A", 3);
    world.reconnect(new, room[0]);
    world.expect(
        new,
        json!([failed("Player name already exists in this room", "RECONNECTION_FAILED")]),
    );
    world.send(d, just("LeaveRoom"));
    world.skip();
    world.reconnect(new, room[0]);
    assert_eq!(world.take_types(new), ["Reconnected", "LobbyStateChanged"]);
}

#[test]
fn who_is_in_a_room_comes_back_to_none() {
    let mut world = World::simple();
    let room = world.room(&["a", "b"], 8);
    let s = world.connect();
    world.send(s, spectate("ROOM42", "s"));
    world.skip();
    for id in [room[1], s] {
        world.reconnect(id, room[0]);
        world.expect(id, json!([failed("Already in a room", "ALREADY_IN_ROOM")]));
    }
    world.expect(room[0], json!([]));
}

#[test]
fn authority_is_restored_only_if_nobody_took_it() {
    let mut world = World::simple();
    let room = world.room(&["a", "b"], 8);
    let (a, b) = (world.player_id(room[0]), world.player_id(room[1]));
    world.drop_client(room[0]);
    world.send(room[1], authority(true));
    world.skip();
    let new = world.connect();
    world.reconnect(new, room[0]);
    let back = world.take_one(new);
    assert_eq!(back["data"]["is_authority"], false);
    assert_eq!(
        back["data"]["missed_events"],
        json!([authority_changed(None, false), authority_changed(Some(&b), false)])
    );
    world.expect(room[1], json!([returned(&a)]));
}

#[test]
fn who_comes_back_to_an_empty_room_has_its_authority() {
    let mut world = World::simple();
    let room = world.room(&["a", "b"], 8);
    let b = world.player_id(room[1]);
    world.drop_client(room[0]);
    world.drop_client(room[1]);
    let watcher = world.connect();
    world.send(watcher, spectate("ROOM42", "w"));
    world.skip();
    let new = world.connect();
    world.reconnect(new, room[1]);
    let back = world.take_one(new);
    assert_eq!(back["data"]["is_authority"], true);
    assert_eq!(back["data"]["current_players"][0]["is_authority"], true);
    // Nobody else was told before, so it is told now.
    world.expect(watcher, json!([returned(&b), authority_changed(Some(&b), false)]));
    // Who had it before comes back to a room where somebody else has it.
    let old = world.connect();
    world.reconnect(old, room[0]);
    assert_eq!(world.take_one(old)["data"]["is_authority"], false);
    world.expect(new, json!([returned(&world.player_id(room[0]))]));
}

#[test]
fn a_started_game_holds_seat_and_name() {
    let mut world = World::simple();
    let room = world.room(&["a", "b"], 2);
    start(&mut world, &room);
    let (a, b) = (world.player_id(room[0]), world.player_id(room[1]));
    world.drop_client(room[1]);
    world.expect(room[0], json!([player_left(&b)]));
    let c = world.connect();
    world.join(c, "ROOM42", "c", 2);
    world.expect(c, json!([join_failed("Room is full", "ROOM_FULL")]));
    world.join(c, "ROOM42", "B", 2);
    world.expect(
        c,
        json!([join_failed(
            "Player name already exists in this room",
            "INVALID_PLAYER_NAME"
        )]),
    );
    world.reconnect(c, room[1]);
    let back = world.take_one(c);
    assert_eq!(back["data"]["lobby_state"], "finalized");
    assert_eq!(back["data"]["ready_players"], json!([a]));
    assert_eq!(back["data"]["missed_events"], json!([]));
    world.expect(room[0], json!([returned(&b)]));
}

#[test]
fn a_started_game_waits_for_held_seats_and_no_longer() {
    let settings = Settings {
        reconnection_window: Duration::from_secs(10),
        ..Settings::default()
    };
    let mut world = World::with_ping_timeout(settings, Duration::from_secs(1000));
    let room = world.room(&["a", "b"], 2);
    start(&mut world, &room);
    world.drop_client(room[0]);
    world.advance(Duration::from_secs(5));
    world.drop_client(room[1]);
    world.advance(Duration::from_secs(4));
    let new = world.connect();
    world.reconnect(new, room[0]);
    assert_eq!(world.take_types(new), ["Reconnected"]);
    world.drop_client(new);
    // The last held seat ends ten seconds after the last drop; then the room is over.
    world.advance(Duration::from_millis(9_500));
    assert_eq!(world.signal_fish(0).gauges().rooms, 1);
    world.advance(Duration::from_millis(500));
    world.assert_nothing_left();
}

#[test]
fn the_window_ends_and_the_seat_is_free() {
    let settings = Settings {
        reconnection_window: Duration::from_secs(10),
        ..Settings::default()
    };
    let mut world = World::with_ping_timeout(settings, Duration::from_secs(1000));
    let room = world.room(&["a", "b"], 2);
    start(&mut world, &room);
    world.drop_client(room[1]);
    world.skip();
    world.advance(Duration::from_secs(10));
    let [c, new] = [world.connect(), world.connect()];
    world.reconnect(new, room[1]);
    world.expect(
        new,
        json!([failed("Reconnection window has expired", "RECONNECTION_EXPIRED")]),
    );
    world.join(c, "ROOM42", "b", 2);
    assert_eq!(world.take_types(c), ["RoomJoined"]);
    assert_eq!(world.signal_fish(0).gauges().awaited, 0);
    assert!(world.signal_fish(0).rooms().all(|room| room.replay().is_empty()));
}

#[test]
fn a_room_that_is_gone_is_said_to_be_gone() {
    let mut world = World::with(Settings {
        empty_room_timeout: Duration::from_secs(3),
        room_cleanup_interval: Duration::from_secs(1),
        ..Settings::default()
    });
    let room = world.room(&["a"], 2);
    world.drop_client(room[0]);
    world.advance(Duration::from_secs(5));
    let new = world.connect();
    world.send(
        new,
        reconnect(&world.player_id(room[0]), &world.clients[room[0]].room_id, WRONG),
    );
    world.expect(
        new,
        json!([failed("Invalid reconnection token", "RECONNECTION_TOKEN_INVALID")]),
    );
    world.reconnect(new, room[0]);
    world.expect(new, json!([failed("Room no longer exists", "ROOM_NOT_FOUND")]));
}

#[test]
fn leaving_is_for_good() {
    let mut world = World::simple();
    let room = world.room(&["a", "b"], 8);
    world.send(room[0], just("LeaveRoom"));
    let new = world.connect();
    world.reconnect(new, room[0]);
    world.expect(new, json!([unknown()]));
    assert_eq!(world.signal_fish(0).gauges().awaited, 0);
}

#[test]
fn only_the_newest_events_are_kept_and_only_while_somebody_can_return() {
    let mut world = World::with(Settings {
        event_buffer_size: 3,
        ..Settings::default()
    });
    let room = world.room(&["a", "b", "c"], 8);
    world.send(room[1], say(json!("before")));
    assert!(world.signal_fish(0).rooms().all(|room| room.replay().is_empty()));
    world.drop_client(room[0]);
    world.drop_client(room[2]);
    for n in 0..5 {
        world.send(room[1], say(n.into()));
    }
    let new = world.connect();
    world.reconnect(new, room[0]);
    let back = world.take_one(new);
    let missed = back["data"]["missed_events"].as_array().unwrap();
    let values: Vec<_> = missed.iter().map(|event| event["data"]["data"].clone()).collect();
    assert_eq!(values, [2, 3, 4]);
    let last = world.connect();
    world.reconnect(last, room[2]);
    let back = world.take_one(last);
    let missed = back["data"]["missed_events"].as_array().unwrap();
    let a = world.player_id(room[0]);
    assert_eq!(missed[1..], [returned(&a), authority_changed(Some(&a), false)]);
    assert!(world.signal_fish(0).rooms().all(|room| room.replay().is_empty()));
}

#[test]
fn an_event_larger_than_the_buffer_is_left_out_and_the_others_stay() {
    let mut world = World::with(Settings {
        event_buffer_bytes: 1_000,
        ..Settings::default()
    });
    let room = world.room(&["a", "b"], 8);
    world.drop_client(room[0]);
    let kept = world.signal_fish(0).counters().events_recorded;
    for value in [json!("before"), json!("x".repeat(1_000)), json!("after")] {
        world.send(room[1], say(value));
    }
    let counters = world.signal_fish(0).counters();
    assert_eq!((counters.events_recorded - kept, counters.events_left_out), (2, 1));
    let new = world.connect();
    world.reconnect(new, room[0]);
    let back = world.take_one(new);
    let missed = back["data"]["missed_events"].as_array().unwrap();
    let values: Vec<_> = missed.iter().map(|event| &event["data"]["data"]).collect();
    assert_eq!(values.last_chunk(), Some(&[&json!("before"), &json!("after")]));
}

/// Rooms full of events do not take the replay of a room with few, and what is replayed has no gap (D37).
#[test]
fn all_replays_together_are_bounded_and_the_largest_give_way() {
    let most = 100_000;
    let mut world = World::with(Settings {
        event_buffer_total_bytes: most,
        ..Settings::default()
    });
    let quiet = world.room(&["a", "b"], 8);
    world.drop_client(quiet[0]);
    world.send(quiet[1], say(json!("worth keeping")));
    let mut last = (0, 0);
    for number in 0..20 {
        let [stays, goes] = [world.connect(), world.connect()];
        let code = format!("FULL{number:02}");
        world.join(stays, &code, "a", 8);
        world.join(goes, &code, "b", 8);
        world.drop_client(goes);
        for event in 0..20 {
            world.send(stays, say(json!([event, "x".repeat(1_000)])));
            assert!(world.signal_fish(0).gauges().replay_bytes <= most);
        }
        last = (stays, goes);
    }
    assert!(world.signal_fish(0).counters().events_given_up > 300);
    let missed = |world: &mut World, who: Id| {
        let new = world.connect();
        world.reconnect(new, who);
        let back = world.take_one(new);
        let missed = back["data"]["missed_events"].as_array().unwrap().clone();
        missed
            .iter()
            .map(|event| event["data"]["data"].clone())
            .collect::<Vec<_>>()
    };
    let values = missed(&mut world, quiet[0]);
    assert_eq!(values.last(), Some(&json!("worth keeping")));
    // The newest ones, without a gap.
    let (_, goes) = last;
    let numbers: Vec<_> = missed(&mut world, goes)
        .iter()
        .filter_map(|value| value[0].as_u64())
        .collect();
    let expected: Vec<_> = (20 - numbers.len() as u64..20).collect();
    assert!(!numbers.is_empty() && numbers.len() < 20, "{numbers:?}");
    assert_eq!(numbers, expected);
    // Nothing is left when nobody can return any more.
    world.advance(Duration::from_secs(700));
    assert_eq!(world.signal_fish(0).gauges().replay_bytes, 0);
}

#[test]
fn what_was_missed_comes_as_json_and_only_from_the_drop_on() {
    let mut world = World::simple();
    let room = world.room(&["a", "b", "c"], 8);
    world.send(
        room[1],
        json!({"type": "Authenticate", "data": {"app_id": "x", "game_data_format": "message_pack"}}),
    );
    world.drop_client(room[0]);
    world.send(room[1], say(json!("only a misses this")));
    world.drop_client(room[2]);
    world.send_binary(room[1], &[0x93, 1, 2, 3]);
    let new = world.connect();
    world.reconnect(new, room[2]);
    let b = world.player_id(room[1]);
    let back = world.take_one(new);
    assert_eq!(
        back["data"]["missed_events"],
        json!([{"type": "GameData", "data": {"from_player": b, "data": [1, 2, 3]}}])
    );
    // The other one missed more: the second player's drop and return.
    let other = world.connect();
    world.reconnect(other, room[0]);
    let back = world.take_one(other);
    let missed = back["data"]["missed_events"].as_array().unwrap();
    let kinds: Vec<_> = missed.iter().map(kind).collect();
    assert_eq!(
        kinds,
        [
            "AuthorityChanged",
            "GameData",
            "PlayerLeft",
            "GameData",
            "PlayerReconnected"
        ]
    );
}

#[test]
fn the_holder_of_the_token_takes_over_a_connection_that_looks_alive() {
    let mut world = World::simple();
    let room = world.room(&["a", "b"], 2);
    let a = world.player_id(room[0]);
    world.send(room[0], just("PlayerReady"));
    world.skip();
    let new = world.connect();
    world.reconnect(new, room[0]);
    let text = "The player came back on another connection";
    world.expect(
        room[0],
        json!([
            error(text, "PLAYER_ALREADY_CONNECTED"),
            {"closed": "the player came back on another connection"}
        ]),
    );
    let back = world.take_one(new);
    assert_eq!(back["data"]["player_id"], a);
    assert_eq!(back["data"]["is_authority"], true);
    assert_eq!(back["data"]["ready_players"], json!([a]));
    assert_eq!(back["data"]["missed_events"], json!([]));
    world.expect(room[1], json!([returned(&a)]));
    world.send(room[1], say(json!(1)));
    assert_eq!(world.take_types(new), ["GameData"]);
    world.send(room[1], just("PlayerReady"));
    assert_eq!(world.take_types(new), ["LobbyStateChanged", "GameStarting"]);
    assert_eq!(world.admission.totals().connections_active, 2);
    // Its token was used up, and the one that it got is good.
    let newer = world.connect();
    world.reconnect(newer, room[0]);
    assert_eq!(
        world.take_one(newer)["data"]["error_code"],
        "RECONNECTION_TOKEN_INVALID"
    );
    world.reconnect(newer, new);
    assert_eq!(world.take_types(newer), ["Reconnected"]);
    assert!(!world.is_connected(new));
}

#[test]
fn tokens_belong_to_their_app() {
    let app = |id: &str| App {
        authorized: true,
        app_id: id.to_owned(),
        app_name: id.to_owned(),
        max_players_per_room: None,
        rate_limit_per_minute: None,
    };
    let settings = Settings {
        require_auth: true,
        apps: vec![app("one"), app("two")],
        ..Settings::default()
    };
    let limits = Limits {
        apps: vec![Default::default(); 2],
        ..open_limits()
    };
    let mut world = World::new(1, 7, settings, limits);
    let ids: Vec<Id> = (0..3).map(|_| world.connect()).collect();
    for (id, app) in ids.iter().zip(["one", "two", "one"]) {
        world.send(*id, json!({"type": "Authenticate", "data": {"app_id": app}}));
    }
    world.join(ids[0], "ROOM42", "a", 8);
    world.skip();
    for dropped in [false, true] {
        if dropped {
            world.drop_client(ids[0]);
        }
        world.reconnect(ids[1], ids[0]);
        world.expect(ids[1], json!([unknown()]));
    }
    world.reconnect(ids[2], ids[0]);
    assert_eq!(world.take_types(ids[2]), ["Reconnected"]);
}

#[test]
fn it_can_be_switched_off() {
    let mut world = World::with(Settings {
        enable_reconnection: false,
        ..Settings::default()
    });
    let room = world.room(&["a", "b"], 2);
    assert_eq!(world.clients[room[0]].token, "");
    start(&mut world, &room);
    world.drop_client(room[0]);
    let new = world.connect();
    world.send(new, reconnect(ID, ID, "x"));
    world.expect(
        new,
        json!([failed("Reconnection is not enabled", "RECONNECTION_FAILED")]),
    );
    // Nobody can return, so no seat is held.
    world.join(new, "ROOM42", "a", 2);
    assert_eq!(world.take_types(new), ["RoomJoined"]);
}

#[test]
fn a_token_that_no_client_gets_is_not_made() {
    let mut world = World::with(Settings {
        send_reconnection_token: false,
        ..Settings::default()
    });
    let room = world.room(&["a", "b"], 2);
    assert_eq!(world.clients[room[0]].token, "");
    world.drop_client(room[0]);
    assert_eq!(world.signal_fish(0).gauges().awaited, 0);
}
