//! The way to the control plane: a channel, and a bell that wakes its thread.
//!
//! The blocking receive of a channel spins before it sleeps, which costs a busy core more than the sleep itself. Here
//! the receiver yields a few times and then sleeps. A shard rings once per turn, however many requests the turn made.

use crate::bell::{Bell, Ear};
use crossbeam_channel::{Receiver, Sender, unbounded};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// Times that the receiver lets others work before it sleeps.
const YIELDS: u32 = 4;

/// The side of those who tell the control plane something; cheap to clone.
#[derive(Debug)]
pub struct ToControl<M> {
    sender: Sender<M>,
    bell: Arc<Bell>,
    sleeper: Arc<OnceLock<Thread>>,
}

/// The side of the control plane; used by one thread.
#[derive(Debug)]
pub struct AtControl<M> {
    receiver: Receiver<M>,
    ear: Ear,
    sleeper: Arc<OnceLock<Thread>>,
}

/// A channel to the control plane. It is unbounded because what is in it is bounded: one ask per connection, one notice per
/// ticket or permit that was granted, one report per shard and second.
#[must_use]
pub fn control_channel<M>() -> (ToControl<M>, AtControl<M>) {
    let (sender, receiver) = unbounded();
    let bell = Arc::new(Bell::new());
    let sleeper = Arc::new(OnceLock::new());
    let at = AtControl {
        receiver,
        ear: Ear::new(Arc::clone(&bell)),
        sleeper: Arc::clone(&sleeper),
    };
    (ToControl { sender, bell, sleeper }, at)
}

impl<M> ToControl<M> {
    /// Tells the control plane something and wakes it. What nobody receives any more is dropped.
    pub fn send(&self, message: M) {
        self.push(message);
        self.ring();
    }

    /// Tells the control plane something without waking it; [`Self::ring`] wakes it later.
    pub(crate) fn push(&self, message: M) {
        // The control plane ends after everybody who tells it something.
        let _ = self.sender.send(message);
    }

    /// Wakes the control plane if it sleeps.
    pub(crate) fn ring(&self) {
        if self.bell.ring()
            && let Some(sleeper) = self.sleeper.get()
        {
            sleeper.unpark();
        }
    }
}

impl<M> Clone for ToControl<M> {
    fn clone(&self) -> Self {
        Self {
            sender: self.sender.clone(),
            bell: Arc::clone(&self.bell),
            sleeper: Arc::clone(&self.sleeper),
        }
    }
}

impl<M> AtControl<M> {
    /// The next message; `None` if there is none within `timeout`.
    pub fn receive(&mut self, timeout: Duration) -> Option<M> {
        if let Some(message) = self.try_receive() {
            return Some(message);
        }
        let deadline = Instant::now() + timeout;
        // A busy shard has the next question ready as soon as it has worked: letting it work costs less than sleeping.
        for _ in 0..YIELDS {
            thread::yield_now();
            if let Some(message) = self.try_receive() {
                return Some(message);
            }
        }
        // A sender that finds this thread asleep wakes it through this handle.
        self.sleeper.get_or_init(thread::current);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if !left.is_zero() && self.ear.lie_down() {
                thread::park_timeout(left);
                self.ear.get_up();
            }
            if let Some(message) = self.try_receive() {
                return Some(message);
            }
            if left.is_zero() {
                return None;
            }
        }
    }

    /// The next message, if there is one.
    pub fn try_receive(&mut self) -> Option<M> {
        self.ear.take(|| self.receiver.try_recv().ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_told_arrives_in_order() {
        let (to, mut at) = control_channel();
        let teller = thread::spawn(move || {
            for number in 0..10_000_u32 {
                to.send(number);
                if number % 1_000 == 0 {
                    thread::sleep(Duration::from_millis(1));
                }
            }
        });
        for number in 0..10_000 {
            assert_eq!(at.receive(Duration::from_secs(10)), Some(number));
        }
        teller.join().unwrap();
        assert_eq!(at.receive(Duration::ZERO), None);
    }

    #[test]
    fn what_is_pushed_is_found_at_the_next_ring() {
        let (to, mut at) = control_channel();
        to.push(1);
        assert_eq!(at.receive(Duration::ZERO), None);
        to.push(2);
        to.ring();
        assert_eq!(at.receive(Duration::ZERO), Some(1));
        assert_eq!(at.receive(Duration::ZERO), Some(2));
    }
}
