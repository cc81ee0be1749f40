//! What receiving and shaking hands come to.

/// Outcome of a receive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// So many bytes, at least one.
    Bytes(usize),
    /// There is nothing.
    Nothing,
    /// The peer sends no more.
    Ended,
    /// The connection is lost.
    Lost,
}

/// What was received through TLS, or past it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// Plaintext.
    pub received: Received,
    /// There may be more, of which no event tells.
    pub more: bool,
    /// What the socket gave for it, in bytes.
    pub ciphertext: usize,
}

impl Taken {
    /// From a socket without TLS, into a buffer of this length. Less than there was room for is everything that was there.
    #[must_use]
    pub fn plain(received: Received, room: usize) -> Self {
        let count = match received {
            Received::Bytes(count) => count,
            Received::Nothing | Received::Ended | Received::Lost => 0,
        };
        Self {
            received,
            more: count == room,
            ciphertext: count,
        }
    }

    /// The connection is lost.
    #[must_use]
    pub fn lost() -> Self {
        Self::plain(Received::Lost, 1)
    }
}

/// How far a handshake is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// More input is needed.
    Partial {
        /// An answer was computed, which is what costs.
        worked: bool,
    },
    /// It is over: what follows is application data.
    Done,
    /// The peer cannot be served. An alert may be there to be sent.
    Failed,
}

/// Whether a first byte begins a TLS record: change cipher spec, alert, handshake or application data.
#[must_use]
pub fn begins_record(first: u8) -> bool {
    (20..=23).contains(&first)
}
