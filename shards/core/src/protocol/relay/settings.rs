//! What operators set about the room relay.

use crate::admission::Rate;
use crate::http::Origins;
use std::sync::Arc;
use std::time::Duration;

/// What operators set about the room relay. Key paths are those of the configuration file.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `relay.room_id_max_length`.
    pub room_id_length_max: usize,
    /// `relay.room_capacity`. Where rooms are shared, whoever counts them heeds it.
    pub room_capacity: usize,
    /// `relay.redis_url` is set: other nodes share the rooms.
    pub shared: bool,
    /// `relay.heartbeat_interval_ms`.
    pub heartbeat_interval: Duration,
    /// `relay.messages_per_10s`, of one client.
    pub client_messages: Rate,
    /// `relay.ip_messages_per_10s`. Admission keeps the budget; here it only matters whether there is a limit.
    pub ip_messages: Rate,
    /// `relay.room_messages_per_10s`.
    pub room_messages: Rate,
    /// `relay.require_wss`.
    pub require_wss: bool,
    /// `relay.allowed_origins`.
    pub origins: Arc<Origins>,
    /// `relay.subprotocol`.
    pub subprotocol: Option<Arc<str>>,
    /// `relay.auth.enabled`.
    pub require_token: bool,
    /// `security.max_invalid_messages`; 0 = no bound.
    pub invalid_messages_max: u32,
}

impl Default for Settings {
    /// The documented defaults.
    fn default() -> Self {
        Self {
            room_id_length_max: 128,
            room_capacity: 100,
            shared: false,
            heartbeat_interval: Duration::from_secs(30),
            client_messages: Rate::per_10s(100),
            ip_messages: Rate::per_10s(500),
            room_messages: Rate::per_10s(1000),
            require_wss: false,
            origins: Arc::new(Origins::Any),
            subprotocol: None,
            require_token: false,
            invalid_messages_max: 1000,
        }
    }
}
