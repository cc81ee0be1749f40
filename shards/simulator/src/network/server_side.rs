//! What sockets of shards do with connections.

use super::{ConnectionId, End, Network, Place};
use signal_fish_core::transport::{Event, Ready, Received, Sent};
use signal_fish_core::{ListenerIndex, ShardIndex, Slot};
use std::net::IpAddr;
use std::sync::Arc;

impl Network {
    /// Whether there is an event.
    #[must_use]
    pub(crate) fn has_event(&self, shard: ShardIndex) -> bool {
        let watch = &self.watches[usize::from(shard.0)];
        !self.holds_events && (!watch.newcomers.is_empty() || !watch.ready.is_empty())
    }

    pub(crate) fn next_event(&mut self, shard: ShardIndex) -> Option<Event> {
        if self.holds_events {
            return None;
        }
        let watch = &mut self.watches[usize::from(shard.0)];
        if let Some(listener) = watch.newcomers.pop_first() {
            self.progress += 1;
            return Some(Event::Newcomers(listener));
        }
        loop {
            let last = watch.ready.len().checked_sub(1)?;
            let which = if self.shuffles_events {
                self.random.up_to(last)
            } else {
                0
            };
            let id = watch.ready.remove(which)?;
            let connection = &mut self.connections[id];
            connection.told = false;
            let Place::At(at, slot) = connection.place else {
                continue;
            };
            assert_eq!(at, shard, "events go to the shard of the socket");
            let ended = connection.finished || connection.lost;
            let ready = Ready {
                input: ended || !connection.arrived.is_empty(),
                ended,
                output: connection.window.len() < connection.line.window_bytes,
            };
            connection.blocked &= !ready.output;
            self.progress += 1;
            return Some(Event::Ready(slot, ready));
        }
    }

    /// The next in the queue of a listener.
    pub(crate) fn accept(
        &mut self,
        shard: ShardIndex,
        listener: ListenerIndex,
    ) -> Option<(ConnectionId, IpAddr, Arc<()>)> {
        let queue = &mut self.watches[usize::from(shard.0)].queue;
        let at = queue.iter().position(|(of, _)| *of == listener)?;
        let (_, id) = queue.remove(at)?;
        let connection = &mut self.connections[id];
        connection.place = Place::Unwatched;
        self.progress += 1;
        Some((id, connection.peer, Arc::clone(&connection.socket)))
    }

    pub(crate) fn watch(&mut self, id: ConnectionId, shard: ShardIndex, slot: Slot) {
        let connection = &mut self.connections[id];
        assert_eq!(connection.place, Place::Unwatched, "a socket is in one slot at a time");
        connection.place = Place::At(shard, slot);
        connection.told = false;
        self.occupants.insert((shard.0, slot.index, slot.generation), id);
        self.progress += 1;
        self.tell(id);
    }

    pub(crate) fn unwatch(&mut self, id: ConnectionId) {
        self.connections[id].place = Place::Unwatched;
        self.connections[id].blocked = false;
        self.progress += 1;
    }

    pub(crate) fn receive(&mut self, id: ConnectionId, buffer: &mut [u8]) -> Received {
        let connection = &mut self.connections[id];
        if connection.lost {
            return Received::Lost;
        }
        let count = buffer.len().min(connection.arrived.len());
        if count == 0 {
            return if connection.finished {
                Received::Ended
            } else {
                Received::Nothing
            };
        }
        for (to, from) in buffer.iter_mut().zip(connection.arrived.drain(..count)) {
            *to = from;
        }
        self.progress += 1;
        Received::Bytes(count)
    }

    /// Whatever has arrived is thrown away.
    pub(crate) fn discard(&mut self, id: ConnectionId) {
        self.connections[id].arrived.clear();
    }

    pub(crate) fn send(&mut self, id: ConnectionId, bytes: &[u8]) -> Sent {
        let connection = &mut self.connections[id];
        if connection.lost || connection.fails_sends {
            return Sent::Lost;
        }
        assert_eq!(connection.end, None, "nothing is sent behind the end");
        let room = connection.line.window_bytes.saturating_sub(connection.window.len());
        let count = room.min(bytes.len());
        // A socket that takes bytes again has told so, or does now.
        let has_room = connection.blocked && count == bytes.len();
        connection.blocked |= count < bytes.len();
        connection.was_blocked |= connection.blocked;
        if count == 0 {
            return Sent::Blocked;
        }
        connection.window.extend(&bytes[..count]);
        self.for_clients.insert(id);
        self.progress += 1;
        if has_room {
            self.tell(id);
        }
        Sent::Bytes(count)
    }

    /// The server ends its direction: it has sent everything.
    pub(crate) fn finish(&mut self, id: ConnectionId) {
        self.connections[id].is_finished = true;
        self.shut(id);
    }

    pub(crate) fn shut(&mut self, id: ConnectionId) {
        let connection = &mut self.connections[id];
        if connection.end.is_none() {
            connection.end = Some(End::Finished);
            self.for_clients.insert(id);
            self.progress += 1;
        }
    }

    /// Closing with unread input resets the connection, which destroys what the client has not read yet.
    pub(crate) fn close(&mut self, id: ConnectionId) {
        let connection = &mut self.connections[id];
        connection.place = Place::Closed;
        let unread = !connection.arrived.is_empty();
        connection.arrived.clear();
        self.open.remove(&id);
        self.progress += 1;
        if unread {
            self.reset(id);
        } else {
            self.shut(id);
        }
    }

    pub(crate) fn stop_listening(&mut self, shard: ShardIndex) -> Vec<(ListenerIndex, ConnectionId)> {
        let watch = &mut self.watches[usize::from(shard.0)];
        watch.listening = false;
        watch.newcomers.clear();
        let queue: Vec<_> = watch.queue.drain(..).collect();
        for &(_, id) in &queue {
            self.connections[id].place = Place::Unwatched;
        }
        queue
    }
}
