use signal_fish_core::protocol::signal_fish::Slot;
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
    /// Share of the time that this shard was at work lately, 0 to 1.
    load: f64,
}

/// A shard that works no more than this share of the time has no window; one that works all the time has the longest.
const CALM: f64 = 0.6;
/// Weight of the newest measurement in the load.
const NEWEST: f64 = 0.3;
/// Shortest window: less saves no system calls.
const WINDOW_MIN: Duration = Duration::from_millis(1);
/// Pauses within a window.
const PAUSES_PER_WINDOW: u32 = 2;
/// Longest pause.
const PAUSE_MAX: Duration = Duration::from_millis(2);

impl Batches {
    pub(crate) fn wait(&mut self, slot: Slot, now: Duration) {
        self.waiting.push_back(slot);
        self.release_at.get_or_insert(now.saturating_add(self.window));
    }

    pub(crate) fn release(&mut self) {
        self.release_at = None;
        self.due.append(&mut self.waiting);
    }

    /// Sets the window by the load; `busy` is the share of the time at work since the last call, 0 to 1.
    ///
    /// The window lowers the load that it follows, so the two settle where the window is just long enough.
    pub(crate) fn adapt(&mut self, busy: f64, window_max: Duration) {
        self.load += (busy - self.load) * NEWEST;
        let over = ((self.load - CALM) / (1.0 - CALM)).clamp(0.0, 1.0);
        let window = window_max.mul_f64(over);
        self.window = if window < WINDOW_MIN { Duration::ZERO } else { window };
    }

    /// How long the shard may look at nothing before its next turn. What arrives meanwhile, on however many sockets, then
    /// costs one turn; without it a busy shard wakes up for single messages.
    pub(crate) fn pause(&self, now: Duration) -> Duration {
        let pause = (self.window / PAUSES_PER_WINDOW).min(PAUSE_MAX);
        self.release_at.map_or(pause, |at| pause.min(at.saturating_sub(now)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: Duration = Duration::from_millis(16);

    fn after(batches: &mut Batches, busy: f64) -> Duration {
        for _ in 0..50 {
            batches.adapt(busy, MAX);
        }
        batches.window
    }

    #[test]
    fn the_window_follows_the_load() {
        let mut batches = Batches::default();
        assert_eq!(after(&mut batches, 0.5), Duration::ZERO);
        let half = after(&mut batches, 0.8);
        assert!(half.abs_diff(MAX / 2) < Duration::from_micros(10), "{half:?}");
        assert!(after(&mut batches, 1.0).abs_diff(MAX) < Duration::from_micros(10));
        assert_eq!(
            after(&mut batches, 0.62),
            Duration::ZERO,
            "less than a millisecond saves nothing"
        );
    }

    #[test]
    fn one_busy_moment_opens_no_window() {
        let mut batches = Batches::default();
        after(&mut batches, 0.3);
        batches.adapt(1.0, MAX);
        assert_eq!(batches.window, Duration::ZERO);
    }

    #[test]
    fn a_pause_is_a_part_of_the_window_and_ends_with_it() {
        let at = Duration::from_millis;
        let mut batches = Batches::default();
        assert_eq!(batches.pause(at(0)), Duration::ZERO);
        batches.window = at(3);
        assert_eq!(batches.pause(at(0)), at(3) / 2);
        batches.window = at(100);
        assert_eq!(batches.pause(at(0)), PAUSE_MAX);
        batches.release_at = Some(at(11));
        assert_eq!(batches.pause(at(10)), at(1));
        assert_eq!(batches.pause(at(12)), Duration::ZERO);
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
