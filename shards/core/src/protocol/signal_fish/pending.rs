//! What sessions want, and what a waiting session waits for.

use super::failure::Failure;
use super::room::Token;
use super::wire::{GameDataFormat, GameName, PlayerId, PlayerName, RoomCode, RoomId};
use crate::admission::{AppIndex, FoundApp, Permit};
use crate::room::RoomKey;
use std::sync::Arc;
use std::time::Duration;

/// What a waiting session waits for, and what it does then.
#[derive(Debug)]
pub(super) enum Pending {
    /// Leave of admission.
    Leave(Wish),
    /// What a directory says about its app.
    App(Introduction),
    /// The permit for a room.
    Permit(Creation),
    /// Another session's permit for the same room.
    Queued(CodedJoin),
    /// The end of its move to another shard.
    Move(Arrival),
}

/// What a session does when admission gives leave.
#[derive(Debug)]
pub(super) enum Wish {
    /// Belong to an app.
    Authenticate(AppIndex, Introduction),
    /// Play in a room with a known code.
    Join(CodedJoin),
    /// Watch a room.
    Watch(Watch),
    /// Be told that it failed. Its attempt is counted before that (D22).
    Fail(Wanted, Failure),
}

/// The room that a session wants to create.
#[derive(Debug)]
pub(super) enum Creation {
    /// With a code that the server draws.
    Generated(Join),
    /// With the code that the client named.
    Coded(CodedJoin),
}

/// What a session does on the shard that owns the room.
#[derive(Debug)]
pub(super) enum Arrival {
    Join(CodedJoin),
    Create(Create),
    Watch(Watch),
    Return(Return),
}

/// What somebody tried to get; it decides which message tells a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    App,
    Seat,
    View,
    Return,
}

/// What the client said about itself in `Authenticate`.
#[derive(Debug, Clone)]
pub(super) struct Introduction {
    pub(super) platform: Option<Box<str>>,
    pub(super) sdk_version: Option<Box<str>>,
    pub(super) format: Option<GameDataFormat>,
    /// Its app, if a directory has found it.
    pub(super) app: Option<Arc<FoundApp>>,
}

/// A valid wish to play, apart from the room.
#[derive(Debug)]
pub(super) struct Join {
    pub(super) game: GameName,
    pub(super) name: PlayerName,
    pub(super) max_players: u8,
    pub(super) supports_authority: bool,
    /// When the turn began that read the message.
    pub(super) asked_at: Duration,
}

/// A valid wish to play in one room.
#[derive(Debug)]
pub(super) struct CodedJoin {
    pub(super) key: RoomKey,
    pub(super) code: RoomCode,
    pub(super) join: Join,
}

/// A room that gets a generated code of the first shard that has a free one.
#[derive(Debug)]
pub(super) struct Create {
    pub(super) join: Join,
    pub(super) permit: Permit,
    /// Shards that have none.
    pub(super) tried: u16,
}

/// A valid wish to watch one room.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) key: RoomKey,
    pub(super) name: PlayerName,
}

/// A wish to be a player again.
#[derive(Debug)]
pub(super) struct Return {
    pub(super) player: PlayerId,
    pub(super) room: RoomId,
    /// `None` if what was shown cannot be a token.
    pub(super) token: Option<Token>,
}

impl Wish {
    pub(super) fn wanted(&self) -> Wanted {
        match self {
            Self::Authenticate(..) => Wanted::App,
            Self::Join(_) => Wanted::Seat,
            Self::Watch(_) => Wanted::View,
            Self::Fail(wanted, _) => *wanted,
        }
    }
}

impl Creation {
    pub(super) fn game(&self) -> &GameName {
        match self {
            Self::Generated(join) | Self::Coded(CodedJoin { join, .. }) => &join.game,
        }
    }
}
