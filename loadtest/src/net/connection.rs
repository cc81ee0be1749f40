//! One connection, its name, and the slot that holds it.

use super::stream::Stream;
use crate::tls::Session;

/// Names a connection; an old name never means a newer connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConnectionId {
    pub(super) index: u32,
    pub(super) generation: u32,
}

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// We asked for it.
    Ours,
    /// The server sent a close frame with this code first.
    CloseFrame(Option<u16>),
    /// The server ended or reset the TCP connection.
    Dropped(String),
    /// It never became a WebSocket: refused, no answer in time, or another HTTP status than 101.
    Refused(String),
    /// The server broke RFC 6455, or stopped reading.
    Broken(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Connecting,
    Upgrading,
    Open,
    /// We sent a close frame.
    Closing,
}

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) stream: Stream,
    pub(super) stage: Stage,
    pub(super) owner: u8,
    pub(super) tag: usize,
    /// Bytes received that are not a whole frame yet.
    pub(super) partial: Vec<u8>,
    /// A message whose final frame has not come.
    pub(super) fragments: Option<Box<(bool, Vec<u8>)>>,
    /// With TLS: plaintext.
    pub(super) unsent: Vec<u8>,
    pub(super) tls: Option<Box<Secure>>,
    pub(super) dirty: bool,
    /// It takes no output for now; an event says when it does again.
    pub(super) blocked: bool,
    pub(super) deadline_ns: u64,
    pub(super) server_close: Option<Option<u16>>,
}

/// TLS of a connection.
#[derive(Debug)]
pub(super) struct Secure {
    pub(super) session: Session,
    /// Ciphertext that waits to be sent.
    pub(super) sealed: Vec<u8>,
}

#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) generation: u32,
    pub(super) connection: Option<Box<Connection>>,
}
