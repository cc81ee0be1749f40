//! The process around the shards: configuration, the table of paths, the control plane, and the embedding API.
//!
//! ```no_run
//! use serde_json::json;
//! use signal_fish_server::Server;
//!
//! let server = Server::builder(json!({"bind": "127.0.0.1", "port": 0})).start()?;
//! println!("listening on {}", server.address());
//! server.shutdown()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **It needs Linux with io_uring**: kernel 5.8 or later, 512 KiB of locked memory and 200 KiB more per shard, and no seccomp
//! profile that forbids io_uring. The start fails where a ring cannot be made. With `panic = "abort"`, as the release profile
//! of this package sets it, a panic of the embedding program's observer or routes ends the process.
//!
//! Features, both on by default: `cli` is the program (command line, signals, log, notes to a service manager); `tls` is TLS in
//! the process. With neither the library installs no handler and no subscriber. `docs/embedding.md` is the guide.
#![forbid(unsafe_code)]

mod apps;
mod builder;
#[cfg(feature = "cli")]
pub mod cli;
pub mod cluster;
pub mod config;
pub mod control;
mod desk;
mod directory;
mod doors;
pub mod embedding;
mod handle;
pub mod host;
#[cfg(feature = "cli")]
pub mod logging;
pub mod metrics;
#[cfg(feature = "cli")]
pub mod minute;
#[cfg(feature = "cli")]
pub mod notify;
#[cfg(feature = "cli")]
pub mod operator;
mod pages;
#[cfg(feature = "cli")]
pub mod panics;
mod server;
mod site;
pub mod tls;
mod tokens;

pub use builder::{Builder, Given};
pub use config::Config;
pub use handle::ServerHandle;
pub use server::{Server, StartError};
pub use signal_fish_core::protocol::signal_fish::Observation;
pub use signal_fish_core::room::{MemberId, RoomId, RoomOverview, RoomQuery};

// What the documents show in Rust is compiled with the examples of this crate.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../docs/clients.md")]
    struct Clients;
    #[doc = include_str!("../docs/embedding.md")]
    struct Embedding;
}
