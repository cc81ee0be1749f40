//! Scenarios of game data and its delivery (protocol 2.9, 2.12, 3.4).

use super::harness::client::room_of;
use super::harness::{Client, Incoming, Server};
use super::server;
use crate::harness::raw;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A client that speaks MessagePack.
fn packed(server: &Server) -> Client {
    let mut client = server.client();
    let info = client.authenticate(json!({"app_id": "any", "game_data_format": "message_pack"}));
    assert_eq!(info["game_data_formats"], json!(["json", "message_pack"]));
    client
}

/// The binary frame in which a MessagePack member gets `payload` (protocol 2.9).
fn delivered(from: &str, payload: &[u8]) -> Vec<u8> {
    let hex: Vec<u8> = from.bytes().filter(|byte| *byte != b'-').collect();
    let id = hex.chunks(2).map(|two| {
        let digits = std::str::from_utf8(two).expect("ASCII");
        u8::from_str_radix(digits, 16).expect("hexadecimal")
    });
    let mut out = b"\x83\xabfrom_player\xc4\x10".to_vec();
    out.extend(id);
    out.extend_from_slice(b"\xa8encoding\xacmessage_pack\xa7payload");
    match u8::try_from(payload.len()) {
        Ok(length) => out.extend_from_slice(&[0xc4, length]),
        Err(_) => {
            out.push(0xc5);
            out.extend_from_slice(&u16::try_from(payload.len()).expect("under 64 KiB").to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
    out
}

#[test]
fn s073_data_reaches_everybody_else() {
    let server = server();
    let mut trio = room_of(&server, "s073", 4, false, &["Alice", "Bob", "Carol"]);
    trio[0].send_data(json!({"x": 1}));
    trio[0].quiet();
    let from = trio[0].id.clone();
    for other in [1, 2] {
        trio[other].expect_data(&from, &json!({"x": 1}));
        trio[other].quiet();
    }
}

/// D2: the text of the value itself is passed on, not only its meaning.
#[test]
fn s074_every_json_value_arrives_as_it_was_sent() {
    let server = server();
    let mut pair = room_of(&server, "s074", 4, false, &["Alice", "Bob"]);
    let from = pair[0].id.clone();
    for text in [
        "null",
        "true",
        "[]",
        "[1,[2,{}]]",
        "0",
        "-0.0",
        "1.10",
        "1e308",
        "123456789012345678901234567890",
        r#"{"b":1,"a":{"d":[null],"c":"x"},"b":2}"#,
        r#"{ "spaced" : [ 1 , 2 ] }"#,
        r#""\u00e9 é \ud83d\ude00 😀 \/""#,
        r#""""#,
    ] {
        pair[0].send_text(&format!(r#"{{"type":"GameData","data":{{"data":{text}}}}}"#));
        let expected = format!(r#"{{"type":"GameData","data":{{"from_player":"{from}","data":{text}}}}}"#);
        assert_eq!(pair[1].next(), Incoming::Text(expected));
    }
    pair[0].quiet();
}

/// D5 overrides the scenario: the sender is told.
#[test]
fn s075_data_outside_a_room_is_refused() {
    let server = server();
    let mut a = server.client();
    a.send_data(json!(1));
    a.expect_error("NOT_IN_ROOM");
    a.create("s075", "Alice", 4);
    a.leave();
    a.send_data(json!(1));
    a.expect_error("NOT_IN_ROOM");
    a.quiet();
}

#[test]
fn s076_game_data_without_data_is_invalid() {
    let server = server();
    let mut pair = room_of(&server, "s076", 4, false, &["Alice", "Bob"]);
    for text in [
        r#"{"type":"GameData","data":{}}"#,
        r#"{"type":"GameData"}"#,
        r#"{"type":"GameData","data":[1]}"#,
        r#"{"type":"GameData","data":{"data":1e400}}"#,
        r#"{"type":"GameData","data":{"data":"\ud800"}}"#,
        r#"{"type":"GameData","data":{"data":{"$serde_json::private::RawValue":1}}}"#,
        r#"{"data":{"data":[{"\u0024serde_json::private::Number":"1"}]},"type":"GameData"}"#,
    ] {
        pair[0].send_text(text);
        pair[0].expect_error("INVALID_INPUT");
    }
    pair[1].quiet();
}

#[test]
fn s077_thousand_messages_arrive_in_order() {
    let server = server();
    let mut trio = room_of(&server, "s077", 4, false, &["Alice", "Bob", "Carol"]);
    let from = trio[0].id.clone();
    std::thread::scope(|scope| {
        let (sender, readers) = trio.split_at_mut(1);
        for reader in readers {
            let from = &from;
            scope.spawn(move || {
                for number in 0..1000 {
                    reader.expect_data(from, &json!(number));
                }
                reader.quiet();
            });
        }
        for number in 0..1000 {
            sender[0].send_data(json!(number));
        }
        sender[0].quiet();
    });
}

#[test]
fn s078_data_stays_in_its_room() {
    let server = server();
    let mut here = room_of(&server, "s078", 4, false, &["Alice", "Bob"]);
    let mut there = room_of(&server, "s078", 4, false, &["Alice", "Bob"]);
    here[0].send_data(json!("here"));
    here[0].quiet();
    here[1].expect("GameData");
    for member in &mut there {
        member.quiet();
    }
}

#[test]
fn s079_message_pack_reaches_both_kinds_of_members() {
    let server = server();
    let (mut m1, mut m2, mut j) = (packed(&server), packed(&server), server.client());
    m1.create("s079", "Mia", 4);
    m2.enter("s079", &m1.code, "Max");
    j.enter("s079", &m1.code, "Joe");
    for member in [&mut m1, &mut m2, &mut j] {
        member.drain();
    }
    let from = m1.id.clone();
    // {"a": [1, -1, true, nil, "x", 1.5]}
    let payload = b"\x81\xa1a\x96\x01\xff\xc3\xc0\xa1x\xcb\x3f\xf8\0\0\0\0\0\0";
    m1.send_binary(payload);
    m1.quiet();
    assert_eq!(m2.next(), Incoming::Binary(delivered(&from, payload)));
    j.expect_data(&from, &json!({"a": [1, -1, true, null, "x", 1.5]}));
    // bin becomes base64, a key that is no string its JSON text (D38): {7: bin(01 02 ff)}
    let payload = b"\x81\x07\xc4\x03\x01\x02\xff";
    m1.send_binary(payload);
    assert_eq!(m2.next(), Incoming::Binary(delivered(&from, payload)));
    j.expect_data(&from, &json!({"7": "AQL/"}));
    let long = [&[0xda, 0x01, 0x2c][..], &[b'y'; 300]].concat();
    m1.send_binary(&long);
    assert_eq!(m2.next(), Incoming::Binary(delivered(&from, &long)));
    j.expect_data(&from, &json!("y".repeat(300)));
    m1.quiet();
}

#[test]
fn s080_text_reaches_message_pack_members_as_text() {
    let server = server();
    let (mut m, mut j) = (packed(&server), server.client());
    m.create("s080", "Mia", 4);
    j.enter("s080", &m.code, "Joe");
    m.expect("PlayerJoined");
    j.send_data(json!({"b": 1, "a": 2}));
    let from = j.id.clone();
    m.expect_data(&from, &json!({"b": 1, "a": 2}));
    // One that speaks MessagePack may send text too.
    m.send_data(json!(3));
    let from = m.id.clone();
    j.expect_data(&from, &json!(3));
}

/// D38 overrides the scenario: the sender is told, once per message.
#[test]
fn s081_payload_that_json_cannot_say_reaches_message_pack_members_only() {
    let server = server();
    let (mut m1, mut m2, mut j1, mut j2) = (packed(&server), packed(&server), server.client(), server.client());
    m1.create("s081", "Mia", 5);
    m2.enter("s081", &m1.code, "Max");
    j1.enter("s081", &m1.code, "Joe");
    j2.enter("s081", &m1.code, "Jim");
    for member in [&mut m1, &mut m2, &mut j1, &mut j2] {
        member.drain();
    }
    let from = m1.id.clone();
    // An extension, a cut value, an unused byte, nothing at all.
    for payload in [&b"\xd4\x01\x00"[..], b"\x92\x01", b"\xc1", b""] {
        m1.send_binary(payload);
        m1.expect_error("INVALID_INPUT");
        m1.quiet();
        assert_eq!(m2.next(), Incoming::Binary(delivered(&from, payload)));
        j1.quiet();
        j2.quiet();
    }
}

#[test]
fn s082_binary_on_a_json_connection_is_invalid() {
    let server = server();
    let mut pair = room_of(&server, "s082", 4, false, &["Alice", "Bob"]);
    pair[0].send_binary(&[0x01]);
    pair[0].expect_error("INVALID_INPUT");
    // D10: whatever its size.
    pair[0].send_binary(&vec![0; 70_000]);
    pair[0].expect_error("INVALID_INPUT");
    pair[0].quiet();
    pair[1].quiet();
}

#[test]
fn s083_binary_over_the_limit_is_refused() {
    let server = server();
    let (mut m1, mut m2) = (packed(&server), packed(&server));
    m1.create("s083", "Mia", 4);
    m2.enter("s083", &m1.code, "Max");
    m1.drain();
    // A string of exactly the rest: str 16 has a head of 3 bytes.
    let full = |length: u16| {
        [
            &[0xda][..],
            &(length - 3).to_be_bytes(),
            &vec![b'x'; usize::from(length - 3)],
        ]
        .concat()
    };
    m1.send_binary(&full(65_535));
    assert!(matches!(m2.next(), Incoming::Binary(_)));
    let mut over = full(65_535);
    over.extend_from_slice(b"xx");
    m1.send_binary(&over);
    let text = m1.expect_error("MESSAGE_TOO_LARGE");
    assert!(text.contains("65536"), "{text}");
    m1.quiet();
    m2.quiet();
}

/// D5 overrides the scenario: the sender is told.
#[test]
fn s084_binary_outside_a_room_is_refused() {
    let server = server();
    let mut m = packed(&server);
    m.send_binary(&[0x01]);
    m.expect_error("NOT_IN_ROOM");
    m.quiet();
}

#[test]
fn s085_message_pack_can_be_switched_off() {
    let server = Server::start(json!({"protocol": {"enable_message_pack_game_data": false}}));
    let mut a = server.client();
    a.send(json!({"type": "Authenticate", "data": {"app_id": "any", "game_data_format": "message_pack"}}));
    a.expect_error("UNSUPPORTED_GAME_DATA_FORMAT");
    a.expect("Authenticated");
    assert_eq!(a.expect("ProtocolInfo")["game_data_formats"], json!(["json"]));
    a.create("s085", "Alice", 4);
    a.send_binary(&[0x01]);
    a.expect_error("INVALID_INPUT");
}

/// D26: the slow one is closed with 1013, which it reads behind everything that came before; nothing is dropped in silence.
#[test]
fn s086_peer_that_stops_reading_harms_nobody() {
    // It has 2 s to take what was sent and the close frame. Only if this machine stood still for as long may that be too
    // short, and not three times.
    let met = (0..3).any(|_| slow_reader_meets_its_close());
    assert!(met, "no close frame although the slow one read at once");
}

/// Returns whether the slow one read the close frame. If not, it was too late.
fn slow_reader_meets_its_close() -> bool {
    // A little less, as Bob learns of it a little later.
    const LINGER: Duration = Duration::from_millis(1_800);
    let server = Server::start(json!({}));
    let mut trio = room_of(&server, "s086", 4, false, &["Alice", "Bob", "Slow"]);
    let (from, slow_id) = (trio[0].id.clone(), trio[2].id.clone());
    // The kernel takes less for it, so that little is left to read.
    let buffer = socket2::SockRef::from(trio[2].stream());
    buffer.set_recv_buffer_size(64 * 1024).expect("a small buffer");
    let before = server.rss_bytes();
    let padding = "x".repeat(10_000);
    let mut sent = 0_u64;
    // Its outbox grows once the kernel takes no more; Bob is told when it is closed.
    let gone = loop {
        assert!(sent < 10_000, "100 MB unread and the slow one is still there");
        trio[0].send_data(json!([sent, padding]));
        let message = trio[1].next_message();
        if message["type"] == "PlayerLeft" {
            break message;
        }
        assert_eq!(message["data"]["data"][0], sent, "Bob misses nothing");
        sent += 1;
    };
    let closed_at = Instant::now();
    // What the slow one still finds is the beginning, without a gap.
    let slow = &mut trio[2];
    let mut expected = 0_u64;
    let met = loop {
        match slow.next_within(Duration::from_secs(5)) {
            Some(Incoming::Text(text)) => {
                let message: Value = serde_json::from_str(&text).expect("JSON");
                if message["type"] == "GameData" {
                    assert_eq!(message["data"]["from_player"], from.as_str());
                    assert_eq!(message["data"]["data"][0], expected, "a gap");
                    expected += 1;
                }
            }
            Some(Incoming::Close(code)) => {
                assert_eq!(code, Some(1013));
                break true;
            }
            Some(Incoming::Ended(_)) | None => {
                let took = closed_at.elapsed();
                assert!(
                    took >= LINGER,
                    "the connection ended without a close frame after {took:?}"
                );
                break false;
            }
            Some(other) => slow.fail(&format!("{other:?}")),
        }
    };
    assert!(expected < sent, "everything arrived: it was not slow");
    assert_eq!(gone["data"]["player_id"], slow_id.as_str());
    trio[1].expect("GameData");
    let grown = server.rss_bytes().saturating_sub(before);
    assert!(grown < 16 << 20, "{grown} bytes for one slow reader");
    trio[0].drain();
    trio[1].quiet();
    met
}

/// D2: what is nested deeper than 120 could break the parsers of other players.
#[test]
fn nesting_has_a_limit() {
    let server = server();
    let mut pair = room_of(&server, "nesting", 4, false, &["Alice", "Bob"]);
    let nested = |depth: usize| {
        let value = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        format!(r#"{{"type":"GameData","data":{{"data":{value}}}}}"#)
    };
    pair[0].send_text(&nested(100));
    pair[1].expect("GameData");
    for depth in [125, 30_000] {
        pair[0].send_text(&nested(depth));
        pair[0].expect_error("INVALID_INPUT");
    }
    pair[0].quiet();
    pair[1].quiet();
}

/// D10: a fragmented message is bounded like a whole one, and the connection goes on.
#[test]
fn oversize_in_fragments_is_refused_once() {
    let server = server();
    let mut a = server.client();
    a.send_bytes(&raw::frame(raw::TEXT, &vec![b'x'; 40_000]));
    a.send_bytes(&raw::frame(raw::CONTINUATION, &vec![b'x'; 40_000]));
    a.send_bytes(&raw::frame(raw::FIN | raw::CONTINUATION, &vec![b'x'; 40_000]));
    let text = a.expect_error("MESSAGE_TOO_LARGE");
    assert!(text.contains("120000"), "{text}");
    a.quiet();
}
