//! Attempts to join and to create rooms: fixed windows per client address (D22).

use ahash::RandomState;
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

/// Most windows that are open at once.
///
/// One more ends the oldest window early. Refusing the newcomer instead would let an attacker who fills the table lock
/// everybody else out; not counting it would lift the limit. An attacker who fills the table has more addresses than
/// the table has places, and gains nothing by a window that ends early.
pub const WINDOWS_MAX: usize = 1 << 18;

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Join,
    Creation,
}

/// The open windows.
#[derive(Debug)]
pub(super) struct Attempts {
    time_window: Duration,
    windows_max: usize,
    windows: HashMap<IpAddr, Window, RandomState>,
    /// One entry per open window, in the order in which they began, which is the order in which they end.
    order: VecDeque<(Duration, IpAddr)>,
}

#[derive(Debug)]
struct Window {
    began: Duration,
    joins: u32,
    creations: u32,
}

impl Window {
    fn counter(&mut self, kind: Kind) -> &mut u32 {
        match kind {
            Kind::Join => &mut self.joins,
            Kind::Creation => &mut self.creations,
        }
    }
}

impl Attempts {
    pub(super) fn new(time_window: Duration, windows_max: usize, hashing: RandomState) -> Self {
        Self {
            time_window,
            windows_max,
            windows: HashMap::with_hasher(hashing),
            order: VecDeque::new(),
        }
    }

    /// Counts one attempt, or refuses it uncounted with the time until the window ends. `now` never goes back.
    pub(super) fn count(&mut self, now: Duration, ip: IpAddr, kind: Kind, max: u32) -> Result<(), Duration> {
        self.sweep(now);
        if let Some(window) = self.windows.get_mut(&ip) {
            let left = self.time_window.saturating_sub(now.saturating_sub(window.began));
            let counter = window.counter(kind);
            if *counter >= max {
                return Err(left);
            }
            *counter += 1;
            return Ok(());
        }
        if max == 0 {
            return Err(self.time_window);
        }
        if self.windows.len() >= self.windows_max {
            self.close_first();
        }
        let mut window = Window {
            began: now,
            joins: 0,
            creations: 0,
        };
        *window.counter(kind) = 1;
        self.windows.insert(ip, window);
        self.order.push_back((now, ip));
        Ok(())
    }

    /// Closes every window that is over.
    pub(super) fn sweep(&mut self, now: Duration) {
        while let Some((began, _)) = self.order.front()
            && now.saturating_sub(*began) >= self.time_window
        {
            self.close_first();
        }
        if self.windows.is_empty() {
            // The memory of a past rush is freed.
            self.windows.shrink_to(0);
            self.order.shrink_to(0);
        }
    }

    fn close_first(&mut self) {
        if let Some((_, ip)) = self.order.pop_front() {
            self.windows.remove(&ip);
        }
    }

    /// Open windows.
    pub(super) fn len(&self) -> usize {
        self.windows.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn attempts(time_window: Duration, windows_max: usize) -> Attempts {
        Attempts::new(time_window, windows_max, RandomState::with_seeds(1, 2, 3, 4))
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_window_begins_with_the_first_counted_attempt_and_both_counters_end_with_it() {
        let mut attempts = attempts(60 * SECOND, 10);
        assert_eq!(attempts.count(5 * SECOND, ip(1), Kind::Join, 1), Ok(()));
        assert_eq!(attempts.count(30 * SECOND, ip(1), Kind::Creation, 1), Ok(()));
        assert_eq!(attempts.count(30 * SECOND, ip(1), Kind::Join, 1), Err(35 * SECOND));
        let last = 65 * SECOND - Duration::from_nanos(1);
        assert_eq!(
            attempts.count(last, ip(1), Kind::Creation, 1),
            Err(Duration::from_nanos(1))
        );
        assert_eq!(attempts.count(65 * SECOND, ip(1), Kind::Creation, 1), Ok(()));
        assert_eq!(attempts.count(65 * SECOND, ip(1), Kind::Join, 1), Ok(()));
    }

    #[test]
    fn a_refused_attempt_opens_no_window() {
        let mut attempts = attempts(60 * SECOND, 10);
        assert_eq!(attempts.count(SECOND, ip(1), Kind::Join, 0), Err(60 * SECOND));
        assert_eq!(attempts.len(), 0);
    }

    #[test]
    fn a_full_table_closes_the_window_that_ends_first_and_refuses_no_stranger() {
        let mut attempts = attempts(60 * SECOND, 2);
        for (second, address) in [(1, 1), (2, 2), (3, 3)] {
            assert_eq!(attempts.count(second * SECOND, ip(address), Kind::Join, 1), Ok(()));
        }
        assert_eq!(attempts.len(), 2);
        assert!(attempts.count(4 * SECOND, ip(2), Kind::Join, 1).is_err());
        assert!(attempts.count(4 * SECOND, ip(3), Kind::Join, 1).is_err());
        assert_eq!(attempts.count(4 * SECOND, ip(1), Kind::Join, 1), Ok(()));
        assert_eq!(attempts.len(), 2);
    }

    #[test]
    fn a_full_table_makes_room_by_sweeping_first() {
        let mut attempts = attempts(10 * SECOND, 2);
        assert_eq!(attempts.count(Duration::ZERO, ip(1), Kind::Join, 1), Ok(()));
        assert_eq!(attempts.count(5 * SECOND, ip(2), Kind::Join, 1), Ok(()));
        assert_eq!(attempts.count(10 * SECOND, ip(3), Kind::Join, 1), Ok(()));
        // The window of 2 is still there: only the one that was over went.
        assert_eq!(attempts.count(10 * SECOND, ip(2), Kind::Join, 1), Err(5 * SECOND));
    }

    #[test]
    fn the_ends_of_time_do_not_overflow() {
        let mut attempts = attempts(Duration::MAX, 2);
        assert_eq!(attempts.count(Duration::MAX, ip(1), Kind::Join, 1), Ok(()));
        assert_eq!(attempts.count(Duration::MAX, ip(1), Kind::Join, 1), Err(Duration::MAX));
    }

    #[test]
    fn a_window_of_no_length_never_refuses_a_second_attempt() {
        let mut attempts = attempts(Duration::ZERO, 2);
        for _ in 0..3 {
            assert_eq!(attempts.count(SECOND, ip(1), Kind::Join, 1), Ok(()));
        }
    }
}
