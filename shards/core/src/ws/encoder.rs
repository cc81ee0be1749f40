//! From messages to the server's frames, which are not masked (RFC 6455, 5.1).

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::Kind;
use super::frame::CONTROL_BYTES_MAX;

/// Appends an unmasked data frame with FIN set.
pub fn write_message(kind: Kind, payload: &[u8], out: &mut Vec<u8>) {
    write_frame(data(kind), &[payload], out);
}

/// Longest header of a frame that a server sends, in bytes: two and eight of length.
pub const HEADER_BYTES_MAX: usize = 10;

/// Writes the header of an unmasked data frame with FIN set, whose payload has `length` bytes, to the end of `room`.
/// Returns how many bytes it takes.
pub fn write_header(kind: Kind, length: usize, room: &mut [u8; HEADER_BYTES_MAX]) -> usize {
    let header = FrameHeader {
        opcode: data(kind),
        ..FrameHeader::default()
    };
    let bytes = header.len(length as u64).min(HEADER_BYTES_MAX);
    let written = header.format(length as u64, &mut &mut room[HEADER_BYTES_MAX - bytes..]);
    debug_assert!(written.is_ok());
    bytes
}

fn data(kind: Kind) -> OpCode {
    OpCode::Data(match kind {
        Kind::Text => Data::Text,
        Kind::Binary => Data::Binary,
    })
}

/// Length in bytes of the frame at the front of `frames`, which this module wrote; all of it if that is less than a header.
pub fn frame_length(frames: &[u8]) -> usize {
    let payload = match *frames {
        [_, 126, high, low, ..] => 4 + usize::from(u16::from_be_bytes([high, low])),
        [_, 127, a, b, c, d, e, f, g, h, ..] => {
            let length = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
            usize::try_from(length)
                .unwrap_or(usize::MAX)
                .saturating_add(HEADER_BYTES_MAX)
        }
        [_, length @ 0..=125, ..] => 2 + usize::from(length),
        _ => usize::MAX,
    };
    payload.min(frames.len())
}

/// Appends a ping frame. `payload` is at most 125 bytes; a longer one is cut.
pub fn write_ping(payload: &[u8], out: &mut Vec<u8>) {
    write_control(Control::Ping, payload, out);
}

/// Appends a pong frame. `payload` is at most 125 bytes; a longer one is cut.
pub fn write_pong(payload: &[u8], out: &mut Vec<u8>) {
    write_control(Control::Pong, payload, out);
}

/// Appends a close frame with `code` and a reason, which is cut to at most 123 bytes of whole characters. Without a
/// code the frame has no body.
pub fn write_close(code: Option<u16>, reason: &str, out: &mut Vec<u8>) {
    let close = OpCode::Control(Control::Close);
    match code {
        None => write_frame(close, &[], out),
        Some(code) => {
            let code = code.to_be_bytes();
            let reason = &reason[..reason.floor_char_boundary(CONTROL_BYTES_MAX - code.len())];
            write_frame(close, &[&code, reason.as_bytes()], out);
        }
    }
}

fn write_control(control: Control, payload: &[u8], out: &mut Vec<u8>) {
    debug_assert!(
        payload.len() <= CONTROL_BYTES_MAX,
        "a control frame has at most 125 bytes"
    );
    write_frame(
        OpCode::Control(control),
        &[&payload[..payload.len().min(CONTROL_BYTES_MAX)]],
        out,
    );
}

/// Appends a frame whose payload is `parts` one after the other.
fn write_frame(opcode: OpCode, parts: &[&[u8]], out: &mut Vec<u8>) {
    let header = FrameHeader {
        opcode,
        ..FrameHeader::default()
    };
    let length: usize = parts.iter().map(|part| part.len()).sum();
    out.reserve(header.len(length as u64) + length);
    header.format(length as u64, out).expect("a Vec<u8> takes every write");
    for part in parts {
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = vec![0xaa];
        write(&mut out);
        assert_eq!(out.remove(0), 0xaa, "frames are appended");
        out
    }

    #[test]
    fn lengths_take_their_shortest_form() {
        for (length, header) in [
            (0, &[0x81, 0][..]),
            (125, &[0x81, 125]),
            (126, &[0x81, 126, 0, 126]),
            (65_535, &[0x81, 126, 0xff, 0xff]),
            (65_536, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let payload = vec![b'x'; length];
            let bytes = frame(|out| write_message(Kind::Text, &payload, out));
            assert_eq!(bytes[..header.len()], *header);
            assert_eq!(bytes[header.len()..], payload);
        }
    }

    #[test]
    fn a_frame_is_as_long_as_its_header_says() {
        for length in [0, 1, 125, 126, 65_535, 65_536] {
            let mut frames = frame(|out| write_message(Kind::Text, &vec![b'x'; length], out));
            let whole = frames.len();
            write_ping(b"next", &mut frames);
            assert_eq!(frame_length(&frames), whole);
        }
        assert_eq!(frame_length(b""), 0);
        assert_eq!(frame_length(b"\x81"), 1);
        assert_eq!(frame_length(b"\x81\x7e\x01"), 3);
    }

    #[test]
    fn every_kind_has_its_opcode() {
        assert_eq!(frame(|out| write_message(Kind::Text, b"ab", out)), b"\x81\x02ab");
        assert_eq!(frame(|out| write_message(Kind::Binary, b"ab", out)), b"\x82\x02ab");
        assert_eq!(frame(|out| write_ping(b"ab", out)), b"\x89\x02ab");
        assert_eq!(frame(|out| write_pong(b"ab", out)), b"\x8a\x02ab");
        assert_eq!(frame(|out| write_close(Some(1000), "ab", out)), b"\x88\x04\x03\xe8ab");
        assert_eq!(frame(|out| write_close(None, "ignored", out)), b"\x88\x00");
    }

    #[test]
    fn a_close_reason_is_cut_between_characters() {
        assert_eq!(
            frame(|out| write_close(Some(1001), &"x".repeat(200), out)).len(),
            2 + 125
        );
        // 41 characters of three bytes are 123 bytes; with one byte before them the last does not fit.
        let exact = "€".repeat(41);
        assert_eq!(
            frame(|out| write_close(Some(1001), &exact, out))[4..],
            *exact.as_bytes()
        );
        let shifted = format!("x{exact}");
        assert_eq!(
            frame(|out| write_close(Some(1001), &shifted, out))[4..],
            shifted.as_bytes()[..121]
        );
    }
}
