//! Admission: the one truth on counts. Connections per IP and in all, attempts per IP and window, rooms per game and app,
//! authentications per app (D22, D23, D25, D27, D40).
//!
//! A shard **asks**, admission answers with a **verdict**. What a verdict grants comes as a [`Ticket`] or a [`Permit`],
//! values that cannot be copied; whoever holds one gives it back with a [`Notice`] when the connection or the room ends.

mod attempts;
mod authentications;
mod client_address;
mod rules;
mod totals;

pub use attempts::WINDOWS_MAX;
pub use client_address::normalise;
pub use rules::{Admission, ROOMS_MAX};
pub use totals::{Refusals, Totals};

use std::net::IpAddr;
use std::time::Duration;

/// Position of an app in the configured list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AppIndex(pub u32);

/// What an operator allows. 0 means none are allowed (D40).
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections of the whole server.
    pub connections_max: usize,
    /// `security.max_connections_per_ip`.
    pub connections_per_ip_max: usize,
    /// `server.max_rooms_per_game`, per (app, game).
    pub rooms_per_game_max: usize,
    /// `rate_limit.max_room_creations` per IP and window.
    pub room_creations_max: u32,
    /// `rate_limit.max_join_attempts` per IP and window.
    pub join_attempts_max: u32,
    /// `rate_limit.time_window`.
    pub time_window: Duration,
    /// Limits of each app, by [`AppIndex`].
    pub apps: Vec<AppLimits>,
}

/// Limits of one app; `None` means no limit.
#[derive(Debug, Clone, Copy, Default)]
pub struct AppLimits {
    /// Rooms of the app, over all its games.
    pub rooms_max: Option<u32>,
    /// `Authenticate` messages in a sliding window of 60 s.
    pub authentications_per_minute_max: Option<u32>,
}

/// A question to admission. One is outstanding per session at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// May this connection be served? Granted with a [`Ticket`].
    Connect {
        /// Client address; counted under its [normalised](normalise) form (D23).
        ip: IpAddr,
    },
    /// May this app authenticate once more?
    Authenticate {
        /// App.
        app: AppIndex,
        /// Client address: one may take a share of what is left to the app.
        ip: IpAddr,
    },
    /// Counts one attempt to join: JoinRoom with a code, JoinAsSpectator, a failed Reconnect.
    Join {
        /// Client address.
        ip: IpAddr,
    },
    /// Counts one attempt to create a room that is refused for another reason anyway.
    Create {
        /// Client address.
        ip: IpAddr,
    },
    /// Counts one creation and takes a place for the room. Granted with a [`Permit`]. When the place is refused the
    /// creation still counts.
    OpenRoom {
        /// Client address.
        ip: IpAddr,
        /// App of the client, if it has one.
        app: Option<AppIndex>,
        /// Game.
        game: Box<str>,
    },
}

/// Answer to an [`Ask`].
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Admitted,
    /// Go on, and keep this while the connection lives.
    Connected(Ticket),
    /// Go on, and keep this while the room lives.
    RoomOpened(Permit),
    /// No.
    Refused(Refusal),
}

/// Why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// `security.max_connections_per_ip`: (current, limit) for the text.
    ConnectionsPerIp {
        /// Connections of this IP now.
        current: usize,
        /// Limit.
        limit: usize,
    },
    /// The whole server is full.
    Connections,
    /// `rate_limit.max_join_attempts`.
    JoinRate {
        /// Whole seconds until the window ends, rounded down.
        retry_after_secs: u64,
    },
    /// `rate_limit.max_room_creations`.
    ///
    /// Also the answer when the whole server has [`ROOMS_MAX`] rooms.
    CreationRate {
        /// Whole seconds until the window ends, rounded down.
        retry_after_secs: u64,
    },
    /// `server.max_rooms_per_game`: the game already has this many rooms.
    RoomsPerGame {
        /// Rooms now.
        current: usize,
        /// Limit.
        limit: usize,
    },
    /// `max_rooms` of the app.
    RoomsPerApp {
        /// Rooms now.
        current: usize,
        /// Limit.
        limit: usize,
    },
    /// `rate_limit_per_minute` of the app.
    AuthenticationRate,
}

/// One counted connection. Held by whoever owns the connection; travels with it in a handoff.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a ticket that is dropped instead of given back is counted for ever"]
pub struct Ticket {
    ip: IpAddr,
}

/// The place of one room.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a permit that is dropped instead of given back is counted for ever"]
pub struct Permit {
    app: Option<AppIndex>,
    game: Box<str>,
}

/// Something that was counted has ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Notice {
    /// A connection ended.
    ConnectionEnded(Ticket),
    /// A room ended, or was not opened after all.
    RoomEnded(Permit),
}

impl Ticket {
    /// Client address in its [normalised](normalise) form.
    #[must_use]
    pub fn ip(&self) -> IpAddr {
        self.ip
    }
}
