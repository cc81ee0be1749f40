//! Signal Fish, version 2: sessions, rooms, and the rules between them.
//!
//! What happens with …
//! * a message: `receive`, then the file of its topic; a signed one: `binding` first;
//! * a verdict: `verdict`, also for what fails;
//! * a connection that comes, ends, moves: `connect`, `moving`;
//! * a room about to be opened: `open`;
//! * time: `sweep`;
//! * what an operator wants: `operate`.
//!
//! A session that waits has its [`pending`](session::Session) set, and nothing else says so. It waits for one verdict, for
//! the opening that it is queued in, or for the end of its move. When admission gives leave and the room belongs to another
//! shard, the session travels with its wish, and goes on with it there.

mod authenticate;
mod authority;
mod binding;
mod connect;
mod counters;
mod dialect;
mod draw;
mod failure;
mod join;
mod journal;
mod leave;
mod lobby;
mod moving;
mod open;
mod operate;
mod pending;
mod receive;
mod reconnect;
mod records;
mod relay;
pub mod room;
mod session;
mod sessions;
mod settings;
mod spectate;
mod state;
mod sweep;
mod tell;
#[cfg(test)]
mod tests;
mod verdict;
pub mod wire;

pub use counters::{Counters, Gauges};
pub use dialect::{JSON, MESSAGE_PACK};
pub use records::{RECORD_BYTES, RECORDS_INFO_BYTES_MAX, RECORDS_MAX};
pub use session::Session;
pub use settings::{App, SdkCompatibility, Settings};
pub use state::SignalFish;
