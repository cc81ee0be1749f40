//! WebSocket frames in and out.

use super::Path;
use signal_fish_core::ws::{Decoder, Kind, Limits, write_message};
use signal_fish_simulator::shards::game_data;
use signal_fish_simulator::{masked_binary, masked_text};
use std::hint::black_box;

/// The codec's bounds as the server sets them by default.
const CODEC_LIMITS: Limits = Limits {
    message_bytes_max: 65_536,
    discard_bytes_max: 16 << 20,
};

pub(super) fn paths() -> Vec<Path> {
    vec![
        Path::new(
            "ws/decode_text_140_bytes",
            decode(masked_text(&game_data(100)), usize::MAX),
        ),
        Path::new("ws/decode_text_in_two_pieces", decode(masked_text(&game_data(100)), 70)),
        Path::new(
            "ws/decode_binary_4096_bytes",
            decode(masked_binary(&[0xa5; 4096]), usize::MAX),
        ),
        Path::new("ws/encode_text_180_bytes", encode(180)),
        Path::new("ws/encode_text_4096_bytes", encode(4096)),
    ]
}

/// Decodes one message that arrives in pieces of `piece` bytes at most.
fn decode(frame: Vec<u8>, piece: usize) -> impl FnMut() {
    let mut buffer = frame.clone();
    let mut decoder = Decoder::default();
    move || {
        buffer.copy_from_slice(black_box(&frame));
        let mut events = 0;
        for piece in buffer.chunks_mut(piece) {
            let mut taken = 0;
            while taken < piece.len() {
                let (more, event) = decoder
                    .decode(&mut piece[taken..], &CODEC_LIMITS)
                    .expect("the frames are valid");
                events += usize::from(black_box(event).is_some());
                taken += more;
            }
        }
        decoder.release();
        assert_eq!(events, 1);
    }
}

fn encode(bytes: usize) -> impl FnMut() {
    let payload = vec![b'x'; bytes];
    let mut out = Vec::with_capacity(bytes + 16);
    move || {
        out.clear();
        write_message(Kind::Text, black_box(&payload), &mut out);
        black_box(&out);
    }
}
