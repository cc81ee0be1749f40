//! What shards and the control plane send each other.

use super::moving::Moving;
use super::report::{Figures, Report};
use crate::admission::{Ask, Notice, Verdict};
use crate::http::{DeskAnswer, Inquiry, Sites};
use crate::protocol::signal_fish::Settings;
use crate::protocol::{Message, Protocol, Trouble};
use crate::room::{MemberId, RoomDetail, RoomId, RoomPage, RoomQuery};
use crate::slot::{ShardIndex, Slot};
use crate::transport::Acceptor;
use std::net::IpAddr;
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

    /// Sends to the desk; never blocks.
    ///
    /// # Errors
    /// Gives it back when the desk has too much to do or has ended.
    fn to_desk(&mut self, message: ToDesk) -> Result<(), ToDesk>;

    /// The turn is over: the control plane may look at what was requested in it.
    fn turn_ends(&mut self) {}

    /// The protocol is about to be told this. Production has no use for it; a simulator keeps its books by it.
    #[inline(always)]
    fn witness(&mut self, _told: Told<'_>) {}
}

/// What a protocol is told, apart from mail.
#[derive(Debug)]
pub enum Told<'a> {
    /// A connection was upgraded.
    Opened(Slot),
    /// A connection sent a message.
    Message(Slot, Message<'a>),
    /// A connection has arrived from another shard.
    Arrived(Slot),
    /// The deadline that the protocol set for a connection has come.
    Due(Slot),
    /// A connection ends without the protocol's doing.
    Left(Slot, Cause<'a>),
    /// Time has passed for rooms.
    Tick,
}

/// Why a connection ends without its protocol's doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause<'a> {
    /// Its client sent a close frame, with this code.
    Closed(Option<u16>),
    /// Its client's direction has ended.
    Ended,
    /// It is lost.
    Lost,
    /// Its client was silent for too long.
    Silent,
    /// Its client reads too slowly (D26).
    Slow,
    /// Its client is told what is wrong.
    Trouble(&'a Trouble),
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
        /// Shards that hold far more connections than the others now (D44).
        crowded: Arc<[ShardIndex]>,
    },
    /// A live connection moves here.
    Connection(Box<Moving<K>>),
    /// The desk answers a request of `slot`.
    Answer {
        /// Connection that asked.
        slot: Slot,
        /// Which of its requests, counted from 1.
        number: u8,
        /// Answer.
        answer: DeskAnswer,
    },
    /// The next piece of every stream.
    Piece(Arc<[u8]>),
    /// The desk asks the shard itself.
    Question {
        /// Comes back with the reply.
        number: u64,
        /// What is asked.
        question: Question,
    },
    /// From now on this holds.
    Reload(Arc<Reload>),
    /// Close every client and end.
    Drain,
}

impl<K> Mail<K> {
    /// Gives back what the mail holds, if nobody takes it any more.
    pub fn abandon(self, mut notify: impl FnMut(Notice)) {
        match self {
            Self::Verdict { verdict, .. } => verdict.give_back().into_iter().for_each(notify),
            Self::Connection(moving) => moving.state.abandon(&mut notify),
            Self::Answer { .. } | Self::Piece(_) | Self::Question { .. } | Self::Reload(_) | Self::Drain => {}
        }
    }
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
        /// Connections of the shard now.
        connections: usize,
    },
    /// Something ended.
    Notice(Notice),
    /// Figures of one shard, about once a second while something changes, and at its end.
    Report(Box<Report>),
}

/// What the desk asks a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// Nothing: whether it replies is the answer.
    Alive,
    /// What it counted, and what is there now.
    Figures,
    /// Some of its rooms.
    Rooms(RoomQuery),
    /// One room.
    Room(RoomId),
    /// To close a room.
    CloseRoom(RoomId),
    /// To remove a member of a room.
    Kick {
        /// Room.
        room: RoomId,
        /// Member, or a player who dropped out of the room.
        member: MemberId,
        /// What the client is told.
        reason: Box<str>,
    },
    /// To close every connection of an address that was banned. It is in its normalised form.
    CloseAddress(IpAddr),
}

/// What a shard sends to the desk.
#[derive(Debug)]
pub enum ToDesk {
    /// A request that the desk answers; the answer goes to the mailbox of `shard`.
    Inquiry {
        /// Shard that asks.
        shard: ShardIndex,
        /// Connection that asks.
        slot: Slot,
        /// Which of its requests, counted from 1.
        number: u8,
        /// Request.
        inquiry: Box<Inquiry>,
    },
    /// The reply to a question.
    Reply {
        /// Shard that was asked.
        shard: ShardIndex,
        /// Number of the question.
        number: u64,
        /// Reply.
        reply: Reply,
    },
}

/// What a shard replies to a [`Question`].
#[derive(Debug)]
pub enum Reply {
    /// To [`Question::Alive`].
    Alive,
    /// To [`Question::Figures`].
    Figures(Box<Figures>),
    /// To [`Question::Rooms`].
    Rooms(RoomPage),
    /// To [`Question::Room`]; nothing if there is no such room.
    Room(Option<Box<RoomDetail>>),
    /// To [`Question::CloseRoom`] and [`Question::Kick`]: whether it was there. To [`Question::CloseAddress`]: whether there
    /// were any.
    Done(bool),
}
