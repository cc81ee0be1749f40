//! Connections of a kind of which there may be so many: the oldest gives way to a newcomer.

use crate::slot::Slot;
use std::collections::VecDeque;

/// The connections of one kind, oldest first. Those that are of this kind no longer may still be in it.
#[derive(Debug)]
pub(super) struct Yielding {
    slots: VecDeque<Slot>,
    max: usize,
}

impl Yielding {
    pub(super) fn new(max: usize) -> Self {
        Self {
            slots: VecDeque::new(),
            max,
        }
    }

    /// Adds a connection. Returns one that has to give way, if there are too many. `is_one` tells who is still of this kind.
    pub(super) fn add(&mut self, slot: Slot, is_one: impl Fn(Slot) -> bool) -> Option<Slot> {
        if self.slots.len() >= 2 * self.max {
            self.slots.retain(|slot| is_one(*slot));
        }
        // Those at the front that are none any more make room without being counted.
        while self.slots.front().is_some_and(|slot| !is_one(*slot)) {
            self.slots.pop_front();
        }
        self.slots.push_back(slot);
        if self.slots.len() <= self.max {
            return None;
        }
        self.slots.retain(|slot| is_one(*slot));
        if self.slots.len() > self.max {
            self.slots.pop_front()
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
        assert_eq!(some.add(slot(1), |_| true), None);
        assert_eq!(some.add(slot(2), |_| true), None);
        assert_eq!(some.add(slot(3), |_| true), Some(slot(1)));
        assert_eq!(some.add(slot(4), |_| true), Some(slot(2)));
    }

    #[test]
    fn who_is_none_any_more_is_not_counted() {
        let mut some = Yielding::new(2);
        for index in 0..1_000 {
            assert_eq!(
                some.add(slot(index), |slot| slot.index >= index.saturating_sub(1)),
                None
            );
            assert!(some.slots.len() <= 4);
        }
    }
}
