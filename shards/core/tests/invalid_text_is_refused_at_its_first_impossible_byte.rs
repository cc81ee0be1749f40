//! RFC 6455, 8.1: text that is not UTF-8 fails the connection, here without waiting for the rest of its frame.

mod ws_stream;

use proptest::prelude::*;
use signal_fish_core::ws::{Decoder, Violation};
use ws_stream::{BINARY, CONTINUATION, Outcome, PING, TEXT, WIDE, decode, decode_piece, frame, stream};

/// How many bytes of `bytes` are taken, one at a time, before the stream is refused.
fn accepted_bytes(bytes: &[u8]) -> usize {
    let mut decoder = Decoder::default();
    let mut events = Vec::new();
    for (index, byte) in bytes.iter().enumerate() {
        if let Err(violation) = decode_piece(&mut decoder, &[*byte], &WIDE, &mut events) {
            assert_eq!(violation, Violation::InvalidUtf8);
            return index;
        }
    }
    bytes.len()
}

#[test]
fn in_the_middle_of_a_frame() {
    // A surrogate: its second byte is the impossible one.
    let payload = b"\xce\xba\xe1\xbd\xb9\xed\xa0\x80edited";
    let bytes = frame(TEXT, true, payload).bytes();
    let header = bytes.len() - payload.len();
    assert_eq!(accepted_bytes(&bytes), header + 6);
}

#[test]
fn in_a_later_fragment_whose_character_began_in_an_earlier_one() {
    let first = stream([frame(TEXT, false, b"abc\xf4"), frame(PING, true, "")]);
    let second = frame(CONTINUATION, false, b"\x90def").bytes();
    assert_eq!(
        accepted_bytes(&[&first[..], &second].concat()),
        first.len() + second.len() - 4
    );
}

#[test]
fn when_several_bytes_arrive_at_once() {
    let bytes = frame(TEXT, true, b"abc\xffdef").bytes();
    let refused = Outcome {
        events: vec![],
        violation: Some(Violation::InvalidUtf8),
    };
    assert_eq!(decode(&bytes[..bytes.len() - 2], &WIDE), refused);
    assert_eq!(decode(&bytes, &WIDE), refused);
}

#[test]
fn a_character_that_the_message_ends_in() {
    let unfinished = frame(TEXT, true, b"abc\xe2\x82").bytes();
    assert_eq!(accepted_bytes(&unfinished), unfinished.len() - 1);
    assert_eq!(decode(&unfinished, &WIDE).violation, Some(Violation::InvalidUtf8));
    let by_an_empty_fragment = stream([frame(TEXT, false, b"\xe2\x82"), frame(CONTINUATION, true, "")]);
    assert_eq!(
        decode(&by_an_empty_fragment, &WIDE).violation,
        Some(Violation::InvalidUtf8)
    );
}

#[test]
fn binary_messages_are_not_text() {
    assert_eq!(decode(&frame(BINARY, true, b"\xff\xfe").bytes(), &WIDE).violation, None);
}

proptest! {
    #[test]
    fn wherever_it_is(payload in proptest::collection::vec(prop_oneof![any::<u8>(), 0x80_u8..0xc0, 0xc0_u8..0xf8], 0..12)) {
        let bytes = frame(TEXT, true, &payload).bytes();
        let header = bytes.len() - payload.len();
        // A prefix may end in an unfinished character; the whole text may not.
        let first_impossible = (1..=payload.len()).find(|&end| match std::str::from_utf8(&payload[..end]) {
            Ok(_) => false,
            Err(error) => error.error_len().is_some() || end == payload.len(),
        });
        let expected = first_impossible.map_or(bytes.len(), |end| header + end - 1);
        prop_assert_eq!(accepted_bytes(&bytes), expected);
    }
}
