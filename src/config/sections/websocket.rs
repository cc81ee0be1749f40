//! `websocket.*`: the connections themselves.

use crate::config::key::Kind::{Bool, Integer};
use crate::config::key::key;
use crate::config::section::{ENGINE, MIB, milliseconds, seconds, section};
use std::time::Duration;

section! {
    /// `websocket.*`.
    pub struct WebSocket {
        /// Whether a busy shard may hold messages back to send several at once.
        pub enable_batching: bool = key("websocket.enable_batching", Bool, true).weigh(
            "Alone, a message always leaves at once. Off: every message leaves in the turn that produced it, at the price of \
             more system calls under load.",
        );

        /// Messages waiting for one client after which they leave.
        pub batch_size: usize = key("websocket.batch_size", Integer(1, 65_536), 10).unit("messages");

        /// Longest wait of a message under load.
        #[serde(deserialize_with = "milliseconds", rename = "batch_interval_ms")]
        pub batch_interval: Duration = key("websocket.batch_interval_ms", Integer(1, 1000), 16)
            .unit("milliseconds")
            .weigh("Half a frame of a game is not noticed; 100 are.");

        /// Time to authenticate, where that is required.
        #[serde(deserialize_with = "seconds", rename = "auth_timeout_secs")]
        pub auth_timeout: Duration =
            key("websocket.auth_timeout_secs", Integer(5, 60), ENGINE.auth_timeout.as_secs())
                .unit("seconds")
                .weigh("High lets idle strangers hold connections.");

        /// Bytes that may wait for one client. Over it the client is too slow and is disconnected (1013).
        pub max_outbound_bytes: usize = key("websocket.max_outbound_bytes", Integer(1024, 1024 * MIB), 1_048_576)
            .unit("bytes")
            .weigh(
                "Bounds the memory that slow clients take: this much each at worst. Must hold the largest message, snapshot \
                 and replay together.",
            );
    }
}
