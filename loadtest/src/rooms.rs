//! Rooms and the connections in them: from the first socket until everybody is inside.
//!
//! Seats are numbered through: room `r` has the seats from `r × seats` on, its players first, then its spectators. The
//! first player creates the room and the others join by its code.

use crate::control::{self, Joined, fields, message_type};
use crate::game_data::{Format, PlayerId};
use crate::latency::Latency;
use crate::net::{ConnectionId, End, Event, Net};
use crate::plan::Plan;
use crate::refusal::Refusals;
use crate::time::nanoseconds;
use std::sync::Arc;

/// How long a seat may take from the socket to the room, in nanoseconds.
const ENTRY_LIMIT_NS: u64 = 60_000_000_000;

/// What an event meant to the rooms.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing the load needs to know.
    Nothing,
    /// The seat is in its room.
    Entered,
    /// The seat is in its room, and it was the last one of those that make it.
    EnteredLast,
    /// The seat was in its room and lost its connection without our doing.
    Lost,
    /// The connection that we closed is closed.
    Closed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Outside,
    Connecting,
    Authenticating,
    /// Waits for the code of the room.
    Waiting,
    Joining,
    Inside,
    Closing,
}

#[derive(Debug)]
struct Seat {
    stage: Stage,
    connection: Option<ConnectionId>,
    due_ns: u64,
    joining_ns: u64,
    place: Option<Box<Place>>,
    player: PlayerId,
}

/// What a player needs to come back.
#[derive(Debug, Clone)]
pub struct Place {
    /// Own id.
    pub player_id: Box<str>,
    /// Room.
    pub room_id: Box<str>,
    /// Token.
    pub token: Box<str>,
}

#[derive(Debug)]
struct Room {
    code: Option<Box<str>>,
    /// Seats neither inside nor failed.
    pending: usize,
    opened_ns: u64,
}

/// Connections opened and what became of them.
#[derive(Debug, Clone, Copy, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct ConnectionCounts {
    /// Connections attempted.
    pub attempted: u64,
    /// Upgrades that succeeded.
    pub opened: u64,
    /// Rooms entered.
    pub joined: u64,
    /// Connections or joins that failed.
    pub failed: u64,
    /// Connections the server ended while we wanted them.
    pub lost: u64,
}

impl ConnectionCounts {
    /// Adds the figures of `other`.
    pub fn add(&mut self, other: &Self) {
        self.attempted += other.attempted;
        self.opened += other.opened;
        self.joined += other.joined;
        self.failed += other.failed;
        self.lost += other.lost;
    }
}

/// The rooms of one load on one thread.
#[derive(Debug)]
pub struct Rooms {
    plan: Arc<Plan>,
    prefix: String,
    players: usize,
    seats_per_room: usize,
    rooms: Vec<Room>,
    seats: Vec<Seat>,
    joins: bool,
    started_ns: u64,
    next_check_ns: u64,
    in_progress: usize,
    failed: Vec<usize>,
    /// What became of the connections.
    pub counts: ConnectionCounts,
    /// What the server refused.
    pub refusals: Refusals,
    /// From the moment a connection was due until its upgrade.
    pub connect: Latency,
    /// From the request to join until the answer.
    pub join: Latency,
}

impl Rooms {
    /// No rooms yet; player names start with `prefix`. With `joins` false the seats only connect.
    #[must_use]
    pub fn new(plan: &Arc<Plan>, prefix: String, players: usize, spectators: usize, joins: bool) -> Self {
        let expected_ns = nanoseconds(plan.ramp + plan.warm_up + plan.duration);
        Self {
            plan: Arc::clone(plan),
            prefix,
            players,
            seats_per_room: players + spectators,
            rooms: Vec::new(),
            seats: Vec::new(),
            joins,
            started_ns: 0,
            next_check_ns: 0,
            in_progress: 0,
            failed: Vec::new(),
            counts: ConnectionCounts::default(),
            refusals: Refusals::default(),
            connect: Latency::new("connect", expected_ns),
            join: Latency::new("join", expected_ns),
        }
    }

    /// Rooms opened so far.
    #[must_use]
    pub fn opened(&self) -> usize {
        self.rooms.len()
    }

    /// Rooms opened and not complete.
    #[must_use]
    pub fn in_progress(&self) -> usize {
        self.in_progress
    }

    /// Seats per room.
    #[must_use]
    pub fn seats_per_room(&self) -> usize {
        self.seats_per_room
    }

    /// All seats.
    #[must_use]
    pub fn seats(&self) -> usize {
        self.seats.len()
    }

    /// The seat's connection, if it is in its room.
    #[must_use]
    pub fn inside(&self, seat: usize) -> Option<ConnectionId> {
        let seat = &self.seats[seat];
        seat.connection.filter(|_| seat.stage == Stage::Inside)
    }

    /// What the server calls the player who sits there; empty before it joined.
    #[must_use]
    pub fn player(&self, seat: usize) -> &PlayerId {
        &self.seats[seat].player
    }

    /// When the room was due to open.
    #[must_use]
    pub fn opened_ns(&self, room: usize) -> u64 {
        self.rooms[room].opened_ns
    }

    /// Opens one more room; its seats connect now.
    pub fn open_room(&mut self, net: &mut Net, due_ns: u64) {
        if self.rooms.is_empty() {
            self.started_ns = due_ns;
        }
        let first = self.seats.len();
        self.rooms.push(Room {
            code: None,
            pending: self.seats_per_room,
            opened_ns: due_ns,
        });
        self.in_progress += 1;
        for seat in first..first + self.seats_per_room {
            self.seats.push(Seat {
                stage: Stage::Outside,
                connection: None,
                due_ns,
                joining_ns: 0,
                place: None,
                player: PlayerId::default(),
            });
            self.connect(net, seat, due_ns);
        }
    }

    /// Opens rooms up to `total`, within the plan's ramp and bound; true when all stand or failed.
    pub fn fill_up(&mut self, net: &mut Net, total: usize, start_ns: u64) -> bool {
        let ramp_ns = self.plan.ramp.as_nanos() as f64;
        let elapsed = net.now_ns().saturating_sub(start_ns) as f64;
        while self.rooms.len() < total && self.in_progress < self.plan.at_once {
            if ramp_ns > 0.0 && self.rooms.len() as f64 / total as f64 > elapsed / ramp_ns {
                break;
            }
            self.open_room(net, net.now_ns());
        }
        self.check_limits(net);
        self.rooms.len() >= total && self.in_progress == 0
    }

    /// Gives up seats that take too long to get in.
    pub fn check_limits(&mut self, net: &mut Net) {
        let now_ns = net.now_ns();
        if now_ns < self.next_check_ns {
            return;
        }
        self.next_check_ns = now_ns + 1_000_000_000;
        for seat in 0..self.seats.len() {
            let Seat { stage, due_ns, .. } = self.seats[seat];
            let limit_ns = if stage == Stage::Waiting {
                2 * ENTRY_LIMIT_NS
            } else {
                ENTRY_LIMIT_NS
            };
            let waits = !matches!(stage, Stage::Outside | Stage::Inside | Stage::Closing);
            if waits && now_ns.saturating_sub(due_ns) > limit_ns {
                self.refusals.local(match stage {
                    Stage::Authenticating => "no answer to Authenticate in time (some servers give none with auth off)",
                    Stage::Joining => "no answer to a request to join in time",
                    _ => "not in a room in time",
                });
                self.fail(net, seat);
            }
        }
    }

    /// Seats that did not get in since the last call, for whatever reason.
    pub fn take_failed(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.failed)
    }

    /// Takes an event of the connection of `seat`. A text that is not about entering is left to the caller.
    pub fn on_event(&mut self, net: &mut Net, seat: usize, event: &Event<'_>) -> Step {
        match event {
            Event::Open => self.on_open(net, seat),
            Event::Text(text) => self.on_text(net, seat, text),
            Event::Binary(_) => Step::Nothing,
            Event::Closed(end) => self.on_closed(net, seat, end),
        }
    }

    /// Starts to close the seat's connection in order.
    pub fn close(&mut self, net: &mut Net, seat: usize) {
        if let Some(id) = self.seats[seat].connection {
            self.seats[seat].stage = Stage::Closing;
            net.close(id);
        }
    }

    /// Cuts the seat's connection; true if it has what it takes to come back with [`Rooms::come_back`].
    pub fn cut(&mut self, net: &mut Net, seat: usize) -> bool {
        if let Some(id) = self.seats[seat].connection.take() {
            net.forget(id);
        }
        self.seats[seat].stage = Stage::Outside;
        self.seats[seat].place.is_some()
    }

    /// Connects again, to return to the seat's place.
    pub fn come_back(&mut self, net: &mut Net, seat: usize, due_ns: u64) {
        self.rooms[seat / self.seats_per_room].pending += 1;
        if self.rooms[seat / self.seats_per_room].pending == 1 {
            self.in_progress += 1;
        }
        self.connect(net, seat, due_ns);
    }

    fn connect(&mut self, net: &mut Net, seat: usize, due_ns: u64) {
        self.counts.attempted += 1;
        self.seats[seat].due_ns = due_ns;
        match net.open(seat) {
            Ok(id) => {
                self.seats[seat].connection = Some(id);
                self.seats[seat].stage = Stage::Connecting;
            }
            Err(reason) => {
                self.refusals.local(&reason);
                self.fail(net, seat);
            }
        }
    }

    fn on_open(&mut self, net: &mut Net, seat: usize) -> Step {
        self.counts.opened += 1;
        let due_ns = self.seats[seat].due_ns;
        let now_ns = net.now_ns();
        self.connect
            .record(now_ns.saturating_sub(self.started_ns), now_ns.saturating_sub(due_ns));
        let message_pack = self.plan.format == Format::MessagePack;
        if self.plan.app_id.is_none() && !message_pack {
            return self.on_ready(net, seat);
        }
        let app_id = self.plan.app_id.as_deref().unwrap_or("default");
        self.seats[seat].stage = Stage::Authenticating;
        if let Some(id) = self.seats[seat].connection {
            net.send_text(id, &control::authenticate(app_id, message_pack));
        }
        Step::Nothing
    }

    fn on_ready(&mut self, net: &mut Net, seat: usize) -> Step {
        if !self.joins {
            return self.enter(seat);
        }
        let room = &self.rooms[seat / self.seats_per_room];
        let Some(id) = self.seats[seat].connection else {
            return Step::Nothing;
        };
        let number = seat % self.seats_per_room;
        if number > 0 && room.code.is_none() && self.seats[seat - number].stage == Stage::Outside {
            return self.fail(net, seat);
        }
        let game = &self.plan.game_name;
        let request = if let Some(place) = &self.seats[seat].place {
            control::reconnect(&place.player_id, &place.room_id, &place.token)
        } else {
            let name = format!("{}{number}", self.prefix);
            // The plan allows 100 players at most.
            let max_players = u8::try_from(self.players).unwrap_or(u8::MAX);
            match &room.code {
                None if number > 0 => {
                    self.seats[seat].stage = Stage::Waiting;
                    return Step::Nothing;
                }
                Some(code) if number >= self.players => control::join_as_spectator(game, &name, code),
                code => control::join_room(game, &name, code.as_deref(), max_players),
            }
        };
        self.seats[seat].stage = Stage::Joining;
        self.seats[seat].joining_ns = net.now_ns();
        net.send_text(id, &request);
        Step::Nothing
    }

    fn on_text(&mut self, net: &mut Net, seat: usize, text: &[u8]) -> Step {
        match (message_type(text), self.seats[seat].stage) {
            ("ProtocolInfo", Stage::Authenticating) => self.on_ready(net, seat),
            ("RoomJoined" | "Reconnected" | "SpectatorJoined", Stage::Joining) => {
                let now_ns = net.now_ns();
                let since_ns = now_ns.saturating_sub(self.seats[seat].joining_ns);
                self.join.record(now_ns.saturating_sub(self.started_ns), since_ns);
                self.on_joined(net, seat, text);
                self.enter(seat)
            }
            (
                "Error" | "RoomJoinFailed" | "SpectatorJoinFailed" | "ReconnectionFailed" | "AuthenticationError",
                stage,
            ) => {
                self.refusals.message(text);
                if matches!(stage, Stage::Inside | Stage::Closing) {
                    return Step::Nothing;
                }
                self.fail(net, seat)
            }
            _ => Step::Nothing,
        }
    }

    fn on_joined(&mut self, net: &mut Net, seat: usize, text: &[u8]) {
        let Some(joined) = fields::<Joined<'_>>(text) else {
            return;
        };
        self.seats[seat].place = joined.auth_token.map(|token| {
            Box::new(Place {
                player_id: joined.player_id.into(),
                room_id: joined.room_id.into(),
                token: token.into(),
            })
        });
        let room = seat / self.seats_per_room;
        let player = PlayerId::new(joined.player_id);
        let first = room * self.seats_per_room;
        if (first..first + self.seats_per_room).any(|other| other != seat && self.seats[other].player == player) {
            // Whoever has the id of another could speak in its name.
            self.refusals.local("two members of a room have the same player_id");
            self.counts.failed += 1;
        }
        self.seats[seat].player = player;
        if self.rooms[room].code.is_some() {
            return;
        }
        self.rooms[room].code = Some(joined.room_code.into());
        for other in first..first + self.seats_per_room {
            if self.seats[other].stage == Stage::Waiting {
                self.on_ready(net, other);
            }
        }
    }

    fn enter(&mut self, seat: usize) -> Step {
        self.counts.joined += 1;
        self.seats[seat].stage = Stage::Inside;
        if self.settle(seat) {
            Step::EnteredLast
        } else {
            Step::Entered
        }
    }

    fn fail(&mut self, net: &mut Net, seat: usize) -> Step {
        self.counts.failed += 1;
        self.failed.push(seat);
        if let Some(id) = self.seats[seat].connection.take() {
            net.forget(id);
        }
        self.seats[seat].stage = Stage::Outside;
        self.settle(seat);
        let room = seat / self.seats_per_room;
        if seat.is_multiple_of(self.seats_per_room) && self.rooms[room].code.is_none() && self.joins {
            // Without a creator there is no code to wait for.
            for other in seat + 1..seat + self.seats_per_room {
                if self.seats.get(other).is_some_and(|other| other.stage != Stage::Outside) {
                    self.fail(net, other);
                }
            }
        }
        Step::Nothing
    }

    /// One seat fewer is pending; true if the room is complete with it.
    fn settle(&mut self, seat: usize) -> bool {
        let room = &mut self.rooms[seat / self.seats_per_room];
        room.pending = room.pending.saturating_sub(1);
        if room.pending == 0 {
            self.in_progress -= 1;
        }
        room.pending == 0
    }

    fn on_closed(&mut self, net: &mut Net, seat: usize, end: &End) -> Step {
        self.seats[seat].connection = None;
        let stage = std::mem::replace(&mut self.seats[seat].stage, Stage::Outside);
        match stage {
            Stage::Closing => Step::Closed,
            Stage::Inside => {
                self.counts.lost += 1;
                self.refusals.end(end);
                Step::Lost
            }
            _ => {
                self.refusals.end(end);
                self.fail(net, seat)
            }
        }
    }
}
