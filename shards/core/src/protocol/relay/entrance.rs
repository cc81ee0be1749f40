//! The way in: what is checked, in which order, and what a client is told that does not get in.

use super::super::event::Opening;
use super::settings::Settings;
use crate::admission::Token;
use crate::http::Origins;
use std::borrow::Cow;

/// Why a client does not get in. Each is a close after the upgrade, because a browser cannot see an HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Redis does not answer for the moment.
    Breaker,
    /// `require_wss`, and it came without TLS.
    Wss,
    /// The room id is missing, repeated, malformed or too long.
    RoomId,
    /// The origin is not listed.
    Origin,
    /// The subprotocol was not offered.
    Subprotocol,
    /// The token is missing or no good.
    Token,
    /// The token is good, but not for this room.
    RoomClaim,
    /// Too many connections of the address in a short time.
    Rate,
    /// Too many connections of the address.
    Connections,
    /// Redis failed while the client entered.
    Redis,
    /// The room is full.
    Full,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Breaker,
        Self::Wss,
        Self::RoomId,
        Self::Origin,
        Self::Subprotocol,
        Self::Token,
        Self::RoomClaim,
        Self::Rate,
        Self::Connections,
        Self::Redis,
        Self::Full,
    ];

    /// Close code and reason.
    #[must_use]
    pub fn close(self) -> (u16, &'static str) {
        match self {
            Self::Breaker => (1013, "Service unavailable"),
            Self::Wss => (1008, "WSS required"),
            Self::RoomId => (1008, "Invalid roomId"),
            Self::Origin => (1008, "Origin not allowed"),
            Self::Subprotocol => (1008, "Subprotocol required"),
            Self::Token => (1008, "Unauthorized"),
            Self::RoomClaim => (1008, "Room not allowed"),
            Self::Rate => (1013, "Rate limited"),
            Self::Connections => (1008, "Too many connections"),
            Self::Redis => (1011, "Internal error"),
            Self::Full => (1000, "Room is full"),
        }
    }

    /// Its name in metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Breaker => "breaker",
            Self::Wss => "wss",
            Self::RoomId => "room_id",
            Self::Origin => "origin",
            Self::Subprotocol => "subprotocol",
            Self::Token => "token",
            Self::RoomClaim => "room_claim",
            Self::Rate => "rate",
            Self::Connections => "connections",
            Self::Redis => "redis",
            Self::Full => "full",
        }
    }
}

/// What the client may do as far as can be told without asking.
pub(super) struct Wish {
    pub(super) room: Box<str>,
    /// Set where tokens are needed.
    pub(super) token: Option<Token>,
}

/// The room that a URL names, if it names one well.
pub(super) fn room_of(query: Option<&str>, length_max: usize) -> Option<Box<str>> {
    let Given::Once(room) = given(query?, "roomId") else {
        return None;
    };
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b':' | b'.');
    ((1..=length_max).contains(&room.len()) && room.bytes().all(fits)).then(|| room.into())
}

/// Every check that needs no question, in order. `breaker_open`: Redis does not answer for the moment.
pub(super) fn check(opening: &Opening, settings: &Settings, breaker_open: bool) -> Result<Wish, Refusal> {
    if breaker_open {
        return Err(Refusal::Breaker);
    }
    if settings.require_wss && !opening.secure {
        return Err(Refusal::Wss);
    }
    let query = opening.query.as_deref();
    let room = room_of(query, settings.room_id_length_max).ok_or(Refusal::RoomId)?;
    if let Some(origin) = opening.asks.origin.as_deref()
        && *settings.origins != Origins::Any
        && !settings.origins.allows(origin.as_bytes())
    {
        return Err(Refusal::Origin);
    }
    if let Some(wanted) = settings.subprotocol.as_deref()
        && !offers(opening, wanted)
    {
        return Err(Refusal::Subprotocol);
    }
    let token = match settings.require_token {
        true => Some(token(opening).ok_or(Refusal::Token)?),
        false => None,
    };
    Ok(Wish { room, token })
}

/// Whether the client offered a subprotocol.
pub(super) fn offers(opening: &Opening, wanted: &str) -> bool {
    let offered = opening.asks.subprotocols.as_deref().unwrap_or_default();
    offered.split(',').any(|offer| offer.trim() == wanted)
}

/// The token of the header, else that of the query.
fn token(opening: &Opening) -> Option<Token> {
    if let Some(bearer) = opening.asks.authorization.as_deref().and_then(bearer) {
        return Some(Token::new(bearer));
    }
    match given(opening.query.as_deref()?, "token") {
        Given::Once(token) => Some(Token::new(&token)),
        Given::Never | Given::Repeatedly => None,
    }
}

fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// How often a parameter is given.
enum Given<'a> {
    Never,
    Once(Cow<'a, str>),
    Repeatedly,
}

fn given<'a>(query: &'a str, name: &str) -> Given<'a> {
    let mut values = form_urlencoded::parse(query.as_bytes())
        .filter(|(key, _)| key == name)
        .map(|(_, value)| value);
    match (values.next(), values.next()) {
        (None, _) => Given::Never,
        (Some(value), None) => Given::Once(value),
        (Some(_), Some(_)) => Given::Repeatedly,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_id_has_a_form_and_is_given_once() {
        let longest = "a".repeat(128);
        for (query, room) in [
            ("roomId=a", Some("a")),
            ("x=1&roomId=Ab_9-:.&y", Some("Ab_9-:.")),
            ("roomId=%41%3A", Some("A:")),
            (&format!("roomId={longest}"), Some(&*longest)),
            (&format!("roomId={longest}a"), None),
            ("roomId=", None),
            ("roomId", None),
            ("roomid=a", None),
            ("roomId=a&roomId=a", None),
            ("roomId=a+b", None),
            ("roomId=a%2Fb", None),
            ("roomId=%c3%a4", None),
            ("roomId=%ff", None),
            ("roomId=a%00", None),
            ("", None),
        ] {
            assert_eq!(room_of(Some(query), 128).as_deref(), room, "{query}");
        }
        assert_eq!(room_of(None, 128), None);
    }
}
