//! Game data with a sealed body in it: what a player sends, and what has to stand around the body when it arrives
//! (protocol 2.9 and 4).
//!
//! The usual text is compared byte by byte. Another one is parsed: a server may write the members in another order and add
//! some, as long as sender and value are the right ones.

use crate::accounting::Flaw;
use crate::control::message_type;
use serde::Serialize;
use serde_json::{Value, json};
use std::ops::Range;

/// Form of the game data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Text frames.
    Json,
    /// Binary frames.
    MessagePack,
}

/// The value around a body: `{"p":"` and `"}`, or a map of `p` to a str 16.
pub const AROUND_BYTES: usize = 8;
const AROUND_BINARY_BYTES: usize = 6;

/// A player as the server names it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlayerId {
    text: Box<str>,
    /// The 16 bytes of the UUID that the text is, if it is one.
    raw: Option<[u8; 16]>,
}

impl PlayerId {
    /// The id with this text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self {
            text: text.into(),
            raw: uuid::Uuid::parse_str(text).ok().map(uuid::Uuid::into_bytes),
        }
    }

    /// The id as the server wrote it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// A message with a value of `payload` bytes, and where the body goes.
#[must_use]
pub fn template(format: Format, payload: usize) -> (Vec<u8>, Range<usize>) {
    match format {
        Format::Json => {
            let head = br#"{"type":"GameData","data":{"data":{"p":""#;
            let mut message = head.to_vec();
            message.resize(head.len() + payload - AROUND_BYTES, b'x');
            let body = head.len()..message.len();
            message.extend_from_slice(br#""}}}"#);
            (message, body)
        }
        Format::MessagePack => {
            let mut message = binary_head(payload).to_vec();
            message.resize(payload, b'x');
            (message, AROUND_BINARY_BYTES..payload)
        }
    }
}

/// Whether a text without a stamp should have had one, or is no message of the protocol at all.
#[must_use]
pub fn is_damaged(text: &[u8]) -> bool {
    match message_type(text) {
        "GameData" => true,
        // Somebody may write it in another way.
        "" => serde_json::from_slice::<Value>(text).map_or(true, |message| {
            message["type"].as_str().is_none_or(|name| name == "GameData")
        }),
        _ => false,
    }
}

/// Checks what stands around the `body` of a message from `player`.
///
/// # Errors
/// The message names another player, or its form or its value is not what was sent.
pub fn check(format: Format, message: &[u8], body: Range<usize>, player: &PlayerId) -> Result<(), Flaw> {
    match format {
        Format::Json if has_usual_text(message, &body, &player.text) => Ok(()),
        Format::Json => check_text(message, &message[body], &player.text),
        Format::MessagePack => check_binary(message, &message[body], player.raw.as_ref()),
    }
}

fn has_usual_text(message: &[u8], body: &Range<usize>, player: &str) -> bool {
    message[..body.start]
        .strip_prefix(br#"{"type":"GameData","data":{"from_player":""#)
        .and_then(|rest| rest.strip_prefix(player.as_bytes()))
        == Some(br#"","data":{"p":""#)
        && message[body.end..] == *br#""}}}"#
}

fn check_text(message: &[u8], body: &[u8], player: &str) -> Result<(), Flaw> {
    // A tree, because structures would be read from arrays as well.
    let message: Value = serde_json::from_slice(message).map_err(|_| Flaw::Corrupted)?;
    let data = &message["data"];
    let sent = std::str::from_utf8(body).map(|body| json!({ "p": body }));
    if message["type"] != "GameData" || sent.ok().as_ref() != Some(&data["data"]) {
        return Err(Flaw::Corrupted);
    }
    match data["from_player"].as_str() {
        Some(named) if named == player => Ok(()),
        _ => Err(Flaw::Forged),
    }
}

fn check_binary(message: &[u8], body: &[u8], player: Option<&[u8; 16]>) -> Result<(), Flaw> {
    let Some([from_player, encoding, payload]) = members(message) else {
        return Err(Flaw::Corrupted);
    };
    let value = payload.strip_prefix(&binary_head(payload.len()));
    if encoding != b"message_pack" || value != Some(body) {
        return Err(Flaw::Corrupted);
    }
    if player.is_some_and(|player| from_player == player) {
        Ok(())
    } else {
        Err(Flaw::Forged)
    }
}

/// `from_player`, `encoding` and `payload` of a binary message that has these members and no other.
fn members(message: &[u8]) -> Option<[&[u8]; 3]> {
    let mut rest = message;
    let mut found = [None; 3];
    for _ in 0..rmp::decode::read_map_len(&mut rest).ok()? {
        let key_bytes = rmp::decode::read_str_len(&mut rest).ok()?;
        let (place, value_bytes) = match rest.split_off(..key_bytes as usize)? {
            b"from_player" => (0, rmp::decode::read_bin_len(&mut rest).ok()?),
            b"encoding" => (1, rmp::decode::read_str_len(&mut rest).ok()?),
            b"payload" => (2, rmp::decode::read_bin_len(&mut rest).ok()?),
            _ => return None,
        };
        found[place] = Some(rest.split_off(..value_bytes as usize)?);
    }
    let [from_player, encoding, payload] = found;
    rest.is_empty().then_some([from_player?, encoding?, payload?])
}

/// A map of one key to a str 16 that takes all of `payload` bytes.
fn binary_head(payload: usize) -> [u8; AROUND_BINARY_BYTES] {
    let text_bytes = u16::try_from(payload.saturating_sub(AROUND_BINARY_BYTES)).unwrap_or(u16::MAX);
    let [high, low] = text_bytes.to_be_bytes();
    [0x81, 0xa1, b'p', 0xda, high, low]
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAYER: &str = "67e55044-10b1-426f-9247-bb680e5fe0c8";

    fn text(message: &str) -> Result<(), Flaw> {
        let at = message.find("BODY").unwrap();
        check(Format::Json, message.as_bytes(), at..at + 4, &PlayerId::new(PLAYER))
    }

    #[test]
    fn the_relayed_value_has_exactly_the_size_asked_for() {
        for payload in [52, 100, 1000] {
            let (message, body) = template(Format::Json, payload);
            let value: Value = serde_json::from_slice(&message).unwrap();
            assert_eq!(value["data"]["data"].to_string().len(), payload);
            assert!(message[body].iter().all(|byte| *byte == b'x'));
            let (message, body) = template(Format::MessagePack, payload);
            assert_eq!(message.len(), payload);
            assert!(message[body].iter().all(|byte| *byte == b'x'));
        }
    }

    #[test]
    fn the_usual_text_and_other_spellings_of_it_pass() {
        for message in [
            format!(r#"{{"type":"GameData","data":{{"from_player":"{PLAYER}","data":{{"p":"BODY"}}}}}}"#),
            format!(r#"{{"type":"GameData","data":{{"data":{{"p":"BODY"}},"from_player":"{PLAYER}","seq":4}}}}"#),
            format!(r#"{{"data": {{"from_player": "{PLAYER}", "data": {{"p": "BODY"}}}}, "type": "GameData"}}"#),
        ] {
            assert_eq!(text(&message), Ok(()), "{message}");
        }
    }

    #[test]
    fn another_sender_is_forged_and_anything_else_corrupted() {
        let message = |sender: &str, value: &str| {
            format!(r#"{{"type":"GameData","data":{{"from_player":"{sender}","data":{value}}}}}"#)
        };
        let other = PLAYER.replace('6', "7");
        assert_eq!(text(&message(&other, r#"{"p":"BODY"}"#)), Err(Flaw::Forged));
        for value in [
            r#"{"q":"BODY"}"#,
            r#"{"p":"BODY","q":1}"#,
            r#"{"p":"BODYmore"}"#,
            r#"{"p":"BODY""#,
            r#"["BODY"]"#,
        ] {
            assert_eq!(text(&message(PLAYER, value)), Err(Flaw::Corrupted), "{value}");
        }
        let nameless = r#"{"type":"GameData","data":{"data":{"p":"BODY"}}}"#;
        assert_eq!(text(nameless), Err(Flaw::Forged));
    }

    #[test]
    fn a_text_without_a_stamp_is_damaged_unless_it_is_another_message() {
        for (text, damaged) in [
            (r#"{"type":"PlayerJoined","data":{}}"#, false),
            (r#"{"type": "PlayerJoined", "data": {}}"#, false),
            (r#"{"data":{},"type":"PlayerJoined"}"#, false),
            (r#"{"type":"GameData","data":{}}"#, true),
            (r#"{"data":{},"type":"GameData"}"#, true),
            (r#"{"typo":"PlayerJoined","data":{}}"#, true),
            (r#"{"type": "PlayerJoined""#, true),
            ("", true),
        ] {
            assert_eq!(is_damaged(text.as_bytes()), damaged, "{text}");
        }
    }

    #[test]
    fn a_binary_message_is_checked_as_well() {
        let player = PlayerId::new(PLAYER);
        let payload = [&binary_head(10)[..], b"BODY"].concat();
        let message = |sender: &[u8], payload: &[u8]| {
            let sender_bytes = u8::try_from(sender.len()).unwrap();
            let payload_bytes = u8::try_from(payload.len()).unwrap();
            [
                &b"\x83\xabfrom_player\xc4"[..],
                &[sender_bytes],
                sender,
                b"\xa8encoding\xacmessage_pack\xa7payload\xc4",
                &[payload_bytes],
                payload,
            ]
            .concat()
        };
        let judge = |message: &[u8]| {
            let at = message.windows(4).position(|bytes| bytes == b"BODY").unwrap();
            check(Format::MessagePack, message, at..at + 4, &player)
        };
        let own = player.raw.unwrap();
        let good = message(&own, &payload);
        assert_eq!(judge(&good), Ok(()));
        assert_eq!(judge(&message(&[7; 16], &payload)), Err(Flaw::Forged));
        assert_eq!(judge(&message(&own, b"BODY")), Err(Flaw::Corrupted));
        assert_eq!(
            judge(&message(&own, &[&payload[..], b"more"].concat())),
            Err(Flaw::Corrupted)
        );
        assert_eq!(judge(&[&good[..], b"more"].concat()), Err(Flaw::Corrupted));
    }
}
