//! A relayed message: a masked frame comes in, is decoded and parsed, goes through the room and lands in the outbox of
//! everybody else, which is sent: a whole turn of the shard, with sockets that cost next to nothing. The value of the
//! message takes 100 bytes.

use super::Path;
use signal_fish_simulator::masked_text;
use signal_fish_simulator::shards::{Shards, game_data};

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
    let clients = shards.room(members, false);
    shards.load(clients[0], &masked_text(&game_data(100)).repeat(frames));
    move || {
        let sends = shards.send(clients[0]);
        assert_eq!(sends, u64::from(members) - 1);
    }
}
