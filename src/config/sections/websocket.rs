//! `websocket.*`: the connections themselves.

use crate::config::key::Kind::{Bool, Integer};
use crate::config::key::key;
use crate::config::section::{MIB, SHARD, SIGNAL_FISH, U32_MAX, milliseconds, seconds, section};
use std::time::Duration;

section! {
    /// `websocket.*`.
    pub struct WebSocket {
        /// Whether the messages that one pass of a shard produces for a client leave in one send, at the end of the pass.
        pub enable_batching: bool = key("websocket.enable_batching", Bool, SHARD.batching).weigh(
            "No message waits for later ones. The busier a shard is, the longer its passes are and the more messages share a \
             send. Off: each message is sent by itself at the end of the pass; this is for measuring and costs a system call \
             per message.",
        );

        /// Upper bound of the messages that wait for one client from one pass to the next.
        pub batch_size: usize = key("websocket.batch_size", Integer(1, 65_536), 10)
            .unit("messages")
            .weigh("Never reached: what a pass produces leaves at its end.");

        /// Upper bound of the time that a message waits for others.
        #[serde(deserialize_with = "milliseconds", rename = "batch_interval_ms")]
        pub batch_interval: Duration = key("websocket.batch_interval_ms", Integer(1, 1000), 16)
            .unit("milliseconds")
            .weigh("Never reached: no message waits beyond the end of a pass.");

        /// Time to authenticate, where that is required.
        #[serde(deserialize_with = "seconds", rename = "auth_timeout_secs")]
        pub auth_timeout: Duration =
            key("websocket.auth_timeout_secs", Integer(5, 60), SIGNAL_FISH.auth_timeout.as_secs())
                .unit("seconds")
                .weigh("High lets idle strangers hold connections.");

        /// Time in which a message must be complete, from its first byte on.
        #[serde(deserialize_with = "seconds", rename = "message_timeout_secs")]
        pub message_timeout: Duration = key("websocket.message_timeout_secs", Integer(1, 3600), SHARD.message_timeout.as_secs())
            .unit("seconds")
            .weigh(
                "Over it the client gets an error and is disconnected (1008). Low turns away clients on slow networks; high \
                 lets clients hold memory with messages that never end.",
            );

        /// Bytes that may wait for one client. Over it the client is too slow and is disconnected (1013).
        pub max_outbound_bytes: usize = key("websocket.max_outbound_bytes", Integer(1024, 1024 * MIB), SHARD.outbound_bytes_max)
            .unit("bytes")
            .weigh(
                "Bounds the memory that slow clients take: this much each at worst. One message always fits, whatever its size.",
            );

        /// Bytes of memory for what waits for all clients together, in equal shares for the shards. 0: a quarter of the memory
        /// that the process may use.
        pub max_outbound_total_bytes: usize = key("websocket.max_outbound_total_bytes", Integer(0, 1024 * 1024 * MIB), 0)
            .unit("bytes")
            .weigh("Over it the clients with the most waiting bytes are disconnected (1013) if they take none.");

        /// Messages that one client may send in a second; it may save up as many. 0: no limit.
        pub max_messages_per_sec: u32 = key("websocket.max_messages_per_sec", Integer(0, U32_MAX), SHARD.messages_per_sec_max)
            .unit("messages")
            .weigh("Who sends more is read more slowly; nothing is lost and nobody gets an error.");

        /// Bytes that the messages of one client may cause for others in a second. 0: no limit.
        pub max_fanout_bytes_per_sec: u64 =
            key("websocket.max_fanout_bytes_per_sec", Integer(0, 1024 * 1024 * MIB), SHARD.fanout_bytes_per_sec_max)
                .unit("bytes")
                .weigh("Who causes more is read more slowly. To any one recipient it is 4 MiB at most.");
    }
}
