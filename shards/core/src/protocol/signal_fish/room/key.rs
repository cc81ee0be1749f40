//! How Signal Fish names its rooms.

use super::super::wire::{GameName, RoomCode};
use crate::admission::AppIndex;
use crate::room::RoomKey;

/// The key of a room: codes are unique in a game, games in an app (D11).
#[must_use]
pub fn key(app: Option<AppIndex>, game: &GameName, code: &RoomCode) -> RoomKey {
    // Neither part can hold a zero byte.
    RoomKey::new("signal-fish", app, [game.as_str(), code.as_str()].join("\0"))
}
