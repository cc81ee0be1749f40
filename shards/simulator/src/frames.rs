//! WebSocket frames as clients see them, read and written by tungstenite's frame layer and checked here, apart from the
//! server's codec.

use std::io::Cursor;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};

/// A frame of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(u16, String),
}

/// Bytes of the server that are not read yet.
#[derive(Debug, Default)]
pub(crate) struct Input {
    bytes: Vec<u8>,
    read: usize,
}

impl Input {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if self.read == self.bytes.len() {
            self.bytes.clear();
            self.read = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn unread(&self) -> &[u8] {
        &self.bytes[self.read..]
    }

    pub(crate) fn skip(&mut self, bytes: usize) {
        self.read += bytes;
        assert!(self.read <= self.bytes.len());
    }

    /// The next complete frame. Panics at what a server may not send (RFC 6455, 5).
    pub(crate) fn next_frame(&mut self) -> Option<Frame> {
        let mut cursor = Cursor::new(self.unread());
        let (header, length) = FrameHeader::parse(&mut cursor).expect("the server's frame header is valid")?;
        let start = usize::try_from(cursor.position()).expect("a header is short");
        let end = start + usize::try_from(length).expect("the server's frames fit into memory");
        let payload = self.unread().get(start..end)?.to_vec();
        assert!(header.mask.is_none(), "a server masks nothing");
        assert!(!(header.rsv1 || header.rsv2 || header.rsv3), "no extension was agreed");
        assert!(header.is_final, "every message is one frame (D28)");
        if let OpCode::Control(_) = header.opcode {
            assert!(payload.len() <= 125, "a control frame is short");
        }
        self.skip(end);
        Some(match header.opcode {
            OpCode::Data(Data::Text) => Frame::Text(text(payload)),
            OpCode::Data(Data::Binary) => Frame::Binary(payload),
            OpCode::Control(Control::Ping) => Frame::Ping(payload),
            OpCode::Control(Control::Pong) => Frame::Pong(payload),
            OpCode::Control(Control::Close) => close(&payload),
            other => panic!("the server sent a frame of kind {other:?}"),
        })
    }
}

fn close(payload: &[u8]) -> Frame {
    match payload {
        // What stands for a missing code is never sent itself.
        [] => Frame::Close(CloseCode::Status.into(), String::new()),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            assert!(CloseCode::from(code).is_allowed(), "{code} may not be sent");
            Frame::Close(code, text(reason.to_vec()))
        }
        [_] => panic!("a close frame with half a code"),
    }
}

fn text(payload: Vec<u8>) -> String {
    String::from_utf8(payload).expect("text of the server is UTF-8")
}

/// A text frame as a client sends it.
#[must_use]
pub fn masked_text(text: &str) -> Vec<u8> {
    masked(OpCode::Data(Data::Text), text.as_bytes())
}

/// A binary frame as a client sends it.
#[must_use]
pub fn masked_binary(payload: &[u8]) -> Vec<u8> {
    masked(OpCode::Data(Data::Binary), payload)
}

/// A ping as a client sends it.
#[must_use]
pub fn masked_ping(payload: &[u8]) -> Vec<u8> {
    masked(OpCode::Control(Control::Ping), payload)
}

/// A pong as a client sends it.
#[must_use]
pub fn masked_pong(payload: &[u8]) -> Vec<u8> {
    masked(OpCode::Control(Control::Pong), payload)
}

/// A close frame as a client sends it.
#[must_use]
pub fn masked_close(code: u16) -> Vec<u8> {
    masked(OpCode::Control(Control::Close), &code.to_be_bytes())
}

fn masked(opcode: OpCode, payload: &[u8]) -> Vec<u8> {
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let header = FrameHeader {
        opcode,
        mask: Some(mask),
        ..FrameHeader::default()
    };
    let mut frame = Vec::with_capacity(payload.len() + 14);
    header
        .format(payload.len() as u64, &mut frame)
        .expect("a Vec<u8> takes every write");
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}
