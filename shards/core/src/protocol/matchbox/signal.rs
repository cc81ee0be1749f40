//! What peers send: signals, signs of life, and what is ignored.

use super::super::event::Message;
use super::super::journal;
use super::settings::Topology;
use super::state::{Matchbox, Peer, Room};
use super::wire::{self, ClientMessage};
use crate::effects::Cx;
use crate::room::MemberId;
use crate::slot::Slot;
use crate::ws::Kind;

impl Matchbox {
    /// A complete message.
    pub fn message(&mut self, cx: &mut Cx<'_>, message: Message<'_>) {
        let parsed = match message {
            Message::Text(text) => ClientMessage::parse(text).ok(),
            Message::Binary(_) | Message::Oversize { .. } => None,
        };
        let Some(peer) = self.peers.get_mut(cx.slot) else {
            return;
        };
        let Some(message) = parsed else {
            peer.invalid_in_a_row = peer.invalid_in_a_row.saturating_add(1);
            let too_many = peer.invalid_in_a_row > self.settings.invalid_messages_max;
            self.counters.ignored += 1;
            if too_many && self.settings.invalid_messages_max > 0 {
                self.counters.closed_invalid += 1;
                let reason = "too many invalid messages";
                journal::closed(self.shard, cx.slot, self.address(cx.slot), 1008, reason);
                cx.close(1008, reason);
                self.left(cx);
            }
            return;
        };
        peer.invalid_in_a_row = 0;
        if let ClientMessage::Signal { receiver, data } = message {
            self.signal(cx, receiver, data);
        }
    }

    /// A signal goes to a member of the same room, or nowhere.
    fn signal(&mut self, cx: &mut Cx<'_>, receiver: MemberId, data: &str) {
        let Some(Peer { id, room, .. }) = self.peers.get(cx.slot) else {
            return;
        };
        let to = self
            .rooms
            .get_mut(*room)
            .and_then(|room| room.address(self.settings.topology, *id, receiver));
        let Some(to) = to else {
            self.counters.undeliverable += 1;
            return;
        };
        cx.fx.frame.encode(Kind::Text, |out| wire::write_signal(*id, data, out));
        cx.fx.append(to);
        self.counters.signals += 1;
    }
}

impl Room {
    /// Where a signal of `sender` goes that names `receiver`.
    fn address(&self, topology: Topology, sender: MemberId, receiver: MemberId) -> Option<Slot> {
        let to = match topology {
            Topology::FullMesh => receiver,
            Topology::ClientServer if self.host == Some(sender) => Some(receiver).filter(|to| *to != sender)?,
            Topology::ClientServer => self.host?,
        };
        self.members.get(to).map(|member| member.slot)
    }
}
