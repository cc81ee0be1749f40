//! `rate_limit.*`: how often one client address may try something.

use crate::config::key::Kind::Integer;
use crate::config::key::key;
use crate::config::section::{DAY_SECS, U32_MAX, seconds, section};
use std::time::Duration;

section! {
    /// `rate_limit.*`.
    pub struct RateLimit {
        /// Rooms that one client address may create per window.
        pub max_room_creations: u32 = key("rate_limit.max_room_creations", Integer(0, U32_MAX), 5)
            .unit("attempts")
            .weigh("0 allows none. Players behind one address share it.");

        /// Attempts to enter a room by its code per client address and window.
        pub max_join_attempts: u32 = key("rate_limit.max_join_attempts", Integer(0, U32_MAX), 20)
            .unit("attempts")
            .weigh("Slows the guessing of room codes. 0 allows none.");

        /// Length of the window in which attempts are counted.
        #[serde(deserialize_with = "seconds")]
        pub time_window: Duration = key("rate_limit.time_window", Integer(1, DAY_SECS), 60)
            .unit("seconds")
            .weigh("A client that was refused is told how long the window still lasts.");
    }
}
