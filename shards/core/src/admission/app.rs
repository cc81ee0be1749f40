//! How apps are named, and those that no list names: a directory finds them while the server runs.

use super::limits::AppLimits;

/// Most of them. An app keeps its index for as long as the process lives, because rooms name it by that.
pub const FOUND_APPS_MAX: u32 = 4096;
/// Their indices begin here, above those of every list.
const FIRST: u32 = 1 << 31;

/// An app by its position in the configured list, or among those that were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AppIndex(pub u32);

/// An app as a directory has found it. Sessions of the app carry it along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundApp {
    /// Its index: [`AppIndex::of_found`].
    pub index: AppIndex,
    /// Public id.
    pub app_id: Box<str>,
    /// Name shown in `Authenticated`.
    pub name: Box<str>,
    /// Most seats of a room.
    pub max_players_per_room: Option<u8>,
    /// What admission holds it to.
    pub limits: AppLimits,
}

impl AppIndex {
    /// The index of the app that was found at this place.
    #[must_use]
    pub const fn of_found(place: u32) -> Self {
        Self(FIRST | place)
    }

    /// The place among the found ones, if it is one of them.
    #[must_use]
    pub fn found_place(self) -> Option<usize> {
        (self.0 >= FIRST).then_some((self.0 & !FIRST) as usize)
    }
}
