//! The connection for channels: what is published there, and whether it answers.

use super::figures::Operation;
use super::link::Link;
use super::node::{Node, PING_INTERVAL, Subscription};
use super::resp::{Reply, write_command};
use super::scripts;
use signal_fish_core::protocol::relay::{Relayed, envelope};
use std::time::Duration;

impl Node {
    pub(super) fn ping(&mut self, now: Duration) {
        self.ping_at = now.saturating_add(PING_INTERVAL);
        self.channels
            .send(now, Subscription::Ping, |out| write_command(&[b"PING"], out));
    }

    /// Whether it makes sense.
    pub(super) fn channel_says(&mut self, reply: Reply, now: Duration) -> bool {
        let (kind, first, second) = match reply {
            Reply::Array(items) => {
                let mut items = items.into_iter();
                let Some(Reply::Bytes(kind)) = items.next() else {
                    return false;
                };
                (kind, items.next(), items.next())
            }
            Reply::Status(_) => (b"pong".to_vec(), None, None),
            Reply::Error(_) => (b"error".to_vec(), None, None),
            _ => return false,
        };
        if kind == b"message" {
            let (Some(Reply::Bytes(channel)), Some(payload)) = (first, second) else {
                return false;
            };
            self.message(&channel, &payload);
            return true;
        }
        let Some((sent_at, subscription)) = self.channels.answered(now) else {
            return false;
        };
        let took = now.saturating_sub(sent_at);
        match (subscription, &*kind) {
            (_, b"error") => {
                self.failed(Link::Channels, now, "it answers with an error");
                return true;
            }
            (Subscription::Greet, b"pong") => return true,
            (Subscription::Ping, b"pong") => {
                self.figures.record(Operation::Ping, took);
                if !self.channels.is_up() {
                    self.channels.greeted();
                    self.figures.up = self.commands.is_up();
                }
            }
            (Subscription::Subscribe(room, number), b"subscribe") => {
                self.figures.record(Operation::Subscribe, took);
                self.ready.extend(self.rooms.subscribed(&room, number));
            }
            (Subscription::Unsubscribe, b"unsubscribe") => {}
            _ => return false,
        }
        self.count_success(Link::Channels, now);
        true
    }

    /// Something was published on the channel of a room. Whoever did may be anybody with access to Redis.
    pub(super) fn message(&mut self, channel: &[u8], payload: &Reply) {
        let room = channel.strip_prefix(scripts::ROOM.as_bytes());
        let Some((room, home)) = room
            .and_then(|room| std::str::from_utf8(room).ok())
            .and_then(|room| self.rooms.home(room))
        else {
            // The last client has left meanwhile.
            return;
        };
        let envelope = match payload {
            Reply::Bytes(payload) => std::str::from_utf8(payload).ok(),
            _ => None,
        };
        let envelope = envelope
            .and_then(|text| envelope::read(text).ok())
            .filter(|envelope| envelope.data.len() <= self.options.message_bytes_max);
        let Some(envelope) = envelope else {
            self.figures.rejected += 1;
            return;
        };
        if envelope.origin == self.writer.node() {
            return;
        }
        let message = Relayed {
            room,
            from: envelope.sender,
            text: envelope.data.into(),
            is_of_client: envelope.is_of_client,
        };
        self.outcome.relayed.push((home, message));
    }
}
