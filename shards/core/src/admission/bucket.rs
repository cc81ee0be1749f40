//! A token bucket that is one number: until when what was taken is paid back.

use std::time::Duration;

/// How many tokens a bucket holds, and how fast it fills again. 0 tokens: no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Tokens of a full bucket.
    pub tokens: u32,
    /// Time in which an empty bucket fills.
    pub period: Duration,
}

/// A bucket, full at first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bucket {
    /// When it is full again, in nanoseconds of monotonic time.
    full_at: u64,
}

impl Rate {
    /// So many in ten seconds.
    #[must_use]
    pub fn per_10s(tokens: u32) -> Self {
        Self {
            tokens,
            period: Duration::from_secs(10),
        }
    }

    /// Whether it limits anything.
    #[must_use]
    pub fn is_limit(&self) -> bool {
        self.tokens > 0
    }

    /// Time in which one token comes back, in nanoseconds; at least 1, which is faster than anybody sends.
    fn token(&self) -> u64 {
        nanos(self.period)
            .checked_div(u64::from(self.tokens))
            .unwrap_or(0)
            .max(1)
    }
}

impl Bucket {
    /// Takes a token, if there is one.
    pub fn take(&mut self, rate: &Rate, now: Duration) -> bool {
        !rate.is_limit() || self.take_up_to(1, rate, now) == 1
    }

    /// Takes so many tokens, or as many as there are. Returns how many.
    pub fn take_up_to(&mut self, wanted: u32, rate: &Rate, now: Duration) -> u32 {
        let taken = wanted.min(self.tokens(rate, now));
        self.full_at = self
            .full_at
            .max(nanos(now))
            .saturating_add(u64::from(taken) * rate.token());
        taken
    }

    /// Tokens that are there.
    #[must_use]
    pub fn tokens(&self, rate: &Rate, now: Duration) -> u32 {
        let missing = self.full_at.saturating_sub(nanos(now)).div_ceil(rate.token());
        rate.tokens.saturating_sub(u32::try_from(missing).unwrap_or(u32::MAX))
    }

    /// Puts tokens back.
    pub fn put_back(&mut self, tokens: u32, rate: &Rate) {
        self.full_at = self.full_at.saturating_sub(u64::from(tokens) * rate.token());
    }

    /// Lets the bucket hold so many tokens less than it could, from `now` on.
    pub fn cap(&mut self, less: u32, rate: &Rate, now: Duration) {
        let capped = nanos(now).saturating_add(u64::from(less) * rate.token());
        self.full_at = self.full_at.max(capped);
    }

    /// When it holds a token.
    #[must_use]
    pub fn token_at(&self, rate: &Rate) -> Duration {
        let before_full = u64::from(rate.tokens.saturating_sub(1)) * rate.token();
        Duration::from_nanos(self.full_at.saturating_sub(before_full))
    }

    /// Whether it is full.
    #[must_use]
    pub fn is_full(&self, now: Duration) -> bool {
        self.full_at <= nanos(now)
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn taken(bucket: &mut Bucket, rate: &Rate, now: Duration) -> u32 {
        (0..1_000_000).find(|_| !bucket.take(rate, now)).unwrap_or(1_000_000)
    }

    #[test]
    fn a_bucket_holds_its_limit_and_fills_again_all_the_time() {
        for tokens in [1, 3, 5, 7, 100, 500, 999] {
            let rate = Rate::per_10s(tokens);
            let mut bucket = Bucket::default();
            assert_eq!(taken(&mut bucket, &rate, HOUR), tokens);
            let at = bucket.token_at(&rate);
            assert!(at > HOUR && !bucket.take(&rate, at - Duration::from_nanos(1)));
            assert!(bucket.take(&rate, at));
            assert_eq!(taken(&mut bucket, &rate, HOUR + Duration::from_secs(10)), tokens - 1);
            assert_eq!(taken(&mut bucket, &rate, 2 * HOUR), tokens, "never more than its limit");
        }
    }

    #[test]
    fn zero_is_no_limit() {
        assert_eq!(taken(&mut Bucket::default(), &Rate::per_10s(0), HOUR), 1_000_000);
    }

    #[test]
    fn what_is_put_back_can_be_taken_again() {
        let rate = Rate::per_10s(10);
        let mut bucket = Bucket::default();
        assert_eq!(bucket.take_up_to(8, &rate, HOUR), 8);
        assert_eq!(bucket.take_up_to(8, &rate, HOUR), 2);
        bucket.put_back(3, &rate);
        assert_eq!(bucket.tokens(&rate, HOUR), 3);
        bucket.cap(9, &rate, HOUR);
        assert_eq!(bucket.tokens(&rate, HOUR), 1);
        assert!(!bucket.is_full(HOUR) && bucket.is_full(2 * HOUR));
    }
}
