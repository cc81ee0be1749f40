//! A program with the server inside: it counts what it observes, and shows that at a route of its own.
//!
//! ```text
//! cargo run --example embed
//! curl http://127.0.0.1:3536/rooms-so-far
//! ```

use argh::FromArgs;
use serde_json::json;
use signal_fish_server::embedding::{HttpRequest, HttpResponse, Seen};
use signal_fish_server::{Observation, Server};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The server inside a program.
#[derive(FromArgs)]
struct Flags {
    /// port to listen on; 0 takes any free one (default: 3536)
    #[argh(option, default = "3536")]
    port: u16,
}

#[allow(clippy::print_stdout, reason = "the address is this program's output")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let flags: Flags = argh::from_env();
    let opened = Arc::new(AtomicU64::new(0));
    let shown = Arc::clone(&opened);
    let server = Server::builder(json!({"bind": "127.0.0.1", "port": flags.port}))
        .observer(move |seen: Seen| {
            if let Observation::RoomOpened { .. } = seen.what {
                opened.fetch_add(1, Ordering::Relaxed);
            }
        })
        .route("/rooms-so-far", move |_: &HttpRequest| {
            HttpResponse::text(shown.load(Ordering::Relaxed).to_string())
        })
        .start()?;
    println!("listening on {}", server.address());
    server.wait()?;
    Ok(())
}
