//! Which shards hold far more connections than the others (D44).

use crate::slot::ShardIndex;
use std::sync::Arc;

/// A shard with no more connections than this is never crowded: with a handful of connections in all, every shard that has
/// one holds more than twice the mean.
const CONNECTIONS_MIN: u64 = 64;

/// Connections of each shard, as last heard, and those shards that hold more than twice the mean.
#[derive(Debug, Default)]
pub(super) struct Crowding {
    connections: Vec<u64>,
    total: u64,
    crowded: Arc<[ShardIndex]>,
}

impl Crowding {
    /// A shard has so many connections now. One that nobody has heard of is not counted as a shard.
    pub(super) fn hear(&mut self, shard: ShardIndex, connections: usize) {
        let index = usize::from(shard.0);
        let is_new = self.connections.len() <= index;
        if is_new {
            self.connections.resize(index + 1, 0);
        }
        let heard = connections as u64;
        let known = std::mem::replace(&mut self.connections[index], heard);
        if known == heard && !is_new {
            return;
        }
        self.total = self.total - known + heard;
        // Shards are few, and this is no more than a comparison for each.
        if !self.is_crowded_each().eq(self.crowded.iter().copied()) {
            self.crowded = self.is_crowded_each().collect();
        }
    }

    fn is_crowded_each(&self) -> impl Iterator<Item = ShardIndex> + '_ {
        let shards = self.connections.len() as u64;
        (0..)
            .map(ShardIndex)
            .zip(&self.connections)
            .filter(move |(_, own)| **own > CONNECTIONS_MIN && own.saturating_mul(shards) > 2 * self.total)
            .map(|(shard, _)| shard)
    }

    /// Shards with more than twice the mean number of connections, in order.
    pub(super) fn crowded(&self) -> &Arc<[ShardIndex]> {
        &self.crowded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crowded(connections: &[usize]) -> Vec<u16> {
        let mut crowding = Crowding::default();
        for (shard, connections) in (0..).map(ShardIndex).zip(connections) {
            crowding.hear(shard, *connections);
        }
        crowding.crowded().iter().map(|shard| shard.0).collect()
    }

    #[test]
    fn more_than_twice_the_mean_is_too_much() {
        assert_eq!(crowded(&[200, 100, 50, 50]), [] as [u16; 0]);
        assert_eq!(crowded(&[201, 100, 50, 49]), [0]);
        assert_eq!(crowded(&[0, 300, 300, 0, 0, 0]), [1, 2]);
        assert_eq!(crowded(&[1_000_000]), [] as [u16; 0], "one shard is the mean");
    }

    #[test]
    fn a_few_connections_crowd_nobody() {
        assert_eq!(crowded(&[64, 0, 0, 0]), [] as [u16; 0]);
        assert_eq!(crowded(&[65, 0, 0, 0]), [0]);
    }

    #[test]
    fn what_was_heard_last_counts() {
        let mut crowding = Crowding::default();
        crowding.hear(ShardIndex(2), 500);
        assert_eq!(**crowding.crowded(), [ShardIndex(2)]);
        crowding.hear(ShardIndex(2), 10);
        assert_eq!(**crowding.crowded(), []);
        assert_eq!(crowding.total, 10);
    }
}
