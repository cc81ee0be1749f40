//! Telling clients: a message is encoded once and appended to the outbox of each recipient.

use super::failure::Failure;
use super::room::Room;
use super::state::SignalFish;
use super::wire::{ErrorCode, PlayerId, ServerMessage};
use crate::effects::{Cx, Effects};
use crate::room::RoomHandle;
use crate::ws::Kind;
use std::borrow::Cow;

/// To one client.
pub(super) fn tell(cx: &mut Cx<'_>, message: &ServerMessage<'_>) {
    cx.send(Kind::Text, |out| message.write(out));
}

/// An `Error` to one client.
pub(super) fn error<'a>(cx: &mut Cx<'_>, message: impl Into<Cow<'a, str>>, code: ErrorCode) {
    let message = message.into();
    let error_code = Some(code);
    tell(cx, &ServerMessage::Error { message, error_code });
}

/// A failure as an `Error` to one client.
pub(super) fn failure(cx: &mut Cx<'_>, failure: Failure) {
    error(cx, failure.reason, failure.code);
}

/// To a client that sent what only a member may send (D5).
pub(super) fn not_in_room(cx: &mut Cx<'_>) {
    error(cx, "Not in a room", ErrorCode::NotInRoom);
}

/// Makes a message the frame that is delivered next.
pub(super) fn encode(fx: &mut Effects, message: &ServerMessage<'_>) {
    fx.frame.encode(Kind::Text, |out| message.write(out));
}

impl SignalFish {
    /// Keeps the text of the frame for those who can still return, if there are any (D20).
    pub(super) fn record(&mut self, fx: &Effects, handle: RoomHandle) {
        if self.rooms.get(handle).is_some_and(Room::is_recording) {
            self.keep(fx, handle);
        }
    }

    /// Keeps the text of the frame in a room that records.
    fn keep(&mut self, fx: &Effects, handle: RoomHandle) {
        let Some(room) = self.rooms.get_mut(handle) else { return };
        let before = room.replay().memory();
        let kept = room.record(fx.frame.payload());
        self.counters.events_recorded += u64::from(kept);
        self.counters.events_left_out += u64::from(!kept);
        self.replays.changed(handle, before, room.replay().memory());
        // The largest give way first, whosever turn it is: whoever fills its own empties no other one's (D37).
        while let Some(largest) = self.replays.gives_way()
            && let Some(room) = self.rooms.get_mut(largest)
        {
            let before = room.replay().memory();
            if !room.forget_oldest() {
                break;
            }
            self.counters.events_given_up += 1;
            self.replays.changed(largest, before, room.replay().memory());
        }
    }

    /// A dropped player returned, or can no longer.
    pub(super) fn stop_awaiting(&mut self, handle: RoomHandle, player: PlayerId) {
        let Some(room) = self.rooms.get_mut(handle) else { return };
        let before = room.replay().memory();
        room.stop_awaiting(player);
        self.replays.changed(handle, before, room.replay().memory());
    }

    /// Delivers the frame to every member but `except`, and keeps it for those who can still return. Returns how many
    /// were told.
    pub(super) fn deliver(&mut self, fx: &mut Effects, handle: RoomHandle, except: Option<PlayerId>) -> u64 {
        let Some(room) = self.rooms.get(handle) else {
            return 0;
        };
        let told = room.members().deliver(except, fx);
        if room.is_recording() {
            self.keep(fx, handle);
        }
        told
    }

    /// Encodes a message and [delivers](Self::deliver) it.
    pub(super) fn broadcast(
        &mut self,
        fx: &mut Effects,
        room: RoomHandle,
        except: Option<PlayerId>,
        message: &ServerMessage<'_>,
    ) {
        encode(fx, message);
        self.deliver(fx, room, except);
    }

    /// Tells every member but `except` who has authority now, and whether it is the member itself.
    pub(super) fn authority_changed(&mut self, fx: &mut Effects, handle: RoomHandle, except: Option<PlayerId>) {
        self.counters.authority_changes += 1;
        let Some(room) = self.rooms.get(handle) else { return };
        let authority_player = room.authority();
        let changed = |you_are_authority| ServerMessage::AuthorityChanged {
            authority_player,
            you_are_authority,
        };
        let told = |id| Some(id) != except;
        if let Some(holder) = authority_player.filter(|holder| told(*holder))
            && let Some(holder) = room.members().get(holder)
        {
            encode(fx, &changed(true));
            fx.append(holder.slot);
        }
        encode(fx, &changed(false));
        for member in room.members().all() {
            if told(member.id) && Some(member.id) != authority_player {
                fx.append(member.slot);
            }
        }
        self.record(fx, handle);
    }

    /// How the lobby is now, to every member.
    pub(super) fn lobby_state_changed(&mut self, fx: &mut Effects, room: RoomHandle) {
        let Some(changed) = self.rooms.get(room).map(|room| room.lobby_state_changed()) else {
            return;
        };
        self.broadcast(fx, room, None, &changed);
    }
}
