use super::join::{CodedJoin, Join};
use super::rooms::RoomHandle;
use super::spectate::Watch;
use super::{Failure, Slot};
use crate::admission::{AppIndex, Notice, Permit, Ticket};
use crate::protocol::signal_fish::wire::{GameDataFormat, PlayerId, RoomId};
use crate::room::Token;
use std::net::IpAddr;
use std::time::Duration;

/// What we know of a connected client, wherever it is served.
#[derive(Debug)]
pub(super) struct Session {
    /// Generation of its slot.
    pub(super) generation: u32,
    /// A verdict or an opening that it waits for.
    pub(super) pending: Option<Box<Pending>>,
    /// Where it is.
    pub(super) membership: Membership,
    /// When the last frame came.
    pub(super) last_life: Duration,
    /// What it is, apart from its place on this shard.
    pub(super) client: Client,
}

/// The part of a session that travels.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) player_id: PlayerId,
    pub(super) ip: IpAddr,
    /// Held from the verdict on.
    pub(super) ticket: Option<Ticket>,
    pub(super) app: Option<AppIndex>,
    pub(super) authenticated: bool,
    pub(super) format: GameDataFormat,
    /// Set by the first successful `Authenticate`.
    pub(super) introduced: Option<Box<Introduction>>,
    pub(super) upgraded_at: Duration,
    pub(super) invalid_in_a_row: u32,
}

/// What the client said about itself in `Authenticate`.
#[derive(Debug, Default, Clone)]
pub(super) struct Introduction {
    pub(super) platform: Option<Box<str>>,
    pub(super) sdk_version: Option<Box<str>>,
    pub(super) format: Option<GameDataFormat>,
}

/// A session is a member of one room at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Membership {
    None,
    Player(RoomHandle),
    Spectator(RoomHandle),
}

impl Membership {
    pub(super) fn room(self) -> Option<RoomHandle> {
        match self {
            Self::None => None,
            Self::Player(room) | Self::Spectator(room) => Some(room),
        }
    }
}

/// What a waiting session waits for.
#[derive(Debug)]
pub(super) enum Pending {
    /// Its ticket; then it may move to the shard of the room named in the URL.
    Connect(Option<super::ShardIndex>),
    /// The rate of its app.
    Authenticate(AppIndex, Introduction),
    /// Its attempt to join by code is counted.
    Join(Result<CodedJoin, Failure>),
    /// Its attempt to create a room, which fails, is counted.
    Create(Failure),
    /// A permit for a room with a generated code.
    OpenGenerated(Join),
    /// A permit for the room with this key.
    Open(CodedJoin),
    /// Another session's permit for the room with this key.
    Queued(CodedJoin),
    /// Its attempt to watch is counted.
    Watch(Result<Watch, Failure>),
    /// Its failed attempt to come back is counted.
    Reconnect(Failure),
}

/// A session on its way to another shard, with the message that made it move.
#[derive(Debug)]
pub struct MovingSession {
    pub(super) client: Client,
    pub(super) last_life: Duration,
    pub(super) operation: Operation,
}

/// What the new owner goes on with.
#[derive(Debug)]
pub(super) enum Operation {
    Nothing,
    Join(CodedJoin),
    Create(CodedJoin, Permit),
    Watch(Watch),
    Reconnect(PlayerId, RoomId, Option<Token>),
}

impl MovingSession {
    /// Gives back what the session holds, if it cannot be delivered anywhere.
    pub fn abandon(self, mut notify: impl FnMut(Notice)) {
        if let Operation::Create(_, permit) = self.operation {
            notify(Notice::RoomEnded(permit));
        }
        if let Some(ticket) = self.client.ticket {
            notify(Notice::ConnectionEnded(ticket));
        }
    }
}

/// The sessions of a shard, by slot.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    places: Vec<Option<Session>>,
    /// When each place must be looked at next, apart from the sessions so that a look at all of them is short.
    deadlines: Vec<Duration>,
    count: usize,
}

impl Sessions {
    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&Session> {
        let session = self.places.get(slot.index as usize)?.as_ref()?;
        (session.generation == slot.generation).then_some(session)
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut Session> {
        let session = self.places.get_mut(slot.index as usize)?.as_mut()?;
        (session.generation == slot.generation).then_some(session)
    }

    /// Puts a session into a place that must be free; its deadline is now.
    pub(super) fn insert(&mut self, slot: Slot, session: Session) {
        let index = slot.index as usize;
        if self.places.len() <= index {
            self.places.resize_with(index + 1, || None);
            self.deadlines.resize(index + 1, Duration::MAX);
        }
        if let (Some(place), Some(deadline)) = (self.places.get_mut(index), self.deadlines.get_mut(index)) {
            if place.replace(session).is_none() {
                self.count += 1;
            }
            *deadline = Duration::ZERO;
        }
    }

    pub(super) fn remove(&mut self, slot: Slot) -> Option<Session> {
        self.get(slot)?;
        let session = self.places.get_mut(slot.index as usize)?.take()?;
        self.count -= 1;
        if let Some(deadline) = self.deadlines.get_mut(slot.index as usize) {
            *deadline = Duration::MAX;
        }
        Some(session)
    }

    pub(super) fn set_deadline(&mut self, slot: Slot, at: Duration) {
        if self.get(slot).is_some()
            && let Some(deadline) = self.deadlines.get_mut(slot.index as usize)
        {
            *deadline = at;
        }
    }

    /// The first slot from `start` on whose deadline has come.
    pub(super) fn next_due(&self, start: u32, now: Duration) -> Option<Slot> {
        let rest = self.deadlines.get(start as usize..)?;
        let offset = rest.iter().position(|deadline| *deadline <= now)?;
        let index = start + u32::try_from(offset).ok()?;
        let generation = self.places.get(index as usize)?.as_ref()?.generation;
        Some(Slot { index, generation })
    }

    /// Some slot that is in use, at or after `start`.
    pub(super) fn next_used(&self, start: u32) -> Option<Slot> {
        let rest = self.places.get(start as usize..)?;
        let offset = rest.iter().position(Option::is_some)?;
        let index = start + u32::try_from(offset).ok()?;
        let generation = self.places.get(index as usize)?.as_ref()?.generation;
        Some(Slot { index, generation })
    }
}
