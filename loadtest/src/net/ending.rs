//! How connections are found, and how they end: their handlers are told at the end of a turn.

use super::connection::{Connection, ConnectionId, End, Stage};
use super::{Event, HANDSHAKE_LIMIT, Handler, Net};

impl Net {
    pub(super) fn connection(&self, id: ConnectionId) -> Option<&Connection> {
        let slot = self.slots.get(id.index as usize)?;
        slot.connection.as_deref().filter(|_| slot.generation == id.generation)
    }

    pub(super) fn connection_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        let slot = self.slots.get_mut(id.index as usize)?;
        slot.connection
            .as_deref_mut()
            .filter(|_| slot.generation == id.generation)
    }

    /// Ends a connection whose owner is told at the end of the turn.
    pub(super) fn end(&mut self, id: ConnectionId, end: End) {
        let Some(connection) = self.connection(id) else { return };
        let end = match (connection.stage, connection.server_close) {
            (Stage::Closing, _) => End::Ours,
            (_, Some(code)) => End::CloseFrame(code),
            _ => end,
        };
        self.ended.push((id, connection.owner, connection.tag, end));
        self.release(id);
    }

    /// Drops the connection without a word, as a dying network does, and forgets it: no event follows, not even of an end
    /// that was found in this turn.
    pub fn forget(&mut self, id: ConnectionId) {
        self.ended.retain(|(ended, ..)| *ended != id);
        self.release(id);
    }

    fn release(&mut self, id: ConnectionId) {
        if self.connection(id).is_none() {
            return;
        }
        let slot = &mut self.slots[id.index as usize];
        slot.connection = None;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(id.index);
        self.live -= 1;
    }

    pub(super) fn tell_ended<H: Handler + ?Sized>(&mut self, handlers: &mut [Box<H>]) {
        while let Some((id, owner, tag, end)) = self.ended.pop() {
            self.owner = owner;
            handlers[usize::from(owner)].on_event(self, id, tag, Event::Closed(end));
        }
    }

    pub(super) fn sweep(&mut self) {
        self.next_sweep_ns = self.now_ns + 500_000_000;
        for index in 0..self.slots.len() {
            let slot = &self.slots[index];
            let Some(connection) = slot.connection.as_deref() else {
                continue;
            };
            if connection.stage == Stage::Open || connection.deadline_ns > self.now_ns {
                continue;
            }
            let id = ConnectionId {
                index: u32::try_from(index).unwrap_or(u32::MAX),
                generation: slot.generation,
            };
            let step = if connection.stage == Stage::Connecting {
                "TCP connection"
            } else {
                "HTTP answer"
            };
            let waited = HANDSHAKE_LIMIT.as_secs();
            self.end(id, End::Refused(format!("no {step} within {waited} s")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Target;
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::time::Instant;

    /// Forgets every other connection when one has ended.
    struct Forgetful {
        all: Vec<ConnectionId>,
        told: Vec<usize>,
    }

    impl Handler for Forgetful {
        fn on_event(&mut self, net: &mut Net, id: ConnectionId, tag: usize, _event: Event<'_>) {
            self.told.push(tag);
            for other in self.all.iter().filter(|other| **other != id) {
                net.forget(*other);
            }
        }
    }

    #[test]
    fn nothing_is_told_of_a_connection_that_ended_and_was_forgotten_in_one_turn() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap());
        let mut net = Net::new(Arc::new(Target::parse(&url).unwrap()), Instant::now(), 1).unwrap();
        let all: Vec<_> = (0..3).map(|tag| net.open(tag).unwrap()).collect();
        // All of them are over before the first turn looks.
        for _ in &all {
            drop(listener.accept().unwrap());
        }
        let mut handlers = [Box::new(Forgetful { all, told: Vec::new() })];
        while net.live() > 0 {
            net.turn(&mut handlers, u64::MAX);
        }
        net.turn(&mut handlers, 0);
        assert_eq!(handlers[0].told.len(), 1, "{:?}", handlers[0].told);
    }
}
