//! What clients say.

use super::cast::Cast;
use crate::messages::{authority, just, reconnect, spectate};
use crate::random::Sequence;
use serde_json::{Value, json};

/// Codes of rooms; most meet in the first.
const CODES: [&str; 5] = ["AAAAAA", "AAAAAA", "aaaaaa", "BBBBBB", "CCCCCC"];
/// The first of them are the clients' own.
const NAMES: [&str; 9] = ["ann", "bob", "cyd", "dan", "eve", "fay", "gus", "ANN", ""];

/// Something that a client sends.
pub(super) enum Said {
    Text(String),
    Binary(Vec<u8>),
}

/// What client number `client` says next.
pub(super) fn draw(cast: &Cast, client: usize, random: &mut Sequence) -> Said {
    let code = CODES[random.up_to(CODES.len() - 1)];
    let name = if random.chance(90) {
        NAMES[client]
    } else {
        NAMES[random.up_to(NAMES.len() - 1)]
    };
    let message = match random.up_to(99) {
        0..=27 => {
            let mut data = json!({"game_name": "pong", "player_name": name, "room_code": code,
                "supports_authority": random.chance(80)});
            if random.chance(85) {
                data["max_players"] = (if random.chance(80) {
                    2 + random.up_to(1)
                } else {
                    random.up_to(5)
                })
                .into();
            }
            if random.chance(8) {
                data.as_object_mut().expect("it is an object").remove("room_code");
            }
            json!({"type": "JoinRoom", "data": data})
        }
        28..=33 => just("LeaveRoom"),
        34..=51 => just("PlayerReady"),
        52 => just("StartGame"),
        53..=58 => authority(random.chance(60)),
        59..=60 => {
            let info = json!({"type": "direct", "host": "h", "port": random.up_to(65_535)});
            json!({"type": "ProvideConnectionInfo", "data": {"connection_info": info}})
        }
        61..=74 => {
            let padding_max = if random.chance(15) { 1_500 } else { 30 };
            return Said::Text(game_data(cast.say(), padding_max, random));
        }
        75..=80 => return Said::Binary(payload(random)),
        81..=83 => just("Ping"),
        84..=86 => {
            let app = ["x", "x", "x", "y", "z"][random.up_to(4)];
            let format = if random.chance(70) { "message_pack" } else { "json" };
            json!({"type": "Authenticate", "data": {"app_id": app, "game_data_format": format}})
        }
        87..=91 => spectate(code, name),
        92..=93 => just("LeaveSpectator"),
        94 => return Said::Text("x".repeat(2_001 + random.up_to(500))),
        95..=96 => {
            let junk = [
                "",
                "[]",
                "{}",
                r#"{"type":"Nope"}"#,
                "nonsense",
                r#"{"type":"GameData","data":{}}"#,
            ];
            return Said::Text(junk[random.up_to(junk.len() - 1)].to_owned());
        }
        _ => returning(cast, random).unwrap_or_else(|| just("Ping")),
    };
    Said::Text(message.to_string())
}

/// `Reconnect` with a token that somebody was told at some time; one in ten is wrong.
pub(super) fn returning(cast: &Cast, random: &mut Sequence) -> Option<Value> {
    let last = cast.tokens.len().checked_sub(1)?;
    // Mostly one of the newest.
    let back = if random.chance(70) {
        random.up_to(last.min(6))
    } else {
        random.up_to(last)
    };
    let (player, room, token) = &cast.tokens[last - back];
    let wrong = "0123456789abcdef0123456789abcdef".to_owned();
    Some(reconnect(player, room, if random.chance(10) { &wrong } else { token }))
}

/// A value that nobody else says.
pub(super) fn game_data(number: u32, padding_max: usize, random: &mut Sequence) -> String {
    let value = json!({"said": number, "padding": "p".repeat(random.up_to(padding_max))});
    json!({"type": "GameData", "data": {"data": value}}).to_string()
}

fn payload(random: &mut Sequence) -> Vec<u8> {
    match random.up_to(9) {
        0 => vec![0xc1],
        1 => Vec::new(),
        2..=4 => vec![u8::try_from(random.up_to(127)).unwrap_or_default()],
        _ => {
            let [.., a, b, c, d] = (random.up_to(0xffff_fffe) as u64).to_be_bytes();
            vec![0xce, a, b, c, d]
        }
    }
}

/// Bytes that break RFC 6455: no mask, a reserved opcode, a text that is not UTF-8, a length over every bound.
pub(super) fn violation(random: &mut Sequence) -> Vec<u8> {
    match random.up_to(3) {
        0 => vec![0x81, 0x01, b'x'],
        1 => vec![0x83, 0x80, 1, 2, 3, 4],
        2 => vec![0x81, 0x81, 0, 0, 0, 0, 0xff],
        _ => vec![0x81, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4],
    }
}
