//! The WebSocket handshake (protocol 1, RFC 6455 section 4.2), and what the URL of an upgrade says.

use super::answer::{self, Answer};
use super::head::Head;
use super::origins::Origins;
use super::token_binding::Binding;
use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use tungstenite::handshake::derive_accept_key;

/// An upgrade that was accepted and not yet answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upgrade<P> {
    /// What the client speaks from here on.
    pub protocol: P,
    /// The client's address (D23).
    pub client: IpAddr,
    /// The room that the path names, percent-decoded, where paths name rooms.
    pub room: Option<Box<str>>,
    /// The query of the URL, as it came.
    pub query: Option<Box<str>>,
    /// What its headers ask for.
    pub asks: Asks,
    /// Whether a trusted proxy says that the client came with TLS; `None` if no trusted proxy is between.
    pub is_secure: Option<bool>,
    /// Lower-case hex SHA-256 of the client's certificate, from its TLS or from a trusted proxy.
    pub certificate: Option<Box<str>>,
    /// How its messages are signed, if they are.
    pub binding: Option<Box<Binding>>,
    /// The 101 answer. Whoever keeps the connection sends it.
    pub answer: Vec<u8>,
}

/// What the headers of an upgrade ask for, as they came.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Asks {
    /// The origin of a browser; several are joined, and are no origin then.
    pub origin: Option<Box<str>>,
    /// Subprotocols that are offered, comma-separated.
    pub subprotocols: Option<Box<str>>,
    /// `Authorization`.
    pub authorization: Option<Box<str>>,
}

/// Credentials are shown nowhere.
impl fmt::Debug for Asks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asks")
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

impl Asks {
    pub(super) fn of(head: &Head<'_>) -> Self {
        let joined = |name: &str| {
            let mut values = head.all(name).map(String::from_utf8_lossy);
            let first = values.next()?.into_owned();
            Some(values.fold(first, |all, value| all + ", " + &value).into_boxed_str())
        };
        Self {
            origin: joined("origin"),
            subprotocols: joined("sec-websocket-protocol"),
            authorization: joined("authorization"),
        }
    }
}

/// Names the subprotocol in a 101 answer. It must be a token of HTTP.
pub fn add_subprotocol(answer: &mut Vec<u8>, subprotocol: &str) {
    // Before the empty line.
    answer.truncate(answer.len().saturating_sub(2));
    for part in ["sec-websocket-protocol: ", subprotocol, "\r\n\r\n"] {
        answer.extend_from_slice(part.as_bytes());
    }
}

/// Longest value that is taken from a URL, in bytes; a longer one names no room.
const PARAMETER_BYTES_MAX: usize = 1024;

/// The decoded value of a parameter of a query; the last one, where a name is repeated. A value over 1 KiB is none.
#[must_use]
pub fn query_parameter<'a>(query: &'a str, name: &str) -> Option<Cow<'a, str>> {
    form_urlencoded::parse(query.as_bytes())
        .filter(|(key, _)| key == name)
        .last()
        .map(|(_, value)| value)
        .filter(|value| value.len() <= PARAMETER_BYTES_MAX)
}

/// The text that a part of a path stands for; `None` if it is not well encoded, or no UTF-8.
pub(super) fn percent_decoded(segment: &str) -> Option<Cow<'_, str>> {
    let mut rest = segment.as_bytes();
    while let Some(at) = rest.iter().position(|&byte| byte == b'%') {
        let (digits, after) = rest.get(at + 1..)?.split_at_checked(2)?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        rest = after;
    }
    percent_encoding::percent_decode_str(segment).decode_utf8().ok()
}

/// Checks the handshake; returns the value of `Sec-WebSocket-Key`, or the refusal.
pub(super) fn check<'a>(head: &Head<'a>, origins: &Origins) -> Result<&'a [u8], Answer> {
    if !head.lists("connection", "upgrade") {
        return Err(answer::bad_request("Connection header did not include 'upgrade'"));
    }
    if !head.lists("upgrade", "websocket") {
        return Err(answer::bad_request("`Upgrade` header did not include 'websocket'"));
    }
    if head.version != 1 || head.method != "GET" {
        return Err(answer::bad_request("A WebSocket upgrade needs GET and HTTP/1.1"));
    }
    if head.has_body {
        return Err(answer::bad_request("A WebSocket upgrade has no body"));
    }
    if head.all("sec-websocket-version").count() > 1 {
        return Err(answer::bad_websocket_version(
            "`Sec-WebSocket-Version` header is repeated",
        ));
    }
    if head.sole("sec-websocket-version") != Some(b"13") {
        return Err(answer::bad_websocket_version(
            "`Sec-WebSocket-Version` header did not include '13'",
        ));
    }
    if !head.has("sec-websocket-key") {
        return Err(answer::bad_request("`Sec-WebSocket-Key` header missing"));
    }
    let Some(key) = head.sole("sec-websocket-key") else {
        return Err(answer::bad_request("`Sec-WebSocket-Key` header is repeated"));
    };
    if !is_key(key) {
        return Err(answer::bad_request(
            "`Sec-WebSocket-Key` header is not 16 bytes in base64",
        ));
    }
    if !head.all("origin").all(|origin| origins.allows(origin)) {
        return Err(answer::forbidden("This origin may not connect"));
    }
    Ok(key)
}

/// The 101 answer to a handshake with this key.
pub(super) fn accept(key: &[u8], binding: Option<&Binding>) -> Vec<u8> {
    let accept = derive_accept_key(key);
    let subprotocol = binding.map_or(String::new(), |binding| {
        format!("sec-websocket-protocol: {}\r\n", binding.version.subprotocol())
    });
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-accept: {accept}\r\n{subprotocol}\r\n"
    )
    .into_bytes()
}

/// Whether `key` has the form of 16 bytes in base64.
fn is_key(key: &[u8]) -> bool {
    key.len() == 24
        && key.ends_with(b"==")
        && key[..22]
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_and_the_last_one_counts() {
        let query = "x=1&room_code=abc123&game_name=my%20g+me&room_code=DEF456&=&&%ff=%ff";
        assert_eq!(query_parameter(query, "game_name").as_deref(), Some("my g me"));
        assert_eq!(query_parameter(query, "room_code").as_deref(), Some("DEF456"));
        assert_eq!(query_parameter(query, "absent"), None);
        assert_eq!(query_parameter("", "game_name"), None);
        let (longest, longer) = ("a".repeat(1024), "a".repeat(1025));
        assert!(query_parameter(&format!("g={longest}"), "g").is_some());
        assert_eq!(query_parameter(&format!("g={longer}"), "g"), None);
    }

    #[test]
    fn a_segment_is_decoded_or_refused() {
        for (segment, decoded) in [
            ("game", Some("game")),
            ("a%2Fb", Some("a/b")),
            ("%c3%A4%20", Some("ä ")),
            ("a+b", Some("a+b")),
            ("%", None),
            ("%2", None),
            ("%2x", None),
            ("a%zz", None),
            ("%ff", None),
        ] {
            assert_eq!(percent_decoded(segment).as_deref(), decoded, "{segment}");
        }
    }

    #[test]
    fn keys_are_sixteen_bytes() {
        assert!(is_key(b"dGhlIHNhbXBsZSBub25jZQ=="));
        assert!(!is_key(b"dGhlIHNhbXBsZQ=="));
        assert!(!is_key(b"dGhlIHNhbXBsZSBub25jZQ--"));
        assert!(!is_key(b"dGhlIHNhbXBsZSBub25j\xff\xff=="));
        assert!(!is_key(b""));
    }
}
