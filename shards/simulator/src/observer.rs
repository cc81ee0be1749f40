//! An observer that knows nothing but what it is told. What it believes must be what is.

use signal_fish_core::ShardIndex;
use signal_fish_core::protocol::signal_fish::{Observation, SignalFish};
use signal_fish_core::room::{MemberId, RoomId};
use std::collections::{BTreeSet, HashMap, HashSet};

/// A room, as the observer believes it to be.
#[derive(Debug)]
struct Believed {
    shard: ShardIndex,
    players: BTreeSet<MemberId>,
}

/// What the observer believes.
#[derive(Debug, Default)]
pub(crate) struct Observer {
    rooms: HashMap<RoomId, Believed>,
    /// Players who may return.
    awaited: HashSet<(ShardIndex, RoomId, MemberId)>,
}

impl Observer {
    /// It is told something by a shard.
    pub(crate) fn is_told(&mut self, shard: ShardIndex, observation: Observation) {
        match observation {
            Observation::RoomOpened { room, code, game, .. } => {
                assert!(!code.is_empty() && !game.is_empty(), "{room} has a name");
                let players = BTreeSet::new();
                let before = self.rooms.insert(room, Believed { shard, players });
                assert!(before.is_none(), "{room} opens twice");
            }
            Observation::PlayerJoined { room, player, .. } => {
                assert!(self.players(room).insert(player), "{player} joins {room} twice");
            }
            Observation::PlayerLeft {
                room,
                player,
                may_return,
            } => {
                assert!(
                    self.players(room).remove(&player),
                    "{player} leaves {room}, where it is not"
                );
                if may_return {
                    assert!(self.awaited.insert((shard, room, player)), "{player} is awaited twice");
                }
            }
            Observation::PlayerReturned { room, player } => {
                let was_awaited = self.awaited.remove(&(shard, room, player));
                // Who changes its connection was never gone.
                let is_new = self.players(room).insert(player);
                assert_eq!(was_awaited, is_new, "{player} returns to {room}");
            }
            Observation::PlayerExpired { room, player } => {
                let was_awaited = self.awaited.remove(&(shard, room, player));
                assert!(was_awaited, "{player} expires, whom nobody awaits in {room}");
            }
            Observation::RoomEnded { room } => {
                assert!(self.rooms.remove(&room).is_some(), "{room} ends, which is not there");
            }
        }
    }

    fn players(&mut self, room: RoomId) -> &mut BTreeSet<MemberId> {
        let believed = self.rooms.get_mut(&room);
        &mut believed.unwrap_or_else(|| panic!("{room} was never opened")).players
    }

    /// What it believes of a shard is what is there.
    pub(crate) fn check(&self, shard: ShardIndex, signal_fish: &SignalFish) {
        let mut rooms = 0;
        for room in signal_fish.rooms() {
            rooms += 1;
            let believed = self.rooms.get(&room.id()).map(|believed| &believed.players);
            let players: BTreeSet<_> = room.players().iter().map(|player| player.id).collect();
            assert_eq!(believed, Some(&players), "players of {}", room.id());
        }
        let believed = self.rooms.values().filter(|room| room.shard == shard).count();
        assert_eq!(believed, rooms, "rooms of {shard:?}");
        let awaited = self.awaited.iter().filter(|(at, ..)| *at == shard).count();
        assert_eq!(awaited, signal_fish.gauges().awaited, "awaited at {shard:?}");
    }
}
