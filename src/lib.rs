//! The process around the shards: configuration, HTTP, the control plane, and the embedding API.
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

pub mod cli;
pub mod config;
pub mod control;
pub mod host;
pub mod http;
pub mod listener;
pub mod logging;
mod server;

pub use config::Config;
pub use server::{Server, ServerHandle, StartError};
