//! A server in one thread: shards, admission and scripted clients in virtual time.
//!
//! Everything runs until nothing is left to do after each step, so a test sees what clients would see. What holds for any
//! server at any time is checked on the way.

use crate::client::Client;
use crate::network::{ConnectionId, End, Line, Network, Place};
use crate::plan::{options, site};
use crate::post::{Mailroom, SimulatedPost};
use crate::random::Sequence;
use crate::sockets::{LOCALHOST, SimulatedSockets};
use serde_json::{Value, json};
use signal_fish_core::admission::{Admission, Ask, Limits, Notice, Verdict};
use signal_fish_core::entry::{Routing, draw_hashing};
use signal_fish_core::http::Site;
use signal_fish_core::http::TrustedProxies;
use signal_fish_core::protocol::Protocol;
use signal_fish_core::protocol::signal_fish::{Settings, SignalFish};
use signal_fish_core::shard::{Mail, Next, Options, Plan, Report, Request, Shard};
use signal_fish_core::ws::Kind;
use signal_fish_core::{Now, ShardIndex, Slot};
use std::cell::{RefCell, RefMut};
use std::collections::VecDeque;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

pub use crate::client::Got;
pub use crate::messages::*;
pub use crate::plan::open_limits;

/// A client, counted from 0 in the order of connecting.
pub type Id = ConnectionId;

/// Turns in a row that a shard may ask for at once without anything happening.
const IDLE_TURNS_MAX: u32 = 16;

/// Everything that a world is made of.
#[derive(Debug, Clone)]
pub struct Design {
    /// Number of shards.
    pub shards: u16,
    /// Everything random is drawn from it.
    pub seed: u64,
    /// What an operator sets about Signal Fish.
    pub settings: Settings,
    /// What admission allows.
    pub limits: Limits,
    /// What an operator sets about connections.
    pub options: Options,
    /// What is served over HTTP.
    pub site: Site<Protocol>,
    /// What new connections do with bytes.
    pub line: Line,
}

impl Design {
    /// Documented defaults, limits that stop nobody, no faults.
    #[must_use]
    pub fn new(shards: u16, seed: u64) -> Self {
        let settings = Settings::default();
        Self {
            shards,
            seed,
            options: options(&settings),
            settings,
            limits: open_limits(),
            site: site(TrustedProxies::default()),
            line: Line::default(),
        }
    }

    /// With these settings, those of connections included.
    #[must_use]
    pub fn with_settings(self, settings: Settings) -> Self {
        let options = options(&settings);
        Self {
            settings,
            options,
            ..self
        }
    }
}

/// One shard, and when it wants its next turn.
#[derive(Debug)]
struct Runner {
    shard: Shard<SimulatedSockets, SimulatedPost>,
    next: Next,
    /// Turns in a row at one time in which nothing happened.
    idle: u32,
    last_turn: Duration,
    report: Option<Report>,
}

/// The server and its clients.
#[derive(Debug)]
pub struct World {
    /// The rules of the control plane.
    pub admission: Admission,
    /// Everybody who ever connected.
    pub clients: Vec<Client>,
    /// Time since the start of the process.
    pub now: Duration,
    /// Verdicts wait until [`World::answer`] or until this is false again.
    pub hold_verdicts: bool,
    /// Connections between shards wait.
    pub hold_moves: bool,
    /// What new connections do with bytes.
    pub line: Line,
    /// How long a turn takes.
    pub turn_time: Duration,
    runners: Vec<Runner>,
    network: Rc<RefCell<Network>>,
    mailroom: Rc<RefCell<Mailroom>>,
    asks: VecDeque<(ShardIndex, Slot, Ask)>,
    next_shard: u16,
    seed: u64,
    /// A shard ended while a connection was on its way to it; what that held is gone with it.
    lost: bool,
}

impl World {
    /// Shards under the documented options.
    #[must_use]
    pub fn new(shards: u16, seed: u64, settings: Settings, limits: Limits) -> Self {
        let design = Design::new(shards, seed).with_settings(settings);
        Self::build(Design { limits, ..design })
    }

    /// One shard, documented defaults, no limits of admission.
    #[must_use]
    pub fn simple() -> Self {
        Self::with(Settings::default())
    }

    /// One shard, no limits of admission.
    #[must_use]
    pub fn with(settings: Settings) -> Self {
        Self::new(1, 7, settings, open_limits())
    }

    /// One shard, no limits of admission, and another bound on silence.
    #[must_use]
    pub fn with_ping_timeout(settings: Settings, ping_timeout: Duration) -> Self {
        let mut design = Design::new(1, 7).with_settings(settings);
        design.options.ping_timeout = ping_timeout;
        Self::build(design)
    }

    /// One shard, documented defaults.
    #[must_use]
    pub fn limited(limits: Limits) -> Self {
        Self::new(1, 7, Settings::default(), limits)
    }

    /// From a design.
    #[must_use]
    pub fn build(design: Design) -> Self {
        let Design { shards, seed, .. } = design;
        let mut random = Sequence::stream(seed, 1);
        let routing = Routing::new(shards, &mut random);
        let hashing = draw_hashing(&mut random);
        let network = Rc::new(RefCell::new(Network::new(shards, Sequence::stream(seed, 2))));
        let mailroom = Rc::new(RefCell::new(Mailroom::new(shards, Sequence::stream(seed, 3))));
        let settings = Arc::new(design.settings);
        let site = Arc::new(design.site);
        let runner = |index| {
            let index = ShardIndex(index);
            let plan = Plan {
                index,
                settings: Arc::clone(&settings),
                site: Arc::clone(&site),
                options: design.options.clone(),
                routing: routing.clone(),
                random: Box::new(Sequence::stream(seed, 1000 + u64::from(index.0))),
            };
            let sockets = SimulatedSockets::new(index, Rc::clone(&network));
            let post = SimulatedPost::new(index, Rc::clone(&mailroom));
            Runner {
                shard: Shard::new(plan, sockets, post),
                next: Next::Now,
                idle: 0,
                last_turn: Duration::ZERO,
                report: None,
            }
        };
        Self {
            admission: Admission::new(design.limits, hashing),
            clients: Vec::new(),
            now: Duration::from_secs(1),
            hold_verdicts: false,
            hold_moves: false,
            line: design.line,
            turn_time: Duration::ZERO,
            runners: (0..shards).map(runner).collect(),
            network,
            mailroom,
            asks: VecDeque::new(),
            next_shard: 0,
            seed,
            lost: false,
        }
    }

    /// The network, to change what it does to bytes.
    pub fn network(&mut self) -> RefMut<'_, Network> {
        self.network.borrow_mut()
    }

    /// The mail between shards, to change how it travels.
    pub fn mailroom(&mut self) -> RefMut<'_, Mailroom> {
        self.mailroom.borrow_mut()
    }

    /// What a shard knows of Signal Fish.
    #[must_use]
    pub fn signal_fish(&self, shard: usize) -> &SignalFish {
        self.runners[shard].shard.signal_fish()
    }

    fn signal_fish_of(&self, shard: ShardIndex) -> &SignalFish {
        self.signal_fish(usize::from(shard.0))
    }

    /// What every shard knows of Signal Fish.
    pub fn all_signal_fish(&self) -> impl Iterator<Item = &SignalFish> {
        self.runners.iter().map(|runner| runner.shard.signal_fish())
    }

    /// The figures of a shard.
    #[must_use]
    pub fn report(&self, shard: usize) -> Report {
        self.runners[shard].shard.report()
    }

    /// The figures that a shard sent last.
    #[must_use]
    pub fn last_report(&self, shard: usize) -> Option<&Report> {
        self.runners[shard].report.as_ref()
    }

    /// Calls of a shard to its sockets.
    pub fn socket_calls(&mut self, shard: usize) -> u64 {
        self.runners[shard].shard.sockets().calls()
    }

    /// Whether a shard has ended.
    #[must_use]
    pub fn has_ended(&self, shard: usize) -> bool {
        matches!(self.runners[shard].next, Next::Ended)
    }

    fn time(&self) -> Now {
        Now {
            monotonic: self.now,
            unix: Duration::from_secs(1_700_000_000) + self.now,
        }
    }

    // Clients.

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
        let line = self.line;
        let id = self.network().connect(shard, ip, line);
        self.clients.push(client);
        self.settle();
        id
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
        self.clients[id].vanish();
        self.network().lose(id);
        self.settle();
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

    // Time.

    /// Lets time pass; every deadline on the way is met.
    pub fn advance(&mut self, time: Duration) {
        let end = self.now + time;
        self.settle();
        while let Some(next) = self.next_deadline().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.settle();
        }
        self.now = end;
        self.settle();
    }

    /// Time passes in which no shard has a turn.
    pub fn stand_still(&mut self, time: Duration) {
        self.now += time;
    }

    /// When something is to happen that is not due yet.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        let deadlines = self.runners.iter().filter_map(|runner| match runner.next {
            Next::At(deadline) => Some(deadline),
            Next::Now | Next::Ended => None,
        });
        deadlines.chain(self.mailroom.borrow().next_due()).min()
    }

    /// Tells every shard to drain, and lets everything settle.
    pub fn drain(&mut self) {
        self.order_drain();
        self.settle();
    }

    /// Tells every shard to drain. Nobody has read it yet.
    pub fn order_drain(&mut self) {
        for shard in 0..self.runners.len() {
            let shard = ShardIndex(u16::try_from(shard).expect("shards are few"));
            self.mailroom().mail_from_control(shard, Mail::Drain);
        }
    }

    /// Answers the oldest question that is held, if there is one.
    pub fn answer(&mut self) -> Option<Ask> {
        let (shard, slot, ask) = self.asks.pop_front()?;
        self.decide(shard, slot, ask.clone());
        self.settle();
        Some(ask)
    }

    /// The questions that are held, oldest first.
    #[must_use]
    pub fn asks(&self) -> Vec<Ask> {
        self.asks.iter().map(|(_, _, ask)| ask.clone()).collect()
    }

    fn decide(&mut self, shard: ShardIndex, slot: Slot, ask: Ask) {
        let verdict = self.admission.decide(self.now, ask);
        if self.has_ended(usize::from(shard.0)) {
            return self.give_back(verdict);
        }
        self.mailroom()
            .mail_from_control(shard, Mail::Verdict { slot, verdict });
    }

    /// A verdict finds nobody any more.
    fn give_back(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Connected(ticket) => self.admission.give_back(Notice::ConnectionEnded(ticket)),
            Verdict::RoomOpened(permit) => self.admission.give_back(Notice::RoomEnded(permit)),
            Verdict::Admitted | Verdict::Refused(_) => {}
        }
    }

    /// Lets everything happen that happens now.
    pub fn settle(&mut self) {
        let (now, holds_moves) = (self.now, self.hold_moves);
        let mut mailroom = self.mailroom();
        mailroom.now = now;
        mailroom.holds_moves = holds_moves;
        drop(mailroom);
        while self.round() {}
        self.check();
    }

    /// One step of everybody: a shard has at most one turn in it. Returns whether anything happened.
    pub fn round(&mut self) -> bool {
        let mut busy = self.write();
        busy |= self.network().arrive();
        for shard in 0..self.runners.len() {
            busy |= self.turn(shard);
        }
        busy |= self.control();
        busy | self.read()
    }

    /// Clients write.
    fn write(&mut self) -> bool {
        let mut busy = false;
        let mut network = self.network.borrow_mut();
        for (id, client) in self.clients.iter_mut().enumerate() {
            let (bytes, finishes) = client.take_outgoing();
            busy |= network.write(id, &bytes, finishes);
        }
        busy
    }

    /// A turn of a shard, if it wants one.
    fn turn(&mut self, index: usize) -> bool {
        let shard = ShardIndex(u16::try_from(index).expect("shards are few"));
        let runner = &mut self.runners[index];
        let asked = match runner.next {
            Next::Ended => return false,
            Next::Now => true,
            Next::At(deadline) => deadline <= self.now,
        };
        let called = self.network.borrow().has_event(shard) || self.mailroom.borrow().has_mail(shard);
        if !asked && !called {
            return false;
        }
        let now = self.time();
        let before = self.progress();
        let runner = &mut self.runners[index];
        runner.next = runner.shard.turn(now);
        let after = self.progress();
        let seed = self.seed;
        self.now += self.turn_time;
        self.mailroom.borrow_mut().now = self.now;
        let runner = &mut self.runners[index];
        runner.shard.turn_ended(self.now);
        let idle = before == after && runner.last_turn == now.monotonic;
        runner.idle = if idle { runner.idle + 1 } else { 0 };
        runner.last_turn = now.monotonic;
        assert!(
            runner.idle < IDLE_TURNS_MAX,
            "shard {index} spins at {now:?} with seed {seed}: {:?}",
            runner.next
        );
        if let Next::Ended = runner.next {
            let left = self.mailroom().end(shard);
            for mail in left {
                match mail {
                    Mail::Verdict { verdict, .. } => self.give_back(verdict),
                    Mail::Connection(_) => self.lost = true,
                    Mail::Drain | Mail::Reload(_) | Mail::Answer { .. } | Mail::Piece(_) | Mail::Question { .. } => {}
                }
            }
        }
        true
    }

    fn progress(&self) -> u64 {
        self.network.borrow().progress() + self.mailroom.borrow().progress()
    }

    /// The control plane takes its requests.
    fn control(&mut self) -> bool {
        let mut busy = false;
        loop {
            let request = self.mailroom().take_request();
            match request {
                None => break,
                Some(Request::Ask { shard, slot, ask }) => self.asks.push_back((shard, slot, ask)),
                Some(Request::Notice(notice)) => self.admission.give_back(notice),
                Some(Request::Report(report)) => {
                    let runner = &mut self.runners[usize::from(report.shard.0)];
                    runner.report = Some(*report);
                }
            }
            busy = true;
        }
        while !self.hold_verdicts
            && let Some((shard, slot, ask)) = self.asks.pop_front()
        {
            self.decide(shard, slot, ask);
            busy = true;
        }
        busy
    }

    /// Clients read.
    fn read(&mut self) -> bool {
        let mut busy = false;
        let mut network = self.network.borrow_mut();
        for id in network.take_for_clients() {
            let bytes = network.read(id);
            busy |= !bytes.is_empty();
            let client = &mut self.clients[id];
            client.hear(&bytes);
            match network.end(id) {
                Some(End::Finished | End::Reset) => client.ended(),
                None => network.reads_on(id),
            }
        }
        busy
    }

    // What clients got.

    /// What a client got since the last look, pings left out.
    pub fn take_all(&mut self, id: Id) -> Vec<Got> {
        self.clients[id].news()
    }

    /// The messages that a client got since the last look; a close shows as `{"closed": reason}`.
    pub fn take(&mut self, id: Id) -> Vec<Value> {
        self.take_all(id).into_iter().map(shown).collect()
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

    /// What a client got since the last look is exactly this.
    #[track_caller]
    pub fn expect(&mut self, id: Id, messages: Value) {
        assert_eq!(Value::Array(self.take(id)), messages);
    }

    /// Forgets what everybody got so far.
    pub fn skip(&mut self) {
        self.clients.iter_mut().for_each(Client::skip);
    }

    // What many scripts do.

    /// Joins a room, or creates one with a generated code if `code` is empty.
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

    /// The player that a client was last.
    #[must_use]
    pub fn player_id(&self, id: Id) -> String {
        self.clients[id].player_id.clone()
    }

    /// Reconnects on connection `id` as the player that `old` was.
    pub fn reconnect(&mut self, id: Id, old: Id) {
        let old = &self.clients[old];
        let message = reconnect(&old.player_id, &old.room_id, &old.token);
        self.send(id, message);
    }

    // What holds.

    /// What holds for any server whenever nothing is left to do.
    fn check(&self) {
        let network = self.network.borrow();
        let totals = self.admission.totals();
        let seed = self.seed;
        if !self.mailroom.borrow().is_quiet() || !self.asks.is_empty() || self.lost {
            return;
        }
        assert!(
            totals.connections_active <= network.open() as u64,
            "a ticket outlived its connection with seed {seed}"
        );
        let gauges = || self.all_signal_fish().map(SignalFish::gauges);
        let sessions: usize = gauges().map(|gauges| gauges.sessions).sum();
        let rooms: usize = gauges().map(|gauges| gauges.rooms).sum();
        assert_eq!(totals.rooms_active, rooms as u64, "rooms hold permits with seed {seed}");
        assert!(
            sessions as u64 <= totals.connections_active,
            "a session has no ticket with seed {seed}"
        );
        let unnoticed = network.ended().filter(|id| match network.place(*id) {
            // What it sent before its end is handled when it need not wait any more.
            Place::At(shard, slot) => !self.signal_fish_of(shard).waits(slot),
            _ => true,
        });
        assert!(
            sessions + unnoticed.count() <= network.open(),
            "a session outlived its connection with seed {seed}"
        );
        let connections: usize = self
            .runners
            .iter()
            // A shard that has ended waits for no verdict.
            .filter(|runner| runner.next != Next::Ended)
            .map(|runner| runner.shard.report().connections)
            .sum();
        assert!(
            connections >= sessions && connections <= network.open(),
            "{connections} connections of {} with seed {seed}",
            network.open()
        );
    }

    /// Everything that was granted came back and nothing is remembered.
    #[track_caller]
    pub fn assert_nothing_left(&self) {
        for signal_fish in self.all_signal_fish() {
            assert_eq!(signal_fish.gauges(), Default::default());
        }
        let totals = self.admission.totals();
        assert_eq!((totals.connections_active, totals.rooms_active), (0, 0));
    }
}

/// A message as JSON. Anything else that a client got shows as an object with one key.
fn shown(got: Got) -> Value {
    match got {
        Got::Text(text) => serde_json::from_str(&text).expect("text of the server is JSON"),
        Got::Binary(payload) => json!({ "binary": payload }),
        Got::Closed(1001, _) => json!({"closed": "drain"}),
        Got::Closed(1008, reason) => json!({ "closed": reason }),
        Got::Closed(code, reason) => json!({ "closed": [code, reason] }),
        Got::Answer(status, _) => json!({ "answer": status }),
        Got::Ping => Value::Null,
    }
}
