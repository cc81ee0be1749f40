//! The way into a room: which shard owns it, what a verdict of admission means, and who waits while a room is opened.

pub mod grant;
mod openings;
mod routing;

pub use grant::Denied;
pub use openings::Openings;
pub use routing::{Routing, draw_hashing};
