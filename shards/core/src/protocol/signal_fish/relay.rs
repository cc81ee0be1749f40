//! The path of a relayed message: one encoding per form, one append per recipient, nothing else.

use super::outbound::{Outbound, Scratch};
use super::{Effects, Engine, Form, Slot};
use crate::Now;
use crate::protocol::signal_fish::wire::message_pack::{check_depth, to_json, write_binary_game_data};
use crate::protocol::signal_fish::wire::{ErrorCode, PlayerId, write_game_data};
use crate::room::Room;

impl Engine {
    /// `GameData` as text: everybody else gets it as text, whatever their format (spec 2.9).
    pub(super) fn game_data<E: Effects>(&mut self, slot: Slot, data: &str, fx: &mut E) {
        let Some((from, handle)) = self.player_at(slot) else {
            return self.not_in_room(slot, fx);
        };
        let Some(room) = self.rooms.get_mut(handle) else { return };
        let outbound = &mut self.outbound;
        write_game_data(from, data, outbound.scratch.clear());
        let told = outbound.deliver(room, Some(from), fx);
        outbound.counters.game_data_in += 1;
        outbound.counters.game_data_out += told;
    }

    /// Game data as MessagePack: members with that format get it as it came, the others as JSON (D38).
    pub(super) fn binary_game_data<E: Effects>(&mut self, now: Now, slot: Slot, payload: &[u8], fx: &mut E) {
        if check_depth(payload).is_err() {
            return self.invalid(now, slot, "Binary payload is nested too deeply", fx);
        }
        let Some(session) = self.sessions.get_mut(slot) else {
            return;
        };
        session.client.invalid_in_a_row = 0;
        let Some((from, handle)) = self.player_at(slot) else {
            return self.not_in_room(slot, fx);
        };
        let Some(room) = self.rooms.get_mut(handle) else { return };
        room.touch(now.monotonic);
        let outbound = &mut self.outbound;
        write_binary_game_data(from, payload, outbound.scratch.clear());
        let mut told = 0;
        let mut wants_json = room.is_recording();
        for (_, slot, message_pack) in room.members().filter(|(id, _, _)| *id != from) {
            if message_pack {
                fx.send(slot, Form::Binary, outbound.scratch.bytes());
                told += 1;
            } else {
                wants_json = true;
            }
        }
        outbound.counters.messages_out += told;
        outbound.counters.game_data_in += 1;
        outbound.counters.game_data_out += told;
        if wants_json && !deliver_as_json(room, from, payload, &mut self.converted, outbound, fx) {
            outbound.counters.game_data_not_convertible += 1;
            let text = "Binary payload cannot be converted for members that take JSON";
            outbound.error(slot, text, ErrorCode::InvalidInput, fx);
        }
    }
}

/// Sends the JSON form of a MessagePack value to the members that take JSON and keeps it for those who can still return.
/// Returns whether there is such a form.
fn deliver_as_json<E: Effects>(
    room: &mut Room,
    from: PlayerId,
    payload: &[u8],
    converted: &mut Scratch,
    outbound: &mut Outbound,
    fx: &mut E,
) -> bool {
    if to_json(payload, converted.clear()).is_err() {
        return false;
    }
    let Ok(json) = std::str::from_utf8(converted.bytes()) else {
        return false;
    };
    write_game_data(from, json, outbound.scratch.clear());
    let mut told = 0;
    for (id, slot, message_pack) in room.members() {
        if id != from && !message_pack {
            fx.send(slot, Form::Text, outbound.scratch.bytes());
            told += 1;
        }
    }
    outbound.counters.messages_out += told;
    outbound.counters.game_data_out += told;
    outbound.record(room);
    true
}
