//! What the client's bytes can mean, and its breaches of the standard.

use tungstenite::protocol::frame::coding::CloseCode;

/// Kind of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text: valid UTF-8.
    Text,
    /// Binary: any bytes.
    Binary,
}

/// Bounds of the codec.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Largest text or binary message that is delivered, in bytes (`security.max_message_size`).
    pub message_bytes_max: usize,
    /// Largest frame payload, and largest sum of the fragments of a message, that is discarded rather than refused (D10).
    pub discard_bytes_max: u64,
}

/// What the client's bytes mean.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A complete text message.
    Text(&'a str),
    /// A complete binary message.
    Binary(&'a [u8]),
    /// A message over the limit is complete and was discarded; its total size in bytes (D10).
    Oversize {
        /// Text or binary.
        kind: Kind,
        /// Bytes of payload.
        length: u64,
    },
    /// A ping, to be answered with its payload.
    Ping(&'a [u8]),
    /// A pong.
    Pong,
    /// A close frame with its code and reason, if it has any; nothing after it is read.
    Close(Option<(u16, &'a str)>),
}

/// The client broke RFC 6455; the connection ends with this code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    /// 1002.
    Protocol(&'static str),
    /// 1007: text that is not UTF-8.
    InvalidUtf8,
    /// 1009: over [`Limits::discard_bytes_max`].
    TooLarge,
}

impl Violation {
    /// The code of the close frame that answers it (RFC 6455, 7.4.1).
    pub fn close_code(self) -> u16 {
        match self {
            Violation::Protocol(_) => CloseCode::Protocol.into(),
            Violation::InvalidUtf8 => CloseCode::Invalid.into(),
            Violation::TooLarge => CloseCode::Size.into(),
        }
    }

    /// The reason to send with [`Violation::close_code`].
    pub fn reason(self) -> &'static str {
        match self {
            Violation::Protocol(reason) => reason,
            Violation::InvalidUtf8 => "text is not UTF-8",
            Violation::TooLarge => "message is too large",
        }
    }
}
