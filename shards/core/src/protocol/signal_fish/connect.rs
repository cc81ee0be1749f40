//! Sessions begin, are told why their connection ends, and end.

use super::super::event::{Opening, Trouble};
use super::binding::Binding;
use super::dialect::JSON;
use super::failure::Failure;
use super::observation::Observation;
use super::room::key;
use super::session::{Membership, Rare, Session};
use super::state::SignalFish;
use super::tell;
use super::wire::{ErrorCode, GameName, RoomCode};
use crate::admission::Notice;
use crate::effects::{Cx, Effects};
use crate::slot::ShardIndex;
use crate::ws::{Kind, Violation};
use std::borrow::Cow;
use std::time::Duration;

/// Longest `game_name` or `room_code` that is taken from a URL, in bytes; longer ones cannot name a room.
const HINT_BYTES_MAX: usize = 1024;

/// Close code of a breach of policy (D9).
const POLICY: u16 = 1008;
/// Close code of a shutdown (D9).
const GOING_AWAY: u16 = 1001;

impl SignalFish {
    /// The shard of the room that a URL names with `game_name` and `room_code`. With authentication the app is part of the
    /// key and not known yet.
    #[must_use]
    pub fn home(&self, opening: &Opening) -> Option<ShardIndex> {
        if self.settings.require_auth {
            return None;
        }
        let (game, code) = hint(opening.query.as_deref()?)?;
        let game = GameName::parse(&game, self.settings.max_game_name_length).ok()?;
        let code = RoomCode::parse(&code, self.settings.room_code_length).ok()?;
        Some(self.routing.room(&key(None, &game, &code)))
    }

    /// A connection was upgraded.
    pub fn opened(&mut self, cx: &mut Cx<'_>, opening: &Opening) {
        let binding = opening.binding.as_ref().map(|agreed| {
            let (binding, challenge) = Binding::new(agreed, |nonce| self.random.fill_bytes(nonce));
            if let Some(challenge) = challenge {
                cx.send(Kind::Text, |out| out.extend_from_slice(challenge.as_bytes()));
            }
            binding
        });
        let certificate = opening.certificate.clone();
        let rare = (binding.is_some() || certificate.is_some()).then(|| {
            Box::new(Rare {
                binding,
                certificate,
                ..Rare::default()
            })
        });
        let session = Session {
            generation: cx.slot.generation,
            invalid_in_a_row: 0,
            pending: None,
            rare,
            membership: Membership::None,
            player_id: self.draw_player_id(),
            ip: opening.client,
            dialect: JSON,
            app: None,
            introduction: None,
            authenticate_until: self
                .settings
                .require_auth
                .then(|| cx.now.monotonic.saturating_add(self.settings.auth_timeout)),
        };
        self.sessions.insert(cx.slot, session);
        self.counters.sessions_begun += 1;
        self.log(cx.slot, "opened");
    }

    /// The connection is about to be closed by the shard: its client is told why. There may be no session.
    pub fn explain(&self, cx: &mut Cx<'_>, trouble: &Trouble) {
        let failure = match trouble {
            Trouble::Refused(refusal) => Failure::refused(refusal, ""),
            Trouble::Violation(Violation::TooLarge) => Failure::new("Message too large", ErrorCode::MessageTooLarge),
            Trouble::Violation(Violation::InvalidUtf8) => Failure::invalid("Text message is not valid UTF-8"),
            Trouble::Violation(Violation::Protocol(what)) => Failure::invalid(what),
            Trouble::MessageTimeout => Failure::invalid("Message was not complete in time"),
        };
        tell::failure(cx, failure);
    }

    /// The connection ended without the protocol's doing; a player drops and may return.
    pub fn left(&mut self, cx: &mut Cx<'_>) {
        let Some(session) = self.sessions.end(cx.slot) else {
            return;
        };
        self.counters.sessions_ended += 1;
        match session.membership {
            Membership::None => {}
            Membership::Player(room) => self.player_dropped(cx, room, session.player_id),
            Membership::Spectator(room) => self.spectator_dropped(cx, room, session.player_id),
        }
        session.abandon(|notice| cx.fx.notify(notice));
    }

    /// Ends a connection for a reason of policy; a player drops and may return.
    pub(super) fn close(&mut self, cx: &mut Cx<'_>, reason: &'static str) {
        self.log_closed(cx.slot, POLICY, reason);
        cx.close(POLICY, reason);
        self.left(cx);
    }

    /// The server shuts down: sessions and rooms are forgotten, and nobody is told who left. What was granted goes back.
    pub fn drain(&mut self, fx: &mut Effects) {
        let slots: Vec<_> = self.sessions.slots().collect();
        for slot in slots {
            self.log_closed(slot, GOING_AWAY, "the server shuts down");
            if let Some(session) = self.sessions.end(slot) {
                self.counters.sessions_ended += 1;
                session.abandon(|notice| fx.notify(notice));
            }
        }
        self.openings.forget_queues();
        while let Some(record) = self.records.pop_due(Duration::MAX) {
            self.observe(|| Observation::PlayerExpired {
                room: record.room_id,
                player: record.player_id,
            });
        }
        self.records.clear();
        self.replays.clear();
        let rooms: Vec<_> = self.rooms.iter().map(|(handle, _)| handle).collect();
        for handle in rooms {
            if let Some(entry) = self.rooms.remove(handle) {
                self.counters.rooms_removed += 1;
                self.observe(|| Observation::RoomEnded { room: entry.id });
                fx.notify(Notice::RoomEnded(entry.permit));
            }
        }
    }
}

/// Game and code in the query of a URL. A hint that is incomplete is no hint.
fn hint(query: &str) -> Option<(Cow<'_, str>, Cow<'_, str>)> {
    let (mut game, mut code) = (None, None);
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*key {
            "game_name" => game = Some(value),
            "room_code" => code = Some(value),
            _ => {}
        }
    }
    let (game, code) = (game?, code?);
    (game.len() <= HINT_BYTES_MAX && code.len() <= HINT_BYTES_MAX).then_some((game, code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_needs_both_parts() {
        assert_eq!(hint("room_code=ABC123"), None);
        assert_eq!(
            hint("x=1&room_code=abc123&game_name=my%20game"),
            Some(("my game".into(), "abc123".into()))
        );
        let long = "x".repeat(HINT_BYTES_MAX + 1);
        assert_eq!(hint(&format!("room_code=ABC123&game_name={long}")), None);
    }
}
