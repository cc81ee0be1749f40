//! Players who dropped and may return.

use super::room::Token;
use super::wire::{ConnectionInfo, PlayerId, PlayerName, RoomId, Timestamp};
use crate::admission::AppIndex;
use ahash::RandomState;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

/// Dropped players that a shard remembers at most; above it the oldest is expired early.
pub const RECORDS_MAX: usize = 65_536;

/// Memory for the connection infos of dropped players, in bytes; above it the oldest is expired early, too.
pub const RECORDS_INFO_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Memory that a dropped player takes besides its connection info, in bytes: a record in a map that may be half empty, its
/// deadline in a tree, a name, a token.
pub const RECORD_BYTES: usize = 1024;

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
    info_bytes: usize,
}

impl Record {
    fn info_bytes(&self) -> usize {
        self.connection_info.as_ref().map_or(0, |info| info.memory())
    }
}

impl Records {
    pub(super) fn new(hashing: RandomState) -> Self {
        Self {
            by_player: HashMap::with_hasher(hashing),
            by_deadline: BTreeMap::new(),
            expired: VecDeque::new(),
            inserted: 0,
            info_bytes: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_player.len()
    }

    pub(super) fn insert(&mut self, until: Duration, record: Record) {
        self.inserted += 1;
        let deadline = (until, self.inserted);
        self.remove(record.player_id);
        self.info_bytes += record.info_bytes();
        self.by_deadline.insert(deadline, record.player_id);
        self.by_player.insert(record.player_id, (deadline, record));
    }

    pub(super) fn get(&self, player: PlayerId) -> Option<&Record> {
        self.by_player.get(&player).map(|(_, record)| record)
    }

    pub(super) fn remove(&mut self, player: PlayerId) -> Option<Record> {
        let (deadline, record) = self.by_player.remove(&player)?;
        self.by_deadline.remove(&deadline);
        self.info_bytes -= record.info_bytes();
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

    /// Takes out the oldest record while there are too many, or they hold too much.
    pub(super) fn pop_surplus(&mut self) -> Option<Record> {
        if self.len() <= RECORDS_MAX && self.info_bytes <= RECORDS_INFO_BYTES_MAX {
            return None;
        }
        self.pop_first()
    }

    fn pop_first(&mut self) -> Option<Record> {
        let (_, player) = self.by_deadline.first_key_value()?;
        self.remove(*player)
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
        self.info_bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::super::wire::NameRules;
    use super::*;

    #[test]
    fn large_connection_infos_expire_the_oldest_early() {
        let mut records = Records::new(RandomState::with_seeds(1, 2, 3, 4));
        let info = || {
            let text = format!(r#"{{"type":"webrtc","ice_candidates":[{}""]}}"#, r#""","#.repeat(1_300));
            Some(Box::new(ConnectionInfo::parse(&text).expect("it is short enough")))
        };
        let player = |number: u128| PlayerId::from_random(number.to_be_bytes());
        let mut expired = 0;
        for number in 0..2_000 {
            let record = Record {
                player_id: player(number),
                room_id: RoomId::from_random([0; 16]),
                app: None,
                token: Token::from_random([0; 16]),
                name: PlayerName::parse("Ann", &NameRules::default()).expect("it is a name"),
                connected_at: Timestamp::from_unix(Duration::ZERO),
                connection_info: info(),
                had_authority: false,
                since: 0,
            };
            records.insert(Duration::from_secs(1), record);
            while let Some(record) = records.pop_surplus() {
                assert_eq!(record.player_id, player(expired), "the oldest goes first");
                expired += 1;
            }
            assert!(records.info_bytes <= RECORDS_INFO_BYTES_MAX);
        }
        assert!(expired > 500, "{expired}");
        while records.pop_due(Duration::MAX).is_some() {}
        assert_eq!((records.len(), records.info_bytes), (0, 0));
    }
}
