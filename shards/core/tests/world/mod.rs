//! A server without IO: engines, admission and clients in virtual time, joined by a little router.
//!
//! Everything runs until nothing is left to do after each step, so a test sees what clients would see. The router checks
//! the contract of the engine on the way: who waits gets no frames, who is gone is sent nothing.
#![allow(dead_code, unreachable_pub, reason = "every test file uses a part of this")]

use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use signal_fish_core::Now;
use signal_fish_core::admission::{Admission, Ask, Limits, Notice, Verdict};
use signal_fish_core::protocol::signal_fish::{
    CloseReason, Effects, Engine, Form, MovingSession, Routing, Settings, ShardIndex, Slot,
};
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

/// Limits that stop nobody.
pub fn open_limits() -> Limits {
    Limits {
        connections_max: 1_000_000,
        connections_per_ip_max: 1_000_000,
        rooms_per_game_max: 1_000_000,
        room_creations_max: 1_000_000,
        join_attempts_max: 1_000_000,
        time_window: Duration::from_secs(60),
        apps: Vec::new(),
    }
}

/// A client, counted from 0 in the order of connecting.
pub type Id = usize;

/// What a client got.
#[derive(Debug, Clone, PartialEq)]
pub enum Got {
    Text(String),
    Binary(Vec<u8>),
    Ping,
    Closed(CloseReason),
}

#[derive(Debug, Clone)]
enum Sent {
    Text(String),
    Binary(Vec<u8>),
}

#[derive(Debug)]
pub struct Client {
    /// Shard and slot while it is connected.
    at: Option<(u16, Slot)>,
    waiting: bool,
    outgoing: VecDeque<Sent>,
    /// Everything it ever got.
    pub got: Vec<Got>,
    read: usize,
    /// From the last snapshot of a room.
    pub player_id: String,
    pub room_id: String,
    pub room_code: String,
    pub token: String,
}

enum Effect {
    Send(Slot, Form, Vec<u8>),
    Ping(Slot),
    Close(Slot, CloseReason),
    Ask(Slot, Ask),
    Resume(Slot),
    Notify(Notice),
    HandOff(Slot, ShardIndex, Box<MovingSession>),
}

#[derive(Default)]
struct Recorder(Vec<Effect>);

impl Effects for Recorder {
    fn send(&mut self, to: Slot, form: Form, payload: &[u8]) {
        self.0.push(Effect::Send(to, form, payload.to_vec()));
    }
    fn ping(&mut self, slot: Slot) {
        self.0.push(Effect::Ping(slot));
    }
    fn close(&mut self, slot: Slot, reason: CloseReason) {
        self.0.push(Effect::Close(slot, reason));
    }
    fn ask(&mut self, slot: Slot, ask: Ask) {
        self.0.push(Effect::Ask(slot, ask));
    }
    fn resume(&mut self, slot: Slot) {
        self.0.push(Effect::Resume(slot));
    }
    fn notify(&mut self, notice: Notice) {
        self.0.push(Effect::Notify(notice));
    }
    fn hand_off(&mut self, slot: Slot, to: ShardIndex, session: Box<MovingSession>) {
        self.0.push(Effect::HandOff(slot, to, session));
    }
}

/// The slots of one shard; places are used again as soon as they are free.
#[derive(Default)]
struct Places {
    generations: Vec<u32>,
    free: Vec<u32>,
}

impl Places {
    fn take(&mut self) -> Slot {
        let index = self.free.pop().unwrap_or_else(|| {
            self.generations.push(0);
            u32::try_from(self.generations.len() - 1).unwrap()
        });
        let generation = self.generations[index as usize];
        Slot { index, generation }
    }

    fn give_up(&mut self, slot: Slot) {
        self.generations[slot.index as usize] += 1;
        self.free.push(slot.index);
    }
}

pub struct World {
    pub admission: Admission,
    pub engines: Vec<Engine>,
    pub clients: Vec<Client>,
    pub now: Duration,
    /// Verdicts wait until [`World::answer`] or until this is false again.
    pub hold_verdicts: bool,
    /// Sessions between shards wait.
    pub hold_moves: bool,
    asks: VecDeque<(u16, Slot, Ask)>,
    moving: VecDeque<(Id, u16, Box<MovingSession>)>,
    places: Vec<Places>,
    who: HashMap<(u16, Slot), Id>,
    next_shard: u16,
}

impl World {
    pub fn new(shards: u16, seed: u64, settings: Settings, limits: Limits) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let routing = Routing::new(shards, &mut random);
        let settings = Arc::new(settings);
        let engine = |shard| {
            let random = StdRng::seed_from_u64(seed.wrapping_add(1000) + u64::from(shard));
            Engine::new(settings.clone(), ShardIndex(shard), routing, Box::new(random))
        };
        Self {
            admission: Admission::new(limits, routing.hashing()),
            engines: (0..shards).map(engine).collect(),
            clients: Vec::new(),
            now: Duration::from_secs(1),
            hold_verdicts: false,
            hold_moves: false,
            asks: VecDeque::new(),
            moving: VecDeque::new(),
            places: (0..shards).map(|_| Places::default()).collect(),
            who: HashMap::new(),
            next_shard: 0,
        }
    }

    /// One shard, documented defaults, no limits of admission.
    pub fn simple() -> Self {
        Self::with(Settings::default())
    }

    /// One shard, no limits of admission.
    pub fn with(settings: Settings) -> Self {
        Self::new(1, 7, settings, open_limits())
    }

    /// One shard, documented defaults.
    pub fn limited(limits: Limits) -> Self {
        Self::new(1, 7, Settings::default(), limits)
    }

    fn time(&self) -> Now {
        Now {
            monotonic: self.now,
            unix: Duration::from_secs(1_700_000_000) + self.now,
        }
    }

    pub fn connect(&mut self) -> Id {
        self.connect_from(Ipv4Addr::LOCALHOST.into(), None)
    }

    pub fn connect_from(&mut self, ip: IpAddr, hint: Option<(&str, &str)>) -> Id {
        let id = self.clients.len();
        let shard = self.next_shard;
        self.next_shard = (self.next_shard + 1) % u16::try_from(self.engines.len()).unwrap();
        self.clients.push(Client {
            at: None,
            waiting: false,
            outgoing: VecDeque::new(),
            got: Vec::new(),
            read: 0,
            player_id: String::new(),
            room_id: String::new(),
            room_code: String::new(),
            token: String::new(),
        });
        let slot = self.arrive(id, shard);
        let now = self.time();
        self.call(shard, |engine, fx| engine.connected(now, slot, ip, hint, fx));
        self.settle();
        id
    }

    fn arrive(&mut self, id: Id, shard: u16) -> Slot {
        let slot = self.places[usize::from(shard)].take();
        self.who.insert((shard, slot), id);
        self.clients[id].at = Some((shard, slot));
        slot
    }

    fn depart(&mut self, shard: u16, slot: Slot) -> Option<Id> {
        let id = self.who.remove(&(shard, slot))?;
        self.places[usize::from(shard)].give_up(slot);
        self.clients[id].at = None;
        Some(id)
    }

    /// Sends JSON and lets everything settle.
    pub fn send(&mut self, id: Id, message: Value) {
        self.send_text(id, &message.to_string());
    }

    pub fn send_text(&mut self, id: Id, text: &str) {
        self.clients[id].outgoing.push_back(Sent::Text(text.to_owned()));
        self.settle();
    }

    pub fn send_binary(&mut self, id: Id, payload: &[u8]) {
        self.clients[id].outgoing.push_back(Sent::Binary(payload.to_vec()));
        self.settle();
    }

    pub fn oversize(&mut self, id: Id, form: Form, length: u64) {
        let (shard, slot) = self.clients[id].at.unwrap();
        let now = self.time();
        self.call(shard, |engine, fx| engine.oversize(now, slot, form, length, fx));
        self.settle();
    }

    pub fn alive(&mut self, id: Id) {
        let (shard, slot) = self.clients[id].at.unwrap();
        let now = self.time();
        self.engines[usize::from(shard)].alive(now, slot);
    }

    /// The network loses a client. While it moves between shards its new shard learns of it on arrival.
    pub fn drop_client(&mut self, id: Id) {
        if let Some((shard, slot)) = self.clients[id].at {
            self.depart(shard, slot);
            let now = self.time();
            self.call(shard, |engine, fx| engine.disconnected(now, slot, fx));
        } else if let Some(place) = self.moving.iter().position(|(moving, ..)| *moving == id) {
            let (_, shard, session) = self.moving.remove(place).unwrap();
            self.call(shard, |engine, fx| engine.abandon(session, fx));
        }
        self.clients[id].waiting = false;
        self.settle();
    }

    pub fn is_connected(&self, id: Id) -> bool {
        self.clients[id].at.is_some()
    }

    pub fn shard_of(&self, id: Id) -> Option<u16> {
        self.clients[id].at.map(|(shard, _)| shard)
    }

    pub fn is_waiting(&self, id: Id) -> bool {
        self.clients[id].waiting
    }

    /// Lets time pass in steps of a quarter of a second at most.
    pub fn advance(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now = end.min(self.now + Duration::from_millis(250));
            self.tick();
        }
    }

    pub fn tick(&mut self) {
        let now = self.time();
        for shard in 0..u16::try_from(self.engines.len()).unwrap() {
            self.call(shard, |engine, fx| engine.tick(now, fx));
        }
        self.settle();
    }

    pub fn drain(&mut self) {
        let now = self.time();
        for shard in 0..u16::try_from(self.engines.len()).unwrap() {
            self.call(shard, |engine, fx| engine.drain(now, fx));
        }
        self.settle();
    }

    /// Answers the oldest question that is held, if there is one.
    pub fn answer(&mut self) -> Option<Ask> {
        let (shard, slot, ask) = self.asks.pop_front()?;
        let verdict = self.admission.decide(self.now, ask.clone());
        self.deliver_verdict(shard, slot, verdict);
        self.settle();
        Some(ask)
    }

    pub fn asks(&self) -> Vec<Ask> {
        self.asks.iter().map(|(_, _, ask)| ask.clone()).collect()
    }

    fn deliver_verdict(&mut self, shard: u16, slot: Slot, verdict: Verdict) {
        let now = self.time();
        self.call(shard, |engine, fx| engine.verdict(now, slot, verdict, fx));
    }

    pub fn settle(&mut self) {
        loop {
            if !self.hold_verdicts
                && let Some((shard, slot, ask)) = self.asks.pop_front()
            {
                let verdict = self.admission.decide(self.now, ask);
                self.deliver_verdict(shard, slot, verdict);
            } else if !self.hold_moves
                && let Some((id, shard, session)) = self.moving.pop_front()
            {
                let slot = self.arrive(id, shard);
                let now = self.time();
                self.call(shard, |engine, fx| engine.adopt(now, slot, session, fx));
                if self.who.get(&(shard, slot)) == Some(&id) {
                    self.clients[id].waiting = self.engines[usize::from(shard)].is_waiting(slot);
                }
            } else if let Some(id) = self.next_sender() {
                self.deliver_frame(id);
            } else {
                break;
            }
        }
        for client in &self.clients {
            if let Some((shard, slot)) = client.at {
                let waiting = self.engines[usize::from(shard)].is_waiting(slot);
                assert_eq!(client.waiting, waiting, "the engine and the router agree on who waits");
            }
        }
    }

    fn next_sender(&self) -> Option<Id> {
        let ready = |client: &Client| client.at.is_some() && !client.waiting && !client.outgoing.is_empty();
        self.clients.iter().position(ready)
    }

    fn deliver_frame(&mut self, id: Id) {
        let (shard, slot) = self.clients[id].at.unwrap();
        let now = self.time();
        match self.clients[id].outgoing.pop_front().unwrap() {
            Sent::Text(text) => self.call(shard, |engine, fx| engine.text(now, slot, &text, fx)),
            Sent::Binary(payload) => self.call(shard, |engine, fx| engine.binary(now, slot, &payload, fx)),
        }
    }

    fn call(&mut self, shard: u16, event: impl FnOnce(&mut Engine, &mut Recorder)) {
        let mut effects = Recorder::default();
        event(&mut self.engines[usize::from(shard)], &mut effects);
        for effect in effects.0 {
            self.apply(shard, effect);
        }
    }

    fn client_at(&mut self, shard: u16, slot: Slot) -> &mut Client {
        let id = *self
            .who
            .get(&(shard, slot))
            .expect("nothing happens to a connection that is gone");
        &mut self.clients[id]
    }

    fn apply(&mut self, shard: u16, effect: Effect) {
        match effect {
            Effect::Send(slot, form, payload) => self.client_at(shard, slot).receive(form, payload),
            Effect::Ping(slot) => self.client_at(shard, slot).got.push(Got::Ping),
            Effect::Close(slot, reason) => {
                let client = self.client_at(shard, slot);
                client.got.push(Got::Closed(reason));
                client.outgoing.clear();
                client.waiting = false;
                self.depart(shard, slot);
            }
            Effect::Ask(slot, ask) => {
                self.client_at(shard, slot).waiting = true;
                self.asks.push_back((shard, slot, ask));
            }
            Effect::Resume(slot) => {
                let client = self.client_at(shard, slot);
                assert!(client.waiting, "only who waits is resumed");
                client.waiting = false;
            }
            Effect::Notify(notice) => self.admission.give_back(notice),
            Effect::HandOff(slot, to, session) => {
                let id = self.depart(shard, slot).expect("only who is here moves");
                assert_ne!(to.0, shard, "nobody moves to where it is");
                self.clients[id].waiting = false;
                self.moving.push_back((id, to.0, session));
            }
        }
    }

    /// What a client got since the last look, pings left out.
    pub fn take_all(&mut self, id: Id) -> Vec<Got> {
        let client = &mut self.clients[id];
        let new = client.got[client.read..].to_vec();
        client.read = client.got.len();
        new.into_iter().filter(|got| *got != Got::Ping).collect()
    }

    /// The messages that a client got since the last look; a close shows as `{"closed": reason}`.
    pub fn take(&mut self, id: Id) -> Vec<Value> {
        let all = self.take_all(id);
        all.into_iter()
            .map(|got| match got {
                Got::Text(text) => serde_json::from_str(&text).unwrap(),
                Got::Closed(CloseReason::Drain) => json!({"closed": "drain"}),
                Got::Closed(CloseReason::Policy(reason)) => json!({ "closed": reason }),
                Got::Binary(payload) => json!({ "binary": payload }),
                Got::Ping => Value::Null,
            })
            .collect()
    }

    /// The types of the messages that a client got since the last look.
    pub fn take_types(&mut self, id: Id) -> Vec<String> {
        self.take(id).iter().map(|message| kind(message).to_owned()).collect()
    }

    /// The only message that a client got since the last look.
    #[track_caller]
    pub fn take_one(&mut self, id: Id) -> Value {
        let mut messages = self.take(id);
        assert_eq!(messages.len(), 1, "{messages:#?}");
        messages.remove(0)
    }

    #[track_caller]
    pub fn expect(&mut self, id: Id, messages: Value) {
        assert_eq!(Value::Array(self.take(id)), messages);
    }

    pub fn skip(&mut self) {
        for client in &mut self.clients {
            client.read = client.got.len();
        }
    }

    /// Joins, or creates under a generated code when `code` is empty.
    pub fn join(&mut self, id: Id, code: &str, name: &str, max_players: u8) {
        self.send(id, join(code, name, max_players));
    }

    /// A room of `names` under the code `ROOM42`, with so many seats; everything read.
    pub fn room(&mut self, names: &[&str], max_players: u8) -> Vec<Id> {
        let ids: Vec<Id> = names.iter().map(|_| self.connect()).collect();
        for (id, name) in ids.iter().zip(names) {
            self.join(*id, "ROOM42", name, max_players);
        }
        self.skip();
        ids
    }

    pub fn player_id(&self, id: Id) -> String {
        self.clients[id].player_id.clone()
    }

    /// Reconnects on connection `id` as the player that `old` was.
    pub fn reconnect(&mut self, id: Id, old: Id) {
        let old = &self.clients[old];
        let message = reconnect(&old.player_id, &old.room_id, &old.token);
        self.send(id, message);
    }

    /// Everything that was granted came back and nothing is remembered.
    #[track_caller]
    pub fn assert_nothing_left(&self) {
        for engine in &self.engines {
            assert_eq!(
                engine.gauges(),
                signal_fish_core::protocol::signal_fish::Gauges::default()
            );
        }
        let totals = self.admission.totals();
        assert_eq!((totals.connections_active, totals.rooms_active), (0, 0));
    }
}

impl Client {
    fn receive(&mut self, form: Form, payload: Vec<u8>) {
        if form == Form::Binary {
            return self.got.push(Got::Binary(payload));
        }
        let text = String::from_utf8(payload).unwrap();
        // Game data may hold what this parser would not take, so only what is needed is parsed.
        if [r#"{"type":"RoomJoined""#, r#"{"type":"Reconnected""#]
            .iter()
            .any(|head| text.starts_with(head))
        {
            let message: Value = serde_json::from_str(&text).unwrap();
            let field = |name: &str| message["data"][name].as_str().unwrap_or_default().to_owned();
            self.player_id = field("player_id");
            self.room_id = field("room_id");
            self.room_code = field("room_code");
            self.token = field("auth_token");
        }
        self.got.push(Got::Text(text));
    }
}

pub fn kind(message: &Value) -> &str {
    message["type"].as_str().unwrap_or_default()
}

pub fn join(code: &str, name: &str, max_players: u8) -> Value {
    let mut data = json!({"game_name": "pong", "player_name": name, "max_players": max_players});
    if !code.is_empty() {
        data["room_code"] = code.into();
    }
    json!({"type": "JoinRoom", "data": data})
}

pub fn spectate(code: &str, name: &str) -> Value {
    json!({"type": "JoinAsSpectator", "data": {"game_name": "pong", "room_code": code, "spectator_name": name}})
}

pub fn reconnect(player_id: &str, room_id: &str, token: &str) -> Value {
    json!({"type": "Reconnect", "data": {"player_id": player_id, "room_id": room_id, "auth_token": token}})
}

pub fn say(value: Value) -> Value {
    json!({"type": "GameData", "data": {"data": value}})
}

pub fn just(kind: &str) -> Value {
    json!({ "type": kind })
}

pub fn authority(become_authority: bool) -> Value {
    json!({"type": "AuthorityRequest", "data": {"become_authority": become_authority}})
}

pub fn error(message: &str, code: &str) -> Value {
    json!({"type": "Error", "data": {"message": message, "error_code": code}})
}

pub fn join_failed(reason: &str, code: &str) -> Value {
    json!({"type": "RoomJoinFailed", "data": {"reason": reason, "error_code": code}})
}

pub fn lobby(state: &str, ready: &[&String], all_ready: bool) -> Value {
    json!({"type": "LobbyStateChanged", "data": {"lobby_state": state, "ready_players": ready, "all_ready": all_ready}})
}

pub fn authority_changed(player: Option<&str>, you: bool) -> Value {
    json!({"type": "AuthorityChanged", "data": {"authority_player": player, "you_are_authority": you}})
}

pub fn player_left(player: &str) -> Value {
    json!({"type": "PlayerLeft", "data": {"player_id": player}})
}
