//! The one table of configuration keys. Checks, the types of environment variables, `--print-config`, the shipped
//! `config.json` and `docs/configuration.md` all come from it.

use super::check;
use serde_json::Value;

/// One key of the configuration.
#[derive(Debug)]
pub struct Key {
    /// Path in the file, its parts joined by dots.
    pub path: &'static str,
    /// What a value must be.
    pub kind: Kind,
    /// Built-in default, as JSON text.
    pub default: &'static str,
    /// Unit of a number, empty if it has none.
    pub unit: &'static str,
    /// What the key sets.
    pub doc: &'static str,
    /// What to weigh when changing it: the effect of either direction, the risk.
    pub effect: &'static str,
    /// Whether the value, or a part of it, is never shown (D34).
    pub secret: bool,
    /// What this server does with it.
    pub standing: Standing,
}

/// What this server does with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The value takes effect.
    Active,
    /// It would protect something, but its function does not exist yet: only the default is accepted (D31).
    NotBuilt,
    /// The function it belongs to does not exist, and the value protects nothing by itself: accepted without effect.
    Idle,
}

/// What a value must be.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// An integer, both bounds included.
    Integer(u64, u64),
    /// A string that passes a check, which may tidy it.
    Text(TextCheck),
    /// The same, or null.
    OptionalText(TextCheck),
    /// One of some words, whatever their case.
    Choice(&'static [&'static str]),
    /// The same, or null.
    OptionalChoice(&'static [&'static str]),
    /// A list of strings that pass a check.
    TextList(TextCheck),
    /// A map of strings to strings that pass a check.
    TextMap(TextCheck),
    /// A map of platforms, whatever their case, to strings that pass a check.
    PlatformMap(TextCheck),
    /// A map of platforms, whatever their case, to lists of strings.
    PlatformLists,
    /// The registered apps.
    Apps,
}

/// A check of a string: gives the tidied string back, or nothing.
#[derive(Debug, Clone, Copy)]
pub struct TextCheck {
    /// What is expected, to be read after "expected".
    pub expected: &'static str,
    /// The check.
    pub accept: fn(&str) -> Option<String>,
}

impl Key {
    /// The built-in default.
    #[must_use]
    pub fn default_value(&self) -> Value {
        // Every default is a literal of the table below, and a test parses them all.
        serde_json::from_str(self.default).unwrap_or(Value::Null)
    }

    /// The name of the environment variable in its documented spelling; `SIGNAL_FISH__...` is read too (D32).
    #[must_use]
    pub fn variable(&self) -> String {
        format!("SIGNAL_FISH_{}", self.path.to_ascii_uppercase().replace('.', "__"))
    }
}

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

const YEAR_SECS: u64 = 31_536_000;
const DAY_SECS: u64 = 86_400;
const MIB: u64 = 1024 * 1024;
const U32_MAX: u64 = 4_294_967_295;

/// The shape in which most keys are written.
const fn key(path: &'static str, kind: Kind, default: &'static str, unit: &'static str) -> Key {
    Key {
        path,
        kind,
        default,
        unit,
        doc: "",
        effect: "",
        secret: false,
        standing: Standing::Active,
    }
}

impl Key {
    const fn doc(mut self, doc: &'static str, effect: &'static str) -> Self {
        self.doc = doc;
        self.effect = effect;
        self
    }

    const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    const fn standing(mut self, standing: Standing) -> Self {
        self.standing = standing;
        self
    }
}

use Kind::{
    Apps, Bool, Choice, Integer, OptionalChoice, OptionalText, PlatformLists, PlatformMap, Text, TextList, TextMap,
};

/// Every key, in the order of the manual.
pub const KEYS: &[Key] = &[
    key("bind", Text(check::ADDRESS), r#""0.0.0.0""#, "").doc(
        "Address to listen on, IPv4 or IPv6.",
        "`::` listens on every address of both families, `127.0.0.1` on this machine alone, for example behind a proxy.",
    ),
    key("port", Integer(0, 65535), "3536", "").doc(
        "TCP port for WebSocket, health and metrics.",
        "0 takes any free port and logs which.",
    ),
    key("shards.count", Integer(0, 1024), "0", "").doc(
        "Number of shards; each is one thread that owns its rooms and connections. 0: one per available CPU.",
        "More shards than CPUs share CPUs, run unpinned and gain nothing.",
    ),
    key("shards.pin", Bool, "true", "").doc(
        "Whether each shard stays on a CPU of its own.",
        "Off helps only where other programs keep the same CPUs busy; it costs latency.",
    ),
    key("shards.cpus", Text(check::CPU_LIST), r#""""#, "").doc(
        "CPUs for the shards, such as `0-3,6`. Empty: the affinity mask of the process.",
        "Leave the CPUs out that serve the network card's interrupts. A CPU outside the affinity mask stops the start.",
    ),
    key("server.default_max_players", Integer(1, 255), "8", "players").doc(
        "Seats of a room whose creator names no number.",
        "At most `protocol.max_players_limit`.",
    ),
    key("server.max_spectators_per_room", Integer(0, 10_000), "50", "spectators").doc(
        "Spectators that a room takes.",
        "Every spectator receives every message of the room; 0 takes none.",
    ),
    key("server.max_connections", Integer(0, 10_000_000), "0", "connections").doc(
        "Connections of the whole server. 0: as many as the limit of open files allows.",
        "Over it a newcomer is turned away. A number that the limit of open files does not allow stops the start.",
    ),
    key("server.ping_timeout", Integer(1, DAY_SECS), "30", "seconds").doc(
        "Silence after which a client is disconnected; after half of it the server sends a ping.",
        "Low notices dead players early and costs pings; high keeps their seats taken for longer.",
    ),
    key("server.room_cleanup_interval", Integer(1, DAY_SECS), "60", "seconds").doc(
        "Period of the sweep that removes rooms past their timeouts.",
        "A room may outlive its timeout by this much.",
    ),
    key("server.max_rooms_per_game", Integer(0, 10_000_000), "1000", "rooms").doc(
        "Rooms of one game of one app.",
        "Bounds memory; 0 allows none.",
    ),
    key("server.empty_room_timeout", Integer(0, YEAR_SECS), "300", "seconds").doc(
        "How long a room without players stands, counted from when it became empty.",
        "0 removes it at the next sweep.",
    ),
    key("server.inactive_room_timeout", Integer(1, YEAR_SECS), "3600", "seconds").doc(
        "How long a room stands in which nobody sends anything but pings.",
        "Its members are told and may join another room.",
    ),
    key("server.enable_reconnection", Bool, "true", "").doc(
        "Whether a dropped player may return to its seat.",
        "Off saves the memory of the replay buffers.",
    ),
    key("server.send_reconnection_token", Bool, "true", "").doc(
        "Whether `RoomJoined` and `Reconnected` carry the optional field `auth_token`.",
        "Without it clients have nothing to return with; off suits only clients that refuse unknown fields.",
    ),
    key("server.reconnection_window", Integer(1, DAY_SECS), "300", "seconds").doc(
        "How long a dropped player may return.",
        "In a running game its seat stays reserved for as long.",
    ),
    key("server.event_buffer_size", Integer(0, 65_536), "100", "events").doc(
        "Messages per room that are kept to be replayed to a returning player.",
        "The newest are kept. They must fit into `websocket.max_outbound_bytes`.",
    ),
    key("server.event_buffer_bytes", Integer(0, 64 * MIB), "262144", "bytes").doc(
        "Bytes per room that are kept to be replayed. A message larger than all of them is left out.",
        "Costs this much memory for every room somebody can return to, and must fit into `websocket.max_outbound_bytes`.",
    ),
    key("server.drain_timeout_secs", Integer(1, 300), "5", "seconds").doc(
        "Time for saying goodbye to every client at SIGTERM or SIGINT before the process ends.",
        "Must be below the time after which the service manager kills.",
    ),
    key("server.region_id", Text(check::ANY), r#""default""#, "").doc(
        "Name of this deployment in the start log and the summary of `--validate-config`.",
        "Clients never see it.",
    ),
    key("server.room_code_prefix", OptionalText(check::CODE_PREFIX), "null", "").doc(
        "First characters of every generated room code; letters and digits, upper-cased.",
        "The code keeps its length, so fewer characters are left to guess. A prefix as long as the code is ignored with a warning.",
    ),
    key("rate_limit.max_room_creations", Integer(0, U32_MAX), "5", "attempts").doc(
        "Rooms that one client address may create per window.",
        "0 allows none. Players behind one address share it.",
    ),
    key("rate_limit.max_join_attempts", Integer(0, U32_MAX), "20", "attempts").doc(
        "Attempts to enter a room by its code per client address and window.",
        "Slows the guessing of room codes. 0 allows none.",
    ),
    key("rate_limit.time_window", Integer(1, DAY_SECS), "60", "seconds").doc(
        "Length of the window in which attempts are counted.",
        "A client that was refused is told how long the window still lasts.",
    ),
    key("protocol.max_game_name_length", Integer(1, 1024), "64", "characters").doc(
        "Longest game name.",
        "Every room keeps one.",
    ),
    key("protocol.room_code_length", Integer(4, 32), "6", "characters").doc(
        "Length of room codes, generated or given.",
        "Each character less makes codes 32 times easier to guess.",
    ),
    key("protocol.max_player_name_length", Integer(1, 256), "32", "characters").doc(
        "Longest name of a player or spectator.",
        "Part of every snapshot of a room.",
    ),
    key("protocol.max_players_limit", Integer(1, 255), "100", "players").doc(
        "Most seats that a client may ask for.",
        "Each player receives what every other one sends: traffic grows with the square. Beyond about 150 it takes a larger `websocket.max_outbound_bytes`.",
    ),
    key("protocol.enable_message_pack_game_data", Bool, "true", "").doc(
        "Whether clients may choose binary game data in MessagePack.",
        "It is smaller; members that use JSON get a translation.",
    ),
    key("protocol.sdk_compatibility.enforce", Bool, "false", "").doc(
        "Whether `Authenticate` must name a known platform and a version that is new enough.",
        "On turns away every client that names neither.",
    ),
    key(
        "protocol.sdk_compatibility.minimum_versions",
        PlatformMap(check::VERSION),
        r#"{"godot": "0.9.0", "godot-rust": "0.9.0", "test": "1.0.0", "unity": "1.10.0"}"#,
        "",
    )
    .doc(
        "Oldest version served, by platform; the platforms named here are the known ones.",
        "Entries are merged with the defaults; null removes one.",
    ),
    key(
        "protocol.sdk_compatibility.recommended_versions",
        PlatformMap(check::VERSION),
        r#"{"godot-rust": "0.9.2", "unity": "1.12.0"}"#,
        "",
    )
    .doc("Version advised in `ProtocolInfo`, by platform.", "Merged with the defaults; null removes an entry."),
    key(
        "protocol.sdk_compatibility.capabilities",
        PlatformLists,
        r#"{"_default": ["reconnection", "spectator-mode", "rate-limits-v2"], "unity": ["reconnection", "spectator-mode", "rate-limits-v2", "relay-matchbox", "relay-mirror", "relay-fishnet"]}"#,
        "",
    )
    .doc(
        "Capabilities shown in `ProtocolInfo`, by platform; `_default` serves all others.",
        "Merged with the defaults; null removes an entry.",
    ),
    key(
        "protocol.sdk_compatibility.notes",
        PlatformMap(check::ANY),
        r#"{"unity": "Version 1.12.0 or later of the Unity SDK is advised."}"#,
        "",
    )
    .doc("Note shown in `ProtocolInfo`, by platform.", "Merged with the defaults; null removes an entry."),
    key("protocol.player_name_validation.allow_unicode_alphanumeric", Bool, "true", "").doc(
        "Whether names may use letters and digits of every script.",
        "Off leaves those of ASCII.",
    ),
    key("protocol.player_name_validation.allow_spaces", Bool, "true", "").doc("Whether names may contain spaces.", ""),
    key("protocol.player_name_validation.allow_leading_trailing_whitespace", Bool, "false", "").doc(
        "Whether names may begin or end with a space.",
        "On lets two names look the same.",
    ),
    key("protocol.player_name_validation.allowed_symbols", TextList(check::SYMBOL), r#"["-", "_"]"#, "").doc(
        "Symbols allowed besides letters and digits, each a string of one character.",
        "Whoever shows names in HTML should think twice about `<` and `&`.",
    ),
    key(
        "protocol.player_name_validation.additional_allowed_characters",
        OptionalText(check::ANY),
        "null",
        "",
    )
    .doc("More characters that names may contain, in one string.", ""),
    key("logging.level", OptionalChoice(check::LEVELS), "null", "").doc(
        "Least severe level that is logged. Null: what `RUST_LOG` says, else `info`.",
        "`debug` and `trace` cost time on every connection; no level shows what players send.",
    ),
    key("logging.format", Choice(&["json", "text"]), r#""json""#, "").doc(
        "Form of the log: a JSON object per line, or text for people.",
        "",
    ),
    key("logging.enable_file_logging", Bool, "true", "").doc(
        "Whether the log also goes to files; it always goes to standard output.",
        "The server does not start if it cannot write there. Under a service manager that keeps standard output, turn it off.",
    ),
    key("logging.dir", Text(check::NOT_EMPTY), r#""logs""#, "").doc(
        "Directory of the log files; created if missing. Relative to the working directory.",
        "Files are never deleted here; use the system's means.",
    ),
    key("logging.filename", Text(check::FILE_NAME), r#""server.log""#, "").doc(
        "Name of the log file; rotation appends the date, in UTC.",
        "",
    ),
    key("logging.rotation", Choice(&["daily", "hourly", "never"]), r#""daily""#, "").doc(
        "When a new log file begins.",
        "`never` lets one file grow without bound.",
    ),
    key("security.cors_origins", Text(check::ORIGINS), r#""*""#, "").doc(
        "Web origins that may connect: `*`, or a comma-separated list such as `https://play.example.org`.",
        "`*` lets every web page use this server from its visitors' browsers. A WebSocket upgrade from an origin not listed gets 403.",
    ),
    key("security.require_websocket_auth", Bool, "false", "").doc(
        "Whether a client must authenticate as one of `security.authorized_apps` first.",
        "Off serves everybody. On without apps serves nobody.",
    ),
    key("security.authorized_apps", Apps, "[]", "").doc(
        "Apps that may connect: `app_id`, and optionally `app_secret` (for metrics), `app_name`, `max_rooms`, `max_players_per_room`, `rate_limit_per_minute`.",
        "Each app has rooms of its own. Game clients carry the `app_id`, so it is no secret; `app_secret` is, and never belongs into a game.",
    )
    .secret(),
    key("security.require_metrics_auth", Bool, "false", "").doc(
        "Whether metrics need `Authorization: Bearer` with the token below or `app_id:app_secret` of an app.",
        "This server has no metrics to protect yet.",
    )
    .standing(Standing::NotBuilt),
    key("security.metrics_auth_token", OptionalText(check::NOT_EMPTY), "null", "")
        .doc(
            "Token for metrics.",
            "16 characters or more. Better given in the environment than in a file that many can read.",
        )
        .secret(),
    key("security.trusted_proxies", TextList(check::NETWORK), "[]", "").doc(
        "Addresses or networks of proxies whose `X-Forwarded-For` or `Forwarded` is believed, such as `10.0.0.0/8`.",
        "Empty behind a proxy makes all players share one address and its limits. Too wide lets clients choose their address.",
    ),
    key("security.max_connections_per_ip", Integer(0, 10_000_000), "10", "connections").doc(
        "Connections of one client address (of one /64 with IPv6).",
        "Households, schools and mobile networks share addresses. 0 allows none.",
    ),
    key("security.max_message_size", Integer(1, 16 * MIB), "65536", "bytes").doc(
        "Largest message that a client may send.",
        "A larger one is discarded and answered with an error. Must fit into `websocket.max_outbound_bytes`.",
    ),
    key("security.max_invalid_messages", Integer(0, U32_MAX), "1000", "messages").doc(
        "Invalid messages in a row after which a client is disconnected.",
        "0: never.",
    ),
    key("security.transport.tls.enabled", Bool, "false", "")
        .doc("TLS in this process.", "Not built yet: let a proxy do it, and name it in `security.trusted_proxies`.")
        .standing(Standing::NotBuilt),
    key("security.transport.tls.certificate_path", OptionalText(check::ANY), "null", "")
        .doc("Certificate chain, PEM.", "")
        .standing(Standing::Idle),
    key("security.transport.tls.private_key_path", OptionalText(check::ANY), "null", "")
        .doc("Private key, PEM.", "")
        .standing(Standing::Idle),
    key("security.transport.tls.client_ca_cert_path", OptionalText(check::ANY), "null", "")
        .doc("Authorities that sign client certificates, PEM.", "")
        .standing(Standing::Idle),
    key(
        "security.transport.tls.client_auth",
        Choice(&["none", "optional", "require"]),
        r#""none""#,
        "",
    )
    .doc("Whether clients show certificates.", "Not built yet.")
    .standing(Standing::NotBuilt),
    key("security.transport.token_binding.enabled", Bool, "false", "")
        .doc("Whether clients may sign their messages.", "Not built yet.")
        .standing(Standing::NotBuilt),
    key("security.transport.token_binding.required", Bool, "false", "")
        .doc("Whether clients must sign their messages.", "Not built yet.")
        .standing(Standing::NotBuilt),
    key("security.transport.token_binding.require_client_fingerprint", Bool, "false", "")
        .doc("Whether signatures cover the client certificate.", "Not built yet.")
        .standing(Standing::NotBuilt),
    key(
        "security.transport.token_binding.subprotocol",
        Text(check::NOT_EMPTY),
        r#""signalfish.tokenbinding.v1""#,
        "",
    )
    .doc("Subprotocol that offers signed messages.", "")
    .standing(Standing::Idle),
    key(
        "security.transport.token_binding.scheme",
        Text(check::NOT_EMPTY),
        r#""sec_websocket_key_sha256""#,
        "",
    )
    .doc("Scheme of the signatures.", "")
    .standing(Standing::Idle),
    key("websocket.enable_batching", Bool, "true", "").doc(
        "Whether a busy shard may hold messages back to send several at once.",
        "Alone, a message always leaves at once. Off: every message leaves in the turn that produced it, at the price of more system calls under load.",
    ),
    key("websocket.batch_size", Integer(1, 65_536), "10", "messages").doc(
        "Messages waiting for one client after which they leave.",
        "",
    ),
    key("websocket.batch_interval_ms", Integer(1, 1000), "16", "milliseconds").doc(
        "Longest wait of a message under load.",
        "Half a frame of a game is not noticed; 100 are.",
    ),
    key("websocket.auth_timeout_secs", Integer(5, 60), "10", "seconds").doc(
        "Time to authenticate, where that is required.",
        "High lets idle strangers hold connections.",
    ),
    key("websocket.max_outbound_bytes", Integer(1024, 1024 * MIB), "1048576", "bytes").doc(
        "Bytes that may wait for one client. Over it the client is too slow and is disconnected (1013).",
        "Bounds the memory that slow clients take: this much each at worst. Must hold the largest message, snapshot and replay together.",
    ),
    key("relay_types.default_relay_type", Text(check::NOT_EMPTY), r#""matchbox""#, "").doc(
        "Relay type told to players of games without an entry below; a word that only clients interpret.",
        "",
    ),
    key("relay_types.game_relay_mappings", TextMap(check::NOT_EMPTY), "{}", "").doc(
        "Relay type by game name.",
        "",
    ),
];

/// The fields of an entry of `security.authorized_apps`. Only `app_id` must be there; null counts as absent.
pub const APP_FIELDS: &[Key] = &[
    key("app_id", Text(check::NOT_EMPTY), "null", "").doc(
        "Public name of the app; what clients send in `Authenticate`.",
        "Required.",
    ),
    key("app_secret", Text(check::NOT_EMPTY), "null", "")
        .doc(
            "Secret of the app, for `Bearer app_id:app_secret` at the metrics.",
            "Without it the app cannot read metrics.",
        )
        .secret(),
    key("app_name", Text(check::NOT_EMPTY), "null", "").doc("Name shown in `Authenticated`.", "Absent: the `app_id`."),
    key("max_rooms", Integer(0, U32_MAX), "null", "rooms")
        .doc("Rooms of the app, over all its games.", "Absent: no limit. 0: none."),
    key("max_players_per_room", Integer(1, 255), "null", "players").doc(
        "Most seats of a room of the app.",
        "Absent: `protocol.max_players_limit`.",
    ),
    key("rate_limit_per_minute", Integer(0, U32_MAX), "null", "attempts").doc(
        "`Authenticate` messages of all clients of the app per minute.",
        "Absent: no limit. 0: none.",
    ),
];
