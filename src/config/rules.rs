//! What must hold between several keys, and what is allowed but doubtful.

use super::faults::{Fault, Faults};
use super::keys::{KEYS, Standing};
use super::resolved::Resolved;
use super::sections::relay_types::RelayTypes;
use super::sections::security::ClientAuth;
use super::typed::Config;
use crate::tls;
use ipnet::IpNet;
use signal_fish_core::protocol::signal_fish::wire::CONNECTION_INFO_BYTES_MAX;
use std::net::IpAddr;

/// A protection must not be switched on before it is built (D31).
pub(super) fn refuse_what_is_not_built(resolved: &Resolved, faults: &mut Faults) {
    for key in KEYS.iter().filter(|key| key.standing == Standing::NotBuilt) {
        let value = resolved.value(key.path);
        if *value != key.default {
            faults.add(|| Fault {
                origin: resolved.origin(key.path).clone(),
                key: key.path.to_owned(),
                value: (!key.secret).then(|| value.to_string()),
                problem: format!(
                    "this version has no such protection and does not start as if it had; expected {}",
                    key.default
                ),
                meant: None,
            });
        }
    }
}

/// Checks what must hold between keys.
pub(super) fn check(config: &Config, resolved: &Resolved, faults: &mut Faults) {
    let mut fault = |key: &str, value: Option<String>, problem: String| {
        faults.add(|| Fault {
            origin: resolved.origin(key).clone(),
            key: key.to_owned(),
            value,
            problem,
            meant: None,
        });
    };
    if config.server.default_max_players > config.protocol.max_players_limit {
        let limit = config.protocol.max_players_limit;
        fault(
            "server.default_max_players",
            Some(config.server.default_max_players.to_string()),
            format!("expected at most protocol.max_players_limit, which is {limit}"),
        );
    }
    if config.security.proxy_protocol && config.security.trusted_proxies.is_empty() {
        fault(
            "security.proxy_protocol",
            Some("true".to_owned()),
            "expected false, or the proxies in security.trusted_proxies: nobody else may name a client".to_owned(),
        );
    }
    let binding = &config.security.transport.token_binding;
    for (key, is_on) in [
        ("security.transport.token_binding.required", binding.required),
        (
            "security.transport.token_binding.require_client_fingerprint",
            binding.require_client_fingerprint,
        ),
    ] {
        if is_on && !binding.enabled {
            let problem = "expected false, or security.transport.token_binding.enabled: nothing would be demanded";
            fault(key, Some("true".to_owned()), problem.to_owned());
        }
    }
    let tls = &config.security.transport.tls;
    let shows_certificates = tls.enabled && tls.client_auth != ClientAuth::None;
    for (key, is_on, is_served, needed) in [
        (
            "security.transport.token_binding.required",
            binding.required,
            tls.enabled,
            "security.transport.tls.enabled",
        ),
        (
            "security.transport.token_binding.require_client_fingerprint",
            binding.require_client_fingerprint,
            shows_certificates,
            "security.transport.tls.client_auth",
        ),
    ] {
        if is_on && !is_served && config.security.trusted_proxies.is_empty() {
            let problem = format!("expected false, or {needed}, or a proxy in security.trusted_proxies that ends TLS");
            fault(key, Some("true".to_owned()), problem);
        }
    }
    for tls::Fault { key, value, problem } in tls::faults(config) {
        fault(key, value, problem);
    }
    if config.matchbox.enabled && config.matchbox.port.is_none() && config.port == u16::MAX {
        fault(
            "matchbox.port",
            None,
            "expected a port, because there is none behind `port`, which is 65535".to_owned(),
        );
    }
    let auth = &config.relay.auth;
    let sources = [auth.secret.is_some(), auth.jwks_file.is_some(), auth.jwks_url.is_some()];
    if auth.enabled && sources.into_iter().filter(|given| *given).count() != 1 {
        fault(
            "relay.auth.enabled",
            Some("true".to_owned()),
            "expected exactly one of relay.auth.secret, relay.auth.jwks_file and relay.auth.jwks_url with it"
                .to_owned(),
        );
    }
    let needed = outbound_bytes_needed(config);
    if needed.sum() > config.websocket.max_outbound_bytes {
        fault(
            "websocket.max_outbound_bytes",
            Some(config.websocket.max_outbound_bytes.to_string()),
            format!(
                "expected at least {}: the largest message ({} bytes by security.max_message_size), the largest snapshot of \
                 a room ({} bytes by protocol.max_players_limit, server.max_spectators_per_room and \
                 protocol.max_player_name_length) and the replay ({} bytes by server.event_buffer_bytes) must fit \
                 together",
                needed.sum(),
                needed.message,
                needed.snapshot,
                needed.replay
            ),
        );
    }
}

/// What must fit into the outbox of one client at once (D37), in bytes.
struct OutboundBytes {
    message: usize,
    snapshot: usize,
    replay: usize,
}

impl OutboundBytes {
    fn sum(&self) -> usize {
        self.message + self.snapshot + self.replay
    }
}

fn outbound_bytes_needed(config: &Config) -> OutboundBytes {
    /// Ids, timestamps, flags and names of fields of a player, its place among the ready ones included.
    const PLAYER_BYTES: usize = 320;
    /// The same of a spectator.
    const SPECTATOR_BYTES: usize = 160;
    /// Everything else in a snapshot but the names.
    const ROOM_BYTES: usize = 1024;
    /// The most that one character takes in JSON: an escaped control character. In UTF-8 it is 4.
    const CHARACTER_BYTES: usize = 6;

    let name = config.protocol.max_player_name_length * CHARACTER_BYTES;
    let players = usize::from(config.protocol.max_players_limit) * (CONNECTION_INFO_BYTES_MAX + PLAYER_BYTES + name);
    let spectators = config.server.max_spectators_per_room * (SPECTATOR_BYTES + name);
    let relay_type = longest_relay_type(&config.relay_types) * CHARACTER_BYTES;
    let game = config.protocol.max_game_name_length * CHARACTER_BYTES;
    let replay = if config.server.enable_reconnection {
        config.server.event_buffer_bytes
    } else {
        0
    };
    OutboundBytes {
        message: config.security.max_message_size,
        snapshot: ROOM_BYTES + players + spectators + relay_type + game,
        replay,
    }
}

/// Length of the longest relay type, in characters.
fn longest_relay_type(relay_types: &RelayTypes) -> usize {
    let mapped = relay_types.game_relay_mappings.values();
    mapped
        .chain([&relay_types.default_relay_type])
        .map(|relay_type| relay_type.chars().count())
        .max()
        .unwrap_or(0)
}

/// What is allowed and still worth a warning.
pub(super) fn doubts(config: &Config) -> Vec<String> {
    let mut doubts = Vec::new();
    let security = &config.security;
    if security.require_websocket_auth && security.authorized_apps.is_empty() {
        doubts.push(
            "security.require_websocket_auth is on and security.authorized_apps is empty: every client is refused"
                .to_owned(),
        );
    }
    if !security.require_websocket_auth && !security.authorized_apps.is_empty() {
        doubts.push(
            "security.authorized_apps is set, but security.require_websocket_auth is off: clients need not be one of them"
                .to_owned(),
        );
    }
    // Several networks may hold every address together, such as 0.0.0.0/1 and 128.0.0.0/1.
    for network in IpNet::aggregate(&security.trusted_proxies) {
        if network.prefix_len() == 0 {
            let family = if network.addr().is_ipv4() { "IPv4" } else { "IPv6" };
            doubts.push(format!(
                "security.trusted_proxies holds every {family} address: any client may choose the address that its limits \
                 are counted for"
            ));
        }
    }
    doubts.extend(tls::doubts(config));
    let opens_metrics =
        security.metrics_auth_token.is_some() || security.authorized_apps.iter().any(|app| app.app_secret.is_some());
    if security.require_metrics_auth && !opens_metrics {
        doubts.push(
            "security.require_metrics_auth is on, and there is neither security.metrics_auth_token nor an app with an \
             app_secret: nobody can read the metrics"
                .to_owned(),
        );
    }
    if let Some(token) = &*security.metrics_auth_token
        && token.chars().count() < 16
    {
        doubts.push("security.metrics_auth_token is shorter than 16 characters and can be guessed".to_owned());
    }
    let auth = &config.relay.auth;
    if !auth.enabled && (auth.secret.is_some() || auth.jwks_file.is_some() || auth.jwks_url.is_some()) {
        doubts.push(
            "relay.auth holds keys, but relay.auth.enabled is off: clients of the relay need no token".to_owned(),
        );
    }
    if let Some(prefix) = &config.server.room_code_prefix
        && prefix.len() >= config.protocol.room_code_length
    {
        doubts.push(format!(
            "server.room_code_prefix `{prefix}` leaves no character of a room code free and is ignored"
        ));
    }
    doubts
}

/// Whether strangers may reach this address, as far as the address tells.
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            // 100.64.0.0/10 is behind a carrier's NAT (RFC 6598).
            let is_shared = address.octets()[0] == 100 && address.octets()[1] & 0xc0 == 64;
            !(address.is_loopback() || address.is_private() || address.is_link_local() || is_shared)
        }
        IpAddr::V6(address) => !(address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()),
    }
}

impl Config {
    /// What stands open to everybody, one sentence each, for the first lines of the log (D31).
    #[must_use]
    pub fn open_doors(&self) -> Vec<&'static str> {
        let mut doors = Vec::new();
        if !self.security.require_websocket_auth {
            doors.push("any client may connect: security.require_websocket_auth is off");
        }
        if self.security.cors_origins == "*" {
            doors.push("every web page may use this server: security.cors_origins is *");
        }
        if !self.security.require_metrics_auth {
            doors.push("anybody may read the metrics: security.require_metrics_auth is off");
        }
        if is_public(self.bind) && self.security.trusted_proxies.is_empty() {
            doors.push(
                "what players send and receive is not encrypted: put a proxy with TLS before this server and name it in \
                 security.trusted_proxies, or set bind to an address that only the proxy reaches",
            );
        }
        doors
    }
}
