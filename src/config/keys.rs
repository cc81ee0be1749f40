//! The one table of configuration keys. Checks, the types of environment variables, `--print-config`, the shipped
//! `config.json` and `docs/configuration.md` all come from it. It is put together from the sections, where each key is
//! written.

pub use super::key::{Key, Kind, Standing, TextCheck};

use super::sections::security::AppEntry;
use super::typed::Config;
use std::sync::LazyLock;

/// Every key, in the order of the manual.
pub static KEYS: LazyLock<Vec<Key>> = LazyLock::new(Config::keys);

/// The fields of an entry of `security.authorized_apps`. Only `app_id` must be there; null counts as absent.
pub static APP_FIELDS: LazyLock<Vec<Key>> = LazyLock::new(AppEntry::keys);

/// The key with this path.
#[must_use]
pub fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}

/// Whether keys lie below this path.
#[must_use]
pub fn is_section(path: &str) -> bool {
    KEYS.iter()
        .map(|key| key.path)
        .chain(WITHOUT_EFFECT.iter().copied())
        .any(|key| key.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
}

/// Keys of the public reference server that have no meaning here: accepted, listed once, without effect (D33).
pub const WITHOUT_EFFECT: &[&str] = &[
    "server.heartbeat_throttle_secs",
    "server.heartbeat_db_throttle_secs",
    "auth.rate_limit_cache_cleanup_interval_secs",
    "auth.rate_limit_cache_retention_secs",
    "auth.rate_limit_cache_alert_rows",
    "coordination.dedup_cache.capacity",
    "coordination.dedup_cache.ttl_secs",
    "coordination.dedup_cache.cleanup_interval_secs",
    "coordination.membership_snapshot_interval_secs",
    "metrics.dashboard_cache_refresh_interval_secs",
    "metrics.dashboard_cache_ttl_secs",
    "metrics.dashboard_cache_history_window_secs",
    "metrics.dashboard_cache_history_fields",
];

/// Names that later versions of the reference server use for something that has another name here.
pub const NAMED_OTHERWISE: &[(&str, &str)] = &[
    ("security.enforce_app_id_allowlist", "security.require_websocket_auth"),
    ("security.allowed_apps", "security.authorized_apps"),
    ("security.max_connections", "server.max_connections"),
    ("server.drain_grace_secs", "server.drain_timeout_secs"),
    ("server.default_max_spectators", "server.max_spectators_per_room"),
    ("websocket.idle_timeout_secs", "server.ping_timeout"),
    ("security.max_outbound_message_size", "websocket.max_outbound_bytes"),
];
