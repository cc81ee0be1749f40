//! The room relay: WebRTC peers meet in the room that the URL names, and everything that one of them sends goes to the
//! others as it came (protocol, chapter "Room relay").
//!
//! The URL names the room, so a connection moves to the shard of the room before its upgrade is answered. The answer is
//! written once it is decided whether the client enters: who reads it without a close frame behind it misses nothing.
//!
//! | file | what it is about |
//! |---|---|
//! | `entrance` | the checks on the way in, and their refusals |
//! | `state` | sessions and rooms of a shard; clients enter and leave |
//! | `messages` | what clients send: rates, schema, forwarding |
//! | `pools` | messages that are lent to the addresses of a shard |
//! | `shared` | rooms that other nodes share: seats, and messages of other nodes |
//! | `envelope` | what nodes publish |
//! | `wire` | what is valid, and what the server says |
//! | `settings`, `counters` | what operators set, what is counted |
//!
//! With `relay.redis_url` several nodes share the rooms. A client then needs a seat, which is asked for after everything
//! else; what it sends is published as well; what other nodes published comes as mail.

mod counters;
mod entrance;
pub mod envelope;
mod messages;
mod pools;
mod settings;
mod shared;
mod state;
pub mod wire;

pub use counters::{Counters, Gauges};
pub use entrance::Refusal;
pub use settings::Settings;
pub use shared::{Relayed, home_of};
pub use state::Relay;
