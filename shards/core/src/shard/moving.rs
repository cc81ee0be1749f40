//! A live connection on its way to the shard that owns its room.

use super::connection::Incomplete;
use super::debts::Debts;
use crate::admission::{Notice, Ticket};
use crate::protocol::{Opening, Protocol, Session};
use crate::transport::Secure;
use crate::ws::Decoder;
use std::time::Duration;

/// Everything of a connection, as one value. No byte stays behind: what was read and not yet handled, what was produced and
/// not yet sent, and the state of the codec travel with the socket.
#[derive(Debug)]
pub struct Moving<K> {
    /// The socket: the part that stays on this machine.
    pub(crate) socket: K,
    /// Everything else.
    pub(crate) state: State,
}

/// What a connection is, apart from its socket.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) ticket: Option<Ticket>,
    pub(crate) decoder: Decoder,
    /// The message that the decoder is in the middle of.
    pub(crate) message: Option<Incomplete>,
    /// Bytes received and not yet decoded.
    pub(crate) unread: Vec<u8>,
    /// Its TLS, with what is sealed and not yet sent.
    pub(crate) tls: Option<Box<Secure>>,
    /// Bytes encoded and not yet sent.
    pub(crate) unsent: Vec<u8>,
    /// What it owes as a sender.
    pub(super) debts: Debts,
    /// When the last byte came.
    pub(crate) last_life: Duration,
    /// Since when its input has not been read.
    pub(crate) paused_at: Option<Duration>,
    pub(crate) stage: Stage,
}

/// How far it is.
#[derive(Debug)]
pub(crate) enum Stage {
    /// Its upgrade is not answered yet; `unsent` ends with the answer.
    Opening(Protocol, Opening),
    /// It has a session.
    Session(Session),
}

impl State {
    /// Gives back what the connection holds, if it cannot be delivered anywhere.
    pub(crate) fn abandon(self, mut notify: impl FnMut(Notice)) {
        if let Stage::Session(session) = self.stage {
            session.abandon(&mut notify);
        }
        if let Some(ticket) = self.ticket {
            notify(Notice::ConnectionEnded(ticket));
        }
    }
}
