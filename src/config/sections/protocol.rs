//! `protocol.*`: what clients may ask for, the gate for versions of their SDK, and what names may contain.

use crate::config::check;
use crate::config::key::Kind::{Bool, Integer, OptionalText, PlatformLists, PlatformMap, TextList};
use crate::config::key::key;
use crate::config::section::{SIGNAL_FISH, section};
use serde_json::json;
use std::collections::BTreeMap;

section! {
    /// `protocol.*`.
    pub struct Protocol {
        /// Longest game name.
        pub max_game_name_length: usize =
            key("protocol.max_game_name_length", Integer(1, 1024), SIGNAL_FISH.max_game_name_length)
                .unit("characters")
                .weigh("Every room keeps one.");

        /// Length of room codes, generated or given.
        pub room_code_length: usize = key("protocol.room_code_length", Integer(4, 32), SIGNAL_FISH.room_code_length)
            .unit("characters")
            .weigh("Each character less makes codes 32 times easier to guess.");

        /// Longest name of a player or spectator.
        pub max_player_name_length: usize =
            key("protocol.max_player_name_length", Integer(1, 256), SIGNAL_FISH.player_names.length_max)
                .unit("characters")
                .weigh("Part of every snapshot of a room.");

        /// Most seats that a client may ask for.
        pub max_players_limit: u8 = key("protocol.max_players_limit", Integer(1, 255), SIGNAL_FISH.max_players_limit)
            .unit("players")
            .weigh(
                "Each player receives what every other one sends: traffic grows with the square. Beyond about 150 it takes \
                 a larger `websocket.max_outbound_bytes`.",
            );

        /// Whether clients may choose binary game data in MessagePack.
        pub enable_message_pack_game_data: bool =
            key("protocol.enable_message_pack_game_data", Bool, SIGNAL_FISH.enable_message_pack_game_data)
                .weigh("It is smaller; members that use JSON get a translation.");
    }
    sections {
        pub sdk_compatibility: Sdk;
        pub player_name_validation: PlayerNameValidation;
    }
}

section! {
    /// `protocol.sdk_compatibility.*`; platforms are lower-case.
    pub struct Sdk {
        /// Whether `Authenticate` must name a known platform and a version that is new enough.
        pub enforce: bool = key("protocol.sdk_compatibility.enforce", Bool, SIGNAL_FISH.sdk_compatibility.enforce)
            .weigh("On turns away every client that names neither.");

        /// Oldest version served, by platform; the platforms named here are the known ones.
        pub minimum_versions: BTreeMap<String, semver::Version> = key(
            "protocol.sdk_compatibility.minimum_versions",
            PlatformMap(check::VERSION),
            json!({"godot": "0.9.0", "godot-rust": "0.9.0", "test": "1.0.0", "unity": "1.10.0"}),
        )
        .weigh("Entries are merged with the defaults; null removes one.");

        /// Version advised in `ProtocolInfo`, by platform.
        pub recommended_versions: BTreeMap<String, semver::Version> = key(
            "protocol.sdk_compatibility.recommended_versions",
            PlatformMap(check::VERSION),
            json!({"godot-rust": "0.9.2", "unity": "1.12.0"}),
        )
        .weigh("Merged with the defaults; null removes an entry.");

        /// Capabilities shown in `ProtocolInfo`, by platform; `_default` serves all others.
        pub capabilities: BTreeMap<String, Vec<String>> = key(
            "protocol.sdk_compatibility.capabilities",
            PlatformLists,
            json!({
                "_default": ["reconnection", "spectator-mode", "rate-limits-v2"],
                "unity": [
                    "reconnection", "spectator-mode", "rate-limits-v2", "relay-matchbox", "relay-mirror", "relay-fishnet",
                ],
            }),
        )
        .weigh("Merged with the defaults; null removes an entry.");

        /// Note shown in `ProtocolInfo`, by platform.
        pub notes: BTreeMap<String, String> = key(
            "protocol.sdk_compatibility.notes",
            PlatformMap(check::ANY),
            json!({"unity": "Version 1.12.0 or later of the Unity SDK is advised."}),
        )
        .weigh("Merged with the defaults; null removes an entry.");
    }
}

section! {
    /// `protocol.player_name_validation.*`.
    pub struct PlayerNameValidation {
        /// Whether names may use letters and digits of every script.
        pub allow_unicode_alphanumeric: bool = key(
            "protocol.player_name_validation.allow_unicode_alphanumeric",
            Bool,
            SIGNAL_FISH.player_names.allow_unicode_alphanumeric,
        )
        .weigh("Off leaves those of ASCII.");

        /// Whether names may contain spaces.
        pub allow_spaces: bool =
            key("protocol.player_name_validation.allow_spaces", Bool, SIGNAL_FISH.player_names.allow_spaces);

        /// Whether names may begin or end with a space.
        pub allow_leading_trailing_whitespace: bool = key(
            "protocol.player_name_validation.allow_leading_trailing_whitespace",
            Bool,
            SIGNAL_FISH.player_names.allow_leading_trailing_whitespace,
        )
        .weigh("On lets two names look the same.");

        /// Symbols allowed besides letters and digits, each a string of one character.
        pub allowed_symbols: Vec<char> = key(
            "protocol.player_name_validation.allowed_symbols",
            TextList(check::SYMBOL),
            json!(SIGNAL_FISH.player_names.allowed_symbols),
        )
        .weigh("Whoever shows names in HTML should think twice about `<` and `&`.");

        /// More characters that names may contain, in one string.
        pub additional_allowed_characters: Option<String> = key(
            "protocol.player_name_validation.additional_allowed_characters",
            OptionalText(check::ANY),
            SIGNAL_FISH.player_names.additional_allowed_characters.clone(),
        );
    }
}
