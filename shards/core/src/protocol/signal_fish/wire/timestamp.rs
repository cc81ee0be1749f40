//! Moments.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::time::{Duration, SystemTime};

/// A moment as clients see it: UTC, RFC 3339 with `Z` and as many fraction digits as it needs of 0, 3, 6 and 9.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Timestamp(Duration);

/// The last moment that four digits of a year can tell.
const LAST: Duration = Duration::new(253_402_300_799, 999_999_999);

impl Timestamp {
    /// From the time since 1970-01-01T00:00:00Z. Everything after the year 9999 is its last nanosecond.
    #[must_use]
    pub fn from_unix(since_epoch: Duration) -> Self {
        Self(since_epoch.min(LAST))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = SystemTime::UNIX_EPOCH.checked_add(self.0).ok_or(fmt::Error)?;
        match self.0.subsec_nanos() {
            0 => humantime::format_rfc3339_seconds(time),
            nanos if nanos % 1_000_000 == 0 => humantime::format_rfc3339_millis(time),
            nanos if nanos % 1_000 == 0 => humantime::format_rfc3339_micros(time),
            _ => humantime::format_rfc3339_nanos(time),
        }
        .fmt(f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        let time = humantime::parse_rfc3339(&text).map_err(de::Error::custom)?;
        let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH).map_err(de::Error::custom)?;
        Ok(Self::from_unix(since_epoch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_with_the_digits_it_needs_and_reads_back() {
        for (seconds, nanos, text) in [
            (0, 0, "1970-01-01T00:00:00Z"),
            (1_700_000_000, 0, "2023-11-14T22:13:20Z"),
            (1_700_000_000, 120_000_000, "2023-11-14T22:13:20.120Z"),
            (1_700_000_000, 120_340_000, "2023-11-14T22:13:20.120340Z"),
            (1_700_000_000, 120_340_560, "2023-11-14T22:13:20.120340560Z"),
            (951_782_400, 1, "2000-02-29T00:00:00.000000001Z"),
            (253_402_300_799, 999_999_999, "9999-12-31T23:59:59.999999999Z"),
        ] {
            let moment = Timestamp::from_unix(Duration::new(seconds, nanos));
            let json = serde_json::to_string(&moment).expect("writes");
            assert_eq!(json, format!("\"{text}\""));
            assert_eq!(serde_json::from_str::<Timestamp>(&json).expect("reads"), moment);
        }
    }

    #[test]
    fn a_clock_beyond_the_year_9999_still_writes() {
        let moment = Timestamp::from_unix(Duration::MAX);
        assert_eq!(moment.to_string(), "9999-12-31T23:59:59.999999999Z");
    }
}
