//! Which shard owns a room.

use crate::room::{RoomId, RoomKey};
use crate::slot::ShardIndex;
use ahash::RandomState;
use rand::Rng;

/// Which shard owns a room. One per process, copied to every shard.
///
/// Maps of rooms are seeded separately: with equal seeds all keys of a shard would share their low hash bits.
#[derive(Debug, Clone)]
pub struct Routing {
    shards: u16,
    hashing: RandomState,
}

impl Routing {
    /// Draws the seeds. Clients cannot know them, so they cannot aim every room at one shard.
    ///
    /// `shards` of 0 reads as 1.
    pub fn new(shards: u16, random: &mut dyn Rng) -> Self {
        Self {
            shards: shards.max(1),
            hashing: draw_hashing(random),
        }
    }

    /// Shards of the process.
    #[must_use]
    pub fn shards(&self) -> u16 {
        self.shards
    }

    /// Owner of the room with this key, whether or not it exists.
    #[must_use]
    pub fn room(&self, key: &RoomKey) -> ShardIndex {
        self.shard(self.hashing.hash_one(key))
    }

    /// Owner of the room with this id.
    #[must_use]
    pub fn room_id(&self, id: RoomId) -> ShardIndex {
        self.shard(self.hashing.hash_one(id))
    }

    fn shard(&self, hash: u64) -> ShardIndex {
        // Less than `shards`, so the last two bytes hold it.
        let [.., high, low] = (hash % u64::from(self.shards)).to_be_bytes();
        ShardIndex(u16::from_be_bytes([high, low]))
    }
}

/// Hashing with seeds of its own.
pub fn draw_hashing(random: &mut dyn Rng) -> RandomState {
    let [a, b, c, d] = std::array::from_fn(|_| random.next_u64());
    RandomState::with_seeds(a, b, c, d)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    #[test]
    fn rooms_spread_evenly_over_however_many_shards() {
        for shards in [1, 2, 7, 128, 1000] {
            let routing = Routing::new(shards, &mut StdRng::seed_from_u64(1));
            let mut rooms = vec![0_u32; usize::from(shards)];
            let each = 200;
            for number in 0..each * u32::from(shards) {
                let key = RoomKey::new("test", None, number.to_string());
                rooms[usize::from(routing.room(&key).0)] += 1;
            }
            let most = rooms.iter().max().copied().unwrap_or_default();
            let least = rooms.iter().min().copied().unwrap_or_default();
            assert!(most < 2 * each && least > each / 2, "{shards}: {least} to {most}");
        }
    }
}
