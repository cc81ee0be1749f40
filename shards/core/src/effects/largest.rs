//! Which outboxes are the largest: lists by size, so that finding one is no scan.

use crate::slot::Slot;

/// Outboxes below this size, in bytes, are in no list.
const LISTED_BYTES_MIN: usize = 4096;
/// Lists: one for each doubling of the size.
const LISTS: u8 = 32;

/// Slots by the size of their outboxes. A size is where an outbox was put; it may have shrunk meanwhile.
#[derive(Debug, Default)]
pub(super) struct Largest {
    lists: [Vec<Slot>; LISTS as usize],
}

/// The list for an outbox of `bytes`; 0 is none.
pub(super) fn class(bytes: usize) -> u8 {
    if bytes < LISTED_BYTES_MIN {
        return 0;
    }
    let doublings = (bytes / LISTED_BYTES_MIN).ilog2() + 1;
    // 64 bits have less than 64 doublings.
    u8::try_from(doublings).unwrap_or(u8::MAX).min(LISTS - 1)
}

impl Largest {
    /// Puts a slot into the list of `class`, which is not 0.
    pub(super) fn put(&mut self, slot: Slot, class: u8, is_there: impl Fn(Slot) -> bool, slots: usize) {
        let Some(list) = self.lists.get_mut(usize::from(class)) else {
            return;
        };
        // Slots that were given up, or that moved to a list of larger ones, would otherwise stay for ever.
        if list.len() >= slots.max(64) * 2 {
            list.retain(|slot| is_there(*slot));
        }
        list.push(slot);
    }

    /// Takes out a slot of the highest list that has one, and the class of that list.
    pub(super) fn take(&mut self) -> Option<(Slot, u8)> {
        (0..LISTS)
            .rev()
            .find_map(|class| Some((self.lists.get_mut(usize::from(class))?.pop()?, class)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_double_from_list_to_list() {
        for (bytes, expected) in [
            (0, 0),
            (4095, 0),
            (4096, 1),
            (8191, 1),
            (8192, 2),
            (1 << 20, 9),
            (usize::MAX, 31),
        ] {
            assert_eq!(class(bytes), expected, "{bytes}");
        }
    }
}
