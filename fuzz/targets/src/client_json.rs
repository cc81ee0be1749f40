//! Messages of clients: what is relayed is JSON that a strict parser reads, whichever of the two readers took it.

use crate::strict::{assert_strict, depth_and_finite, has_kept_key};
use serde_json::value::RawValue;
use signal_fish_core::protocol::signal_fish::wire::{
    CONNECTION_INFO_BYTES_MAX, ClientMessage, ConnectionInfo, DEPTH_MAX, json_strict,
};

/// The value of a message that is game data.
fn game_data(text: &str) -> Option<&str> {
    match ClientMessage::parse(text) {
        Ok(ClientMessage::GameData(value)) => Some(value),
        _ => None,
    }
}

/// The text of one message, and of a value in a message.
pub fn client_json(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(message) = ClientMessage::parse(text) {
        check(text, &message);
    }
    let accepted = json_strict::check(text).is_ok();
    if accepted {
        assert_strict(text);
    } else if let Ok(value) = serde_json::from_str::<serde_json::Value>(text) {
        let (depth, finite) = depth_and_finite(text);
        assert!(
            depth > DEPTH_MAX || !finite || has_kept_key(&value),
            "refused for no reason: {text}"
        );
    }
    // Both readers take it as a value, or neither does. What is no JSON at all may close the braces around it.
    if serde_json::from_str::<&RawValue>(text).is_ok() {
        let value = text.trim_matches([' ', '\t', '\r', '\n']);
        let expected = accepted.then_some(value);
        assert_eq!(game_data(&usual(text)), expected, "the short way");
        assert_eq!(game_data(&turned(text)), expected, "the general reader");
    } else {
        assert!(!accepted, "no JSON: {text}");
    }
    if let Ok(ConnectionInfo::Custom { data }) = ConnectionInfo::parse(text) {
        assert_strict(data.get());
    }
}

/// The shape that the short way takes.
fn usual(value: &str) -> String {
    format!(r#"{{"type":"GameData","data":{{"data":{value}}}}}"#)
}

/// A shape that only the general reader takes.
fn turned(value: &str) -> String {
    format!(r#"{{"data":{{"data":{value}}},"type":"GameData"}}"#)
}

/// A message that was taken is JSON, and reads back as it is written.
fn check(text: &str, message: &ClientMessage<'_>) {
    assert!(serde_json::from_str::<&RawValue>(text).is_ok(), "no JSON: {text}");
    if let ClientMessage::GameData(value) = message {
        assert!(json_strict::check(value).is_ok(), "{value}");
        assert_strict(value);
        assert!(depth_and_finite(value).0 <= DEPTH_MAX);
        assert_eq!(game_data(&usual(value)), Some(*value));
        assert_eq!(game_data(&turned(value)), Some(*value));
    }
    let mut written = Vec::new();
    message.write(&mut written);
    let written = String::from_utf8(written).expect("messages are text");
    if written.len() > CONNECTION_INFO_BYTES_MAX {
        // Keys that are always written may make a connection info too long.
        return;
    }
    let again = ClientMessage::parse(&written).expect("a message reads back");
    assert_eq!(format!("{again:?}"), format!("{message:?}"), "{written}");
}
