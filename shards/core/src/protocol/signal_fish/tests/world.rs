//! Shards without their loop: effects are carried out at once, asks go to a real admission.

use super::super::super::event::{Message, Opening};
use super::super::settings::Settings;
use super::super::state::SignalFish;
use crate::Now;
use crate::admission::{Admission, Ask, Limits, Rates};
use crate::effects::{Bounds, Cx, Effect, Effects};
use crate::entry::{Routing, draw_hashing};
use crate::http::Asks;
use crate::slot::{ShardIndex, Slot};
use crate::ws::frame_length;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

pub(super) struct Shard {
    pub(super) protocol: SignalFish,
    pub(super) fx: Effects,
}

pub(super) struct World {
    pub(super) shards: Vec<Shard>,
    /// Where each client is, and what it was sent.
    pub(super) clients: Vec<Client>,
    admission: Admission,
    /// Asks that nobody has answered.
    pub(super) asks: VecDeque<(usize, Slot, Ask)>,
    pub(super) answers_at_once: bool,
    pub(super) now: Now,
}

#[derive(Default)]
pub(super) struct Client {
    shard: usize,
    generation: u32,
    pub(super) inbox: VecDeque<Value>,
    pub(super) closed: bool,
    pub(super) moves: u32,
}

impl World {
    pub(super) fn new(shards: u16, settings: Settings) -> Self {
        let mut random = StdRng::seed_from_u64(7);
        let routing = Routing::new(shards, &mut random);
        let settings = Arc::new(settings);
        let limits = Limits {
            connections_max: 1000,
            connections_per_ip_max: 1000,
            rooms_per_game_max: 1000,
            room_creations_max: 1000,
            handshakes_per_sec_per_ip: 10,
            join_attempts_max: 1000,
            time_window: Duration::from_secs(60),
            relay: Rates::default(),
            apps: Vec::new(),
        };
        let shard = |index: u16| Shard {
            protocol: SignalFish::new(
                Arc::clone(&settings),
                ShardIndex(index),
                routing.clone(),
                Box::new(StdRng::seed_from_u64(1_000 + u64::from(index))),
            ),
            fx: Effects::new(Bounds {
                bytes_max: 1 << 20,
                total_bytes_max: 1 << 30,
            }),
        };
        Self {
            shards: (0..shards).map(shard).collect(),
            clients: Vec::new(),
            admission: Admission::new(limits, draw_hashing(&mut random)),
            asks: VecDeque::new(),
            answers_at_once: true,
            now: Now::default(),
        }
    }

    pub(super) fn slot(&self, client: usize) -> Slot {
        Slot {
            index: u32::try_from(client).expect("few clients"),
            generation: self.clients[client].generation,
        }
    }

    pub(super) fn with(&mut self, client: usize, act: impl FnOnce(&mut SignalFish, &mut Cx<'_>)) {
        let slot = self.slot(client);
        let shard = &mut self.shards[self.clients[client].shard];
        act(&mut shard.protocol, &mut Cx::new(self.now, slot, &mut shard.fx));
        self.settle();
    }

    pub(super) fn connect(&mut self, shard: usize) -> usize {
        self.clients.push(Client {
            shard,
            ..Client::default()
        });
        let client = self.clients.len() - 1;
        let slot = self.slot(client);
        self.shards[shard].fx.outboxes.take_slot(slot);
        self.shards[shard].fx.outboxes.open(slot);
        let opening = Opening {
            client: [127, 0, 0, 1].into(),
            room: None,
            query: None,
            binding: None,
            asks: Asks::default(),
            secure: false,
            certificate: None,
            answer: Box::default(),
            ticketless: false,
        };
        self.with(client, |protocol, cx| protocol.opened(cx, &opening));
        client
    }

    pub(super) fn say(&mut self, client: usize, text: &str) {
        self.with(client, |protocol, cx| protocol.message(cx, Message::Text(text)));
    }

    pub(super) fn join(&mut self, client: usize, code: &str) {
        let code = if code.is_empty() {
            String::new()
        } else {
            format!(r#","room_code":"{code}""#)
        };
        self.say(
            client,
            &format!(r#"{{"type":"JoinRoom","data":{{"game_name":"g","player_name":"p{client}"{code}}}}}"#),
        );
    }

    pub(super) fn leave(&mut self, client: usize) {
        self.with(client, SignalFish::left);
    }

    pub(super) fn settle(&mut self) {
        loop {
            let mut quiet = true;
            for shard in 0..self.shards.len() {
                let mut effects = Vec::new();
                self.shards[shard].fx.take(&mut effects);
                quiet &= effects.is_empty();
                for effect in effects {
                    self.carry_out(shard, effect);
                }
            }
            if self.answers_at_once && !self.asks.is_empty() {
                self.answer();
            } else if quiet {
                return self.deliver();
            }
        }
    }

    fn carry_out(&mut self, shard: usize, effect: Effect) {
        match effect {
            Effect::Ask(slot, ask) => self.asks.push_back((shard, slot, ask)),
            Effect::Notify(notice) => self.admission.give_back(notice),
            Effect::Close(slot) => self.clients[slot.index as usize].closed = true,
            Effect::Ping(_) | Effect::Publish(_) => {}
            Effect::Resume(slot) => assert!(!self.shards[shard].protocol.waits(slot)),
            Effect::Move(slot, to) => {
                let to = usize::from(to.0);
                let from = &mut self.shards[shard];
                let session = from.protocol.depart(slot).expect("it has a session");
                let unsent = from.fx.outboxes.take_unsent(slot);
                let client = &mut self.clients[slot.index as usize];
                client.shard = to;
                client.generation += 1;
                client.moves += 1;
                let slot = self.slot(slot.index as usize);
                let Shard { protocol, fx } = &mut self.shards[to];
                fx.outboxes.take_slot(slot);
                fx.outboxes.open(slot);
                fx.outboxes.append_with(slot, |out| out.extend_from_slice(&unsent));
                protocol.arrived(&mut Cx::new(self.now, slot, fx), session);
            }
        }
    }

    /// Answers the oldest ask.
    pub(super) fn answer(&mut self) {
        let (shard, slot, ask) = self.asks.pop_front().expect("somebody asked");
        let verdict = self.admission.decide(self.now.monotonic, ask);
        let Shard { protocol, fx } = &mut self.shards[shard];
        protocol.verdict(&mut Cx::new(self.now, slot, fx), verdict);
    }

    fn deliver(&mut self) {
        for client in 0..self.clients.len() {
            let slot = self.slot(client);
            let outboxes = &mut self.shards[self.clients[client].shard].fx.outboxes;
            let bytes = outboxes.unsent(slot).to_vec();
            outboxes.advance(slot, bytes.len());
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let (frame, more) = rest.split_at(frame_length(rest));
                rest = more;
                if frame[0] == 0x81 {
                    let header = if frame[1] < 126 { 2 } else { 4 };
                    let message = serde_json::from_slice(&frame[header..]).expect("JSON");
                    self.clients[client].inbox.push_back(message);
                }
            }
        }
    }

    /// The types of what a client was sent; nothing is left in its inbox.
    pub(super) fn types(&mut self, client: usize) -> Vec<String> {
        let types = self.clients[client].inbox.drain(..);
        types
            .map(|message| message["type"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// The only message that a client was sent.
    pub(super) fn only(&mut self, client: usize) -> Value {
        let inbox = &mut self.clients[client].inbox;
        assert_eq!(inbox.len(), 1, "{inbox:?}");
        inbox.pop_front().expect("there is one")
    }

    pub(super) fn rooms_granted(&self) -> u64 {
        self.admission.totals().rooms_active
    }
}
