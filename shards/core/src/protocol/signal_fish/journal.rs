//! What the log says about sessions and rooms.

use super::super::journal::{self, Line};
use super::session::Session;
use super::state::SignalFish;
use super::wire::{ErrorCode, PlayerId};
use crate::room::RoomId;
use crate::slot::Slot;

impl SignalFish {
    /// What a line about this connection tells.
    pub(crate) fn line(&self, slot: Slot) -> Line<'_> {
        let line = Line {
            shard: self.shard,
            slot: Some(slot),
            ..Line::default()
        };
        let Some(session) = self.sessions.get(slot) else {
            return line;
        };
        let room = session.membership.room().and_then(|room| self.rooms.get(room));
        Line {
            app: self.app_of(session).map(|app| app.app_id),
            room: room.map(|room| room.id()),
            ..session.add_to(line)
        }
    }

    /// Something happened to this connection.
    #[cold]
    #[inline(never)]
    pub(super) fn log(&self, slot: Slot, message: &str) {
        if journal::is_on() {
            self.line(slot).log(message);
        }
    }

    /// It did not get what it wanted.
    #[cold]
    #[inline(never)]
    pub(super) fn log_refused(&self, slot: Slot, code: ErrorCode) {
        if journal::is_on() {
            // The name on the wire, in quotes.
            let name = serde_json::to_string(&code).unwrap_or_default();
            Line {
                reason: Some(name.trim_matches('"')),
                ..self.line(slot)
            }
            .log("refused");
        }
    }

    /// It is about to be closed.
    #[cold]
    #[inline(never)]
    pub(super) fn log_closed(&self, slot: Slot, code: u16, reason: &'static str) {
        if journal::is_on() {
            Line {
                code: Some(code),
                reason: Some(reason),
                ..self.line(slot)
            }
            .log("closed");
        }
    }

    /// Something happened to a room, or to a player who is not connected.
    #[cold]
    #[inline(never)]
    pub(super) fn log_room(&self, room: RoomId, player: Option<PlayerId>, message: &str) {
        if journal::is_on() {
            Line {
                shard: self.shard,
                room: Some(room),
                player,
                ..Line::default()
            }
            .log(message);
        }
    }
}

impl Session {
    /// Adds what a session knows wherever it is.
    pub(crate) fn add_to<'a>(&'a self, line: Line<'a>) -> Line<'a> {
        Line {
            address: Some(self.ip),
            certificate: self.certificate(),
            player: Some(self.player_id),
            ..line
        }
    }
}
