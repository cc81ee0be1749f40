//! What a shard asks, what it is answered, and what it gives back.

use super::app::{AppIndex, FoundApp};
use super::loans::Loan;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// A question to admission. One is outstanding per session at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// May this connection be served? Granted with a [`Ticket`].
    Connect {
        /// Client address; counted under its [normalised](super::normalise) form (D23).
        ip: IpAddr,
    },
    /// As [`Self::Connect`], for a connection that begins with a TLS handshake: the ticket tells when it may.
    ConnectSecurely {
        /// Client address.
        ip: IpAddr,
    },
    /// May this app authenticate once more?
    Authenticate {
        /// App.
        app: AppIndex,
        /// Client address: one may take a share of what is left to the app.
        ip: IpAddr,
    },
    /// May a client authenticate as this app, which is in no list? A directory answers, beside admission; then admission
    /// counts as for [`Self::Authenticate`].
    FindApp {
        /// Id that the client showed.
        app_id: Box<str>,
        /// Client address.
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
    /// Is this token good for this room of the relay? Whoever holds the keys answers, beside admission.
    Verify {
        /// Token of the client.
        token: Token,
        /// Room that it wants to enter.
        room: Box<str>,
    },
    /// Counts one connection to the relay. Granted with a [`Loan`], which holds a block of messages if the shard asked for
    /// one.
    Enter {
        /// Client address.
        ip: IpAddr,
        /// Nothing is left on this shard of what was lent to the address.
        lend: bool,
    },
    /// Nothing is left of what was lent to an address at the relay. Granted with a [`Loan`].
    Lend {
        /// Client address.
        ip: IpAddr,
        /// Messages that were spent since the last report.
        spent: u32,
    },
    /// May this client enter a room of the relay that several nodes share? Granted with a [`Seat`]. The thread that talks
    /// to Redis answers, beside admission.
    Sit {
        /// Room.
        room: Arc<str>,
        /// Id of the client.
        client: [u8; 16],
    },
}

/// A token of a client, which is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Box<str>);

impl Token {
    /// From its text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// Its text, to be verified and nothing else.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// Answer to an [`Ask`].
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Admitted,
    /// Go on, and keep this while the connection lives.
    Connected(Ticket),
    /// Go on as a client of this app.
    Found(Arc<FoundApp>),
    /// Go on, and keep this while the room lives.
    RoomOpened(Permit),
    /// Go on, and give back what is left of this.
    Lent(Loan),
    /// Go on, and keep this while the client is in its room.
    Seated(Seat),
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
    /// An operator has banned the address.
    Banned,
    /// `rate_limit.max_join_attempts`.
    JoinRate {
        /// Whole seconds until the window ends, rounded down.
        retry_after_secs: u64,
    },
    /// `rate_limit.max_room_creations`.
    ///
    /// Also the answer when the whole server has [`Limits::rooms_max`](super::Limits::rooms_max) rooms.
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
    /// No directory has this app.
    App,
    /// The directory of apps does not answer, or too many wait for it.
    Directory,
    /// The token is missing, unreadable, forged, expired, or of another issuer or audience.
    Token,
    /// The token is good, but not for this room.
    RoomClaim,
    /// `relay.connections_per_10s`.
    ConnectionRate,
    /// `relay.ip_messages_per_10s`.
    MessageRate {
        /// After how long there is something to lend.
        retry_after: Duration,
    },
    /// The room that several nodes share is full.
    RoomFull,
    /// Redis does not answer for the moment, and nobody is let in.
    BreakerOpen,
    /// Redis failed while it was asked.
    Redis,
}

/// One counted connection. Held by whoever owns the connection; travels with it in a handoff.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a ticket that is dropped instead of given back is counted for ever"]
pub struct Ticket {
    pub(super) ip: IpAddr,
    /// In nanoseconds: a ticket lies in every slot, and a duration takes twice the room.
    pub(super) handshake_at: u64,
}

/// The place of one room.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a permit that is dropped instead of given back is counted for ever"]
pub struct Permit {
    pub(super) app: Option<AppIndex>,
    pub(super) game: Box<str>,
}

/// The place of a client in a room that several nodes share.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a seat that is dropped instead of given back is kept for ever"]
pub struct Seat {
    room: Arc<str>,
    client: [u8; 16],
    taken: bool,
}

/// Something that was counted has ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Notice {
    /// A connection ended.
    ConnectionEnded(Ticket),
    /// A room ended, or was not opened after all.
    RoomEnded(Permit),
    /// An address needs its messages no more here.
    LoanEnded(Loan),
    /// A client is gone from its room, or did not enter after all.
    SeatEnded(Seat),
}

impl Verdict {
    /// What has to be given back if nobody takes this verdict.
    #[must_use]
    pub fn give_back(self) -> Option<Notice> {
        match self {
            Self::Connected(ticket) => Some(Notice::ConnectionEnded(ticket)),
            Self::RoomOpened(permit) => Some(Notice::RoomEnded(permit)),
            Self::Lent(loan) => Some(Notice::LoanEnded(loan)),
            Self::Seated(seat) => Some(Notice::SeatEnded(seat)),
            Self::Admitted | Self::Found(_) | Self::Refused(_) => None,
        }
    }
}

impl Ticket {
    /// Client address in its [normalised](super::normalise) form.
    #[must_use]
    pub fn ip(&self) -> IpAddr {
        self.ip
    }

    /// When its TLS handshake may begin, in monotonic time (T5).
    #[must_use]
    pub fn handshake_at(&self) -> Duration {
        Duration::from_nanos(self.handshake_at)
    }
}

impl Permit {
    /// App and game of the room.
    #[must_use]
    pub fn game(&self) -> (Option<AppIndex>, &str) {
        (self.app, &self.game)
    }
}

impl Seat {
    /// A place that nobody has taken yet.
    pub fn new(room: Arc<str>, client: [u8; 16]) -> Self {
        Self {
            room,
            client,
            taken: false,
        }
    }

    /// The client is in the room from now on: when the seat ends, the others are told.
    pub fn take(&mut self) {
        self.taken = true;
    }

    /// Whether the client has been in the room.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        self.taken
    }

    /// The room.
    #[must_use]
    pub fn room(&self) -> &Arc<str> {
        &self.room
    }

    /// Id of the client.
    #[must_use]
    pub fn client(&self) -> [u8; 16] {
        self.client
    }
}
