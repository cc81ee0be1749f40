//! Nanoseconds as integers.

use std::time::Duration;

/// The whole nanoseconds of a duration; five centuries of them fit.
pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The whole nanoseconds of a calculated time.
#[expect(
    clippy::cast_possible_truncation,
    reason = "whole nanoseconds are wanted; floats beyond u64 saturate"
)]
pub(crate) fn whole_ns(nanoseconds: f64) -> u64 {
    nanoseconds as u64
}
