//! Who plays in a schedule, and what they know.

use super::step::CLIENTS;
use crate::world::Id;
use std::cell::Cell;

/// The clients of a schedule.
#[derive(Debug, Default)]
pub(super) struct Cast {
    /// The connection of each client, if it has one.
    pub(super) ids: [Option<Id>; CLIENTS],
    /// Player, room and token, as clients were told them, oldest first.
    pub(super) tokens: Vec<(String, String, String)>,
    /// How many addresses clients share.
    pub(super) addresses: usize,
    said: Cell<u32>,
}

impl Cast {
    /// Nobody has a connection yet.
    pub(super) fn new(addresses: usize) -> Self {
        let nobody = Self::default();
        Self { addresses, ..nobody }
    }

    /// A number that was not said before.
    pub(super) fn say(&self) -> u32 {
        self.said.set(self.said.get() + 1);
        self.said.get()
    }
}
