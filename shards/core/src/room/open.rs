//! Rooms that need no permit, because they are bounded by the connections in them: found by their key for as long as they
//! are open to newcomers, and by the handle that their members hold.

use super::RoomKey;
use super::table::RoomHandle;
use ahash::RandomState;
use std::collections::HashMap;

/// The rooms of one protocol on one shard. Whoever removes the last member removes the room.
#[derive(Debug)]
pub struct OpenRooms<R> {
    places: Vec<Option<Place<R>>>,
    free: Vec<u32>,
    by_key: HashMap<RoomKey, RoomHandle, RandomState>,
}

#[derive(Debug)]
struct Place<R> {
    room: R,
    /// Under which newcomers find it; `None` once it is shut.
    key: Option<RoomKey>,
}

impl<R: Default> OpenRooms<R> {
    /// No rooms. `hashing` seeds the map; its seeds are not those of the routing.
    #[must_use]
    pub fn new(hashing: RandomState) -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
            by_key: HashMap::with_hasher(hashing),
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The room that newcomers with this key enter, which may be a new one. `None` when there is no place for another.
    pub fn find_or_open(&mut self, key: RoomKey) -> Option<RoomHandle> {
        if let Some(handle) = self.by_key.get(&key) {
            return Some(*handle);
        }
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                let index = u32::try_from(self.places.len()).ok()?;
                self.places.push(None);
                index
            }
        };
        let handle = RoomHandle(index);
        *self.places.get_mut(index as usize)? = Some(Place {
            room: R::default(),
            key: Some(key.clone()),
        });
        self.by_key.insert(key, handle);
        Some(handle)
    }

    /// The room with this key, if there is one.
    #[must_use]
    pub fn find(&self, key: &RoomKey) -> Option<RoomHandle> {
        self.by_key.get(key).copied()
    }

    /// Newcomers find this room no more; the next one opens another.
    pub fn shut(&mut self, handle: RoomHandle) {
        if let Some(Some(place)) = self.places.get_mut(handle.0 as usize)
            && let Some(key) = place.key.take()
        {
            self.by_key.remove(&key);
        }
    }

    /// A room, to be changed.
    pub fn get_mut(&mut self, handle: RoomHandle) -> Option<&mut R> {
        let place = self.places.get_mut(handle.0 as usize)?.as_mut()?;
        Some(&mut place.room)
    }

    /// Removes a room.
    pub fn remove(&mut self, handle: RoomHandle) {
        self.shut(handle);
        if let Some(place) = self.places.get_mut(handle.0 as usize)
            && place.take().is_some()
        {
            self.free.push(handle.0);
        }
    }

    /// Removes every room.
    pub fn clear(&mut self) {
        self.places.clear();
        self.free.clear();
        self.by_key.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> RoomKey {
        RoomKey::new("test", None, name)
    }

    #[test]
    fn a_shut_room_lives_on_and_the_next_newcomer_opens_another() {
        let mut rooms: OpenRooms<u32> = OpenRooms::new(RandomState::with_seeds(1, 2, 3, 4));
        let first = rooms.find_or_open(key("a")).unwrap();
        assert_eq!(rooms.find_or_open(key("a")), Some(first));
        *rooms.get_mut(first).unwrap() = 7;
        rooms.shut(first);
        let second = rooms.find_or_open(key("a")).unwrap();
        assert_ne!(first, second);
        assert_eq!(rooms.get_mut(first), Some(&mut 7));
        assert_eq!(rooms.len(), 2);
        rooms.remove(first);
        assert_eq!(
            rooms.find_or_open(key("a")),
            Some(second),
            "the open one is still found"
        );
        rooms.remove(second);
        rooms.remove(second);
        assert!(rooms.is_empty() && rooms.by_key.is_empty());
        assert_eq!(rooms.find_or_open(key("b")), Some(second), "places are used again");
    }
}
