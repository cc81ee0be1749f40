//! Addresses that showed wrong tokens: after some failures an address has to wait.

use signal_fish_core::admission::normalise;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Wrong tokens of one address within [`PERIOD`]; after these nothing it shows is looked at.
pub(super) const FAILURES_MAX: u32 = 10;
/// How long failures are remembered, from the first one on.
pub(super) const PERIOD: Duration = Duration::from_secs(60);
/// Addresses that are remembered. When there are more, those whose time is over are forgotten, then all of them.
const ADDRESSES_MAX: usize = 4_096;

/// Failures by address.
#[derive(Debug, Default)]
pub(super) struct Guesses {
    by_address: HashMap<IpAddr, (Instant, u32)>,
}

impl Guesses {
    /// Whether an address has to wait.
    pub(super) fn are_too_many(&self, now: Instant, address: IpAddr) -> bool {
        let failures = self.by_address.get(&normalise(address));
        failures.is_some_and(|(since, count)| *count >= FAILURES_MAX && now < *since + PERIOD)
    }

    /// An address showed a wrong token.
    pub(super) fn count(&mut self, now: Instant, address: IpAddr) {
        if self.by_address.len() >= ADDRESSES_MAX {
            self.by_address.retain(|_, (since, _)| now < *since + PERIOD);
            if self.by_address.len() >= ADDRESSES_MAX {
                self.by_address.clear();
            }
        }
        let (since, count) = self.by_address.entry(normalise(address)).or_insert((now, 0));
        if now >= *since + PERIOD {
            (*since, *count) = (now, 0);
        }
        *count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn an_address_waits_after_some_failures_and_memory_is_bounded() {
        let mut guesses = Guesses::default();
        let start = Instant::now();
        let address = |number: u32| IpAddr::from(Ipv4Addr::from(number));
        for _ in 0..FAILURES_MAX {
            assert!(!guesses.are_too_many(start, address(1)));
            guesses.count(start, address(1));
        }
        assert!(guesses.are_too_many(start, address(1)) && !guesses.are_too_many(start, address(2)));
        assert!(!guesses.are_too_many(start + PERIOD, address(1)));
        guesses.count(start + PERIOD, address(1));
        assert!(!guesses.are_too_many(start + PERIOD, address(1)), "counted anew");
        for number in 0..100_000 {
            guesses.count(start, address(number));
            assert!(guesses.by_address.len() <= ADDRESSES_MAX);
        }
    }
}
