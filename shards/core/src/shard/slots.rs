//! The slots of a shard: which connection is where.

use super::connection::{Connection, Phase};
use crate::slot::Slot;

/// The connections of a shard.
#[derive(Debug, Default)]
pub(super) struct Slots {
    places: Vec<Connection>,
    free: Vec<u32>,
    live: usize,
}

impl Slots {
    /// Slots that are taken.
    pub(super) fn live(&self) -> usize {
        self.live
    }

    /// Takes a free slot; `None` if there is none among `slots_max`.
    pub(super) fn take(&mut self, slots_max: usize) -> Option<(Slot, &mut Connection)> {
        if self.live >= slots_max {
            return None;
        }
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                let index = u32::try_from(self.places.len()).ok()?;
                self.places.push(Connection::free(0));
                index
            }
        };
        let connection = self.places.get_mut(index as usize)?;
        self.live += 1;
        let generation = connection.generation;
        Some((Slot { index, generation }, connection))
    }

    /// Gives a slot up.
    pub(super) fn give_up(&mut self, slot: Slot) {
        if let Some(connection) = self.get_mut(slot) {
            *connection = Connection::free(slot.generation.wrapping_add(1));
            self.free.push(slot.index);
            self.live -= 1;
        }
    }

    /// The connection in a slot, unless the slot was given up.
    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut Connection> {
        let connection = self.places.get_mut(slot.index as usize)?;
        (connection.generation == slot.generation && !matches!(connection.phase, Phase::Free)).then_some(connection)
    }

    /// As [`Self::get_mut`].
    pub(super) fn get(&self, slot: Slot) -> Option<&Connection> {
        let connection = self.places.get(slot.index as usize)?;
        (connection.generation == slot.generation && !matches!(connection.phase, Phase::Free)).then_some(connection)
    }

    /// The slot at a place, if it is taken.
    pub(super) fn at(&self, index: u32) -> Option<Slot> {
        let connection = self.places.get(index as usize)?;
        let generation = connection.generation;
        (!matches!(connection.phase, Phase::Free)).then_some(Slot { index, generation })
    }

    /// Places that were ever taken.
    pub(super) fn places(&self) -> u32 {
        // Places are counted in 32 bits by `take`.
        u32::try_from(self.places.len()).unwrap_or(u32::MAX)
    }
}
