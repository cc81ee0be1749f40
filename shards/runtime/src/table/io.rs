//! The sockets in the slots: receiving, going on with output that met a full buffer, and what readiness says of them.

use super::{Phase, Table, find};
use crate::readiness::{Ready, Source, Waiter};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown};
use signal_fish_core::protocol::signal_fish::Slot;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::task::{Poll, Waker};

impl Table {
    /// What waits until a socket is ready.
    pub(crate) fn readiness(&mut self) -> Waiter {
        self.readiness.waiter()
    }

    /// Wakes the tasks whose sockets are ready, up to a limit; returns how many sockets were.
    pub(crate) fn wake_ready(&mut self) -> usize {
        let Self {
            readiness,
            entries,
            newcomers,
            ..
        } = self;
        readiness.take(|source, ready| match source {
            Source::Listener => {
                if let Some(waker) = newcomers.take() {
                    waker.wake();
                }
            }
            Source::Connection(slot) => {
                if let Some(entry) = find(entries, slot) {
                    entry.note(ready);
                }
            }
        })
    }

    /// Reports connections that wait in the listener's queue to the task of [`Self::wake_at_newcomers`].
    pub(crate) fn watch_listener(&self, listener: impl AsFd) -> io::Result<()> {
        self.readiness.watch_listener(listener)
    }

    /// Whom to wake when connections wait; to be called before the queue is emptied.
    pub(crate) fn wake_at_newcomers(&mut self, waker: &Waker) {
        self.newcomers = Some(waker.clone());
    }

    /// Receives once. Pending: there is no input, and the connection's task is woken when there is.
    pub(crate) fn receive(&mut self, slot: Slot, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let Some(entry) = find(&mut self.entries, slot).filter(|entry| entry.readable) else {
            return Poll::Pending;
        };
        loop {
            let Some(socket) = entry.socket.as_ref() else {
                return Poll::Pending;
            };
            self.counters.receives += 1;
            match rustix::net::recv(socket, &mut *buffer, RecvFlags::DONTWAIT) {
                Ok((_, received)) => {
                    // Less than there was room for: everything that was there. What comes later is an edge of its own,
                    // but for an end that came before.
                    entry.readable = received == buffer.len() || entry.ended;
                    return Poll::Ready(Ok(received));
                }
                Err(Errno::AGAIN) => {
                    entry.readable = false;
                    return Poll::Pending;
                }
                Err(Errno::INTR) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    /// Sends from the outbox once. Pending: the socket's buffer is full, and the connection's task is woken when it has
    /// room.
    pub(crate) fn send_more(&mut self, slot: Slot) -> Poll<io::Result<()>> {
        let Some(entry) = find(&mut self.entries, slot) else {
            return Poll::Pending;
        };
        let Some(socket) = entry.socket.as_ref() else {
            return Poll::Pending;
        };
        self.counters.sends += 1;
        match send(socket.as_fd(), entry.outbox.unsent()) {
            Ok(sent) => {
                self.counters.bytes_out += sent as u64;
                entry.outbox.advance(sent, &mut self.pool);
                entry.blocked &= !entry.outbox.is_empty();
                Poll::Ready(Ok(()))
            }
            Err(Errno::INTR) => Poll::Ready(Ok(())),
            Err(Errno::AGAIN) => {
                if !entry.watches_output {
                    self.readiness.watch_output(slot, socket)?;
                    entry.watches_output = true;
                }
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(error.into())),
        }
    }

    pub(crate) fn has_unsent(&self, slot: Slot) -> bool {
        self.entries
            .get(slot.index as usize)
            .is_some_and(|entry| entry.generation == slot.generation && !entry.outbox.is_empty())
    }

    /// Ends the sending direction.
    pub(crate) fn shutdown_write(&mut self, slot: Slot) -> io::Result<()> {
        let socket = find(&mut self.entries, slot).and_then(|entry| entry.socket.as_ref());
        socket.map_or(Ok(()), |socket| Ok(rustix::net::shutdown(socket, Shutdown::Write)?))
    }
}

impl super::Entry {
    fn note(&mut self, ready: Ready) {
        self.readable |= ready.input;
        self.ended |= ready.ended;
        if ready.input || (ready.output && (self.blocked || self.phase == Phase::Closing)) {
            self.wake();
        }
    }
}

/// Sends without waiting.
pub(super) fn send(socket: BorrowedFd<'_>, bytes: &[u8]) -> Result<usize, Errno> {
    rustix::net::send(socket, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)
}
