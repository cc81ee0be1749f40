//! The WebSocket codec of the server side (RFC 6455), without IO, on tungstenite's frame layer.

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
        /// Whether it was a text message.
        text: bool,
        /// Bytes of payload.
        length: u64,
    },
    /// A ping, to be answered with its payload.
    Ping(&'a [u8]),
    /// A pong.
    Pong,
    /// A close frame; nothing after it is read.
    Close(Option<u16>),
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

/// Decodes the frames of one connection.
#[derive(Debug, Default)]
pub struct Decoder {}

impl Decoder {
    /// Takes bytes from the front of `input` until an event is complete or the input is used up. Returns how many
    /// bytes were taken and the event, if there is one. The bytes taken may have been unmasked in place.
    ///
    /// # Errors
    /// A [`Violation`]; the decoder must not be used afterwards.
    pub fn decode<'a>(
        &'a mut self,
        input: &'a mut [u8],
        limits: &Limits,
    ) -> Result<(usize, Option<Event<'a>>), Violation> {
        let _ = (input, limits);
        Ok((0, None))
    }
}

/// Appends an unmasked data frame with FIN set: text if `text`, else binary.
pub fn write_message(text: bool, payload: &[u8], out: &mut Vec<u8>) {
    let _ = (text, payload, out);
}

/// Appends a ping frame. `payload` is at most 125 bytes.
pub fn write_ping(payload: &[u8], out: &mut Vec<u8>) {
    let _ = (payload, out);
}

/// Appends a pong frame. `payload` is at most 125 bytes.
pub fn write_pong(payload: &[u8], out: &mut Vec<u8>) {
    let _ = (payload, out);
}

/// Appends a close frame with `code` and a reason of at most 123 bytes; `None`: without a body.
pub fn write_close(code: Option<u16>, reason: &str, out: &mut Vec<u8>) {
    let _ = (code, reason, out);
}
