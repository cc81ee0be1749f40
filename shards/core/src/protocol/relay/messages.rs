//! What clients send: it is counted, checked and forwarded as it came.

use super::super::event::Message;
use super::super::journal;
use super::state::{Client, Held, Relay, Session};
use super::wire;
use crate::admission::{Ask, Refusal, Verdict};
use crate::effects::Cx;
use crate::entry::grant;
use crate::room::{MemberId, RoomHandle};
use crate::slot::Slot;
use crate::ws::Kind;

impl Relay {
    /// A complete message. Size, rates and schema are looked at in this order; a dropped message takes no token of the
    /// later rates.
    pub fn message(&mut self, cx: &mut Cx<'_>, message: Message<'_>) {
        let text = match message {
            Message::Text(text) => Some(text),
            // Binary whose bytes are UTF-8 is that text (R7).
            Message::Binary(payload) => std::str::from_utf8(payload).ok(),
            Message::Oversize { .. } => {
                self.counters.oversize_drops += 1;
                return;
            }
        };
        let now = cx.now.monotonic;
        let limits_ip = self.settings.ip_messages.is_limit();
        let Some(client) = inside(&mut self.sessions, cx.slot) else {
            return;
        };
        if !client.bucket.take(&self.settings.client_messages, now) {
            self.counters.client_rate_drops += 1;
            return;
        }
        if limits_ip
            && let Some(pool) = self.pools.get_mut(client.ip)
            && !pool.spend()
        {
            if pool.is_refused(now) {
                self.counters.ip_rate_drops += 1;
                return;
            }
            // One copy in a block of messages.
            client.held = Some(Held(text.map(Box::from)));
            let (ip, spent) = (client.ip, pool.take_spent());
            return cx.ask(Ask::Lend { ip, spent });
        }
        self.counted(cx, text);
    }

    /// More was lent to the address of a client whose message waits, or not.
    pub(super) fn lent(&mut self, cx: &mut Cx<'_>, verdict: Verdict) {
        let now = cx.now.monotonic;
        let Some(client) = inside(&mut self.sessions, cx.slot) else {
            return grant::give_back(verdict, cx.fx);
        };
        let held = client.held.take();
        let ip = client.ip;
        match verdict {
            Verdict::Lent(loan) => self.pools.put(now, loan, cx.fx),
            Verdict::Refused(Refusal::MessageRate { retry_after }) => {
                if let Some(pool) = self.pools.get_mut(ip) {
                    pool.refuse(now.saturating_add(retry_after));
                }
            }
            other => grant::give_back(other, cx.fx),
        }
        cx.resume();
        let Some(Held(text)) = held else { return };
        if self.pools.get_mut(ip).is_some_and(|pool| pool.spend()) {
            self.counted(cx, text.as_deref());
        } else {
            self.counters.ip_rate_drops += 1;
        }
    }

    /// The rates of client and address are paid: the room's is next, then the schema.
    fn counted(&mut self, cx: &mut Cx<'_>, text: Option<&str>) {
        let Some(client) = inside(&mut self.sessions, cx.slot) else {
            return;
        };
        let Some(room) = self.rooms.get_mut(client.room) else {
            return;
        };
        if !room.bucket.take(&self.settings.room_messages, cx.now.monotonic) {
            self.counters.room_rate_drops += 1;
            return;
        }
        let Some(text) = text.filter(|text| wire::check(text).is_ok()) else {
            return self.reject(cx);
        };
        client.invalid_in_a_row = 0;
        let (id, handle) = (client.id, client.room);
        if let Some(seat) = &client.seat {
            cx.fx.publish(seat.publish(text));
        }
        self.counters.messages += 1;
        self.deliver(cx, handle, id, text);
    }

    /// Hands a message to everybody else in a room.
    fn deliver(&mut self, cx: &mut Cx<'_>, room: RoomHandle, from: MemberId, text: &str) {
        let Some(room) = self.rooms.get_mut(room) else { return };
        cx.fx
            .frame
            .encode(Kind::Text, |out| out.extend_from_slice(text.as_bytes()));
        self.counters.forwarded += room.members.deliver(Some(from), cx.fx);
    }

    /// A message is not valid: its sender is told, and closed after too many in a row (D41).
    fn reject(&mut self, cx: &mut Cx<'_>) {
        self.counters.schema_rejects += 1;
        let Some(client) = inside(&mut self.sessions, cx.slot) else {
            return;
        };
        client.invalid_in_a_row = client.invalid_in_a_row.saturating_add(1);
        let max = self.settings.invalid_messages_max;
        let too_many = max > 0 && client.invalid_in_a_row > max;
        cx.send(Kind::Text, |out| out.extend_from_slice(wire::SCHEMA_ERROR));
        if too_many {
            self.counters.closed_invalid += 1;
            let reason = "too many invalid messages";
            journal::closed(self.shard, cx.slot, self.address(cx.slot), 1008, reason);
            cx.close(1008, reason);
            self.left(cx);
        }
    }
}

fn inside(sessions: &mut super::super::by_slot::BySlot<Session>, slot: Slot) -> Option<&mut Client> {
    match sessions.get_mut(slot)? {
        Session::Inside(client) => Some(client),
        Session::Entering(_) => None,
    }
}
