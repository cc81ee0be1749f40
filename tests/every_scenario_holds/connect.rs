//! Scenarios of the beginning and the end of a connection (protocol 2).

use super::harness::{Client, Incoming, Server, wait_until};
use super::server;
use serde_json::json;

#[test]
fn s012_nothing_is_sent_on_connect() {
    let server = server();
    server.client().expect_silence();
}

#[test]
fn s013_join_may_be_the_first_message() {
    let server = server();
    let mut a = server.client();
    a.join(json!({"game_name": "s013", "player_name": "Alice"}));
    a.quiet();
}

#[test]
fn s014_authenticate_is_answered_with_auth_off() {
    let server = server();
    let mut a = server.client();
    a.send(json!({"type": "Authenticate", "data": {"app_id": "anything"}}));
    let limits = json!({"per_minute": 1000, "per_hour": 10_000, "per_day": 100_000});
    assert_eq!(
        a.expect("Authenticated"),
        json!({"app_name": "default", "rate_limits": limits})
    );
    let info = a.expect("ProtocolInfo");
    assert_eq!(info["game_data_formats"], json!(["json", "message_pack"]));
    assert_eq!(info["player_name_rules"]["max_length"], 32);
    a.quiet();
}

/// D3 overrides the scenario: the second one is answered with the same pair and changes nothing.
#[test]
fn s015_second_authenticate_is_answered_alike_and_changes_nothing() {
    let server = server();
    let mut a = server.client();
    let mut pairs = Vec::new();
    for format in ["message_pack", "json"] {
        a.send(json!({"type": "Authenticate", "data": {"app_id": "x", "game_data_format": format}}));
        pairs.push((a.expect("Authenticated"), a.expect("ProtocolInfo")));
    }
    assert_eq!(pairs[0], pairs[1]);
    a.create("s015", "Alice", 4);
    a.send_binary(&[0x01]);
    a.quiet();
}

#[test]
fn s016_ping_is_answered_before_joining() {
    let server = server();
    let mut a = server.client();
    a.send_kind("Ping");
    assert_eq!(a.next(), Incoming::Text(r#"{"type":"Pong"}"#.to_owned()));
}

#[test]
fn s017_websocket_ping_is_answered_with_its_payload() {
    let server = server();
    let mut a = server.client();
    a.send_ping(b"are you there");
    assert_eq!(a.next(), Incoming::Pong(b"are you there".to_vec()));
    a.quiet();
}

#[test]
fn s018_close_is_answered() {
    let server = server();
    let mut a = server.client();
    a.send_close(1000);
    a.expect_close(1000);
}

/// D27: close code 1008.
#[test]
fn s019_connection_over_the_limit_of_its_address_is_told_and_closed() {
    let server = Server::start(json!({"security": {"max_connections_per_ip": 10}}));
    let mut served: Vec<Client> = (0..10).map(|_| server.client()).collect();
    for client in &mut served {
        client.quiet();
    }
    let mut refused = server.client();
    let text = refused.expect_error("TOO_MANY_CONNECTIONS");
    assert!(text.contains("(10/10)"), "{text}");
    refused.expect_close(1008);
    let mut leaver = served.pop().expect("ten");
    leaver.send_close(1000);
    leaver.expect_close(1000);
    wait_until("the place of a closed connection is free", || {
        let mut client = server.client();
        client.send_kind("Ping");
        client.next() == Incoming::Text(r#"{"type":"Pong"}"#.to_owned())
    });
}
