//! What is drawn at random: ids, reconnection tokens, room codes.

use super::room::{Token, key};
use super::settings::Settings;
use super::state::SignalFish;
use super::wire::{GameName, PlayerId, RoomCode, RoomId};
use crate::admission::AppIndex;
use crate::room::RoomKey;
use rand::Rng;

/// Symbols of generated codes: none that are easily mistaken for another (protocol 11).
const CODE_SYMBOLS: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";

/// With at most this many generated symbols (1,024 codes) every code is tried, so that the last free one is found.
const SYMBOLS_ENUMERATED_MAX: usize = 2;

impl SignalFish {
    pub(super) fn draw_player_id(&mut self) -> PlayerId {
        PlayerId::from_random(random_bytes(&mut *self.random))
    }

    /// An id that belongs to this shard, because a Reconnect is routed by it.
    pub(super) fn draw_room_id(&mut self) -> RoomId {
        let mut id = RoomId::from_random(random_bytes(&mut *self.random));
        for _ in 0..self.draws_max() {
            if self.routing.room_id(id) == self.shard {
                break;
            }
            id = RoomId::from_random(random_bytes(&mut *self.random));
        }
        id
    }

    /// A reconnection token; `None` if clients get no tokens (D18).
    pub(super) fn draw_token(&mut self) -> Option<Token> {
        let wanted = self.settings.enable_reconnection && self.settings.send_reconnection_token;
        wanted.then(|| Token::from_random(random_bytes(&mut *self.random)))
    }

    /// A code that is free and belongs to this shard, so that creating moves nobody (D16).
    pub(super) fn draw_code(&mut self, app: Option<AppIndex>, game: &GameName) -> Option<(RoomKey, RoomCode)> {
        let prefix_length = self.settings.room_code_prefix.as_ref().map_or(0, String::len);
        let symbols = self.settings.room_code_length.saturating_sub(prefix_length);
        if symbols <= SYMBOLS_ENUMERATED_MAX {
            let codes = 1_u32 << (5 * symbols);
            let start = self.random.next_u32();
            return (0..codes).find_map(|step| {
                let mut number = start.wrapping_add(step);
                let code = compose_code(&self.settings, || {
                    let symbol = number;
                    number >>= 5;
                    symbol
                })?;
                self.if_free(app, game, code)
            });
        }
        (0..self.draws_max()).find_map(|_| {
            let code = compose_code(&self.settings, || self.random.next_u32() >> 27)?;
            self.if_free(app, game, code)
        })
    }

    /// The code with its key, if both belong to this shard and to no room.
    fn if_free(&self, app: Option<AppIndex>, game: &GameName, code: RoomCode) -> Option<(RoomKey, RoomCode)> {
        let key = key(app, game, &code);
        let ours = self.routing.room(&key) == self.shard;
        let free = ours && self.rooms.find(&key).is_none() && !self.openings.contains(&key);
        free.then_some((key, code))
    }

    fn draws_max(&self) -> u32 {
        64 * u32::from(self.routing.shards())
    }
}

/// A code: the configured prefix, then symbols. Each call of `symbol` gives a number whose five low bits choose one.
fn compose_code(settings: &Settings, mut symbol: impl FnMut() -> u32) -> Option<RoomCode> {
    let length = settings.room_code_length;
    let mut text = settings.room_code_prefix.clone().unwrap_or_default();
    while text.len() < length {
        text.push(char::from(CODE_SYMBOLS[(symbol() & 31) as usize]));
    }
    RoomCode::parse(&text, length).ok()
}

fn random_bytes(random: &mut dyn Rng) -> [u8; 16] {
    let mut bytes = [0; 16];
    random.fill_bytes(&mut bytes);
    bytes
}
