//! What a valid message is, and what the server says itself.

use crate::json::{Invalid, Scanner};
use crate::room::MemberId;
use std::borrow::Cow;

/// The answer to a message that is not valid.
pub const SCHEMA_ERROR: &[u8] = br#"{"type":"control","action":"schema-error"}"#;

/// Longest `type`, in characters.
const TYPE_CHARS_MAX: usize = 64;
/// The type of what a server says to one client.
const CONTROL: &str = "control";
/// The type of what a server says when a client is gone.
const PEER_DISCONNECTED: &str = "peer-disconnected";

/// Who may say a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Voice {
    /// Clients.
    Client,
    /// Servers, to everybody in a room.
    Server,
}

/// A client is gone.
pub fn write_peer_disconnected(id: MemberId, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"type":"peer-disconnected","clientId":"client:"#);
    out.extend_from_slice(id.encode(&mut [0; 36]).as_bytes());
    out.extend_from_slice(br#""}"#);
}

/// Checks that a text is a message that may be forwarded (R8): an object with one `type`, a string of 1 to 64 characters
/// that is not the server's, and JSON that no strict parser refuses (D2). One pass, and nothing is built.
///
/// # Errors
/// It is not.
pub fn check(text: &str) -> Result<(), Invalid> {
    match voice(text) {
        Some(Voice::Client) => Ok(()),
        Some(Voice::Server) | None => Err(Invalid),
    }
}

/// Who may say this, if it is a message for a room.
#[inline]
pub(super) fn voice(text: &str) -> Option<Voice> {
    /// The object around the values.
    const OUTER: usize = 1;
    let mut scanner = Scanner::new(text);
    let mut voice = None;
    scanner.tokens(&[b"{"])?;
    scanner.space();
    loop {
        let key = string(text, &mut scanner)?;
        scanner.tokens(&[b":"])?;
        scanner.space();
        if key == "type" {
            let kind = string(text, &mut scanner)?;
            let says = match &*kind {
                CONTROL => return None,
                PEER_DISCONNECTED => Voice::Server,
                _ => Voice::Client,
            };
            let fits = (1..=TYPE_CHARS_MAX).contains(&kind.chars().count());
            (fits && voice.replace(says).is_none()).then_some(())?;
        } else {
            scanner.value_inside(OUTER)?;
        }
        scanner.space();
        if scanner.tokens(&[b"}"]).is_some() {
            break;
        }
        scanner.tokens(&[b","])?;
        scanner.space();
    }
    scanner.end()?;
    voice
}

/// A string as what it stands for. Only one with escapes is copied.
pub(super) fn string<'a>(text: &'a str, scanner: &mut Scanner<'a>) -> Option<Cow<'a, str>> {
    let start = scanner.at();
    scanner.string()?;
    let quoted = text.get(start..scanner.at())?;
    let bare = quoted.get(1..quoted.len() - 1)?;
    if bare.contains('\\') {
        return serde_json::from_str(quoted).ok().map(Cow::Owned);
    }
    Some(Cow::Borrowed(bare))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{self, DEPTH_MAX};
    use proptest::prelude::*;
    use serde_json::Value;

    #[test]
    fn an_object_with_a_type_is_valid() {
        for text in [
            r#"{"type":"offer"}"#,
            " {\n\"a\" : [1, {\"type\": 7}] , \"type\" : \"x\" , \"b\":{} } ",
            r#"{"type":"\u0041"}"#,
            r#"{"type":"ä€𝄞"}"#,
            r#"{"type":"Control"}"#,
            r#"{"t\"ype":1,"type":"control2"}"#,
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
        let kind = |chars: usize| format!(r#"{{"type":"{}"}}"#, "ä".repeat(chars));
        assert_eq!(check(&kind(TYPE_CHARS_MAX)), Ok(()));
        assert_eq!(check(&kind(TYPE_CHARS_MAX + 1)), Err(Invalid));
    }

    #[test]
    fn everything_else_is_not() {
        for text in [
            "",
            "null",
            "[]",
            "{}",
            "{",
            r#""type""#,
            r#"{"type":1}"#,
            r#"{"type":""}"#,
            r#"{"type":null}"#,
            r#"{"Type":"x"}"#,
            r#"{"type":"x"} x"#,
            r#"{"type":"x",}"#,
            r#"{"type":"x""a":1}"#,
            r#"{"type":"x","type":"x"}"#,
            r#"{"type":"x","\u0074ype":"y"}"#,
            r#"{"\u0074ype":"control"}"#,
            r#"{"type":"control"}"#,
            r#"{"type":"c\u006fntrol"}"#,
            r#"{"type":"peer-disconnected","clientId":"client:x"}"#,
            r#"{"type":"x","a":"\ud800"}"#,
            r#"{"type":"\ud800"}"#,
            r#"{"type":"x","a":1e999}"#,
            r#"{"type":"x",a:1}"#,
        ] {
            assert_eq!(check(text), Err(Invalid), "{text}");
        }
    }

    #[test]
    fn nesting_counts_from_the_outermost_bracket() {
        let nested = |depth: usize| {
            format!(
                r#"{{"type":"x","a":{}{}}}"#,
                "[".repeat(depth - 1),
                "]".repeat(depth - 1)
            )
        };
        assert_eq!(check(&nested(DEPTH_MAX)), Ok(()));
        for deeper in [DEPTH_MAX + 1, 100_000] {
            assert_eq!(check(&nested(deeper)), Err(Invalid));
        }
    }

    proptest! {
        #[test]
        fn the_scan_agrees_with_a_tree(
            keys in proptest::collection::vec(r"type|a|\\u0074ype|b", 0..4),
            values in proptest::collection::vec(r#""[a-z]{0,3}"|"control"|[0-9]|\{\}|\["x"\]"#, 4),
        ) {
            let members: Vec<String> = keys.iter().zip(&values).map(|(key, value)| format!(r#""{key}":{value}"#)).collect();
            let text = format!("{{{}}}", members.join(","));
            let tree: Value = serde_json::from_str(&text).unwrap();
            let types = keys.iter().filter(|key| matches!(key.as_str(), "type" | "\\u0074ype")).count();
            let kind = tree["type"].as_str().unwrap_or_default();
            let expected = types == 1 && !kind.is_empty() && ![CONTROL, PEER_DISCONNECTED].contains(&kind);
            prop_assert_eq!(check(&text).is_ok(), expected, "{}", text);
            prop_assert!(json::check(&text).is_ok());
        }
    }
}
