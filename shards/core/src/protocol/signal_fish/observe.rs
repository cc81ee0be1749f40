//! What an observer learns of rooms and players, if there is one.

use super::state::SignalFish;
use super::wire::PlayerId;
use crate::room::{RoomHandle, RoomId};

/// Something that happened to a room of Signal Fish. The observations of one room come in order, for it lives on one shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observation {
    /// A room was opened. Its first player joins next.
    RoomOpened {
        /// The room.
        room: RoomId,
        /// Game name, as its creator wrote it.
        game: Box<str>,
        /// Room code.
        code: Box<str>,
        /// The app of its creator, with `security.require_websocket_auth`.
        app: Option<Box<str>>,
        /// Seats.
        max_players: u8,
    },
    /// A player took a seat.
    PlayerJoined {
        /// The room.
        room: RoomId,
        /// The player.
        player: PlayerId,
        /// Name, as the player wrote it.
        name: Box<str>,
    },
    /// A player is gone: it left, its connection ended, or an operator removed it.
    PlayerLeft {
        /// The room.
        room: RoomId,
        /// The player.
        player: PlayerId,
        /// It dropped, and has `server.reconnection_window` to return.
        may_return: bool,
    },
    /// A player that dropped has its seat again, or a player goes on with another connection (D21).
    PlayerReturned {
        /// The room.
        room: RoomId,
        /// The player.
        player: PlayerId,
    },
    /// A player that dropped can return no more. The room may have ended before.
    PlayerExpired {
        /// The room.
        room: RoomId,
        /// The player.
        player: PlayerId,
    },
    /// A room is gone. Players who are still in it are gone with it.
    RoomEnded {
        /// The room.
        room: RoomId,
    },
}

impl SignalFish {
    /// What happened since the last call; nothing if nobody observes.
    pub fn take_observations(&mut self) -> Vec<Observation> {
        std::mem::take(&mut self.observations)
    }

    /// Keeps an observation for the end of the turn, which bounds how many there are.
    pub(super) fn observe(&mut self, observation: impl FnOnce() -> Observation) {
        if self.settings.observed {
            self.observations.push(observation());
        }
    }

    /// A room was opened.
    pub(super) fn observe_opened(&mut self, handle: RoomHandle) {
        if !self.settings.observed {
            return;
        }
        let Some(entry) = self.rooms.entry(handle) else { return };
        let app = self.settings.app(entry.key.app());
        let opened = Observation::RoomOpened {
            room: entry.id,
            game: entry.room.game().as_str().into(),
            code: entry.room.code().as_str().into(),
            app: app.map(|app| app.app_id.as_str().into()),
            max_players: entry.room.max_players(),
        };
        self.observations.push(opened);
    }

    /// A player has its seat again.
    pub(super) fn observe_returned(&mut self, handle: RoomHandle, player: PlayerId) {
        if let Some(room) = self.rooms.get(handle).map(|room| room.id()) {
            self.observe(|| Observation::PlayerReturned { room, player });
        }
    }
}
