//! An observer learns what happens to rooms and players.

use signal_fish_core::protocol::signal_fish::Observation;
use signal_fish_runtime::ObserverReceiver;
use std::io;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long the end of the server waits for an observer that has not seen everything.
const PATIENCE: Duration = Duration::from_secs(5);

/// What an observer sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// When it happened.
    pub at: SystemTime,
    /// What happened.
    pub what: Observation,
    /// Observations that were lost so far, because the observer was too slow.
    pub lost: u64,
}

/// Somebody who is told what happens to rooms of Signal Fish and to their players. It is called on a thread of its own and
/// may take its time: shards never wait for it. Of what waits, 4,096 turns of shards at most are kept; more are lost and
/// counted in [`Seen::lost`]. The observations of a room come in order; those of rooms of different shards may not.
pub trait Observer: Send {
    /// Something happened.
    fn see(&mut self, seen: Seen);
}

impl<F: FnMut(Seen) + Send> Observer for F {
    fn see(&mut self, seen: Seen) {
        self(seen);
    }
}

/// The thread of an observer. It ends when every shard has ended and everything was seen.
#[derive(Debug)]
pub(crate) struct ObserverThread(JoinHandle<()>);

impl ObserverThread {
    pub(crate) fn spawn(mut observer: Box<dyn Observer>, receiver: ObserverReceiver) -> io::Result<Self> {
        let thread = std::thread::Builder::new().name("observer".to_owned()).spawn(move || {
            while let Ok(observed) = receiver.from.recv() {
                let lost = receiver.lost();
                for what in observed.observations {
                    observer.see(Seen {
                        at: UNIX_EPOCH + observed.unix,
                        what,
                        lost,
                    });
                }
            }
        })?;
        Ok(Self(thread))
    }

    /// Waits for its end, but not for ever.
    ///
    /// # Errors
    /// When it panicked, or does not come to its end. Its thread is left alone then.
    pub(crate) fn join(self) -> io::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !self.0.is_finished() {
            if Instant::now() > deadline {
                return Err(io::Error::other("the observer does not come to its end"));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        self.0.join().map_err(|_| io::Error::other("the observer panicked"))
    }
}
