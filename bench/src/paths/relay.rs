//! A relayed message: a masked frame comes in, is decoded and parsed, goes through the engine and lands in the outbox of
//! everybody else. The value of the message takes 100 bytes.

use super::Path;
use crate::fixture::{Shards, game_data, masked_text};
use signal_fish_core::ws::Decoder;
use std::hint::black_box;

pub(super) fn paths() -> Vec<Path> {
    vec![
        Path::new("relay/room_of_8", relay(8, 1)),
        Path::new("relay/room_of_100", relay(100, 1)),
        // What a turn looks like under load: one `recv` brings several frames.
        Path::new("relay/room_of_8_16_frames", relay(8, 16)),
    ]
}

fn relay(members: u8, frames: usize) -> impl FnMut() {
    let mut shards = Shards::new(1);
    let places = shards.room(members, false);
    let received = masked_text(&game_data(100)).repeat(frames);
    // The shard's buffer; decoding unmasks in place, so it is filled anew each time, as `recv` would.
    let mut buffer = received.clone();
    let mut decoder = Decoder::default();
    move || {
        buffer.copy_from_slice(black_box(&received));
        shards.receive(places[0], &mut decoder, &mut buffer);
        let flushed = shards.flush();
        assert_eq!(flushed, usize::from(members) - 1);
    }
}
