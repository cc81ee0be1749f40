//! Client frames, as they should and should not be, and the two decoders that judge them.
#![allow(dead_code, reason = "every test file uses a part of it")]

use std::collections::VecDeque;
use std::io::{self, Read, Write};

use proptest::prelude::*;
use signal_fish_core::ws::{Decoder, Event, Kind, Limits, Violation};
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Message, WebSocket};

/// Limits that no test reaches by accident.
pub(crate) const WIDE: Limits = Limits {
    message_bytes_max: 16 << 20,
    discard_bytes_max: 16 << 20,
};

/// Limits that random frames reach often.
pub(crate) const NARROW: Limits = Limits {
    message_bytes_max: 150,
    discard_bytes_max: 600,
};

pub(crate) const CONTINUATION: u8 = 0;
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

/// An [`Event`] that outlives the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Owned {
    Text(String),
    Binary(Vec<u8>),
    Oversize { kind: Kind, length: u64 },
    Ping(Vec<u8>),
    Pong,
    Close(Option<u16>),
}

impl From<Event<'_>> for Owned {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Text(text) => Owned::Text(text.to_owned()),
            Event::Binary(bytes) => Owned::Binary(bytes.to_vec()),
            Event::Oversize { kind, length } => Owned::Oversize { kind, length },
            Event::Ping(payload) => Owned::Ping(payload.to_vec()),
            Event::Pong => Owned::Pong,
            Event::Close(said) => Owned::Close(said.map(|(code, _)| code)),
        }
    }
}

/// What a stream of bytes led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) events: Vec<Owned>,
    pub(crate) violation: Option<Violation>,
}

/// Decodes one piece to its end.
pub(crate) fn decode_piece(
    decoder: &mut Decoder,
    piece: &[u8],
    limits: &Limits,
    events: &mut Vec<Owned>,
) -> Result<(), Violation> {
    let mut input = piece.to_vec();
    let mut position = 0;
    loop {
        let (taken, event) = decoder.decode(&mut input[position..], limits)?;
        position += taken;
        match event {
            Some(event) => events.push(event.into()),
            None => {
                assert_eq!(position, input.len(), "without an event all input is taken");
                return Ok(());
            }
        }
    }
}

/// Decodes pieces one after the other.
pub(crate) fn decode_pieces<'p>(pieces: impl IntoIterator<Item = &'p [u8]>, limits: &Limits) -> Outcome {
    let mut decoder = Decoder::default();
    let mut events = Vec::new();
    for piece in pieces {
        if let Err(violation) = decode_piece(&mut decoder, piece, limits, &mut events) {
            return Outcome {
                events,
                violation: Some(violation),
            };
        }
    }
    Outcome {
        events,
        violation: None,
    }
}

pub(crate) fn decode(bytes: &[u8], limits: &Limits) -> Outcome {
    decode_pieces([bytes], limits)
}

/// Decodes `bytes` cut at `cuts`.
pub(crate) fn decode_cut(bytes: &[u8], cuts: &[usize], limits: &Limits) -> Outcome {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.push(bytes.len());
    cuts.sort_unstable();
    let mut start = 0;
    let pieces = cuts
        .into_iter()
        .map(|end| &bytes[std::mem::replace(&mut start, end)..end]);
    decode_pieces(pieces.collect::<Vec<_>>(), limits)
}

/// A frame as a client sends it, right or wrong.
#[derive(Debug, Clone)]
pub(crate) struct ClientFrame {
    pub(crate) is_final: bool,
    pub(crate) reserved: u8,
    pub(crate) opcode: u8,
    pub(crate) mask: Option<[u8; 4]>,
    pub(crate) payload: Vec<u8>,
}

pub(crate) fn frame(opcode: u8, is_final: bool, payload: impl AsRef<[u8]>) -> ClientFrame {
    ClientFrame {
        is_final,
        reserved: 0,
        opcode,
        mask: Some([0x37, 0xfa, 0x21, 0x3d]),
        payload: payload.as_ref().to_vec(),
    }
}

impl ClientFrame {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = header(
            self.is_final,
            self.reserved,
            self.opcode,
            self.mask,
            self.payload.len() as u64,
        );
        let mask = self.mask.unwrap_or_default();
        bytes.extend(
            self.payload
                .iter()
                .zip(mask.iter().cycle())
                .map(|(byte, mask)| byte ^ mask),
        );
        bytes
    }
}

pub(crate) fn header(is_final: bool, reserved: u8, opcode: u8, mask: Option<[u8; 4]>, length: u64) -> Vec<u8> {
    let masked = if mask.is_some() { 0x80 } else { 0 };
    let mut bytes = vec![u8::from(is_final) << 7 | reserved << 4 | opcode];
    match length {
        0..=125 => bytes.push(masked | u8::try_from(length).unwrap()),
        126..=0xffff => {
            bytes.push(masked | 126);
            bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        _ => {
            bytes.push(masked | 127);
            bytes.extend(length.to_be_bytes());
        }
    }
    bytes.extend(mask.iter().flatten());
    bytes
}

pub(crate) fn stream(frames: impl IntoIterator<Item = ClientFrame>) -> Vec<u8> {
    frames.into_iter().flat_map(|frame| frame.bytes()).collect()
}

/// A socket in memory: what was written can be looked at, what is to be read is given; at its end reading would block.
#[derive(Debug, Default)]
pub(crate) struct Pipe {
    pub(crate) incoming: VecDeque<u8>,
    pub(crate) outgoing: Vec<u8>,
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.incoming.is_empty() {
            Err(io::ErrorKind::WouldBlock.into())
        } else {
            self.incoming.read(buffer)
        }
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.outgoing.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(crate) fn web_socket(role: Role, incoming: &[u8]) -> WebSocket<Pipe> {
    let pipe = Pipe {
        incoming: incoming.iter().copied().collect(),
        outgoing: Vec::new(),
    };
    WebSocket::from_raw_socket(pipe, role, Some(WebSocketConfig::default().read_buffer_size(4096)))
}

/// What tungstenite makes of a stream.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) messages: Vec<Message>,
    /// The error that refuses the stream. A close code that may not be sent counts as one: tungstenite answers it as a
    /// violation, but reports it as a close message.
    pub(crate) refusal: Option<tungstenite::Error>,
}

/// Lets tungstenite's own WebSocket read `bytes` up to a close frame, an error or the end.
pub(crate) fn tungstenite_reads(role: Role, bytes: &[u8]) -> Verdict {
    let mut socket = web_socket(role, bytes);
    let mut messages = Vec::new();
    loop {
        match socket.read() {
            Ok(Message::Close(Some(close))) if close.reason.as_str() == "Protocol violation" => {
                let refusal = tungstenite::error::ProtocolError::InvalidCloseSequence.into();
                return Verdict {
                    messages,
                    refusal: Some(refusal),
                };
            }
            Ok(message) => {
                let closes = message.is_close();
                messages.push(message);
                if closes {
                    return Verdict {
                        messages,
                        refusal: None,
                    };
                }
            }
            Err(tungstenite::Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                return Verdict {
                    messages,
                    refusal: None,
                };
            }
            Err(error) => {
                return Verdict {
                    messages,
                    refusal: Some(error),
                };
            }
        }
    }
}

/// The same in our words.
pub(crate) fn owned(message: &Message) -> Owned {
    match message {
        Message::Text(text) => Owned::Text(text.as_str().to_owned()),
        Message::Binary(bytes) => Owned::Binary(bytes.to_vec()),
        Message::Ping(payload) => Owned::Ping(payload.to_vec()),
        Message::Pong(_) => Owned::Pong,
        Message::Close(close) => Owned::Close(close.as_ref().map(|close| close.code.into())),
        Message::Frame(frame) => panic!("a raw frame is never read: {frame}"),
    }
}

/// Payloads: mostly text with characters of every length, some that are none.
pub(crate) fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => proptest::collection::vec(any::<char>(), 0..80).prop_map(|text| String::from_iter(text).into_bytes()),
        2 => "[a-z{}\":]{0,200}".prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>(), 0..200),
    ]
}

/// Frames that follow the rules, most of the time: messages in fragments with control frames between them.
pub(crate) fn frames() -> impl Strategy<Value = Vec<ClientFrame>> {
    let control = (
        prop_oneof![Just(PING), Just(PONG)],
        proptest::collection::vec(any::<u8>(), 0..=125),
    );
    let message = (
        any::<bool>(),
        payload(),
        proptest::collection::vec((any::<usize>(), proptest::option::of(control)), 0..4),
    );
    let close = prop_oneof![
        Just(vec![]),
        Just(vec![3]),
        (0_u16..5100, "\\PC{0,30}").prop_map(|(code, reason)| [&code.to_be_bytes(), reason.as_bytes()].concat()),
        proptest::collection::vec(any::<u8>(), 2..20),
    ];
    let messages = proptest::collection::vec(message, 0..8);
    (messages, proptest::option::weighted(0.3, close), any::<[u8; 4]>()).prop_map(|(messages, close, seed)| {
        let mut frames = Vec::new();
        for (text, payload, cuts) in messages {
            let mut cuts: Vec<_> = cuts
                .into_iter()
                .map(|(cut, control)| (cut % (payload.len() + 1), control))
                .collect();
            cuts.sort_by_key(|(cut, _)| *cut);
            cuts.push((payload.len(), None));
            let mut start = 0;
            let last = cuts.len() - 1;
            for (index, (end, control)) in cuts.into_iter().enumerate() {
                let opcode = if index > 0 {
                    CONTINUATION
                } else if text {
                    TEXT
                } else {
                    BINARY
                };
                frames.push(frame(opcode, index == last, &payload[start..end]));
                start = end;
                if let Some((opcode, payload)) = control {
                    frames.push(frame(opcode, true, payload));
                }
            }
        }
        frames.extend(close.map(|body| frame(CLOSE, true, body)));
        let mut mask = u32::from_ne_bytes(seed);
        for frame in &mut frames {
            mask = mask.wrapping_mul(0x9e37_79b9).wrapping_add(1);
            frame.mask = Some(mask.to_ne_bytes());
        }
        frames
    })
}

/// Frames with one thing broken: a field of one, its payload, or their order.
pub(crate) fn broken_frames() -> impl Strategy<Value = Vec<ClientFrame>> {
    (frames(), 0_u8..7, any::<usize>(), any::<usize>(), any::<u8>()).prop_map(
        |(mut frames, how, which, other, value)| {
            if frames.is_empty() {
                return frames;
            }
            let (which, other) = (which % frames.len(), other % frames.len());
            let broken = &mut frames[which];
            match how {
                0 => broken.is_final = !broken.is_final,
                1 => broken.reserved = value % 8,
                2 => broken.opcode = value % 16,
                3 => broken.mask = None,
                4 => broken.payload.resize(usize::from(value), 0xbf),
                5 => {
                    frames.remove(which);
                }
                _ => frames.swap(which, other),
            }
            frames
        },
    )
}
