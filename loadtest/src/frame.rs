//! WebSocket frames of the client side: masked out, unmasked in.

use std::io::Cursor;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

/// Largest frame that is taken from a server, in bytes.
const FRAME_BYTES_MAX: u64 = 64 << 20;

/// A frame at the front of the bytes received.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Kind of frame.
    pub opcode: OpCode,
    /// Whether it ends its message.
    pub is_final: bool,
    /// Payload.
    pub payload: &'a [u8],
    /// Bytes that header and payload take.
    pub length: usize,
}

/// Takes the first frame; `None`: it is not complete.
///
/// # Errors
/// A sentence on how the server broke RFC 6455.
pub fn first_frame(bytes: &[u8]) -> Result<Option<Frame<'_>>, String> {
    let mut cursor = Cursor::new(bytes);
    let Some((header, payload_bytes)) = FrameHeader::parse(&mut cursor).map_err(|error| error.to_string())? else {
        return Ok(None);
    };
    if header.mask.is_some() {
        return Err("the server masked a frame".to_owned());
    }
    if payload_bytes > FRAME_BYTES_MAX {
        return Err(format!("the server announced a frame of {payload_bytes} bytes"));
    }
    // Both fit: the header has at most 14 bytes, the payload was just bounded.
    let (Ok(start), Ok(payload_bytes)) = (usize::try_from(cursor.position()), usize::try_from(payload_bytes)) else {
        return Err("the server announced a frame that does not fit into memory".to_owned());
    };
    let length = start + payload_bytes;
    Ok(bytes.get(start..length).map(|payload| Frame {
        opcode: header.opcode,
        is_final: header.is_final,
        payload,
        length,
    }))
}

/// Draws masking keys; xorshift is enough, as nothing here needs to be hidden from a proxy.
#[derive(Debug)]
pub struct Masks(u32);

impl Masks {
    /// Starts from `seed`.
    #[must_use]
    pub fn new(seed: u32) -> Self {
        Self(seed | 1)
    }

    fn next(&mut self) -> [u8; 4] {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0.to_ne_bytes()
    }

    /// Appends a masked text frame.
    pub fn write_text(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        self.write(OpCode::Data(Data::Text), payload, out);
    }

    /// Appends a masked binary frame.
    pub fn write_binary(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        self.write(OpCode::Data(Data::Binary), payload, out);
    }

    /// Appends a masked pong frame.
    pub fn write_pong(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        self.write(OpCode::Control(Control::Pong), payload, out);
    }

    /// Appends a masked close frame with code 1000.
    pub fn write_close(&mut self, out: &mut Vec<u8>) {
        self.write(OpCode::Control(Control::Close), &1000_u16.to_be_bytes(), out);
    }

    fn write(&mut self, opcode: OpCode, payload: &[u8], out: &mut Vec<u8>) {
        let mask = self.next();
        let header = FrameHeader {
            opcode,
            mask: Some(mask),
            ..FrameHeader::default()
        };
        // Writing to a Vec cannot fail.
        let written = header.format(payload.len() as u64, out);
        debug_assert!(written.is_ok());
        let start = out.len();
        out.extend_from_slice(payload);
        mask_in_place(&mut out[start..], mask);
    }
}

fn mask_in_place(bytes: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (chunks, rest) = bytes.as_chunks_mut::<8>();
    for chunk in chunks {
        *chunk = (u64::from_ne_bytes(*chunk) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_frame_is_what_tungstenite_reads() {
        for length in [0_usize, 1, 7, 8, 125, 126, 65_535, 65_536] {
            let payload: Vec<u8> = (0..length).map(|index| u8::try_from(index % 251).unwrap()).collect();
            let mut out = Vec::new();
            Masks::new(9).write_binary(&payload, &mut out);
            let mut cursor = Cursor::new(&out);
            let (header, announced) = FrameHeader::parse(&mut cursor).unwrap().unwrap();
            assert_eq!(announced, length as u64);
            let start = usize::try_from(cursor.position()).unwrap();
            let mut body = out[start..].to_vec();
            let mask = header.mask.unwrap();
            body.iter_mut()
                .enumerate()
                .for_each(|(index, byte)| *byte ^= mask[index % 4]);
            assert_eq!(body, payload);
        }
    }

    #[test]
    fn a_frame_is_taken_only_when_it_is_complete() {
        let bytes = [0x81, 3, b'a', b'b', b'c', 0x8a];
        for end in 0..5 {
            assert_eq!(first_frame(&bytes[..end]), Ok(None));
        }
        let frame = first_frame(&bytes).unwrap().unwrap();
        assert_eq!((frame.payload, frame.length, frame.is_final), (&b"abc"[..], 5, true));
    }

    #[test]
    fn a_masked_or_endless_frame_of_a_server_is_an_error() {
        assert!(first_frame(&[0x81, 0x80, 0, 0, 0, 0]).is_err());
        assert!(first_frame(&[0x82, 127, 255, 255, 255, 255, 255, 255, 255, 255]).is_err());
    }
}
