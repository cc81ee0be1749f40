//! Text to messages.

use super::Path;
use signal_fish_core::protocol::signal_fish::wire::ClientMessage;
use signal_fish_simulator::shards::{game_data, join};
use std::hint::black_box;

pub(super) fn paths() -> Vec<Path> {
    vec![
        Path::new("parse/game_data_100_bytes", parse(game_data(100))),
        Path::new("parse/game_data_1000_bytes", parse(game_data(1000))),
        Path::new("parse/join_room", parse(join("ROOM42", "player1", 8))),
        Path::new("parse/ping", parse(r#"{"type":"Ping"}"#.to_owned())),
    ]
}

fn parse(text: String) -> impl FnMut() {
    assert!(ClientMessage::parse(&text).is_ok(), "{text}");
    move || {
        let _ = black_box(ClientMessage::parse(black_box(&text)));
    }
}
