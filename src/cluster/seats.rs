//! What shards want for clients of the relay: seats, and what they say to be published.

use super::node::{Command, Leaver, Node, Scan};
use super::resp::Reply;
use super::rooms::Asker;
use super::scripts::{self, REGISTERED_MAX};
use signal_fish_core::admission::{Refusal, Seat, Verdict};
use signal_fish_core::effects::Published;
use signal_fish_core::protocol::relay::home_of;
use signal_fish_core::room::MemberId;
use signal_fish_core::{ShardIndex, Slot};
use std::sync::Arc;
use std::time::Duration;

/// Bytes that wait for Redis with which messages are still published.
const PUBLISH_BACKLOG_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Operations that wait for replies with which messages are still published.
const PUBLISH_WAITING_MAX: usize = 65_536;

impl Node {
    /// A client wants a seat.
    pub(super) fn sit(&mut self, now: Duration, shard: ShardIndex, slot: Slot, room: Arc<str>, client: [u8; 16]) {
        if !self.breaker.is_closed() || self.stops {
            let verdict = Verdict::Refused(Refusal::BreakerOpen);
            return self.outcome.verdicts.push((shard, slot, verdict));
        }
        let home = home_of(&self.routing, &room);
        let asker = Asker {
            shard,
            slot,
            room,
            client: MemberId::from_bytes(client),
            since: now,
        };
        self.ready.extend(self.rooms.ask(asker, home));
    }

    /// A seat comes back.
    pub(super) fn seat_ended(&mut self, seat: &Seat) {
        let client = MemberId::from_bytes(seat.client());
        self.rooms.left(seat.room(), client);
        self.leave(Arc::clone(seat.room()), client, seat.is_taken());
    }

    pub(super) fn leave(&mut self, room: Arc<str>, client: MemberId, told: bool) {
        if self.breaker.is_closed() {
            self.leaving.push_back(Leaver {
                room,
                client,
                told,
                counted: told,
            });
        } else if told {
            self.figures.unpublished += 1;
        }
    }

    /// A client says something.
    pub(super) fn publish(&mut self, now: Duration, message: &Published) {
        let has_room =
            self.commands.unsent().len() <= PUBLISH_BACKLOG_BYTES_MAX && self.commands.waiting() <= PUBLISH_WAITING_MAX;
        if !(self.breaker.is_closed() && self.commands.is_up() && has_room) {
            self.figures.unpublished += 1;
            return;
        }
        let (writer, client) = (&self.writer, MemberId::from_bytes(message.client));
        self.commands.send(now, Command::Publish, |out| {
            writer.publish(&message.room, client, message.text.as_bytes(), out);
        });
    }

    /// Begins the next operation. Returns whether there was one.
    pub(super) fn begin_next(&mut self, now: Duration) -> bool {
        let writer = &self.writer;
        if let Some(leaver) = self.leaving.pop_front() {
            let Leaver {
                room,
                client,
                told,
                counted,
            } = leaver;
            self.commands.send(now, Command::Leave(counted), |out| {
                writer.leave(&room, client, told, out)
            });
        } else if let Some(asker) = self.ready.pop_front() {
            let (room, client) = (Arc::clone(&asker.room), asker.client);
            self.commands
                .send(now, Command::Enter(asker), |out| writer.enter(&room, client, out));
        } else if let Scan::Next(cursor) = &self.scan {
            let cursor = cursor.clone();
            self.scan = Scan::Asked;
            self.commands.send(now, Command::Scan, |out| writer.scan(&cursor, out));
        } else if let Some(room) = self.sweep.pop_front() {
            for clients in self.rooms.members(&room).chunks(REGISTERED_MAX) {
                self.commands
                    .send(now, Command::Register, |out| writer.register(&room, clients, out));
            }
        } else {
            return false;
        }
        true
    }

    pub(super) fn entered(&mut self, asker: Asker) {
        let Asker {
            shard,
            slot,
            room,
            client,
            ..
        } = asker;
        self.rooms.asked(&room, client, true);
        if self.stops {
            self.rooms.left(&room, client);
            return self.leave(room, client, false);
        }
        let seat = Seat::new(room, *client.as_bytes());
        self.outcome.verdicts.push((shard, slot, Verdict::Seated(seat)));
    }

    pub(super) fn refuse(&mut self, asker: Asker, refusal: Refusal) {
        self.rooms.asked(&asker.room, asker.client, false);
        let verdict = Verdict::Refused(refusal);
        self.outcome.verdicts.push((asker.shard, asker.slot, verdict));
    }

    pub(super) fn refuse_ready(&mut self) {
        while let Some(asker) = self.ready.pop_front() {
            self.refuse(asker, Refusal::Redis);
        }
    }

    /// Who is in Redis and not here leaves.
    pub(super) fn scanned(&mut self, items: Vec<Reply>) -> bool {
        let mut items = items.into_iter();
        let (Some(Reply::Bytes(cursor)), Some(Reply::Array(entries))) = (items.next(), items.next()) else {
            return false;
        };
        for entry in &entries {
            let Reply::Bytes(entry) = entry else { continue };
            let Some((room, client)) = scripts::entry(entry) else {
                continue;
            };
            let doubtful = self.doubtful.remove(&client);
            // Replies come in order: whoever entered or left before this one was asked for is known.
            if doubtful || !self.rooms.has(room, client) {
                self.leaving.push_back(Leaver {
                    room: room.into(),
                    client,
                    told: !doubtful,
                    counted: false,
                });
            }
        }
        self.scan = if cursor == b"0" { Scan::Idle } else { Scan::Next(cursor) };
        true
    }
}
