//! Connections of a kind of which there may be so many: the oldest gives way to a newcomer.

use crate::slot::Slot;
use std::collections::VecDeque;

/// The connections of one kind, oldest first. Those that are of this kind no longer may still be in it, and those that are
/// of it again are in it once more: with each goes a stamp, which tells the times apart.
#[derive(Debug)]
pub(super) struct Yielding {
    slots: VecDeque<(Slot, u8)>,
    max: usize,
}

impl Yielding {
    pub(super) fn new(max: usize) -> Self {
        Self {
            slots: VecDeque::new(),
            max,
        }
    }

    /// How many there are.
    pub(super) fn count(&self, is_one: impl Fn(Slot, u8) -> bool) -> usize {
        self.slots.iter().filter(|(slot, stamp)| is_one(*slot, *stamp)).count()
    }

    /// Adds a connection. Returns one that has to give way, if there are too many. `is_one` tells who is still of this kind,
    /// as it was at this stamp.
    pub(super) fn add(&mut self, slot: Slot, stamp: u8, is_one: impl Fn(Slot, u8) -> bool) -> Option<Slot> {
        // Those at the front that are none any more make room without being counted.
        while self.slots.front().is_some_and(|(slot, stamp)| !is_one(*slot, *stamp)) {
            self.slots.pop_front();
        }
        self.slots.push_back((slot, stamp));
        if self.slots.len() <= self.max {
            return None;
        }
        self.slots.retain(|(slot, stamp)| is_one(*slot, *stamp));
        if self.slots.len() > self.max {
            self.slots.pop_front().map(|(slot, _)| slot)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(index: u32) -> Slot {
        Slot { index, generation: 0 }
    }

    #[test]
    fn the_oldest_gives_way() {
        let mut some = Yielding::new(2);
        assert_eq!(some.add(slot(1), 0, |_, _| true), None);
        assert_eq!(some.add(slot(2), 0, |_, _| true), None);
        assert_eq!(some.add(slot(3), 0, |_, _| true), Some(slot(1)));
        assert_eq!(some.add(slot(4), 0, |_, _| true), Some(slot(2)));
    }

    #[test]
    fn who_is_none_any_more_is_not_counted() {
        let mut some = Yielding::new(2);
        for index in 0..1_000_u32 {
            let is_one = |slot: Slot, _| slot.index >= index.saturating_sub(1);
            assert_eq!(some.add(slot(index), 0, is_one), None);
            assert!(some.slots.len() <= 4);
        }
    }

    #[test]
    fn who_comes_again_is_counted_once() {
        let mut some = Yielding::new(2);
        assert_eq!(some.add(slot(7), 0, |_, _| true), None);
        for stamp in 0..100 {
            assert_eq!(
                some.add(slot(1), stamp, |slot, now| slot.index == 7 || now == stamp),
                None
            );
        }
    }
}
