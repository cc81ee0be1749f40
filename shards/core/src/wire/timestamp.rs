use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::time::{Duration, SystemTime};

/// A moment as clients see it: UTC, RFC 3339 with `Z`, nine fraction digits (none when it falls on a whole second).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Timestamp(Duration);

impl Timestamp {
    /// From the time since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn from_unix(since_epoch: Duration) -> Self {
        Self(since_epoch)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match SystemTime::UNIX_EPOCH.checked_add(self.0) {
            Some(time) => humantime::format_rfc3339(time).fmt(f),
            None => Err(fmt::Error),
        }
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
        Ok(Self(since_epoch))
    }
}
