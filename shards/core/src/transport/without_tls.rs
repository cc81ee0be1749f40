//! What stands in for TLS in a build without it: types that have no values.

use super::outcome::{Progress, Received, Taken};

/// Nothing can be accepted.
#[derive(Debug, Clone)]
pub enum Acceptor {}

/// No connection has TLS.
#[derive(Debug)]
pub enum Secure {}

#[allow(missing_docs, reason = "the same as with TLS")]
impl Acceptor {
    #[must_use]
    pub fn cost(&self) -> u32 {
        match *self {}
    }

    #[must_use]
    pub fn finish_cost(&self) -> u32 {
        match *self {}
    }
}

#[allow(missing_docs, reason = "the same as with TLS")]
impl Secure {
    #[must_use]
    pub fn accept(acceptor: &Acceptor) -> Option<Self> {
        match *acceptor {}
    }

    pub fn shake_hands(&mut self, _: &[u8]) -> Progress {
        match *self {}
    }

    pub fn receive(&mut self, _: impl FnMut(&mut [u8]) -> Received, _: &mut [u8], _: &mut [u8], _: bool) -> Taken {
        match *self {}
    }

    #[must_use]
    pub fn has_input(&mut self) -> bool {
        match *self {}
    }

    pub fn seal(&mut self, _: &[u8], _: &mut Vec<u8>) -> usize {
        match *self {}
    }

    #[must_use]
    pub fn unsent(&self) -> &[u8] {
        match *self {}
    }

    pub fn advance(&mut self, _: usize) {
        match *self {}
    }

    pub fn keep(&mut self, _: &[u8]) {
        match *self {}
    }

    #[must_use]
    pub fn has_output(&self) -> bool {
        match *self {}
    }

    pub fn close(&mut self) -> bool {
        match *self {}
    }

    #[must_use]
    pub fn is_handshaking(&self) -> bool {
        match *self {}
    }

    #[must_use]
    pub fn is_tls13(&self) -> bool {
        match *self {}
    }

    #[must_use]
    pub fn is_resumed(&self) -> bool {
        match *self {}
    }

    #[must_use]
    pub fn fingerprint(&self) -> Option<[u8; 32]> {
        match *self {}
    }
}
