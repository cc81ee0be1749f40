//! Scenarios of sizes and invalid messages (protocol 2.7, 2.8).

use super::harness::{Client, Incoming, Server, raw};
use super::server;
use serde_json::json;

/// One `INVALID_INPUT`, and the connection works as before.
#[track_caller]
fn is_invalid(text: &str) {
    let server = server();
    let mut a = server.client();
    a.send_text(text);
    a.expect_error("INVALID_INPUT");
    a.quiet();
}

#[test]
fn s035_text_that_is_no_json_is_invalid() {
    is_invalid("not json");
    is_invalid(r#"{"type":"Ping""#);
    is_invalid(r#"{"type":"Ping"} x"#);
}

#[test]
fn s036_empty_text_is_invalid() {
    is_invalid("");
}

#[test]
fn s037_array_is_invalid() {
    is_invalid("[]");
    // D2: array envelopes, which some parsers would accept.
    is_invalid(r#"["Ping",null]"#);
    is_invalid(r#"{"type":"JoinRoom","data":["s037",null,"Alice"]}"#);
}

#[test]
fn s038_empty_object_is_invalid() {
    is_invalid("{}");
}

#[test]
fn s039_unknown_type_is_invalid() {
    is_invalid(r#"{"type":"Teleport"}"#);
    is_invalid(r#"{"type":7}"#);
    is_invalid(r#"{"type":"Ping","type":"Ping"}"#);
}

#[test]
fn s040_type_in_the_wrong_case_is_invalid() {
    is_invalid(r#"{"type":"ping"}"#);
    is_invalid(r#"{"TYPE":"Ping"}"#);
}

#[test]
fn s041_messages_without_payload_take_null_or_an_empty_object() {
    let server = server();
    let mut a = server.client();
    for text in [r#"{"type":"Ping","data":null}"#, r#"{"type":"Ping","data":{}}"#] {
        a.send_text(text);
        a.expect("Pong");
    }
    a.send_text(r#"{"type":"Ping","data":7}"#);
    a.expect_error("INVALID_INPUT");
}

#[test]
fn s042_extra_keys_are_ignored() {
    let server = server();
    let mut a = server.client();
    a.send_text(r#"{"type":"Ping","colour":"blue","nested":{"a":[1]}}"#);
    a.expect("Pong");
    a.join(json!({"game_name": "s042", "player_name": "Alice", "hat": {"size": 7}}));
}

#[test]
fn s043_data_may_come_before_type() {
    let server = server();
    let mut a = server.client();
    a.send_text(r#"{"data":{"game_name":"s043","player_name":"Alice"},"type":"JoinRoom"}"#);
    a.expect("RoomJoined");
}

#[test]
fn s044_max_players_that_is_no_byte_is_invalid() {
    for value in ["256", "-1", "2.5", "2.0", "\"4\""] {
        is_invalid(&format!(
            r#"{{"type":"JoinRoom","data":{{"game_name":"s044","player_name":"Alice","max_players":{value}}}}}"#
        ));
    }
}

#[test]
fn s045_room_code_that_is_no_string_is_invalid() {
    is_invalid(r#"{"type":"JoinRoom","data":{"game_name":"s045","player_name":"Alice","room_code":123456}}"#);
}

#[test]
fn s046_reconnect_with_a_bad_uuid_is_invalid() {
    is_invalid(r#"{"type":"Reconnect","data":{"player_id":"nobody","room_id":"nowhere","auth_token":"none"}}"#);
}

#[test]
fn s047_text_over_the_limit_is_refused_with_both_sizes() {
    let server = server();
    let mut pair = crate::harness::client::room_of(&server, "s047", 4, false, &["Alice", "Bob"]);
    let filled = |total: usize| {
        let empty = json!({"type": "GameData", "data": {"data": ""}}).to_string();
        let padding = "x".repeat(total - empty.len());
        json!({"type": "GameData", "data": {"data": padding}}).to_string()
    };
    assert_eq!(filled(65_536).len(), 65_536);
    pair[0].send_text(&filled(65_536));
    pair[0].quiet();
    let data = pair[1].expect("GameData");
    assert!(data["data"].as_str().is_some_and(|text| text.len() > 65_000));
    pair[0].send_text(&filled(65_537));
    let text = pair[0].expect_error("MESSAGE_TOO_LARGE");
    assert!(text.contains("65537") && text.contains("65536"), "{text}");
    pair[0].quiet();
    pair[1].quiet();
}

/// D10: over 16 MiB the connection ends with 1009.
#[test]
fn s048_frame_of_20_mib_ends_the_connection_only() {
    let server = server();
    let mut a = raw::Raw::upgraded(server.addr);
    a.send_while_open(&raw::header(raw::FIN | raw::TEXT, 20 << 20));
    a.send_while_open(&vec![b'x'; 1024]);
    assert_eq!(a.read_message()["data"]["error_code"], "MESSAGE_TOO_LARGE");
    a.expect_close(1009);
    server.client().quiet();
}

#[test]
fn s049_text_that_is_no_utf8_ends_the_connection() {
    let server = server();
    let mut a = raw::Raw::upgraded(server.addr);
    a.send(&raw::frame(raw::FIN | raw::TEXT, b"{\"type\":\"\xff\"}"));
    a.expect_violation(1007);
    server.client().quiet();
}

#[test]
fn s050_fragments_are_one_message() {
    let server = server();
    let mut a = server.client();
    a.send_bytes(&raw::frame(raw::TEXT, br#"{"type""#));
    a.send_bytes(&raw::frame(raw::CONTINUATION, b""));
    // A control frame may come between fragments.
    a.send_bytes(&raw::frame(raw::FIN | raw::PING, b"between"));
    a.send_bytes(&raw::frame(raw::FIN | raw::CONTINUATION, br#":"Ping"}"#));
    assert_eq!(a.next(), Incoming::Pong(b"between".to_vec()));
    a.expect("Pong");
}

#[test]
fn s051_ten_thousand_bad_messages_leave_the_server_responsive() {
    let server = Server::start(json!({"security": {"max_invalid_messages": 0}}));
    let mut bad = server.client();
    let mut good: Client = server.client();
    for _ in 0..100 {
        for _ in 0..100 {
            bad.send_text("not json");
        }
        good.quiet();
        for _ in 0..100 {
            bad.expect_error("INVALID_INPUT");
        }
    }
    bad.quiet();
}
