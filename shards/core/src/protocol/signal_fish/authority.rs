//! Authority is asked for and released (protocol 6, D6).

use super::state::SignalFish;
use super::tell::tell;
use super::wire::{AuthorityRequest, ErrorCode, ServerMessage};
use crate::effects::Cx;
use std::borrow::Cow;

impl SignalFish {
    pub(super) fn authority_request(&mut self, cx: &mut Cx<'_>, message: AuthorityRequest) {
        let Some((player, handle)) = self.sessions.player(cx.slot) else {
            let denied = response(Some(("Not in a room", ErrorCode::NotInRoom)));
            return tell(cx, &denied);
        };
        let Some(room) = self.rooms.get_mut(handle) else { return };
        match room.request_authority(player, message.become_authority) {
            Ok(()) => {
                tell(cx, &response(None));
                self.authority_changed(cx.fx, handle, None);
            }
            Err(denied) => tell(cx, &response(Some(denied.reason()))),
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
