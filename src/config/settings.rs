//! What the configuration means to Signal Fish and to admission.

use super::sections::matchbox::Topology;
use super::sections::security::AppEntry;
use super::typed::Config;
use crate::host::limits::connections_by_open_files;
use crate::host::memory;
use signal_fish_core::admission::{AppLimits, Limits, Rate, Rates};
use signal_fish_core::http::Origins;
use signal_fish_core::protocol::signal_fish::wire::NameRules;
use signal_fish_core::protocol::signal_fish::{App, SdkCompatibility, Settings};
use signal_fish_core::protocol::{matchbox, relay};
use signal_fish_core::shard::RelayOptions;
use std::net::SocketAddr;
use std::sync::Arc;

impl Config {
    /// What Signal Fish is told.
    #[must_use]
    pub fn signal_fish_settings(&self) -> Settings {
        let Self {
            server,
            protocol,
            security,
            ..
        } = self;
        let names = &protocol.player_name_validation;
        let sdk = &protocol.sdk_compatibility;
        Settings {
            default_max_players: server.default_max_players,
            max_players_limit: protocol.max_players_limit,
            max_spectators_per_room: server.max_spectators_per_room,
            room_cleanup_interval: server.room_cleanup_interval,
            empty_room_timeout: server.empty_room_timeout,
            inactive_room_timeout: server.inactive_room_timeout,
            enable_reconnection: server.enable_reconnection,
            send_reconnection_token: server.send_reconnection_token,
            reconnection_window: server.reconnection_window,
            event_buffer_size: server.event_buffer_size,
            event_buffer_bytes: server.event_buffer_bytes,
            event_buffer_total_bytes: self.event_buffer_total_bytes() / self.shards_expected().max(1),
            room_code_prefix: server
                .room_code_prefix
                .clone()
                .filter(|prefix| prefix.len() < protocol.room_code_length),
            room_code_length: protocol.room_code_length,
            max_game_name_length: protocol.max_game_name_length,
            player_names: NameRules {
                length_max: protocol.max_player_name_length,
                allow_unicode_alphanumeric: names.allow_unicode_alphanumeric,
                allow_spaces: names.allow_spaces,
                allow_leading_trailing_whitespace: names.allow_leading_trailing_whitespace,
                allowed_symbols: names.allowed_symbols.clone(),
                additional_allowed_characters: names.additional_allowed_characters.clone(),
            },
            enable_message_pack_game_data: protocol.enable_message_pack_game_data,
            sdk_compatibility: SdkCompatibility {
                enforce: sdk.enforce,
                minimum_versions: sdk.minimum_versions.clone(),
                recommended_versions: sdk.recommended_versions.clone(),
                capabilities: sdk.capabilities.clone(),
                notes: sdk.notes.clone(),
            },
            require_auth: security.require_websocket_auth,
            auth_timeout: self.websocket.auth_timeout,
            apps: security.authorized_apps.iter().map(AppEntry::for_signal_fish).collect(),
            max_message_size: security.max_message_size,
            max_invalid_messages: security.max_invalid_messages,
            default_relay_type: self.relay_types.default_relay_type.clone(),
            game_relay_mappings: self.relay_types.game_relay_mappings.clone(),
            observed: false,
            directory: false,
        }
    }

    /// What matchbox is told.
    #[must_use]
    pub fn matchbox_settings(&self) -> matchbox::Settings {
        matchbox::Settings {
            topology: match self.matchbox.topology {
                Topology::FullMesh => matchbox::Topology::FullMesh,
                Topology::ClientServer => matchbox::Topology::ClientServer,
            },
            peers_per_room_max: self.matchbox.max_peers_per_room,
            invalid_messages_max: self.security.max_invalid_messages,
        }
    }

    /// Where matchbox clients connect, if they may. A port of 0 means any free one.
    #[must_use]
    pub fn matchbox_address(&self) -> Option<SocketAddr> {
        let port = match self.matchbox.port {
            Some(port) => port,
            None if self.port == 0 => 0,
            // 65535 + 1 is a fault, found by the rules.
            None => self.port.saturating_add(1),
        };
        let address = SocketAddr::new(self.matchbox.bind.unwrap_or(self.bind), port);
        self.matchbox.enabled.then_some(address)
    }

    /// What the room relay is told.
    #[must_use]
    pub fn relay_settings(&self) -> relay::Settings {
        let relay = &self.relay;
        relay::Settings {
            room_id_length_max: relay.room_id_max_length,
            room_capacity: relay.room_capacity,
            shared: relay.redis_url.is_some(),
            heartbeat_interval: relay.heartbeat_interval,
            client_messages: Rate::per_10s(relay.messages_per_10s),
            ip_messages: Rate::per_10s(relay.ip_messages_per_10s),
            room_messages: Rate::per_10s(relay.room_messages_per_10s),
            require_wss: relay.require_wss,
            origins: Arc::new(Origins::any_or_listed(&relay.allowed_origins)),
            subprotocol: relay.subprotocol.as_deref().map(Arc::from),
            require_token: relay.auth.enabled,
            invalid_messages_max: self.security.max_invalid_messages,
        }
    }

    /// What a shard is told about connections to the room relay.
    #[must_use]
    pub fn relay_options(&self) -> RelayOptions {
        RelayOptions {
            message_bytes_max: self.relay.message_max_bytes,
            outbound_bytes_max: self.relay.backpressure_close_bytes,
            silence_max: self.relay.heartbeat_interval * 2,
            drain_timeout: self.relay.drain_timeout,
        }
    }

    /// Where clients of the relay connect, if they may.
    #[must_use]
    pub fn relay_address(&self) -> Option<SocketAddr> {
        let address = SocketAddr::new(self.relay.bind.unwrap_or(self.bind), self.relay.port);
        self.relay.enabled.then_some(address)
    }

    /// What admission is told.
    #[must_use]
    pub fn admission_limits(&self) -> Limits {
        Limits {
            connections_max: self.connections_max(),
            connections_per_ip_max: self.security.max_connections_per_ip,
            rooms_per_game_max: self.server.max_rooms_per_game,
            room_creations_max: self.rate_limit.max_room_creations,
            handshakes_per_sec_per_ip: self.security.transport.tls.handshakes_per_sec_per_ip,
            join_attempts_max: self.rate_limit.max_join_attempts,
            time_window: self.rate_limit.time_window,
            relay: Rates {
                connections: Rate::per_10s(self.relay.connections_per_10s),
                messages: Rate::per_10s(self.relay.ip_messages_per_10s),
            },
            apps: self
                .security
                .authorized_apps
                .iter()
                .map(AppEntry::for_admission)
                .collect(),
        }
    }

    /// Connections of the whole server: `server.max_connections`, or what the limit of open files allows now.
    #[must_use]
    pub fn connections_max(&self) -> usize {
        match self.server.max_connections {
            0 => connections_by_open_files(self.shards_expected()),
            max => max,
        }
    }

    /// Memory for what waits for all clients together: `websocket.max_outbound_total_bytes`, or a quarter of the memory that
    /// this process may use.
    #[must_use]
    pub fn outbound_total_bytes(&self) -> usize {
        match self.websocket.max_outbound_total_bytes {
            0 => memory::available_bytes() / 4,
            max => max,
        }
    }

    /// Memory for the replays of all rooms together: `server.event_buffer_total_bytes`, or an eighth of the memory that this
    /// process may use. None without reconnection.
    #[must_use]
    pub fn event_buffer_total_bytes(&self) -> usize {
        match self.server.event_buffer_total_bytes {
            _ if !self.server.enable_reconnection => 0,
            0 => memory::available_bytes() / 8,
            max => max,
        }
    }

    /// How many shards there will be, as far as it can be told without looking at the affinity mask.
    pub(crate) fn shards_expected(&self) -> usize {
        match (self.shards.count, self.shards.cpus.len()) {
            (0, 0) => std::thread::available_parallelism().map_or(1, usize::from),
            (0, cpus) => cpus,
            (count, _) => count,
        }
    }
}

impl AppEntry {
    pub(crate) fn for_signal_fish(&self) -> App {
        App {
            app_id: self.app_id.clone(),
            authorized: true,
            app_name: self.app_name.clone().unwrap_or_else(|| self.app_id.clone()),
            max_players_per_room: self.max_players_per_room,
            rate_limit_per_minute: self.rate_limit_per_minute,
        }
    }

    pub(crate) fn for_admission(&self) -> AppLimits {
        AppLimits {
            rooms_max: self.max_rooms,
            authentications_per_minute_max: self.rate_limit_per_minute,
        }
    }
}
