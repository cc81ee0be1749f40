//! What is counted about peers.

/// What happened on a shard since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Peers that entered a room.
    pub peers_joined: u64,
    /// Peers that left one, for whatever reason.
    pub peers_left: u64,
    /// Peers refused because their room was full.
    pub peers_refused: u64,
    /// Pairs that were told of each other: one `NewPeer` each.
    pub pairs: u64,
    /// Signals delivered.
    pub signals: u64,
    /// Signals whose receiver is not there (M5).
    pub undeliverable: u64,
    /// Messages ignored because they are no message of the protocol, too large ones included (M4).
    pub ignored: u64,
    /// Connections closed for too many of those in a row (M4).
    pub closed_invalid: u64,
}

/// What lives on a shard now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Peers.
    pub peers: usize,
    /// Rooms; of a room with `next` each group.
    pub rooms: usize,
}
