//! Frames of a client: the cut changes no event, memory is bounded, and tungstenite reads the same and refuses the same.

use crate::cuts;
use signal_fish_core::ws::{Decoder, Event, Kind, Limits, Violation};
use std::io::{self, Cursor, Read, Write};
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Message, WebSocket};

/// The same for both decoders. Small, so that the rest of a frame that was cut off is quickly supplied.
const SIZE_MAX: usize = 32 * 1024;

const EQUAL: Limits = Limits {
    message_bytes_max: SIZE_MAX,
    discard_bytes_max: SIZE_MAX as u64,
};

/// Limits that few bytes reach.
const NARROW: Limits = Limits {
    message_bytes_max: 20,
    discard_bytes_max: 300,
};

/// Longest payload of a control frame.
const CONTROL_BYTES_MAX: usize = 125;

/// An event that outlives the input.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Owned {
    Text(String),
    Binary(Vec<u8>),
    Oversize(Kind, u64),
    Ping(Vec<u8>),
    Pong,
    Close(Option<u16>),
}

impl From<Event<'_>> for Owned {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Text(text) => Self::Text(text.to_owned()),
            Event::Binary(bytes) => Self::Binary(bytes.to_vec()),
            Event::Oversize { kind, length } => Self::Oversize(kind, length),
            Event::Ping(payload) => Self::Ping(payload.to_vec()),
            Event::Pong => Self::Pong,
            Event::Close(said) => Self::Close(said.map(|(code, _)| code)),
        }
    }
}

impl From<&Message> for Owned {
    fn from(message: &Message) -> Self {
        match message {
            Message::Text(text) => Self::Text(text.as_str().to_owned()),
            Message::Binary(bytes) => Self::Binary(bytes.to_vec()),
            Message::Ping(payload) => Self::Ping(payload.to_vec()),
            Message::Pong(_) => Self::Pong,
            Message::Close(close) => Self::Close(close.as_ref().map(|close| close.code.into())),
            Message::Frame(frame) => panic!("a raw frame is never read: {frame}"),
        }
    }
}

/// What a stream led to.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    events: Vec<Owned>,
    violation: Option<Violation>,
}

fn decode(pieces: &[&[u8]], limits: &Limits) -> Outcome {
    let mut decoder = Decoder::default();
    let mut events = Vec::new();
    for piece in pieces {
        let mut input = piece.to_vec();
        let mut position = 0;
        loop {
            match decoder.decode(&mut input[position..], limits) {
                Ok((taken, Some(event))) => {
                    events.push(event.into());
                    position += taken;
                }
                Ok((taken, None)) => {
                    assert_eq!(position + taken, input.len(), "without an event all input is taken");
                    break;
                }
                Err(violation) => {
                    return Outcome {
                        events,
                        violation: Some(violation),
                    };
                }
            }
        }
        decoder.release();
        let held = decoder.heap_bytes();
        // A vector of control bytes may have twice the room it needs.
        assert!(
            held <= limits.message_bytes_max.max(64) + 2 * CONTROL_BYTES_MAX,
            "{held} bytes held"
        );
        assert!(!decoder.is_idle() || held == 0, "an idle decoder holds {held} bytes");
    }
    Outcome {
        events,
        violation: None,
    }
}

/// A socket that gives the bytes it has, and forgets what is written.
struct Wire<'a>(&'a [u8]);

impl Read for Wire<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0 {
            [] => Err(io::ErrorKind::WouldBlock.into()),
            _ => self.0.read(buffer),
        }
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The events of tungstenite's reader up to a close frame, an error or the end, and whether it refuses the stream.
fn tungstenite_reads(bytes: &[u8]) -> (Vec<Owned>, bool) {
    let config = WebSocketConfig::default()
        .max_message_size(Some(SIZE_MAX))
        .max_frame_size(Some(SIZE_MAX))
        .read_buffer_size(4096);
    let mut socket = WebSocket::from_raw_socket(Wire(bytes), Role::Server, Some(config));
    let mut events = Vec::new();
    loop {
        match socket.read() {
            // It answers a close code that may not be sent as a violation, but reports a close message.
            Ok(Message::Close(Some(close))) if close.reason.as_str() == "Protocol violation" => return (events, true),
            Ok(message) => {
                events.push(Owned::from(&message));
                if message.is_close() {
                    return (events, false);
                }
            }
            Err(tungstenite::Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return (events, false),
            Err(_) => return (events, true),
        }
    }
}

/// How many bytes the last frame lacks.
fn missing(bytes: &[u8]) -> usize {
    let mut cursor = Cursor::new(bytes);
    while let Ok(Some((_, length))) = FrameHeader::parse(&mut cursor) {
        cursor.set_position(cursor.position().saturating_add(length));
    }
    let end = usize::try_from(cursor.position()).unwrap_or(usize::MAX);
    end.saturating_sub(bytes.len()).min(2 * SIZE_MAX)
}

/// Both read the same, and both refuse the stream or neither does.
fn agrees_with_tungstenite(bytes: &[u8], ours: &Outcome) {
    let (read, refuses) = tungstenite_reads(bytes);
    if ours.violation == Some(Violation::Protocol("length not in its shortest form")) {
        // Only we refuse that.
        assert!(read.starts_with(&ours.events), "{ours:?} {read:?}");
        return;
    }
    assert_eq!(ours.events, read);
    match ours.violation {
        None => assert!(!refuses, "only tungstenite refuses"),
        Some(violation) if !refuses => {
            // It may wait for the rest of the frame; then it has to refuse.
            let completed = [bytes, &vec![0; missing(bytes)]].concat();
            assert!(tungstenite_reads(&completed).1, "only we refuse: {violation:?}");
        }
        Some(_) => {}
    }
}

/// Bytes of a client behind its upgrade.
pub fn frames(data: &[u8]) {
    for limits in [EQUAL, NARROW] {
        let whole = decode(&[data], &limits);
        for pieces in cuts::ways_to_cut(data) {
            assert_eq!(decode(&pieces, &limits), whole, "{limits:?}");
        }
        if limits.message_bytes_max == SIZE_MAX {
            agrees_with_tungstenite(data, &whole);
        }
    }
}
