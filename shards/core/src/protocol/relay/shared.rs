//! Rooms that other nodes share: a client has a seat, which whoever counts the seats of all nodes has granted, and messages
//! of other nodes come as mail.

use super::state::{Entering, Relay, Session, draw_id, key};
use crate::admission::{Ask, Notice, Seat};
use crate::effects::{Cx, Effects, Published};
use crate::entry::Routing;
use crate::room::MemberId;
use crate::slot::ShardIndex;
use crate::ws::Kind;
use std::sync::Arc;

/// A message of another node. It is valid: whoever mails it has checked it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relayed {
    /// Room.
    pub room: Arc<str>,
    /// Id of its sender, if it has one that clients here could have.
    pub from: Option<MemberId>,
    /// The message.
    pub text: Arc<str>,
    /// A client says it, and not a node.
    pub is_of_client: bool,
}

/// The shard of a room.
#[must_use]
pub fn home_of(routing: &Routing, room: &str) -> ShardIndex {
    routing.room(&key(room))
}

impl Relay {
    /// The client is counted among those of its address. What is left is a seat.
    pub(super) fn ask_to_sit(&mut self, cx: &mut Cx<'_>, mut entering: Box<Entering>) {
        let id = draw_id(&mut *self.random);
        let room = Arc::from(&*entering.room);
        entering.sits_next = Some(id);
        self.sessions.insert(cx.slot, Session::Entering(entering));
        let client = *id.as_bytes();
        cx.ask(Ask::Sit { room, client });
    }

    /// The client gets its seat.
    pub(super) fn seated(&mut self, cx: &mut Cx<'_>, mut seat: Seat) {
        let Some(Session::Entering(entering)) = self.sessions.remove(cx.slot) else {
            return;
        };
        seat.take();
        let ip = entering.ip;
        // Without a place for another room the seat goes with the session that is not made.
        let (room, client) = (Arc::clone(seat.room()), seat.client());
        if let Err((answer, refusal)) = self.enter(cx, *entering, Some(Box::new(seat))) {
            cx.fx.notify(Notice::SeatEnded(Seat::new(room, client)));
            self.pools.leave(ip, cx.fx);
            self.refuse(cx, ip, &answer, refusal);
        }
    }

    /// A client that waits for a seat does so no more.
    pub(super) fn stand_up(&mut self, entering: &Entering, fx: &mut Effects) {
        if entering.sits_next.is_some() {
            self.pools.leave(entering.ip, fx);
        }
    }

    /// A message of another node goes to the clients here. The room may have ended meanwhile.
    pub fn relayed(&mut self, message: &Relayed, fx: &mut Effects) {
        let Some(handle) = self.rooms.find(&key(&message.room)) else {
            return;
        };
        let Some(room) = self.rooms.get_mut(handle) else { return };
        let text = message.text.as_bytes();
        fx.frame.encode(Kind::Text, |out| out.extend_from_slice(text));
        let told = room.members.deliver(message.from, fx);
        if message.is_of_client {
            self.counters.forwarded += told;
        }
    }

    /// Whether Redis answers: nobody enters while the breaker is open.
    pub fn breaker(&mut self, open: bool) {
        self.breaker_open = open;
    }

    /// A message did not get on its way to other nodes.
    pub fn unpublished(&mut self) {
        self.counters.unpublished += 1;
    }
}

impl Seat {
    /// A message of its client, for other nodes.
    pub(super) fn publish(&self, text: &str) -> Published {
        Published {
            room: Arc::clone(self.room()),
            client: self.client(),
            text: text.into(),
        }
    }
}
