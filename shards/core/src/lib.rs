//! The sans-IO core of signal-fish-server.
//!
//! **Nothing in this crate reads a clock, a socket or a source of randomness.** Inputs are `(now, event)`, effects go to
//! a sink the caller provides, and random bytes come from a generator the caller injects. The runtime and the tests
//! therefore drive the very same code.
//!
//! Imports run one way: [`protocol`] → [`room`]; [`ws`], [`http`] and [`admission`] stand alone (the engine speaks
//! [`admission`]'s asks and verdicts).
#![forbid(unsafe_code)]

pub mod admission;
pub mod http;
pub mod protocol;
pub mod room;
pub mod ws;

mod now;

pub use now::Now;
