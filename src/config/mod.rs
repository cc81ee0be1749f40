//! The configuration: one table of keys ([`keys`]), one walker over JSON, and the typed [`Config`] that comes out.
//!
//! Sources, later wins (D32): built-in defaults, a file, the environment, command-line flags. Every mistake in any of
//! them is a [`Fault`], and all faults are found in one go (D33). serde only ever sees a value that was checked before.

mod check;
mod faults;
mod key;
mod located;
mod resolved;
mod rules;
mod secret;
mod section;
mod sections;
mod settings;
mod sources;
mod suggest;
mod typed;
mod walk;

pub mod keys;
pub mod manual;

pub use faults::{Fault, Faults, Origin};
pub use resolved::{Change, Resolved};
pub use secret::Secret;
pub use sections::http::Http;
pub use sections::logging::{LogFormat, LogLevel, LogRotation, Logging};
pub use sections::matchbox::{Matchbox, Topology};
pub use sections::protocol::{PlayerNameValidation, Protocol, Sdk};
pub use sections::rate_limit::RateLimit;
pub use sections::relay::{Relay, RelayAuth};
pub use sections::relay_types::RelayTypes;
pub use sections::security::{AppEntry, ClientAuth, ClientIpHeader, Security, Tls, TokenBinding, Transport};
pub use sections::server::Server;
pub use sections::shards::Shards;
pub use sections::websocket::WebSocket;
pub use sources::Sources;
pub use typed::Config;

use located::Located;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A configuration that holds together, and what else there is to say about it.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// The same, key by key.
    pub resolved: Resolved,
    /// The file that was read.
    pub file: Option<PathBuf>,
    /// What an operator should know: unknown environment variables, doubtful combinations.
    pub warnings: Vec<String>,
    /// Keys that were given and take no effect here (D33).
    pub without_effect: Vec<String>,
}

/// Reads every source and checks everything.
///
/// # Errors
/// Every fault there is.
pub fn load(sources: &Sources) -> Result<Loaded, Faults> {
    let mut faults = Faults::default();
    let read = sources.read(&mut faults);
    let mut loaded = settle(read.layers, faults)?;
    loaded.file = read.file;
    loaded.warnings.splice(0..0, read.warnings);
    Ok(loaded)
}

/// Makes a configuration of one JSON value, as it might stand in a file, over the defaults. For embedding and tests.
///
/// # Errors
/// Every fault there is.
pub fn from_value(value: Value) -> Result<Loaded, Faults> {
    let mut faults = Faults::default();
    let layer = walk::walk(&Located::from(value), Path::new("value"), &mut faults);
    settle(vec![layer], faults)
}

fn settle(layers: Vec<walk::Layer>, mut faults: Faults) -> Result<Loaded, Faults> {
    let mut resolved = Resolved::defaults();
    let mut without_effect = Vec::new();
    for layer in layers {
        without_effect.extend(layer.without_effect);
        for setting in layer.settings {
            if setting.key.standing == keys::Standing::Idle {
                without_effect.push(setting.key.path.to_owned());
            }
            resolved.set(setting);
        }
    }
    rules::refuse_what_is_not_built(&resolved, &mut faults);
    let config = resolved.config();
    match &config {
        Ok(config) => rules::check(config, &resolved, &mut faults),
        // Reached only if the table and the types of `Config` differ, which a test keeps from happening.
        Err(error) => faults.add(|| Fault {
            origin: Origin::Default,
            key: String::new(),
            value: None,
            problem: format!("the table of keys and the configuration differ: {error}"),
            meant: None,
        }),
    }
    match config {
        Ok(config) if faults.is_empty() => Ok(Loaded {
            warnings: rules::doubts(&config),
            config,
            resolved,
            file: None,
            without_effect,
        }),
        _ => Err(faults),
    }
}
