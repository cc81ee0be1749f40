//! What operators see and do: rooms are listed and shown, closed, and members are removed from them.

use super::observation::Observation;
use super::room::Room;
use super::state::SignalFish;
use super::tell;
use super::wire::{ErrorCode, LobbyState, PlayerId, RoomId};
use crate::Now;
use crate::admission::AppIndex;
use crate::effects::{Cx, Effects};
use crate::room::{Entry, MemberDetail, RoomDetail, RoomHandle, RoomOverview, RoomPage, RoomQuery};
use std::time::Duration;

/// Places of rooms that are looked at for one page, so that a shard with very many rooms is not held up.
const PLACES_MAX: usize = 4_096;

impl SignalFish {
    /// Some of the rooms that were asked for. There may be more on the next page, also behind an empty one.
    #[must_use]
    pub fn list_rooms(&self, now: Duration, query: &RoomQuery) -> RoomPage {
        let mut page = RoomPage::default();
        for (looked_at, (place, entry)) in self.rooms.iter_from(query.from).enumerate() {
            if looked_at >= PLACES_MAX || page.rooms.len() >= query.count {
                page.next = Some(place);
                break;
            }
            if let Some(entry) = entry
                && fits(query, entry)
            {
                page.rooms.push(overview(now, entry));
            }
        }
        page
    }

    /// One room and who is in it.
    #[must_use]
    pub fn show_room(&self, now: Duration, id: RoomId, fx: &Effects) -> Option<RoomDetail> {
        let entry = self.rooms.entry(self.rooms.find_id(id)?)?;
        let room = &entry.room;
        let detail = |id: PlayerId, name: &str, is_spectator, is_ready| {
            let slot = room.members().get(id).map(|member| member.slot);
            let session = slot.and_then(|slot| self.sessions.get(slot));
            MemberDetail {
                id,
                name: name.into(),
                is_spectator,
                is_ready,
                is_authority: room.authority() == Some(id),
                address: session.map(|session| session.ip),
                certificate: session.and_then(|session| session.certificate()).map(Box::from),
                unsent_bytes: slot.map_or(0, |slot| fx.outboxes.unsent(slot).len()),
            }
        };
        let players = room.players().iter();
        let players = players.map(|player| detail(player.id, player.name.as_str(), false, player.ready));
        let spectators = room.spectators().iter();
        let spectators = spectators.map(|spectator| detail(spectator.id, spectator.name.as_str(), true, false));
        Some(RoomDetail {
            room: overview(now, entry),
            supports_authority: room.supports_authority(),
            relay_type: room.relay_type().into(),
            members: players.chain(spectators).collect(),
        })
    }

    /// Closes a room; its members are told (D8). Returns whether it was there.
    pub fn close_room(&mut self, fx: &mut Effects, id: RoomId) -> bool {
        let room = self.rooms.find_id(id);
        if let Some(room) = room {
            self.remove_room(fx, room);
        }
        room.is_some()
    }

    /// Removes a member from a room and disconnects it. It is told why, and its token is void. Whoever dropped can return
    /// no more. Returns whether it was there.
    pub fn kick(&mut self, now: Now, fx: &mut Effects, room: RoomId, id: PlayerId, reason: &str) -> bool {
        let Some(handle) = self.rooms.find_id(room) else {
            return false;
        };
        let Some(room) = self.rooms.get_mut(handle) else {
            return false;
        };
        if let Some(slot) = room.members().get(id).map(|member| member.slot) {
            if let Some(player) = room.player_mut(id) {
                player.token = None;
            }
            let mut cx = Cx::new(now, slot, fx);
            tell::error(&mut cx, reason, ErrorCode::Unauthorized);
            self.close(&mut cx, "removed by an operator");
            return true;
        }
        self.forget_dropped(fx, handle, id)
    }

    fn forget_dropped(&mut self, fx: &mut Effects, handle: RoomHandle, id: PlayerId) -> bool {
        let room = self.rooms.get(handle).map(Room::id);
        let Some(room) = room.filter(|room| self.records.get(id).is_some_and(|record| record.room_id == *room)) else {
            return false;
        };
        self.records.remove(id);
        self.observe(|| Observation::PlayerExpired { room, player: id });
        self.stop_awaiting(handle, id);
        self.remove_if_over(fx, handle);
        true
    }
}

fn fits(query: &RoomQuery, entry: &Entry<Room>) -> bool {
    let room = &entry.room;
    query.game.as_deref().is_none_or(|game| room.game().as_str() == game)
        && query.code.as_deref().is_none_or(|code| room.code().as_str() == code)
        && query.app.is_none_or(|app: AppIndex| entry.key.app() == Some(app))
}

fn overview(now: Duration, entry: &Entry<Room>) -> RoomOverview {
    let room = &entry.room;
    RoomOverview {
        id: entry.id,
        game: room.game().as_str().into(),
        code: room.code().as_str().into(),
        app: entry.key.app(),
        state: match room.lobby_state() {
            LobbyState::Waiting => "waiting",
            LobbyState::Lobby => "lobby",
            LobbyState::Finalized => "finalized",
        },
        players: room.players().len(),
        max_players: room.max_players(),
        spectators: room.spectators().len(),
        awaited: room.awaited(),
        age: room.age(now),
        silent: room.silent_for(now),
        messages: room.traffic().messages(),
        messages_per_sec: room.traffic().per_sec(now),
    }
}
