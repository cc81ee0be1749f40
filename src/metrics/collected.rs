//! Everything that is known of the server at one moment.

use super::process::Process;
use crate::cluster;
use signal_fish_core::admission;
use signal_fish_core::shard::{Figures, Latency};
use std::time::Duration;

/// What was collected from the shards, the control plane and the process.
#[derive(Debug, Clone, Default)]
pub struct Collected {
    /// Since the start of the server.
    pub uptime: Duration,
    /// Each shard, by index.
    pub shards: Vec<OfShard>,
    /// What admission holds and has refused.
    pub admission: admission::Totals,
    /// Whether the control plane answered in time. Otherwise its figures are those of an earlier time.
    pub admission_is_fresh: bool,
    /// What the system says of the process.
    pub process: Process,
    /// What is known of Redis, if it is needed.
    pub redis: Option<Box<cluster::Figures>>,
    /// Requests that the desk refused for want of the right token.
    pub denied: Denied,
    /// Seconds until the certificate of the server expires; nothing without TLS.
    pub certificate_seconds: Option<f64>,
    /// Lines that each destination of the log has lost.
    pub log_lines_lost: Vec<(&'static str, u64)>,
}

/// Requests without the right token, by what was asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Denied {
    /// Metrics.
    pub metrics: u64,
    /// Administration.
    pub admin: u64,
}

/// What is known of one shard.
#[derive(Debug, Clone, Default)]
pub struct OfShard {
    /// Its figures; nothing if it has never answered.
    pub figures: Option<Box<Figures>>,
    /// How old they are.
    pub age: Duration,
    /// Whether it answered in time. Otherwise its figures are those of an earlier time.
    pub is_fresh: bool,
    /// Mail that it had not taken when it was asked.
    pub mailbox_depth: usize,
}

impl Collected {
    /// A figure of all shards together.
    #[must_use]
    pub fn sum(&self, figure: impl Fn(&Figures) -> u64) -> u64 {
        self.figures().map(figure).sum()
    }

    /// What all shards measured together.
    #[must_use]
    pub fn latency(&self, of_shard: impl Fn(&Figures) -> &Latency) -> Latency {
        let mut all = Latency::default();
        for figures in self.figures() {
            all.add(of_shard(figures));
        }
        all
    }

    /// Whether every shard answered in time.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.shards.iter().all(|shard| shard.is_fresh)
    }

    fn figures(&self) -> impl Iterator<Item = &Figures> {
        self.shards.iter().filter_map(|shard| shard.figures.as_deref())
    }
}
