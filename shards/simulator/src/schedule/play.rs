//! Steps are carried out.

use super::cast::Cast;
use super::circumstances::design;
use super::messages::{self, Said};
use super::selection::Schedule;
use super::step::{CLIENTS, Draw, Kind};
use crate::client::Client;
use crate::ledger::Rule;
use crate::network::Line;
use crate::plan::SECURE;
use crate::random::Sequence;
use crate::tls::Version;
use crate::world::{Id, World};
use serde_json::Value;
use signal_fish_core::ShardIndex;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Range;
use std::time::Duration;

/// What playing a schedule came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Played {
    /// Virtual time.
    pub time: Duration,
    /// How often everybody had a step.
    pub rounds: u64,
    /// The same for the same schedule, whenever it is played.
    pub trace: u64,
    /// Messages that came as promised.
    pub compared: u64,
    /// Messages that did not come, by the rule that explains it.
    pub explained: BTreeMap<Rule, u64>,
}

/// A schedule on its way.
struct Run {
    world: World,
    cast: Cast,
    shards: u16,
    /// Some clients speak TLS.
    tls: bool,
    drain_timeout: Duration,
    ping_timeout: Duration,
    drained: bool,
}

/// Plays a schedule to its end, where everybody has gone and nothing is left.
///
/// # Panics
/// If a promise is broken, or something does not hold.
#[must_use]
pub fn play(schedule: &Schedule) -> Played {
    let seed = schedule.seed;
    let design = design(seed);
    let mut random = Sequence::stream(seed, 202);
    let (drain_timeout, ping_timeout) = (design.options.drain_timeout, design.options.ping_timeout);
    let mut run = Run {
        shards: design.shards,
        tls: design.tls,
        world: World::build(design),
        cast: Cast::new(1 + random.up_to(3)),
        drain_timeout,
        ping_timeout,
        drained: false,
    };
    run.world.network().shuffles_events = random.chance(50);
    if random.chance(10) {
        run.world.turn_time = Duration::from_micros(300);
    }
    for step in &schedule.steps {
        let draw = Draw::new(seed, *step);
        let rounds = draw.rounds;
        run.step(draw);
        match rounds {
            None => run.world.settle(),
            Some(rounds) => (0..rounds).for_each(|_| {
                run.world.round();
            }),
        }
        run.note_tokens();
    }
    run.end(random.chance(50));
    let ledger = run.world.ledger().expect("a schedule keeps one");
    Played {
        time: run.world.now,
        rounds: run.world.rounds(),
        trace: run.world.trace(),
        compared: ledger.compared(),
        explained: ledger.explained().clone(),
    }
}

impl Run {
    fn step(&mut self, draw: Draw) {
        let Draw {
            kind,
            client,
            mut random,
            ..
        } = draw;
        let random = &mut random;
        match kind {
            Kind::Say => self.say(client, random),
            Kind::Burst => {
                for _ in 0..2 + random.up_to(8) {
                    self.say(client, random);
                }
                if random.chance(10) {
                    let id = self.client(client, random);
                    self.world.clients[id].end();
                }
            }
            Kind::Flood => {
                let id = self.client(client, random);
                for _ in 0..33 + random.up_to(60) {
                    if random.chance(20) {
                        self.world.clients[id].ping();
                    } else {
                        self.world.clients[id].say(r#"{"type":"Ping"}"#);
                    }
                }
            }
            Kind::Storm => {
                for _ in 0..random.up_to(3) {
                    let deaf = random.up_to(CLIENTS - 1);
                    self.harm(Kind::Deafen, deaf, random);
                }
                let id = self.client(client, random);
                for _ in 0..10 + random.up_to(30) {
                    let said = messages::game_data(self.cast.say(), 900, random);
                    self.world.clients[id].say(&said);
                }
                if random.chance(60) {
                    // Its sender pays on the way. Who was too slow reads why.
                    self.world.advance(Duration::from_millis(20));
                    self.mend_lines(0..self.world.clients.len());
                }
            }
            Kind::Wait => self.world.advance(Duration::from_millis(random.up_to(6_000) as u64)),
            Kind::Meet => {
                if random.chance(70) {
                    self.say(client, random);
                    self.world.round();
                }
                if let Some(next) = self
                    .world
                    .next_deadline()
                    .filter(|next| *next < Duration::from_secs(10_000))
                {
                    let time = next.saturating_sub(self.world.now);
                    self.world.stand_still(time);
                }
                if random.chance(50) {
                    self.say(client, random);
                }
            }
            Kind::Leap => self
                .world
                .stand_still(Duration::from_millis(random.up_to(30_000) as u64)),
            Kind::Stall => {
                let shard = random.up_to(usize::from(self.shards) - 1);
                self.world
                    .stall(shard, Duration::from_millis(random.up_to(4_000) as u64));
            }
            Kind::Return => self.come_back(client, 1, random),
            Kind::ReturnTwice => self.come_back(client, 2, random),
            Kind::ReplayToken => {
                if let Some(message) = messages::returning(&self.cast, random) {
                    let id = self.client(client, random);
                    self.world.clients[id].say(&message.to_string());
                }
            }
            Kind::Hint => {
                self.leave_connection(client, random);
                let code = ["AAAAAA", "BBBBBB", "CCCCCC"][random.up_to(2)];
                let hinted = Client::upgrading(&format!("?game_name=pong&room_code={code}"));
                self.connect(client, hinted, random);
            }
            Kind::Lurk => {
                let (address, shard) = (self.address(client), self.shard(random));
                self.world.enter(shard, address, Client::silent());
            }
            Kind::DelayMail => {
                self.world.mailroom().delay_max = Duration::from_millis(random.up_to(300) as u64);
            }
            Kind::HoldMoves => self.world.hold_moves = !self.world.hold_moves,
            Kind::HoldVerdicts => self.world.hold_verdicts = !self.world.hold_verdicts,
            Kind::Answer => self.world.answer_one(),
            Kind::FillMailbox => {
                self.world.mailroom().moves_max = [0, 1, usize::MAX, usize::MAX][random.up_to(3)];
            }
            Kind::Exhaust => self.world.network().exhausted_accepts = random.up_to(3),
            Kind::Drain => {
                self.world.order_drain();
                self.drained = true;
            }
            _ => self.harm(kind, client, random),
        }
    }

    /// What happens to one connection, or what its client does wrong.
    fn harm(&mut self, kind: Kind, client: usize, random: &mut Sequence) {
        let id = self.client(client, random);
        match kind {
            Kind::Line => *self.world.network().line(id) = line(random),
            Kind::Deafen => {
                let mut network = self.world.network();
                let line = network.line(id);
                line.reads_bytes_max = 0;
                line.window_bytes = 200 + random.up_to(2_000);
            }
            Kind::Mute => self.world.network().line(id).arrives_bytes_max = 0,
            Kind::Mend => {
                let all = 0..self.world.clients.len();
                self.mend_lines(if random.chance(30) { all } else { id..id + 1 });
            }
            Kind::Reset => self.world.lose_client(id),
            Kind::CutFrame => {
                self.world.clients[id].write(&[0x81, 0x85, 1, 2][..1 + random.up_to(3)]);
                for _ in 0..random.up_to(3) {
                    self.world.round();
                }
                self.world.lose_client(id);
            }
            Kind::HalfFrame => self.world.clients[id].write(&[0x81, 0x85, 1, 2][..1 + random.up_to(3)]),
            Kind::Violate => self.world.clients[id].write(&messages::violation(random)),
            Kind::HalfClose => self.world.clients[id].end(),
            Kind::Close => self.world.clients[id].close([1000, 1001, 3000][random.up_to(2)]),
            Kind::BreakOutput => self.world.break_output(id),
            other => unreachable!("{other:?} harms nobody"),
        }
    }

    fn mend_lines(&mut self, ids: Range<Id>) {
        for id in ids {
            *self.world.network().line(id) = Line::default();
        }
    }

    fn say(&mut self, client: usize, random: &mut Sequence) {
        let id = self.client(client, random);
        match messages::draw(&self.cast, client, random) {
            Said::Text(text) => self.world.clients[id].say(&text),
            Said::Binary(payload) => self.world.clients[id].say_binary(&payload),
        }
    }

    /// The connection of a client; one that has none connects, as players and those who take MessagePack.
    fn client(&mut self, client: usize, random: &mut Sequence) -> Id {
        if let Some(id) = self.cast.ids[client].filter(|id| !self.world.clients[*id].is_over()) {
            return id;
        }
        self.connect(client, Client::upgrading(""), random)
    }

    fn connect(&mut self, client: usize, new: Client, random: &mut Sequence) -> Id {
        let (address, shard) = (self.address(client), self.shard(random));
        let new = if self.tls && random.chance(60) {
            let version = Version::ALL[random.up_to(1)];
            new.at(SECURE).over(version, random.chance(70))
        } else {
            new
        };
        let id = self.world.enter(shard, address, new);
        self.cast.ids[client] = Some(id);
        self.world.clients[id].answers_pings = random.chance(50);
        self.world.clients[id].closes_politely = random.chance(90);
        let auth = |format: &str| {
            format!(r#"{{"type":"Authenticate","data":{{"app_id":"x","game_data_format":"{format}"}}}}"#)
        };
        if client.is_multiple_of(3) {
            self.world.clients[id].say(&auth("message_pack"));
        } else if random.chance(40) {
            self.world.clients[id].say(&auth("json"));
        }
        id
    }

    fn address(&self, client: usize) -> IpAddr {
        let last = u8::try_from(client % self.cast.addresses).expect("few");
        IpAddr::from([10, 0, 0, last])
    }

    fn shard(&self, random: &mut Sequence) -> ShardIndex {
        let shard = random.up_to(usize::from(self.shards) - 1);
        ShardIndex(u16::try_from(shard).expect("few"))
    }

    /// What a client leaves behind when it connects anew: a connection that was reset, has ended, or looks alive.
    fn leave_connection(&mut self, client: usize, random: &mut Sequence) {
        let Some(id) = self.cast.ids[client].take() else { return };
        match random.up_to(9) {
            0..=4 => self.world.lose_client(id),
            5 | 6 => self.world.clients[id].end(),
            7 => self.world.clients[id].close(1000),
            _ => {}
        }
        if random.chance(40) {
            self.world.settle();
        }
    }

    fn come_back(&mut self, client: usize, times: usize, random: &mut Sequence) {
        let shown = self.cast.ids[client].and_then(|id| {
            let known = &self.world.clients[id];
            let is_known = !known.token.is_empty();
            is_known.then(|| crate::messages::reconnect(&known.player_id, &known.room_id, &known.token))
        });
        let shown: Option<Value> = shown.or_else(|| messages::returning(&self.cast, random));
        self.leave_connection(client, random);
        for _ in 0..times {
            let id = self.connect(client, Client::upgrading(""), random);
            if let Some(shown) = &shown {
                self.world.clients[id].say(&shown.to_string());
            }
        }
    }

    /// What clients were told is what they may show.
    fn note_tokens(&mut self) {
        for id in self.cast.ids.iter().flatten() {
            let client = &self.world.clients[*id];
            let known = (client.player_id.clone(), client.room_id.clone(), client.token.clone());
            if !known.2.is_empty() && !self.cast.tokens.contains(&known) {
                self.cast.tokens.push(known);
            }
        }
    }

    /// Everything that stood in the way is gone. What was sent is handled, what was promised comes; then everybody goes.
    fn end(&mut self, vanish: bool) {
        let world = &mut self.world;
        world.mend();
        world.settle();
        if self.drained {
            world.advance(self.drain_timeout + Duration::from_secs(1));
            assert!((0..usize::from(self.shards)).all(|shard| world.has_ended(shard)));
        } else {
            world.advance(Duration::from_secs(1));
            for _ in 0..40 {
                for client in &mut world.clients {
                    client.pong();
                }
                world.advance(self.ping_timeout / 4);
            }
            world.check_handled();
            for id in 0..world.clients.len() {
                if vanish {
                    world.lose_client(id);
                }
                world.clients[id].answers_pings = false;
            }
            world.settle();
            // Silence ends those who have not vanished.
            world.advance(self.ping_timeout * 2 + Duration::from_secs(60));
            world.assert_nothing_left();
        }
        assert_eq!(world.network().open(), 0, "every connection is closed");
        world.settle();
    }
}

/// A network that is never twice the same.
fn line(random: &mut Sequence) -> Line {
    let mut some = |percent, most| {
        let any = random.chance(percent);
        let bytes = 1 + random.up_to(most);
        if any { bytes } else { usize::MAX }
    };
    let line = Line {
        arrives_bytes_max: some(50, 60),
        window_bytes: some(50, 600),
        reads_bytes_max: some(50, 120),
        ..Line::default()
    };
    let drips = if random.chance(30) {
        1 + random.up_to(400) as u64
    } else {
        0
    };
    Line {
        drips: Duration::from_millis(drips),
        ..line
    }
}
