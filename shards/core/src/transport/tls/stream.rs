//! Bytes in, bytes out.

use super::identity::Acceptor;
use crate::transport::outcome::{Progress, Received, Taken};
use rustls::{HandshakeKind, ProtocolVersion, ServerConnection};
use sha2::{Digest, Sha256};
use std::fmt;
use std::io::{Read, Write};

/// Input of a handshake, in bytes (T5).
pub const HANDSHAKE_BYTES_MAX: usize = 16 * 1024;
/// Plaintext that is sealed at once, in bytes (T3).
pub const SEALED_BYTES_MAX: usize = 64 * 1024;
/// Ciphertext that one call of receive reads at most, in bytes. Records may be empty, so plaintext alone bounds nothing.
const CIPHERTEXT_BYTES_MAX: usize = 64 * 1024;

/// The TLS state of one connection. It is boxed, and moves with its connection.
pub struct Secure {
    session: ServerConnection,
    /// Ciphertext that was received and does not fit into the session yet.
    held: Vec<u8>,
    /// Ciphertext that the socket did not take yet.
    unsent: Vec<u8>,
    /// How much of it was sent.
    sent: usize,
    /// Input of the handshake, in bytes.
    handshake_bytes: usize,
    /// The peer has sent its close_notify.
    peer_closed: bool,
    /// Nothing more can be read: the peer broke the protocol.
    failed: bool,
    /// Our close_notify was made.
    closed: bool,
}

impl Secure {
    /// A session that waits for its ClientHello. `None` if the library cannot make one.
    #[must_use]
    pub fn accept(acceptor: &Acceptor) -> Option<Self> {
        let mut session = acceptor.session()?;
        // What is sealed at once is bounded by the caller.
        session.set_buffer_limit(None);
        Some(Self {
            session,
            held: Vec::new(),
            unsent: Vec::new(),
            sent: 0,
            handshake_bytes: 0,
            peer_closed: false,
            failed: false,
            closed: false,
        })
    }

    /// Goes on with the handshake. Bytes behind its end are kept, for no event tells of them.
    pub fn shake_hands(&mut self, ciphertext: &[u8]) -> Progress {
        let room = HANDSHAKE_BYTES_MAX.saturating_sub(self.handshake_bytes);
        // What is beyond the limit belongs to the handshake only if that is not over by then.
        let (input, beyond) = ciphertext.split_at(ciphertext.len().min(room));
        self.handshake_bytes += input.len();
        self.feed(input);
        if self.failed {
            return Progress::Failed;
        }
        if !self.session.is_handshaking() {
            self.feed(beyond);
            return Progress::Done;
        }
        if !beyond.is_empty() || self.peer_closed {
            self.failed = true;
            return Progress::Failed;
        }
        Progress::Partial {
            worked: self.session.wants_write(),
        }
    }

    /// Receives plaintext into `out`; `raw` receives ciphertext from the socket. `ended`: the input is known to end, and is
    /// read to its end.
    pub fn receive(
        &mut self,
        mut raw: impl FnMut(&mut [u8]) -> Received,
        scratch: &mut [u8],
        out: &mut [u8],
        ended: bool,
    ) -> Taken {
        let (mut filled, mut ciphertext, mut drained) = (0, 0, false);
        loop {
            filled += self.take_plaintext(&mut out[filled..]);
            let taken = |received, more| Taken {
                received,
                more,
                ciphertext,
            };
            let so_far = |none| if filled > 0 { Received::Bytes(filled) } else { none };
            if filled == out.len() {
                return taken(so_far(Received::Nothing), true);
            }
            if self.failed || self.peer_closed {
                return taken(so_far(Received::Ended), true);
            }
            if !self.held.is_empty() {
                let held = std::mem::take(&mut self.held);
                self.feed(&held);
                continue;
            }
            if drained {
                return taken(so_far(Received::Nothing), false);
            }
            if ciphertext >= CIPHERTEXT_BYTES_MAX {
                return taken(so_far(Received::Nothing), true);
            }
            match raw(scratch) {
                Received::Bytes(count) => {
                    ciphertext += count;
                    // Less than there was room for: everything that was there, but for an end that came before.
                    drained = count < scratch.len() && !ended;
                    self.feed(&scratch[..count]);
                }
                Received::Nothing => return taken(so_far(Received::Nothing), false),
                // An end without close_notify is an ordinary end: messages have ends of their own.
                other => return taken(so_far(other), true),
            }
        }
    }

    /// Whether a receive would find something without an event.
    #[must_use]
    pub fn has_input(&mut self) -> bool {
        !self.held.is_empty()
            || self.peer_closed
            || self.failed
            || self
                .session
                .process_new_packets()
                .is_ok_and(|state| state.plaintext_bytes_to_read() > 0)
    }

    /// Seals from the front of `plaintext` into `out` and returns how much was taken. What the session itself has to say
    /// comes first.
    pub fn seal(&mut self, plaintext: &[u8], out: &mut Vec<u8>) -> usize {
        let part = &plaintext[..plaintext.len().min(SEALED_BYTES_MAX)];
        // Without a limit all of it is taken; during a handshake nothing may be said.
        let taken = if self.session.is_handshaking() || part.is_empty() {
            0
        } else {
            self.session.writer().write(part).unwrap_or(0)
        };
        while self.session.wants_write() {
            // Writing to a Vec cannot fail.
            if self.session.write_tls(out).is_err() {
                break;
            }
        }
        taken
    }

    /// Ciphertext that has to be sent before anything else is sealed.
    #[must_use]
    pub fn unsent(&self) -> &[u8] {
        &self.unsent[self.sent..]
    }

    /// So much of it was sent.
    pub fn advance(&mut self, count: usize) {
        self.sent += count;
        if self.sent >= self.unsent.len() {
            self.unsent = Vec::new();
            self.sent = 0;
        }
    }

    /// Keeps ciphertext that the socket did not take. There must be none yet.
    pub fn keep(&mut self, ciphertext: &[u8]) {
        debug_assert!(self.unsent().is_empty(), "nothing is sealed while something is unsent");
        self.unsent = ciphertext.to_vec();
        self.sent = 0;
    }

    /// Whether there is ciphertext to send apart from what is in the outbox.
    #[must_use]
    pub fn has_output(&self) -> bool {
        !self.unsent().is_empty() || self.session.wants_write()
    }

    /// Says that nothing more comes. Returns whether that is new and can be said.
    pub fn close(&mut self) -> bool {
        if self.failed || self.session.is_handshaking() || std::mem::replace(&mut self.closed, true) {
            return false;
        }
        self.session.send_close_notify();
        true
    }

    /// Whether the handshake is not over.
    #[must_use]
    pub fn is_handshaking(&self) -> bool {
        self.session.is_handshaking()
    }

    /// Whether it is TLS 1.3. Before the end of the handshake this means nothing.
    #[must_use]
    pub fn is_tls13(&self) -> bool {
        self.session.protocol_version() == Some(ProtocolVersion::TLSv1_3)
    }

    /// Whether the handshake resumed an earlier session.
    #[must_use]
    pub fn is_resumed(&self) -> bool {
        self.session.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// SHA-256 of the client's certificate, if it showed one (T12).
    #[must_use]
    pub fn fingerprint(&self) -> Option<[u8; 32]> {
        let leaf = self.session.peer_certificates()?.first()?;
        Some(Sha256::digest(leaf).into())
    }

    fn take_plaintext(&mut self, out: &mut [u8]) -> usize {
        let mut filled = 0;
        while filled < out.len() {
            match self.session.reader().read(&mut out[filled..]) {
                Ok(0) | Err(_) => break,
                Ok(count) => filled += count,
            }
        }
        filled
    }

    /// Gives ciphertext to the session. It takes none while much plaintext waits; the rest is held.
    fn feed(&mut self, ciphertext: &[u8]) {
        if !self.held.is_empty() {
            return self.held.extend_from_slice(ciphertext);
        }
        let mut rest = ciphertext;
        while !rest.is_empty() && !self.failed && !self.peer_closed {
            let before = rest.len();
            if self.session.read_tls(&mut rest).is_err() || rest.len() == before {
                self.held = rest.to_vec();
                return;
            }
            match self.session.process_new_packets() {
                Ok(state) => self.peer_closed |= state.peer_has_closed(),
                Err(_) => self.failed = true,
            }
        }
    }
}

/// Nothing of a session belongs into debug output.
impl fmt::Debug for Secure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secure").finish_non_exhaustive()
    }
}
