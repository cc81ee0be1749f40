//! Matchbox: WebRTC peers meet in the room that the URL names and signal to each other until they are connected
//! (protocol, chapter "Matchbox").
//!
//! A peer is a member from the moment its WebSocket is open. The URL names its room, so its connection moves to the shard
//! of the room before the upgrade is answered, and never afterwards. No question is put to admission but the one for the
//! ticket, so a session never waits.
//!
//! | file | what it is about |
//! |---|---|
//! | `state` | peers and rooms of a shard; peers enter and leave |
//! | `signal` | what peers send |
//! | `wire` | every message as bytes |
//! | `settings`, `counters` | what operators set, what is counted |

mod counters;
mod settings;
mod signal;
mod state;
pub mod wire;

pub use counters::{Counters, Gauges};
pub use settings::{Settings, Topology};
pub use state::Matchbox;
