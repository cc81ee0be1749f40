//! Signal Fish on a few shards without their loop: effects are carried out at once, asks go to a real admission.

use super::super::event::{Message, Opening, Trouble};
use super::settings::Settings;
use super::state::SignalFish;
use crate::Now;
use crate::admission::{Admission, Ask, Limits, Refusal};
use crate::effects::{Cx, Effect, Effects};
use crate::entry::{Routing, draw_hashing};
use crate::slot::{ShardIndex, Slot};
use crate::ws::frame_length;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

struct Shard {
    protocol: SignalFish,
    fx: Effects,
}

struct World {
    shards: Vec<Shard>,
    /// Where each client is, and what it was sent.
    clients: Vec<Client>,
    admission: Admission,
    /// Asks that nobody has answered.
    asks: VecDeque<(usize, Slot, Ask)>,
    answers_at_once: bool,
    now: Now,
}

#[derive(Default)]
struct Client {
    shard: usize,
    generation: u32,
    inbox: VecDeque<Value>,
    closed: bool,
    moves: u32,
}

impl World {
    fn new(shards: u16, settings: Settings) -> Self {
        let mut random = StdRng::seed_from_u64(7);
        let routing = Routing::new(shards, &mut random);
        let settings = Arc::new(settings);
        let limits = Limits {
            connections_max: 1000,
            connections_per_ip_max: 1000,
            rooms_per_game_max: 1000,
            room_creations_max: 1000,
            join_attempts_max: 1000,
            time_window: Duration::from_secs(60),
            apps: Vec::new(),
        };
        let shard = |index: u16| Shard {
            protocol: SignalFish::new(
                Arc::clone(&settings),
                ShardIndex(index),
                routing.clone(),
                Box::new(StdRng::seed_from_u64(u64::from(index))),
            ),
            fx: Effects::new(1 << 20),
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

    fn slot(&self, client: usize) -> Slot {
        Slot {
            index: u32::try_from(client).expect("few clients"),
            generation: self.clients[client].generation,
        }
    }

    fn with(&mut self, client: usize, act: impl FnOnce(&mut SignalFish, &mut Cx<'_>)) {
        let slot = self.slot(client);
        let shard = &mut self.shards[self.clients[client].shard];
        act(&mut shard.protocol, &mut Cx::new(self.now, slot, &mut shard.fx));
        self.settle();
    }

    fn connect(&mut self, shard: usize) -> usize {
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
            query: None,
        };
        self.with(client, |protocol, cx| protocol.opened(cx, &opening));
        client
    }

    fn say(&mut self, client: usize, text: &str) {
        self.with(client, |protocol, cx| protocol.message(cx, Message::Text(text)));
    }

    fn join(&mut self, client: usize, code: &str) {
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

    fn leave(&mut self, client: usize) {
        self.with(client, SignalFish::left);
    }

    fn settle(&mut self) {
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
    fn answer(&mut self) {
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
    fn types(&mut self, client: usize) -> Vec<String> {
        let types = self.clients[client].inbox.drain(..);
        types
            .map(|message| message["type"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// The only message that a client was sent.
    fn only(&mut self, client: usize) -> Value {
        let inbox = &mut self.clients[client].inbox;
        assert_eq!(inbox.len(), 1, "{inbox:?}");
        inbox.pop_front().expect("there is one")
    }

    fn rooms_granted(&self) -> u64 {
        self.admission.totals().rooms_active
    }
}

#[test]
fn the_last_free_code_is_found_whichever_shard_has_it() {
    let settings = Settings {
        room_code_length: 1,
        ..Settings::default()
    };
    let mut world = World::new(4, settings);
    let mut codes = std::collections::HashSet::new();
    for number in 0..32 {
        let client = world.connect(number % 4);
        world.join(client, "");
        let joined = world.only(client);
        assert_eq!(joined["type"], "RoomJoined", "{joined}");
        codes.insert(joined["data"]["room_code"].to_string());
    }
    assert_eq!((codes.len(), world.rooms_granted()), (32, 32));
    let late = world.connect(0);
    world.join(late, "");
    let failed = world.only(late);
    assert_eq!(failed["data"]["error_code"], "ROOM_CREATION_FAILED", "{failed}");
    assert_eq!((world.rooms_granted(), world.clients[late].moves), (32, 3));
}

#[test]
fn a_room_is_reached_from_every_shard() {
    let mut world = World::new(4, Settings::default());
    let clients: Vec<_> = (0..4).map(|shard| world.connect(shard)).collect();
    for &client in &clients {
        world.join(client, "ABC123");
    }
    assert_eq!(world.rooms_granted(), 1);
    assert_eq!(
        world.types(clients[0]),
        ["RoomJoined", "PlayerJoined", "PlayerJoined", "PlayerJoined"]
    );
    world.say(clients[3], r#"{"type":"GameData","data":{"data":{"x": 1}}}"#);
    for &client in &clients[..3] {
        assert_eq!(world.types(client).last().map(String::as_str), Some("GameData"));
    }
    assert_eq!(world.types(clients[3]), ["RoomJoined"]);
}

#[test]
fn the_next_in_line_asks_when_the_verdict_of_a_dead_opener_is_here() {
    let mut world = World::new(1, Settings::default());
    let [first, second, third] = [0; 3].map(|shard| world.connect(shard));
    world.answers_at_once = false;
    for client in [first, second, third] {
        world.join(client, "ABC123");
    }
    // The attempts are counted.
    for _ in 0..3 {
        world.answer();
    }
    world.settle();
    assert_eq!(world.asks.len(), 1);
    world.leave(first);
    world.leave(second);
    assert_eq!(world.shards[0].protocol.gauges().openings, 1);
    world.answer();
    world.settle();
    assert_eq!((world.asks.len(), world.rooms_granted()), (1, 0));
    world.answers_at_once = true;
    world.settle();
    assert_eq!(world.types(third), ["RoomJoined"]);
    assert_eq!(
        (world.shards[0].protocol.gauges().openings, world.rooms_granted()),
        (0, 1)
    );
}

#[test]
fn a_drain_gives_everything_back() {
    let mut world = World::new(1, Settings::default());
    let [creator, opener, queued] = [0; 3].map(|shard| world.connect(shard));
    world.join(creator, "");
    world.answers_at_once = false;
    world.join(opener, "ABC123");
    world.join(queued, "ABC123");
    world.answer();
    world.answer();
    world.settle();
    let Shard { protocol, fx } = &mut world.shards[0];
    protocol.drain(fx);
    world.settle();
    world.answer();
    world.settle();
    assert_eq!((world.asks.len(), world.rooms_granted()), (0, 0));
    let gauges = world.shards[0].protocol.gauges();
    assert_eq!((gauges.sessions, gauges.rooms, gauges.openings), (0, 0, 0));
    assert_eq!(world.shards[0].protocol.next_due(), Duration::MAX);
}

#[test]
fn an_invalid_message_counts_whatever_finds_it_invalid() {
    let settings = Settings {
        max_invalid_messages: 3,
        ..Settings::default()
    };
    let mut world = World::new(1, settings);
    let client = world.connect(0);
    let long = "x".repeat(129);
    let too_long = format!(r#"{{"type":"Authenticate","data":{{"app_id":"a","platform":"{long}"}}}}"#);
    let oversize = Message::Oversize {
        kind: crate::ws::Kind::Text,
        length: 100_000,
    };
    world.say(client, &too_long);
    world.with(client, |protocol, cx| protocol.message(cx, oversize));
    world.with(client, |protocol, cx| protocol.message(cx, Message::Binary(b"\x01")));
    // In the wrong state, but valid.
    world.say(client, r#"{"type":"PlayerReady"}"#);
    for _ in 0..3 {
        world.say(client, &too_long);
    }
    assert!(!world.clients[client].closed);
    world.say(client, "{}");
    assert!(world.clients[client].closed);
    let last = world.clients[client].inbox.pop_back().expect("an error");
    assert_eq!(last["data"]["message"], "Too many invalid messages");
    assert_eq!(world.types(client), ["Error"; 7]);
}

#[test]
fn who_returns_to_an_empty_room_becomes_its_authority() {
    let mut world = World::new(2, Settings::default());
    let [creator, other, watcher, back] = [0, 0, 1, 1].map(|shard| world.connect(shard));
    world.join(creator, "ABC123");
    world.join(other, "ABC123");
    world.say(
        watcher,
        r#"{"type":"JoinAsSpectator","data":{"game_name":"g","room_code":"abc123","spectator_name":"w"}}"#,
    );
    let joined = world.clients[other].inbox.pop_front().expect("it joined");
    let [player, room, token] = ["player_id", "room_id", "reconnection_token"].map(|key| joined["data"][key].clone());
    world.leave(creator);
    world.leave(other);
    world.types(watcher);
    world.say(
        back,
        &format!(r#"{{"type":"Reconnect","data":{{"player_id":{player},"room_id":{room},"auth_token":{token}}}}}"#),
    );
    let returned = world.only(back);
    assert_eq!(returned["type"], "Reconnected", "{returned}");
    assert_eq!(returned["data"]["is_authority"], true);
    assert_eq!(world.types(watcher), ["PlayerReconnected", "AuthorityChanged"]);
}

#[test]
fn refusals_are_explained_without_a_session() {
    let mut world = World::new(1, Settings::default());
    let client = world.connect(0);
    world.leave(client);
    let (current, limit) = (10, 10);
    for (trouble, code) in [
        (
            Trouble::Refused(Refusal::ConnectionsPerIp { current, limit }),
            "TOO_MANY_CONNECTIONS",
        ),
        (Trouble::Refused(Refusal::Connections), "SERVICE_UNAVAILABLE"),
        (Trouble::MessageTimeout, "INVALID_INPUT"),
    ] {
        world.with(client, |protocol, cx| protocol.explain(cx, &trouble));
        assert_eq!(world.only(client)["data"]["error_code"], code);
    }
}

#[test]
fn who_does_not_authenticate_in_time_is_closed() {
    let settings = Settings {
        require_auth: true,
        ..Settings::default()
    };
    let mut world = World::new(1, settings);
    let client = world.connect(0);
    let slot = world.slot(client);
    let deadline = world.shards[0].protocol.deadline(slot).expect("it must authenticate");
    world.with(client, SignalFish::due);
    assert!(!world.clients[client].closed);
    world.now.monotonic = deadline;
    world.with(client, SignalFish::due);
    assert_eq!(world.only(client)["data"]["error_code"], "AUTHENTICATION_TIMEOUT");
    assert!(world.clients[client].closed);
}

#[test]
fn an_idle_session_is_small() {
    let session = size_of::<super::session::Session>();
    assert!(session <= 96, "{session} bytes");
    let player = size_of::<super::room::Player>();
    assert!(player <= 88, "{player} bytes");
}
