//! The time, as a shard is told it.

use std::time::Duration;

/// One reading of both clocks, taken by the caller once per turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Time since an arbitrary start; never goes back. Every deadline is computed from it.
    pub monotonic: Duration,
    /// Time since 1970-01-01T00:00:00Z; only ever shown to clients, never compared.
    pub unix: Duration,
}
