//! The sans-IO core of signal-fish-server.
//!
//! **Nothing in this crate reads a clock, a socket or a source of randomness.** Time is an argument, random bytes come from
//! a generator that the caller injects, bytes come from and go to the [`Sockets`](transport::Sockets) that the caller
//! provides. The runtime, the simulator and the benches therefore drive the very same code: [`shard::Shard::turn`].
//!
//! Imports run one way: [`shard`] → [`protocol`] → [`entry`] → [`room`] → [`effects`] → [`admission`]; [`ws`], [`http`],
//! [`json`] and [`transport`] stand alone. Decisions that comments cite as `D26` stand in `docs/decisions.md`, sections cited as
//! `protocol 3.2` in `docs/protocol.md`.
#![forbid(unsafe_code)]

pub mod admission;
pub mod effects;
pub mod entry;
pub mod http;
pub mod json;
pub mod protocol;
pub mod room;
pub mod shard;
pub mod transport;
pub mod ws;

mod now;
mod slot;

pub use now::Now;
pub use slot::{ListenerIndex, ShardIndex, Slot};
