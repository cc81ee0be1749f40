//! What clients speak: one folder per protocol, and one dispatch for the shard.
//!
//! A protocol gets events and a context ([`Cx`]) that carries the time, the slot and the effects. It owns its sessions and
//! the protocol part of its rooms. It knows neither sockets nor frames.
//!
//! # The contract with the shard
//! * A session begins with [`Protocols::opened`] or [`Protocols::arrived`] and ends with [`Protocols::left`],
//!   [`Protocols::depart`], or because the protocol closed the connection itself.
//! * While [`Protocols::waits`] holds, no message of the connection is delivered.
//! * After an ask the verdict is always delivered, also when the session has ended meanwhile; until then the slot is not
//!   given to anybody else.
//! * Every shard of a process measures [`Now::monotonic`] from the same start, because sessions take their times along.

mod by_slot;
mod echo;
mod event;
pub(crate) mod journal;
pub mod matchbox;
pub mod relay;
pub mod signal_fish;

pub use event::{Message, Opening, Trouble};

use crate::Now;
use crate::admission::{Notice, Verdict};
use crate::effects::{Cx, Effects};
use crate::entry::Routing;
use crate::room::{MemberId, RoomDetail, RoomId, RoomPage, RoomQuery};
use crate::slot::{ShardIndex, Slot};
use echo::Echo;
use journal::Line;
use matchbox::Matchbox;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use relay::Relay;
use signal_fish::{Observation, SignalFish};
use std::sync::Arc;
use std::time::Duration;

/// Names a protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Signal Fish, version 2.
    SignalFish,
    /// Sends every message back; for conformance suites.
    Echo,
    /// Matchbox signaling.
    Matchbox,
    /// The room relay.
    Relay,
}

impl Protocol {
    /// Whether the protocol itself answers the upgrade, once it is decided whether the client enters. Until then the
    /// connection takes no messages.
    #[must_use]
    pub fn answers_late(self) -> bool {
        self == Self::Relay
    }
}

/// What operators set about the protocols.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// About Signal Fish.
    pub signal_fish: Arc<signal_fish::Settings>,
    /// About matchbox.
    pub matchbox: matchbox::Settings,
    /// About the room relay.
    pub relay: relay::Settings,
}

impl Protocol {
    /// Whether a connection may begin on any shard, so that the room in its URL is only a hint (D44). Otherwise it has to
    /// begin on the owner of that room.
    #[must_use]
    pub fn begins_anywhere(self) -> bool {
        match self {
            Self::SignalFish | Self::Echo => true,
            Self::Matchbox | Self::Relay => false,
        }
    }
}

/// A session on its way to another shard.
#[derive(Debug)]
pub enum Session {
    /// Of Signal Fish.
    SignalFish(Box<signal_fish::Session>),
}

/// The protocols of one shard.
#[derive(Debug)]
pub struct Protocols {
    /// Signal Fish.
    pub signal_fish: SignalFish,
    /// Matchbox.
    pub matchbox: Matchbox,
    /// The room relay.
    pub relay: Relay,
}

impl Protocols {
    /// No sessions yet. `random` must be fit for secrets.
    #[must_use]
    pub fn new(settings: Settings, shard: ShardIndex, routing: &Routing, mut random: Box<dyn Rng + Send>) -> Self {
        let of_matchbox = Box::new(StdRng::from_rng(&mut *random));
        let of_relay = Box::new(StdRng::from_rng(&mut *random));
        Self {
            matchbox: Matchbox::new(settings.matchbox, shard, routing.clone(), of_matchbox),
            relay: Relay::new(settings.relay, shard, routing.clone(), of_relay),
            signal_fish: SignalFish::new(settings.signal_fish, shard, routing.clone(), random),
        }
    }

    /// The shard on which the connection should begin: the owner of the room that the URL names. `None` if it names
    /// none, or if the protocol does not heed it.
    #[must_use]
    pub fn home(&self, protocol: Protocol, opening: &Opening) -> Option<ShardIndex> {
        match protocol {
            Protocol::SignalFish => self.signal_fish.home(opening),
            Protocol::Echo => None,
            Protocol::Matchbox => Some(self.matchbox.home(opening)),
            Protocol::Relay => self.relay.home(opening),
        }
    }

    /// A connection was upgraded.
    pub fn opened(&mut self, protocol: Protocol, cx: &mut Cx<'_>, opening: Opening) {
        match protocol {
            Protocol::SignalFish => self.signal_fish.opened(cx, &opening),
            Protocol::Echo => {}
            Protocol::Matchbox => self.matchbox.opened(cx, &opening),
            Protocol::Relay => self.relay.opened(cx, opening),
        }
    }

    /// A message came.
    pub fn message(&mut self, protocol: Protocol, cx: &mut Cx<'_>, message: Message<'_>) {
        match protocol {
            Protocol::SignalFish => self.signal_fish.message(cx, message),
            Protocol::Echo => Echo::message(cx, message),
            Protocol::Matchbox => self.matchbox.message(cx, message),
            Protocol::Relay => self.relay.message(cx, message),
        }
    }

    /// The connection is about to be closed by the shard: its client may be told why.
    pub fn explain(&mut self, protocol: Protocol, cx: &mut Cx<'_>, trouble: &Trouble) {
        match protocol {
            Protocol::SignalFish => self.signal_fish.explain(cx, trouble),
            // They have no message for that: the close frame alone explains.
            Protocol::Echo | Protocol::Matchbox | Protocol::Relay => {}
        }
    }

    /// Admission answered.
    pub fn verdict(&mut self, protocol: Protocol, cx: &mut Cx<'_>, verdict: Verdict) {
        match protocol {
            Protocol::SignalFish => self.signal_fish.verdict(cx, verdict),
            Protocol::Echo | Protocol::Matchbox => crate::entry::grant::give_back(verdict, cx.fx),
            Protocol::Relay => self.relay.verdict(cx, verdict),
        }
    }

    /// What a line of the log tells about a connection.
    pub(crate) fn line(&self, protocol: Protocol, shard: ShardIndex, slot: Slot) -> Line<'_> {
        match protocol {
            Protocol::SignalFish => self.signal_fish.line(slot),
            Protocol::Echo | Protocol::Matchbox | Protocol::Relay => Line {
                shard,
                slot: Some(slot),
                address: match protocol {
                    Protocol::Matchbox => self.matchbox.address(slot),
                    Protocol::Relay => self.relay.address(slot),
                    Protocol::Echo | Protocol::SignalFish => None,
                },
                ..Line::default()
            },
        }
    }

    /// The connection ended without the protocol's doing.
    pub fn left(&mut self, protocol: Protocol, cx: &mut Cx<'_>) {
        match protocol {
            Protocol::SignalFish => self.signal_fish.left(cx),
            Protocol::Echo => {}
            Protocol::Matchbox => self.matchbox.left(cx),
            Protocol::Relay => self.relay.left(cx),
        }
    }

    /// Whether messages of this connection may not be delivered now.
    #[must_use]
    pub fn waits(&self, protocol: Protocol, slot: Slot) -> bool {
        match protocol {
            Protocol::SignalFish => self.signal_fish.waits(slot),
            Protocol::Echo | Protocol::Matchbox => false,
            Protocol::Relay => self.relay.waits(slot),
        }
    }

    /// When the protocol wants [`Self::due`] for this connection. It may become later, or be none while the connection
    /// waits; it never becomes earlier.
    #[must_use]
    pub fn deadline(&self, protocol: Protocol, slot: Slot) -> Option<Duration> {
        match protocol {
            Protocol::SignalFish => self.signal_fish.deadline(slot),
            Protocol::Echo | Protocol::Matchbox => None,
            Protocol::Relay => self.relay.deadline(slot),
        }
    }

    /// The deadline of a connection has come.
    pub fn due(&mut self, protocol: Protocol, cx: &mut Cx<'_>) {
        match protocol {
            Protocol::SignalFish => self.signal_fish.due(cx),
            Protocol::Echo | Protocol::Matchbox => {}
            Protocol::Relay => self.relay.due(cx),
        }
    }

    /// Takes out the session of a connection that moves.
    pub fn depart(&mut self, protocol: Protocol, slot: Slot) -> Option<Session> {
        match protocol {
            Protocol::SignalFish => {
                let session = self.signal_fish.depart(slot)?;
                Some(Session::SignalFish(Box::new(session)))
            }
            // These move before their upgrade is answered, or never.
            Protocol::Echo | Protocol::Matchbox | Protocol::Relay => None,
        }
    }

    /// A client is about to be closed because its outbox is full and its socket takes nothing.
    pub fn too_slow(&mut self, protocol: Protocol) {
        if protocol == Protocol::Relay {
            self.relay.too_slow();
        }
    }

    /// A connection arrived from another shard.
    pub fn arrived(&mut self, cx: &mut Cx<'_>, session: Session) {
        match session {
            Session::SignalFish(session) => self.signal_fish.arrived(cx, *session),
        }
    }

    /// A session ended on its way to this shard, or from it.
    pub fn lost(&mut self, protocol: Protocol) {
        match protocol {
            Protocol::SignalFish => self.signal_fish.lost(),
            Protocol::Echo | Protocol::Matchbox | Protocol::Relay => {}
        }
    }

    /// When [`Self::tick`] has something to do: rooms to sweep, players whose time to return is over.
    #[must_use]
    pub fn next_due(&self) -> Duration {
        self.signal_fish.next_due().min(self.relay.next_due())
    }

    /// Time passes for rooms.
    pub fn tick(&mut self, now: Now, fx: &mut Effects) {
        self.signal_fish.tick(now, fx);
        self.relay.tick(now, fx);
    }

    /// Some of the rooms that an operator asks for.
    #[must_use]
    pub fn list_rooms(&self, now: Duration, query: &RoomQuery) -> RoomPage {
        self.signal_fish.list_rooms(now, query)
    }

    /// A room as an operator sees it.
    #[must_use]
    pub fn show_room(&self, now: Duration, room: RoomId, fx: &Effects) -> Option<RoomDetail> {
        self.signal_fish.show_room(now, room, fx)
    }

    /// An operator closes a room. Returns whether it was there.
    pub fn close_room(&mut self, fx: &mut Effects, room: RoomId) -> bool {
        self.signal_fish.close_room(fx, room)
    }

    /// An operator removes a member, who is told why. Returns whether it was there.
    pub fn kick(&mut self, now: Now, fx: &mut Effects, room: RoomId, member: MemberId, reason: &str) -> bool {
        self.signal_fish.kick(now, fx, room, member, reason)
    }

    /// When those asked to join who entered a room since the last call.
    pub fn take_joined(&mut self) -> impl Iterator<Item = Duration> {
        self.signal_fish.take_joined()
    }

    /// What an observer learns of the rooms since the last call.
    pub fn take_observations(&mut self) -> Vec<Observation> {
        self.signal_fish.take_observations()
    }

    /// An operator changed something.
    pub fn reload(&mut self, settings: &Arc<signal_fish::Settings>) {
        self.signal_fish.reload(Arc::clone(settings));
    }

    /// The server shuts down: all sessions and rooms are forgotten, everything that was granted to rooms goes back.
    /// Nobody is told who left. The shard closes the connections.
    pub fn drain(&mut self, fx: &mut Effects) {
        self.signal_fish.drain(fx);
        self.matchbox.drain();
        self.relay.drain(fx);
    }
}

impl Session {
    /// Which protocol it belongs to.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        match self {
            Self::SignalFish(_) => Protocol::SignalFish,
        }
    }

    /// Adds to a line of the log what the session knows on its way.
    pub(crate) fn add_to<'a>(&'a self, line: Line<'a>) -> Line<'a> {
        match self {
            Self::SignalFish(session) => session.add_to(line),
        }
    }

    /// Gives back what the session holds, if it cannot be delivered anywhere.
    pub fn abandon(self, notify: impl FnMut(Notice)) {
        match self {
            Self::SignalFish(session) => session.abandon(notify),
        }
    }
}
