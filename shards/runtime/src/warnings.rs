//! What the log says about a shard: troubles that an operator can do something about, at most one line per kind and
//! minute.

use signal_fish_core::shard::Counters;
use std::time::Duration;

/// Shortest time between two lines of one kind.
const INTERVAL: Duration = Duration::from_secs(60);

/// The kinds, and what has been logged of them.
#[derive(Debug, Default)]
pub(crate) struct Warnings {
    moves_failed: Kind,
    accepts_exhausted: Kind,
    newcomers_refused: Kind,
}

#[derive(Debug, Default)]
struct Kind {
    /// What the last line covered.
    logged: u64,
    quiet_until: Duration,
}

impl Warnings {
    /// Logs what was counted since the last line of its kind.
    pub(crate) fn look_at(&mut self, now: Duration, counters: &Counters) {
        if let Some(times) = self.moves_failed.news(now, counters.moves_failed) {
            tracing::warn!(times, "a connection was closed: it could not move to its shard");
        }
        if let Some(times) = self.accepts_exhausted.news(now, counters.accepts_exhausted) {
            tracing::warn!(
                times,
                "a connection could not be accepted: no descriptor or memory is left; is the limit of open files too low?"
            );
        }
        if let Some(times) = self.newcomers_refused.news(now, counters.newcomers_refused) {
            tracing::warn!(times, "a connection was refused: its shard has no slot left");
        }
    }
}

impl Kind {
    /// How often it happened, if it is time for a line.
    fn news(&mut self, now: Duration, counted: u64) -> Option<u64> {
        if counted == self.logged || now < self.quiet_until {
            return None;
        }
        let times = counted.saturating_sub(self.logged);
        *self = Self {
            logged: counted,
            quiet_until: now.saturating_add(INTERVAL),
        };
        Some(times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_covers_everything_since_the_last_one() {
        let at = Duration::from_secs;
        let mut kind = Kind::default();
        assert_eq!(kind.news(at(1), 0), None);
        assert_eq!(kind.news(at(2), 3), Some(3));
        assert_eq!(kind.news(at(3), 4), None, "within a minute");
        assert_eq!(kind.news(at(61), 8), None);
        assert_eq!(kind.news(at(62), 8), Some(5));
        assert_eq!(kind.news(at(200), 8), None, "nothing new");
    }
}
