//! The tables of paths of every listener, and who may use them.

use crate::config::ClientIpHeader;
use crate::doors::{Door, Serves};
use crate::{Config, desk, pages};
use signal_fish_core::http::{self, Access, Origins, Routes, Site, Sites, Target, TokenBinding, TrustedProxies};
use signal_fish_core::protocol::Protocol;

/// What is at which path of the main listener.
pub(crate) fn routes(config: &Config) -> Routes<Protocol> {
    let mut table = vec![
        ("/v2/ws", Target::WebSocket(Protocol::SignalFish)),
        ("/v2/health", Target::Health),
        ("/healthz", Target::Desk(Access::Alive)),
        ("/readyz", Target::Desk(Access::Public)),
    ];
    let metrics = desk::METRICS.iter();
    table.extend(metrics.map(|(path, _)| (*path, Target::Desk(Access::Public))));
    if config.security.admin_token.is_some() {
        table.push(("/admin/*", Target::Desk(Access::Private)));
    }
    if config.http.pages {
        table.extend(pages::table());
    }
    Routes::new(table)
}

/// What the listeners serve, in the order of their indices.
/// `doors` are those that are open, and may differ from the configuration of a reload.
pub(crate) fn sites(config: &Config, doors: &[Door], main: Routes<Protocol>) -> Sites<Protocol> {
    let site = |routes, origins, secure| Site {
        routes,
        origins,
        trusted_proxies: trusted_proxies(config),
        secure,
        token_binding: token_binding(config),
    };
    let others = doors.iter().skip(1).map(|door| match door.serves {
        Serves::Main => site(main.clone(), main_origins(config), door.tls),
        // Whoever comes from a wrong origin is told by the protocol.
        Serves::Relay => site(relay_routes(), Origins::Any, door.tls),
        Serves::Matchbox => site(
            Routes::new(vec![("/health", Target::Text("")), ("/healthz", Target::Text(""))])
                .with_rooms(Protocol::Matchbox),
            Origins::any_or_listed(&config.matchbox.allowed_origins),
            door.tls,
        ),
    });
    let others = others.collect();
    let tls = doors.first().is_some_and(|door| door.tls);
    Sites::new(site(main, main_origins(config), tls), others)
}

fn relay_routes() -> Routes<Protocol> {
    Routes::new(vec![
        ("/", Target::WebSocket(Protocol::Relay)),
        ("/healthz", Target::Text("ok")),
        ("/readyz", Target::ReadyText("ready", "not-ready")),
        ("/metrics", Target::Desk(Access::Public)),
    ])
    .with_desk_prefix("/relay")
}

fn main_origins(config: &Config) -> Origins {
    Origins::parse(&config.security.cors_origins)
}

/// Of Signal Fish alone, whatever the listener.
fn token_binding(config: &Config) -> Option<TokenBinding<Protocol>> {
    let binding = &config.security.transport.token_binding;
    binding.enabled.then_some(TokenBinding {
        protocol: Protocol::SignalFish,
        required: binding.required,
        require_client_fingerprint: binding.require_client_fingerprint,
    })
}

fn trusted_proxies(config: &Config) -> TrustedProxies {
    let header = match config.security.client_ip_header {
        ClientIpHeader::XForwardedFor => http::ClientIpHeader::XForwardedFor,
        ClientIpHeader::Forwarded => http::ClientIpHeader::Forwarded,
    };
    TrustedProxies::new(config.security.trusted_proxies.clone(), header)
        .with_proxy_protocol(config.security.proxy_protocol)
}
