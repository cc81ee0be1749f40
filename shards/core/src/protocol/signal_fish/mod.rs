//! The engine of one shard: sessions, rooms and the rules between them, without IO.
//!
//! The runtime calls one method per event; what the engine wants done goes to [`Effects`].
//!
//! # The contract with the runtime
//! * A [`Slot`] names one connection on this shard; a slot that was given up is never named again (its generation moves on).
//! * After [`Effects::close`] or [`Effects::hand_off`] the engine has forgotten the session: the runtime delivers no more
//!   of its frames, and [`Engine::disconnected`] for it does nothing.
//! * After [`Effects::ask`] the session is *waiting*: the runtime delivers none of its frames until it has delivered the
//!   [`Verdict`] with [`Engine::verdict`]. If the connection dies meanwhile, `disconnected` comes first and the verdict
//!   is still delivered, so that what it grants is given back.
//! * A session can go on waiting after its verdict: another session's ask decides about the same room, or one more ask is
//!   needed. [`Engine::is_waiting`] tells; [`Effects::resume`] is emitted when a session that is still here stops waiting.
//!   A session that arrives by [`Engine::adopt`] may wait from the start, and then resumes like any other.
//! * Effects are carried out in the order in which they were emitted.
//! * Every shard of a process measures [`Now::monotonic`] from the same start, because sessions take their times along.

mod authenticate;
mod authority;
mod connect;
mod counters;
mod join;
mod leave;
mod lobby;
mod open;
mod outbound;
mod receive;
mod reconnect;
mod records;
mod relay;
mod rooms;
mod routing;
mod session;
mod settings;
mod spectate;
mod sweep;
pub mod wire;

pub use crate::room::Slot;
pub use counters::{Counters, Gauges};
pub use routing::Routing;
pub use session::MovingSession;
pub use settings::{App, SdkCompatibility, Settings};

use crate::Now;
use crate::admission::{AppIndex, Ask, Notice, Refusal, Verdict};
use crate::protocol::signal_fish::wire::ErrorCode;
use crate::room::Room;
use ahash::RandomState;
use outbound::{Outbound, Scratch};
use rand::Rng;
use records::Records;
use rooms::{RoomKey, Rooms};
use session::{Membership, Operation, Pending, Session, Sessions};
use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A shard, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShardIndex(pub u16);

/// Form of an outbound message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A WebSocket text message.
    Text,
    /// A WebSocket binary message.
    Binary,
}

/// Close codes that the engine uses (D9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// 1001: the server drains.
    Drain,
    /// 1008: policy; the reason text is sent in the close frame.
    Policy(&'static str),
}

/// What the engine wants done.
pub trait Effects {
    /// Append one message to the outbox of `to`. The same payload goes to every recipient of a broadcast.
    fn send(&mut self, to: Slot, form: Form, payload: &[u8]);
    /// Send a WebSocket ping (D24).
    fn ping(&mut self, slot: Slot);
    /// Flush the outbox, send a close frame, end the connection.
    fn close(&mut self, slot: Slot, reason: CloseReason);
    /// Put a question to admission on behalf of `slot`, which waits from now on.
    fn ask(&mut self, slot: Slot, ask: Ask);
    /// The session waits no longer: deliver its frames again.
    fn resume(&mut self, slot: Slot);
    /// Give something back to admission.
    fn notify(&mut self, notice: Notice);
    /// Move the connection to another shard, which goes on with [`Engine::adopt`]. If it cannot be delivered there,
    /// [`Engine::abandon`] gives back what it holds.
    fn hand_off(&mut self, slot: Slot, to: ShardIndex, session: Box<MovingSession>);
}

/// Sessions and rooms of one shard.
pub struct Engine {
    settings: Arc<Settings>,
    shard: ShardIndex,
    routing: Routing,
    random: Box<dyn Rng>,
    apps: HashMap<Box<str>, AppIndex, RandomState>,
    sessions: Sessions,
    rooms: Rooms,
    /// Room keys for which a permit is asked, with those who wait behind the one that asked, in order of arrival.
    openings: HashMap<RoomKey, VecDeque<Slot>, RandomState>,
    /// Sessions that ended while their ask for a permit was outstanding.
    orphans: HashMap<Slot, RoomKey, RandomState>,
    records: Records,
    outbound: Outbound,
    /// JSON form of a MessagePack value.
    converted: Scratch,
    next_sweep: Duration,
    draining: bool,
}

impl Engine {
    /// An engine without sessions. `random` must be fit for secrets: it makes ids, room codes and reconnection tokens.
    #[must_use]
    pub fn new(settings: Arc<Settings>, shard: ShardIndex, routing: Routing, random: Box<dyn Rng>) -> Self {
        let hashing = routing.hashing();
        let mut apps = HashMap::with_hasher(hashing.clone());
        // A later entry with the same id wins.
        for (index, app) in (0..).zip(&settings.apps) {
            apps.insert(app.app_id.as_str().into(), AppIndex(index));
        }
        Self {
            settings,
            shard,
            routing,
            random,
            apps,
            sessions: Sessions::default(),
            rooms: Rooms::new(&hashing),
            openings: HashMap::with_hasher(hashing.clone()),
            orphans: HashMap::with_hasher(hashing.clone()),
            records: Records::new(hashing),
            outbound: Outbound::default(),
            converted: Scratch::default(),
            next_sweep: Duration::ZERO,
            draining: false,
        }
    }

    /// What happened since the start.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.outbound.counters
    }

    /// What lives now. Walks all rooms.
    #[must_use]
    pub fn gauges(&self) -> Gauges {
        Gauges {
            rooms: self.rooms.len(),
            players: self.rooms().map(|room| room.players().len()).sum(),
            spectators: self.rooms().map(|room| room.spectators().len()).sum(),
            sessions: self.sessions.len(),
            awaited: self.records.len(),
            openings: self.openings.len() + self.orphans.len(),
        }
    }

    /// Every room, in no order that means anything.
    pub fn rooms(&self) -> impl Iterator<Item = &Room> {
        self.rooms.handles().map(|(_, room)| room)
    }

    /// Whether a session waits, so that none of its frames may be delivered.
    #[must_use]
    pub fn is_waiting(&self, slot: Slot) -> bool {
        self.sessions.get(slot).is_some_and(|session| session.pending.is_some())
    }

    /// Admission answered.
    pub fn verdict<E: Effects>(&mut self, now: Now, slot: Slot, verdict: Verdict, fx: &mut E) {
        if matches!(verdict, Verdict::Refused(_)) {
            self.outbound.counters.refusals += 1;
        }
        let pending = self.sessions.get_mut(slot).and_then(|session| session.pending.take());
        let Some(pending) = pending else {
            give_back(verdict, fx);
            if let Some(key) = self.orphans.remove(&slot) {
                self.open_next(key, fx);
            }
            return;
        };
        match *pending {
            Pending::Connect(owner) => self.connect_decided(slot, owner, verdict, fx),
            Pending::Authenticate(app, introduction) => {
                self.authenticate_decided(now, slot, app, introduction, verdict, fx);
            }
            Pending::Join(attempt) => self.join_decided(now, slot, attempt, verdict, fx),
            Pending::Create(failure) => self.create_decided(slot, failure, verdict, fx),
            Pending::OpenGenerated(join) => self.open_generated_decided(now, slot, join, verdict, fx),
            Pending::Open(join) => self.open_decided(now, slot, join, verdict, fx),
            Pending::Watch(attempt) => self.watch_decided(now, slot, attempt, verdict, fx),
            Pending::Reconnect(failure) => self.reconnect_failure_decided(slot, failure, verdict, fx),
            // Nothing was asked for it; it goes on waiting for the one ahead.
            Pending::Queued(join) => {
                give_back(verdict, fx);
                self.wait(slot, Pending::Queued(join));
            }
        }
        self.resume(slot, fx);
    }

    /// Lets a session go on unless it waits for something else by now.
    fn resume<E: Effects>(&self, slot: Slot, fx: &mut E) {
        if self.sessions.get(slot).is_some_and(|session| session.pending.is_none()) {
            fx.resume(slot);
        }
    }

    fn wait(&mut self, slot: Slot, pending: Pending) {
        if let Some(session) = self.sessions.get_mut(slot) {
            session.pending = Some(Box::new(pending));
        }
    }

    fn ask<E: Effects>(&mut self, slot: Slot, pending: Pending, ask: Ask, fx: &mut E) {
        self.wait(slot, pending);
        self.outbound.counters.asks += 1;
        fx.ask(slot, ask);
    }

    fn hand_off<E: Effects>(&mut self, slot: Slot, to: ShardIndex, operation: Operation, fx: &mut E) {
        let Some(Session { client, last_life, .. }) = self.sessions.remove(slot) else {
            return;
        };
        self.outbound.counters.handed_off += 1;
        let moving = MovingSession {
            client,
            last_life,
            operation,
        };
        fx.hand_off(slot, to, Box::new(moving));
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gauges = self.gauges();
        f.debug_struct("Engine")
            .field("shard", &self.shard)
            .field("gauges", &gauges)
            .finish_non_exhaustive()
    }
}

/// Why something that a client wants does not happen: text for people and code.
#[derive(Debug, Clone)]
struct Failure {
    reason: Cow<'static, str>,
    code: ErrorCode,
}

impl Failure {
    fn new(reason: impl Into<Cow<'static, str>>, code: ErrorCode) -> Self {
        let reason = reason.into();
        Self { reason, code }
    }

    /// What a client is told about a refusal. `game` is the game that a room was wanted for.
    fn refused(refusal: Refusal, game: &str) -> Self {
        let text = match refusal {
            Refusal::JoinRate { retry_after_secs } => {
                format!("Join attempt rate limit exceeded. Try again in {retry_after_secs} seconds.")
            }
            Refusal::CreationRate { retry_after_secs } => {
                format!("Room creation rate limit exceeded. Try again in {retry_after_secs} seconds.")
            }
            Refusal::AuthenticationRate => "RateLimitExceeded".to_owned(),
            Refusal::RoomsPerGame { current, limit } => {
                let text = format!("Game `{game}` already has {current} rooms (limit {limit})");
                return Self::new(text, ErrorCode::MaxRoomsPerGameExceeded);
            }
            Refusal::RoomsPerApp { current, limit } => {
                let text = format!("App already has {current} rooms (limit {limit})");
                return Self::new(text, ErrorCode::MaxRoomsPerGameExceeded);
            }
            Refusal::ConnectionsPerIp { current, limit } => {
                let text = format!("Too many connections from your IP ({current}/{limit})");
                return Self::new(text, ErrorCode::TooManyConnections);
            }
            Refusal::Connections => return Self::new("Server is full", ErrorCode::ServiceUnavailable),
        };
        Self::new(text, ErrorCode::RateLimitExceeded)
    }

    /// Admission answered something that was not asked.
    fn internal() -> Self {
        Self::new("Internal error", ErrorCode::InternalError)
    }
}

/// Gives back what a verdict granted to somebody who cannot take it.
fn give_back<E: Effects>(verdict: Verdict, fx: &mut E) {
    match verdict {
        Verdict::Connected(ticket) => fx.notify(Notice::ConnectionEnded(ticket)),
        Verdict::RoomOpened(permit) => fx.notify(Notice::RoomEnded(permit)),
        Verdict::Admitted | Verdict::Refused(_) => {}
    }
}
