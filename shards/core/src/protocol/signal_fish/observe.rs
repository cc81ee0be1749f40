//! What an observer learns of rooms and players, if there is one.

use super::observation::Observation;
use super::state::SignalFish;
use super::wire::PlayerId;
use crate::room::RoomHandle;
use crate::slot::Slot;

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

    /// The session at `slot` opened a room.
    pub(super) fn observe_opened(&mut self, slot: Slot, handle: RoomHandle) {
        if !self.settings.observed {
            return;
        }
        let Some(entry) = self.rooms.entry(handle) else { return };
        let session = self.sessions.get(slot);
        let app = session.and_then(|session| self.app_of(session));
        let opened = Observation::RoomOpened {
            room: entry.id,
            game: entry.room.game().as_str().into(),
            code: entry.room.code().as_str().into(),
            app: app.map(|app| app.app_id.into()),
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
