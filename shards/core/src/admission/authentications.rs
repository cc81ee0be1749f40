//! Authentications of one app in the last minute (D25).

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

const MINUTE_MS: u128 = 60_000;

/// The log of a sliding minute.
///
/// Attempts are logged by millisecond and address, rounded up, so one counts for a minute and up to a millisecond. The log
/// holds at most as many entries as attempts are allowed in a minute.
///
/// One address may take a quarter of what is left to the app, at least one: who knows an app id, which is public, cannot
/// lock its players out.
#[derive(Debug, Default)]
pub(super) struct Authentications {
    log: VecDeque<Entry>,
    in_log: u32,
    by_address: BTreeMap<IpAddr, u32>,
}

#[derive(Debug)]
struct Entry {
    at_ms: u128,
    address: IpAddr,
    count: u32,
}

impl Authentications {
    /// Counts one authentication of an address, unless there were `max` in the last minute, or the address had its share.
    /// `now` never goes back.
    pub(super) fn count(&mut self, now: Duration, address: IpAddr, max: u32) -> bool {
        self.sweep(now);
        let own = self.by_address.get(&address).copied().unwrap_or(0);
        let others = self.in_log - own;
        let share = (max.saturating_sub(others) / 4).max(1);
        if self.in_log >= max || own >= share {
            return false;
        }
        let at_ms = now.as_nanos().div_ceil(1_000_000);
        match self.log.back_mut() {
            Some(last) if last.at_ms == at_ms && last.address == address => last.count += 1,
            _ => self.log.push_back(Entry {
                at_ms,
                address,
                count: 1,
            }),
        }
        self.in_log += 1;
        *self.by_address.entry(address).or_insert(0) += 1;
        true
    }

    /// Forgets what is older than a minute.
    pub(super) fn sweep(&mut self, now: Duration) {
        let now_ms = now.as_millis();
        while let Some(first) = self.log.front()
            && now_ms.saturating_sub(first.at_ms) >= MINUTE_MS
        {
            self.in_log -= first.count;
            if let Some(own) = self.by_address.get_mut(&first.address) {
                *own -= first.count;
                if *own == 0 {
                    self.by_address.remove(&first.address);
                }
            }
            self.log.pop_front();
        }
        if self.log.is_empty() {
            self.log.shrink_to(0);
        }
    }

    /// Authentications in the log.
    pub(super) fn len(&self) -> usize {
        self.in_log as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn address(number: u32) -> IpAddr {
        std::net::Ipv4Addr::from(number).into()
    }

    #[test]
    fn the_minute_slides() {
        let mut app = Authentications::default();
        assert!(app.count(Duration::ZERO, address(1), 2));
        assert!(app.count(30_000 * MS, address(2), 2));
        assert!(!app.count(59_999 * MS, address(3), 2));
        assert!(app.count(60_000 * MS, address(3), 2));
        assert!(!app.count(89_999 * MS, address(4), 2));
        assert!(app.count(90_000 * MS, address(4), 2));
    }

    #[test]
    fn one_address_takes_a_quarter_of_what_is_left() {
        let mut app = Authentications::default();
        let granted =
            |app: &mut Authentications, from, max| (0..max).filter(|_| app.count(MS, address(from), max)).count();
        assert_eq!(granted(&mut app, 1, 100), 25);
        assert_eq!(granted(&mut app, 2, 100), 18, "a quarter of 75");
        assert_eq!(granted(&mut app, 1, 100), 0);
        let others: usize = (3..200).map(|from| granted(&mut app, from, 100)).sum();
        assert_eq!(others, 57, "the others take what is left, one each at the end");
        let mut small = Authentications::default();
        assert_eq!(granted(&mut small, 1, 2), 1);
        assert_eq!(granted(&mut small, 2, 2), 1);
    }

    #[test]
    fn rounding_never_lets_one_more_through() {
        let mut app = Authentications::default();
        assert!(app.count(Duration::from_nanos(900_000), address(1), 1));
        assert!(!app.count(60_000 * MS, address(1), 1));
        assert!(app.count(60_001 * MS, address(1), 1));
    }

    #[test]
    fn zero_refuses_everybody() {
        let mut app = Authentications::default();
        assert!(!app.count(Duration::MAX, address(1), 0));
        assert_eq!(app.len(), 0);
    }

    #[test]
    fn nothing_is_left_of_a_minute_that_is_over() {
        let mut app = Authentications::default();
        for n in 0..3_000 {
            assert!(app.count(
                Duration::from_micros(n),
                address(u32::try_from(n % 7).unwrap()),
                u32::MAX
            ));
        }
        assert_eq!(app.len(), 3_000);
        app.sweep(61_000 * MS);
        assert_eq!((app.len(), app.by_address.len(), app.log.len()), (0, 0, 0));
    }
}
