//! The table of keys, the typed configuration and the walker agree.
#![allow(missing_docs, reason = "a test file is a list of promises, not an interface")]

use serde_json::json;
use signal_fish_server::config::{self, Config};

#[test]
fn the_defaults_are_a_configuration() {
    let loaded = config::from_value(json!({})).expect("no value, no fault");
    assert_eq!(format!("{:?}", loaded.config), format!("{:?}", Config::default()));
    assert_eq!(loaded.config.port, 3536);
    assert_eq!(loaded.warnings, Vec::<String>::new());
}
