//! When the TLS handshakes of an address may begin: a token bucket for each, exact over all shards (T5).

use ahash::RandomState;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

/// Handshakes that may begin at once, if the rate allows fewer.
const BURST_MIN: u32 = 20;
/// Addresses whose bucket is remembered. Those beyond are not held back; the work in a turn is bounded besides.
const ADDRESSES_MAX: usize = 262_144;
/// Longest that anybody waits: a connection that has not shaken hands by then is closed.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// Until when the handshakes of each address are paid for.
#[derive(Debug)]
pub(super) struct Handshakes {
    price: Duration,
    burst: Duration,
    paid_until: HashMap<IpAddr, Duration, RandomState>,
}

impl Handshakes {
    /// `per_sec`: handshakes of one address per second; 0 lets none begin (D40).
    pub(super) fn new(per_sec: u32, hashing: RandomState) -> Self {
        let price = Duration::from_secs(1).checked_div(per_sec).unwrap_or(Duration::MAX);
        Self {
            price,
            burst: price.saturating_mul(per_sec.max(BURST_MIN)),
            paid_until: HashMap::with_hasher(hashing),
        }
    }

    /// Counts a handshake and tells when it may begin. One that would have to wait for too long is not counted.
    pub(super) fn begin(&mut self, now: Duration, ip: IpAddr) -> Duration {
        let too_late = now.saturating_add(WAIT_MAX);
        if self.price == Duration::MAX {
            return too_late;
        }
        let known = self.paid_until.get(&ip).copied();
        let until = known.unwrap_or_default().max(now).saturating_add(self.price);
        let at = until.saturating_sub(self.burst).max(now);
        if at > too_late {
            return at;
        }
        if known.is_some() || self.paid_until.len() < ADDRESSES_MAX {
            self.paid_until.insert(ip, until);
        }
        at
    }

    /// Forgets the addresses whose buckets are full.
    pub(super) fn sweep(&mut self, now: Duration) {
        self.paid_until.retain(|_, until| *until > now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn handshakes(per_sec: u32) -> Handshakes {
        Handshakes::new(per_sec, RandomState::with_seeds(1, 2, 3, 4))
    }

    fn address(number: u32) -> IpAddr {
        Ipv4Addr::from(number).into()
    }

    const NOW: Duration = Duration::from_secs(100);

    #[test]
    fn a_burst_begins_at_once_and_the_rest_at_the_rate() {
        let mut handshakes = handshakes(10);
        for _ in 0..20 {
            assert_eq!(handshakes.begin(NOW, address(1)), NOW);
        }
        for number in 1..=100 {
            let at = NOW + Duration::from_millis(100) * number;
            assert_eq!(handshakes.begin(NOW, address(1)), at);
        }
        assert!(handshakes.begin(NOW, address(1)) > NOW + WAIT_MAX);
        assert_eq!(handshakes.begin(NOW, address(2)), NOW, "another address");
        // Those that would have waited for too long cost nothing.
        let later = NOW + Duration::from_secs(10);
        assert_eq!(handshakes.begin(later, address(1)), later + Duration::from_millis(100));
        let rested = NOW + Duration::from_secs(60);
        assert_eq!(handshakes.begin(rested, address(1)), rested);
    }

    #[test]
    fn a_high_rate_has_a_burst_of_a_second() {
        let mut handshakes = handshakes(100);
        for _ in 0..100 {
            assert_eq!(handshakes.begin(NOW, address(1)), NOW);
        }
        assert!(handshakes.begin(NOW, address(1)) > NOW);
    }

    #[test]
    fn memory_is_bounded_and_given_back() {
        let mut handshakes = handshakes(10);
        for number in 0..300_000 {
            assert_eq!(handshakes.begin(NOW, address(number)), NOW);
        }
        assert_eq!(handshakes.paid_until.len(), ADDRESSES_MAX);
        handshakes.sweep(NOW + Duration::from_secs(1));
        assert_eq!(handshakes.paid_until.len(), 0);
    }

    #[test]
    fn zero_lets_none_begin() {
        let mut handshakes = handshakes(0);
        assert_eq!(handshakes.begin(NOW, address(1)), NOW + WAIT_MAX);
        assert_eq!(handshakes.paid_until.len(), 0);
    }
}
