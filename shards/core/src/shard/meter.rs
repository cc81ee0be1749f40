//! What is measured with the clock: turns, and how long clients wait.
//!
//! A shard is told the time twice per turn: at its beginning, and when it is over. A message that was read in a turn has
//! left the shard when the turn is over, so one record serves all messages of a turn.

use hdrhistogram::Histogram;
use std::time::Duration;

/// The longest time that is told apart, in microseconds: a minute.
pub const LATENCY_MICROS_MAX: u64 = 60_000_000;

/// How often something took how long. Times are known to the microsecond, or to 1 %, whichever is coarser.
#[derive(Debug, Clone)]
pub struct Latency {
    histogram: Histogram<u64>,
    /// Of everything that was recorded, in nanoseconds.
    sum: u64,
}

impl Default for Latency {
    fn default() -> Self {
        let histogram = Histogram::new_with_max(LATENCY_MICROS_MAX, 2).expect("constant bounds that fit together");
        Self { histogram, sum: 0 }
    }
}

impl Latency {
    /// Something took so long, so many times.
    pub fn record(&mut self, took: Duration, times: u64) {
        // 64 bits hold the nanoseconds of 584 years; the arithmetic of `Duration` divides.
        let nanos = took
            .as_secs()
            .saturating_mul(1_000_000_000)
            .saturating_add(u64::from(took.subsec_nanos()));
        self.histogram.saturating_record_n(nanos / 1_000, times);
        self.sum = self.sum.saturating_add(nanos.saturating_mul(times));
    }

    /// Adds what another one has recorded.
    pub fn add(&mut self, other: &Self) {
        // All of them have the same bounds.
        let _ = self.histogram.add(&other.histogram);
        self.sum = self.sum.saturating_add(other.sum);
    }

    /// What was recorded since `earlier`, which is an earlier state of this one.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut recent = self.clone();
        // Nothing was taken away in between, so this does not fail.
        let _ = recent.histogram.subtract(&earlier.histogram);
        recent.sum = self.sum.saturating_sub(earlier.sum);
        recent
    }

    /// How often.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// How often it took at most `limit`.
    #[must_use]
    pub fn count_up_to(&self, limit: Duration) -> u64 {
        let micros = u64::try_from(limit.as_micros()).unwrap_or(u64::MAX);
        self.histogram.count_between(0, micros.min(LATENCY_MICROS_MAX))
    }

    /// How long all of it took.
    #[must_use]
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum)
    }

    /// The time that the share `quantile` (0 to 1) of all stayed within; nothing if there is none.
    #[must_use]
    pub fn quantile(&self, quantile: f64) -> Option<Duration> {
        (!self.histogram.is_empty()).then(|| Duration::from_micros(self.histogram.value_at_quantile(quantile)))
    }

    /// The longest; nothing if there is none.
    #[must_use]
    pub fn max(&self) -> Option<Duration> {
        (!self.histogram.is_empty()).then(|| Duration::from_micros(self.histogram.max()))
    }
}

/// The measurements of one shard.
#[derive(Debug, Clone, Default)]
pub(super) struct Meter {
    /// From the beginning of a turn to its end.
    pub(super) turns: Latency,
    /// From the beginning of the turn that read a game data message to the end of the turn that sent it last.
    pub(super) relays: Latency,
    /// The same of the messages of the room relay.
    pub(super) fanouts: Latency,
    /// From the turn that read a JoinRoom to the end of the turn that sent its RoomJoined.
    pub(super) joins: Latency,
    /// Since when there are messages that were read and whose last send is still to come, and how many they are.
    unsent: Option<(Duration, Forwarded)>,
}

/// Messages that were read and are for others, by protocol.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Forwarded {
    /// Game data.
    pub(super) game_data: u64,
    /// Of the room relay.
    pub(super) of_relay: u64,
}

impl Meter {
    /// These messages were read in the turn that began then.
    #[inline(never)]
    pub(super) fn read(&mut self, began: Duration, read: Forwarded) {
        let (_, unsent) = self.unsent.get_or_insert((began, Forwarded::default()));
        unsent.game_data += read.game_data;
        unsent.of_relay += read.of_relay;
    }

    /// A turn is over. `sent_all`: nothing of what was produced is left to be sent.
    pub(super) fn turn_ended(&mut self, began: Duration, now: Duration, sent_all: bool) {
        self.turns.record(now.saturating_sub(began), 1);
        if sent_all && self.unsent.is_some() {
            self.all_sent(now);
        }
    }

    #[inline(never)]
    fn all_sent(&mut self, now: Duration) {
        let Some((since, unsent)) = self.unsent.take() else {
            return;
        };
        let took = now.saturating_sub(since);
        for (latency, count) in [
            (&mut self.relays, unsent.game_data),
            (&mut self.fanouts, unsent.of_relay),
        ] {
            if count > 0 {
                latency.record(took, count);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const NOW: Duration = Duration::ZERO;

    #[test]
    fn what_was_recorded_is_found_again() {
        let mut latency = Latency::default();
        assert_eq!((latency.count(), latency.quantile(0.5), latency.max()), (0, None, None));
        latency.record(2 * MS, 3);
        latency.record(70 * MS, 1);
        assert_eq!((latency.count(), latency.sum()), (4, 76 * MS));
        let counts = [1, 3, 69, 71].map(|limit| latency.count_up_to(limit * MS));
        assert_eq!(counts, [0, 3, 3, 4]);
        let half = latency.quantile(0.5).expect("there are some");
        assert!(half >= 2 * MS && half <= 2 * MS + MS / 50, "{half:?}");
        let earlier = latency.clone();
        latency.record(5 * MS, 2);
        let recent = latency.since(&earlier);
        assert_eq!(
            (recent.count(), recent.sum(), recent.count_up_to(4 * MS)),
            (2, 10 * MS, 0)
        );
        let longest = recent.max().expect("there are some");
        assert!(longest >= 5 * MS && longest < 6 * MS, "{longest:?}");
        let mut other = Latency::default();
        other.record(Duration::from_secs(3600), 1);
        latency.add(&other);
        assert_eq!(latency.count_up_to(Duration::from_secs(3600)), 7);
    }

    #[test]
    fn a_message_is_relayed_when_its_last_send_is_done() {
        let mut meter = Meter::default();
        let read = |game_data, of_relay| Forwarded { game_data, of_relay };
        meter.read(NOW, read(2, 0));
        meter.turn_ended(NOW, MS, false);
        meter.read(5 * MS, read(1, 4));
        meter.turn_ended(5 * MS, 6 * MS, false);
        assert_eq!((meter.relays.count(), meter.fanouts.count()), (0, 0));
        meter.turn_ended(9 * MS, 20 * MS, true);
        assert_eq!((meter.relays.count(), meter.relays.sum()), (3, 60 * MS));
        assert_eq!((meter.fanouts.count(), meter.fanouts.sum()), (4, 80 * MS));
        meter.turn_ended(30 * MS, 31 * MS, true);
        assert_eq!((meter.relays.count(), meter.turns.count()), (3, 4));
    }
}
