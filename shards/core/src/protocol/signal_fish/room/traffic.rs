//! How much is said in a room.

use std::time::Duration;

/// Shortest time over which a rate is taken.
const PERIOD: Duration = Duration::from_secs(5);

/// Messages of the members of one room.
#[derive(Debug, Clone, Copy)]
pub struct Traffic {
    messages: u64,
    /// When two periods began, and how many messages there had been: the last but one, and the last.
    marks: [(Duration, u64); 2],
}

impl Traffic {
    /// Nothing was said yet.
    #[must_use]
    pub fn new(now: Duration) -> Self {
        Self {
            messages: 0,
            marks: [(now, 0); 2],
        }
    }

    /// A member said something.
    pub fn count(&mut self, now: Duration) {
        let [_, last] = self.marks;
        if now.saturating_sub(last.0) >= PERIOD {
            self.marks = [last, (now, self.messages)];
        }
        self.messages += 1;
    }

    /// Messages in all.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// Messages per second since the beginning of the last but one period.
    #[must_use]
    pub fn per_sec(&self, now: Duration) -> f64 {
        let (since, before) = self.marks[0];
        let messages = u32::try_from(self.messages - before).unwrap_or(u32::MAX);
        let seconds = now.saturating_sub(since).as_secs_f64();
        if seconds > 0.0 {
            f64::from(messages) / seconds
        } else {
            0.0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_follows_what_is_said() {
        let at = Duration::from_millis;
        let mut traffic = Traffic::new(at(0));
        assert!(traffic.per_sec(at(0)).abs() < 1e-9);
        for tenth in 0..300 {
            traffic.count(at(tenth * 100));
        }
        assert_eq!(traffic.messages(), 300);
        let rate = traffic.per_sec(at(30_000));
        assert!((9.0..=11.0).contains(&rate), "{rate}");
        // After silence the rate falls, and one message is no burst.
        assert!(traffic.per_sec(at(90_000)) < 2.0);
        traffic.count(at(90_000));
        traffic.count(at(96_000));
        assert!(traffic.per_sec(at(97_000)) < 1.0);
    }
}
