//! What is known of one connected client.

use super::binding::Binding;
use super::pending::{Arrival, Create, Introduction, Pending};
use super::wire::PlayerId;
use crate::admission::{AppIndex, Notice};
use crate::room::{Dialect, RoomHandle};
use std::net::IpAddr;
use std::time::Duration;

/// A connected client. The value moves with its connection from shard to shard; while it moves it is a member of no
/// room.
#[derive(Debug)]
pub struct Session {
    /// Generation of its slot.
    pub(super) generation: u32,
    /// Invalid messages since the last valid one (D41).
    pub(super) invalid_in_a_row: u32,
    /// What it waits for. While this is set, none of its messages is delivered.
    pub(super) pending: Option<Box<Pending>>,
    /// Where it is.
    pub(super) membership: Membership,
    pub(super) player_id: PlayerId,
    pub(super) ip: IpAddr,
    pub(super) dialect: Dialect,
    pub(super) app: Option<AppIndex>,
    /// What few sessions have.
    pub(super) rare: Option<Box<Rare>>,
    /// Set by the first successful `Authenticate`.
    pub(super) introduction: Option<Box<Introduction>>,
    /// Until when it must authenticate; `None` once it has, or if it need not.
    pub(super) authenticate_until: Option<Duration>,
}

/// What few sessions have.
#[derive(Debug, Default)]
pub(super) struct Rare {
    /// How its messages are signed, if they are.
    pub(super) binding: Option<Binding>,
    /// Lower-case hex SHA-256 of its client's certificate.
    pub(super) certificate: Option<Box<str>>,
    /// Until when joins are refused without a question, because a window of its address is used up. A refused attempt costs
    /// less than an accepted one.
    pub(super) joins_refused: Duration,
    /// The same for creations.
    pub(super) creations_refused: Duration,
}

/// A session is a member of one room at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Membership {
    None,
    Player(RoomHandle),
    Spectator(RoomHandle),
}

impl Session {
    /// Whether it may do more than authenticate.
    pub(super) fn is_authenticated(&self) -> bool {
        self.authenticate_until.is_none()
    }

    /// How its messages are signed, if they are.
    pub(super) fn binding(&mut self) -> Option<&mut Binding> {
        self.rare.as_mut()?.binding.as_mut()
    }

    /// Lower-case hex SHA-256 of its client's certificate, if it showed one.
    pub(super) fn certificate(&self) -> Option<&str> {
        self.rare.as_ref()?.certificate.as_deref()
    }

    /// Gives back what the session holds.
    pub fn abandon(self, mut notify: impl FnMut(Notice)) {
        if let Some(Pending::Move(Arrival::Create(Create { permit, .. }))) = self.pending.map(|pending| *pending) {
            notify(Notice::RoomEnded(permit));
        }
    }
}

impl Membership {
    pub(super) fn room(self) -> Option<RoomHandle> {
        match self {
            Self::None => None,
            Self::Player(room) | Self::Spectator(room) => Some(room),
        }
    }
}
