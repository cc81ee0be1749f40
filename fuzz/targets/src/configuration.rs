//! Configuration files: a configuration comes out that holds together, or faults that are named.

use serde_json::Value;
use signal_fish_server::config::{self, Loaded, Sources, manual};
use std::cell::OnceCell;
use tempfile::NamedTempFile;

thread_local! {
    /// Written again and again: making a file takes longer than reading one.
    static FILE: OnceCell<NamedTempFile> = const { OnceCell::new() };
}

/// The text of a file.
pub fn configuration(data: &[u8]) {
    let path = FILE.with(|file| {
        let file = file.get_or_init(|| NamedTempFile::new().expect("a temporary file"));
        file.path().to_owned()
    });
    std::fs::write(&path, data).expect("the temporary file is written");
    let sources = Sources {
        file: Some(path),
        ..Sources::default()
    };
    match config::load(&sources) {
        Ok(loaded) => check(&loaded),
        Err(faults) => {
            assert!(!faults.is_empty());
            for fault in faults.list() {
                assert!(!fault.problem.is_empty());
                assert!(fault.to_string().len() < 10_000, "{fault}");
            }
        }
    }
}

fn check(loaded: &Loaded) {
    // What comes out is itself a configuration, and the same one.
    let printed: Value = serde_json::from_str(&manual::json(&loaded.resolved)).expect("it is printed as JSON");
    let again = config::from_value(printed).expect("what is printed loads");
    assert_eq!(format!("{:?}", again.config), format!("{:?}", loaded.config));
    let settings = loaded.config.signal_fish_settings();
    assert!(settings.default_max_players <= settings.max_players_limit);
    assert!(settings.max_message_size < loaded.config.websocket.max_outbound_bytes);
    assert_eq!(settings.apps.len(), loaded.config.admission_limits().apps.len());
}
