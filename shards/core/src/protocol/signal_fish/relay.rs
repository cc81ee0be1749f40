//! The path of a relayed message: one encoding per dialect, one append per recipient, nothing else.

use super::dialect::{JSON, MESSAGE_PACK};
use super::failure::Failure;
use super::state::SignalFish;
use super::tell::not_in_room;
use super::wire::message_pack::{check_depth, to_json, write_binary_game_data};
use super::wire::{write_game_data, write_game_data_with};
use crate::effects::Cx;
use crate::ws::Kind;

impl SignalFish {
    /// `GameData` as text: everybody else gets it as text, whatever their dialect (protocol 2.9).
    pub(super) fn game_data(&mut self, cx: &mut Cx<'_>, data: &str) {
        let Some((from, room)) = self.sessions.player(cx.slot) else {
            return not_in_room(cx);
        };
        cx.fx.frame.encode(Kind::Text, |out| write_game_data(from, data, out));
        let told = self.deliver(cx.fx, room, Some(from));
        self.counters.game_data_in += 1;
        self.counters.game_data_out += told;
    }

    /// Game data as MessagePack: members with that dialect get it as it came; the others, and those who can still return,
    /// as JSON (D38).
    ///
    /// # Errors
    /// It nests too deeply, or somebody needs it as JSON and there is no such form.
    pub(super) fn binary_game_data(&mut self, cx: &mut Cx<'_>, payload: &[u8]) -> Result<(), Failure> {
        check_depth(payload).map_err(|_| Failure::invalid("Binary payload is nested too deeply"))?;
        let Some((from, handle)) = self.sessions.player(cx.slot) else {
            not_in_room(cx);
            return Ok(());
        };
        let Some(room) = self.rooms.get_mut(handle) else {
            return Ok(());
        };
        room.touch(cx.now.monotonic);
        self.counters.game_data_in += 1;
        let fx = &mut *cx.fx;
        if room.members().speak(MESSAGE_PACK, Some(from)) {
            fx.frame
                .encode(Kind::Binary, |out| write_binary_game_data(from, payload, out));
            self.counters.game_data_out += room.members().deliver_in(MESSAGE_PACK, Some(from), fx);
        }
        if room.is_recording() || room.members().speak(JSON, Some(from)) {
            let mut converted = Ok(());
            fx.frame.encode(Kind::Text, |out| {
                converted = write_game_data_with(from, out, |out| to_json(payload, out));
            });
            if converted.is_err() {
                self.counters.game_data_not_convertible += 1;
                let text = "Binary payload cannot be converted for members that take JSON";
                return Err(Failure::invalid(text));
            }
            self.counters.game_data_out += room.members().deliver_in(JSON, Some(from), fx);
            self.record(fx, handle);
        }
        Ok(())
    }
}
