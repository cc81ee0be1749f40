//! MessagePack game data: relayed to a room of both kinds of members, and its conversion alone.

use super::Path;
use signal_fish_core::protocol::signal_fish::wire::message_pack::to_json;
use signal_fish_simulator::masked_binary;
use signal_fish_simulator::shards::Shards;
use std::hint::black_box;

pub(super) fn paths() -> Vec<Path> {
    vec![
        Path::new("message_pack/relay_to_mixed_room_of_8", relay_mixed()),
        Path::new("message_pack/to_json", convert()),
    ]
}

/// `{"x": 1024.25, "y": -37.5, "seq": 4711, "keys": ["up", "fire"], "blob": 32 bytes}`.
fn value() -> Vec<u8> {
    let mut value = vec![0x85];
    value.extend_from_slice(b"\xa1x\xcb");
    value.extend_from_slice(&1024.25_f64.to_be_bytes());
    value.extend_from_slice(b"\xa1y\xcb");
    value.extend_from_slice(&(-37.5_f64).to_be_bytes());
    value.extend_from_slice(b"\xa3seq\xcd");
    value.extend_from_slice(&4711_u16.to_be_bytes());
    value.extend_from_slice(b"\xa4keys\x92\xa2up\xa4fire\xa4blob\xc4\x20");
    value.extend_from_slice(&[7; 32]);
    value
}

fn relay_mixed() -> impl FnMut() {
    let mut shards = Shards::new(1);
    let clients = shards.room(8, true);
    shards.load(clients[0], &masked_binary(&value()));
    move || {
        let sends = shards.send(clients[0]);
        assert_eq!(sends, 7);
    }
}

fn convert() -> impl FnMut() {
    let value = value();
    let mut out = Vec::with_capacity(1024);
    move || {
        out.clear();
        let converted = to_json(black_box(&value), &mut out);
        assert!(converted.is_ok());
        black_box(&out);
    }
}
