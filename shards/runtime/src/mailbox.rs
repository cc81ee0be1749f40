//! The mailbox of a shard: a channel, a bell, and a descriptor that wakes the shard.

use crate::bell::{Bell, Ear};
use crossbeam_channel::{Receiver, Sender, unbounded};
use rustix::event::{EventfdFlags, eventfd};
use signal_fish_core::shard;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

/// What other threads send to a shard.
pub type Mail = shard::Mail<OwnedFd>;

/// The sending side of a mailbox: of a shard's, unless `M` says otherwise. Cheap to clone.
#[derive(Debug)]
pub struct Mailbox<M = Mail> {
    sender: Sender<M>,
    capacity: usize,
    bell: Arc<Bell>,
    wake: Arc<OwnedFd>,
}

/// The receiving side, owned by the shard.
#[derive(Debug)]
pub struct Inbox<M = Mail> {
    receiver: Receiver<M>,
    ear: Ear,
    wake: Arc<OwnedFd>,
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
    let inbox = Inbox {
        receiver,
        ear: Ear::new(Arc::clone(&bell)),
        wake: Arc::clone(&wake),
    };
    let mailbox = Mailbox {
        sender,
        capacity,
        bell,
        wake,
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
        if self.sender.len() >= self.capacity {
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
        }
    }
}

impl<M> Inbox<M> {
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
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

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
