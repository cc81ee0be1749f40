//! A WebSocket echo on the connection code of the server: what the Autobahn suite talks to.
//!
//! `cargo run --release --example echo -- --port N` prints `listening on 127.0.0.1:N` and serves until it is killed.

use argh::FromArgs;
use signal_fish_core::http::{Routes, Target};
use signal_fish_core::protocol::Protocol;
use signal_fish_server::{Config, Server};
use std::net::Ipv4Addr;

/// Messages of section 9 of the suite are up to 16 MiB.
const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

#[derive(FromArgs)]
/// Echoes WebSocket messages at /v2/ws.
struct Flags {
    /// port to listen on; 0 takes a free one
    #[argh(option, default = "0")]
    port: u16,
}

#[allow(clippy::print_stdout, reason = "the address is this program's output")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let flags: Flags = argh::from_env();
    let mut config = Config {
        bind: Ipv4Addr::LOCALHOST.into(),
        port: flags.port,
        ..Config::default()
    };
    config.shards.count = 1;
    config.security.max_connections_per_ip = 1_000;
    config.security.max_message_size = MESSAGE_BYTES_MAX;
    config.websocket.max_outbound_bytes = 4 * MESSAGE_BYTES_MAX;
    let routes = Routes::new(vec![("/v2/ws", Target::WebSocket(Protocol::Echo))]);
    let server = Server::builder(config).table(routes).start()?;
    println!("listening on {}", server.address());
    server.wait()?;
    Ok(())
}
