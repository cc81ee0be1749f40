//! One connection, the slot that holds it, and how it ends.

use super::stream::Stream;
use super::{ConnectionId, End, Event, HANDSHAKE_LIMIT, Handler, Net};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Connecting,
    Upgrading,
    Open,
    /// We sent a close frame.
    Closing,
}

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) stream: Stream,
    pub(super) stage: Stage,
    pub(super) owner: u8,
    pub(super) tag: usize,
    /// Bytes received that are not a whole frame yet.
    pub(super) partial: Vec<u8>,
    /// A message whose final frame has not come.
    pub(super) fragments: Option<Box<(bool, Vec<u8>)>>,
    pub(super) unsent: Vec<u8>,
    pub(super) dirty: bool,
    /// It takes no output for now; an event says when it does again.
    pub(super) blocked: bool,
    pub(super) deadline_ns: u64,
    pub(super) server_close: Option<Option<u16>>,
}

#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) generation: u32,
    pub(super) connection: Option<Box<Connection>>,
}

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
