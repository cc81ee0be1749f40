//! Addresses that an operator has banned for a time.

use super::client_address::normalise;
use ahash::RandomState;
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::time::Duration;

/// Addresses that are banned at the same time at most.
pub const BANS_MAX: usize = 16_384;

/// Every place for a ban is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManyBans;

/// Banned addresses, each until its time is over. They are forgotten with the process.
#[derive(Debug)]
pub(super) struct Bans {
    until: HashMap<IpAddr, Duration, RandomState>,
    by_end: BTreeSet<(Duration, IpAddr)>,
    max: usize,
}

impl Bans {
    pub(super) fn new(max: usize, hashing: RandomState) -> Self {
        Self {
            until: HashMap::with_hasher(hashing),
            by_end: BTreeSet::new(),
            max,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.until.len()
    }

    /// Bans an address, or changes until when it is banned.
    pub(super) fn ban(&mut self, now: Duration, ip: IpAddr, time: Duration) -> Result<(), TooManyBans> {
        self.sweep(now);
        let ip = normalise(ip);
        if !self.lift(ip) && self.until.len() >= self.max {
            return Err(TooManyBans);
        }
        let end = now.saturating_add(time);
        self.until.insert(ip, end);
        self.by_end.insert((end, ip));
        Ok(())
    }

    /// Returns whether the address was banned.
    pub(super) fn lift(&mut self, ip: IpAddr) -> bool {
        let ip = normalise(ip);
        let end = self.until.remove(&ip);
        end.is_some_and(|end| self.by_end.remove(&(end, ip)))
    }

    /// Whether an address in its normalised form is banned.
    pub(super) fn hold(&self, now: Duration, ip: IpAddr) -> bool {
        !self.until.is_empty() && self.until.get(&ip).is_some_and(|end| *end > now)
    }

    /// Every ban and how long it lasts, the shortest first.
    pub(super) fn list(&self, now: Duration) -> Vec<(IpAddr, Duration)> {
        let left = self.by_end.iter().filter(|(end, _)| *end > now);
        left.map(|(end, ip)| (*ip, *end - now)).collect()
    }

    /// Forgets the bans that are over.
    pub(super) fn sweep(&mut self, now: Duration) {
        while let Some(&(end, ip)) = self.by_end.first()
            && end <= now
        {
            self.by_end.pop_first();
            self.until.remove(&ip);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn address(number: u32) -> IpAddr {
        IpAddr::from(Ipv4Addr::from(number))
    }

    fn bans(max: usize) -> Bans {
        Bans::new(max, RandomState::with_seeds(1, 2, 3, 4))
    }

    #[test]
    fn a_ban_ends_with_its_time_or_before() {
        let mut bans = bans(10);
        assert_eq!(bans.ban(at(0), address(1), at(10)), Ok(()));
        assert_eq!(bans.ban(at(0), address(2), at(20)), Ok(()));
        assert_eq!(bans.list(at(5)), [(address(1), at(5)), (address(2), at(15))]);
        assert!(bans.hold(at(9), address(1)) && !bans.hold(at(10), address(1)) && !bans.hold(at(0), address(3)));
        assert!(bans.lift(address(2)) && !bans.lift(address(2)) && !bans.hold(at(1), address(2)));
        bans.sweep(at(10));
        assert_eq!((bans.len(), bans.by_end.len()), (0, 0));
    }

    #[test]
    fn the_last_word_counts() {
        let mut bans = bans(1);
        assert_eq!(bans.ban(at(0), address(1), at(10)), Ok(()));
        assert_eq!(bans.ban(at(1), address(1), at(2)), Ok(()));
        assert_eq!(bans.list(at(1)), [(address(1), at(2))]);
    }

    #[test]
    fn there_are_so_many_and_no_more() {
        let mut bans = bans(3);
        for number in 0..3 {
            assert_eq!(bans.ban(at(0), address(number), at(10)), Ok(()));
        }
        assert_eq!(bans.ban(at(9), address(3), at(10)), Err(TooManyBans));
        assert_eq!(bans.ban(at(10), address(3), at(10)), Ok(()), "the others are over");
        assert_eq!(bans.len(), 1);
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let mut bans = bans(3);
        let [one, other] = ["2001:db8::1", "2001:db8::2"].map(|text| text.parse().expect("an address"));
        assert_eq!(bans.ban(at(0), one, at(10)), Ok(()));
        assert!(bans.hold(at(0), normalise(other)) && bans.lift(other));
    }
}
