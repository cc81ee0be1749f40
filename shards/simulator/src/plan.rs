//! What simulated servers are built from: the documented defaults.

use signal_fish_core::admission::Limits;
use signal_fish_core::http::{Origins, Routes, Site, Target, TrustedProxies};
use signal_fish_core::protocol::Protocol;
use signal_fish_core::protocol::signal_fish::Settings;
use signal_fish_core::shard::Options;
use signal_fish_core::ws;
use std::time::Duration;

/// Limits that stop nobody.
#[must_use]
pub fn open_limits() -> Limits {
    Limits {
        connections_max: 1_000_000,
        connections_per_ip_max: 1_000_000,
        rooms_per_game_max: 1_000_000,
        room_creations_max: 1_000_000,
        join_attempts_max: 1_000_000,
        time_window: Duration::from_secs(60),
        apps: Vec::new(),
    }
}

/// The documented defaults of connections, beside `settings`.
#[must_use]
pub fn options(settings: &Settings) -> Options {
    Options {
        codec: ws::Limits {
            message_bytes_max: settings.max_message_size,
            discard_bytes_max: 16 << 20,
        },
        outbound_bytes_max: 1 << 20,
        batching: true,
        head_timeout: Duration::from_secs(10),
        keep_alive_timeout: Duration::from_secs(30),
        message_timeout: Duration::from_secs(30),
        ping_timeout: Duration::from_secs(30),
        drain_timeout: Duration::from_secs(5),
        slots_max: 1_000_000,
    }
}

/// The paths of a server behind these proxies.
#[must_use]
pub fn site(trusted_proxies: TrustedProxies) -> Site<Protocol> {
    Site {
        routes: Routes::new(vec![
            ("/v2/ws", Target::WebSocket(Protocol::SignalFish)),
            ("/v2/health", Target::Health),
            ("/healthz", Target::Health),
            ("/readyz", Target::Ready),
        ]),
        origins: Origins::Any,
        trusted_proxies,
    }
}
