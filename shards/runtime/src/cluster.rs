//! The way to the thread that talks to Redis: a mailbox. What is published in it is bounded by count and bytes; seats that
//! are asked for or given back always get through, because there is one of them per connection at most.

use crate::mailbox::{Inbox, Mailbox, mailbox};
use signal_fish_core::admission::Seat;
use signal_fish_core::effects::Published;
use signal_fish_core::{ShardIndex, Slot};
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Messages that wait to be published; more are refused. Senders that check at the same moment may exceed it by one each.
pub const PUBLISHED_MAX: usize = 16_384;
/// Their bytes.
pub const PUBLISHED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What the thread is told.
#[derive(Debug)]
pub enum ToCluster {
    /// By a shard: publish this.
    Publish(Published),
    /// By the control plane: a connection of a shard asks for a seat.
    Sit {
        /// Shard that asks.
        shard: ShardIndex,
        /// Connection that asks.
        slot: Slot,
        /// Room.
        room: Arc<str>,
        /// Id of the client.
        client: [u8; 16],
    },
    /// By the control plane: a seat comes back.
    SeatEnded(Seat),
    /// By the server: nobody tells anything more.
    Stop,
}

/// The side of those who tell the thread something; cheap to clone.
#[derive(Debug, Clone)]
pub struct ClusterSender {
    mailbox: Mailbox<ToCluster>,
    bytes: Arc<AtomicUsize>,
}

/// The side of the thread.
#[derive(Debug)]
pub struct ClusterInbox {
    inbox: Inbox<ToCluster>,
    bytes: Arc<AtomicUsize>,
}

/// A way to the thread that talks to Redis.
///
/// # Errors
/// What the system says: no descriptor or memory left.
pub fn cluster_channel() -> io::Result<(ClusterSender, ClusterInbox)> {
    let (mailbox, inbox) = mailbox(usize::MAX)?;
    let bytes = Arc::new(AtomicUsize::new(0));
    let sender = ClusterSender {
        mailbox,
        bytes: Arc::clone(&bytes),
    };
    Ok((sender, ClusterInbox { inbox, bytes }))
}

impl ClusterSender {
    /// Tells the thread something that must not be lost, and wakes it. What nobody receives any more is dropped.
    pub fn send(&self, message: ToCluster) {
        let _ = self.mailbox.try_send(message);
    }

    /// Hands over a message to be published, without waking the thread; never blocks.
    ///
    /// # Errors
    /// Gives it back when too much waits.
    pub(crate) fn push(&self, message: Published) -> Result<(), Published> {
        let length = message.text.len();
        let is_full = self.mailbox.depth() >= PUBLISHED_MAX
            || self.bytes.load(Ordering::Relaxed).saturating_add(length) > PUBLISHED_BYTES_MAX;
        if is_full {
            return Err(message);
        }
        self.bytes.fetch_add(length, Ordering::Relaxed);
        match self.mailbox.try_push(ToCluster::Publish(message)) {
            Err(ToCluster::Publish(message)) => Err(message),
            _ => Ok(()),
        }
    }

    /// Wakes the thread if it sleeps.
    pub(crate) fn ring(&self) {
        self.mailbox.ring();
    }
}

impl ClusterInbox {
    /// Takes the next message.
    pub fn take(&mut self) -> Option<ToCluster> {
        let message = self.inbox.take()?;
        if let ToCluster::Publish(message) = &message {
            self.bytes.fetch_sub(message.text.len(), Ordering::Relaxed);
        }
        Some(message)
    }

    /// Whether the thread may sleep: from now on, a message makes [`Self::wake`] readable.
    pub fn lie_down(&self) -> bool {
        self.inbox.lie_down()
    }

    /// The thread sleeps no more. Returns after the descriptor was read.
    pub fn get_up(&self) {
        self.inbox.get_up();
        // Whoever polls by level would be woken by it for ever.
        let _ = rustix::io::read(self.inbox.wake(), &mut [0_u8; 8]);
    }

    /// The descriptor that is readable when the thread has to wake up.
    #[must_use]
    pub fn wake(&self) -> BorrowedFd<'_> {
        self.inbox.wake()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(bytes: usize) -> Published {
        Published {
            room: "room".into(),
            client: [0; 16],
            text: "x".repeat(bytes).into(),
        }
    }

    #[test]
    fn what_waits_to_be_published_is_bounded_and_seats_get_through() {
        let (sender, mut inbox) = cluster_channel().unwrap();
        for _ in 0..PUBLISHED_MAX {
            assert!(sender.push(message(1)).is_ok());
        }
        assert!(sender.push(message(1)).is_err());
        sender.send(ToCluster::SeatEnded(Seat::new("room".into(), [0; 16])));
        let mut taken = 0;
        while inbox.take().is_some() {
            taken += 1;
        }
        assert_eq!(taken, PUBLISHED_MAX + 1);
        let half = PUBLISHED_BYTES_MAX / 2;
        assert!(sender.push(message(half)).is_ok());
        assert!(sender.push(message(half)).is_ok());
        assert!(sender.push(message(1)).is_err(), "bytes are bounded, too");
        sender.ring();
        assert!(inbox.take().is_some());
        assert!(sender.push(message(half)).is_ok(), "what was taken waits no more");
    }

    #[test]
    fn a_sleeper_is_woken_once() {
        let (sender, mut inbox) = cluster_channel().unwrap();
        assert!(inbox.take().is_none());
        assert!(inbox.lie_down());
        sender.send(ToCluster::Stop);
        let readable = |inbox: &ClusterInbox| {
            use rustix::event::{PollFd, PollFlags, Timespec, poll};
            let now = Timespec { tv_sec: 0, tv_nsec: 0 };
            poll(&mut [PollFd::from_borrowed_fd(inbox.wake(), PollFlags::IN)], Some(&now)).unwrap() == 1
        };
        assert!(readable(&inbox));
        inbox.get_up();
        assert!(!readable(&inbox));
        assert!(matches!(inbox.take(), Some(ToCluster::Stop)));
    }
}
