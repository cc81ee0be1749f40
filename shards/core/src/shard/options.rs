//! What bounds a shard.

use crate::protocol::Protocol;
use crate::ws;
use std::time::Duration;

/// Bounds of a shard. Key paths are those of the configuration file.
#[derive(Debug, Clone)]
pub struct Options {
    /// Bounds of the codec.
    pub codec: ws::Limits,
    /// `websocket.max_outbound_bytes`: unsent bytes of one connection (D26).
    pub outbound_bytes_max: usize,
    /// This shard's share of `websocket.max_outbound_total_bytes`: memory of the outboxes of all its connections (D26).
    pub outbound_total_bytes_max: usize,
    /// `websocket.max_messages_per_sec`: messages that one connection may send in a second; 0 = no limit (D42).
    pub messages_per_sec_max: u32,
    /// `websocket.max_fanout_bytes_per_sec`: bytes that the messages of one connection may put into outboxes in a second;
    /// 0 = no limit (D42).
    pub fanout_bytes_per_sec_max: u64,
    /// `websocket.enable_batching`: what a turn produces leaves with one send per recipient; otherwise each message is sent
    /// by itself (D28).
    pub batching: bool,
    /// Time for an HTTP head (D39).
    pub head_timeout: Duration,
    /// Time that a kept-alive HTTP connection may be idle (D39).
    pub keep_alive_timeout: Duration,
    /// `websocket.message_timeout_secs`: time from the first byte of a message to its last (D24).
    pub message_timeout: Duration,
    /// `server.ping_timeout`: a client that is silent for so long is closed (D24).
    pub ping_timeout: Duration,
    /// `server.drain_timeout_secs` (D35).
    pub drain_timeout: Duration,
    /// Connections without a ticket: half of them refused ones that are told why, half of them idle ones that are kept alive
    /// (D43).
    pub ticketless_max: usize,
    /// Connections of one shard, in whatever phase.
    pub slots_max: usize,
    /// What is different for clients of the room relay.
    pub relay: RelayOptions,
}

/// Bounds of connections to the room relay.
#[derive(Debug, Clone, Copy)]
pub struct RelayOptions {
    /// `relay.message_max_bytes`.
    pub message_bytes_max: usize,
    /// `relay.backpressure_close_bytes`.
    pub outbound_bytes_max: usize,
    /// Two of `relay.heartbeat_interval_ms`: a client that is silent for so long is closed.
    pub silence_max: Duration,
    /// `relay.drain_timeout_ms`.
    pub drain_timeout: Duration,
}

impl Default for RelayOptions {
    /// The documented defaults.
    fn default() -> Self {
        Self {
            message_bytes_max: 65_536,
            outbound_bytes_max: 1024 * 1024,
            silence_max: Duration::from_secs(60),
            drain_timeout: Duration::from_secs(5),
        }
    }
}

/// What connections of a protocol are held to, and in which words they are closed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manners {
    pub(super) codec: ws::Limits,
    pub(super) outbound_bytes_max: usize,
    pub(super) silence_max: Duration,
    pub(super) drain_timeout: Duration,
    pub(super) silent: &'static str,
    pub(super) slow: &'static str,
    pub(super) draining: &'static str,
}

impl Options {
    /// What connections of this protocol are held to.
    pub(super) fn manners(&self, protocol: Protocol) -> Manners {
        match protocol {
            Protocol::SignalFish | Protocol::Echo | Protocol::Matchbox => Manners {
                codec: self.codec,
                outbound_bytes_max: self.outbound_bytes_max,
                silence_max: self.ping_timeout,
                drain_timeout: self.drain_timeout,
                silent: "ping timeout",
                slow: "too slow: the outbound buffer is full",
                draining: "server is shutting down",
            },
            Protocol::Relay => Manners {
                codec: ws::Limits {
                    message_bytes_max: self.relay.message_bytes_max,
                    ..self.codec
                },
                outbound_bytes_max: self.relay.outbound_bytes_max,
                silence_max: self.relay.silence_max,
                drain_timeout: self.relay.drain_timeout.min(self.drain_timeout),
                silent: "Heartbeat timeout",
                slow: "Server overloaded",
                draining: "Going away",
            },
        }
    }
}

impl Default for Options {
    /// The documented defaults, for a thousand connections.
    fn default() -> Self {
        Self {
            codec: ws::Limits {
                message_bytes_max: 65_536,
                discard_bytes_max: 16 * 1024 * 1024,
            },
            outbound_bytes_max: 1024 * 1024,
            outbound_total_bytes_max: 1024 * 1024 * 1024,
            messages_per_sec_max: 2_000,
            fanout_bytes_per_sec_max: 32 * 1024 * 1024,
            batching: true,
            head_timeout: Duration::from_secs(10),
            keep_alive_timeout: Duration::from_secs(30),
            message_timeout: Duration::from_secs(30),
            ping_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(5),
            ticketless_max: 128,
            slots_max: 1024,
            relay: RelayOptions::default(),
        }
    }
}
