//! Rooms about to be opened: the first who wants one asks for its permit, later ones wait behind it in order of arrival.

use crate::room::RoomKey;
use crate::slot::Slot;
use ahash::RandomState;
use std::collections::{HashMap, VecDeque};

/// Room keys for which a permit is asked, with those who wait behind the one that asked.
#[derive(Debug)]
pub struct Openings(HashMap<RoomKey, VecDeque<Slot>, RandomState>);

impl Openings {
    /// No room is being opened.
    #[must_use]
    pub fn new(hashing: &RandomState) -> Self {
        Self(HashMap::with_hasher(hashing.clone()))
    }

    /// How many rooms are being opened.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none is being opened.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this room is being opened.
    #[must_use]
    pub fn contains(&self, key: &RoomKey) -> bool {
        self.0.contains_key(key)
    }

    /// `slot` wants this room. Returns whether it is the first, which has to ask for the permit.
    pub fn join(&mut self, key: &RoomKey, slot: Slot) -> bool {
        if let Some(queue) = self.0.get_mut(key) {
            queue.push_back(slot);
            return false;
        }
        self.0.insert(key.clone(), VecDeque::new());
        true
    }

    /// The first one failed. Returns the next one in order of arrival; with nobody left the opening is over.
    pub fn next(&mut self, key: &RoomKey) -> Option<Slot> {
        let next = self.0.get_mut(key)?.pop_front();
        if next.is_none() {
            self.0.remove(key);
        }
        next
    }

    /// The room is open. Returns those who waited for it, in order of arrival.
    pub fn opened(&mut self, key: &RoomKey) -> VecDeque<Slot> {
        self.0.remove(key).unwrap_or_default()
    }

    /// Empties every queue. A session that has asked still gets its verdict.
    pub fn forget_queues(&mut self) {
        self.0.values_mut().for_each(VecDeque::clear);
    }
}
