//! The rooms of one protocol on one shard: found by key, by id, and by the handle that members hold.

use super::{RoomId, RoomKey};
use crate::admission::Permit;
use ahash::RandomState;
use std::collections::HashMap;

/// Place of a room in the table. Only members and the maps hold one, and both are gone before the room is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RoomHandle(pub(super) u32);

/// A room with what the server holds for it.
#[derive(Debug)]
pub struct Entry<R> {
    /// The room.
    pub room: R,
    /// Its name.
    pub key: RoomKey,
    /// Its id.
    pub id: RoomId,
    /// Its place among the rooms of the server.
    pub permit: Permit,
}

/// The rooms of a shard.
#[derive(Debug)]
pub struct Rooms<R> {
    places: Vec<Option<Entry<R>>>,
    free: Vec<u32>,
    by_key: HashMap<RoomKey, RoomHandle, RandomState>,
    by_id: HashMap<RoomId, RoomHandle, RandomState>,
}

impl<R> Rooms<R> {
    /// No rooms. `hashing` seeds the maps; its seeds are not those of the routing.
    #[must_use]
    pub fn new(hashing: &RandomState) -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
            by_key: HashMap::with_hasher(hashing.clone()),
            by_id: HashMap::with_hasher(hashing.clone()),
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// The room with this key.
    #[must_use]
    pub fn find(&self, key: &RoomKey) -> Option<RoomHandle> {
        self.by_key.get(key).copied()
    }

    /// The room with this id.
    #[must_use]
    pub fn find_id(&self, id: RoomId) -> Option<RoomHandle> {
        self.by_id.get(&id).copied()
    }

    /// A room with what is held for it.
    #[must_use]
    pub fn entry(&self, handle: RoomHandle) -> Option<&Entry<R>> {
        self.places.get(handle.0 as usize)?.as_ref()
    }

    /// A room.
    #[must_use]
    pub fn get(&self, handle: RoomHandle) -> Option<&R> {
        self.entry(handle).map(|entry| &entry.room)
    }

    /// A room, to be changed.
    pub fn get_mut(&mut self, handle: RoomHandle) -> Option<&mut R> {
        let entry = self.places.get_mut(handle.0 as usize)?.as_mut()?;
        Some(&mut entry.room)
    }

    /// Adds a room under a key that is free.
    ///
    /// # Errors
    /// Gives the entry back when the table is full.
    pub fn insert(&mut self, entry: Entry<R>) -> Result<RoomHandle, Box<Entry<R>>> {
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                let Ok(index) = u32::try_from(self.places.len()) else {
                    return Err(Box::new(entry));
                };
                self.places.push(None);
                index
            }
        };
        let handle = RoomHandle(index);
        self.by_id.insert(entry.id, handle);
        self.by_key.insert(entry.key.clone(), handle);
        if let Some(place) = self.places.get_mut(index as usize) {
            *place = Some(entry);
        }
        Ok(handle)
    }

    /// Takes a room out.
    pub fn remove(&mut self, handle: RoomHandle) -> Option<Entry<R>> {
        let entry = self.places.get_mut(handle.0 as usize)?.take()?;
        self.free.push(handle.0);
        self.by_id.remove(&entry.id);
        self.by_key.remove(&entry.key);
        Some(entry)
    }

    /// What the maps make of a key and of an id.
    #[cfg(test)]
    pub(crate) fn hashes(&self, key: &RoomKey, id: RoomId) -> [u64; 2] {
        [self.by_key.hasher().hash_one(key), self.by_id.hasher().hash_one(id)]
    }

    /// The places of the table from this one on, with the rooms that are there.
    pub fn iter_from(&self, from: u32) -> impl Iterator<Item = (u32, Option<&Entry<R>>)> {
        let places = (0..).zip(&self.places);
        places.skip(from as usize).map(|(place, entry)| (place, entry.as_ref()))
    }

    /// Every room, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = (RoomHandle, &Entry<R>)> {
        let places = (0..).zip(&self.places);
        places.filter_map(|(index, place)| Some((RoomHandle(index), place.as_ref()?)))
    }
}
