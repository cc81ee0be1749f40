//! What Signal Fish is on one shard.

use super::counters::{Counters, Gauges};
use super::observation::Observation;
use super::records::Records;
use super::room::Room;
use super::session::Session;
use super::sessions::Sessions;
use super::settings::{AppOf, Settings};
use crate::admission::AppIndex;
use crate::entry::{Openings, Routing, draw_hashing};
use crate::room::{Replays, Rooms};
use crate::slot::ShardIndex;
use ahash::RandomState;
use rand::Rng;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Sessions and rooms of one shard.
pub struct SignalFish {
    pub(super) settings: Arc<Settings>,
    pub(super) shard: ShardIndex,
    pub(super) routing: Routing,
    pub(super) random: Box<dyn Rng + Send>,
    pub(super) apps: HashMap<Box<str>, AppIndex, RandomState>,
    pub(super) sessions: Sessions,
    pub(super) rooms: Rooms<Room>,
    /// Rooms for which a permit is asked.
    pub(super) openings: Openings,
    pub(super) records: Records,
    /// What all rooms keep for those who can still return.
    pub(super) replays: Replays,
    pub(super) counters: Counters,
    /// When those asked to join who entered since the shard last looked. Emptied with every turn.
    pub(super) joined: Vec<Duration>,
    /// What was observed since the shard last looked. Emptied with every turn.
    pub(super) observations: Vec<Observation>,
    /// When rooms are swept, if there are any.
    pub(super) next_sweep: Duration,
}

impl SignalFish {
    /// No sessions and no rooms yet. `random` must be fit for secrets: it makes ids, room codes and reconnection tokens.
    #[must_use]
    pub fn new(settings: Arc<Settings>, shard: ShardIndex, routing: Routing, mut random: Box<dyn Rng + Send>) -> Self {
        // With the routing's seeds the keys of a shard would share their low hash bits.
        let hashing = draw_hashing(&mut *random);
        let mut apps = HashMap::with_hasher(hashing.clone());
        index_apps(&settings, &mut apps);
        let replays_max = settings.event_buffer_total_bytes;
        Self {
            settings,
            shard,
            routing,
            random,
            apps,
            sessions: Sessions::default(),
            rooms: Rooms::new(&hashing),
            openings: Openings::new(&hashing),
            records: Records::new(hashing),
            replays: Replays::new(replays_max),
            counters: Counters::default(),
            joined: Vec::new(),
            observations: Vec::new(),
            next_sweep: Duration::ZERO,
        }
    }

    /// An operator changed something. Sessions and rooms stay as they are, those of apps that may connect no more
    /// included.
    pub fn reload(&mut self, settings: Arc<Settings>) {
        index_apps(&settings, &mut self.apps);
        self.settings = settings;
    }

    /// The app of a session, if it has one: of the list, or found by a directory.
    pub(super) fn app_of<'a>(&'a self, session: &'a Session) -> Option<AppOf<'a>> {
        match session
            .introduction
            .as_ref()
            .and_then(|introduction| introduction.app.as_deref())
        {
            Some(found) => Some(AppOf {
                app_id: &found.app_id,
                name: &found.name,
                max_players_per_room: found.max_players_per_room,
                rate_limit_per_minute: found.limits.authentications_per_minute_max,
            }),
            None => self.settings.app(session.app),
        }
    }

    /// What happened since the start.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Game data messages that were relayed since the start.
    #[must_use]
    pub fn relayed(&self) -> u64 {
        self.counters.game_data_in
    }

    /// When those asked to join who entered a room since the last call.
    pub fn take_joined(&mut self) -> impl Iterator<Item = Duration> {
        self.joined.drain(..)
    }

    /// What lives now. Walks all rooms.
    #[must_use]
    pub fn gauges(&self) -> Gauges {
        debug_assert_eq!(
            self.replays.bytes(),
            self.rooms().map(|room| room.replay().memory()).sum::<usize>(),
            "every change of a replay is counted"
        );
        Gauges {
            rooms: self.rooms.len(),
            players: self.rooms().map(|room| room.players().len()).sum(),
            spectators: self.rooms().map(|room| room.spectators().len()).sum(),
            sessions: self.sessions.len(),
            awaited: self.records.len(),
            replay_bytes: self.replays.bytes(),
            openings: self.openings.len(),
        }
    }

    /// Every room, in no order that means anything.
    pub fn rooms(&self) -> impl Iterator<Item = &Room> {
        self.rooms.iter().map(|(_, entry)| &entry.room)
    }
}

/// Finds the apps that may connect by their ids. A later entry with the same id wins.
fn index_apps(settings: &Settings, apps: &mut HashMap<Box<str>, AppIndex, RandomState>) {
    apps.clear();
    for (index, app) in (0..).zip(&settings.apps) {
        if app.authorized {
            apps.insert(app.app_id.as_str().into(), AppIndex(index));
        }
    }
}

impl fmt::Debug for SignalFish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gauges = self.gauges();
        f.debug_struct("SignalFish")
            .field("shard", &self.shard)
            .field("gauges", &gauges)
            .finish_non_exhaustive()
    }
}
