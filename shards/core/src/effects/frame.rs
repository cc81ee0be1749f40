//! One WebSocket frame, encoded once and appended to as many outboxes as there are recipients.

use crate::ws::{HEADER_BYTES_MAX, Kind, write_header};

/// Capacity above which a buffer is given back after a burst of large messages.
const KEPT_BYTES_MAX: usize = 256 * 1024;

/// A frame in a buffer that is used again and again.
#[derive(Debug, Default)]
pub struct Frame {
    /// Room for the longest header, then the payload.
    bytes: Vec<u8>,
    /// Where the header begins.
    start: usize,
}

impl Frame {
    /// Encodes a message whose payload `write` appends to the buffer it gets.
    pub fn encode(&mut self, kind: Kind, write: impl FnOnce(&mut Vec<u8>)) {
        if self.bytes.capacity() > KEPT_BYTES_MAX {
            self.bytes = Vec::new();
        }
        self.bytes.clear();
        self.bytes.extend_from_slice(&[0; HEADER_BYTES_MAX]);
        write(&mut self.bytes);
        let length = self.bytes.len() - HEADER_BYTES_MAX;
        if let Some(room) = self.bytes.first_chunk_mut() {
            self.start = HEADER_BYTES_MAX - write_header(kind, length, room);
        }
    }

    /// The payload.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.bytes.get(HEADER_BYTES_MAX..).unwrap_or_default()
    }

    /// Header and payload.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[self.start..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ws::write_message;

    #[test]
    fn a_frame_is_what_the_encoder_writes() {
        let mut frame = Frame::default();
        assert_eq!(frame.payload(), b"");
        for kind in [Kind::Text, Kind::Binary] {
            for length in [0, 1, 125, 126, 65_535, 65_536, 300_000] {
                let payload = vec![b'x'; length];
                frame.encode(kind, |out| out.extend_from_slice(&payload));
                let mut expected = Vec::new();
                write_message(kind, &payload, &mut expected);
                assert_eq!(frame.bytes(), expected);
                assert_eq!(frame.payload(), payload);
            }
        }
    }
}
