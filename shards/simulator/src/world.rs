//! A server in one thread: shards, admission and scripted clients in virtual time.
//!
//! Everything runs until nothing is left to do after each step, so a test sees what clients would see. What holds for any
//! server at any time is checked on the way.
//!
//! | file | what it is about |
//! |---|---|
//! | `design` | what a world is made of |
//! | `clients` | clients connect, send, end, and are found |
//! | `turns` | time, and who does what when |
//! | `answers` | what clients got, and what many scripts do |
//! | `checks` | what holds for any server |

mod answers;
mod checks;
mod clients;
mod design;
mod turns;

use crate::client::Client;
use crate::ledger::Ledger;
use crate::network::{ConnectionId, Line, Network};
use crate::plan::{EPOCH, SECURE};
use crate::post::{Mailroom, SimulatedPost};
use crate::random::Sequence;
use crate::sockets::SimulatedSockets;
use signal_fish_core::admission::{Admission, Ask, Limits};
use signal_fish_core::entry::{Routing, draw_hashing};
use signal_fish_core::http::{Site, Sites};
use signal_fish_core::protocol;
use signal_fish_core::protocol::matchbox::Matchbox;
use signal_fish_core::protocol::relay::Relay;
use signal_fish_core::protocol::signal_fish::{Settings, SignalFish};
use signal_fish_core::shard::{Next, Options, Plan, Report, Shard};
use signal_fish_core::{Now, ShardIndex, Slot};
use std::cell::{Ref, RefCell, RefMut};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

pub use design::Design;

pub use crate::client::Got;
pub use crate::messages::*;
pub use crate::plan::open_limits;

/// A client, counted from 0 in the order of connecting.
pub type Id = ConnectionId;

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
    /// Verdicts on tokens wait until [`World::answer_token`] or until this is false again. Nobody else waits for them.
    pub hold_tokens: bool,
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
    ledger: Option<Rc<RefCell<Ledger>>>,
    /// Until when each shard has no turn.
    stalls: Vec<Duration>,
    options: Options,
    /// What happened so far, as a number.
    trace: u64,
    /// Rounds so far.
    rounds: u64,
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
        let settings = protocol::Settings {
            signal_fish: Arc::new(Settings {
                observed: true,
                ..design.settings
            }),
            matchbox: design.matchbox,
            relay: design.relay,
        };
        let mut other_sites = design.other_sites;
        if design.tls {
            other_sites.push(Site {
                secure: true,
                ..design.site.clone()
            });
            assert_eq!(other_sites.len(), usize::from(SECURE.0), "it is the last listener");
        }
        let sites = Arc::new(Sites::new(design.site, other_sites));
        let ledger = design.keeps_ledger.then(|| {
            let ledger = Ledger::new(
                Arc::clone(&settings.signal_fish),
                design.options.clone(),
                routing.clone(),
                design.limits.clone(),
            );
            Rc::new(RefCell::new(ledger))
        });
        let runner = |index| {
            let index = ShardIndex(index);
            let plan = Plan {
                tls: design.tls.then(|| crate::tls::acceptor(false)),
                index,
                settings: settings.clone(),
                sites: Arc::clone(&sites),
                options: design.options.clone(),
                routing: routing.clone(),
                random: Box::new(Sequence::stream(seed, 1000 + u64::from(index.0))),
            };
            let sockets = SimulatedSockets::new(index, Rc::clone(&network));
            let post = SimulatedPost::new(index, Rc::clone(&mailroom), Rc::clone(&network), ledger.clone());
            Runner {
                shard: Shard::new(plan, sockets, post),
                next: Next::Now,
                idle: 0,
                last_turn: Duration::ZERO,
                report: None,
            }
        };
        let mut admission = Admission::new(design.limits, hashing);
        for shard in 0..shards {
            admission.hear(ShardIndex(shard), 0);
        }
        Self {
            admission,
            clients: Vec::new(),
            now: Duration::from_secs(1),
            hold_verdicts: false,
            hold_tokens: false,
            hold_moves: false,
            line: design.line,
            turn_time: Duration::ZERO,
            runners: (0..shards).map(runner).collect(),
            network,
            mailroom,
            asks: VecDeque::new(),
            next_shard: 0,
            seed,
            ledger,
            stalls: vec![Duration::ZERO; usize::from(shards)],
            options: design.options,
            trace: 0xcbf2_9ce4_8422_2325,
            rounds: 0,
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

    /// The ledger, if one is kept.
    #[must_use]
    pub fn ledger(&self) -> Option<Ref<'_, Ledger>> {
        self.ledger.as_ref().map(|ledger| ledger.borrow())
    }

    /// A number that tells apart what happened: two worlds that went the same way have the same.
    #[must_use]
    pub fn trace(&self) -> u64 {
        self.trace
    }

    /// How often everybody had a step.
    #[must_use]
    pub fn rounds(&self) -> u64 {
        self.rounds
    }

    /// A shard has no turn for so long.
    pub fn stall(&mut self, shard: usize, time: Duration) {
        self.stalls[shard] = self.now + time;
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

    /// What every shard knows of the room relay.
    pub fn all_relay(&self) -> impl Iterator<Item = &Relay> {
        self.runners.iter().map(|runner| runner.shard.relay())
    }

    /// What every shard knows of matchbox.
    pub fn all_matchbox(&self) -> impl Iterator<Item = &Matchbox> {
        self.runners.iter().map(|runner| runner.shard.matchbox())
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
            unix: EPOCH + self.now,
        }
    }
}
