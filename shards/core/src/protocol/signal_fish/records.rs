//! Players who dropped and may return.

use super::room::Token;
use super::wire::{ConnectionInfo, PlayerId, PlayerName, RoomId, Timestamp};
use crate::admission::AppIndex;
use ahash::RandomState;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

/// Dropped players that a shard remembers at most; above it the oldest is expired early.
const RECORDS_MAX: usize = 65_536;

/// Expired players that a shard remembers at most, to answer that they came too late (D19).
const EXPIRED_MAX: usize = 4_096;

/// A player who dropped and may return.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) player_id: PlayerId,
    pub(super) room_id: RoomId,
    pub(super) app: Option<AppIndex>,
    pub(super) token: Token,
    pub(super) name: PlayerName,
    pub(super) connected_at: Timestamp,
    pub(super) connection_info: Option<Box<ConnectionInfo>>,
    pub(super) had_authority: bool,
    /// Position of the first broadcast that it missed.
    pub(super) since: u64,
}

/// When a record ends; the number tells apart those that end together.
type Deadline = (Duration, u64);

/// The dropped players of a shard.
#[derive(Debug)]
pub(super) struct Records {
    by_player: HashMap<PlayerId, (Deadline, Record), RandomState>,
    by_deadline: BTreeMap<Deadline, PlayerId>,
    expired: VecDeque<(PlayerId, RoomId)>,
    inserted: u64,
}

impl Records {
    pub(super) fn new(hashing: RandomState) -> Self {
        Self {
            by_player: HashMap::with_hasher(hashing),
            by_deadline: BTreeMap::new(),
            expired: VecDeque::new(),
            inserted: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_player.len()
    }

    pub(super) fn insert(&mut self, until: Duration, record: Record) {
        self.inserted += 1;
        let deadline = (until, self.inserted);
        self.remove(record.player_id);
        self.by_deadline.insert(deadline, record.player_id);
        self.by_player.insert(record.player_id, (deadline, record));
    }

    pub(super) fn get(&self, player: PlayerId) -> Option<&Record> {
        self.by_player.get(&player).map(|(_, record)| record)
    }

    pub(super) fn remove(&mut self, player: PlayerId) -> Option<Record> {
        let (deadline, record) = self.by_player.remove(&player)?;
        self.by_deadline.remove(&deadline);
        Some(record)
    }

    /// When the next record ends.
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.by_deadline.first_key_value().map(|((until, _), _)| *until)
    }

    /// Takes out a record whose time is over.
    pub(super) fn pop_due(&mut self, now: Duration) -> Option<Record> {
        if self.next_due()? > now {
            return None;
        }
        self.pop_first()
    }

    /// Takes out the oldest record while there are too many.
    pub(super) fn pop_surplus(&mut self) -> Option<Record> {
        if self.len() <= RECORDS_MAX {
            return None;
        }
        self.pop_first()
    }

    fn pop_first(&mut self) -> Option<Record> {
        let (_, player) = self.by_deadline.pop_first()?;
        self.by_player.remove(&player).map(|(_, record)| record)
    }

    pub(super) fn remember_expired(&mut self, record: &Record) {
        if self.expired.len() == EXPIRED_MAX {
            self.expired.pop_front();
        }
        self.expired.push_back((record.player_id, record.room_id));
    }

    pub(super) fn has_expired(&self, player: PlayerId, room: RoomId) -> bool {
        self.expired.contains(&(player, room))
    }

    pub(super) fn clear(&mut self) {
        self.by_player.clear();
        self.by_deadline.clear();
        self.expired.clear();
    }
}
