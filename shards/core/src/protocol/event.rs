//! What protocols are told by the shard.

use crate::admission::Refusal;
use crate::http::{Asks, Binding};
use crate::ws::{Kind, Violation};
use std::fmt;
use std::net::IpAddr;

/// How a connection came.
#[derive(Clone)]
pub struct Opening {
    /// Address of the client, proxies taken into account (D23).
    pub client: IpAddr,
    /// The room that the path names, where paths name rooms.
    pub room: Option<Box<str>>,
    /// Query of the URL. It may hold a token.
    pub query: Option<Box<str>>,
    /// How its messages are signed, if they are.
    pub binding: Option<Box<Binding>>,
    /// What its headers ask for.
    pub asks: Asks,
    /// The client came with TLS, as far as this server or a trusted proxy knows.
    pub secure: bool,
    /// Lower-case hex SHA-256 of its client's certificate, from its TLS or from a trusted proxy (T12).
    pub certificate: Option<Box<str>>,
    /// The answer to the upgrade, if the protocol itself gives it: see [`Protocol::answers_late`](super::Protocol).
    pub answer: Box<[u8]>,
    /// It has no ticket. Only protocols that answer late see such a connection; they must not let it in.
    pub ticketless: bool,
}

/// Tokens are shown nowhere.
impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opening")
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

/// A message of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message<'a> {
    /// Text.
    Text(&'a str),
    /// Binary.
    Binary(&'a [u8]),
    /// One over `security.max_message_size`, which was discarded (D10).
    Oversize {
        /// Text or binary.
        kind: Kind,
        /// Bytes of payload.
        length: u64,
    },
}

/// Why the shard is about to close a connection; the protocol may tell its client first (D9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The connection gets no ticket. It has no session.
    Refused(Refusal),
    /// The client broke RFC 6455.
    Violation(Violation),
    /// A message was not complete in time (D24).
    MessageTimeout,
}
