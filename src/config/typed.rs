//! The typed configuration: all sections together.

use super::check;
use super::key::Kind::{Integer, Text};
use super::key::key;
use super::section::section;
use super::sections::http::Http;
use super::sections::logging::Logging;
use super::sections::matchbox::Matchbox;
use super::sections::protocol::Protocol;
use super::sections::rate_limit::RateLimit;
use super::sections::relay::Relay;
use super::sections::relay_types::RelayTypes;
use super::sections::security::Security;
use super::sections::server::Server;
use super::sections::shards::Shards;
use super::sections::websocket::WebSocket;
use std::net::IpAddr;

section! {
    /// Everything an operator can set.
    pub struct Config {
        /// Address to listen on, IPv4 or IPv6. `::` is every address of both families, or of IPv4 where there is no IPv6.
        pub bind: IpAddr = key("bind", Text(check::ADDRESS), "::").weigh(
            "`0.0.0.0` is every IPv4 address, `127.0.0.1` this machine alone, for example behind a proxy.",
        );

        /// TCP port for WebSocket, health and metrics.
        pub port: u16 = key("port", Integer(0, 65_535), 3536).weigh("0 takes any free port and logs which.");
    }
    sections {
        pub shards: Shards;
        pub server: Server;
        pub http: Http;
        pub rate_limit: RateLimit;
        pub protocol: Protocol;
        pub logging: Logging;
        pub security: Security;
        pub websocket: WebSocket;
        pub relay_types: RelayTypes;
        pub matchbox: Matchbox;
        pub relay: Relay;
    }
}
