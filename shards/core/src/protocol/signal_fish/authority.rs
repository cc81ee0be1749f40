//! Authority is asked for and released (spec 6, D6).

use super::{Effects, Engine, Slot};
use crate::protocol::signal_fish::wire::{AuthorityRequest, ErrorCode, ServerMessage};
use std::borrow::Cow;

impl Engine {
    pub(super) fn authority_request<E: Effects>(&mut self, slot: Slot, message: AuthorityRequest, fx: &mut E) {
        let Some((player, handle)) = self.player_at(slot) else {
            let denied = response(Some(("Not in a room", ErrorCode::NotInRoom)));
            return self.outbound.tell(slot, &denied, fx);
        };
        let Some(room) = self.rooms.get_mut(handle) else { return };
        match room.request_authority(player, message.become_authority) {
            Ok(()) => {
                self.outbound.tell(slot, &response(None), fx);
                self.outbound.authority_changed(room, None, fx);
            }
            Err(denied) => self.outbound.tell(slot, &response(Some(denied.reason())), fx),
        }
    }
}

fn response(denied: Option<(&'static str, ErrorCode)>) -> ServerMessage<'static> {
    ServerMessage::AuthorityResponse {
        granted: denied.is_none(),
        reason: denied.map(|(reason, _)| Cow::Borrowed(reason)),
        error_code: denied.map(|(_, code)| code),
    }
}
