//! The loop of one shard.

mod mail;
mod moving;
mod report;

pub use mail::{Mail, Post, Request};
pub use moving::Moving;
pub use report::{Counters, Report};
