//! What simulated servers are built from: the documented defaults.

use signal_fish_core::admission::{Limits, Rates};
use signal_fish_core::http::{Access, Origins, Routes, Site, Sites, Target, TrustedProxies};
use signal_fish_core::protocol::Protocol;
use signal_fish_core::protocol::signal_fish::Settings;
use signal_fish_core::shard::Options;
use signal_fish_core::{ListenerIndex, ws};
use std::time::Duration;

/// The time of day when worlds begin.
pub(crate) const EPOCH: Duration = Duration::from_secs(1_700_000_000);

/// Limits that stop nobody.
#[must_use]
pub fn open_limits() -> Limits {
    Limits {
        connections_max: 1_000_000,
        connections_per_ip_max: 1_000_000,
        rooms_per_game_max: 1_000_000,
        room_creations_max: 1_000_000,
        handshakes_per_sec_per_ip: 10,
        join_attempts_max: 1_000_000,
        time_window: Duration::from_secs(60),
        relay: Rates::unlimited(),
        apps: Vec::new(),
    }
}

/// The documented defaults of connections, beside `settings`.
#[must_use]
pub fn options(settings: &Settings) -> Options {
    let defaults = Options::default();
    Options {
        codec: ws::Limits {
            message_bytes_max: settings.max_message_size,
            ..defaults.codec
        },
        slots_max: 1_000_000,
        ..defaults
    }
}

/// The listener of matchbox.
pub const MATCHBOX: ListenerIndex = ListenerIndex(1);

/// The listener of the room relay.
pub const RELAY: ListenerIndex = ListenerIndex(2);

/// The listener that serves the same as the main one over TLS, where there is one ([`Design::tls`](crate::world::Design)).
pub const SECURE: ListenerIndex = ListenerIndex(3);

/// What the other listeners serve.
#[must_use]
pub fn other_sites() -> Vec<Site<Protocol>> {
    let site = |routes| Site {
        routes,
        origins: Origins::Any,
        trusted_proxies: TrustedProxies::default(),
        secure: false,
        token_binding: None,
    };
    let matchbox = Routes::new(vec![("/health", Target::Text("")), ("/healthz", Target::Text(""))]);
    let relay = Routes::new(vec![
        ("/", Target::WebSocket(Protocol::Relay)),
        ("/healthz", Target::Text("ok")),
        ("/readyz", Target::ReadyText("ready", "not-ready")),
    ]);
    vec![site(matchbox.with_rooms(Protocol::Matchbox)), site(relay)]
}

/// What the listeners serve of a server behind these proxies.
#[must_use]
pub fn sites(trusted_proxies: TrustedProxies) -> Sites<Protocol> {
    Sites::new(site(trusted_proxies), other_sites())
}

/// The paths of the main listener of a server behind these proxies.
#[must_use]
pub fn site(trusted_proxies: TrustedProxies) -> Site<Protocol> {
    Site {
        routes: Routes::new(vec![
            ("/v2/ws", Target::WebSocket(Protocol::SignalFish)),
            ("/v2/health", Target::Health),
            ("/healthz", Target::Health),
            ("/readyz", Target::Ready),
            ("/metrics", Target::Desk(Access::Public)),
            ("/admin/*", Target::Desk(Access::Private)),
        ]),
        origins: Origins::Any,
        trusted_proxies,
        secure: false,
        token_binding: None,
    }
}
