//! One connection: a small state machine in its slot. What is large and rare is boxed.

use super::debts::Debts;
use crate::admission::{Refusal, Ticket};
use crate::http::Conversation;
use crate::protocol::Protocol;
use crate::slot::ListenerIndex;
use crate::transport::Secure;
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
    /// Since when its input is not read: it waits, or it moves.
    pub(super) paused_at: Option<Duration>,
    /// When the last byte came.
    pub(super) last_life: Duration,
    /// When a ping was sent, if none came since.
    pub(super) pinged_at: Option<Duration>,
    /// Its input is not read until its debts are paid (D42).
    pub(super) owes: bool,
    pub(super) debts: Debts,
    pub(super) ticket: Option<Ticket>,
    /// Its TLS, from the first byte of its handshake on.
    pub(super) tls: Option<Box<Secure>>,
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
    /// It gets the pieces of a stream.
    Stream(Viewer),
    /// Its last output is being sent; input is discarded.
    Closing(Linger),
    /// It is closed; its slot waits for a verdict.
    Ended,
}

/// A connection that gets a stream.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Viewer {
    /// Input thrown away, in bytes.
    pub(super) discarded: u32,
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
    /// TLS has to come, and nothing of it has.
    pub(super) hello: Option<Hello>,
    /// Where it came in.
    pub(super) listener: ListenerIndex,
    pub(super) conversation: Conversation,
    /// Address of the other end of the TCP connection, or of the client that its PROXY protocol header named.
    pub(super) peer: IpAddr,
    pub(super) standing: Standing,
    /// When the request has to be complete, the desk has to have answered, or the idle connection is closed.
    pub(super) deadline: Duration,
}

/// A connection that has to begin with a TLS handshake.
#[derive(Debug, Default)]
pub(super) struct Hello {
    /// Input that came behind a PROXY protocol header.
    pub(super) input: Vec<u8>,
    /// The handshakes of its address wait until then.
    pub(super) waits_until: Option<Duration>,
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
    /// The message that the decoder is in the middle of.
    pub(super) message: Option<Incomplete>,
    /// Bytes received and not decoded.
    pub(super) unread: Vec<u8>,
    /// How many of them are decoded meanwhile.
    pub(super) taken: usize,
}

/// A message, or a frame, of which some has come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Incomplete {
    /// When it has to be complete.
    pub(super) until: Duration,
    /// It got more time, because there was input that had not been read. It gets no more.
    pub(super) is_overdue: bool,
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
            paused_at: None,
            owes: false,
            debts: Debts::default(),
            last_life: Duration::ZERO,
            pinged_at: None,
            ticket: None,
            tls: None,
            rest: None,
        }
    }

    /// Bytes came.
    pub(super) fn lives(&mut self, now: Duration) {
        self.last_life = now;
        self.pinged_at = None;
    }

    /// Its input is not read from now on, so that its clocks stand still (D24).
    pub(super) fn pause(&mut self, now: Duration) {
        self.paused_at.get_or_insert(now);
    }

    /// Its input is read again. Returns whether it was not.
    pub(super) fn unpause(&mut self, now: Duration) -> bool {
        let Some(paused_at) = self.paused_at.take() else {
            return false;
        };
        let stood_still = now.saturating_sub(paused_at);
        self.last_life = self.last_life.saturating_add(stood_still);
        if let Some(message) = self.rest.as_mut().and_then(|rest| rest.message.as_mut()) {
            // Whoever floods with control frames may have to pay in the middle of a message.
            message.until = message.until.saturating_add(stood_still);
        }
        true
    }

    /// When its silence is looked at next: for a ping at half the time, for the end at the whole (D24). A ping leaves a
    /// quarter of the time for its answer, also one that is late because the server stood still.
    pub(super) fn silent_until(&self, timeout: Duration) -> Duration {
        match self.pinged_at {
            None => self.last_life.saturating_add(timeout / 2),
            Some(at) => self
                .last_life
                .saturating_add(timeout)
                .max(at.saturating_add(timeout / 4)),
        }
    }

    /// When the message has to be complete that is incomplete.
    pub(super) fn message_until(&self) -> Option<Duration> {
        self.rest.as_ref()?.message.map(|message| message.until)
    }

    /// Whether its TLS handshake is under way.
    pub(super) fn is_shaking_hands(&self) -> bool {
        matches!(self.phase, Phase::Head(_)) && self.tls.as_ref().is_some_and(|tls| tls.is_handshaking())
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
