//! The path of a relayed message: one encoding per form, one append per recipient, nothing else.

use super::{Effects, Engine, Slot};
use crate::wire::write_game_data;

impl Engine {
    /// `GameData` as text: everybody else gets it as text, whatever their format (spec 2.9).
    pub(super) fn game_data<E: Effects>(&mut self, slot: Slot, data: &str, fx: &mut E) {
        let Some((from, handle)) = self.player_at(slot) else {
            return self.not_in_room(slot, fx);
        };
        let Some(room) = self.rooms.get_mut(handle) else { return };
        let outbound = &mut self.outbound;
        write_game_data(from, data, outbound.scratch.clear());
        let before = outbound.counters.messages_out;
        outbound.deliver(room, Some(from), fx);
        outbound.counters.game_data_in += 1;
        outbound.counters.game_data_out += outbound.counters.messages_out - before;
    }
}
