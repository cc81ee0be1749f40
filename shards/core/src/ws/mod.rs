//! The WebSocket codec of the server side (RFC 6455), without IO, on tungstenite's frame layer.
//!
//! Reading: [`Decoder`] unmasks the client's bytes in place and turns them into [`Event`]s. A message that lies whole
//! in the input is borrowed from it; only one that arrives in pieces is collected, and only until it is delivered.
//! Writing: [`write_message`] and its siblings append frames to a buffer.

mod decoder;
mod encoder;
mod event;
mod frame;
mod mask;
mod message;
mod utf8;

pub use decoder::Decoder;
pub use encoder::{HEADER_BYTES_MAX, frame_length, write_close, write_header, write_message, write_ping, write_pong};
pub use event::{Event, Kind, Limits, Violation};
