//! The account of one connection: what its client sent, what it was promised, and what may differ from that.

use super::session::{Key, Session};
use crate::client::Sent;
use crate::network::ConnectionId;
use serde_json::{Value, json};
use signal_fish_core::admission::Ask;
use signal_fish_core::protocol::Message;
use signal_fish_core::ws::Kind;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

/// Something that a client has to get.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Promise {
    /// A text message; names stand for what the server draws.
    Json(Value),
    /// Game data of this player as MessagePack.
    Binary(String, Vec<u8>),
    /// A close frame.
    Close(u16),
}

/// Why not everything that was promised has to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// The network lost the connection: what was under way is gone.
    Lost,
    /// It read too slowly and was closed with 1013 (D26).
    Slow,
    /// It did not read while it was closed; a closing connection waits for two seconds.
    Unread,
    /// It sent on while it was closed, which ends in a reset.
    SentOn,
    /// It ended its own direction, so no close frame follows.
    Ended,
    /// It could not move to the shard of its room, and is closed with 1013.
    NoWay,
    /// The server drained while it moved, or it had no session yet.
    Drained,
}

/// How a connection stands when nothing is left to do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Condition {
    /// A shard has it.
    pub(crate) is_placed: bool,
    /// The server has closed it.
    pub(crate) is_closed: bool,
    /// Its client has read all that the network has for it.
    pub(crate) has_read_all: bool,
    /// The shard has read all that its client sent.
    pub(crate) is_read: bool,
    /// Its client saw a reset.
    pub(crate) is_reset: bool,
    /// Its socket has refused bytes of the server.
    pub(crate) was_blocked: bool,
    /// Its shard says that its session waits.
    pub(crate) waits: bool,
    /// The network has lost it.
    pub(crate) is_lost: bool,
    /// A sender may have to pay before it is read.
    pub(crate) may_owe: bool,
}

/// What a connection asked admission for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Ticket,
    Session,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) ip: IpAddr,
    /// Messages that were sent and not handled.
    pub(super) sent: VecDeque<Sent>,
    /// What was promised and has not come.
    pub(super) promised: VecDeque<Promise>,
    pub(super) session: Option<Session>,
    /// It had a session, or was refused one: there is none to come.
    pub(super) is_over: bool,
    /// The question that has to be asked in this turn.
    pub(super) owed_ask: Option<Ask>,
    pub(super) asked: Option<Asked>,
    /// The opening that its session had asked for when it ended.
    pub(super) asking: Option<Key>,
    /// Rules that apply to it.
    pub(super) rules: Vec<Rule>,
    /// It was told everything that it will be told.
    pub(super) closed: bool,
    /// Its client sends bytes that are no messages.
    pub(super) is_garbled: bool,
    /// It is closed, and its client has read everything.
    pub(super) is_done: bool,
    /// Until when it has to pay for its messages (D42).
    owes_until: Duration,
}

impl Account {
    pub(super) fn new(ip: IpAddr) -> Self {
        Self {
            ip,
            sent: VecDeque::new(),
            promised: VecDeque::new(),
            session: None,
            is_over: false,
            owed_ask: None,
            asked: None,
            asking: None,
            rules: Vec::new(),
            closed: false,
            is_garbled: false,
            is_done: false,
            owes_until: Duration::ZERO,
        }
    }

    /// A rule applies from now on.
    pub(super) fn excuse(&mut self, rule: Rule) {
        if !self.rules.contains(&rule) {
            self.rules.push(rule);
        }
    }

    /// It moves to another shard, with a session or before it has one.
    pub(super) fn is_on_its_way(&self) -> bool {
        self.session
            .as_ref()
            .map_or(!self.is_over, |session| session.is_moving())
    }

    pub(super) fn has(&self, rule: Rule) -> bool {
        self.rules.contains(&rule)
    }

    /// A message costs its sender time; who owes more than a second is not read (D42).
    pub(super) fn pay(&mut self, id: ConnectionId, now: Duration, per_second: u32) {
        /// Nanoseconds by which prices are rounded.
        const ROUNDING: Duration = Duration::from_micros(10);
        let owes = self.owes_until.saturating_sub(now);
        assert!(
            owes <= Duration::from_secs(1) + ROUNDING,
            "client {id} owes {owes:?} and is read"
        );
        let price = Duration::from_secs(1).checked_div(per_second).unwrap_or_default();
        self.owes_until = self.owes_until.max(now) + price;
    }

    /// The server handles a message: it is the oldest that was not handled.
    pub(super) fn take_sent(&mut self, id: ConnectionId, message: &Message<'_>) {
        if self.is_garbled {
            return;
        }
        let sent = self.sent.pop_front();
        let same = match (&sent, message) {
            (Some(Sent::Text(sent)), Message::Text(text)) => sent == text,
            (Some(Sent::Binary(sent)), Message::Binary(payload)) => sent == payload,
            (
                Some(Sent::Text(sent)),
                Message::Oversize {
                    kind: Kind::Text,
                    length,
                },
            ) => sent.len() as u64 == *length,
            (
                Some(Sent::Binary(sent)),
                Message::Oversize {
                    kind: Kind::Binary,
                    length,
                },
            ) => sent.len() as u64 == *length,
            _ => false,
        };
        assert!(same, "client {id} sent {sent:?}, but {message:?} is handled");
    }
}

/// An `Error`.
pub(super) fn error(code: &str) -> Value {
    json!({"type": "Error", "data": {"message": "*", "error_code": code}})
}

/// A failure that gives a reason.
pub(super) fn failed(kind: &str, code: &str) -> Value {
    json!({"type": kind, "data": {"reason": "*", "error_code": code}})
}
