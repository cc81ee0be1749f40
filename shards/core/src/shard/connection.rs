//! One connection: a small state machine in its slot. What is large and rare is boxed.

use super::debts::Debts;
use crate::admission::{Refusal, Ticket};
use crate::http::Conversation;
use crate::protocol::Protocol;
use crate::ws::Decoder;
use std::net::IpAddr;
use std::time::Duration;

/// A connection in its slot.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) generation: u32,
    pub(super) phase: Phase,
    /// There may be input: set by an event, cleared when everything was received.
    pub(super) readable: bool,
    /// The input ends: receiving goes on until the end is found.
    pub(super) ended: bool,
    /// The socket takes no output: set when it refused some, cleared by an event.
    pub(super) blocked: bool,
    /// On the run list.
    pub(super) queued: bool,
    /// Who waits for a verdict; until it is here the slot is not given to anybody else.
    pub(super) asked: Option<Asker>,
    /// Its input is not read since [`Self::paused_at`]: it waits, or it moves.
    pub(super) paused: bool,
    /// Its input is not read until its debts are paid (D42).
    pub(super) owes: bool,
    /// A ping was sent since the last byte came.
    pub(super) pinged: bool,
    pub(super) paused_at: Duration,
    /// When the last byte came.
    pub(super) last_life: Duration,
    pub(super) debts: Debts,
    pub(super) ticket: Option<Ticket>,
    pub(super) rest: Option<Box<Rest>>,
}

/// Where a connection is in its life.
#[derive(Debug)]
pub(super) enum Phase {
    /// No connection.
    Free,
    /// It speaks HTTP.
    Head(Box<Head>),
    /// It speaks a protocol over WebSocket.
    Open(Protocol),
    /// Its last output is being sent; input is discarded.
    Closing(Linger),
    /// It is closed; its slot waits for a verdict.
    Ended,
}

/// On whose behalf admission was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asker {
    /// The connection wants a ticket.
    Ticket,
    /// A session of this protocol.
    Session(Protocol),
}

/// A connection that speaks HTTP.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) conversation: Conversation,
    /// Address of the other end of the TCP connection, or of the client that its PROXY protocol header named.
    pub(super) peer: IpAddr,
    pub(super) standing: Standing,
    /// When the request has to be complete, or the idle connection is closed.
    pub(super) deadline: Duration,
}

/// What is known about the ticket of a connection that speaks HTTP.
#[derive(Debug)]
pub(super) enum Standing {
    /// Nothing: not asked, or not answered.
    Unknown,
    /// It has one.
    Held,
    /// It gets none.
    Refused(Refusal),
}

/// The end of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Linger {
    pub(super) until: Duration,
    /// Input thrown away, in bytes.
    pub(super) discarded: u32,
    /// The sending direction is ended.
    pub(super) shut: bool,
    /// The peer sends no more, as it said: nothing has to be waited for.
    pub(super) peer_done: bool,
}

/// Input that is not handled yet.
#[derive(Debug, Default)]
pub(super) struct Rest {
    pub(super) decoder: Decoder,
    /// When the message began that the decoder is in the middle of.
    pub(super) message_since: Option<Duration>,
    /// Bytes received and not decoded.
    pub(super) unread: Vec<u8>,
    /// How many of them are decoded meanwhile.
    pub(super) taken: usize,
}

impl Rest {
    /// Whether nothing would be lost with it.
    pub(super) fn is_empty(&self) -> bool {
        !self.has_unread() && self.decoder.is_idle()
    }

    pub(super) fn has_unread(&self) -> bool {
        self.taken < self.unread.len()
    }
}

impl Connection {
    pub(super) fn free(generation: u32) -> Self {
        Self {
            generation,
            phase: Phase::Free,
            readable: false,
            ended: false,
            blocked: false,
            queued: false,
            asked: None,
            paused: false,
            owes: false,
            pinged: false,
            debts: Debts::default(),
            paused_at: Duration::ZERO,
            last_life: Duration::ZERO,
            ticket: None,
            rest: None,
        }
    }

    /// Bytes came.
    pub(super) fn lives(&mut self, now: Duration) {
        self.last_life = now;
        self.pinged = false;
    }

    /// Its input is not read from now on, so that its clocks stand still (D24).
    pub(super) fn pause(&mut self, now: Duration) {
        if !self.paused {
            self.paused = true;
            self.paused_at = now;
        }
    }

    /// Its input is read again. Returns whether it was not.
    pub(super) fn unpause(&mut self, now: Duration) -> bool {
        let paused = std::mem::take(&mut self.paused);
        if paused {
            let stood_still = now.saturating_sub(self.paused_at);
            self.last_life = self.last_life.saturating_add(stood_still);
            if let Some(since) = self.rest.as_mut().and_then(|rest| rest.message_since.as_mut()) {
                *since = since.saturating_add(stood_still);
            }
        }
        paused
    }

    pub(super) fn has_unread(&self) -> bool {
        self.rest.as_ref().is_some_and(|rest| rest.has_unread())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_small() {
        assert!(size_of::<Connection>() <= 160, "{}", size_of::<Connection>());
    }
}
