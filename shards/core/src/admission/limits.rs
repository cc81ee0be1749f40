//! What an operator allows.

use std::time::Duration;

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
    /// Limits of each app, by [`AppIndex`](super::AppIndex).
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
