//! The WebSocket handshake (spec 1, RFC 6455 section 4.2).

use super::head::Head;
use crate::http::{self, Answer, Origins};
use signal_fish_runtime::Hint;
use tungstenite::handshake::derive_accept_key;

/// Longest `game_name` or `room_code` that is taken from a URL, in bytes; longer ones cannot name a room.
const HINT_BYTES_MAX: usize = 1024;

/// Checks the handshake; returns the 101 answer, or the refusal.
pub(super) fn check(head: &Head<'_>, origins: &Origins) -> Result<Vec<u8>, Answer> {
    if !head.lists("connection", "upgrade") {
        return Err(http::bad_request("Connection header did not include 'upgrade'"));
    }
    if !head.lists("upgrade", "websocket") {
        return Err(http::bad_request("`Upgrade` header did not include 'websocket'"));
    }
    if head.version != 1 || head.method != "GET" {
        return Err(http::bad_request("A WebSocket upgrade needs GET and HTTP/1.1"));
    }
    if head.header("sec-websocket-version").map(str::trim) != Some("13") {
        let answer = http::bad_request("`Sec-WebSocket-Version` header did not include '13'");
        return Err(answer.with_headers("sec-websocket-version: 13\r\n"));
    }
    let Some(key) = head.header("sec-websocket-key").map(str::trim) else {
        return Err(http::bad_request("`Sec-WebSocket-Key` header missing"));
    };
    if !is_key(key) {
        return Err(http::bad_request(
            "`Sec-WebSocket-Key` header is not 16 bytes in base64",
        ));
    }
    if let Some(origin) = head.header("origin")
        && !origins.allows(origin)
    {
        return Err(http::forbidden("This origin may not connect (security.cors_origins)"));
    }
    let accept = derive_accept_key(key.as_bytes());
    Ok(format!(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-accept: {accept}\r\n\r\n"
    )
    .into_bytes())
}

/// Whether `key` has the form of 16 bytes in base64.
fn is_key(key: &str) -> bool {
    key.len() == 24
        && key.ends_with("==")
        && key
            .bytes()
            .take(22)
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}

/// The room that the URL names with `game_name` and `room_code`. A hint that is incomplete is no hint.
pub(super) fn hint(query: Option<&str>) -> Option<Box<Hint>> {
    let query = query?;
    let mut game_name = None;
    let mut room_code = None;
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*key {
            "game_name" => game_name = Some(value.into_owned()),
            "room_code" => room_code = Some(value.into_owned()),
            _ => {}
        }
    }
    let hint = Hint {
        game_name: game_name?,
        room_code: room_code?,
    };
    (hint.game_name.len() <= HINT_BYTES_MAX && hint.room_code.len() <= HINT_BYTES_MAX).then(|| Box::new(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_needs_both_parts() {
        assert_eq!(hint(None), None);
        assert_eq!(hint(Some("room_code=ABC123")), None);
        let found = hint(Some("x=1&room_code=abc123&game_name=my%20game")).expect("both are there");
        assert_eq!(
            (found.game_name.as_str(), found.room_code.as_str()),
            ("my game", "abc123")
        );
    }

    #[test]
    fn keys_are_sixteen_bytes() {
        assert!(is_key("dGhlIHNhbXBsZSBub25jZQ=="));
        assert!(!is_key("dGhlIHNhbXBsZQ=="));
        assert!(!is_key("dGhlIHNhbXBsZSBub25jZQ--"));
        assert!(!is_key(""));
    }
}
