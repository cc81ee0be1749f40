//! tungstenite's own WebSocket is the other side and the judge.
//!
//! Deliberate differences, which the tests below leave out or name:
//! - An oversize message is discarded (D10), tungstenite ends the connection; the limits here are the same and wide.
//! - Invalid text, and whatever is wrong with a header, is refused while its frame is still arriving; tungstenite
//!   waits for the whole frame.
//! - A length that is not in its shortest form is refused; tungstenite takes it.
//! - Frames after a close frame are ignored; tungstenite's reader is asked for nothing more here.

mod ws_stream;

use std::io::Cursor;

use proptest::prelude::*;
use signal_fish_core::ws::{Kind, Violation, write_close, write_message, write_ping, write_pong};
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{CloseFrame, Role};
use tungstenite::{Error, Message};
use ws_stream::{
    BINARY, CLOSE, CONTINUATION, ClientFrame, Outcome, PING, TEXT, WIDE, broken_frames, decode, decode_cut, frame,
    frames, header, owned, stream, tungstenite_reads, web_socket,
};

fn message() -> impl Strategy<Value = Message> {
    let bytes = |most| proptest::collection::vec(any::<u8>(), 0..=most);
    prop_oneof![
        3 => "\\PC{0,300}".prop_map(Message::text),
        2 => bytes(70_000).prop_map(Message::binary),
        1 => bytes(125).prop_map(|payload| Message::Ping(payload.into())),
        1 => bytes(125).prop_map(|payload| Message::Pong(payload.into())),
    ]
}

fn close() -> impl Strategy<Value = Option<CloseFrame>> {
    let code = prop_oneof![1000_u16..=1003, 1007_u16..=1013, 3000_u16..=4999];
    let close = (code, "[ -~]{0,123}");
    proptest::option::of(close.prop_map(|(code, reason)| CloseFrame {
        code: code.into(),
        reason: reason.into(),
    }))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_its_client_sends_is_what_we_read(
        messages in proptest::collection::vec(message(), 0..10),
        close in close(),
        cuts in proptest::collection::vec(any::<usize>(), 0..10),
    ) {
        let mut client = web_socket(Role::Client, &[]);
        let mut expected: Vec<_> = messages.iter().map(owned).collect();
        for message in messages {
            client.send(message).unwrap();
        }
        expected.push(owned(&Message::Close(close.clone())));
        client.close(close).unwrap();
        let outcome = decode_cut(&client.into_inner().outgoing, &cuts, &WIDE);
        prop_assert_eq!(outcome, Outcome { events: expected, violation: None });
    }

    #[test]
    fn what_we_send_is_what_its_client_reads(
        mut messages in proptest::collection::vec(message(), 0..10),
        close in close(),
    ) {
        let mut bytes = Vec::new();
        for message in &messages {
            match message {
                Message::Text(text) => write_message(Kind::Text, text.as_bytes(), &mut bytes),
                Message::Binary(payload) => write_message(Kind::Binary, payload, &mut bytes),
                Message::Ping(payload) => write_ping(payload, &mut bytes),
                Message::Pong(payload) => write_pong(payload, &mut bytes),
                _ => unreachable!("the strategy makes no other"),
            }
        }
        let reason = close.as_ref().map_or("", |close| close.reason.as_str());
        write_close(close.as_ref().map(|close| close.code.into()), reason, &mut bytes);
        messages.push(Message::Close(close));
        let verdict = tungstenite_reads(Role::Client, &bytes);
        prop_assert!(verdict.refusal.is_none(), "{:?}", verdict.refusal);
        prop_assert_eq!(verdict.messages, messages);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn its_server_reads_the_same_in_streams_that_follow_the_rules(frames in frames()) {
        agree(&stream(frames))?;
    }

    #[test]
    fn its_server_refuses_the_same_streams(frames in broken_frames()) {
        agree(&stream(frames))?;
    }

    #[test]
    fn its_server_refuses_the_same_noise(frames in frames(), at in any::<usize>(), value in any::<u8>()) {
        let mut bytes = stream(frames);
        if !bytes.is_empty() {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        agree(&bytes)?;
    }
}

/// Both read the same messages, and both refuse the stream or neither does.
fn agree(bytes: &[u8]) -> Result<(), TestCaseError> {
    let ours = decode(bytes, &WIDE);
    let theirs = tungstenite_reads(Role::Server, bytes);
    let read: Vec<_> = theirs.messages.iter().map(owned).collect();
    if ours.violation == Some(Violation::Protocol("length not in its shortest form")) {
        prop_assert!(read.starts_with(&ours.events), "{:?} {:?}", ours, theirs);
        return Ok(());
    }
    prop_assert_eq!(&ours.events, &read, "{:?}", theirs);
    match (&ours.violation, &theirs.refusal) {
        (None, Some(refusal)) => return Err(TestCaseError::fail(format!("only tungstenite refuses: {refusal}"))),
        // tungstenite may be waiting for the rest of the frame; it has to refuse it then.
        (Some(violation), None) => {
            let completed = [bytes, &vec![0; missing(bytes)]].concat();
            let refuses = tungstenite_reads(Role::Server, &completed).refusal.is_some();
            prop_assert!(refuses, "only we refuse: {:?}", violation);
        }
        _ => {}
    }
    Ok(())
}

/// How many bytes the last frame lacks.
fn missing(bytes: &[u8]) -> usize {
    let mut cursor = Cursor::new(bytes);
    while let Ok(Some((_, length))) = FrameHeader::parse(&mut cursor) {
        cursor.set_position(cursor.position().saturating_add(length));
    }
    usize::try_from(cursor.position())
        .unwrap()
        .saturating_sub(bytes.len())
        .min(17 << 20)
}

/// The close code tungstenite answers a stream with.
fn answer(bytes: &[u8]) -> u16 {
    match tungstenite_reads(Role::Server, bytes).refusal {
        Some(Error::Utf8(_)) => CloseCode::Invalid.into(),
        Some(Error::Capacity(_)) => CloseCode::Size.into(),
        Some(Error::Protocol(_)) => CloseCode::Protocol.into(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_kinds_of_refusal_are_the_same() {
    let streams = [
        frame(TEXT, true, b"\xff").bytes(),
        stream([frame(TEXT, false, b"\xe2"), frame(CONTINUATION, true, b"(")]),
        frame(CLOSE, true, b"\x03\xe8\xff").bytes(),
        frame(CLOSE, true, b"\x03").bytes(),
        frame(CLOSE, true, 1005_u16.to_be_bytes()).bytes(),
        frame(CONTINUATION, true, b"").bytes(),
        frame(PING, false, b"").bytes(),
        frame(3, true, b"").bytes(),
        ClientFrame {
            mask: None,
            ..frame(TEXT, true, b"")
        }
        .bytes(),
        header(true, 0, BINARY, Some([0; 4]), (16 << 20) + 1),
    ];
    for bytes in streams {
        let violation = decode(&bytes, &WIDE).violation.unwrap();
        assert_eq!(violation.close_code(), answer(&bytes), "{violation:?}");
    }
}

#[test]
fn a_length_that_is_not_in_its_shortest_form_is_refused_by_us_alone() {
    let bytes = [0x82, 0xfe, 0, 1, 0, 0, 0, 0, 7];
    assert!(decode(&bytes, &WIDE).violation.is_some());
    assert_eq!(
        tungstenite_reads(Role::Server, &bytes).messages,
        [Message::binary(vec![7])]
    );
}
