//! The table of paths, and who may use them.

use crate::config::ClientIpHeader;
use crate::{Config, pages};
use signal_fish_core::http::{self, Origins, Routes, Site, Sites, Target, TokenBinding, TrustedProxies};
use signal_fish_core::protocol::Protocol;

/// What is at which path.
pub(crate) fn routes(config: &Config) -> Routes<Protocol> {
    let mut table = vec![
        ("/v2/ws", Target::WebSocket(Protocol::SignalFish)),
        ("/v2/health", Target::Health),
        ("/healthz", Target::Health),
        ("/readyz", Target::Ready),
    ];
    if config.http.pages {
        table.extend(pages::table());
    }
    Routes::new(table)
}

/// What the listeners serve, in the order of their indices.
pub(crate) fn sites(config: &Config, routes: Routes<Protocol>) -> Sites<Protocol> {
    Sites::new(main(config, routes), Vec::new())
}

/// What the main listener serves.
fn main(config: &Config, routes: Routes<Protocol>) -> Site<Protocol> {
    let header = match config.security.client_ip_header {
        ClientIpHeader::XForwardedFor => http::ClientIpHeader::XForwardedFor,
        ClientIpHeader::Forwarded => http::ClientIpHeader::Forwarded,
    };
    let binding = &config.security.transport.token_binding;
    Site {
        routes,
        origins: Origins::parse(&config.security.cors_origins),
        trusted_proxies: TrustedProxies::new(config.security.trusted_proxies.clone(), header)
            .with_proxy_protocol(config.security.proxy_protocol),
        token_binding: binding.enabled.then_some(TokenBinding {
            protocol: Protocol::SignalFish,
            required: binding.required,
            require_client_fingerprint: binding.require_client_fingerprint,
        }),
    }
}
