//! This node, as Redis and the other nodes know it: its connections, the breaker, and what is begun when. A state machine
//! without sockets and clock; `thread.rs` gives it both.

use super::breaker::{Breaker, Change};
use super::figures::Figures;
use super::link::{Connection, Link};
use super::missing::Missing;
use super::resp::write_command;
use super::rooms::{Asker, Order, Rooms};
use super::scripts::{self, Writer};
use crate::config::RedisUrl;
use ahash::RandomState;
use signal_fish_core::admission::{Refusal, Verdict};
use signal_fish_core::entry::Routing;
use signal_fish_core::protocol::relay::Relayed;
use signal_fish_core::protocol::relay::envelope::OVERHEAD_BYTES_MAX;
use signal_fish_core::room::MemberId;
use signal_fish_core::{ShardIndex, Slot};
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// How often Redis is asked whether it answers, on either connection.
pub(super) const PING_INTERVAL: Duration = Duration::from_secs(1);
/// How long a client may wait for its turn to enter.
const PATIENCE: Duration = Duration::from_secs(1);
/// Operations other than publishing that are out at a time, on either connection.
const WINDOW: usize = 256;
/// Bytes that wait for Redis with which more operations begin.
const BACKLOG_BYTES_MAX: usize = 256 * 1024;
/// Clients that are remembered because it is not known whether Redis let them in.
const DOUBTFUL_MAX: usize = 65_536;

/// What the configuration says.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// `relay.redis_url`.
    pub(crate) url: RedisUrl,
    /// `relay.room_capacity`.
    pub(crate) capacity: usize,
    /// `relay.room_ttl_secs`.
    pub(crate) room_ttl: Duration,
    /// `relay.message_max_bytes`.
    pub(crate) message_bytes_max: usize,
    /// `relay.cb_error_threshold`.
    pub(crate) threshold: u32,
    /// `relay.cb_open_ms`.
    pub(crate) open_for: Duration,
}

/// What the thread has to pass on.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Answers to connections.
    pub(super) verdicts: Vec<(ShardIndex, Slot, Verdict)>,
    /// Messages of other nodes.
    pub(super) relayed: Vec<(ShardIndex, Relayed)>,
}

/// An operation on the connection for commands.
#[derive(Debug)]
pub(super) enum Command {
    Greet,
    Beat,
    Enter(Asker),
    /// `true`: it is missed if the others do not hear of it.
    Leave(bool),
    Publish,
    Register,
    Scan,
    Bury(Box<str>),
    Bye,
}

/// An operation on the connection for channels.
#[derive(Debug)]
pub(super) enum Subscription {
    Greet,
    Ping,
    Subscribe(Arc<str>, u64),
    Unsubscribe,
}

/// A client that leaves.
#[derive(Debug)]
pub(super) struct Leaver {
    pub(super) room: Arc<str>,
    pub(super) client: MemberId,
    /// The others have to hear of it.
    pub(super) told: bool,
    /// It is missed if they do not.
    pub(super) counted: bool,
}

/// Going through what Redis thinks of this node.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Scan {
    Idle,
    Next(Vec<u8>),
    Asked,
}

/// The state machine.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) options: Options,
    pub(super) writer: Writer,
    pub(super) routing: Routing,
    pub(super) breaker: Breaker,
    pub(super) commands: Connection<Command>,
    pub(super) channels: Connection<Subscription>,
    pub(super) rooms: Rooms,
    /// Clients whose channel is there.
    pub(super) ready: VecDeque<Asker>,
    pub(super) leaving: VecDeque<Leaver>,
    /// Rooms to be registered.
    pub(super) sweep: VecDeque<Arc<str>>,
    pub(super) scan: Scan,
    /// Redis may think something else of this node than is true.
    pub(super) in_doubt: bool,
    /// Clients that were refused, and may be in Redis all the same. Nobody is told when they are removed.
    pub(super) doubtful: HashSet<MemberId, RandomState>,
    pub(super) missing: Missing,
    /// The log has a line about the outage that lasts.
    pub(super) told_of_outage: bool,
    /// A dead node is being buried.
    pub(super) buries: bool,
    pub(super) beat_at: Duration,
    pub(super) ping_at: Duration,
    pub(super) refresh_at: Duration,
    pub(super) stops: bool,
    pub(super) said_bye: bool,
    pub(super) figures: Figures,
    pub(super) outcome: Outcome,
}

impl Node {
    /// `id`: `srv:<unix ms>:<random>`.
    pub(super) fn new(options: Options, id: &str, routing: Routing, hashing: RandomState) -> Self {
        let string_bytes_max = options.message_bytes_max + OVERHEAD_BYTES_MAX;
        Self {
            writer: Writer::new(id, options.capacity, options.room_ttl),
            routing,
            breaker: Breaker::new(options.threshold, options.open_for),
            commands: Connection::new(string_bytes_max),
            channels: Connection::new(string_bytes_max),
            rooms: Rooms::new(hashing.clone()),
            ready: VecDeque::new(),
            leaving: VecDeque::new(),
            sweep: VecDeque::new(),
            scan: Scan::Idle,
            in_doubt: false,
            doubtful: HashSet::with_hasher(hashing),
            missing: Missing::default(),
            told_of_outage: false,
            buries: false,
            beat_at: Duration::ZERO,
            ping_at: Duration::ZERO,
            refresh_at: Duration::ZERO,
            stops: false,
            said_bye: false,
            figures: Figures {
                breaker_open: true,
                ..Figures::default()
            },
            outcome: Outcome::default(),
            options,
        }
    }

    // ----- the end

    /// Nobody wants anything more: whoever is still there leaves.
    pub(super) fn stop(&mut self) {
        self.stops = true;
        for name in self.rooms.names() {
            for client in self.rooms.members(&name) {
                self.rooms.left(&name, client);
                self.leave(Arc::clone(&name), client, true);
            }
        }
    }

    /// Whether everything is said that there was to say before the end.
    pub(super) fn has_stopped(&mut self, now: Duration) -> bool {
        if !self.breaker.is_closed() || !self.commands.is_up() {
            return true;
        }
        if !self.said_bye && self.leaving.is_empty() {
            self.said_bye = true;
            let writer = &self.writer;
            self.commands.send(now, Command::Bye, |out| writer.bye(out));
            self.commands.send(now, Command::Bye, |out| writer.forget(out));
        }
        self.said_bye && self.commands.waiting() == 0
    }

    // ----- connections

    /// Whether a socket has to be made.
    pub(super) fn wants_socket(&self, link: Link, now: Duration) -> bool {
        self.breaker.may_try()
            && match link {
                Link::Commands => self.commands.wants_socket(now),
                Link::Channels => self.channels.wants_socket(now),
            }
    }

    /// Whether a socket has to be closed.
    pub(super) fn is_down(&self, link: Link) -> bool {
        match link {
            Link::Commands => self.commands.is_down(),
            Link::Channels => self.channels.is_down(),
        }
    }

    /// A socket is being connected.
    pub(super) fn connecting(&mut self, link: Link, now: Duration) {
        match link {
            Link::Commands => self.commands.connecting(now),
            Link::Channels => self.channels.connecting(now),
        }
    }

    /// It is connected: Redis is told who is there, and asked whether it answers.
    pub(super) fn connected(&mut self, link: Link, now: Duration) {
        let greetings = self.options.url.greetings();
        match link {
            Link::Commands => {
                self.commands.connected();
                for greeting in greetings {
                    let write = |out: &mut Vec<u8>| write_command(&parts(&greeting), out);
                    self.commands.send(now, Command::Greet, write);
                }
                self.beat(now);
            }
            Link::Channels => {
                self.channels.connected();
                for greeting in greetings {
                    let write = |out: &mut Vec<u8>| write_command(&parts(&greeting), out);
                    self.channels.send(now, Subscription::Greet, write);
                }
                self.ping(now);
            }
        }
    }

    /// Bytes that wait to be sent.
    pub(super) fn unsent(&self, link: Link) -> &[u8] {
        match link {
            Link::Commands => self.commands.unsent(),
            Link::Channels => self.channels.unsent(),
        }
    }

    /// They were sent.
    pub(super) fn was_sent(&mut self, link: Link, bytes: usize) {
        match link {
            Link::Commands => self.commands.was_sent(bytes),
            Link::Channels => self.channels.was_sent(bytes),
        }
    }

    /// Bytes arrived.
    pub(super) fn received(&mut self, link: Link, bytes: &[u8], now: Duration) {
        match link {
            Link::Commands => self.commands.feed(bytes),
            Link::Channels => self.channels.feed(bytes),
        }
        loop {
            let reply = match link {
                Link::Commands => self.commands.next_reply(),
                Link::Channels => self.channels.next_reply(),
            };
            let understood = match (reply, link) {
                (Ok(None), _) => return,
                (Ok(Some(reply)), Link::Commands) => self.command_answered(reply, now),
                (Ok(Some(reply)), Link::Channels) => self.channel_says(reply, now),
                (Err(_), _) => false,
            };
            if !understood {
                return self.failed(link, now, "it answers with something else than was asked for");
            }
            if self.is_down(link) {
                return;
            }
        }
    }

    /// A connection is no good any more, and that counts as a failure.
    pub(super) fn failed(&mut self, link: Link, now: Duration, why: &'static str) {
        tracing::debug!(connection = ?link, why, "a connection to Redis failed");
        self.lost(link, now);
        self.count_failure(link, now, why);
    }

    fn lost(&mut self, link: Link, now: Duration) {
        match link {
            Link::Commands => {
                let unanswered = self.commands.lost(now);
                for (_, command) in unanswered {
                    match command {
                        Command::Enter(asker) => {
                            if self.doubtful.len() < DOUBTFUL_MAX {
                                self.doubtful.insert(asker.client);
                            }
                            self.refuse(asker, Refusal::Redis);
                        }
                        Command::Publish => self.figures.unpublished += 1,
                        _ => {}
                    }
                }
                self.refuse_ready();
                self.scan = Scan::Idle;
                self.sweep.clear();
                self.buries = false;
                self.missing.redis_failed();
            }
            Link::Channels => {
                self.channels.lost(now);
                for asker in self.rooms.unsubscribed() {
                    self.refuse(asker, Refusal::Redis);
                }
            }
        }
        self.figures.up = self.commands.is_up() && self.channels.is_up();
    }

    // ----- breaker

    pub(super) fn count_failure(&mut self, link: Link, now: Duration, why: &str) {
        if self.breaker.failed(link, now) == Some(Change::Opened) {
            // Once for an outage, however often it is tried meanwhile.
            if !std::mem::replace(&mut self.told_of_outage, true) {
                tracing::warn!(
                    why,
                    retry_after_ms = self.options.open_for.as_millis(),
                    "Redis does not answer: nobody enters the relay, and messages stay on this node"
                );
            }
            for link in Link::ALL {
                self.lost(link, now);
            }
            let untold = self.leaving.drain(..).filter(|leaver| leaver.counted).count();
            self.figures.unpublished += untold as u64;
        }
        self.show_breaker();
    }

    pub(super) fn count_success(&mut self, link: Link, now: Duration) {
        if self.breaker.succeeded(link) == Some(Change::Closed) {
            self.told_of_outage = false;
            tracing::info!("Redis answers: rooms of the relay are shared");
            self.missing.redis_answers(now, self.options.open_for);
            self.show_breaker();
        }
    }

    fn show_breaker(&mut self) {
        self.figures.breaker_open = !self.breaker.is_closed();
        self.figures.breaker_opened = self.breaker.opened();
    }

    // ----- time

    /// Time passes: what takes too long fails, what is due begins.
    pub(super) fn tick(&mut self, now: Duration) {
        for link in Link::ALL {
            let overdue_at = match link {
                Link::Commands => self.commands.overdue_at(),
                Link::Channels => self.channels.overdue_at(),
            };
            if overdue_at.is_some_and(|at| at <= now) {
                self.failed(link, now, "it takes longer than a second");
            }
        }
        self.breaker.tick(now);
        if self.commands.is_up() && self.beat_at <= now {
            self.beat(now);
        }
        if self.channels.is_up() && self.ping_at <= now {
            self.ping(now);
        }
        while let Some(asker) = self
            .ready
            .pop_front_if(|asker| asker.since.saturating_add(PATIENCE) <= now)
        {
            self.refuse(asker, Refusal::Redis);
        }
        if self.breaker.is_closed() {
            self.go_on(now);
        }
    }

    /// Begins as many operations as may be out.
    fn go_on(&mut self, now: Duration) {
        while self.channels.is_up()
            && self.channels.waiting() < WINDOW
            && self.channels.unsent().len() <= BACKLOG_BYTES_MAX
            && let Some(order) = self.rooms.next_order()
        {
            let (room, wanted) = match &order {
                Order::Subscribe(room, _) => (Arc::clone(room), true),
                Order::Unsubscribe(room) => (Arc::clone(room), false),
            };
            let subscription = match order {
                Order::Subscribe(room, number) => Subscription::Subscribe(room, number),
                Order::Unsubscribe(_) => Subscription::Unsubscribe,
            };
            self.channels
                .send(now, subscription, |out| scripts::subscription(&room, wanted, out));
        }
        if self.commands.is_up() && (std::mem::take(&mut self.in_doubt) || self.refresh_at <= now) {
            self.refresh_at = now.saturating_add(self.options.room_ttl / 3);
            self.scan = Scan::Next(b"0".to_vec());
            self.sweep = self.rooms.names();
        }
        while self.commands.is_up()
            && self.commands.waiting() < WINDOW
            && self.commands.unsent().len() <= BACKLOG_BYTES_MAX
            && self.begin_next(now)
        {}
    }

    /// When [`Self::tick`] has something to do.
    pub(super) fn next_due(&self) -> Duration {
        let may_try = self.breaker.may_try();
        let up = self.commands.is_up();
        let dues = [
            self.commands.overdue_at(),
            self.channels.overdue_at(),
            self.commands.retry_at().filter(|_| may_try),
            self.channels.retry_at().filter(|_| may_try),
            self.breaker.due(),
            up.then_some(self.beat_at),
            self.channels.is_up().then_some(self.ping_at),
            (up && self.breaker.is_closed()).then_some(self.refresh_at),
            self.ready.front().map(|asker| asker.since.saturating_add(PATIENCE)),
        ];
        dues.into_iter().flatten().min().unwrap_or(Duration::MAX)
    }

    /// Clients and rooms with a seat here.
    pub(super) fn count(&mut self) {
        self.figures.seats = self.rooms.seats();
    }
}

fn parts(command: &[String]) -> Vec<&[u8]> {
    command.iter().map(String::as_bytes).collect()
}
