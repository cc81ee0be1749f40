//! The way to an observer: one bounded channel. A slow observer loses observations, which are counted; it holds nobody up.

use crossbeam_channel::{Receiver, Sender, bounded};
use signal_fish_core::protocol::signal_fish::Observation;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Turns whose observations wait. Those of later turns are lost.
const TURNS_MAX: usize = 4_096;

/// What was observed in one turn of one shard.
#[derive(Debug)]
pub struct Observed {
    /// The time of the turn, since 1970-01-01T00:00:00Z.
    pub unix: Duration,
    /// In order.
    pub observations: Vec<Observation>,
}

/// The side of the shards; cheap to clone.
#[derive(Debug, Clone)]
pub struct ObserverSender {
    to: Sender<Observed>,
    lost: Arc<AtomicU64>,
}

/// The side of the observer. It is disconnected when every shard has ended.
#[derive(Debug)]
pub struct ObserverReceiver {
    /// Turn by turn.
    pub from: Receiver<Observed>,
    /// Observations that were lost because too many waited.
    lost: Arc<AtomicU64>,
}

/// A way to an observer.
#[must_use]
pub fn observer_channel() -> (ObserverSender, ObserverReceiver) {
    let (to, from) = bounded(TURNS_MAX);
    let lost = Arc::new(AtomicU64::new(0));
    let sender = ObserverSender {
        to,
        lost: Arc::clone(&lost),
    };
    (sender, ObserverReceiver { from, lost })
}

impl ObserverSender {
    /// Sends; never blocks. Only a loss touches what shards share.
    pub(crate) fn send(&self, observed: Observed) {
        if let Err(error) = self.to.try_send(observed) {
            let count = error.into_inner().observations.len() as u64;
            self.lost.fetch_add(count, Ordering::Relaxed);
        }
    }
}

impl ObserverReceiver {
    /// Observations that were lost so far.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use signal_fish_core::room::RoomId;

    #[test]
    fn an_observer_that_takes_nothing_loses_what_is_counted() {
        let (sender, receiver) = observer_channel();
        let ended = || Observation::RoomEnded {
            room: RoomId::from_random([7; 16]),
        };
        let observed = || Observed {
            unix: Duration::ZERO,
            observations: vec![ended(), ended()],
        };
        for _ in 0..TURNS_MAX {
            sender.send(observed());
        }
        assert_eq!(receiver.lost(), 0);
        sender.send(observed());
        assert_eq!(receiver.lost(), 2);
        assert!(receiver.from.try_recv().is_ok());
        sender.send(observed());
        assert_eq!(receiver.lost(), 2);
        drop(sender);
        assert_eq!(receiver.from.iter().count(), TURNS_MAX);
    }
}
