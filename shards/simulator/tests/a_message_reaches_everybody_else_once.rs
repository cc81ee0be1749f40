//! Relay of game data: text untouched (D2), MessagePack in both forms (protocol 2.9, D38).

use serde_json::{Value, json};
use signal_fish_core::protocol::signal_fish::Settings;
use signal_fish_core::ws::Kind;
use signal_fish_simulator::world::{Got, Id, World, error, just, kind, say, spectate};

fn as_message_pack(world: &mut World, id: Id) {
    world.send(
        id,
        json!({"type": "Authenticate", "data": {"app_id": "x", "game_data_format": "message_pack"}}),
    );
}

/// The binary message that members with MessagePack get.
fn wrapped(world: &World, from: Id, payload: &[u8]) -> Vec<u8> {
    let sender = uuid::Uuid::parse_str(&world.player_id(from)).unwrap();
    let mut wanted = Vec::new();
    rmp::encode::write_map_len(&mut wanted, 3).unwrap();
    rmp::encode::write_str(&mut wanted, "from_player").unwrap();
    rmp::encode::write_bin(&mut wanted, sender.as_bytes()).unwrap();
    rmp::encode::write_str(&mut wanted, "encoding").unwrap();
    rmp::encode::write_str(&mut wanted, "message_pack").unwrap();
    rmp::encode::write_str(&mut wanted, "payload").unwrap();
    rmp::encode::write_bin(&mut wanted, payload).unwrap();
    wanted
}

#[test]
fn the_text_passes_untouched_to_everybody_else() {
    let mut world = World::simple();
    let room = world.room(&["a", "b", "c"], 8);
    let stranger = world.connect();
    world.join(stranger, "OTHER1", "a", 8);
    world.skip();
    for value in [
        r#"{ "b" : 1.10, "a":"\u00e9\ud83d\uDE00", "a": 1e300 }"#,
        "null",
        "[1,\t2]",
        "18446744073709551616",
    ] {
        world.send_text(room[0], &format!(r#"{{"data":{{"data":{value}}},"type":"GameData"}}"#));
        let from = world.player_id(room[0]);
        let wanted = format!(r#"{{"type":"GameData","data":{{"from_player":"{from}","data":{value}}}}}"#);
        for id in [room[1], room[2]] {
            assert_eq!(world.take_all(id), [Got::Text(wanted.clone())]);
        }
        assert_eq!(world.take_all(room[0]), []);
        assert_eq!(world.take_all(stranger), []);
    }
}

#[test]
fn what_a_strict_parser_cannot_read_reaches_nobody() {
    let mut world = World::simple();
    let room = world.room(&["a", "b"], 8);
    for value in [r#""\ud800""#, "1e400"] {
        for message in [
            format!(r#"{{"type":"GameData","data":{{"data":{value}}}}}"#),
            format!(r#"{{"data":{{"data":{value}}},"type":"GameData"}}"#),
        ] {
            world.send_text(room[0], &message);
            let answer = world.take_one(room[0]);
            assert_eq!(answer["data"]["error_code"], "INVALID_INPUT", "{message}");
            assert_eq!(world.take_all(room[1]), [], "{message}");
        }
    }
}

#[test]
fn a_thousand_messages_keep_their_order() {
    let mut world = World::simple();
    let room = world.room(&["a", "b"], 2);
    for n in 0..1000 {
        world.send(room[0], say(n.into()));
    }
    let heard: Vec<Value> = world
        .take(room[1])
        .iter()
        .map(|message| message["data"]["data"].clone())
        .collect();
    assert_eq!(heard, (0..1000).map(Value::from).collect::<Vec<_>>());
}

#[test]
fn outside_a_room_it_is_refused() {
    let mut world = World::simple();
    let a = world.connect();
    world.send(a, say(json!(1)));
    world.expect(a, json!([error("Not in a room", "NOT_IN_ROOM")]));
    as_message_pack(&mut world, a);
    world.skip();
    world.send_binary(a, &[1]);
    world.expect(a, json!([error("Not in a room", "NOT_IN_ROOM")]));
}

#[test]
fn binary_needs_a_negotiated_format_whatever_its_size() {
    let mut world = World::simple();
    let room = world.room(&["a", "b"], 2);
    let refused = error("Binary payloads are disabled for this connection", "INVALID_INPUT");
    world.send_binary(room[0], &[1]);
    world.oversize(room[0], Kind::Binary, 70_000);
    world.expect(room[0], json!([refused, refused]));
    as_message_pack(&mut world, room[0]);
    world.skip();
    world.oversize(room[0], Kind::Binary, 70_000);
    let too_large = error(
        "Binary payload exceeded maximum size (65536 bytes)",
        "MESSAGE_TOO_LARGE",
    );
    world.expect(room[0], json!([too_large]));
    world.oversize(room[0], Kind::Text, 65_558);
    let too_large = error("Message too large (65558 bytes, max 65536 bytes)", "MESSAGE_TOO_LARGE");
    world.expect(room[0], json!([too_large]));
    assert_eq!(world.take(room[1]), [Value::Null; 0]);
}

#[test]
fn each_member_gets_message_pack_in_its_own_form() {
    let mut world = World::simple();
    let [m1, m2, j, s] = [world.connect(), world.connect(), world.connect(), world.connect()];
    for id in [m1, m2, s] {
        as_message_pack(&mut world, id);
    }
    for (id, name) in [(m1, "m1"), (m2, "m2"), (j, "j")] {
        world.join(id, "ROOM42", name, 8);
    }
    world.send(s, spectate("ROOM42", "s"));
    world.skip();
    // {"x": bin [0]}
    let payload = [0x81, 0xa1, b'x', 0xc4, 1, 0];
    world.send_binary(m1, &payload);
    let binary = wrapped(&world, m1, &payload);
    assert_eq!(world.take_all(m2), [Got::Binary(binary.clone())]);
    assert_eq!(world.take_all(s), [Got::Binary(binary)]);
    let from = world.player_id(m1);
    world.expect(
        j,
        json!([{"type": "GameData", "data": {"from_player": from, "data": {"x": "AA=="}}}]),
    );
    assert_eq!(world.take_all(m1), []);
    // Text reaches everybody as text.
    world.send(j, say(json!(1)));
    for id in [m1, m2, s] {
        assert_eq!(world.take_types(id), ["GameData"]);
    }
}

#[test]
fn a_member_may_choose_its_format_when_it_is_in_already() {
    let mut world = World::simple();
    let room = world.room(&["a", "b"], 8);
    let s = world.connect();
    world.send(s, spectate("ROOM42", "s"));
    for id in [room[0], room[1], s] {
        as_message_pack(&mut world, id);
    }
    world.skip();
    world.send_binary(room[0], &[1]);
    let binary = wrapped(&world, room[0], &[1]);
    for id in [room[1], s] {
        assert_eq!(world.take_all(id), [Got::Binary(binary.clone())]);
    }
}

#[test]
fn what_cannot_be_converted_reaches_message_pack_alone_and_its_sender_learns_it_once() {
    let mut world = World::simple();
    let ids: Vec<Id> = (0..4).map(|_| world.connect()).collect();
    as_message_pack(&mut world, ids[0]);
    as_message_pack(&mut world, ids[1]);
    for (id, name) in ids.iter().zip(["m1", "m2", "j1", "j2"]) {
        world.join(*id, "ROOM42", name, 8);
    }
    world.skip();
    let wanted = error(
        "Binary payload cannot be converted for members that take JSON",
        "INVALID_INPUT",
    );
    for payload in [&[][..], &[0xc1], &[0xd4, 1, 0]] {
        world.send_binary(ids[0], payload);
        world.expect(ids[0], json!([wanted]));
        assert_eq!(world.take_all(ids[1]), [Got::Binary(wrapped(&world, ids[0], payload))]);
        world.expect(ids[2], json!([]));
        world.expect(ids[3], json!([]));
    }
    assert_eq!(world.signal_fish(0).counters().game_data_not_convertible, 3);
    // Without a json member nothing needs converting.
    world.send(ids[2], just("LeaveRoom"));
    world.send(ids[3], just("LeaveRoom"));
    world.skip();
    world.send_binary(ids[0], &[0xc1]);
    world.expect(ids[0], json!([]));
    assert_eq!(world.take_all(ids[1]).len(), 1);
}

#[test]
fn nothing_nests_so_deep_that_it_breaks_the_others() {
    let mut world = World::simple();
    let room = world.room(&["a", "b"], 2);
    let nested = |depth: usize| {
        let value = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        format!(r#"{{"type":"GameData","data":{{"data":{value}}}}}"#)
    };
    world.send_text(room[0], &nested(120));
    world.send_text(room[0], &nested(121));
    world.expect(room[0], json!([error("Invalid client message", "INVALID_INPUT")]));
    assert_eq!(world.take_types(room[1]), ["GameData"]);
    as_message_pack(&mut world, room[0]);
    world.skip();
    let nested = |depth| {
        let mut payload = vec![0x91; depth];
        payload.push(0xc0);
        payload
    };
    world.send_binary(room[0], &nested(120));
    world.send_binary(room[0], &nested(121));
    world.expect(
        room[0],
        json!([error("Binary payload is nested too deeply", "INVALID_INPUT")]),
    );
    assert_eq!(world.take_types(room[1]), ["GameData"]);
}

#[test]
fn message_pack_can_be_switched_off() {
    let mut world = World::with(Settings {
        enable_message_pack_game_data: false,
        ..Settings::default()
    });
    let a = world.connect();
    as_message_pack(&mut world, a);
    let got = world.take(a);
    let text = "Requested game data format MessagePack is not supported. Server supports: Json. Falling back to JSON.";
    assert_eq!(got[0], error(text, "UNSUPPORTED_GAME_DATA_FORMAT"));
    assert_eq!((kind(&got[1]), kind(&got[2])), ("Authenticated", "ProtocolInfo"));
    assert_eq!(got[2]["data"]["game_data_formats"], json!(["json"]));
}
