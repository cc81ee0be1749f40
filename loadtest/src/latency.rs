//! Latencies over a run: one histogram of all, one per interval of time.

use hdrhistogram::Histogram;

/// Intervals a run is cut into at most.
const INTERVALS_MAX: u64 = 300;

/// Latencies of one kind, such as "delivery".
#[derive(Debug, Clone)]
pub struct Latency {
    /// What is measured.
    pub name: &'static str,
    /// Length of an interval in nanoseconds.
    pub interval_ns: u64,
    total: Histogram<u64>,
    intervals: Vec<Histogram<u64>>,
}

impl Latency {
    /// Nothing measured yet; `duration_ns` is how long the run will take and sets the length of the intervals.
    #[must_use]
    pub fn new(name: &'static str, duration_ns: u64) -> Self {
        let seconds = duration_ns.div_ceil(1_000_000_000).div_ceil(INTERVALS_MAX).max(1);
        Self {
            name,
            interval_ns: seconds * 1_000_000_000,
            total: histogram(3),
            intervals: Vec::new(),
        }
    }

    /// Records `latency_ns`, seen `at_ns` after the run's start.
    pub fn record(&mut self, at_ns: u64, latency_ns: u64) {
        let microseconds = (latency_ns / 1_000).max(1);
        record(&mut self.total, microseconds);
        let index = (at_ns / self.interval_ns).min(2 * INTERVALS_MAX);
        // The bound just above fits every usize.
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        while self.intervals.len() <= index {
            self.intervals.push(histogram(2));
        }
        record(&mut self.intervals[index], microseconds);
    }

    /// Adds the measurements of `other`, which has intervals of the same length.
    pub fn add(&mut self, other: &Self) {
        add(&mut self.total, &other.total);
        for (index, interval) in other.intervals.iter().enumerate() {
            if self.intervals.len() <= index {
                self.intervals.push(histogram(2));
            }
            add(&mut self.intervals[index], interval);
        }
    }

    /// All latencies, in microseconds.
    #[must_use]
    pub fn total(&self) -> &Histogram<u64> {
        &self.total
    }

    /// Latencies by interval, in microseconds.
    #[must_use]
    pub fn intervals(&self) -> &[Histogram<u64>] {
        &self.intervals
    }
}

fn histogram(digits: u8) -> Histogram<u64> {
    // These bounds with 2 or 3 digits are within what the crate accepts.
    let mut histogram = Histogram::new_with_bounds(1, 1_000, digits).expect("constant bounds are valid");
    histogram.auto(true);
    histogram
}

fn add(to: &mut Histogram<u64>, from: &Histogram<u64>) {
    // Both resize themselves, so adding cannot overflow.
    let added = to.add(from);
    debug_assert!(added.is_ok());
}

fn record(to: &mut Histogram<u64>, microseconds: u64) {
    // It resizes itself, so every value fits.
    let recorded = to.record(microseconds);
    debug_assert!(recorded.is_ok());
}
