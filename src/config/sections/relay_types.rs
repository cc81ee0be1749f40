//! `relay_types.*`: words that only clients interpret.

use crate::config::check;
use crate::config::key::Kind::{Text, TextMap};
use crate::config::key::key;
use crate::config::section::{SIGNAL_FISH, section};
use serde_json::json;
use std::collections::BTreeMap;

section! {
    /// `relay_types.*`.
    pub struct RelayTypes {
        /// Relay type told to players of games without an entry below; a word that only clients interpret.
        pub default_relay_type: String =
            key("relay_types.default_relay_type", Text(check::NOT_EMPTY), SIGNAL_FISH.default_relay_type.clone());

        /// Relay type by game name.
        pub game_relay_mappings: BTreeMap<String, String> =
            key("relay_types.game_relay_mappings", TextMap(check::NOT_EMPTY), json!(SIGNAL_FISH.game_relay_mappings));
    }
}
