//! The circuit breaker: whether Redis is asked at all (protocol 16.7). A pure state machine; the time is an argument.
//!
//! ```text
//!           failures in a row on one connection            time is over
//! Closed ──────────────────────────────────────► Open ────────────────► HalfOpen ──► Closed: every connection was
//!                                                 ▲                        │                 proved by an answer
//!                                                 └────────────────────────┘ a failure
//! ```
//!
//! It begins half open: until Redis has answered for the first time nobody is let in.

use super::link::Link;
use std::time::Duration;

/// The breaker of the connections to Redis.
#[derive(Debug)]
pub(super) struct Breaker {
    threshold: u32,
    open_for: Duration,
    state: State,
    /// Failures in a row, by connection: answers on one of them must not hide that the other fails.
    failures: [u32; Link::ALL.len()],
    opened: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    Open { until: Duration },
    HalfOpen { proved: [bool; Link::ALL.len()] },
}

/// What an answer or a failure has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Opened,
    Closed,
}

impl Breaker {
    /// `threshold` failures in a row open it for `open_for`.
    pub(super) fn new(threshold: u32, open_for: Duration) -> Self {
        Self {
            threshold: threshold.max(1),
            open_for,
            state: State::HalfOpen {
                proved: Default::default(),
            },
            failures: Default::default(),
            opened: 0,
        }
    }

    /// Redis has answered on this connection.
    pub(super) fn succeeded(&mut self, link: Link) -> Option<Change> {
        self.failures[link as usize] = 0;
        if let State::HalfOpen { proved } = &mut self.state {
            proved[link as usize] = true;
            if proved.iter().all(|proved| *proved) {
                self.state = State::Closed;
                return Some(Change::Closed);
            }
        }
        None
    }

    /// An operation on this connection failed, or the connection did.
    pub(super) fn failed(&mut self, link: Link, now: Duration) -> Option<Change> {
        let failures = &mut self.failures[link as usize];
        *failures = failures.saturating_add(1);
        let opens = match self.state {
            State::Closed => *failures >= self.threshold,
            State::HalfOpen { .. } => true,
            State::Open { .. } => false,
        };
        if !opens {
            return None;
        }
        self.failures = Default::default();
        self.opened += 1;
        let until = now.saturating_add(self.open_for);
        self.state = State::Open { until };
        Some(Change::Opened)
    }

    /// Time passes: an open one lets Redis be tried when its time is over.
    pub(super) fn tick(&mut self, now: Duration) {
        if let State::Open { until } = self.state
            && until <= now
        {
            self.state = State::HalfOpen {
                proved: Default::default(),
            };
        }
    }

    /// Whether Redis may be asked for something other than whether it answers.
    pub(super) fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// Whether Redis may be tried.
    pub(super) fn may_try(&self) -> bool {
        !matches!(self.state, State::Open { .. })
    }

    /// When [`Self::tick`] has something to do.
    pub(super) fn due(&self) -> Option<Duration> {
        match self.state {
            State::Open { until } => Some(until),
            State::Closed | State::HalfOpen { .. } => None,
        }
    }

    /// How often it was opened.
    pub(super) fn opened(&self) -> u64 {
        self.opened
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN_FOR: Duration = Duration::from_secs(30);
    const NOW: Duration = Duration::from_secs(100);

    fn closed() -> Breaker {
        let mut breaker = Breaker::new(3, OPEN_FOR);
        assert_eq!(breaker.succeeded(Link::Commands), None);
        assert_eq!(breaker.succeeded(Link::Channels), Some(Change::Closed));
        breaker
    }

    fn open() -> Breaker {
        let mut breaker = closed();
        for _ in 0..2 {
            assert_eq!(breaker.failed(Link::Commands, NOW), None);
        }
        assert_eq!(breaker.failed(Link::Commands, NOW), Some(Change::Opened));
        breaker
    }

    #[test]
    fn it_begins_half_open() {
        let mut breaker = Breaker::new(3, OPEN_FOR);
        assert!(!breaker.is_closed() && breaker.may_try());
        assert_eq!(
            breaker.failed(Link::Commands, NOW),
            Some(Change::Opened),
            "one failure is enough"
        );
        assert!(!breaker.may_try());
    }

    #[test]
    fn failures_in_a_row_open_it() {
        let mut breaker = closed();
        for _ in 0..10 {
            assert_eq!(breaker.failed(Link::Commands, NOW), None);
            assert_eq!(breaker.failed(Link::Commands, NOW), None);
            assert_eq!(breaker.succeeded(Link::Commands), None);
        }
        assert!(breaker.is_closed());
        let breaker = open();
        assert!(!breaker.is_closed() && !breaker.may_try());
        assert_eq!(breaker.opened(), 1);
    }

    #[test]
    fn answers_on_one_connection_do_not_hide_failures_on_the_other() {
        let mut breaker = closed();
        for failure in 1..=3 {
            breaker.succeeded(Link::Commands);
            assert_eq!(breaker.failed(Link::Channels, NOW).is_some(), failure == 3);
        }
        let mut breaker = closed();
        breaker.failed(Link::Channels, NOW);
        breaker.failed(Link::Channels, NOW);
        assert_eq!(breaker.failed(Link::Commands, NOW), None, "they are not added up");
    }

    #[test]
    fn it_stays_open_for_its_time() {
        let mut breaker = open();
        assert_eq!(breaker.due(), Some(NOW + OPEN_FOR));
        breaker.tick(NOW + OPEN_FOR - Duration::from_nanos(1));
        assert!(!breaker.may_try());
        assert_eq!(breaker.succeeded(Link::Commands), None, "a late answer changes nothing");
        assert_eq!(breaker.failed(Link::Commands, NOW + OPEN_FOR), None);
        assert_eq!(
            breaker.due(),
            Some(NOW + OPEN_FOR),
            "a late failure does not prolong it"
        );
        breaker.tick(NOW + OPEN_FOR);
        assert!(breaker.may_try() && !breaker.is_closed());
        assert_eq!(breaker.due(), None);
    }

    #[test]
    fn half_open_is_decided_by_what_is_tried() {
        let mut breaker = open();
        breaker.tick(NOW + OPEN_FOR);
        assert_eq!(breaker.succeeded(Link::Channels), None, "the other is not proved");
        assert_eq!(breaker.failed(Link::Commands, NOW + OPEN_FOR), Some(Change::Opened));
        assert_eq!(breaker.due(), Some(NOW + OPEN_FOR * 2));
        breaker.tick(NOW + OPEN_FOR * 2);
        assert_eq!(
            breaker.succeeded(Link::Commands),
            None,
            "what was proved earlier does not count"
        );
        assert_eq!(breaker.succeeded(Link::Channels), Some(Change::Closed));
        assert!(breaker.is_closed());
        assert_eq!(breaker.failed(Link::Commands, NOW), None, "the count begins anew");
    }
}
