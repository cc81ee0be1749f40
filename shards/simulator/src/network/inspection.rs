//! What is known about connections: nothing changes here.

use super::{ConnectionId, End, Network, Place};
use signal_fish_core::{ShardIndex, Slot};
use std::time::Duration;

impl Network {
    /// Connections whose server side is not closed, waiting ones included.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.len()
    }

    /// Connections whose server side is not closed although their client's end has arrived, or they are lost.
    pub fn ended(&self) -> impl Iterator<Item = ConnectionId> {
        let ended = |id: &ConnectionId| self.connections[*id].finished || self.connections[*id].lost;
        self.open.iter().copied().filter(ended)
    }

    /// Where the server's side of a connection is.
    #[must_use]
    pub fn place(&self, id: ConnectionId) -> Place {
        self.connections[id].place
    }

    /// Bytes of the server that the client has not read.
    #[must_use]
    pub fn unread_by_client(&self, id: ConnectionId) -> usize {
        self.connections[id].window.len()
    }

    /// Who is in a slot, or was in it last.
    #[must_use]
    pub fn occupant(&self, shard: ShardIndex, slot: Slot) -> Option<ConnectionId> {
        self.occupants.get(&(shard.0, slot.index, slot.generation)).copied()
    }

    /// Whether the socket of a connection has refused bytes, and has not told that there is room since.
    #[must_use]
    pub fn is_blocked(&self, id: ConnectionId) -> bool {
        self.connections[id].blocked
    }

    /// Bytes of the client that have arrived and were not received, and whether there are any under way.
    #[must_use]
    pub fn unread_by_server(&self, id: ConnectionId) -> (usize, bool) {
        let connection = &self.connections[id];
        let ends = connection.finishing && !connection.finished;
        (connection.arrived.len(), !connection.wire.is_empty() || ends)
    }

    /// Whether the socket of a connection has ever refused bytes.
    #[must_use]
    pub fn was_blocked(&self, id: ConnectionId) -> bool {
        self.connections[id].was_blocked
    }

    /// Whether some bytes of the client arrived later than those before them.
    #[must_use]
    pub fn came_in_pieces(&self, id: ConnectionId) -> bool {
        self.connections[id].came_in_pieces
    }

    /// When something of the client arrived last.
    #[must_use]
    pub fn arrived_last(&self, id: ConnectionId) -> Duration {
        self.connections[id].arrived_last
    }

    /// Connections that are in slots of a shard.
    pub(crate) fn placed_at(&self, shard: ShardIndex) -> impl Iterator<Item = (ConnectionId, Slot)> {
        self.open
            .iter()
            .filter_map(move |id| match self.connections[*id].place {
                Place::At(at, slot) if at == shard => Some((*id, slot)),
                _ => None,
            })
    }

    /// Whether the connection is lost, or sends to its client fail.
    #[must_use]
    pub fn is_lost(&self, id: ConnectionId) -> bool {
        self.connections[id].lost || self.connections[id].fails_sends
    }

    /// Whether the server has ended its direction.
    #[must_use]
    pub fn is_shut(&self, id: ConnectionId) -> bool {
        self.connections[id].end.is_some()
    }

    /// Whether the client has read the end, behind everything that the server had to send.
    #[must_use]
    pub fn is_read_to_its_end(&self, id: ConnectionId) -> bool {
        self.connections[id].is_finished && self.end(id) == Some(End::Finished)
    }

    /// Whether the connection is lost, as both sides can know.
    #[must_use]
    pub fn is_reset(&self, id: ConnectionId) -> bool {
        self.connections[id].lost
    }

    /// When bytes may arrive that are held back now.
    #[must_use]
    pub fn next_arrival(&self) -> Option<Duration> {
        let drips = self.under_way.iter().map(|id| &self.connections[*id]);
        let drips = drips.filter(|connection| connection.line.arrives_bytes_max > 0);
        drips
            .map(|connection| connection.arrives_at)
            .filter(|at| *at > self.now)
            .min()
    }
}
