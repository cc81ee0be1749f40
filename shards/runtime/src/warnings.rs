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
    use std::fmt::{self, Write};
    use std::sync::{Arc, Mutex};
    use tracing::field::Field;
    use tracing::{Metadata, span};

    /// Keeps the lines that are logged.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<String>>>);

    impl tracing::Subscriber for Lines {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
            span::Id::from_u64(1)
        }

        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

        fn event(&self, event: &tracing::Event<'_>) {
            let mut line = event.metadata().level().to_string();
            event.record(&mut |field: &Field, value: &dyn fmt::Debug| {
                let _ = write!(line, " {field}={value:?}");
            });
            self.0.lock().unwrap().push(line);
        }

        fn enter(&self, _: &span::Id) {}

        fn exit(&self, _: &span::Id) {}
    }

    #[test]
    fn every_kind_has_its_line() {
        let counted = |moves_failed, accepts_exhausted, newcomers_refused| Counters {
            moves_failed,
            accepts_exhausted,
            newcomers_refused,
            ..Counters::default()
        };
        for (counters, text) in [
            (counted(3, 0, 0), "could not move"),
            (counted(0, 3, 0), "could not be accepted"),
            (counted(0, 0, 3), "has no slot left"),
        ] {
            let lines = Lines::default();
            tracing::subscriber::with_default(lines.clone(), || {
                let mut warnings = Warnings::default();
                for second in 1..59 {
                    warnings.look_at(Duration::from_secs(second), &counters);
                }
            });
            let lines = lines.0.lock().unwrap();
            let [line] = &lines[..] else { panic!("{lines:?}") };
            assert!(
                line.starts_with("WARN") && line.contains(text) && line.contains("times=3"),
                "{line}"
            );
        }
    }

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
