use crate::handoff::Handoff;
use crate::shard::ShardReport;
use crossbeam_channel::{Receiver, Sender, unbounded};
use signal_fish_core::admission::{Ask, Notice, Verdict};
use signal_fish_core::engine::{ShardIndex, Slot};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Waker;

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
}
