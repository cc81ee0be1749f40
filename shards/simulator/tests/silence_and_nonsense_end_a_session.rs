//! Liveness (D24) and invalid messages in a row (D41).

use serde_json::json;
use signal_fish_core::protocol::signal_fish::Settings;
use signal_fish_core::ws::Kind;
use signal_fish_simulator::world::{Got, Id, World, error, just, player_left, say};
use std::time::Duration;

fn pings(world: &World, id: usize) -> usize {
    world.clients[id].got.iter().filter(|got| **got == Got::Ping).count()
}

#[test]
fn a_silent_client_is_pinged_at_half_time_and_closed_at_full() {
    let mut world = World::with_ping_timeout(Settings::default(), Duration::from_secs(10));
    let a = world.connect();
    world.advance(Duration::from_millis(4_750));
    assert_eq!(pings(&world, a), 0);
    world.advance(Duration::from_millis(500));
    assert_eq!(pings(&world, a), 1);
    world.advance(Duration::from_millis(4_500));
    assert_eq!(pings(&world, a), 1);
    world.expect(a, json!([]));
    // Deadlines have a resolution of 16 ms.
    world.advance(Duration::from_millis(266));
    world.expect(a, json!([{"closed": "ping timeout"}]));
    world.assert_nothing_left();
}

#[test]
fn any_frame_is_life() {
    let mut world = World::with_ping_timeout(Settings::default(), Duration::from_secs(10));
    let room = world.room(&["a", "b", "c", "d"], 8);
    let d = world.player_id(room[3]);
    for _ in 0..5 {
        world.advance(Duration::from_secs(6));
        world.send(room[0], say(json!(1)));
        world.alive(room[1]);
        world.send_text(room[2], "nonsense");
    }
    assert!(room[..3].iter().all(|id| world.is_connected(*id)));
    assert_eq!((pings(&world, room[0]), pings(&world, room[1])), (5, 5));
    // The one that said nothing is gone, and the others were told.
    assert!(!world.is_connected(room[3]));
    assert!(world.take(room[1]).contains(&player_left(&d)));
}

#[test]
fn too_much_nonsense_in_a_row_ends_a_session() {
    let mut world = World::with(Settings {
        max_invalid_messages: 3,
        ..Settings::default()
    });
    let room = world.room(&["a", "b"], 8);
    let a = room[0];
    for _ in 0..4 {
        for _ in 0..3 {
            world.send_text(a, "nonsense");
        }
        world.send(a, just("Ping"));
    }
    assert!(world.is_connected(a));
    world.skip();
    world.send_text(a, "nonsense");
    world.send_binary(a, &[1]);
    world.oversize(a, Kind::Text, 70_000);
    world.skip();
    world.send_text(a, "nonsense");
    let told = error("Too many invalid messages", "INVALID_INPUT");
    world.expect(a, json!([told, {"closed": "too many invalid messages"}]));
    assert_eq!(world.take_types(room[1]), ["PlayerLeft", "AuthorityChanged"]);
}

#[test]
fn without_a_bound_nonsense_is_only_answered() {
    let mut world = World::with(Settings {
        max_invalid_messages: 0,
        ..Settings::default()
    });
    let a = world.connect();
    for text in ["not json", "", "[]", "{}", r#"{"type":"ping"}"#, r#"["Ping",null]"#] {
        world.send_text(a, text);
        world.expect(a, json!([error("Invalid client message", "INVALID_INPUT")]));
    }
    for number in 0..5_000 {
        world.send_text(a, "nonsense");
        if number % 1_000 == 999 {
            // A client may not send more at once (D42).
            world.advance(Duration::from_secs(1));
        }
    }
    world.skip();
    world.send_text(a, r#"{"data":null,"extra":1,"type":"Ping"}"#);
    world.expect(a, json!([just("Pong")]));
    assert_eq!(world.signal_fish(0).counters().invalid_messages, 5_006);
}

/// A client that sends something invalid in a room, and how.
type Sends = fn(&mut World, Id);

#[test]
fn every_kind_of_nonsense_counts_and_only_a_valid_message_makes_up_for_it() {
    let authenticate =
        |format: &str| json!({"type": "Authenticate", "data": {"app_id": "x", "game_data_format": format}});
    let text: [(&str, Sends); 9] = [
        ("no JSON", |world, id| world.send_text(id, "{")),
        ("no message", |world, id| world.send_text(id, r#"{"type":"Nope"}"#)),
        ("an array", |world, id| world.send_text(id, r#"["Ping"]"#)),
        ("a wrong field", |world, id| {
            world.send(id, json!({"type": "JoinRoom", "data": {"game_name": 1}}));
        }),
        ("connection info that is none", |world, id| {
            world.send(
                id,
                json!({"type": "ProvideConnectionInfo", "data": {"connection_info": {"type": "nope"}}}),
            );
        }),
        ("connection info that is too long", |world, id| {
            let host = "h".repeat(5_000);
            let info = json!({"connection_info": {"type": "direct", "host": host, "port": 1}});
            world.send(id, json!({"type": "ProvideConnectionInfo", "data": info}));
        }),
        ("game data that is too deep", |world, id| {
            let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
            world.send_text(id, &format!(r#"{{"type":"GameData","data":{{"data":{deep}}}}}"#));
        }),
        ("text that is too large", |world, id| {
            world.oversize(id, Kind::Text, 70_000)
        }),
        ("an introduction that is too long", |world, id| {
            let data = json!({"app_id": "x", "sdk_version": "1".repeat(129)});
            world.send(id, json!({"type": "Authenticate", "data": data}));
        }),
    ];
    let json_only: [(&str, Sends); 2] = [
        ("binary", |world, id| world.send_binary(id, &[1])),
        ("much binary", |world, id| world.oversize(id, Kind::Binary, 70_000)),
    ];
    let packed: [(&str, Sends); 4] = [
        ("MessagePack that is too deep", |world, id| {
            world.send_binary(id, &[0x91; 300])
        }),
        ("MessagePack that is none", |world, id| world.send_binary(id, &[0xc1])),
        ("MessagePack that JSON cannot say", |world, id| {
            world.send_binary(id, &[0xd4, 1, 0])
        }),
        ("MessagePack that is too large", |world, id| {
            world.oversize(id, Kind::Binary, 70_000)
        }),
    ];
    let json = text.iter().chain(&json_only).map(|kind| (kind, None));
    let packed = packed.iter().map(|kind| (kind, Some("message_pack")));
    for ((what, sends), format) in json.chain(packed) {
        let mut world = World::with(Settings {
            max_invalid_messages: 3,
            ..Settings::default()
        });
        let room = world.room(&["a", "b"], 8);
        let a = room[0];
        if let Some(format) = format {
            world.send(a, authenticate(format));
        }
        world.skip();
        for _ in 0..3 {
            sends(&mut world, a);
        }
        assert_eq!(world.take_types(a), ["Error"; 3], "{what}");
        // In the wrong state, but valid.
        world.send(a, just("LeaveSpectator"));
        for _ in 0..3 {
            sends(&mut world, a);
        }
        assert!(world.is_connected(a), "{what}");
        world.skip();
        sends(&mut world, a);
        let told = error("Too many invalid messages", "INVALID_INPUT");
        assert_eq!(
            world.take(a),
            [told, json!({"closed": "too many invalid messages"})],
            "{what}"
        );
        let counters = world.signal_fish(0).counters();
        assert_eq!((counters.invalid_messages, counters.closed_invalid), (7, 1), "{what}");
    }
}
