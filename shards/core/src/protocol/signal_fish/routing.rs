use super::ShardIndex;
use crate::admission::AppIndex;
use crate::protocol::signal_fish::wire::RoomId;
use ahash::RandomState;
use rand::Rng;

/// Which shard owns a room. One per process, copied to every shard.
#[derive(Debug, Clone, Copy)]
pub struct Routing {
    shards: u16,
    seeds: [u64; 4],
}

impl Routing {
    /// Draws the seeds. Clients cannot know them, so they cannot aim every room at one shard.
    ///
    /// `shards` of 0 reads as 1.
    pub fn new(shards: u16, random: &mut dyn Rng) -> Self {
        Self {
            shards: shards.max(1),
            seeds: std::array::from_fn(|_| random.next_u64()),
        }
    }

    /// Shards of the process.
    #[must_use]
    pub fn shards(&self) -> u16 {
        self.shards
    }

    /// Owner of the room with this key, whether or not it exists.
    #[must_use]
    pub fn room(&self, app: Option<AppIndex>, game: &str, code: &str) -> ShardIndex {
        self.shard(self.hashing().hash_one((app, game, code)))
    }

    /// Owner of the room with this id.
    #[must_use]
    pub fn room_id(&self, id: RoomId) -> ShardIndex {
        self.shard(self.hashing().hash_one(id))
    }

    /// Hashing for maps; seeded as the routing is.
    #[must_use]
    pub fn hashing(&self) -> RandomState {
        let [a, b, c, d] = self.seeds;
        RandomState::with_seeds(a, b, c, d)
    }

    fn shard(&self, hash: u64) -> ShardIndex {
        let shard = hash % u64::from(self.shards);
        ShardIndex(u16::try_from(shard).unwrap_or(0))
    }
}
