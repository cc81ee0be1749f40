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
        self.forget(id);
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
