//! What to do: every parameter of a run.

use crate::game_data::{AROUND_BYTES, AROUND_OFFER_BYTES, Format};
use crate::stamp::STAMP_BYTES;
use crate::target::Target;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// The load to apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Load {
    /// Rooms whose players relay game data at a steady rate.
    Relay,
    /// As relay, with spectators in every room.
    Spectate,
    /// Whole sessions: connect, join, ready, start, leave, close.
    Lobby,
    /// Connect, join, leave, close.
    Churn,
    /// Players that drop together and return.
    Reconnect,
    /// Connections that do nothing.
    Idle,
    /// Relay, lobby, churn and idle at once.
    Mix,
    /// Rooms of the room relay, which URLs name.
    RelayRooms,
    /// Rooms of matchbox whose peers signal to each other.
    Matchbox,
}

/// All parameters of a run. Those a load does not use are ignored by it.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    /// Server.
    #[serde(serialize_with = "url")]
    pub target: Arc<Target>,
    /// Load to apply.
    pub load: Load,
    /// App id to authenticate with; without one no `Authenticate` is sent, unless MessagePack is asked for.
    pub app_id: Option<String>,
    /// Game the rooms belong to.
    pub game_name: String,
    /// Form of the game data.
    pub format: Format,
    /// Rooms that stand during the run.
    pub rooms: usize,
    /// Players per room.
    pub players: u8,
    /// Spectators per room.
    pub spectators: usize,
    /// Messages per second and player.
    pub rate: f64,
    /// Bytes of the relayed value.
    pub payload: usize,
    /// Sessions or cycles per second of `lobby` and `churn`; 0: as fast as they end, `at_once` at a time.
    pub sessions_per_second: f64,
    /// Cycles per second of the churn within `mix`.
    pub churn_per_second: f64,
    /// Idle connections of `idle` and `mix`.
    pub idle: usize,
    /// Whether idle connections join rooms.
    pub idle_joined: bool,
    /// `lobby`: sessions end when their room is full, and stand until all are.
    pub fill_only: bool,
    /// `lobby`: send `StartGame` once everybody is ready, as protocol versions after 2 want.
    pub start_game: bool,
    /// `lobby` and `churn`: end after so many sessions; 0: after `duration`.
    pub sessions_max: usize,
    /// Storms of `reconnect`.
    pub storms: usize,
    /// Share of the players that drop in a storm.
    pub storm_share: f64,
    /// Time between a drop and the attempt to return.
    #[serde(serialize_with = "seconds")]
    pub away: Duration,
    /// Rooms that are opened at the same time.
    pub at_once: usize,
    /// Time over which the standing rooms are opened.
    #[serde(serialize_with = "seconds")]
    pub ramp: Duration,
    /// Time of load before measuring begins.
    #[serde(serialize_with = "seconds")]
    pub warm_up: Duration,
    /// Time of measured load.
    #[serde(serialize_with = "seconds")]
    pub duration: Duration,
    /// Longest wait for outstanding deliveries at the end.
    #[serde(serialize_with = "seconds")]
    pub drain: Duration,
    /// Threads of the generator.
    pub threads: usize,
    /// Process to watch.
    pub server_pid: Option<u32>,
    /// `relay_rooms`: the secret that signs tokens; none are sent without.
    #[serde(skip)]
    pub token_secret: Option<String>,
    /// `matchbox`: peers of a group; 0: everybody in a room meets everybody.
    pub next: usize,
    /// `matchbox`: time for which the rooms stand once all peers have met.
    #[serde(serialize_with = "seconds")]
    pub hold: Duration,
}

/// Least payload: a stamp and what stands around it.
pub const PAYLOAD_BYTES_MIN: usize = STAMP_BYTES + AROUND_BYTES;
/// Largest payload that the default `security.max_message_size` lets through.
pub const PAYLOAD_BYTES_MAX: usize = 65_000;

impl Plan {
    /// A plan with modest defaults for `load` against `target`.
    #[must_use]
    pub fn new(load: Load, target: Target) -> Self {
        Self {
            target: Arc::new(target),
            load,
            app_id: None,
            game_name: "loadtest".to_owned(),
            format: Format::Json,
            rooms: 100,
            players: 8,
            spectators: 0,
            rate: 5.0,
            payload: 100,
            sessions_per_second: 0.0,
            churn_per_second: 0.0,
            idle: 0,
            idle_joined: true,
            fill_only: false,
            start_game: false,
            sessions_max: 0,
            storms: 3,
            storm_share: 0.5,
            away: Duration::from_millis(200),
            at_once: 32,
            ramp: Duration::ZERO,
            warm_up: Duration::from_secs(2),
            duration: Duration::from_secs(10),
            drain: Duration::from_secs(5),
            threads: 1,
            server_pid: None,
            token_secret: None,
            next: 0,
            hold: Duration::ZERO,
        }
    }

    /// Checks what would make a run pointless.
    ///
    /// # Errors
    /// A sentence that names the flag and what it takes.
    pub fn check(&self) -> Result<(), String> {
        let fault = |text: &str| Err(text.to_owned());
        if self.threads == 0 || self.threads > 1024 {
            return fault("--threads takes 1 to 1024");
        }
        if self.players == 0 || self.players > 100 {
            return fault("--players takes 1 to 100, as the protocol does");
        }
        if !(PAYLOAD_BYTES_MIN..=PAYLOAD_BYTES_MAX).contains(&self.payload) {
            return Err(format!(
                "--payload takes {PAYLOAD_BYTES_MIN} to {PAYLOAD_BYTES_MAX} bytes"
            ));
        }
        if self.load == Load::RelayRooms && self.payload < STAMP_BYTES + AROUND_OFFER_BYTES {
            return Err(format!(
                "--payload takes at least {} bytes of an offer",
                STAMP_BYTES + AROUND_OFFER_BYTES
            ));
        }
        if self.load == Load::Matchbox && self.next > 0 && !usize::from(self.players).is_multiple_of(self.next) {
            return fault("--players takes a multiple of --next, so that every group is complete");
        }
        let relays = matches!(self.load, Load::Relay | Load::Spectate | Load::Mix | Load::RelayRooms);
        if relays && !(self.rate > 0.0 && self.rate <= 100_000.0) {
            return fault("--rate takes more than 0 and at most 100000 messages per second and player");
        }
        if self.rooms == 0 || self.rooms > 1_000_000 {
            return fault("--rooms takes 1 to 1000000");
        }
        if relays && usize::from(self.players) + self.spectators < 2 {
            return fault("a room needs a second member to relay to: raise --players or --spectators");
        }
        if !(0.0..=1.0).contains(&self.storm_share) {
            return fault("--share takes 0 to 1");
        }
        if self.at_once == 0 {
            return fault("--at-once takes 1 or more");
        }
        if self.sessions_per_second < 0.0 || self.churn_per_second < 0.0 {
            return fault("a rate of sessions cannot be negative");
        }
        Ok(())
    }

    /// The share of thread `thread`: rooms, idle connections, sessions and their rates are split; the rest is kept.
    #[must_use]
    pub fn share(&self, thread: usize) -> Self {
        let part = |whole: usize| whole / self.threads + usize::from(thread < whole % self.threads);
        let fraction = 1.0 / self.threads as f64;
        Self {
            rooms: part(self.rooms),
            idle: part(self.idle),
            sessions_max: part(self.sessions_max),
            at_once: part(self.at_once).max(1),
            sessions_per_second: self.sessions_per_second * fraction,
            churn_per_second: self.churn_per_second * fraction,
            ..self.clone()
        }
    }

    /// Deliveries per second that the relayed load asks for.
    #[must_use]
    pub fn deliveries_per_second(&self) -> f64 {
        let others = usize::from(self.players) + self.spectators - 1;
        self.rooms as f64 * f64::from(self.players) * self.rate * others as f64
    }
}

fn url<S: serde::Serializer>(target: &Arc<Target>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&target.url)
}

fn seconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}
