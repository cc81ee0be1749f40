//! Writes what happens to rooms into SQLite: a table of rooms, and one of the players in them.
#![forbid(unsafe_code)]

use rusqlite::{Connection, Result, params};
use signal_fish_server::Observation;
use signal_fish_server::embedding::{Observer, Seen};
use std::time::UNIX_EPOCH;

/// An observer that owns its database. It runs on the observer's thread, so a slow disk holds up no shard.
pub struct Store(Connection);

impl Store {
    /// # Errors
    /// What SQLite says.
    pub fn new(database: Connection) -> Result<Self> {
        database.execute_batch(
            "CREATE TABLE IF NOT EXISTS rooms (id TEXT PRIMARY KEY, game TEXT, code TEXT, opened INTEGER, ended INTEGER);
             CREATE TABLE IF NOT EXISTS players (id TEXT PRIMARY KEY, room TEXT, name TEXT, is_in INTEGER);",
        )?;
        Ok(Self(database))
    }

    fn keep(&self, seen: &Seen) -> Result<usize> {
        let at = seen.at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        match &seen.what {
            Observation::RoomOpened { room, game, code, .. } => self.0.execute(
                "INSERT OR REPLACE INTO rooms VALUES (?, ?, ?, ?, NULL)",
                params![room.to_string(), &**game, &**code, at],
            ),
            Observation::PlayerJoined { room, player, name } => self.0.execute(
                "INSERT OR REPLACE INTO players VALUES (?, ?, ?, TRUE)",
                params![player.to_string(), room.to_string(), &**name],
            ),
            Observation::PlayerLeft { player, .. } => self.is_in(&player.to_string(), false),
            Observation::PlayerReturned { player, .. } => self.is_in(&player.to_string(), true),
            Observation::PlayerExpired { .. } => Ok(0),
            Observation::RoomEnded { room } => self
                .0
                .execute("UPDATE rooms SET ended = ? WHERE id = ?", params![at, room.to_string()]),
        }
    }

    fn is_in(&self, player: &str, is_in: bool) -> Result<usize> {
        self.0
            .execute("UPDATE players SET is_in = ? WHERE id = ?", params![is_in, player])
    }
}

impl Observer for Store {
    fn see(&mut self, seen: Seen) {
        if let Err(error) = self.keep(&seen) {
            eprintln!("{seen:?} is not in the database: {error}");
        }
    }
}
