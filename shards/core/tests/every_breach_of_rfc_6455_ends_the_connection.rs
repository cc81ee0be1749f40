//! Each rule of RFC 6455 that a client can break, and what lies just inside the rule.

mod ws_stream;

use signal_fish_core::ws::Violation;
use ws_stream::{
    BINARY, CLOSE, CONTINUATION, ClientFrame, NARROW, Outcome, Owned, PING, PONG, TEXT, WIDE, decode, decode_pieces,
    frame, header, stream,
};

#[track_caller]
fn refused(bytes: &[u8], reason: &'static str) {
    let outcome = decode(bytes, &WIDE);
    assert_eq!(
        outcome,
        Outcome {
            events: vec![],
            violation: Some(Violation::Protocol(reason))
        }
    );
    assert_eq!(outcome.violation.map(Violation::close_code), Some(1002));
}

#[track_caller]
fn accepted(bytes: &[u8], events: impl Into<Vec<Owned>>) {
    assert_eq!(
        decode(bytes, &WIDE),
        Outcome {
            events: events.into(),
            violation: None
        }
    );
}

fn text(text: &str) -> Owned {
    Owned::Text(text.to_owned())
}

#[test]
fn a_frame_without_mask() {
    for opcode in [TEXT, BINARY, PING, PONG, CLOSE] {
        refused(
            &ClientFrame {
                mask: None,
                ..frame(opcode, true, "")
            }
            .bytes(),
            "unmasked frame",
        );
    }
    // It is refused at the header, before its payload.
    refused(&[0x81, 0x05], "unmasked frame");
}

#[test]
fn a_mask_of_zeros_is_a_mask() {
    accepted(
        &ClientFrame {
            mask: Some([0; 4]),
            ..frame(TEXT, true, "open")
        }
        .bytes(),
        [text("open")],
    );
}

#[test]
fn a_reserved_bit() {
    for reserved in 1..8 {
        refused(
            &ClientFrame {
                reserved,
                ..frame(TEXT, true, "")
            }
            .bytes(),
            "reserved bit without an extension",
        );
    }
}

#[test]
fn a_reserved_opcode() {
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        refused(&frame(opcode, true, "").bytes(), "reserved opcode");
    }
}

#[test]
fn a_fragmented_control_frame() {
    for opcode in [PING, PONG, CLOSE] {
        refused(&frame(opcode, false, "").bytes(), "fragmented control frame");
    }
}

#[test]
fn a_control_frame_over_125_bytes() {
    for opcode in [PING, PONG, CLOSE] {
        refused(&frame(opcode, true, [0; 126]).bytes(), "control frame over 125 bytes");
        // Refused for what it is, not for its size.
        refused(
            &header(true, 0, opcode, Some([0; 4]), 1 << 40),
            "control frame over 125 bytes",
        );
    }
    accepted(&frame(PING, true, [7; 125]).bytes(), [Owned::Ping(vec![7; 125])]);
}

#[test]
fn a_length_that_is_not_in_its_shortest_form() {
    let reason = "length not in its shortest form";
    for short in [0_u16, 125] {
        refused(&[&[0x81, 0xfe][..], &short.to_be_bytes(), &[0; 4]].concat(), reason);
    }
    for short in [0_u64, 125, 126, 65_535] {
        refused(&[&[0x81, 0xff][..], &short.to_be_bytes(), &[0; 4]].concat(), reason);
    }
    for length in [125, 126, 65_535, 65_536] {
        accepted(
            &frame(TEXT, true, "x".repeat(length)).bytes(),
            [text(&"x".repeat(length))],
        );
    }
}

#[test]
fn a_length_of_64_bits() {
    for length in [1 << 63, u64::MAX] {
        refused(&header(true, 0, BINARY, Some([0; 4]), length), "length over 63 bits");
    }
    let outcome = decode(&header(true, 0, BINARY, Some([0; 4]), i64::MAX as u64), &WIDE);
    assert_eq!(outcome.violation, Some(Violation::TooLarge));
}

#[test]
fn a_continuation_of_no_message() {
    for is_final in [false, true] {
        refused(
            &frame(CONTINUATION, is_final, "x").bytes(),
            "continuation of no message",
        );
    }
    let after_a_message = stream([frame(TEXT, true, "x"), frame(CONTINUATION, true, "y")]);
    assert_eq!(
        decode(&after_a_message, &WIDE),
        Outcome {
            events: vec![text("x")],
            violation: Some(Violation::Protocol("continuation of no message"))
        }
    );
}

#[test]
fn a_new_message_inside_a_fragmented_one() {
    for opcode in [TEXT, BINARY] {
        for start in ["", "x"] {
            let bytes = stream([frame(TEXT, false, start), frame(opcode, true, "y")]);
            refused(&bytes, "new message inside a fragmented one");
        }
    }
    // Also while the first is being discarded.
    let bytes = stream([frame(BINARY, false, [0; 200]), frame(TEXT, true, "y")]);
    let violation = decode(&bytes, &NARROW).violation;
    assert_eq!(
        violation,
        Some(Violation::Protocol("new message inside a fragmented one"))
    );
}

#[test]
fn control_frames_between_fragments_are_fine() {
    let bytes = stream([
        frame(TEXT, false, "fr"),
        frame(PING, true, "1"),
        frame(CONTINUATION, false, ""),
        frame(PONG, true, "2"),
        frame(CONTINUATION, false, "agm"),
        frame(CONTINUATION, true, "ents"),
        frame(BINARY, true, [1, 2]),
    ]);
    let events = [
        Owned::Ping(b"1".to_vec()),
        Owned::Pong,
        text("fragments"),
        Owned::Binary(vec![1, 2]),
    ];
    accepted(&bytes, events.clone());
    let by_byte = decode_pieces(bytes.chunks(1), &WIDE);
    assert_eq!(
        by_byte,
        Outcome {
            events: events.to_vec(),
            violation: None
        }
    );
}

#[test]
fn empty_messages_are_messages() {
    accepted(&frame(TEXT, true, "").bytes(), [text("")]);
    accepted(&frame(BINARY, true, "").bytes(), [Owned::Binary(vec![])]);
    accepted(&frame(PING, true, "").bytes(), [Owned::Ping(vec![])]);
    accepted(
        &stream([frame(TEXT, false, ""), frame(CONTINUATION, true, "")]),
        [text("")],
    );
}

#[test]
fn a_close_frame_with_half_a_code() {
    refused(&frame(CLOSE, true, [3]).bytes(), "close frame with half a code");
}

#[test]
fn a_close_code_that_may_not_be_sent() {
    for code in (0..=999)
        .chain([1004, 1005, 1006, 1014, 1015])
        .chain(1016..=2999)
        .chain([5000, u16::MAX])
    {
        refused(
            &frame(CLOSE, true, code.to_be_bytes()).bytes(),
            "close code that may not be sent",
        );
    }
    for code in (1000_u16..=1003).chain(1007..=1013).chain([3000, 3999, 4000, 4999]) {
        accepted(
            &frame(CLOSE, true, code.to_be_bytes()).bytes(),
            [Owned::Close(Some(code))],
        );
    }
    accepted(&frame(CLOSE, true, "").bytes(), [Owned::Close(None)]);
}

#[test]
fn a_close_reason_that_is_not_utf8() {
    let body = |reason: &[u8]| [&1000_u16.to_be_bytes(), reason].concat();
    for reason in [&b"\xff"[..], b"cut \xe2\x82"] {
        let outcome = decode(&frame(CLOSE, true, body(reason)).bytes(), &WIDE);
        assert_eq!(
            outcome,
            Outcome {
                events: vec![],
                violation: Some(Violation::InvalidUtf8)
            }
        );
    }
    accepted(
        &frame(CLOSE, true, body("größe".as_bytes())).bytes(),
        [Owned::Close(Some(1000))],
    );
}

#[test]
fn bytes_after_a_close_frame_count_for_nothing() {
    let mut bytes = stream([frame(CLOSE, true, 1000_u16.to_be_bytes()), frame(TEXT, true, "late")]);
    bytes.extend([0xff; 40]);
    accepted(&bytes, [Owned::Close(Some(1000))]);
    let in_the_middle_of_a_message = stream([frame(TEXT, false, "x"), frame(CLOSE, true, "")]);
    accepted(&in_the_middle_of_a_message, [Owned::Close(None)]);
}
