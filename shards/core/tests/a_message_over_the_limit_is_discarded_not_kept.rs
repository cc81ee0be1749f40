//! D10: a message over the limit is thrown away as it arrives and reported when it is complete.

mod ws_stream;

use signal_fish_core::ws::{Decoder, Event, Kind, Limits, Violation};
use ws_stream::{
    BINARY, CONTINUATION, NARROW, Outcome, Owned, PING, TEXT, decode, decode_piece, decode_pieces, frame, header,
    stream,
};

const MIB: usize = 1 << 20;

/// The shipped limit.
const SHIPPED: Limits = Limits {
    message_bytes_max: 65_536,
    discard_bytes_max: 16 << 20,
};

fn oversize(kind: Kind, length: u64) -> Outcome {
    Outcome {
        events: vec![Owned::Oversize { kind, length }],
        violation: None,
    }
}

/// Decodes `bytes` in pieces; the most heap memory held between them.
fn most_heap_bytes(
    decoder: &mut Decoder,
    bytes: &[u8],
    piece: usize,
    limits: &Limits,
    events: &mut Vec<Owned>,
) -> usize {
    bytes
        .chunks(piece)
        .map(|piece| {
            decode_piece(decoder, piece, limits, events).unwrap();
            decoder.heap_bytes()
        })
        .max()
        .unwrap_or(0)
}

#[test]
fn the_limit_itself_is_allowed() {
    for (opcode, kind) in [(TEXT, Kind::Text), (BINARY, Kind::Binary)] {
        let outcome = decode(&frame(opcode, true, "x".repeat(150)).bytes(), &NARROW);
        let whole = if kind == Kind::Text {
            Owned::Text("x".repeat(150))
        } else {
            Owned::Binary(vec![b'x'; 150])
        };
        assert_eq!(
            outcome,
            Outcome {
                events: vec![whole],
                violation: None
            }
        );
        assert_eq!(
            decode(&frame(opcode, true, "x".repeat(151)).bytes(), &NARROW),
            oversize(kind, 151)
        );
    }
}

#[test]
fn fragments_count_together_and_the_next_message_is_heard() {
    let bytes = stream([
        frame(TEXT, false, "x".repeat(100)),
        frame(CONTINUATION, false, "x".repeat(50)),
        frame(PING, true, "between"),
        frame(CONTINUATION, true, "x"),
        frame(TEXT, true, "next"),
    ]);
    let events = vec![
        Owned::Ping(b"between".to_vec()),
        Owned::Oversize {
            kind: Kind::Text,
            length: 151,
        },
        Owned::Text("next".to_owned()),
    ];
    for piece in [1, 7, bytes.len()] {
        let outcome = decode_pieces(bytes.chunks(piece), &NARROW);
        assert_eq!(
            outcome,
            Outcome {
                events: events.clone(),
                violation: None
            }
        );
    }
}

#[test]
fn it_is_reported_when_it_is_complete() {
    let bytes = frame(BINARY, true, [0; 200]).bytes();
    let (all_but_one, _) = bytes.split_at(bytes.len() - 1);
    assert_eq!(
        decode(all_but_one, &NARROW),
        Outcome {
            events: vec![],
            violation: None
        }
    );
}

#[test]
fn what_is_discarded_need_not_be_utf8() {
    assert_eq!(
        decode(&frame(TEXT, true, [0xff; 151]).bytes(), &NARROW),
        oversize(Kind::Text, 151)
    );
    // Nor need a character that began before it turned out to be too long be completed.
    let cut = stream([
        frame(TEXT, false, b"abc\xe2\x82"),
        frame(CONTINUATION, true, [b'x'; 150]),
    ]);
    assert_eq!(decode(&cut, &NARROW), oversize(Kind::Text, 155));
    // What was within the limit when it arrived was checked.
    let early = stream([frame(TEXT, false, b"\xff"), frame(CONTINUATION, true, [b'x'; 150])]);
    assert_eq!(decode(&early, &NARROW).violation, Some(Violation::InvalidUtf8));
}

#[test]
fn past_the_hard_cap_the_header_is_refused() {
    assert_eq!(
        decode(&frame(BINARY, true, [0; 600]).bytes(), &NARROW),
        oversize(Kind::Binary, 600)
    );
    let announced = header(true, 0, BINARY, Some([1; 4]), 601);
    let outcome = decode(&announced, &NARROW);
    assert_eq!(
        outcome,
        Outcome {
            events: vec![],
            violation: Some(Violation::TooLarge)
        }
    );
    assert_eq!(Violation::TooLarge.close_code(), 1009);

    let fragments = |last| {
        [
            frame(TEXT, false, [0; 300]).bytes(),
            header(true, 0, CONTINUATION, Some([1; 4]), last),
        ]
    };
    assert_eq!(decode(&fragments(300).concat(), &NARROW).violation, None);
    assert_eq!(
        decode(&fragments(301).concat(), &NARROW).violation,
        Some(Violation::TooLarge)
    );
    assert_eq!(
        decode(&fragments(i64::MAX as u64).concat(), &NARROW).violation,
        Some(Violation::TooLarge)
    );
}

#[test]
fn sixteen_mebibytes_are_discarded_without_being_held() {
    let mut decoder = Decoder::default();
    let mut events = Vec::new();
    for opcode in [TEXT, BINARY] {
        let bytes = frame(opcode, true, vec![b'x'; 16 * MIB]).bytes();
        assert_eq!(most_heap_bytes(&mut decoder, &bytes, 1400, &SHIPPED, &mut events), 0);
        assert_eq!(
            events.pop(),
            Some(Owned::Oversize {
                kind: if opcode == TEXT { Kind::Text } else { Kind::Binary },
                length: 16 << 20
            })
        );
    }
    let one_more = header(true, 0, BINARY, Some([0; 4]), (16 << 20) + 1);
    assert_eq!(
        decode_piece(&mut decoder, &one_more, &SHIPPED, &mut events),
        Err(Violation::TooLarge)
    );
}

#[test]
fn sixteen_mebibytes_in_fragments_never_hold_more_than_the_limit() {
    let mut decoder = Decoder::default();
    let mut events = Vec::new();
    for opcode in [TEXT, BINARY] {
        let fragment = |opcode, is_final| frame(opcode, is_final, [b'x'; 1000]).bytes();
        let count = 16 * MIB / 1000;
        let mut held = most_heap_bytes(&mut decoder, &fragment(opcode, false), 300, &SHIPPED, &mut events);
        for index in 1..count {
            let last = index == count - 1;
            let most = most_heap_bytes(&mut decoder, &fragment(CONTINUATION, last), 300, &SHIPPED, &mut events);
            held = held.max(most);
            // Sixty-five fragments are within the limit, the sixty-sixth is not: what was kept is freed at once.
            assert!(most <= 65_536, "{most} bytes held in fragment {index}");
            assert!(index < 65 || most == 0, "{most} bytes held in fragment {index}");
        }
        assert!(held >= 65_000, "{held} bytes held at most: was anything collected?");
        assert_eq!(
            events.pop(),
            Some(Owned::Oversize {
                kind: if opcode == TEXT { Kind::Text } else { Kind::Binary },
                length: (count * 1000) as u64
            })
        );
    }
    assert!(events.is_empty());
}

#[test]
fn an_announced_length_reserves_no_memory() {
    let mut decoder = Decoder::default();
    let mut events = Vec::new();
    let mut bytes = header(true, 0, BINARY, Some([0; 4]), 65_536);
    bytes.extend([0; 10]);
    decode_piece(&mut decoder, &bytes, &SHIPPED, &mut events).unwrap();
    assert!(
        decoder.heap_bytes() <= 64,
        "{} bytes held for 10 that arrived",
        decoder.heap_bytes()
    );
}

#[test]
fn a_message_in_single_bytes_is_moved_a_few_times_only() {
    for opcode in [TEXT, BINARY] {
        let mut decoder = Decoder::default();
        let mut events = Vec::new();
        let mut sizes = Vec::new();
        for byte in frame(opcode, true, [b'x'; 65_536]).bytes().chunks(1) {
            decode_piece(&mut decoder, byte, &SHIPPED, &mut events).unwrap();
            sizes.push(decoder.heap_bytes());
        }
        sizes.dedup();
        // Nothing, 64 bytes, then doubled up to 64 KiB, and nothing again.
        assert_eq!(sizes.len(), 13, "{sizes:?}");
        assert_eq!(events.len(), 1);
    }
}

#[test]
fn a_decoder_between_messages_holds_no_memory() {
    let mut decoder = Decoder::default();
    let mut events = Vec::new();
    for message in [
        frame(TEXT, true, [b'x'; 5000]),
        frame(BINARY, true, [0; 5000]),
        frame(PING, true, [0; 100]),
    ] {
        let bytes = message.bytes();
        let most = most_heap_bytes(&mut decoder, &bytes, 99, &SHIPPED, &mut events);
        assert!(
            most > 0 && most <= 5000,
            "{most} bytes held in the middle of {} bytes",
            bytes.len()
        );
        assert_eq!(decoder.heap_bytes(), 0);
    }
    assert_eq!(events.len(), 3);
}

#[test]
fn what_was_delivered_can_be_freed_before_more_arrives() {
    for message in [
        frame(TEXT, true, [b'x'; 100]),
        frame(BINARY, true, [0; 100]),
        frame(PING, true, [0; 100]),
    ] {
        let mut decoder = Decoder::default();
        let mut bytes = message.bytes();
        let (first, last) = bytes.split_at_mut(50);
        decoder.decode(first, &SHIPPED).unwrap();
        decoder.release();
        assert!(decoder.heap_bytes() > 0, "an incomplete message stays");
        let (taken, event) = decoder.decode(last, &SHIPPED).unwrap();
        assert!(event.is_some());
        assert_eq!(taken, last.len());
        decoder.release();
        assert_eq!(decoder.heap_bytes(), 0);
    }
}

#[test]
fn a_message_in_one_piece_is_borrowed_from_the_input() {
    let mut bytes = stream([frame(TEXT, true, "borrowed"), frame(BINARY, true, [7; 300])]);
    let range = bytes.as_ptr_range();
    let mut decoder = Decoder::default();
    let (taken, event) = decoder.decode(&mut bytes, &SHIPPED).unwrap();
    let Some(Event::Text(text)) = event else {
        panic!("{event:?}")
    };
    assert!(range.contains(&text.as_ptr()));
    let (_, event) = decoder.decode(&mut bytes[taken..], &SHIPPED).unwrap();
    let Some(Event::Binary(binary)) = event else {
        panic!("{event:?}")
    };
    assert!(range.contains(&binary.as_ptr()));
    assert_eq!(decoder.heap_bytes(), 0);
}
