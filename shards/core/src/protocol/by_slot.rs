//! The sessions of a protocol, by slot.

use crate::slot::Slot;

/// Values by slot. A slot that was given up finds nothing of its successor.
#[derive(Debug)]
pub(super) struct BySlot<T> {
    places: Vec<Option<(u32, T)>>,
    count: usize,
}

impl<T> Default for BySlot<T> {
    fn default() -> Self {
        Self {
            places: Vec::new(),
            count: 0,
        }
    }
}

impl<T> BySlot<T> {
    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&T> {
        match self.places.get(slot.index as usize)? {
            Some((generation, value)) if *generation == slot.generation => Some(value),
            _ => None,
        }
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut T> {
        match self.places.get_mut(slot.index as usize)? {
            Some((generation, value)) if *generation == slot.generation => Some(value),
            _ => None,
        }
    }

    /// Puts a value into a place that must be free.
    pub(super) fn insert(&mut self, slot: Slot, value: T) {
        let index = slot.index as usize;
        if self.places.len() <= index {
            self.places.resize_with(index + 1, || None);
        }
        if let Some(place) = self.places.get_mut(index)
            && place.replace((slot.generation, value)).is_none()
        {
            self.count += 1;
        }
    }

    /// Takes a value out.
    pub(super) fn remove(&mut self, slot: Slot) -> Option<T> {
        self.get(slot)?;
        let (_, value) = self.places.get_mut(slot.index as usize)?.take()?;
        self.count -= 1;
        Some(value)
    }

    /// Takes every value out.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = (Slot, T)> + use<'_, T> {
        self.count = 0;
        let places = (0..).zip(&mut self.places);
        places.filter_map(|(index, place)| {
            let (generation, value) = place.take()?;
            Some((Slot { index, generation }, value))
        })
    }
}
