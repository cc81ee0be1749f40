//! The doors of the server: which listeners there are, where, and what they serve.

use crate::Config;
use std::net::SocketAddr;

/// One listener. Every shard has a socket of its own at its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Door {
    pub(crate) serves: Serves,
    pub(crate) address: SocketAddr,
    /// Its connections begin with a TLS handshake.
    pub(crate) tls: bool,
}

/// What is behind a door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Serves {
    /// Signal Fish, health and metrics.
    Main,
    /// Matchbox.
    Matchbox,
    /// The room relay.
    Relay,
}

impl Serves {
    /// What operators call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Matchbox => "matchbox",
            Self::Relay => "relay",
        }
    }

    /// The keys that say where it is.
    pub(crate) fn keys(self) -> &'static str {
        match self {
            Self::Main => "`bind` and `port`",
            Self::Matchbox => "`matchbox.bind` and `matchbox.port`",
            Self::Relay => "`relay.bind` and `relay.port`",
        }
    }
}

/// The doors of a configuration, in the order of the listeners' indices. The main one is the first.
pub(crate) fn doors(config: &Config) -> Vec<Door> {
    let tls = config.security.transport.tls.enabled;
    let main = Door {
        serves: Serves::Main,
        address: SocketAddr::new(config.bind, config.port),
        tls,
    };
    let matchbox = config.matchbox_address().map(|address| Door {
        serves: Serves::Matchbox,
        address,
        tls: tls && config.matchbox.tls,
    });
    let relay = config.relay_address().map(|address| Door {
        serves: Serves::Relay,
        address,
        tls: tls && config.relay.tls,
    });
    [Some(main), matchbox, relay].into_iter().flatten().collect()
}
