//! What the whole server counted: the counts of admission, and the latest report of each shard.

use signal_fish_core::admission;
use signal_fish_core::shard::Report;
use std::collections::BTreeMap;

/// What the whole server has counted, at most about a second old.
#[derive(Debug, Clone, Default)]
pub struct Totals {
    /// What admission holds and has refused.
    pub admission: admission::Totals,
    /// The latest report of each shard.
    pub shards: BTreeMap<u16, Report>,
}

impl Totals {
    pub(crate) fn record(&mut self, report: Report) {
        self.shards.insert(report.shard.0, report);
    }

    /// What all shards counted together, as `figure` reads it from each report.
    #[must_use]
    pub fn sum(&self, figure: impl Fn(&Report) -> u64) -> u64 {
        self.shards.values().map(figure).sum()
    }

    /// Connections in whatever phase.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shards.values().map(|report| report.connections).sum()
    }
}
