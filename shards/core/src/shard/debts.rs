//! What a sender may cause: a sender pays for its messages and for what they put into outboxes, by not being read (D42).

use super::options::Options;
use std::time::Duration;

/// Bytes per second that one sender may put into any one outbox.
const RECIPIENT_BYTES_PER_SEC: u64 = 4 * 1024 * 1024;
const SECOND: u64 = 1_000_000_000;

/// The rates of all senders of a shard, as prices in nanoseconds of waiting.
#[derive(Debug, Clone, Copy)]
pub(super) struct Prices {
    /// Of one message.
    message: u64,
    /// Bytes put into outboxes that cost a second; 0 = nothing.
    fanout_bytes: u64,
    /// Debt that is allowed for bytes to any one recipient.
    recipient_burst: u64,
}

/// Until when a sender's debts last, in nanoseconds of monotonic time. Each is a token bucket: what is spent moves the time
/// on, and a sender is read while the time is no further ahead than its burst.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Debts {
    messages: u64,
    fanout: u64,
    recipient: u64,
}

/// What one message caused.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caused {
    /// Messages, at least 1; fragments count, 64 as one.
    pub(super) messages: u32,
    /// Bytes put into outboxes.
    pub(super) bytes: u64,
    /// The most that went into one of them.
    pub(super) bytes_to_one: u64,
}

impl Prices {
    pub(super) fn new(options: &Options) -> Self {
        let messages = u64::from(options.messages_per_sec_max);
        let burst = options.outbound_bytes_max as u64 / 2;
        Self {
            message: SECOND.checked_div(messages).unwrap_or(0),
            fanout_bytes: options.fanout_bytes_per_sec_max,
            recipient_burst: price(burst, RECIPIENT_BYTES_PER_SEC),
        }
    }
}

/// What `bytes` cost at `per_second`.
fn price(bytes: u64, per_second: u64) -> u64 {
    // A message that does not fit is one of 18 GB.
    bytes.saturating_mul(SECOND) / per_second.max(1)
}

impl Debts {
    /// A message was handled at `now`.
    pub(super) fn spend(&mut self, now: Duration, caused: Caused, prices: &Prices) {
        let now = nanos(now);
        let add = |debt: &mut u64, cost: u64| *debt = (*debt).max(now).saturating_add(cost);
        add(
            &mut self.messages,
            prices.message.saturating_mul(u64::from(caused.messages)),
        );
        if prices.fanout_bytes > 0 && caused.bytes > 0 {
            add(&mut self.fanout, price(caused.bytes, prices.fanout_bytes));
            add(&mut self.recipient, price(caused.bytes_to_one, RECIPIENT_BYTES_PER_SEC));
        }
    }

    /// Whether the sender is read at `now`.
    pub(super) fn are_paid(&self, now: Duration, prices: &Prices) -> bool {
        self.paid_at_nanos(prices) <= nanos(now)
    }

    /// From when on the sender is read again.
    pub(super) fn paid_at(&self, prices: &Prices) -> Duration {
        Duration::from_nanos(self.paid_at_nanos(prices))
    }

    fn paid_at_nanos(&self, prices: &Prices) -> u64 {
        /// A second of messages, a tenth of a second of bytes.
        const BURSTS: (u64, u64) = (SECOND, SECOND / 10);
        let at = [
            self.messages.saturating_sub(BURSTS.0),
            self.fanout.saturating_sub(BURSTS.1),
            self.recipient.saturating_sub(prices.recipient_burst),
        ];
        at.into_iter().max().unwrap_or_default()
    }
}

fn nanos(time: Duration) -> u64 {
    time.as_secs()
        .saturating_mul(SECOND)
        .saturating_add(u64::from(time.subsec_nanos()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn message(bytes: u64) -> Caused {
        Caused {
            messages: 1,
            bytes,
            bytes_to_one: bytes / 100,
        }
    }

    /// Messages that are handled within a second, by a sender that always has one.
    fn handled(options: &Options, bytes: u64, within: Duration) -> u32 {
        let prices = Prices::new(options);
        let mut debts = Debts::default();
        let mut now = HOUR;
        let mut count = 0;
        while now < HOUR + within {
            debts.spend(now, message(bytes), &prices);
            count += 1;
            now = now.max(debts.paid_at(&prices));
            assert!(count < 10_000_000, "no limit");
        }
        count
    }

    #[test]
    fn messages_are_bounded_by_rate_and_a_second_of_burst() {
        let options = Options::default();
        assert_eq!(handled(&options, 0, Duration::from_secs(1)), 4_000);
        assert_eq!(handled(&options, 0, Duration::from_secs(10)), 22_000);
    }

    #[test]
    fn bytes_are_bounded_by_rate_and_a_tenth_of_a_second_of_burst() {
        let options = Options::default();
        let bytes = 1024 * 1024;
        // 32 a second, 3.2 at once, and the one that overdraws.
        assert!((35..=37).contains(&handled(&options, bytes, Duration::from_secs(1))));
    }

    #[test]
    fn bytes_to_one_recipient_have_a_bound_of_their_own() {
        let options = Options::default();
        let prices = Prices::new(&options);
        let mut debts = Debts::default();
        let lonely = Caused {
            messages: 1,
            bytes: 512 * 1024,
            bytes_to_one: 512 * 1024,
        };
        debts.spend(HOUR, lonely, &prices);
        assert!(debts.paid_at(&prices) <= HOUR, "half of an outbox may come at once");
        debts.spend(HOUR, lonely, &prices);
        assert_eq!(debts.paid_at(&prices), HOUR + Duration::from_millis(125));
    }

    #[test]
    fn zero_is_no_limit() {
        let options = Options {
            messages_per_sec_max: 0,
            fanout_bytes_per_sec_max: 0,
            ..Options::default()
        };
        let prices = Prices::new(&options);
        let mut debts = Debts::default();
        for _ in 0..1_000_000 {
            debts.spend(HOUR, message(1 << 40), &prices);
        }
        assert!(debts.paid_at(&prices) <= HOUR);
    }

    #[test]
    fn who_was_quiet_has_no_more_than_the_burst() {
        let prices = Prices::new(&Options::default());
        let mut debts = Debts::default();
        debts.spend(Duration::ZERO, message(0), &prices);
        for _ in 0..2_001 {
            debts.spend(HOUR, message(0), &prices);
        }
        assert!(debts.paid_at(&prices) > HOUR);
    }
}
