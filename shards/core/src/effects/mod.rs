//! What protocols want done: messages go into outboxes at once, everything else is queued for the shard, which carries it
//! out when the call of the protocol has returned, in order.

mod closes;
mod frame;
mod largest;
mod outbox;

pub use closes::Closes;
pub use frame::Frame;
pub use outbox::{Bounds, Outboxes};

use crate::Now;
use crate::admission::{Ask, Notice};
use crate::slot::{ShardIndex, Slot};
use crate::ws::{Kind, write_close};
use std::sync::Arc;

/// What a protocol is given with every event: the time, the connection that the event belongs to, and the effects.
#[derive(Debug)]
pub struct Cx<'a> {
    /// The time of this turn.
    pub now: Now,
    /// The connection.
    pub slot: Slot,
    /// Where effects go.
    pub fx: &'a mut Effects,
}

impl<'a> Cx<'a> {
    /// The context of an event that belongs to `slot`.
    pub fn new(now: Now, slot: Slot, fx: &'a mut Effects) -> Self {
        Self { now, slot, fx }
    }

    /// The same for another connection of the shard.
    pub fn at(&mut self, slot: Slot) -> Cx<'_> {
        Cx::new(self.now, slot, self.fx)
    }

    /// Appends one message to the outbox of this connection.
    pub fn send(&mut self, kind: Kind, write: impl FnOnce(&mut Vec<u8>)) {
        self.fx.frame.encode(kind, write);
        self.fx.append(self.slot);
    }

    /// Answers the upgrade of this connection, which from now on takes messages.
    pub fn accept(&mut self, answer: &[u8]) {
        self.fx.answer(self.slot, answer);
        self.fx.outboxes.open(self.slot);
    }

    /// Sends a WebSocket ping.
    pub fn ping(&mut self) {
        self.fx.queue.push(Effect::Ping(self.slot));
    }

    /// Closes this connection: what is in its outbox is sent, a close frame follows, and none of its frames is
    /// delivered any more. The protocol must have forgotten the connection when its call returns.
    pub fn close(&mut self, code: u16, reason: &'static str) {
        self.fx.close(self.slot, code, reason);
    }

    /// Puts a question to admission on behalf of this connection. The answer comes as a verdict, also when the
    /// connection has ended meanwhile. One question may be out at a time.
    pub fn ask(&mut self, ask: Ask) {
        self.fx.queue.push(Effect::Ask(self.slot, ask));
    }

    /// Lets frames of this connection be delivered again, unless its session waits for something else.
    pub fn resume(&mut self) {
        self.fx.queue.push(Effect::Resume(self.slot));
    }

    /// Moves this connection to another shard. The shard takes the session out of its protocol for that.
    pub fn move_to(&mut self, to: ShardIndex) {
        self.fx.queue.push(Effect::Move(self.slot, to));
    }
}

/// The effects of one shard.
#[derive(Debug)]
pub struct Effects {
    pub(crate) outboxes: Outboxes,
    /// The message that is being delivered.
    pub frame: Frame,
    /// WebSocket connections that ended.
    pub(crate) closes: Closes,
    queue: Vec<Effect>,
}

/// Something that the shard has to do for a protocol.
#[derive(Debug)]
pub(crate) enum Effect {
    Ask(Slot, Ask),
    Notify(Notice),
    Resume(Slot),
    Close(Slot),
    Ping(Slot),
    Move(Slot, ShardIndex),
    Publish(Box<Published>),
}

/// A message that goes to other nodes.
#[derive(Debug, PartialEq, Eq)]
pub struct Published {
    /// Room of the relay.
    pub room: Arc<str>,
    /// Id of the client that sent it.
    pub client: [u8; 16],
    /// The message, as its client sent it.
    pub text: Box<str>,
}

impl Effects {
    /// Nothing to do yet.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self {
            outboxes: Outboxes::new(bounds),
            frame: Frame::default(),
            closes: Closes::default(),
            queue: Vec::new(),
        }
    }

    /// Appends [`Self::frame`] to the outbox of `to`.
    pub fn append(&mut self, to: Slot) {
        self.outboxes.append(to, self.frame.bytes());
    }

    /// Gives something back to admission.
    pub fn notify(&mut self, notice: Notice) {
        self.queue.push(Effect::Notify(notice));
    }

    /// Publishes a message to other nodes.
    pub fn publish(&mut self, message: Published) {
        self.queue.push(Effect::Publish(Box::new(message)));
    }

    /// Sends the bytes of an HTTP answer.
    pub fn answer(&mut self, slot: Slot, answer: &[u8]) {
        self.outboxes.append_with(slot, |out| out.extend_from_slice(answer));
    }

    /// As [`Cx::close`].
    pub fn close(&mut self, slot: Slot, code: u16, reason: &str) {
        if self.outboxes.shut(slot) {
            self.closes.count(code);
            self.outboxes
                .append_with(slot, |out| write_close(Some(code), reason, out));
        }
        self.queue.push(Effect::Close(slot));
    }

    /// What is queued, oldest first; `into` must be empty and takes the queue's place.
    pub(crate) fn take(&mut self, into: &mut Vec<Effect>) {
        debug_assert!(into.is_empty());
        std::mem::swap(&mut self.queue, into);
    }
}
