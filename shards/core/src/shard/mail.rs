//! What shards and the control plane send each other.

use super::moving::Moving;
use super::report::Report;
use crate::admission::{Ask, Notice, Verdict};
use crate::http::Sites;
use crate::protocol::Protocol;
use crate::protocol::signal_fish::Settings;
use crate::slot::{ShardIndex, Slot};
use crate::transport::Acceptor;
use std::sync::Arc;

/// What leaves a shard, and what arrives for it. `K` is the socket that a moving connection takes along.
pub trait Post<K> {
    /// Whether there may be mail. Costs one load while there is none.
    fn has_mail(&mut self) -> bool;

    /// Takes the next piece of mail.
    fn take(&mut self) -> Option<Mail<K>>;

    /// Mails to another shard; never blocks.
    ///
    /// # Errors
    /// Gives the mail back when the mailbox of that shard is full or the shard has ended.
    fn mail(&mut self, to: ShardIndex, mail: Mail<K>) -> Result<(), Mail<K>>;

    /// Sends to the control plane; never blocks.
    fn request(&mut self, request: Request);

    /// The turn is over: the control plane may look at what was requested in it.
    fn turn_ends(&mut self) {}
}

/// What others send to a shard.
#[derive(Debug)]
pub enum Mail<K> {
    /// The answer of admission to an ask of `slot`.
    Verdict {
        /// Connection that asked.
        slot: Slot,
        /// Answer.
        verdict: Verdict,
    },
    /// A live connection moves here.
    Connection(Box<Moving<K>>),
    /// From now on this holds.
    Reload(Arc<Reload>),
    /// Close every client and end.
    Drain,
}

/// What an operator may change while shards run (D45).
#[derive(Debug)]
pub struct Reload {
    /// What Signal Fish is told. [`AppIndex`](crate::admission::AppIndex) means the same app as before.
    pub settings: Arc<Settings>,
    /// What the listeners serve over HTTP.
    pub sites: Arc<Sites<Protocol>>,
    /// What they make TLS sessions from.
    pub tls: Option<Acceptor>,
}

/// What a shard sends to the control plane.
#[derive(Debug)]
pub enum Request {
    /// A question; the answer goes to the mailbox of `shard`.
    Ask {
        /// Shard that asks.
        shard: ShardIndex,
        /// Connection that asks.
        slot: Slot,
        /// Question.
        ask: Ask,
    },
    /// Something ended.
    Notice(Notice),
    /// Figures of one shard, about once a second while something changes, and at its end.
    Report(Box<Report>),
}
