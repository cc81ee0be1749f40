//! Protocol 3.7: what a client provides, and how the others see it.

use signal_fish_core::protocol::signal_fish::wire::{
    CONNECTION_INFO_BYTES_MAX, ClientMessage, ConnectionInfo, DEPTH_MAX,
};

fn provide(info: &str) -> Option<String> {
    let text = format!(r#"{{"type":"ProvideConnectionInfo","data":{{"connection_info":{info}}}}}"#);
    match ClientMessage::parse(&text) {
        Ok(ClientMessage::ProvideConnectionInfo(info)) => Some(serde_json::to_string(&info).expect("writes")),
        Ok(other) => panic!("{other:?}"),
        Err(_) => None,
    }
}

fn assert_shown(given: &str, shown: &str) {
    assert_eq!(provide(given).as_deref(), Some(shown), "{given}");
    // What is shown reads back, as from a server message.
    let read: ConnectionInfo = serde_json::from_str(shown).expect("reads back");
    assert_eq!(serde_json::to_string(&read).expect("writes"), shown);
}

#[test]
fn all_five_kinds_are_shown_with_type_first_and_without_unknown_keys() {
    for (given, shown) in [
        (
            r#"{"port":7777,"host":"h","type":"direct","more":[1e300]}"#,
            r#"{"type":"direct","host":"h","port":7777}"#,
        ),
        (
            r#"{"key":"k","connection_data":"c","allocation_id":"a","type":"unity_relay","host":5}"#,
            r#"{"type":"unity_relay","allocation_id":"a","connection_data":"c","key":"k"}"#,
        ),
        (
            r#"{"client_id":65535,"token":"t","allocation_id":"a","transport":"udp","port":0,"host":"","type":"relay"}"#,
            r#"{"type":"relay","host":"","port":0,"transport":"udp","allocation_id":"a","token":"t","client_id":65535}"#,
        ),
        (
            r#"{"type":"webrtc","ice_candidates":["c\u00e9",""],"sdp":"v=0\r\n"}"#,
            r#"{"type":"webrtc","sdp":"v=0\r\n","ice_candidates":["cé",""]}"#,
        ),
        (
            r#"{"data":{"b":1.10,"a":[ 1E5 ],"b":"\u00e9"},"x":"\u00e9","type":"custom"}"#,
            r#"{"type":"custom","data":{"b":1.10,"a":[ 1E5 ],"b":"\u00e9"}}"#,
        ),
        (
            r#" { "type" : "custom" , "data" : null } "#,
            r#"{"type":"custom","data":null}"#,
        ),
    ] {
        assert_shown(given, shown);
    }
}

#[test]
fn absent_and_null_keys_are_shown_alike() {
    const RELAY: &str = r#"{"type":"relay","host":"h","port":1,"transport":"auto","allocation_id":"a","token":"t"}"#;
    for more in ["", r#","transport":null,"client_id":null"#, r#","transport":"auto""#] {
        assert_shown(
            &format!(r#"{{"type":"relay","host":"h","port":1,"allocation_id":"a","token":"t"{more}}}"#),
            RELAY,
        );
    }
    for more in ["", r#","sdp":null"#] {
        assert_shown(
            &format!(r#"{{"type":"webrtc","ice_candidates":[]{more}}}"#),
            r#"{"type":"webrtc","sdp":null,"ice_candidates":[]}"#,
        );
    }
}

#[test]
fn what_is_no_connection_info_is_refused() {
    for given in [
        "null",
        "1",
        "[]",
        r#""direct""#,
        "{}",
        r#"["direct","h",1]"#,
        r#"["custom"]"#,
        r#"{"host":"h","port":1}"#,
        r#"{"type":"Direct","host":"h","port":1}"#,
        r#"{"type":"carrier_pigeon"}"#,
        r#"{"type":null,"host":"h","port":1}"#,
        r#"{"type":"direct","type":"direct","host":"h","port":1}"#,
        r#"{"type":"direct","host":"h","host":"h","port":1}"#,
        r#"{"type":"direct","host":"h"}"#,
        r#"{"type":"direct","host":"h","port":65536}"#,
        r#"{"type":"direct","host":"h","port":-1}"#,
        r#"{"type":"direct","host":"h","port":1.0}"#,
        r#"{"type":"direct","host":"h","port":"1"}"#,
        r#"{"type":"direct","host":"\ud800","port":1}"#,
        r#"{"type":"direct","host":null,"port":1}"#,
        r#"{"type":"unity_relay","allocation_id":"a","connection_data":"c"}"#,
        r#"{"type":"relay","host":"h","port":1,"allocation_id":"a","token":"t","transport":"quic"}"#,
        r#"{"type":"relay","host":"h","port":1,"allocation_id":"a","token":"t","client_id":65536}"#,
        r#"{"type":"relay","host":"h","port":1,"allocation_id":"a"}"#,
        r#"{"type":"webrtc","sdp":"s"}"#,
        r#"{"type":"webrtc","ice_candidates":null}"#,
        r#"{"type":"webrtc","ice_candidates":[1]}"#,
        r#"{"type":"webrtc","ice_candidates":[],"sdp":1}"#,
        r#"{"type":"custom"}"#,
        // A strict parser could not read a snapshot with these; an unknown key makes no difference.
        r#"{"type":"custom","data":[1e400]}"#,
        r#"{"type":"custom","data":{"a":"\ud800"}}"#,
        r#"{"type":"custom","data":{"\udc00":1}}"#,
        r#"{"type":"custom","data":{"$serde_json::private::RawValue":1}}"#,
        r#"{"type":"custom","data":1,"x":"\ud800"}"#,
        r#"{"type":"direct","host":"h","port":1,"x":[1e400]}"#,
    ] {
        assert_eq!(provide(given), None, "{given}");
    }
}

#[test]
fn its_text_is_at_most_4_kib() {
    let frame = r#"{"type":"custom","data":""}"#.len();
    let of_length = |length: usize| format!(r#"{{"type":"custom","data":"{}"}}"#, "x".repeat(length - frame));
    assert_eq!(of_length(CONNECTION_INFO_BYTES_MAX).len(), 4096);
    assert!(provide(&of_length(4096)).is_some());
    assert!(provide(&of_length(4097)).is_none());
    // Whitespace and unknown keys count as they came.
    assert!(provide(&format!(r#"{{"type":"custom","data":1{}}}"#, " ".repeat(4096))).is_none());
    // Whitespace around the value does not.
    assert!(provide(&format!("{0}{1}{0}", " ".repeat(4096), of_length(4096))).is_some());
}

#[test]
fn it_is_shown_at_most_32_bytes_longer_than_it_came() {
    for given in [
        r#"{"type":"relay","host":"","port":0,"allocation_id":"","token":""}"#,
        r#"{"type":"webrtc","ice_candidates":[]}"#,
        r#"{"type":"direct","host":"\u0001\"\\\/\u007f","port":0}"#,
    ] {
        let shown = provide(given).expect("valid");
        assert!(shown.len() <= given.len() + 32, "{shown}");
    }
}

#[test]
fn it_is_at_most_120_deep() {
    // The connection info itself is a level.
    let of_depth = |depth: usize| {
        let inner = depth - 1;
        format!(
            r#"{{"type":"custom","data":{}{}}}"#,
            "[".repeat(inner),
            "]".repeat(inner)
        )
    };
    assert!(provide(&of_depth(DEPTH_MAX)).is_some());
    assert!(provide(&of_depth(DEPTH_MAX + 1)).is_none());
    assert!(provide(&of_depth(1_000)).is_none());
}

#[test]
fn text_that_is_no_json_is_refused() {
    for text in [
        "",
        "{",
        "{\"type\":\"custom\",\"data\":1",
        "]]]]",
        &"]".repeat(1_000),
        &"{]".repeat(1_000),
    ] {
        assert!(ConnectionInfo::parse(text).is_err(), "{text}");
    }
}
