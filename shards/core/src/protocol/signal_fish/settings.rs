//! What an operator sets.

use super::wire::NameRules;
use crate::admission::AppIndex;
use std::collections::BTreeMap;
use std::time::Duration;

/// What an operator sets about sessions and rooms. Key paths are those of the configuration file.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `server.default_max_players`.
    pub default_max_players: u8,
    /// `protocol.max_players_limit`.
    pub max_players_limit: u8,
    /// `server.max_spectators_per_room` (D37).
    pub max_spectators_per_room: usize,
    /// `server.room_cleanup_interval`: period of the sweep of rooms (D17).
    pub room_cleanup_interval: Duration,
    /// `server.empty_room_timeout`, from the moment a room became empty (D17).
    pub empty_room_timeout: Duration,
    /// `server.inactive_room_timeout`, from the last message of a member (D17).
    pub inactive_room_timeout: Duration,
    /// `server.enable_reconnection`.
    pub enable_reconnection: bool,
    /// `server.send_reconnection_token` (D18).
    pub send_reconnection_token: bool,
    /// `server.reconnection_window`, from the drop (D18).
    pub reconnection_window: Duration,
    /// `server.event_buffer_size`: events kept for replay, per room (D20).
    pub event_buffer_size: usize,
    /// `server.event_buffer_bytes`: bytes kept for replay, per room (D37).
    pub event_buffer_bytes: usize,
    /// A shard's share of `server.event_buffer_total_bytes`: memory for the replays of all its rooms (D37).
    pub event_buffer_total_bytes: usize,
    /// `server.room_code_prefix`, trimmed and upper-cased; `None` when unusable (protocol 11).
    pub room_code_prefix: Option<String>,
    /// `protocol.room_code_length`.
    pub room_code_length: usize,
    /// `protocol.max_game_name_length`, in Unicode scalar values.
    pub max_game_name_length: usize,
    /// `protocol.player_name_validation` and `protocol.max_player_name_length`.
    pub player_names: NameRules,
    /// `protocol.enable_message_pack_game_data`.
    pub enable_message_pack_game_data: bool,
    /// `protocol.sdk_compatibility`.
    pub sdk_compatibility: SdkCompatibility,
    /// `security.require_websocket_auth`.
    pub require_auth: bool,
    /// `websocket.auth_timeout_secs`.
    pub auth_timeout: Duration,
    /// `security.authorized_apps`, in the order of [`AppIndex`].
    pub apps: Vec<App>,
    /// `security.max_message_size`, in bytes; for the texts of `MESSAGE_TOO_LARGE`.
    pub max_message_size: usize,
    /// `security.max_invalid_messages` in a row; 0 = no bound (D41).
    pub max_invalid_messages: u32,
    /// `relay_types.default_relay_type`.
    pub default_relay_type: String,
    /// `relay_types.game_relay_mappings`: relay type by game name.
    pub game_relay_mappings: BTreeMap<String, String>,
    /// Somebody observes rooms and players. Set by the embedding program, by no key.
    pub observed: bool,
    /// Whether apps that are in no list may be found by a directory.
    pub directory: bool,
}

/// The SDK gate (protocol 2.4, D4).
#[derive(Debug, Clone, Default)]
pub struct SdkCompatibility {
    /// Whether a platform and a version are demanded and checked.
    pub enforce: bool,
    /// Oldest version by platform, lower-case keys.
    pub minimum_versions: BTreeMap<String, semver::Version>,
    /// Advised version by platform.
    pub recommended_versions: BTreeMap<String, semver::Version>,
    /// Capabilities by platform; `_default` for all others.
    pub capabilities: BTreeMap<String, Vec<String>>,
    /// Notes by platform.
    pub notes: BTreeMap<String, String>,
}

/// An app as a session sees it, wherever it is known from.
#[derive(Debug, Clone, Copy)]
pub(super) struct AppOf<'a> {
    pub(super) app_id: &'a str,
    pub(super) name: &'a str,
    pub(super) max_players_per_room: Option<u8>,
    pub(super) rate_limit_per_minute: Option<u32>,
}

/// One registered app, as far as sessions need it. Its room and authentication limits are admission's.
#[derive(Debug, Clone)]
pub struct App {
    /// Public id.
    pub app_id: String,
    /// Whether clients may authenticate as it. An app that was taken away keeps its place, because rooms may name it.
    pub authorized: bool,
    /// Name shown in `Authenticated`.
    pub app_name: String,
    /// `max_players_per_room` (D25).
    pub max_players_per_room: Option<u8>,
    /// `rate_limit_per_minute`, shown in `Authenticated`.
    pub rate_limit_per_minute: Option<u32>,
}

impl Settings {
    /// An app of the list.
    pub(super) fn app(&self, index: Option<AppIndex>) -> Option<AppOf<'_>> {
        let app = self.apps.get(index?.0 as usize)?;
        Some(AppOf {
            app_id: &app.app_id,
            name: &app.app_name,
            max_players_per_room: app.max_players_per_room,
            rate_limit_per_minute: app.rate_limit_per_minute,
        })
    }
}

impl Default for Settings {
    /// The documented defaults.
    fn default() -> Self {
        Self {
            default_max_players: 8,
            max_players_limit: 100,
            max_spectators_per_room: 50,
            room_cleanup_interval: Duration::from_secs(60),
            empty_room_timeout: Duration::from_secs(300),
            inactive_room_timeout: Duration::from_secs(3600),
            enable_reconnection: true,
            send_reconnection_token: true,
            reconnection_window: Duration::from_secs(300),
            event_buffer_size: 100,
            event_buffer_bytes: 256 * 1024,
            event_buffer_total_bytes: 64 * 1024 * 1024,
            room_code_prefix: None,
            room_code_length: 6,
            max_game_name_length: 64,
            player_names: NameRules::default(),
            enable_message_pack_game_data: true,
            sdk_compatibility: SdkCompatibility::default(),
            require_auth: false,
            auth_timeout: Duration::from_secs(10),
            apps: Vec::new(),
            max_message_size: 65536,
            max_invalid_messages: 1000,
            default_relay_type: "matchbox".to_owned(),
            game_relay_mappings: BTreeMap::new(),
            observed: false,
            directory: false,
        }
    }
}
