//! A dropped player comes back (protocol 8, D18 to D21).

use super::failure::Failure;
use super::pending::{Arrival, Return, Wanted, Wish};
use super::room::{NoSeat, Player, Room, Token};
use super::session::Membership;
use super::state::SignalFish;
use super::tell::{self, tell};
use super::wire::{ErrorCode, PlayerId, Reconnect, Reconnected, ServerMessage};
use crate::admission::Ask;
use crate::effects::Cx;
use crate::room::RoomHandle;
use serde_json::value::RawValue;

/// How a player may come back.
enum Way {
    /// It dropped and takes a seat again.
    Again,
    /// It is still here, on a connection that its network may have lost (D21).
    TakeOver,
}

impl SignalFish {
    pub(super) fn reconnect(&mut self, cx: &mut Cx<'_>, message: &Reconnect<'_>) {
        let Some(session) = self.sessions.get(cx.slot) else {
            return;
        };
        if !self.settings.enable_reconnection {
            let failure = Failure::new("Reconnection is not enabled", ErrorCode::ReconnectionFailed);
            return self.return_failed(cx, failure);
        }
        if session.membership != Membership::None {
            return self.return_failed(cx, Failure::already_in_room());
        }
        let wish = Return {
            player: message.player_id,
            room: message.room_id,
            token: Token::parse(&message.auth_token),
        };
        let owner = self.routing.room_id(wish.room);
        self.go_to(cx, owner, Arrival::Return(wish));
    }

    /// Returns on the shard that owns the room.
    pub(super) fn return_here(&mut self, cx: &mut Cx<'_>, wish: Return) {
        match self.find_way(cx, &wish) {
            Ok((room, Way::Again)) => self.return_player(cx, room, wish.player),
            Ok((room, Way::TakeOver)) => self.take_over(cx, room, wish.player),
            Err(failure) => self.return_failed(cx, failure),
        }
    }

    fn find_way(&self, cx: &Cx<'_>, wish: &Return) -> Result<(RoomHandle, Way), Failure> {
        let app = self.sessions.get(cx.slot).ok_or_else(Failure::internal)?.app;
        let found = self.rooms.find_id(wish.room);
        let found = found.and_then(|handle| Some((handle, self.rooms.entry(handle)?)));
        let shows = |wanted: &Token| wish.token.as_ref().is_some_and(|token| token.matches(wanted));
        if let Some((handle, entry)) = found.filter(|(_, entry)| entry.key.app() == app)
            && let Some(living) = entry.room.player(wish.player)
        {
            return if living.token.as_ref().is_some_and(shows) {
                Ok((handle, Way::TakeOver))
            } else {
                Err(wrong_token())
            };
        }
        let record = self.records.get(wish.player);
        let Some(record) = record.filter(|record| record.room_id == wish.room && record.app == app) else {
            return Err(if self.records.has_expired(wish.player, wish.room) {
                Failure::new("Reconnection window has expired", ErrorCode::ReconnectionExpired)
            } else {
                Failure::new("No disconnection record found", ErrorCode::ReconnectionFailed)
            });
        };
        if !shows(&record.token) {
            return Err(wrong_token());
        }
        let Some((handle, entry)) = found else {
            return Err(Failure::new("Room no longer exists", ErrorCode::RoomNotFound));
        };
        match entry.room.admits_back(wish.player, &record.name) {
            Ok(()) => Ok((handle, Way::Again)),
            Err(NoSeat::NameTaken) => Err(Failure::name_taken(ErrorCode::ReconnectionFailed)),
            Err(NoSeat::Full) => Err(Failure::room_full()),
        }
    }

    /// Puts a dropped player back into its room. It is told first, then the others (D21).
    fn return_player(&mut self, cx: &mut Cx<'_>, handle: RoomHandle, player_id: PlayerId) {
        let token = self.draw_token();
        let (Some(room), Some(session)) = (self.rooms.get_mut(handle), self.sessions.get_mut(cx.slot)) else {
            return;
        };
        let Some(record) = self.records.remove(player_id) else {
            return;
        };
        session.membership = Membership::Player(handle);
        session.player_id = player_id;
        let player = Player {
            ready: false,
            id: player_id,
            name: record.name,
            connected_at: record.connected_at,
            connection_info: record.connection_info,
            token: token.clone(),
        };
        let had_authority = record.had_authority;
        let (is_authority, filled) =
            room.enter_again(player, cx.slot, session.dialect, had_authority, cx.now.monotonic);
        self.counters.reconnections += 1;
        self.counters.tokens_issued += u64::from(token.is_some());
        tell(cx, &reconnected(room, player_id, token.as_ref(), record.since));
        self.stop_awaiting(handle, player_id);
        let returned = ServerMessage::PlayerReconnected { player_id };
        self.broadcast(cx.fx, handle, Some(player_id), &returned);
        if is_authority {
            // The returning player knows from its snapshot, as a creator does.
            self.authority_changed(cx.fx, handle, Some(player_id));
        }
        if filled {
            self.lobby_state_changed(cx.fx, handle);
        }
        self.log(cx.slot, "returned");
    }

    /// The connection takes the place of the one that the player had (D21).
    fn take_over(&mut self, cx: &mut Cx<'_>, handle: RoomHandle, player_id: PlayerId) {
        let token = self.draw_token();
        let (Some(room), Some(session)) = (self.rooms.get_mut(handle), self.sessions.get_mut(cx.slot)) else {
            return;
        };
        session.membership = Membership::Player(handle);
        session.player_id = player_id;
        room.touch(cx.now.monotonic);
        let Some(old) = room.change_connection(player_id, cx.slot, session.dialect, token.clone()) else {
            return;
        };
        self.counters.takeovers += 1;
        self.counters.tokens_issued += u64::from(token.is_some());
        let text = "The player came back on another connection";
        tell::error(&mut cx.at(old), text, ErrorCode::PlayerAlreadyConnected);
        let nothing_missed = u64::MAX;
        tell(cx, &reconnected(room, player_id, token.as_ref(), nothing_missed));
        let returned = ServerMessage::PlayerReconnected { player_id };
        self.broadcast(cx.fx, handle, Some(player_id), &returned);
        // The old session is no member any more, so that its end changes nothing in the room.
        if let Some(session) = self.sessions.get_mut(old) {
            session.membership = Membership::None;
        }
        self.close(&mut cx.at(old), "the player came back on another connection");
        self.log(cx.slot, "took over");
    }

    /// A failed Reconnect counts as an attempt to join before its failure is told (D22).
    fn return_failed(&mut self, cx: &mut Cx<'_>, failure: Failure) {
        let Some(session) = self.sessions.get(cx.slot) else {
            return;
        };
        let ip = session.ip;
        self.ask_leave(cx, Wish::Fail(Wanted::Return, failure), Ask::Join { ip });
    }
}

fn wrong_token() -> Failure {
    Failure::new("Invalid reconnection token", ErrorCode::ReconnectionTokenInvalid)
}

fn reconnected<'a>(room: &'a Room, player: PlayerId, token: Option<&Token>, since: u64) -> ServerMessage<'a> {
    let missed = room.recorded_since(since);
    ServerMessage::Reconnected(Box::new(Reconnected {
        room: room.snapshot(player, token),
        // What was recorded is JSON that this server wrote.
        missed_events: missed
            .filter_map(|event| serde_json::from_str::<&RawValue>(event).ok())
            .collect(),
    }))
}
