use crate::handoff::Handoff;
use crate::shard::ShardReport;
use crossbeam_channel::{Receiver, Sender, unbounded};
use signal_fish_core::admission::{Ask, Notice, Verdict};
use signal_fish_core::protocol::signal_fish::{ShardIndex, Slot};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Waker;
use std::time::Duration;

/// What other threads send to a shard.
#[derive(Debug)]
pub enum Mail {
    /// The control plane's answer to an ask of `slot`.
    Verdict {
        /// Session that asked.
        slot: Slot,
        /// Answer.
        verdict: Verdict,
    },
    /// A live connection moves here.
    Connection(Box<Handoff>),
    /// Close every client and end.
    Drain,
}

/// What a shard sends to the control plane.
#[derive(Debug)]
pub enum Request {
    /// A question; the answer goes to the mailbox of `shard`.
    Ask {
        /// Shard that asks.
        shard: ShardIndex,
        /// Session that asks.
        slot: Slot,
        /// Question.
        ask: Ask,
    },
    /// Something ended.
    Notice(Notice),
    /// Figures of one shard, about once a second.
    Report(Box<ShardReport>),
    /// The last shard has ended.
    Stop,
}

/// The sending side of a shard's mailbox; cheap to clone.
#[derive(Debug, Clone)]
pub struct Mailbox {
    sender: Sender<Mail>,
    capacity: usize,
    bell: Arc<Bell>,
}

/// The receiving side, owned by the shard.
#[derive(Debug)]
pub struct Inbox {
    receiver: Receiver<Mail>,
    bell: Arc<Bell>,
}

/// Wakes the shard's mail task at most once per emptying: glommio counts wakers in 15 bits.
#[derive(Debug, Default)]
struct Bell {
    waker: OnceLock<Waker>,
    rung: AtomicBool,
    /// When the shard's clock ticked last, in milliseconds of the process's monotonic clock.
    ticked: AtomicU64,
}

/// A mailbox for about `capacity` pieces of mail: senders that look at the same moment may pass it by one each.
///
/// A bounded channel would take and touch the memory of all its places at the start.
#[must_use]
pub fn mailbox(capacity: usize) -> (Mailbox, Inbox) {
    let (sender, receiver) = unbounded();
    let bell = Arc::new(Bell::default());
    let mailbox = Mailbox {
        sender,
        capacity,
        bell: Arc::clone(&bell),
    };
    (mailbox, Inbox { receiver, bell })
}

impl Mailbox {
    /// Delivers `mail` and wakes the shard; never blocks.
    ///
    /// # Errors
    /// Gives the mail back when the mailbox is full or its shard has ended.
    pub fn try_send(&self, mail: Mail) -> Result<(), Mail> {
        if self.sender.len() >= self.capacity {
            return Err(mail);
        }
        self.sender.send(mail).map_err(|error| error.into_inner())?;
        if !self.bell.rung.swap(true, Ordering::SeqCst) {
            // Before the first poll there is no waker yet; that poll looks into the mailbox after publishing it.
            if let Some(waker) = self.bell.waker.get() {
                waker.wake_by_ref();
            }
        }
        Ok(())
    }
}

impl Mailbox {
    /// The clock of the shard that owns this mailbox has ticked.
    pub(crate) fn tick(&self, now: Duration) {
        self.bell.ticked.store(milliseconds(now), Ordering::Relaxed);
    }

    /// Wakes the shard if its clock should have ticked long ago.
    ///
    /// glommio 0.9.0 can park an executor that has tasks to run: when its latency ring completes something between the
    /// look for events and the first task, `run_task_queues` says that there was nothing to run. Any event ends that
    /// sleep, but on a quiet shard whose clock is among the tasks that were passed over none would come.
    pub fn wake_if_overdue(&self, now: Duration) {
        /// The clock ticks ten times a second. After a minute no wake will help, and glommio counts them in 15 bits.
        const OVERDUE_MS: std::ops::Range<u64> = 150..60_000;
        let late = milliseconds(now).saturating_sub(self.bell.ticked.load(Ordering::Relaxed));
        if OVERDUE_MS.contains(&late)
            && let Some(waker) = self.bell.waker.get()
        {
            waker.wake_by_ref();
        }
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Inbox {
    /// Registers the task that drains this mailbox; only the first call counts.
    pub(crate) fn listen(&self, waker: &Waker) {
        if self.bell.waker.get().is_none() {
            // Losing a race is impossible: only the owning shard calls this.
            let _ = self.bell.waker.set(waker.clone());
        }
    }

    /// Makes the next delivery ring again; to be called before the mailbox is emptied.
    pub(crate) fn quiet(&self) {
        self.bell.rung.store(false, Ordering::SeqCst);
    }

    pub(crate) fn take(&self) -> Option<Mail> {
        self.receiver.try_recv().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_mailbox_gives_the_mail_back() {
        let (mailbox, inbox) = mailbox(1);
        assert!(mailbox.try_send(Mail::Drain).is_ok());
        assert!(matches!(mailbox.try_send(Mail::Drain), Err(Mail::Drain)));
        assert!(inbox.take().is_some());
        assert!(mailbox.try_send(Mail::Drain).is_ok());
    }

    #[test]
    fn mail_for_an_ended_shard_comes_back() {
        let (mailbox, inbox) = mailbox(1);
        drop(inbox);
        assert!(mailbox.try_send(Mail::Drain).is_err());
    }

    #[derive(Default)]
    struct Wakes(std::sync::atomic::AtomicUsize);

    impl std::task::Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_burst_of_mail_wakes_once() {
        let (mailbox, inbox) = mailbox(10);
        let wakes = Arc::new(Wakes::default());
        inbox.listen(&Waker::from(Arc::clone(&wakes)));
        for _ in 0..3 {
            assert!(mailbox.try_send(Mail::Drain).is_ok());
        }
        assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
        inbox.quiet();
        assert!(mailbox.try_send(Mail::Drain).is_ok());
        assert_eq!(wakes.0.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn a_shard_whose_clock_is_overdue_is_woken() {
        let (mailbox, inbox) = mailbox(1);
        let wakes = Arc::new(Wakes::default());
        inbox.listen(&Waker::from(Arc::clone(&wakes)));
        mailbox.tick(Duration::from_secs(10));
        mailbox.wake_if_overdue(Duration::from_millis(10_100));
        assert_eq!(wakes.0.load(Ordering::Relaxed), 0, "it is on time");
        mailbox.wake_if_overdue(Duration::from_millis(10_200));
        assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
    }
}
