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
//! | `wire` | what is valid, and what the server says |
//! | `settings`, `counters` | what operators set, what is counted |
//!
//! Several nodes would share rooms: `Relay::deliver` is where a message of another node would be handed to the clients
//! here, and where one of theirs would be handed on.

mod counters;
mod entrance;
mod messages;
mod pools;
mod settings;
mod state;
pub mod wire;

pub use counters::{Counters, Gauges};
pub use entrance::Refusal;
pub use settings::Settings;
pub use state::Relay;
