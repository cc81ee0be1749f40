//! Clients of a world: they connect, send, end, and are found.

use super::{Id, World};
use crate::client::Client;
use crate::ledger::Rule;
use crate::network::Place;
use crate::sockets::LOCALHOST;
use serde_json::Value;
use signal_fish_core::ws::Kind;
use signal_fish_core::{ShardIndex, Slot};
use std::net::IpAddr;

impl World {
    /// Connects a client and opens its WebSocket.
    pub fn connect(&mut self) -> Id {
        self.connect_from(LOCALHOST, None)
    }

    /// The same from an address; a hint is the game and the code of a room that the URL names.
    pub fn connect_from(&mut self, ip: IpAddr, hint: Option<(&str, &str)>) -> Id {
        let query = hint.map_or(String::new(), |(game, code)| {
            format!("?game_name={game}&room_code={code}")
        });
        self.admit(ip, Client::upgrading(&query))
    }

    /// Connects a client to the next shard in turn.
    pub fn admit(&mut self, ip: IpAddr, client: Client) -> Id {
        let shard = ShardIndex(self.next_shard);
        self.next_shard = (self.next_shard + 1) % u16::try_from(self.runners.len()).expect("shards are few");
        self.admit_to(shard, ip, client)
    }

    /// Connects a client to a shard.
    pub fn admit_to(&mut self, shard: ShardIndex, ip: IpAddr, client: Client) -> Id {
        let id = self.enter(shard, ip, client);
        self.settle();
        id
    }

    /// The same, and nobody has noticed yet.
    pub fn enter(&mut self, shard: ShardIndex, ip: IpAddr, client: Client) -> Id {
        let line = self.line;
        let id = self.network().connect((shard, client.listener), ip, line);
        if let Some(ledger) = &self.ledger {
            ledger.borrow_mut().connected(ip);
        }
        self.clients.push(client);
        id
    }

    /// The bytes that a client would put on the wire now. Whoever takes them puts them there.
    pub fn take_bytes(&mut self, id: Id) -> Vec<u8> {
        self.clients[id].take_outgoing().0
    }

    /// Puts bytes of a client on the wire, as they are, and lets everything settle.
    pub fn put_bytes(&mut self, id: Id, bytes: &[u8]) {
        self.network().write(id, bytes, false);
        self.settle();
    }

    /// Sends JSON and lets everything settle.
    pub fn send(&mut self, id: Id, message: Value) {
        self.send_text(id, &message.to_string());
    }

    /// Sends text and lets everything settle.
    pub fn send_text(&mut self, id: Id, text: &str) {
        self.clients[id].say(text);
        self.settle();
    }

    /// Sends a binary message and lets everything settle.
    pub fn send_binary(&mut self, id: Id, payload: &[u8]) {
        self.clients[id].say_binary(payload);
        self.settle();
    }

    /// Sends a message of so many bytes.
    pub fn oversize(&mut self, id: Id, kind: Kind, length: usize) {
        match kind {
            Kind::Text => self.send_text(id, &"x".repeat(length)),
            Kind::Binary => self.send_binary(id, &vec![b'x'; length]),
        }
    }

    /// Sends a sign of life.
    pub fn alive(&mut self, id: Id) {
        self.clients[id].pong();
        self.settle();
    }

    /// The network loses a client. While it moves between shards its new shard learns of it on arrival.
    pub fn drop_client(&mut self, id: Id) {
        self.lose_client(id);
        self.settle();
    }

    /// The same, and nobody has noticed yet.
    pub fn lose_client(&mut self, id: Id) {
        self.clients[id].vanish();
        if let Some(ledger) = &self.ledger {
            ledger.borrow_mut().excuse(id, Rule::Lost);
        }
        self.network().lose(id);
    }

    /// Sends to a client fail from now on, and nothing else tells that its connection is lost.
    pub fn break_output(&mut self, id: Id) {
        if let Some(ledger) = &self.ledger {
            ledger.borrow_mut().excuse(id, Rule::Lost);
        }
        self.network().fail_sends(id);
    }

    /// A client ends its direction behind what it has sent, without a close frame.
    pub fn finish(&mut self, id: Id) {
        self.clients[id].end();
        self.settle();
    }

    /// Whether a shard has the connection, and neither side has ended it.
    #[must_use]
    pub fn is_connected(&self, id: Id) -> bool {
        self.shard_of(id).is_some() && !self.clients[id].is_over()
    }

    /// The shard that has the connection.
    #[must_use]
    pub fn shard_of(&self, id: Id) -> Option<u16> {
        self.place_of(id).map(|(shard, _)| shard.0)
    }

    fn place_of(&self, id: Id) -> Option<(ShardIndex, Slot)> {
        match self.network.borrow().place(id) {
            Place::At(shard, slot) => Some((shard, slot)),
            _ => None,
        }
    }

    /// Whether a connected client waits for a verdict, its own or another one's.
    #[must_use]
    pub fn is_waiting(&self, id: Id) -> bool {
        let Some((shard, slot)) = self.place_of(id).filter(|_| self.is_connected(id)) else {
            return false;
        };
        !self.clients[id].is_open() || self.runners[usize::from(shard.0)].shard.signal_fish().waits(slot)
    }
}
