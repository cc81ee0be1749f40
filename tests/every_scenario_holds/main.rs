//! The conformance scenarios of the protocol (docs/protocol.md), as docs/decisions.md settles them. Each function carries
//! the number of its scenario; `tests/scenarios.md` lists all of them and `list.rs` checks that list.

#[path = "../harness/mod.rs"]
mod harness;

mod auth;
mod authority;
mod bad_input;
mod configuration;
mod connect;
mod game_data;
mod http;
mod limits;
mod list;
mod lobby;
mod reconnection;
mod rooms;
mod spectators;

use harness::Server;
use serde_json::json;
use std::sync::{Arc, Mutex, Weak};

/// The server with documented defaults that most scenarios share; each uses a game name of its own.
fn server() -> Arc<Server> {
    static PLACE: harness::server::Shared = Mutex::new(Weak::new());
    Server::shared(&PLACE, json!({}))
}
