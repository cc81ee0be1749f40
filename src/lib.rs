//! The process around the shards: configuration, the table of paths, the control plane, and the embedding API.
//!
//! ```no_run
//! use signal_fish_server::{Config, Server};
//!
//! let server = Server::start(&Config::default())?;
//! println!("listening on {}", server.address());
//! server.shutdown()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod apps;
pub mod cli;
pub mod config;
pub mod control;
mod desk;
mod doors;
pub mod host;
pub mod logging;
pub mod metrics;
pub mod minute;
pub mod notify;
pub mod operator;
mod pages;
pub mod panics;
mod server;
mod site;
pub mod tls;
mod tokens;

pub use config::Config;
pub use server::{Server, ServerHandle, StartError};
