//! Administration: what an operator asks for, read from method, path and query (protocol 1).

use super::paths::TEXT;
use super::query;
use signal_fish_core::admission::BANS_MAX;
use signal_fish_core::http::{Body, DeskAnswer, Inquiry};
use signal_fish_core::room::{MemberId, RoomId};
use std::net::IpAddr;
use std::time::Duration;

/// Rooms on a page unless the query says otherwise.
const PAGE: usize = 100;
/// Rooms on a page at most.
const PAGE_MAX: usize = 500;
/// Length of the text that a removed player is told, in characters.
const REASON_MAX: usize = 200;
/// What a removed player is told if the query gives no reason.
const REASON: &str = "Removed by an operator";
/// How long a ban lasts unless the query says otherwise.
const BAN: u64 = 3_600;
/// How long a ban may last: a year.
const BAN_MAX: u64 = 365 * 86_400;
/// Longest value of a filter, in bytes.
const FILTER_MAX: usize = 256;

/// What an operator asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Order {
    /// How the server is.
    Status,
    /// Some of the rooms.
    Rooms(RoomFilter),
    /// One room.
    Room(RoomId),
    /// To close a room.
    CloseRoom(RoomId),
    /// To remove a member.
    Kick(RoomId, MemberId, String),
    /// Who is banned.
    Bans,
    /// To ban an address.
    Ban(IpAddr, Duration),
    /// To lift a ban.
    LiftBan(IpAddr),
}

/// Which rooms, and how many.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct RoomFilter {
    pub(super) game: Option<String>,
    pub(super) code: Option<String>,
    /// An app id.
    pub(super) app: Option<String>,
    /// Shard and place to begin at.
    pub(super) after: (u16, u32),
    pub(super) limit: usize,
}

impl Order {
    /// Reads a request.
    ///
    /// # Errors
    /// The answer that says what is wrong with it.
    pub(super) fn read(inquiry: &Inquiry) -> Result<Self, DeskAnswer> {
        let path = inquiry.path.strip_prefix("/admin/").unwrap_or_default();
        let segments: Vec<_> = path.split('/').collect();
        let method = match &*inquiry.method {
            "HEAD" => "GET",
            method => method,
        };
        let query = inquiry.query.as_deref().unwrap_or_default();
        let order = match (&segments[..], method) {
            (["status"], "GET") => Self::Status,
            (["rooms"], "GET") => return room_filter(query).map(Self::Rooms),
            (["rooms", id], "GET") => Self::Room(room(id)?),
            (["rooms", id], "DELETE") => Self::CloseRoom(room(id)?),
            (["rooms", id, "players", player], "DELETE") => {
                let member = MemberId::parse(player).ok_or_else(|| bad("The player is no id."))?;
                return Ok(Self::Kick(room(id)?, member, reason(query)?));
            }
            (["bans"], "GET") => Self::Bans,
            (["bans", ip], "PUT") => return Ok(Self::Ban(address(ip)?, ban_time(query)?)),
            (["bans", ip], "DELETE") => Self::LiftBan(address(ip)?),
            (["status" | "rooms" | "bans"], _) => return Err(not_allowed("allow: GET,HEAD\r\n")),
            (["rooms", _], _) => return Err(not_allowed("allow: GET,HEAD,DELETE\r\n")),
            (["rooms", _, "players", _], _) => return Err(not_allowed("allow: DELETE\r\n")),
            (["bans", _], _) => return Err(not_allowed("allow: PUT,DELETE\r\n")),
            _ => return Err(fail("404 Not Found", "There is nothing at this path.")),
        };
        query::read(query, &[]).map_err(bad)?;
        Ok(order)
    }
}

fn room(text: &str) -> Result<RoomId, DeskAnswer> {
    RoomId::parse(text).ok_or_else(|| bad("The room is no id."))
}

fn address(text: &str) -> Result<IpAddr, DeskAnswer> {
    text.parse().map_err(|_| bad("This is no IPv4 or IPv6 address."))
}

fn room_filter(text: &str) -> Result<RoomFilter, DeskAnswer> {
    let mut filter = RoomFilter {
        limit: PAGE,
        ..RoomFilter::default()
    };
    for (name, value) in query::read(text, &["game", "code", "app", "limit", "after"]).map_err(bad)? {
        if value.len() > FILTER_MAX {
            return Err(bad("A filter is too long."));
        }
        match name {
            "game" => filter.game = Some(value),
            // Codes are upper-case wherever they come from (D7).
            "code" => filter.code = Some(value.to_uppercase()),
            "app" => filter.app = Some(value),
            "limit" => {
                let limit = value.parse().ok().filter(|limit| (1..=PAGE_MAX).contains(limit));
                filter.limit = limit.ok_or_else(|| bad("`limit` is a number from 1 to 500."))?;
            }
            _ => {
                let place = value.split_once('.');
                let place = place.and_then(|(shard, place)| Some((shard.parse().ok()?, place.parse().ok()?)));
                filter.after = place.ok_or_else(|| bad("`after` is `next` of the page before."))?;
            }
        }
    }
    Ok(filter)
}

fn reason(text: &str) -> Result<String, DeskAnswer> {
    let reason = query::read(text, &["reason"]).map_err(bad)?.pop();
    let reason = reason.map_or(REASON.to_owned(), |(_, reason)| reason);
    let is_clean = !reason.trim().is_empty() && !reason.chars().any(char::is_control);
    if is_clean && reason.chars().count() <= REASON_MAX {
        Ok(reason)
    } else {
        Err(bad("`reason` is a text of 1 to 200 characters on one line."))
    }
}

fn ban_time(text: &str) -> Result<Duration, DeskAnswer> {
    let seconds = query::read(text, &["seconds"]).map_err(bad)?.pop();
    let seconds = seconds.map_or(Some(BAN), |(_, seconds)| seconds.parse().ok());
    seconds
        .filter(|seconds| (1..=BAN_MAX).contains(seconds))
        .map(Duration::from_secs)
        .ok_or_else(|| bad("`seconds` is a number from 1 to 31536000."))
}

/// A failure as JSON with the key `error`.
fn failure(status: &'static str, headers: &'static str, text: &str) -> DeskAnswer {
    let body = serde_json::json!({ "error": text }).to_string();
    DeskAnswer {
        status,
        content_type: "application/json",
        headers,
        body: Body::Whole(body.into_bytes().into()),
    }
}

fn fail(status: &'static str, text: &str) -> DeskAnswer {
    failure(status, "", text)
}

fn bad(text: &str) -> DeskAnswer {
    fail("400 Bad Request", text)
}

fn not_allowed(allow: &'static str) -> DeskAnswer {
    failure("405 Method Not Allowed", allow, "This path does not take this method.")
}

/// The room, the member or the ban is not there.
pub(super) fn absent(what: &str) -> DeskAnswer {
    fail("404 Not Found", what)
}

/// Who asks would be shut out.
pub(super) fn own_address() -> DeskAnswer {
    fail("409 Conflict", "This is the address that you ask from.")
}

/// There are too many bans.
pub(super) fn too_many_bans() -> DeskAnswer {
    fail(
        "409 Conflict",
        &format!("{BANS_MAX} addresses are banned: lift some of these bans."),
    )
}

/// A shard or the control plane stands still.
pub(super) fn no_reply() -> DeskAnswer {
    fail("503 Service Unavailable", "A part of the server does not answer.")
}

/// Too many wrong tokens came from this address.
pub(super) fn too_many_guesses() -> DeskAnswer {
    DeskAnswer {
        content_type: TEXT,
        ..failure(
            "429 Too Many Requests",
            "retry-after: 60\r\n",
            "Too many wrong tokens came from this address.",
        )
    }
}

/// What an order brought.
pub(super) fn done(body: &serde_json::Value) -> DeskAnswer {
    DeskAnswer {
        status: "200 OK",
        content_type: "application/json",
        headers: "",
        body: Body::Whole(body.to_string().into_bytes().into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: &str = "6f1f4b0e-5a55-4c43-9c59-000000000001";

    fn read(line: &str) -> Result<Order, (&'static str, &'static str)> {
        let (method, target) = line.split_once(' ').expect("method and target");
        let (path, query) = target
            .split_once('?')
            .map_or((target, None), |(path, query)| (path, Some(query)));
        let inquiry = Inquiry {
            method: method.into(),
            path: path.into(),
            query: query.map(Into::into),
            authorization: None,
            client: IpAddr::from([127, 0, 0, 1]),
        };
        Order::read(&inquiry).map_err(|answer| (answer.status, answer.headers))
    }

    #[test]
    fn orders_are_read() {
        let id = RoomId::parse(ROOM).expect("an id");
        let player = MemberId::parse(ROOM).expect("an id");
        let ip = IpAddr::from([192, 0, 2, 1]);
        let filter = RoomFilter {
            game: Some("my game".to_owned()),
            code: Some("ABC234".to_owned()),
            app: Some("x".to_owned()),
            after: (3, 17),
            limit: 500,
        };
        for (line, order) in [
            ("GET /admin/status".to_owned(), Order::Status),
            ("HEAD /admin/bans?".to_owned(), Order::Bans),
            (
                "GET /admin/rooms?game=my%20game&code=abc234&app=x&after=3.17&limit=500".to_owned(),
                Order::Rooms(filter),
            ),
            (format!("GET /admin/rooms/{ROOM}"), Order::Room(id)),
            (format!("DELETE /admin/rooms/{ROOM}"), Order::CloseRoom(id)),
            (
                format!("DELETE /admin/rooms/{ROOM}/players/{ROOM}?reason=be+kind"),
                Order::Kick(id, player, "be kind".to_owned()),
            ),
            (
                format!("DELETE /admin/rooms/{ROOM}/players/{ROOM}"),
                Order::Kick(id, player, REASON.to_owned()),
            ),
            (
                "PUT /admin/bans/192.0.2.1?seconds=5".to_owned(),
                Order::Ban(ip, Duration::from_secs(5)),
            ),
            (
                "PUT /admin/bans/192.0.2.1".to_owned(),
                Order::Ban(ip, Duration::from_secs(BAN)),
            ),
            ("DELETE /admin/bans/192.0.2.1".to_owned(), Order::LiftBan(ip)),
        ] {
            assert_eq!(read(&line), Ok(order), "{line}");
        }
    }

    #[test]
    fn what_is_no_order_is_refused() {
        let player = format!("/admin/rooms/{ROOM}/players/{ROOM}");
        let long = "x".repeat(300);
        for (line, status) in [
            ("GET /admin/".to_owned(), "404"),
            ("GET /admin/nothing".to_owned(), "404"),
            (format!("GET /admin/rooms/{ROOM}/players"), "404"),
            ("GET /admin/rooms/".to_owned(), "400"),
            ("DELETE /admin/rooms/7".to_owned(), "400"),
            (format!("DELETE {player}x"), "400"),
            (format!("DELETE {player}?reason="), "400"),
            (format!("DELETE {player}?reason=a%0Ab"), "400"),
            (format!("DELETE {player}?reason={long}"), "400"),
            (format!("DELETE {player}?why=x"), "400"),
            (format!("DELETE {player}?reason=a&reason=b"), "400"),
            ("GET /admin/rooms?limit=0".to_owned(), "400"),
            ("GET /admin/rooms?limit=501".to_owned(), "400"),
            ("GET /admin/rooms?limit=-1".to_owned(), "400"),
            ("GET /admin/rooms?limit=99999999999999999999".to_owned(), "400"),
            ("GET /admin/rooms?after=7".to_owned(), "400"),
            ("GET /admin/rooms?after=70000.1".to_owned(), "400"),
            (format!("GET /admin/rooms?game={long}"), "400"),
            ("GET /admin/status?x=1".to_owned(), "400"),
            ("GET /admin/bans?token=x".to_owned(), "400"),
            ("PUT /admin/bans/nobody".to_owned(), "400"),
            ("PUT /admin/bans/192.0.2.0%2F24".to_owned(), "400"),
            ("PUT /admin/bans/192.0.2.1?seconds=0".to_owned(), "400"),
            ("PUT /admin/bans/192.0.2.1?seconds=31536001".to_owned(), "400"),
            ("PUT /admin/bans/192.0.2.1?seconds=soon".to_owned(), "400"),
        ] {
            let found = read(&line).expect_err(&line);
            assert!(found.0.starts_with(status), "{line}: {found:?}");
        }
        for (line, allow) in [
            ("POST /admin/rooms".to_owned(), "allow: GET,HEAD\r\n"),
            ("OPTIONS /admin/status".to_owned(), "allow: GET,HEAD\r\n"),
            (format!("PUT /admin/rooms/{ROOM}"), "allow: GET,HEAD,DELETE\r\n"),
            (format!("GET {player}"), "allow: DELETE\r\n"),
            ("GET /admin/bans/192.0.2.1".to_owned(), "allow: PUT,DELETE\r\n"),
        ] {
            assert_eq!(read(&line), Err(("405 Method Not Allowed", allow)), "{line}");
        }
    }
}
