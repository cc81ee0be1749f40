//! The sessions of a shard, by slot.

use super::pending::{CodedJoin, Creation, Pending};
use super::session::{Membership, Session};
use super::wire::PlayerId;
use crate::room::{RoomHandle, RoomKey};
use crate::slot::Slot;

/// The sessions of a shard.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    places: Vec<Place>,
    count: usize,
}

#[derive(Debug, Default)]
enum Place {
    #[default]
    Free,
    Taken(Session),
    /// The session ended while it asked for the permit of this room; others may wait behind it.
    Asking {
        generation: u32,
        key: RoomKey,
    },
}

impl Sessions {
    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&Session> {
        match self.places.get(slot.index as usize)? {
            Place::Taken(session) if session.generation == slot.generation => Some(session),
            _ => None,
        }
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut Session> {
        match self.places.get_mut(slot.index as usize)? {
            Place::Taken(session) if session.generation == slot.generation => Some(session),
            _ => None,
        }
    }

    /// The player and its room, if this connection is a player.
    pub(super) fn player(&self, slot: Slot) -> Option<(PlayerId, RoomHandle)> {
        let session = self.get(slot)?;
        match session.membership {
            Membership::Player(room) => Some((session.player_id, room)),
            Membership::None | Membership::Spectator(_) => None,
        }
    }

    /// Every slot with a session.
    pub(super) fn slots(&self) -> impl Iterator<Item = Slot> {
        let places = (0..).zip(&self.places);
        places.filter_map(|(index, place)| match place {
            Place::Taken(Session { generation, .. }) => Some(Slot {
                index,
                generation: *generation,
            }),
            Place::Free | Place::Asking { .. } => None,
        })
    }

    /// Puts a session into a place that must be free.
    pub(super) fn insert(&mut self, slot: Slot, mut session: Session) {
        session.generation = slot.generation;
        let index = slot.index as usize;
        if self.places.len() <= index {
            self.places.resize_with(index + 1, Place::default);
        }
        if let Some(place) = self.places.get_mut(index)
            && !matches!(std::mem::replace(place, Place::Taken(session)), Place::Taken(_))
        {
            self.count += 1;
        }
    }

    /// Takes a session out.
    pub(super) fn remove(&mut self, slot: Slot) -> Option<Session> {
        self.get(slot)?;
        let place = self.places.get_mut(slot.index as usize)?;
        let Place::Taken(session) = std::mem::take(place) else {
            return None;
        };
        self.count -= 1;
        Some(session)
    }

    /// Takes out a session that ends. If its ask for a permit is out, the room is remembered for [`Self::take_asking`].
    pub(super) fn end(&mut self, slot: Slot) -> Option<Session> {
        let session = self.remove(slot)?;
        if let Some(Pending::Permit(Creation::Coded(CodedJoin { key, .. }))) = session.pending.as_deref() {
            *self.places.get_mut(slot.index as usize)? = Place::Asking {
                generation: slot.generation,
                key: key.clone(),
            };
        }
        Some(session)
    }

    /// The room for whose permit a session asked before it ended. Frees the place.
    pub(super) fn take_asking(&mut self, slot: Slot) -> Option<RoomKey> {
        let place = self.places.get_mut(slot.index as usize)?;
        if !matches!(place, Place::Asking { generation, .. } if *generation == slot.generation) {
            return None;
        }
        match std::mem::take(place) {
            Place::Asking { key, .. } => Some(key),
            Place::Free | Place::Taken(_) => None,
        }
    }

    /// What a session waited for; it waits no longer.
    pub(super) fn take_pending(&mut self, slot: Slot) -> Option<Pending> {
        let session = self.get_mut(slot)?;
        session.pending.take().map(|pending| *pending)
    }
}
