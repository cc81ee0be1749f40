//! What operators set about matchbox.

/// What operators set about matchbox. Key paths are those of the configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// `matchbox.topology`.
    pub topology: Topology,
    /// `matchbox.max_peers_per_room`.
    pub peers_per_room_max: usize,
    /// `security.max_invalid_messages`; 0 = no bound.
    pub invalid_messages_max: u32,
}

/// Who is told of whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Topology {
    /// Every peer connects to every other.
    #[default]
    FullMesh,
    /// The first peer of a room is its host; the others connect to the host alone.
    ClientServer,
}

impl Default for Settings {
    /// The documented defaults.
    fn default() -> Self {
        Self {
            topology: Topology::FullMesh,
            peers_per_room_max: 100,
            invalid_messages_max: 1000,
        }
    }
}
