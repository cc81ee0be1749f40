//! What names a connection on its shard, a shard in its process, and a listener.

use std::fmt;

/// One connection on one shard.
///
/// A slot that was given up is never named again: its generation moves on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot {
    /// Place in the shard's tables.
    pub index: u32,
    /// How often the place was given to another connection before.
    pub generation: u32,
}

/// A shard, counted from 0.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShardIndex(pub u16);

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index, self.generation)
    }
}

/// A listener of a shard: its place in the list of [`Sites`](crate::http::Sites). 0 is the main one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct ListenerIndex(pub u8);
