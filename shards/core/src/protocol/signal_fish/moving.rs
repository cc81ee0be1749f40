//! Sessions go to the shard that owns the room, and go on there.

use super::pending::{Arrival, Pending};
use super::session::{Membership, Session};
use super::state::SignalFish;
use crate::effects::Cx;
use crate::slot::{ShardIndex, Slot};

impl SignalFish {
    /// A session ended on its way to another shard.
    pub fn lost(&mut self) {
        self.counters.sessions_ended += 1;
    }

    /// Does on the shard `owner` what a session wants there.
    pub(super) fn go_to(&mut self, cx: &mut Cx<'_>, owner: ShardIndex, arrival: Arrival) {
        if owner == self.shard {
            return self.go_on(cx, arrival);
        }
        self.wait(cx.slot, Pending::Move(arrival));
        cx.move_to(owner);
    }

    /// Takes out the session of a connection that moves.
    pub fn depart(&mut self, slot: Slot) -> Option<Session> {
        self.sessions.remove(slot)
    }

    /// A connection arrived from another shard. Its session may have to wait at once.
    pub fn arrived(&mut self, cx: &mut Cx<'_>, mut session: Session) {
        // A handle means nothing on another shard.
        session.membership = Membership::None;
        self.sessions.insert(cx.slot, session);
        match self.sessions.take_pending(cx.slot) {
            Some(Pending::Move(arrival)) => self.go_on(cx, arrival),
            Some(pending) => self.wait(cx.slot, pending),
            None => {}
        }
    }

    /// Goes on with what a session came to this shard for.
    fn go_on(&mut self, cx: &mut Cx<'_>, arrival: Arrival) {
        match arrival {
            Arrival::Join(join) => self.join_here(cx, join),
            Arrival::Create(create) => self.create_here(cx, create),
            Arrival::Watch(watch) => self.watch_here(cx, watch),
            Arrival::Return(wish) => self.return_here(cx, wish),
        }
    }
}
