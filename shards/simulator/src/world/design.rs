//! What a world is made of.

use crate::network::Line;
use crate::plan::{open_limits, options, other_sites, site};
use signal_fish_core::admission::Limits;
use signal_fish_core::http::{Site, TrustedProxies};
use signal_fish_core::protocol::Protocol;
use signal_fish_core::protocol::signal_fish::Settings;
use signal_fish_core::protocol::{matchbox, relay};
use signal_fish_core::shard::Options;

/// Everything that a world is made of.
#[derive(Debug, Clone)]
pub struct Design {
    /// Number of shards.
    pub shards: u16,
    /// Everything random is drawn from it.
    pub seed: u64,
    /// What an operator sets about Signal Fish.
    pub settings: Settings,
    /// What an operator sets about matchbox.
    pub matchbox: matchbox::Settings,
    /// What an operator sets about the room relay.
    pub relay: relay::Settings,
    /// What admission allows.
    pub limits: Limits,
    /// What an operator sets about connections.
    pub options: Options,
    /// What the main listener serves over HTTP.
    pub site: Site<Protocol>,
    /// What the other listeners serve.
    pub other_sites: Vec<Site<Protocol>>,
    /// Whether there is a listener with TLS, behind the others ([`SECURE`](crate::SECURE)).
    pub tls: bool,
    /// What new connections do with bytes.
    pub line: Line,
    /// Whether a [ledger](crate::ledger) is kept. It knows Signal Fish over WebSocket, from clients without a proxy.
    pub keeps_ledger: bool,
}

impl Design {
    /// Documented defaults, limits that stop nobody, no faults.
    #[must_use]
    pub fn new(shards: u16, seed: u64) -> Self {
        let settings = Settings::default();
        Self {
            shards,
            seed,
            options: options(&settings),
            settings,
            limits: open_limits(),
            site: site(TrustedProxies::default()),
            other_sites: other_sites(),
            matchbox: matchbox::Settings::default(),
            relay: relay::Settings::default(),
            tls: false,
            line: Line::default(),
            keeps_ledger: false,
        }
    }

    /// With a listener for clients with TLS.
    #[must_use]
    pub fn with_tls(self) -> Self {
        Self { tls: true, ..self }
    }

    /// With these settings, those of connections included.
    #[must_use]
    pub fn with_settings(self, settings: Settings) -> Self {
        let options = options(&settings);
        Self {
            settings,
            options,
            ..self
        }
    }
}
