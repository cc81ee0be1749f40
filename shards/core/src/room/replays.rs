//! The replays of a shard together: what they hold has a bound, and the largest give way first (D37).

use super::RoomHandle;
use std::collections::BTreeSet;

/// What the replays of a shard hold, and which of them are the largest.
#[derive(Debug)]
pub struct Replays {
    bytes_max: usize,
    bytes: usize,
    /// Each with the number of binary digits of its size, so that a small change of size changes nothing here.
    by_size: BTreeSet<(u32, RoomHandle)>,
}

impl Replays {
    /// Replays of at most `bytes_max` bytes together.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            bytes: 0,
            by_size: BTreeSet::new(),
        }
    }

    /// The replay of a room held `before` bytes of memory and holds `after` now; a room that is gone holds none.
    pub fn changed(&mut self, room: RoomHandle, before: usize, after: usize) {
        self.bytes = self.bytes - before + after;
        let (old, new) = (size(before), size(after));
        if old == new {
            return;
        }
        self.by_size.remove(&(old, room));
        if new > 0 {
            self.by_size.insert((new, room));
        }
    }

    /// The room whose replay has to give way, if all of them hold too much. It is one of the largest: none is twice as
    /// large.
    #[must_use]
    pub fn gives_way(&self) -> Option<RoomHandle> {
        if self.bytes <= self.bytes_max {
            return None;
        }
        self.by_size.last().map(|(_, room)| *room)
    }

    /// Bytes of memory that all of them hold.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// All rooms are gone.
    pub fn clear(&mut self) {
        self.bytes = 0;
        self.by_size.clear();
    }
}

fn size(bytes: usize) -> u32 {
    usize::BITS - bytes.leading_zeros()
}
