//! Where bytes come from and go to: the sockets of a shard, as production and the simulator provide them.
//!
//! TLS stands between a socket and the codec: [`Secure`] is the part of it that belongs to one connection.

mod outcome;
#[cfg(feature = "tls")]
mod tls;
#[cfg(not(feature = "tls"))]
mod without_tls;

pub use outcome::{Progress, Received, Taken, begins_record};
/// Certificates, keys and time, as TLS takes them.
#[cfg(feature = "tls")]
pub use rustls::{pki_types, time_provider};
#[cfg(feature = "tls")]
pub use tls::{
    Acceptor, ClientAuth, HANDSHAKE_BYTES_MAX, INTERMEDIATES_MAX, Identity, SEALED_BYTES_MAX, Secure, TlsFault,
    certificates_of_pem, key_of_pem,
};
#[cfg(not(feature = "tls"))]
pub use without_tls::{Acceptor, Secure};

use crate::slot::{ListenerIndex, Slot};
use std::net::IpAddr;

/// The sockets of one shard, named by slot. Nothing here waits.
pub trait Sockets {
    /// A socket on its way from one shard to another.
    type Socket: Send + 'static;

    /// The next event that has become known. Events are edges: each is told once.
    fn next_event(&mut self) -> Option<Event>;

    /// Takes a connection from the queue of a listener.
    fn accept(&mut self, listener: ListenerIndex) -> Accepted<Self::Socket>;

    /// Gives a socket to a slot; from now on its events are told, what is already there included.
    ///
    /// # Errors
    /// Gives the socket back if it cannot be watched.
    fn add(&mut self, slot: Slot, socket: Self::Socket) -> Result<(), Self::Socket>;

    /// Takes a socket out of its slot without closing it.
    fn remove(&mut self, slot: Slot) -> Option<Self::Socket>;

    /// Closes a socket. The slot has none afterwards.
    fn close(&mut self, slot: Slot);

    /// Receives what is there, at most `buffer.len()` bytes.
    fn receive(&mut self, slot: Slot, buffer: &mut [u8]) -> Received;

    /// Sends from the front of `bytes`, which are not empty. After [`Sent::Blocked`] an event tells when there is room.
    fn send(&mut self, slot: Slot, bytes: &[u8]) -> Sent;

    /// Ends the sending direction.
    fn shut(&mut self, slot: Slot);

    /// Sends as much of `last` as fits, ends the sending direction and closes a socket that gets no slot.
    fn refuse(&mut self, socket: Self::Socket, last: &[u8]);

    /// Closes every listener. Connections in the queue of each are refused with what `last` gives for it.
    fn stop_accepting(&mut self, last: impl Fn(ListenerIndex) -> Vec<u8>);
}

/// What has become known about a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Connections wait in the queue of a listener. Whoever accepts one has to accept all of them, because no other event
    /// tells of them.
    Newcomers(ListenerIndex),
    /// Something about one connection.
    Ready(Slot, Ready),
}

/// What is known of a socket after an event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ready {
    /// It has input, or its end can be read.
    pub input: bool,
    /// The peer sends no more, or the connection failed: reading finds the end.
    pub ended: bool,
    /// It takes output again.
    pub output: bool,
}

/// Outcome of an accept.
#[derive(Debug)]
pub enum Accepted<K> {
    /// A connection and the address of its peer.
    Connection(K, IpAddr),
    /// The queue is empty.
    Nobody,
    /// No descriptor or memory is left: try again later.
    Exhausted,
}

/// Outcome of a send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// So many bytes, at least one.
    Bytes(usize),
    /// The socket takes nothing.
    Blocked,
    /// The connection is lost.
    Lost,
}
