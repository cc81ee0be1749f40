//! What protocols are told by the shard.

use crate::admission::Refusal;
use crate::http::Binding;
use crate::ws::{Kind, Violation};
use std::net::IpAddr;

/// How a connection came.
#[derive(Debug, Clone)]
pub struct Opening {
    /// Address of the client, proxies taken into account (D23).
    pub client: IpAddr,
    /// The room that the path names, where paths name rooms.
    pub room: Option<Box<str>>,
    /// Query of the URL.
    pub query: Option<Box<str>>,
    /// How its messages are signed, if they are.
    pub binding: Option<Box<Binding>>,
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
