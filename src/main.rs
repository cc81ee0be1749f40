//! The server process: flags, configuration, signals.
#![forbid(unsafe_code)]

use argh::FromArgs;
use signal_fish_server::Server;
use signal_fish_server::config::{self, Sources};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::path::PathBuf;

#[derive(FromArgs)]
/// Signaling and relay server for multiplayer games.
struct Flags {
    /// configuration file
    #[argh(option)]
    config: Option<PathBuf>,
    /// port to listen on; 0 takes a free one
    #[argh(option)]
    port: Option<u16>,
    /// address to listen on
    #[argh(option)]
    bind: Option<String>,
    /// shards
    #[argh(option)]
    shards: Option<usize>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let flags: Flags = argh::from_env();
    let mut set: Vec<(&'static str, &'static str, serde_json::Value)> = Vec::new();
    set.extend(flags.port.map(|port| ("--port", "port", port.into())));
    set.extend(flags.bind.map(|bind| ("--bind", "bind", bind.into())));
    set.extend(flags.shards.map(|count| ("--shards", "shards.count", count.into())));
    tracing_subscriber::fmt().init();
    let loaded = config::load(&Sources { file: flags.config, environment: std::env::vars_os().collect(), flags: set })
        .map_err(|faults| faults.to_string())?;
    let server = Server::start(&loaded.config)?;
    tracing::info!("listening on {}", server.address());
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    signals.forever().next();
    server.shutdown()?;
    Ok(())
}
