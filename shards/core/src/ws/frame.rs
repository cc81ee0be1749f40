//! One frame of the client: its header, checked, and how much of its payload is still to come.

use std::io::Cursor;
use std::ops::Range;

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::mask::unmask;
use super::{Kind, Violation};

/// The longest header a client can send: two bytes, eight of length, four of mask.
const HEADER_BYTES_MAX: usize = 14;

/// Largest payload of a control frame, in bytes (RFC 6455, 5.5).
pub(super) const CONTROL_BYTES_MAX: usize = 125;

/// What a frame is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FrameKind {
    /// The first frame of a message.
    First(Kind),
    /// A later frame of a message.
    Continuation,
    /// A control frame.
    Control(ControlKind),
}

/// The control frames of RFC 6455, 5.5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ControlKind {
    Ping,
    Pong,
    Close,
}

/// A frame whose header is complete.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) kind: FrameKind,
    /// Whether it ends its message.
    pub(super) is_final: bool,
    /// Bytes of payload that have not been taken.
    pub(super) remaining: u64,
    /// The mask, turned so that its first byte belongs to the next byte of payload.
    mask: [u8; 4],
}

impl Frame {
    /// Takes as much of the payload as `input` has from `start` on, unmasks it there and returns where it lies.
    pub(super) fn take_payload(&mut self, input: &mut [u8], start: usize) -> Range<usize> {
        let available = input.len() - start;
        let taken = usize::try_from(self.remaining).map_or(available, |remaining| remaining.min(available));
        let payload = start..start + taken;
        unmask(&mut input[payload.clone()], self.mask);
        self.mask.rotate_left(taken % 4);
        self.remaining -= taken as u64;
        payload
    }

    /// Parses a header at the front of `bytes`: the frame and the length of the header, or `None` if it is not complete.
    /// Checks all that can be said of a frame without knowing the one before it.
    fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, Violation> {
        let mut cursor = Cursor::new(bytes);
        let parsed = FrameHeader::parse(&mut cursor).map_err(|_| Violation::Protocol("reserved opcode"))?;
        let Some((header, length)) = parsed else {
            return Ok(None);
        };
        let kind = match header.opcode {
            OpCode::Data(Data::Continue) => FrameKind::Continuation,
            OpCode::Data(Data::Text) => FrameKind::First(Kind::Text),
            OpCode::Data(Data::Binary) => FrameKind::First(Kind::Binary),
            OpCode::Control(Control::Ping) => FrameKind::Control(ControlKind::Ping),
            OpCode::Control(Control::Pong) => FrameKind::Control(ControlKind::Pong),
            OpCode::Control(Control::Close) => FrameKind::Control(ControlKind::Close),
            OpCode::Data(Data::Reserved(_)) | OpCode::Control(Control::Reserved(_)) => {
                return Err(Violation::Protocol("reserved opcode"));
            }
        };
        if header.rsv1 || header.rsv2 || header.rsv3 {
            return Err(Violation::Protocol("reserved bit without an extension"));
        }
        let Some(mask) = header.mask else {
            return Err(Violation::Protocol("unmasked frame"));
        };
        if length > i64::MAX as u64 {
            return Err(Violation::Protocol("length over 63 bits"));
        }
        let header_length = header.len(length);
        if cursor.position() != header_length as u64 {
            return Err(Violation::Protocol("length not in its shortest form"));
        }
        if matches!(kind, FrameKind::Control(_)) {
            if !header.is_final {
                return Err(Violation::Protocol("fragmented control frame"));
            }
            if length > CONTROL_BYTES_MAX as u64 {
                return Err(Violation::Protocol("control frame over 125 bytes"));
            }
        }
        Ok(Some((
            Frame {
                kind,
                is_final: header.is_final,
                remaining: length,
                mask,
            },
            header_length,
        )))
    }
}

/// The bytes of a header that is not complete.
#[derive(Debug, Default)]
pub(super) struct PartialHeader {
    bytes: [u8; HEADER_BYTES_MAX],
    length: u8,
}

impl PartialHeader {
    /// Whether no byte of a header has come.
    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Takes bytes from the front of `input` until the header is complete or the input is used up: how many were taken,
    /// and the frame if its header is complete.
    pub(super) fn push(&mut self, input: &[u8]) -> Result<(usize, Option<Frame>), Violation> {
        let held = usize::from(self.length);
        if held == 0
            && let Some((frame, length)) = Frame::parse(input)?
        {
            return Ok((length, Some(frame)));
        }
        // No header is longer than the array, so what does not complete one fits into it.
        let more = input.len().min(HEADER_BYTES_MAX - held);
        self.bytes[held..held + more].copy_from_slice(&input[..more]);
        match Frame::parse(&self.bytes[..held + more])? {
            Some((frame, length)) => Ok((length - held, Some(frame))),
            None => {
                // At most 14, the length of the array.
                self.length += u8::try_from(more).unwrap_or_default();
                Ok((more, None))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_parsed_however_it_is_cut() {
        let header = [0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4, 0xaa, 0xbb];
        for cut in 0..14 {
            let mut partial = PartialHeader::default();
            let (taken, frame) = partial.push(&header[..cut]).unwrap();
            assert_eq!(taken, cut);
            assert!(frame.is_none());
            let (taken, frame) = partial.push(&header[cut..]).unwrap();
            assert_eq!(taken, 14 - cut);
            let frame = frame.unwrap();
            assert_eq!(frame.kind, FrameKind::First(Kind::Binary));
            assert_eq!(frame.remaining, 65_536);
            assert_eq!(frame.mask, [1, 2, 3, 4]);
        }
    }

    #[test]
    fn the_mask_goes_on_where_the_last_piece_ended() {
        let (_, frame) = PartialHeader::default().push(&[0x82, 0x85, 1, 2, 3, 4]).unwrap();
        let mut frame = frame.unwrap();
        let mut input = [1, 2, 3, 4, 1];
        assert_eq!(frame.take_payload(&mut input[..3], 0), 0..3);
        assert_eq!(frame.take_payload(&mut input, 3), 3..5);
        assert_eq!(frame.remaining, 0);
        assert_eq!(input, [0; 5]);
    }
}
