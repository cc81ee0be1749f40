//! The rooms of the relay that have clients on this node, and whether their channels are subscribed to.

use ahash::RandomState;
use signal_fish_core::room::MemberId;
use signal_fish_core::{ShardIndex, Slot};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// A client that wants a seat.
#[derive(Debug)]
pub(super) struct Asker {
    pub(super) shard: ShardIndex,
    pub(super) slot: Slot,
    pub(super) room: Arc<str>,
    pub(super) client: MemberId,
    pub(super) since: Duration,
}

/// What is known of the channel of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Channel {
    /// It has to be subscribed to.
    Wanted,
    /// It was asked for, with this number.
    Asked(u64),
    /// Whatever is published arrives.
    Here,
}

#[derive(Debug)]
struct Room {
    home: ShardIndex,
    members: HashSet<MemberId, RandomState>,
    /// Clients that want in, wherever they wait.
    entering: usize,
    channel: Channel,
    /// Those of them who wait for the channel.
    waiting: Vec<Asker>,
}

/// Something to be done about a channel.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Subscribe, with this number.
    Subscribe(Arc<str>, u64),
    /// Unsubscribe.
    Unsubscribe(Arc<str>),
}

/// All of them.
#[derive(Debug)]
pub(super) struct Rooms {
    rooms: HashMap<Arc<str>, Room, RandomState>,
    hashing: RandomState,
    orders: VecDeque<(Arc<str>, bool)>,
    /// Number of the last subscription.
    number: u64,
    seats: usize,
}

impl Rooms {
    pub(super) fn new(hashing: RandomState) -> Self {
        Self {
            rooms: HashMap::with_hasher(hashing.clone()),
            hashing,
            orders: VecDeque::new(),
            number: 0,
            seats: 0,
        }
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.rooms.len()
    }

    /// Clients in them.
    pub(super) fn seats(&self) -> usize {
        self.seats
    }

    /// Somebody wants in. Returned if its room's channel is there, so that it can go on.
    pub(super) fn ask(&mut self, asker: Asker, home: ShardIndex) -> Option<Asker> {
        let name = Arc::clone(&asker.room);
        if !self.rooms.contains_key(&name) {
            self.orders.push_back((Arc::clone(&name), true));
        }
        let room = self.rooms.entry(name).or_insert_with(|| Room {
            home,
            members: HashSet::with_hasher(self.hashing.clone()),
            entering: 0,
            channel: Channel::Wanted,
            waiting: Vec::new(),
        });
        room.entering += 1;
        if room.channel == Channel::Here {
            return Some(asker);
        }
        room.waiting.push(asker);
        None
    }

    /// Somebody who wanted in does so no more. `is_in`: it has a seat now.
    pub(super) fn asked(&mut self, name: &Arc<str>, client: MemberId, is_in: bool) {
        let Some(room) = self.rooms.get_mut(name) else { return };
        room.entering = room.entering.saturating_sub(1);
        if is_in && room.members.insert(client) {
            self.seats += 1;
        }
        self.end_if_empty(name);
    }

    /// Somebody is gone.
    pub(super) fn left(&mut self, name: &Arc<str>, client: MemberId) {
        let Some(room) = self.rooms.get_mut(name) else { return };
        if room.members.remove(&client) {
            self.seats -= 1;
        }
        self.end_if_empty(name);
    }

    fn end_if_empty(&mut self, name: &Arc<str>) {
        let Some(room) = self.rooms.get(name) else { return };
        if room.members.is_empty() && room.entering == 0 {
            if room.channel != Channel::Wanted {
                self.orders.push_back((Arc::clone(name), false));
            }
            self.rooms.remove(name);
        }
    }

    /// The next thing to be done about a channel.
    pub(super) fn next_order(&mut self) -> Option<Order> {
        loop {
            let (name, wanted) = self.orders.pop_front()?;
            if !wanted {
                return Some(Order::Unsubscribe(name));
            }
            // It may have ended meanwhile, and even be there again.
            if let Some(room) = self.rooms.get_mut(&name)
                && room.channel == Channel::Wanted
            {
                self.number += 1;
                room.channel = Channel::Asked(self.number);
                return Some(Order::Subscribe(name, self.number));
            }
        }
    }

    /// A subscription holds. Returns who waited for it.
    pub(super) fn subscribed(&mut self, name: &str, number: u64) -> Vec<Asker> {
        match self.rooms.get_mut(name) {
            Some(room) if room.channel == Channel::Asked(number) => {
                room.channel = Channel::Here;
                std::mem::take(&mut room.waiting)
            }
            // It has ended since, or is another one.
            _ => Vec::new(),
        }
    }

    /// Every subscription is gone. Returns who waited for one. They are asked for anew.
    pub(super) fn unsubscribed(&mut self) -> Vec<Asker> {
        self.orders.clear();
        let mut waiting = Vec::new();
        for (name, room) in &mut self.rooms {
            room.channel = Channel::Wanted;
            waiting.append(&mut room.waiting);
            self.orders.push_back((Arc::clone(name), true));
        }
        waiting
    }

    /// Name and shard of a room with a client.
    pub(super) fn home(&self, name: &str) -> Option<(Arc<str>, ShardIndex)> {
        let (name, room) = self.rooms.get_key_value(name)?;
        (!room.members.is_empty()).then(|| (Arc::clone(name), room.home))
    }

    /// Whether a client has a seat here.
    pub(super) fn has(&self, name: &str, client: MemberId) -> bool {
        let room = self.rooms.get(name);
        room.is_some_and(|room| room.members.contains(&client))
    }

    /// Every room.
    pub(super) fn names(&self) -> VecDeque<Arc<str>> {
        self.rooms.keys().map(Arc::clone).collect()
    }

    /// The clients of a room.
    pub(super) fn members(&self, name: &str) -> Vec<MemberId> {
        let room = self.rooms.get(name);
        room.map_or_else(Vec::new, |room| room.members.iter().copied().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asker(room: &str, client: u8) -> Asker {
        Asker {
            shard: ShardIndex(0),
            slot: Slot {
                index: 0,
                generation: 0,
            },
            room: room.into(),
            client: id(client),
            since: Duration::ZERO,
        }
    }

    fn id(client: u8) -> MemberId {
        MemberId::from_random([client; 16])
    }

    fn rooms() -> Rooms {
        Rooms::new(RandomState::with_seeds(1, 2, 3, 4))
    }

    fn number(order: Option<Order>) -> u64 {
        match order {
            Some(Order::Subscribe(name, number)) if &*name == "a" => number,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_channel_comes_before_the_seat() {
        let mut rooms = rooms();
        assert!(rooms.ask(asker("a", 1), ShardIndex(0)).is_none());
        assert!(rooms.ask(asker("a", 2), ShardIndex(0)).is_none());
        let first = number(rooms.next_order());
        assert_eq!(rooms.next_order(), None, "once for both");
        assert_eq!(rooms.subscribed("a", first).len(), 2);
        assert!(rooms.ask(asker("a", 3), ShardIndex(0)).is_some());
        assert_eq!(rooms.home("a"), None, "nobody is in");
        rooms.asked(&"a".into(), id(1), true);
        assert!(rooms.home("a").is_some());
    }

    #[test]
    fn an_answer_to_an_earlier_subscription_is_none() {
        let mut rooms = rooms();
        assert!(rooms.ask(asker("a", 1), ShardIndex(0)).is_none());
        let first = number(rooms.next_order());
        rooms.asked(&"a".into(), id(1), false);
        assert_eq!(rooms.len(), 0);
        assert!(rooms.ask(asker("a", 2), ShardIndex(0)).is_none());
        assert_eq!(rooms.next_order(), Some(Order::Unsubscribe("a".into())));
        let second = number(rooms.next_order());
        assert!(rooms.subscribed("a", first).is_empty(), "what comes now may be missed");
        assert_eq!(rooms.subscribed("a", second).len(), 1);
    }

    #[test]
    fn a_lost_connection_takes_every_subscription_along() {
        let mut rooms = rooms();
        assert!(rooms.ask(asker("a", 1), ShardIndex(0)).is_none());
        let first = number(rooms.next_order());
        assert_eq!(rooms.subscribed("a", first).len(), 1);
        rooms.asked(&"a".into(), id(1), true);
        assert!(rooms.unsubscribed().is_empty());
        assert!(rooms.ask(asker("a", 2), ShardIndex(0)).is_none());
        let second = number(rooms.next_order());
        assert_eq!(rooms.subscribed("a", second).len(), 1);
        rooms.asked(&"a".into(), id(2), false);
        rooms.left(&"a".into(), id(1));
        assert_eq!((rooms.len(), rooms.seats()), (0, 0));
        assert_eq!(rooms.next_order(), Some(Order::Unsubscribe("a".into())));
    }
}
