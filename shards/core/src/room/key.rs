//! What names a room in a process.

use crate::admission::AppIndex;

/// The name of a room: its protocol, the app of its members if there is one, and what clients call it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RoomKey {
    realm: &'static str,
    app: Option<AppIndex>,
    name: Box<str>,
}

impl RoomKey {
    /// A room of the protocol `realm`. `name` is unique in realm and app.
    #[must_use]
    pub fn new(realm: &'static str, app: Option<AppIndex>, name: impl Into<Box<str>>) -> Self {
        let name = name.into();
        Self { realm, app, name }
    }

    /// App of the members, if there is one.
    #[must_use]
    pub fn app(&self) -> Option<AppIndex> {
        self.app
    }
}
