//! This node, as Redis and the other nodes know it: who is in which room, what Redis is asked, and what its answers change.
//! A state machine without sockets and clock; `thread.rs` gives it both.

use super::breaker::{Breaker, Change};
use super::figures::{Figures, Operation};
use super::link::{Connection, Link};
use super::missing::Missing;
use super::resp::{Reply, write_command};
use super::rooms::{Asker, Order, Rooms};
use super::scripts::{self, BURIED_MAX, REGISTERED_MAX, Writer};
use crate::config::RedisUrl;
use ahash::RandomState;
use signal_fish_core::admission::{Refusal, Seat, Verdict};
use signal_fish_core::effects::Published;
use signal_fish_core::entry::Routing;
use signal_fish_core::protocol::relay::envelope::{self, OVERHEAD_BYTES_MAX};
use signal_fish_core::protocol::relay::{Relayed, home_of};
use signal_fish_core::room::MemberId;
use signal_fish_core::{ShardIndex, Slot};
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// How often Redis is asked whether it answers, on either connection.
const PING_INTERVAL: Duration = Duration::from_secs(1);
/// How long a client may wait for its turn to enter.
const PATIENCE: Duration = Duration::from_secs(1);
/// Operations other than publishing that are out at a time, on either connection.
const WINDOW: usize = 256;
/// Bytes that wait for Redis with which more operations begin.
const BACKLOG_BYTES_MAX: usize = 256 * 1024;
/// Bytes that wait for Redis with which messages are still published.
const PUBLISH_BACKLOG_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Operations that wait for replies with which messages are still published.
const PUBLISH_WAITING_MAX: usize = 65_536;
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
enum Command {
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
enum Subscription {
    Greet,
    Ping,
    Subscribe(Arc<str>, u64),
    Unsubscribe,
}

/// A client that leaves.
#[derive(Debug)]
struct Leaver {
    room: Arc<str>,
    client: MemberId,
    /// The others have to hear of it.
    told: bool,
    /// It is missed if they do not.
    counted: bool,
}

/// Going through what Redis thinks of this node.
#[derive(Debug, PartialEq, Eq)]
enum Scan {
    Idle,
    Next(Vec<u8>),
    Asked,
}

/// The state machine.
#[derive(Debug)]
pub(super) struct Node {
    options: Options,
    writer: Writer,
    routing: Routing,
    breaker: Breaker,
    commands: Connection<Command>,
    channels: Connection<Subscription>,
    rooms: Rooms,
    /// Clients whose channel is there.
    ready: VecDeque<Asker>,
    leaving: VecDeque<Leaver>,
    /// Rooms to be registered.
    sweep: VecDeque<Arc<str>>,
    scan: Scan,
    /// Redis may think something else of this node than is true.
    in_doubt: bool,
    /// Clients that were refused, and may be in Redis all the same. Nobody is told when they are removed.
    doubtful: HashSet<MemberId, RandomState>,
    missing: Missing,
    /// The log has a line about the outage that lasts.
    told_of_outage: bool,
    /// A dead node is being buried.
    buries: bool,
    beat_at: Duration,
    ping_at: Duration,
    refresh_at: Duration,
    stops: bool,
    said_bye: bool,
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

    // ----- what shards want

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

    fn leave(&mut self, room: Arc<str>, client: MemberId, told: bool) {
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

    fn refuse_ready(&mut self) {
        while let Some(asker) = self.ready.pop_front() {
            self.refuse(asker, Refusal::Redis);
        }
    }

    fn refuse(&mut self, asker: Asker, refusal: Refusal) {
        self.rooms.asked(&asker.room, asker.client, false);
        let verdict = Verdict::Refused(refusal);
        self.outcome.verdicts.push((asker.shard, asker.slot, verdict));
    }

    // ----- breaker

    fn count_failure(&mut self, link: Link, now: Duration, why: &str) {
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

    fn count_success(&mut self, link: Link, now: Duration) {
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

    // ----- answers to commands

    /// Whether it makes sense.
    fn command_answered(&mut self, reply: Reply, now: Duration) -> bool {
        let Some((sent_at, command)) = self.commands.answered(now) else {
            return false;
        };
        let operation = match &command {
            Command::Greet | Command::Beat | Command::Bye => Operation::Ping,
            Command::Enter(_) => Operation::Enter,
            Command::Leave(_) => Operation::Leave,
            Command::Publish => Operation::Publish,
            Command::Register | Command::Scan => Operation::Refresh,
            Command::Bury(_) => Operation::Bury,
        };
        self.figures.record(operation, now.saturating_sub(sent_at));
        let error = match &reply {
            Reply::Error(error) => Some(Fault::of(error)),
            _ => None,
        };
        match command {
            Command::Greet => {
                if error.is_some() {
                    self.failed(Link::Commands, now, "it does not accept who this is");
                }
                return true;
            }
            Command::Beat => match (reply, error) {
                (Reply::Array(items), _) => return self.beat_answered(items, now),
                (_, Some(_)) if !self.commands.is_up() => {
                    self.failed(Link::Commands, now, "it answers with an error");
                    return true;
                }
                (_, Some(_)) => {}
                _ => return false,
            },
            Command::Enter(asker) => match reply {
                Reply::Integer(0) => self.entered(asker),
                Reply::Integer(_) => self.refuse(asker, Refusal::RoomFull),
                _ => self.refuse(asker, Refusal::Redis),
            },
            Command::Leave(counted) => {
                if counted && reply != Reply::Integer(1) {
                    self.figures.unpublished += 1;
                }
            }
            Command::Publish => self.figures.unpublished += u64::from(error.is_some()),
            Command::Register | Command::Bye => {}
            Command::Scan => match reply {
                Reply::Array(items) => return self.scanned(items),
                _ => self.scan = Scan::Idle,
            },
            Command::Bury(node) => {
                self.buries = false;
                if reply == Reply::Integer(BURIED_MAX) {
                    self.bury(now, node);
                } else {
                    if reply != Reply::Integer(-1) && error.is_none() {
                        self.figures.buried += 1;
                        tracing::info!(node = &*node, "the clients of a node that is gone were removed");
                    }
                    self.missing.forget(&node);
                }
            }
        }
        match error {
            // The key of a room is something else: that is nothing that Redis could do better.
            Some(Fault::WrongType) | None => self.count_success(Link::Commands, now),
            Some(Fault::Other) => self.count_failure(Link::Commands, now, "it answers with errors"),
        }
        true
    }

    fn entered(&mut self, asker: Asker) {
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

    fn beat(&mut self, now: Duration) {
        self.beat_at = now.saturating_add(PING_INTERVAL);
        let writer = &self.writer;
        self.commands.send(now, Command::Beat, |out| writer.beat(out));
    }

    fn beat_answered(&mut self, items: Vec<Reply>, now: Duration) -> bool {
        let mut items = items.into_iter();
        let Some(Reply::Integer(known)) = items.next() else {
            return false;
        };
        let gone = items.filter_map(|item| match item {
            Reply::Bytes(node) => String::from_utf8(node).ok().map(String::into_boxed_str),
            _ => None,
        });
        self.missing.look(now, gone.collect());
        if !self.commands.is_up() {
            self.commands.greeted();
            self.in_doubt = true;
            self.figures.up = self.channels.is_up();
        }
        // It stood still for so long that others took it for dead.
        self.in_doubt |= known == 0;
        self.count_success(Link::Commands, now);
        if self.breaker.is_closed()
            && !self.buries
            && let Some(node) = self.missing.dead(now)
        {
            let node = Box::from(node);
            self.bury(now, node);
        }
        true
    }

    fn bury(&mut self, now: Duration, node: Box<str>) {
        if !self.breaker.is_closed() || !self.commands.is_up() {
            return;
        }
        self.buries = true;
        let writer = &self.writer;
        let name = node.clone();
        self.commands
            .send(now, Command::Bury(node), |out| writer.bury(&name, out));
    }

    /// Who is in Redis and not here leaves.
    fn scanned(&mut self, items: Vec<Reply>) -> bool {
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

    // ----- channels

    fn ping(&mut self, now: Duration) {
        self.ping_at = now.saturating_add(PING_INTERVAL);
        self.channels
            .send(now, Subscription::Ping, |out| write_command(&[b"PING"], out));
    }

    /// Whether it makes sense.
    fn channel_says(&mut self, reply: Reply, now: Duration) -> bool {
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
    fn message(&mut self, channel: &[u8], payload: &Reply) {
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

    /// Begins the next operation. Returns whether there was one.
    fn begin_next(&mut self, now: Duration) -> bool {
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

/// What kind of error Redis answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// A key holds something of another application.
    WrongType,
    Other,
}

impl Fault {
    fn of(error: &str) -> Self {
        // Redis 6 puts the error of a script into a sentence.
        if error.contains("WRONGTYPE") {
            Self::WrongType
        } else {
            Self::Other
        }
    }
}

fn parts(command: &[String]) -> Vec<&[u8]> {
    command.iter().map(String::as_bytes).collect()
}
