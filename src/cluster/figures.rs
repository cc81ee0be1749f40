//! What is counted and measured about Redis.

use signal_fish_core::shard::Latency;
use std::time::Duration;

/// An operation, by what it is called in metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Whether Redis answers, and which nodes live.
    Ping,
    /// A client enters.
    Enter,
    /// A client leaves.
    Leave,
    /// A message is published.
    Publish,
    /// A channel is subscribed to.
    Subscribe,
    /// Clients are registered again.
    Refresh,
    /// Clients of a dead node are removed.
    Bury,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Ping,
        Self::Enter,
        Self::Leave,
        Self::Publish,
        Self::Subscribe,
        Self::Refresh,
        Self::Bury,
    ];

    /// Its name in metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::Enter => "enter",
            Self::Leave => "leave",
            Self::Publish => "publish",
            Self::Subscribe => "subscribe",
            Self::Refresh => "refresh",
            Self::Bury => "bury",
        }
    }
}

/// What is known of Redis.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// Redis answers on both connections.
    pub up: bool,
    /// The breaker is open, or half open.
    pub breaker_open: bool,
    /// How often the breaker was opened.
    pub breaker_opened: u64,
    /// Messages that were not published.
    pub unpublished: u64,
    /// Messages of other nodes that are not valid, or too large.
    pub rejected: u64,
    /// Messages of other nodes that a shard did not take.
    pub undelivered: u64,
    /// Dead nodes whose clients were removed.
    pub buried: u64,
    /// Clients with a seat.
    pub seats: usize,
    /// How long operations took.
    pub(super) operations: [Latency; Operation::ALL.len()],
}

impl Figures {
    /// Whether newcomers are welcome.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.up && !self.breaker_open
    }

    /// How long operations of a kind took.
    #[must_use]
    pub fn took(&self, operation: Operation) -> &Latency {
        &self.operations[operation as usize]
    }

    pub(super) fn record(&mut self, operation: Operation, took: Duration) {
        self.operations[operation as usize].record(took, 1);
    }
}
