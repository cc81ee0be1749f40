//! JoinRoom: what is refused, with which reason, and in which order the members learn of a newcomer (protocol 3.2, D5 to D7).

use serde_json::{Value, json};
use signal_fish_core::protocol::signal_fish::Settings;
use signal_fish_simulator::world::{self, World, join_failed, just, kind};

fn join_data(data: Value) -> Value {
    json!({"type": "JoinRoom", "data": data})
}

#[test]
fn a_created_room_shows_everything_and_its_creator_has_authority() {
    let mut world = World::simple();
    let a = world.connect();
    world.expect(a, json!([]));
    world.send(a, join_data(json!({"game_name": "pong", "player_name": "Ann"})));
    let joined = world.take_one(a);
    let data = &joined["data"];
    assert_eq!(kind(&joined), "RoomJoined");
    let code = data["room_code"].as_str().unwrap();
    assert!(
        code.len() == 6 && code.bytes().all(|c| b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ".contains(&c)),
        "{code}"
    );
    assert_eq!(data["max_players"], 8);
    assert_eq!(data["supports_authority"], true);
    assert_eq!(data["is_authority"], true);
    assert_eq!(data["lobby_state"], "waiting");
    assert_eq!(data["ready_players"], json!([]));
    assert_eq!(data["relay_type"], "matchbox");
    assert_eq!(data["current_spectators"], json!([]));
    assert_eq!(
        data["current_players"],
        json!([{"id": data["player_id"], "name": "Ann", "is_authority": true, "is_ready": false,
                "connected_at": "2023-11-14T22:13:21Z"}])
    );
    assert_eq!(data["auth_token"].as_str().unwrap().len(), 32);
}

#[test]
fn a_newcomer_is_told_the_room_and_the_room_is_told_the_newcomer() {
    let mut world = World::simple();
    let room = world.room(&["Ann", "Bob"], 8);
    let c = world.connect();
    // What a joiner says of the room is ignored, but must be valid.
    world.send(
        c,
        join_data(json!({"game_name": "pong", "player_name": "Cyd", "room_code": "room42",
                         "max_players": 2, "supports_authority": false})),
    );
    let joined = world.take_one(c);
    let players = joined["data"]["current_players"].as_array().unwrap();
    let names: Vec<_> = players.iter().map(|player| player["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Ann", "Bob", "Cyd"]);
    assert_eq!(joined["data"]["room_code"], "ROOM42");
    assert_eq!(
        (&joined["data"]["max_players"], &joined["data"]["is_authority"]),
        (&json!(8), &json!(false))
    );
    for id in room {
        let told = world.take_one(id);
        assert_eq!(told, json!({"type": "PlayerJoined", "data": {"player": players[2]}}));
    }
}

#[test]
fn every_rule_has_its_reason_and_its_code() {
    let mut world = World::simple();
    let a = world.connect();
    let cases = [
        (
            json!({"game_name": ""}),
            "Game name cannot be empty",
            "INVALID_GAME_NAME",
        ),
        (
            json!({"game_name": "g".repeat(65)}),
            "Game name too long (max 64 characters)",
            "INVALID_GAME_NAME",
        ),
        (
            json!({"game_name": "a/b"}),
            "Game name contains invalid characters",
            "INVALID_GAME_NAME",
        ),
        (
            json!({"player_name": ""}),
            "Player name cannot be empty",
            "INVALID_PLAYER_NAME",
        ),
        (
            json!({"player_name": "p".repeat(33)}),
            "Player name too long (max 32 characters)",
            "INVALID_PLAYER_NAME",
        ),
        (
            json!({"player_name": "  "}),
            "Player name cannot be blank",
            "INVALID_PLAYER_NAME",
        ),
        (
            json!({"player_name": " p"}),
            "Player name cannot have leading or trailing whitespace",
            "INVALID_PLAYER_NAME",
        ),
        (
            json!({"player_name": "p\tq"}),
            "Player name cannot contain whitespace characters",
            "INVALID_PLAYER_NAME",
        ),
        (
            json!({"player_name": "p!"}),
            "Player name contains invalid characters",
            "INVALID_PLAYER_NAME",
        ),
        (
            json!({"max_players": 0}),
            "Max players must be at least 1",
            "INVALID_MAX_PLAYERS",
        ),
        (
            json!({"max_players": 101}),
            "Max players cannot exceed 100",
            "INVALID_MAX_PLAYERS",
        ),
        (
            json!({"room_code": ""}),
            "Room code cannot be empty",
            "INVALID_ROOM_CODE",
        ),
        (
            json!({"room_code": "ABCDE"}),
            "Room code must be exactly 6 characters",
            "INVALID_ROOM_CODE",
        ),
        (
            json!({"room_code": "ABC12!"}),
            "Room code must be alphanumeric",
            "INVALID_ROOM_CODE",
        ),
    ];
    for (change, reason, code) in cases {
        let mut data = json!({"game_name": "pong", "player_name": "Ann"});
        for (key, value) in change.as_object().unwrap() {
            data[key] = value.clone();
        }
        world.send(a, join_data(data));
        world.expect(a, json!([join_failed(reason, code)]));
    }
    for data in [
        json!({"game_name": "g".repeat(64), "player_name": "日本"}),
        json!({"game_name": "é".repeat(64), "player_name": "a-b_c d"}),
    ] {
        world.send(a, join_data(data));
        assert_eq!(world.take_types(a), ["RoomJoined"]);
        world.send(a, just("LeaveRoom"));
        world.skip();
    }
}

#[test]
fn the_first_broken_rule_is_the_one_that_is_told() {
    let mut world = World::simple();
    let [a, b] = [world.connect(), world.connect()];
    world.join(a, "ROOM42", "Ann", 1);
    world.skip();
    let mut data = json!({"game_name": "", "player_name": "", "max_players": 0, "room_code": "x"});
    for (key, value, code) in [
        ("game_name", json!("pong"), "INVALID_GAME_NAME"),
        ("player_name", json!("aNN"), "INVALID_PLAYER_NAME"),
        ("max_players", json!(1), "INVALID_MAX_PLAYERS"),
        ("room_code", json!("room42"), "ALREADY_IN_ROOM"),
    ] {
        world.send(a, join_data(data.clone()));
        assert_eq!(world.take_one(a)["data"]["error_code"], code);
        data[key] = value;
    }
    world.send(b, join_data(data.clone()));
    world.expect(
        b,
        json!([join_failed(
            "Player name already exists in this room",
            "INVALID_PLAYER_NAME"
        )]),
    );
    data["player_name"] = "Bob".into();
    world.send(b, join_data(data));
    world.expect(b, json!([join_failed("Room is full", "ROOM_FULL")]));
    world.expect(a, json!([]));
}

#[test]
fn who_is_in_a_room_joins_no_other() {
    let mut world = World::simple();
    let room = world.room(&["Ann", "Bob"], 8);
    for code in ["", "OTHER1", "ROOM42"] {
        world.join(room[0], code, "Ann", 8);
        world.expect(room[0], json!([join_failed("Already in a room", "ALREADY_IN_ROOM")]));
    }
    world.send(room[1], world::say(json!(1)));
    assert_eq!(world.take_types(room[0]), ["GameData"]);
}

#[test]
fn games_are_apart_and_their_names_are_exact() {
    let mut world = World::simple();
    let [a, b, c] = [world.connect(), world.connect(), world.connect()];
    let mut rooms = Vec::new();
    for (id, game) in [(a, "pong"), (b, "Pong"), (c, "pong ")] {
        world.send(
            id,
            join_data(json!({"game_name": game, "player_name": "Ann", "room_code": "ROOM42"})),
        );
        rooms.push(world.take_one(id)["data"]["room_id"].clone());
    }
    assert!(rooms[0] != rooms[1] && rooms[0] != rooms[2] && rooms[1] != rooms[2]);
}

#[test]
fn leaving_is_told_and_the_connection_keeps_its_id() {
    let mut world = World::simple();
    let room = world.room(&["Ann", "Bob"], 8);
    let bob = world.player_id(room[1]);
    world.send(room[1], just("LeaveRoom"));
    world.expect(room[1], json!([just("RoomLeft")]));
    world.expect(room[0], json!([world::player_left(&bob)]));
    world.send(room[1], just("LeaveRoom"));
    world.expect(room[1], json!([]));
    world.join(room[1], "ROOM42", "Bob", 8);
    assert_eq!(world.take_one(room[1])["data"]["player_id"], bob);
}

#[test]
fn who_enters_an_empty_room_becomes_its_authority() {
    let mut world = World::simple();
    let [a, b] = [world.connect(), world.connect()];
    world.join(a, "ROOM42", "Ann", 3);
    world.send(a, just("LeaveRoom"));
    world.join(b, "ROOM42", "Bob", 8);
    let joined = world.take_one(b);
    assert_eq!(joined["data"]["is_authority"], true);
    assert_eq!(joined["data"]["current_players"][0]["is_authority"], true);
    assert_eq!(joined["data"]["max_players"], 3);
    assert_eq!(joined["data"]["room_id"], world.clients[a].room_id);
}

#[test]
fn a_room_without_authority_has_it_nowhere() {
    let mut world = World::simple();
    let a = world.connect();
    world.send(
        a,
        join_data(json!({"game_name": "pong", "player_name": "Ann", "supports_authority": false})),
    );
    let joined = world.take_one(a);
    assert_eq!(joined["data"]["supports_authority"], false);
    assert_eq!(joined["data"]["is_authority"], false);
    assert_eq!(joined["data"]["current_players"][0]["is_authority"], false);
}

#[test]
fn generated_codes_carry_the_prefix_and_their_game_its_relay_type() {
    let mut world = World::with(Settings {
        room_code_prefix: Some("EU".to_owned()),
        game_relay_mappings: [("pong".to_owned(), "mirror".to_owned())].into(),
        ..Settings::default()
    });
    let a = world.connect();
    world.join(a, "", "Ann", 2);
    let joined = world.take_one(a);
    let code = joined["data"]["room_code"].as_str().unwrap();
    assert!(code.len() == 6 && code.starts_with("EU"), "{code}");
    assert_eq!(joined["data"]["relay_type"], "mirror");
}

#[test]
fn generated_codes_never_meet_and_the_last_one_is_found() {
    // One symbol is drawn: 32 codes, whichever shards own them and however the creators are spread.
    for (shards, length, prefix) in [(1, 4, "ABC"), (4, 4, "ABC"), (2, 6, "ABCDE"), (32, 4, "ABC")] {
        for (first_shard_only, seed) in [(false, 3), (false, 4), (false, 5), (true, 6)] {
            let settings = Settings {
                room_code_length: length,
                room_code_prefix: Some(prefix.to_owned()),
                ..Settings::default()
            };
            let mut world = World::new(shards, seed, settings, world::open_limits());
            let connect = |world: &mut World| {
                let client = signal_fish_simulator::Client::upgrading("");
                if first_shard_only {
                    world.admit_to(
                        signal_fish_core::ShardIndex(0),
                        signal_fish_simulator::LOCALHOST,
                        client,
                    )
                } else {
                    world.admit(signal_fish_simulator::LOCALHOST, client)
                }
            };
            let mut codes = std::collections::BTreeSet::new();
            for _ in 0..32 {
                let id = connect(&mut world);
                world.join(id, "", "Ann", 2);
                let joined = world.take_one(id);
                let code = joined["data"]["room_code"]
                    .as_str()
                    .unwrap_or_else(|| panic!("{joined}"));
                assert!(code.starts_with(prefix) && codes.insert(code.to_owned()), "{code}");
            }
            let failed = join_failed("No room code is free", "ROOM_CREATION_FAILED");
            for _ in 0..4 {
                let id = connect(&mut world);
                world.join(id, "", "Ann", 2);
                world.expect(id, json!([failed]));
                // Its connection goes on, wherever it is now.
                world.send(id, just("Ping"));
                world.expect(id, json!([just("Pong")]));
            }
            assert_eq!(
                world.admission.totals().rooms_active,
                32,
                "what was granted in vain is back"
            );
            for id in 0..world.clients.len() {
                world.drop_client(id);
            }
            world.advance(std::time::Duration::from_secs(700));
            world.assert_nothing_left();
        }
    }
}

#[test]
fn the_last_of_a_thousand_codes_is_found() {
    let settings = Settings {
        room_code_length: 4,
        room_code_prefix: Some("AB".to_owned()),
        ..Settings::default()
    };
    let mut world = World::new(2, 3, settings, world::open_limits());
    let mut codes = std::collections::BTreeSet::new();
    for _ in 0..1_024 {
        let id = world.connect();
        world.join(id, "", "Ann", 1);
        codes.insert(world.clients[id].room_code.clone());
    }
    assert_eq!(codes.len(), 1_024);
    assert!(!codes.contains(""));
}

#[test]
fn a_code_that_became_free_is_found() {
    let settings = Settings {
        room_code_length: 4,
        room_code_prefix: Some("ABC".to_owned()),
        empty_room_timeout: std::time::Duration::ZERO,
        ..Settings::default()
    };
    let mut world = World::new(4, 3, settings, world::open_limits());
    let ids: Vec<_> = (0..32).map(|_| world.connect()).collect();
    for id in &ids {
        world.join(*id, "", "Ann", 2);
        world.clients[*id].answers_pings = true;
    }
    let code = world.clients[ids[17]].room_code.clone();
    world.send(ids[17], just("LeaveRoom"));
    world.advance(std::time::Duration::from_secs(100));
    let id = world.connect();
    world.join(id, "", "Ann", 2);
    assert_eq!(world.take_one(id)["data"]["room_code"], code.as_str());
}
