//! The id of a node.

use rand::Rng;
use std::time::{SystemTime, UNIX_EPOCH};

/// An id for this node.
pub(crate) fn new_id(random: &mut impl Rng) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("srv:{}:{:016x}", now.as_millis(), random.next_u64())
}
