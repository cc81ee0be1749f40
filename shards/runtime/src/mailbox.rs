//! The mailbox of a shard: a channel, a bell, and a descriptor that wakes the shard.

use crate::bell::{Bell, Ear};
use crossbeam_channel::{Receiver, Sender, unbounded};
use rustix::event::{EventfdFlags, eventfd};
use signal_fish_core::admission::Notice;
use signal_fish_core::shard;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What other threads send to a shard.
pub type Mail = shard::Mail<OwnedFd>;

/// The sending side of a mailbox: of a shard's, unless `M` says otherwise. Cheap to clone.
#[derive(Debug)]
pub struct Mailbox<M = Mail> {
    sender: Sender<M>,
    capacity: usize,
    bell: Arc<Bell>,
    wake: Arc<OwnedFd>,
    ended: Arc<AtomicBool>,
}

/// The receiving side, owned by the shard.
#[derive(Debug)]
pub struct Inbox<M = Mail> {
    receiver: Receiver<M>,
    ear: Ear,
    wake: Arc<OwnedFd>,
    ended: Arc<AtomicBool>,
}

/// What is left in a mailbox: mail that a sender pushed at the moment when the shard ended, after the shard had looked for the
/// last time. As long as there is this, nothing that was pushed is dropped.
#[derive(Debug)]
pub struct Leftover(Receiver<Mail>);

impl Leftover {
    /// Gives back what the mail holds. Called when nobody sends any more.
    pub fn give_back(self, mut notify: impl FnMut(Notice)) {
        for mail in self.0.try_iter() {
            mail.abandon(&mut notify);
        }
    }
}

/// A mailbox for about `capacity` pieces of mail: senders that check at the same moment may exceed it by one each.
///
/// The channel is unbounded because a bounded one allocates and touches all its places at the start.
///
/// # Errors
/// What the system says: no descriptor or memory left.
pub fn mailbox<M>(capacity: usize) -> io::Result<(Mailbox<M>, Inbox<M>)> {
    let (sender, receiver) = unbounded();
    let bell = Arc::new(Bell::new());
    let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
    let ended = Arc::new(AtomicBool::new(false));
    let inbox = Inbox {
        receiver,
        ear: Ear::new(Arc::clone(&bell)),
        wake: Arc::clone(&wake),
        ended: Arc::clone(&ended),
    };
    let mailbox = Mailbox {
        sender,
        capacity,
        bell,
        wake,
        ended,
    };
    Ok((mailbox, inbox))
}

impl<M> Mailbox<M> {
    /// Delivers `mail` and wakes the shard; never blocks.
    ///
    /// # Errors
    /// Gives the mail back when the mailbox is full or its shard has ended.
    pub fn try_send(&self, mail: M) -> Result<(), M> {
        self.try_push(mail)?;
        self.ring();
        Ok(())
    }

    /// Delivers `mail` without waking the shard; [`Self::ring`] wakes it later. Never blocks.
    ///
    /// # Errors
    /// As [`Self::try_send`].
    pub fn try_push(&self, mail: M) -> Result<(), M> {
        if self.ended.load(Ordering::Acquire) || self.sender.len() >= self.capacity {
            return Err(mail);
        }
        self.sender.send(mail).map_err(|error| error.into_inner())
    }

    /// Mail that the shard has not taken.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.sender.len()
    }

    /// Wakes the shard if it sleeps.
    pub fn ring(&self) {
        if self.bell.ring() {
            // It fails only when the count in the descriptor is full, and then the shard is being woken already.
            let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
        }
    }
}

impl<M> Clone for Mailbox<M> {
    fn clone(&self) -> Self {
        Self {
            sender: self.sender.clone(),
            capacity: self.capacity,
            bell: Arc::clone(&self.bell),
            wake: Arc::clone(&self.wake),
            ended: Arc::clone(&self.ended),
        }
    }
}

/// The shard has ended: from now on mail comes back to its sender.
impl<M> Drop for Inbox<M> {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Release);
    }
}

impl Inbox {
    /// What will be left when the shard has ended.
    #[must_use]
    pub fn leftover(&self) -> Leftover {
        Leftover(self.receiver.clone())
    }
}

impl<M> Inbox<M> {
    /// The shard takes mail no more; what comes now goes back to its sender.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    /// Whether there may be mail. Costs one load while there is none.
    pub(crate) fn has_mail(&self) -> bool {
        self.ear.has_mail()
    }

    /// Takes the next piece of mail.
    pub(crate) fn take(&mut self) -> Option<M> {
        self.ear.take(|| self.receiver.try_recv().ok())
    }

    /// Whether the shard may sleep: from now on, mail writes [`Self::wake`].
    pub(crate) fn lie_down(&self) -> bool {
        self.ear.lie_down()
    }

    /// The shard sleeps no more.
    pub(crate) fn get_up(&self) {
        self.ear.get_up();
    }

    /// The descriptor that is written to wake the shard. Every write is an edge; nobody needs to read it.
    pub(crate) fn wake(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ahash::RandomState;
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use signal_fish_core::Slot;
    use signal_fish_core::admission::{Admission, Ask, Limits, Rates};
    use std::time::Duration;

    fn is_woken(inbox: &Inbox) -> bool {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut [PollFd::from_borrowed_fd(inbox.wake(), PollFlags::IN)], Some(&now)).unwrap() == 1
    }

    #[test]
    fn a_full_mailbox_gives_the_mail_back() {
        let (mailbox, mut inbox) = mailbox(1).unwrap();
        assert!(mailbox.try_send(Mail::Drain).is_ok());
        assert!(matches!(mailbox.try_send(Mail::Drain), Err(Mail::Drain)));
        assert!(inbox.take().is_some());
        assert!(mailbox.try_send(Mail::Drain).is_ok());
    }

    #[test]
    fn mail_for_an_ended_shard_comes_back() {
        let (mailbox, inbox) = mailbox(1).unwrap();
        drop(inbox);
        assert!(mailbox.try_send(Mail::Drain).is_err());
    }

    /// A sender may find the mailbox open and push when the shard has looked for the last time.
    #[test]
    fn what_was_pushed_at_the_last_moment_is_left_over() {
        let limits = Limits {
            connections_max: 10,
            connections_per_ip_max: 10,
            handshakes_per_sec_per_ip: 10,
            rooms_per_game_max: 0,
            room_creations_max: 0,
            join_attempts_max: 0,
            relay: Rates::default(),
            time_window: Duration::ZERO,
            apps: Vec::new(),
        };
        let mut admission = Admission::new(limits, RandomState::with_seeds(1, 2, 3, 4));
        let ask = || Ask::Connect {
            ip: [127, 0, 0, 1].into(),
        };
        let verdict = admission.decide(Duration::ZERO, ask());
        let (mailbox, inbox) = mailbox(10).unwrap();
        let leftover = inbox.leftover();
        let slot = Slot {
            index: 0,
            generation: 0,
        };
        let crowded = admission.crowded();
        mailbox.try_send(Mail::Verdict { slot, verdict, crowded }).unwrap();
        drop(inbox);
        assert!(
            matches!(mailbox.try_send(Mail::Drain), Err(Mail::Drain)),
            "it has ended"
        );
        assert_eq!(admission.totals().connections_active, 1);
        leftover.give_back(|notice| admission.give_back(notice));
        assert_eq!(admission.totals().connections_active, 0);
    }

    #[test]
    fn mail_wakes_only_a_shard_that_sleeps() {
        let (mailbox, mut inbox) = mailbox(10).unwrap();
        assert!(!inbox.has_mail());
        assert!(mailbox.try_send(Mail::Drain).is_ok());
        assert!(!is_woken(&inbox));
        assert!(!inbox.lie_down(), "there is mail");
        assert!(inbox.take().is_some());
        assert!(inbox.has_mail() && !inbox.lie_down(), "there may be more");
        assert!(inbox.take().is_none());
        assert!(!inbox.has_mail());

        assert!(inbox.lie_down());
        assert!(mailbox.try_send(Mail::Drain).is_ok());
        assert!(is_woken(&inbox));
        inbox.get_up();
        assert!(inbox.has_mail());
    }
}
