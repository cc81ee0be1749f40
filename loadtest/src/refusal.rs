//! What the server refused, and which limit or setting did it.

use crate::control::{Refused, fields};
use crate::net::End;
use std::collections::BTreeMap;

/// Different refusals that are kept apart; more are counted together.
const KINDS_MAX: usize = 64;

/// Refusals by what refused.
#[derive(Debug, Clone, Default)]
pub struct Refusals {
    kinds: BTreeMap<(String, String), u64>,
}

/// One kind of refusal.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Refusal {
    /// Error code, HTTP status or close code.
    pub code: String,
    /// The server's words, the first of its kind.
    pub text: String,
    /// The setting of the server, or the limit of a system, that stands behind it.
    pub limit: String,
    /// How often.
    pub count: u64,
}

impl Refusals {
    /// Counts a refusal that came as a message.
    pub fn message(&mut self, text: &[u8]) {
        match fields::<Refused<'_>>(text) {
            Some(refused) => self.count(refused.error_code.as_deref().unwrap_or("no code"), &refused.message),
            None => self.count("unreadable", &String::from_utf8_lossy(&text[..text.len().min(120)])),
        }
    }

    /// Counts a connection that the server did not let live.
    pub fn end(&mut self, end: &End) {
        match end {
            End::Ours => {}
            End::CloseFrame(Some(code)) => self.count(&format!("close {code}"), "the server closed a connection"),
            End::CloseFrame(None) => self.count("close", "the server closed a connection without a code"),
            End::Dropped(reason) => self.count("dropped", reason),
            End::Refused(reason) => match reason.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.split(' ').next()) {
                Some(status) => self.count(&format!("HTTP {status}"), reason),
                None => self.count("connection refused", reason),
            },
            End::Broken(reason) => self.count("broken connection", reason),
        }
    }

    /// Counts a failure on our side of the wire.
    pub fn local(&mut self, reason: &str) {
        self.count("local", reason);
    }

    /// Adds those of `other`.
    pub fn add(&mut self, other: &Self) {
        for ((code, text), count) in &other.kinds {
            *self.kinds.entry((code.clone(), text.clone())).or_default() += count;
        }
    }

    /// The kinds, most frequent first.
    #[must_use]
    pub fn list(&self) -> Vec<Refusal> {
        let mut list: Vec<_> = self
            .kinds
            .iter()
            .map(|((code, text), count)| Refusal {
                code: code.clone(),
                text: text.clone(),
                limit: limit_behind(code, text).to_owned(),
                count: *count,
            })
            .collect();
        list.sort_by_key(|refusal| std::cmp::Reverse(refusal.count));
        list
    }

    fn count(&mut self, code: &str, text: &str) {
        // Numbers such as seconds to wait would make a kind of every refusal.
        let text: String = text
            .chars()
            .take(200)
            .map(|c| if c.is_ascii_digit() { '#' } else { c })
            .collect();
        let mut shortened = String::new();
        for c in text.chars() {
            if c != '#' || !shortened.ends_with('#') {
                shortened.push(c);
            }
        }
        let mut key = (code.to_owned(), shortened);
        if self.kinds.len() >= KINDS_MAX && !self.kinds.contains_key(&key) {
            key = ("others".to_owned(), String::new());
        }
        *self.kinds.entry(key).or_default() += 1;
    }
}

fn limit_behind(code: &str, text: &str) -> &'static str {
    match code {
        "RATE_LIMIT_EXCEEDED" if text.contains("creation") => {
            "rate_limit.max_room_creations per rate_limit.time_window"
        }
        "RATE_LIMIT_EXCEEDED" if text.contains("oin") => "rate_limit.max_join_attempts per rate_limit.time_window",
        "RATE_LIMIT_EXCEEDED" => "rate_limit.* of the server, or rate_limit_per_minute of the app",
        "TOO_MANY_CONNECTIONS" => "security.max_connections_per_ip",
        "MAX_ROOMS_PER_GAME_EXCEEDED" => "server.max_rooms_per_game, or max_rooms of the app",
        "ROOM_FULL" => "max_players of the room",
        "INVALID_MAX_PLAYERS" => "protocol.max_players_limit, or max_players_per_room of the app",
        "INVALID_ROOM_CODE" => "protocol.room_code_length",
        "TOO_MANY_SPECTATORS" => "server.max_spectators_per_room",
        "MESSAGE_TOO_LARGE" => "security.max_message_size",
        "INVALID_APP_ID" | "MISSING_APP_ID" | "AUTHENTICATION_REQUIRED" => "security.authorized_apps: use --app-id",
        "AUTHENTICATION_TIMEOUT" => "websocket.auth_timeout_secs",
        "UNSUPPORTED_GAME_DATA_FORMAT" => "protocol.enable_message_pack_game_data",
        "RECONNECTION_EXPIRED" => "server.reconnection_window",
        "RECONNECTION_FAILED" | "RECONNECTION_TOKEN_INVALID" => "server.enable_reconnection",
        "SERVICE_UNAVAILABLE" | "close 1001" => "the server is draining",
        "close 1013" | "SLOW_CONSUMER" => "websocket.max_outbound_bytes: the client (this generator) read too slowly",
        "close 1008" => "server.ping_timeout, security.max_connections_per_ip or another policy",
        "close 1009" => "the cap on a frame",
        "HTTP 404" => "the path of --url",
        "HTTP 503" => "the server is draining",
        _ if code.starts_with("HTTP") => "what the HTTP answer says",
        "connection refused" => "nothing listens there, or its backlog is full",
        "local" => "where the generator runs",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_that_differ_in_numbers_only_are_one_kind() {
        let mut refusals = Refusals::default();
        for seconds in [5, 41] {
            let text = format!(
                r#"{{"type":"RoomJoinFailed","data":{{"reason":"Room creation rate limit exceeded. Try again in {seconds} seconds.","error_code":"RATE_LIMIT_EXCEEDED"}}}}"#
            );
            refusals.message(text.as_bytes());
        }
        let list = refusals.list();
        assert_eq!((list.len(), list[0].count), (1, 2));
        assert_eq!(
            list[0].limit,
            "rate_limit.max_room_creations per rate_limit.time_window"
        );
    }

    #[test]
    fn the_number_of_kinds_is_bounded() {
        let mut refusals = Refusals::default();
        for kind in 0..200_u32 {
            let name: String = (0..8).map(|bit| if kind >> bit & 1 == 1 { 'x' } else { 'y' }).collect();
            refusals.end(&End::Broken(name));
        }
        assert!(refusals.list().len() <= KINDS_MAX + 1);
    }
}
