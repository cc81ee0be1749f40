//! The typed configuration. Its fields are the keys of the table, section by section; the documentation of each key
//! stands there.

use super::check;
use super::resolved::Resolved;
use serde::{Deserialize, Deserializer};
use signal_fish_core::admission::{AppLimits, Limits};
use signal_fish_core::protocol::signal_fish::wire::NameRules;
use signal_fish_core::protocol::signal_fish::{App, SdkCompatibility, Settings};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Everything an operator can set.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `bind`.
    pub bind: IpAddr,
    /// `port`; 0 for any free one.
    pub port: u16,
    /// `shards.*`.
    pub shards: Shards,
    /// `server.*`.
    pub server: Server,
    /// `rate_limit.*`.
    pub rate_limit: RateLimit,
    /// `protocol.*`.
    pub protocol: Protocol,
    /// `logging.*`.
    pub logging: Logging,
    /// `security.*`.
    pub security: Security,
    /// `websocket.*`.
    pub websocket: WebSocket,
    /// `relay_types.*`.
    pub relay_types: RelayTypes,
}

/// `shards.*`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shards {
    /// Number of shards; 0: one per available CPU.
    pub count: usize,
    /// Whether each shard stays on one CPU.
    pub pin: bool,
    /// CPUs to use, sorted; empty: the affinity mask.
    #[serde(deserialize_with = "cpus")]
    pub cpus: Vec<usize>,
}

/// `server.*`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Seats of a room whose creator names no number.
    pub default_max_players: u8,
    /// Spectators of a room.
    pub max_spectators_per_room: usize,
    /// Connections in all; 0: what the open-file limit allows, see [`Config::connections_max`].
    pub max_connections: usize,
    /// Silence after which a client is disconnected.
    #[serde(deserialize_with = "secs")]
    pub ping_timeout: Duration,
    /// Period of the sweep of rooms.
    #[serde(deserialize_with = "secs")]
    pub room_cleanup_interval: Duration,
    /// Rooms of one game of one app.
    pub max_rooms_per_game: usize,
    /// How long an empty room stands.
    #[serde(deserialize_with = "secs")]
    pub empty_room_timeout: Duration,
    /// How long a silent room stands.
    #[serde(deserialize_with = "secs")]
    pub inactive_room_timeout: Duration,
    /// Whether dropped players may return.
    pub enable_reconnection: bool,
    /// Whether clients get a reconnection token.
    pub send_reconnection_token: bool,
    /// How long they may return.
    #[serde(deserialize_with = "secs")]
    pub reconnection_window: Duration,
    /// Events kept for replay per room.
    pub event_buffer_size: usize,
    /// Bytes kept for replay per room.
    pub event_buffer_bytes: usize,
    /// Seconds for the drain at shutdown.
    pub drain_timeout_secs: u64,
    /// Name of the deployment.
    pub region_id: String,
    /// Front of generated room codes, upper-cased, not empty.
    #[serde(deserialize_with = "not_empty")]
    pub room_code_prefix: Option<String>,
}

/// `rate_limit.*`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// Creations per address and window.
    pub max_room_creations: u32,
    /// Joins per address and window.
    pub max_join_attempts: u32,
    /// Length of the window.
    #[serde(deserialize_with = "secs")]
    pub time_window: Duration,
}

/// `protocol.*`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Protocol {
    /// Longest game name, in characters.
    pub max_game_name_length: usize,
    /// Length of room codes.
    pub room_code_length: usize,
    /// Longest player name, in characters.
    pub max_player_name_length: usize,
    /// Most seats of a room.
    pub max_players_limit: u8,
    /// Whether MessagePack may be negotiated.
    pub enable_message_pack_game_data: bool,
    /// The SDK gate.
    pub sdk_compatibility: Sdk,
    /// What names may contain.
    pub player_name_validation: PlayerNameValidation,
}

/// `protocol.sdk_compatibility.*`; platforms are lower-case.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sdk {
    /// Whether the gate is closed to clients that are too old or name nothing.
    pub enforce: bool,
    /// Oldest version by platform.
    pub minimum_versions: BTreeMap<String, semver::Version>,
    /// Advised version by platform.
    pub recommended_versions: BTreeMap<String, semver::Version>,
    /// Capabilities by platform.
    pub capabilities: BTreeMap<String, Vec<String>>,
    /// Note by platform.
    pub notes: BTreeMap<String, String>,
}

/// `protocol.player_name_validation.*`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlayerNameValidation {
    /// Letters and digits of every script.
    pub allow_unicode_alphanumeric: bool,
    /// Spaces inside.
    pub allow_spaces: bool,
    /// Spaces at the ends.
    pub allow_leading_trailing_whitespace: bool,
    /// Symbols.
    pub allowed_symbols: Vec<char>,
    /// More characters.
    pub additional_allowed_characters: Option<String>,
}

/// `logging.*`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logging {
    /// Least severe level; none: `RUST_LOG`, else info.
    pub level: Option<LogLevel>,
    /// Form of a line.
    pub format: LogFormat,
    /// Whether files are written.
    pub enable_file_logging: bool,
    /// Where.
    pub dir: PathBuf,
    /// Their name.
    pub filename: String,
    /// When a new one begins.
    pub rotation: LogRotation,
}

/// `logging.level`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Everything.
    Trace,
    /// What a developer looks for.
    Debug,
    /// What an operator wants to know.
    Info,
    /// What an operator should look into.
    #[serde(alias = "warning")]
    Warn,
    /// What went wrong.
    #[serde(alias = "err")]
    Error,
}

/// `logging.format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// A JSON object per line.
    Json,
    /// Text for people.
    Text,
}

/// `logging.rotation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogRotation {
    /// A file per day.
    Daily,
    /// A file per hour.
    Hourly,
    /// One file.
    Never,
}

/// `security.*`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Security {
    /// Web origins that may connect, comma-separated and in lower case, or `*`.
    pub cors_origins: String,
    /// Whether clients must authenticate.
    pub require_websocket_auth: bool,
    /// Token for metrics.
    pub metrics_auth_token: Option<String>,
    /// Registered apps.
    pub authorized_apps: Vec<AppEntry>,
    /// Proxies whose word on the client address is believed.
    pub trusted_proxies: Vec<ipnet::IpNet>,
    /// Connections of one address.
    pub max_connections_per_ip: usize,
    /// Largest message from a client, in bytes.
    pub max_message_size: usize,
    /// Invalid messages in a row; 0: no bound.
    pub max_invalid_messages: u32,
}

/// An entry of `security.authorized_apps`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppEntry {
    /// Public id.
    pub app_id: String,
    /// Secret for metrics.
    pub app_secret: Option<String>,
    /// Name for clients; none: the id.
    pub app_name: Option<String>,
    /// Rooms.
    pub max_rooms: Option<u32>,
    /// Seats.
    pub max_players_per_room: Option<u8>,
    /// Authentications per minute.
    pub rate_limit_per_minute: Option<u32>,
}

/// `websocket.*`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebSocket {
    /// Whether messages may be held back under load (D28).
    pub enable_batching: bool,
    /// Messages after which they leave.
    pub batch_size: usize,
    /// Longest wait.
    #[serde(deserialize_with = "millis", rename = "batch_interval_ms")]
    pub batch_interval: Duration,
    /// Time to authenticate.
    #[serde(deserialize_with = "secs", rename = "auth_timeout_secs")]
    pub auth_timeout: Duration,
    /// Bytes that may wait for one client (D26).
    pub max_outbound_bytes: usize,
}

/// `relay_types.*`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelayTypes {
    /// Relay type of games not named below.
    pub default_relay_type: String,
    /// Relay type by game name.
    pub game_relay_mappings: BTreeMap<String, String>,
}

impl Default for Config {
    /// The documented defaults.
    fn default() -> Self {
        // The table is a constant of this program, and the tests beside it load it.
        Resolved::defaults()
            .config()
            .expect("the defaults of the table of keys fit the types of Config")
    }
}

impl Config {
    /// What the engine of each shard is told.
    #[must_use]
    pub fn engine_settings(&self) -> Settings {
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
            apps: security.authorized_apps.iter().map(AppEntry::for_engine).collect(),
            max_message_size: security.max_message_size,
            max_invalid_messages: security.max_invalid_messages,
            default_relay_type: self.relay_types.default_relay_type.clone(),
            game_relay_mappings: self.relay_types.game_relay_mappings.clone(),
        }
    }

    /// What admission is told.
    #[must_use]
    pub fn admission_limits(&self) -> Limits {
        Limits {
            connections_max: self.connections_max(),
            connections_per_ip_max: self.security.max_connections_per_ip,
            rooms_per_game_max: self.server.max_rooms_per_game,
            room_creations_max: self.rate_limit.max_room_creations,
            join_attempts_max: self.rate_limit.max_join_attempts,
            time_window: self.rate_limit.time_window,
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
            0 => crate::host::connections_by_open_files(self.shards_expected()),
            max => max,
        }
    }

    /// How many shards there will be, as far as it can be told without looking at the affinity mask.
    fn shards_expected(&self) -> usize {
        match (self.shards.count, self.shards.cpus.len()) {
            (0, 0) => std::thread::available_parallelism().map_or(1, usize::from),
            (0, cpus) => cpus,
            (count, _) => count,
        }
    }
}

impl AppEntry {
    fn for_engine(&self) -> App {
        App {
            app_id: self.app_id.clone(),
            app_name: self.app_name.clone().unwrap_or_else(|| self.app_id.clone()),
            max_players_per_room: self.max_players_per_room,
            rate_limit_per_minute: self.rate_limit_per_minute,
        }
    }

    fn for_admission(&self) -> AppLimits {
        AppLimits {
            rooms_max: self.max_rooms,
            authentications_per_minute_max: self.rate_limit_per_minute,
        }
    }
}

impl RelayTypes {
    /// Length of the longest relay type, in characters.
    pub(super) fn longest(&self) -> usize {
        let mapped = self.game_relay_mappings.values();
        mapped
            .chain([&self.default_relay_type])
            .map(|relay_type| relay_type.chars().count())
            .max()
            .unwrap_or(0)
    }
}

/// Secrets stay out of every debug output (D34).
impl std::fmt::Debug for Security {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Security")
            .field("cors_origins", &self.cors_origins)
            .field("require_websocket_auth", &self.require_websocket_auth)
            .field("authorized_apps", &self.authorized_apps)
            .field("trusted_proxies", &self.trusted_proxies)
            .field("max_connections_per_ip", &self.max_connections_per_ip)
            .field("max_message_size", &self.max_message_size)
            .field("max_invalid_messages", &self.max_invalid_messages)
            .finish_non_exhaustive()
    }
}

/// Secrets stay out of every debug output (D34).
impl std::fmt::Debug for AppEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AppEntry")
            .field("app_id", &self.app_id)
            .field("app_name", &self.app_name)
            .finish_non_exhaustive()
    }
}

fn secs<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u64::deserialize(deserializer).map(Duration::from_secs)
}

fn millis<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u64::deserialize(deserializer).map(Duration::from_millis)
}

fn not_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Option::<String>::deserialize(deserializer).map(|text| text.filter(|text| !text.is_empty()))
}

fn cpus<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<usize>, D::Error> {
    let text = String::deserialize(deserializer)?;
    check::parse_cpus(&text).ok_or_else(|| serde::de::Error::custom(check::CPU_LIST.expected))
}
