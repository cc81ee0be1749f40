use crate::admission::{AppIndex, Permit};
use crate::protocol::signal_fish::wire::{GameName, RoomCode, RoomId};
use crate::room::Room;
use ahash::RandomState;
use std::collections::HashMap;

/// What names a room: codes are unique in a game, games in an app (D11).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct RoomKey {
    pub(super) app: Option<AppIndex>,
    pub(super) game: GameName,
    pub(super) code: RoomCode,
}

/// Place of a room in the shard's table. Only members and the maps hold one, and both are gone before the room is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RoomHandle(u32);

/// A room with what the server holds for it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) room: Room,
    pub(super) app: Option<AppIndex>,
    pub(super) permit: Permit,
}

/// The rooms of a shard.
#[derive(Debug)]
pub(super) struct Rooms {
    places: Vec<Option<Entry>>,
    free: Vec<u32>,
    by_key: HashMap<RoomKey, RoomHandle, RandomState>,
    by_id: HashMap<RoomId, RoomHandle, RandomState>,
}

impl Rooms {
    pub(super) fn new(hashing: &RandomState) -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
            by_key: HashMap::with_hasher(hashing.clone()),
            by_id: HashMap::with_hasher(hashing.clone()),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn find(&self, key: &RoomKey) -> Option<RoomHandle> {
        self.by_key.get(key).copied()
    }

    pub(super) fn find_id(&self, id: RoomId) -> Option<RoomHandle> {
        self.by_id.get(&id).copied()
    }

    pub(super) fn entry(&self, handle: RoomHandle) -> Option<&Entry> {
        self.places.get(handle.0 as usize)?.as_ref()
    }

    pub(super) fn get(&self, handle: RoomHandle) -> Option<&Room> {
        self.entry(handle).map(|entry| &entry.room)
    }

    pub(super) fn get_mut(&mut self, handle: RoomHandle) -> Option<&mut Room> {
        let entry = self.places.get_mut(handle.0 as usize)?.as_mut()?;
        Some(&mut entry.room)
    }

    /// Adds a room under a key that is free. Gives the permit back when the table is full.
    pub(super) fn insert(&mut self, key: RoomKey, room: Room, permit: Permit) -> Result<RoomHandle, Permit> {
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                let Ok(index) = u32::try_from(self.places.len()) else {
                    return Err(permit);
                };
                self.places.push(None);
                index
            }
        };
        let handle = RoomHandle(index);
        self.by_id.insert(room.id(), handle);
        let app = key.app;
        self.by_key.insert(key, handle);
        if let Some(place) = self.places.get_mut(index as usize) {
            *place = Some(Entry { room, app, permit });
        }
        Ok(handle)
    }

    pub(super) fn remove(&mut self, handle: RoomHandle) -> Option<Entry> {
        let entry = self.places.get_mut(handle.0 as usize)?.take()?;
        self.free.push(handle.0);
        self.by_id.remove(&entry.room.id());
        self.by_key.remove(&RoomKey {
            app: entry.app,
            game: entry.room.game().clone(),
            code: entry.room.code().clone(),
        });
        Some(entry)
    }

    /// Every room, in no order that means anything.
    pub(super) fn handles(&self) -> impl Iterator<Item = (RoomHandle, &Room)> {
        let places = (0..).zip(&self.places);
        places.filter_map(|(index, place)| Some((RoomHandle(index), &place.as_ref()?.room)))
    }
}
