//! What is counted about the relay.

use super::entrance::Refusal;

/// What happened on a shard since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Clients that entered a room.
    pub entered: u64,
    /// Clients that left one, for whatever reason.
    pub left: u64,
    /// Messages accepted.
    pub messages: u64,
    /// Messages delivered to others, `peer-disconnected` not counted.
    pub forwarded: u64,
    /// Messages refused because they are not what they should be.
    pub schema_rejects: u64,
    /// Messages dropped because their client sends too many.
    pub client_rate_drops: u64,
    /// Messages dropped because their address sends too many.
    pub ip_rate_drops: u64,
    /// Messages dropped because their room has too many.
    pub room_rate_drops: u64,
    /// Messages dropped because they are too large.
    pub oversize_drops: u64,
    /// Connections closed because they did not read fast enough.
    pub closed_slow: u64,
    /// Connections closed for too many invalid messages in a row.
    pub closed_invalid: u64,
    /// Messages that did not get on their way to other nodes, because too many waited.
    pub unpublished: u64,
    /// Connections refused, by [`Refusal`].
    pub refused: [u64; Refusal::ALL.len()],
}

/// What lives on a shard now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Connections, those on their way in included.
    pub sessions: usize,
    /// Clients in rooms.
    pub clients: usize,
    /// Rooms.
    pub rooms: usize,
    /// Addresses with a client, or with messages lent to them.
    pub addresses: usize,
}
