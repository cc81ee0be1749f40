//! Messages to text.

use super::Path;
use signal_fish_core::protocol::signal_fish::wire::{
    LobbyState, PlayerId, PlayerInfo, RoomId, RoomSnapshot, ServerMessage, Timestamp, write_game_data,
};
use std::hint::black_box;
use std::time::Duration;

pub(super) fn paths() -> Vec<Path> {
    vec![
        Path::new("encode/game_data_100_bytes", game_data()),
        Path::new("encode/room_joined_8_players", room_joined()),
    ]
}

fn game_data() -> impl FnMut() {
    let from = player(1);
    let data = format!(r#"{{"note":"{}"}}"#, "n".repeat(89));
    let mut out = Vec::with_capacity(512);
    move || {
        out.clear();
        write_game_data(black_box(from), black_box(&data), &mut out);
        black_box(&out);
    }
}

fn room_joined() -> impl FnMut() {
    let current_players = (1..=8)
        .map(|number| PlayerInfo {
            id: player(number),
            name: format!("player{number}").into(),
            is_authority: number == 1,
            is_ready: false,
            connected_at: Timestamp::from_unix(Duration::new(1_700_000_000, 123_456_789)),
            connection_info: None,
        })
        .collect();
    let snapshot = RoomSnapshot {
        room_id: RoomId::from_random([9; 16]),
        room_code: "ROOM42".into(),
        player_id: player(8),
        game_name: "pong".into(),
        max_players: 8,
        supports_authority: true,
        current_players,
        is_authority: false,
        lobby_state: LobbyState::Waiting,
        ready_players: Vec::new(),
        relay_type: "matchbox".into(),
        current_spectators: Vec::new(),
        auth_token: Some("0123456789abcdef0123456789abcdef".into()),
    };
    let message = ServerMessage::RoomJoined(Box::new(snapshot));
    let mut out = Vec::with_capacity(4096);
    move || {
        out.clear();
        black_box(&message).write(&mut out);
        black_box(&out);
    }
}

fn player(number: u8) -> PlayerId {
    PlayerId::from_random([number; 16])
}
