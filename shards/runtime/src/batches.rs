use signal_fish_core::engine::Slot;
use std::collections::VecDeque;
use std::time::Duration;

/// Output that is on its way to the sockets: what leaves now, and what a busy shard keeps back for a while (D28).
#[derive(Debug, Default)]
pub(crate) struct Batches {
    /// Sent next, in this order.
    pub(crate) due: VecDeque<Slot>,
    /// Kept back until [`Self::release_at`].
    pub(crate) waiting: VecDeque<Slot>,
    pub(crate) release_at: Option<Duration>,
    /// How long output is kept back now; zero while the shard has time to spare.
    pub(crate) window: Duration,
}

/// A shard that works more than this share of the time has a window.
const BUSY: f64 = 0.9;
/// One that works less than this share needs it less.
const CALM: f64 = 0.7;
/// Shortest window: less saves no system calls.
const WINDOW_MIN: Duration = Duration::from_millis(1);

impl Batches {
    pub(crate) fn wait(&mut self, slot: Slot, now: Duration) {
        self.waiting.push_back(slot);
        self.release_at.get_or_insert(now.saturating_add(self.window));
    }

    pub(crate) fn release(&mut self) {
        self.release_at = None;
        self.due.append(&mut self.waiting);
    }

    /// Widens the window of a busy shard, narrows that of a calm one; `busy` is the share of time at work, 0 to 1.
    pub(crate) fn adapt(&mut self, busy: f64, window_max: Duration) {
        if busy > BUSY {
            self.window = self.window.max(WINDOW_MIN).saturating_mul(2).min(window_max);
        } else if busy < CALM {
            self.window /= 2;
            if self.window < WINDOW_MIN {
                self.window = Duration::ZERO;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: Duration = Duration::from_millis(16);

    #[test]
    fn the_window_follows_the_load() {
        let mut batches = Batches::default();
        batches.adapt(0.5, MAX);
        assert_eq!(batches.window, Duration::ZERO);
        for _ in 0..10 {
            batches.adapt(0.95, MAX);
        }
        assert_eq!(batches.window, MAX);
        batches.adapt(0.8, MAX);
        assert_eq!(batches.window, MAX, "between the two bounds it stays");
        for _ in 0..10 {
            batches.adapt(0.3, MAX);
        }
        assert_eq!(batches.window, Duration::ZERO);
    }

    #[test]
    fn what_waits_is_released_in_order_and_together() {
        let slot = |index| Slot { index, generation: 0 };
        let mut batches = Batches {
            window: MAX,
            ..Batches::default()
        };
        batches.wait(slot(1), Duration::from_millis(100));
        batches.wait(slot(2), Duration::from_millis(110));
        assert_eq!(batches.release_at, Some(Duration::from_millis(116)));
        batches.release();
        assert_eq!(batches.due, [slot(1), slot(2)]);
        assert_eq!(batches.release_at, None);
    }
}
