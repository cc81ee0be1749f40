//! What an operator allows.

use super::loans::Rates;
use std::time::Duration;

/// Most rooms of the whole server, over all apps and games, however many connections it has; it bounds the map of games. One
/// over [`Limits::rooms_max`] is refused with [`Refusal::CreationRate`](super::Refusal::CreationRate) and the length of a whole window.
pub const ROOMS_MAX: usize = 1 << 20;

/// What an operator allows. 0 means none are allowed (D40).
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections of the whole server.
    pub connections_max: usize,
    /// `security.max_connections_per_ip`.
    pub connections_per_ip_max: usize,
    /// `security.transport.tls.handshakes_per_sec_per_ip`.
    pub handshakes_per_sec_per_ip: u32,
    /// `server.max_rooms_per_game`, per (app, game).
    pub rooms_per_game_max: usize,
    /// `rate_limit.max_room_creations` per IP and window.
    pub room_creations_max: u32,
    /// `rate_limit.max_join_attempts` per IP and window.
    pub join_attempts_max: u32,
    /// `rate_limit.time_window`.
    pub time_window: Duration,
    /// What an address may do at the relay.
    pub relay: Rates,
    /// Limits of each app, by [`AppIndex`](super::AppIndex).
    pub apps: Vec<AppLimits>,
}

impl Limits {
    /// Rooms of the whole server, over all apps and games: four for each connection and 1,024 besides, at most
    /// [`ROOMS_MAX`]. Rooms outlive their players for a while.
    #[must_use]
    pub fn rooms_max(&self) -> usize {
        self.connections_max
            .saturating_mul(4)
            .saturating_add(1024)
            .min(ROOMS_MAX)
    }
}

/// Limits of one app; `None` means no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AppLimits {
    /// Rooms of the app, over all its games.
    pub rooms_max: Option<u32>,
    /// `Authenticate` messages in a sliding window of 60 s.
    pub authentications_per_minute_max: Option<u32>,
}
