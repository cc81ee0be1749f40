//! Addresses that were refused a moment ago: nothing is asked for them, so that a refused attempt costs less than an
//! accepted one (D43).

use crate::admission::{Refusal, normalise};
use ahash::RandomState;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

/// How long a refusal is remembered.
const REMEMBERED: Duration = Duration::from_secs(1);
/// Addresses that are remembered; more are asked for again.
const ADDRESSES_MAX: usize = 4_096;

/// Refusals of the last second, by address.
#[derive(Debug)]
pub(super) struct RefusedAddresses {
    until: HashMap<IpAddr, (Duration, Refusal), RandomState>,
}

impl RefusedAddresses {
    pub(super) fn new(hashing: RandomState) -> Self {
        Self {
            until: HashMap::with_hasher(hashing),
        }
    }

    /// An address was refused.
    pub(super) fn remember(&mut self, now: Duration, address: IpAddr, refusal: Refusal) {
        if self.until.len() >= ADDRESSES_MAX {
            self.until.retain(|_, (until, _)| *until > now);
        }
        if self.until.len() < ADDRESSES_MAX {
            self.until
                .insert(normalise(address), (now.saturating_add(REMEMBERED), refusal));
        }
    }

    /// Why an address is refused without a question.
    pub(super) fn refusal(&mut self, now: Duration, address: IpAddr) -> Option<Refusal> {
        if self.until.is_empty() {
            return None;
        }
        let address = normalise(address);
        let (until, refusal) = self.until.get(&address)?;
        if *until > now {
            return Some(refusal.clone());
        }
        self.until.remove(&address);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn a_refusal_is_remembered_for_a_second_and_memory_is_bounded() {
        let mut refused = RefusedAddresses::new(RandomState::with_seeds(1, 2, 3, 4));
        let address = |number: u32| IpAddr::from(Ipv4Addr::from(number));
        let at = Duration::from_millis;
        refused.remember(at(0), address(1), Refusal::Connections);
        assert_eq!(refused.refusal(at(999), address(1)), Some(Refusal::Connections));
        assert_eq!(refused.refusal(at(999), address(2)), None);
        assert_eq!(refused.refusal(at(1_000), address(1)), None);
        for number in 0..10_000 {
            refused.remember(at(2_000), address(number), Refusal::Connections);
        }
        assert_eq!(refused.until.len(), ADDRESSES_MAX);
        refused.remember(at(4_000), address(7), Refusal::Connections);
        assert_eq!(refused.until.len(), 1);
    }
}
