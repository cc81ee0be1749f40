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
    /// How its messages are signed, if they are.
    pub(super) binding: Option<Box<Binding>>,
    /// Until when it is refused without a question.
    pub(super) refused: Option<Box<RefusedUntil>>,
    /// Set by the first successful `Authenticate`.
    pub(super) introduction: Option<Box<Introduction>>,
    /// Until when it must authenticate; `None` once it has, or if it need not.
    pub(super) authenticate_until: Option<Duration>,
}

/// Windows of its address that are used up, as far as it was told. A refused attempt costs less than an accepted one.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RefusedUntil {
    pub(super) joins: Duration,
    pub(super) creations: Duration,
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
