//! The clocks of the process.

use signal_fish_core::Now;
use std::time::{Duration, Instant, SystemTime};

/// Both clocks of the process; every shard reads the same start, so that a moving session keeps its deadlines.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    pub(crate) fn new(start: Instant) -> Self {
        Self { start }
    }

    pub(crate) fn read(&self) -> Now {
        Now {
            monotonic: self.monotonic(),
            // A clock before 1970 shows as 1970: timestamps are only ever displayed.
            unix: SystemTime::now()
                .duration_since(SystemTime::UNIX_EPOCH)
                .unwrap_or_default(),
        }
    }

    pub(crate) fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}
