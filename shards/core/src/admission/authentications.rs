//! Authentications of one app in the last minute (D25).

use std::collections::VecDeque;
use std::time::Duration;

const MINUTE_MS: u128 = 60_000;

/// The log of a sliding minute.
///
/// Attempts are logged by millisecond, rounded up, so one counts for a minute and up to a millisecond; in return the log
/// holds at most 60,001 entries, whatever the limit.
#[derive(Debug, Default)]
pub(super) struct Authentications {
    log: VecDeque<Entry>,
    in_log: u32,
}

#[derive(Debug)]
struct Entry {
    at_ms: u128,
    count: u32,
}

impl Authentications {
    /// Counts one authentication, unless there were `max` in the last minute. `now` never goes back.
    pub(super) fn count(&mut self, now: Duration, max: u32) -> bool {
        self.sweep(now);
        if self.in_log >= max {
            return false;
        }
        let at_ms = now.as_nanos().div_ceil(1_000_000);
        match self.log.back_mut() {
            Some(last) if last.at_ms == at_ms => last.count += 1,
            _ => self.log.push_back(Entry { at_ms, count: 1 }),
        }
        self.in_log += 1;
        true
    }

    /// Forgets what is older than a minute.
    pub(super) fn sweep(&mut self, now: Duration) {
        let now_ms = now.as_millis();
        while let Some(first) = self.log.front()
            && now_ms.saturating_sub(first.at_ms) >= MINUTE_MS
        {
            self.in_log -= first.count;
            self.log.pop_front();
        }
        if self.log.is_empty() {
            self.log.shrink_to(0);
        }
    }

    /// Authentications in the log.
    pub(super) fn len(&self) -> usize {
        self.in_log as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_minute_slides() {
        let mut app = Authentications::default();
        assert!(app.count(Duration::ZERO, 2));
        assert!(app.count(30_000 * MS, 2));
        assert!(!app.count(59_999 * MS, 2));
        assert!(app.count(60_000 * MS, 2));
        assert!(!app.count(89_999 * MS, 2));
        assert!(app.count(90_000 * MS, 2));
    }

    #[test]
    fn rounding_never_lets_one_more_through() {
        let mut app = Authentications::default();
        assert!(app.count(Duration::from_nanos(900_000), 1));
        assert!(!app.count(60_000 * MS, 1));
        assert!(app.count(60_001 * MS, 1));
    }

    #[test]
    fn zero_refuses_everybody() {
        let mut app = Authentications::default();
        assert!(!app.count(Duration::MAX, 0));
        assert_eq!(app.len(), 0);
    }

    #[test]
    fn a_rush_takes_one_entry_per_millisecond() {
        let mut app = Authentications::default();
        for n in 0..300_000 {
            assert!(app.count(Duration::from_micros(n), u32::MAX));
        }
        assert_eq!(app.len(), 300_000);
        assert!(app.log.len() <= 301);
    }
}
