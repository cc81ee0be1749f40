//! Players who go, drop and return, and rooms that nobody needs (protocol 8 and 11, D15, D17 to D21).

use super::Ledger;
use super::account::error;
use super::names;
use super::session::{Pending, Player, Record, Wish};
use crate::network::ConnectionId as Id;
use serde_json::json;
use signal_fish_core::ShardIndex;
use signal_fish_core::admission::Ask;
use std::time::Duration;

impl Ledger {
    /// A player goes. One that dropped may return.
    pub(super) fn player_gone(&mut self, room: usize, number: usize, dropped: bool) {
        let now = self.now;
        let there = &mut self.rooms[room];
        let Some(place) = there.players.iter().position(|player| player.number == number) else {
            panic!("player {number} is in room {room}");
        };
        let player = there.players.remove(place);
        let had_authority = there.authority == Some(number);
        if had_authority {
            there.authority = None;
        }
        if there.players.is_empty() {
            there.empty_since = Some(now);
        }
        let broke = there.state == "lobby";
        if broke {
            there.state = "waiting";
            there.players.iter_mut().for_each(|player| player.is_ready = false);
        }
        let left = json!({"type": "PlayerLeft", "data": {"player_id": names::player(number)}});
        self.broadcast(room, None, &left);
        if dropped && player.token.is_some() {
            self.remember(room, player, had_authority);
        }
        if had_authority {
            self.authority_changed(room, None);
        }
        if broke {
            self.lobby_state_changed(room);
        }
        self.remove_if_over(room);
    }

    fn remember(&mut self, room: usize, player: Player, had_authority: bool) {
        let until = self.now + self.settings.reconnection_window;
        let there = &mut self.rooms[room];
        if there.state == "finalized" {
            there.held.push((player.number, player.name.clone()));
        }
        there.awaited += 1;
        self.records.push(Record {
            shard: there.shard,
            until,
            app: there.key.0,
            room,
            player,
            had_authority,
            since: there.next_event,
        });
    }

    fn remove_if_over(&mut self, room: usize) {
        if self.rooms[room].is_there && self.rooms[room].is_over() {
            self.remove_room(room);
        }
    }

    fn stop_awaiting(&mut self, room: usize, number: usize) {
        let there = &mut self.rooms[room];
        there.awaited -= 1;
        there.held.retain(|(player, _)| *player != number);
        if there.awaited == 0 {
            there.events.clear();
        }
    }

    /// Time passes for the rooms of a shard.
    pub(super) fn tick(&mut self, shard: ShardIndex) {
        while let Some(place) = self.first_due(shard) {
            let record = self.records.remove(place);
            self.expired.push((record.player.number, record.room));
            if self.rooms[record.room].is_there {
                self.stop_awaiting(record.room, record.player.number);
                self.remove_if_over(record.room);
            }
        }
        let has_rooms = self.rooms.iter().any(|room| room.is_there && room.shard == shard);
        if has_rooms && self.next_sweep(shard) <= self.now {
            self.schedule_sweep(shard);
            self.sweep(shard);
        }
    }

    fn first_due(&self, shard: ShardIndex) -> Option<usize> {
        let due = self.records.iter().enumerate();
        let due = due.filter(|(_, record)| record.shard == shard && record.until <= self.now);
        due.min_by_key(|(place, record)| (record.until, *place))
            .map(|(place, _)| place)
    }

    fn sweep(&mut self, shard: ShardIndex) {
        let (empty_max, silent_max) = (self.settings.empty_room_timeout, self.settings.inactive_room_timeout);
        for room in 0..self.rooms.len() {
            let there = &self.rooms[room];
            let over = match there.empty_since {
                Some(since) => self.now - since >= empty_max,
                None => self.now - there.last_message >= silent_max,
            };
            if there.is_there && there.shard == shard && over {
                self.remove_room(room);
            }
        }
    }

    pub(super) fn schedule_sweep(&mut self, shard: ShardIndex) {
        let interval = self.settings.room_cleanup_interval.as_nanos();
        let next = (self.now.as_nanos() / interval + 1) * interval;
        self.next_sweeps.insert(shard.0, Duration::from_nanos_u128(next));
    }

    fn next_sweep(&self, shard: ShardIndex) -> Duration {
        self.next_sweeps.get(&shard.0).copied().unwrap_or(Duration::MAX)
    }

    /// Whether a player should have been forgotten, or a room swept, before `now`.
    pub(super) fn is_overdue(&self, shard: ShardIndex, now: Duration) -> bool {
        let rooms = self.rooms.iter().any(|room| room.is_there && room.shard == shard);
        let records = self.records.iter();
        rooms && self.next_sweep(shard) < now
            || records
                .filter(|record| record.shard == shard)
                .any(|record| record.until < now)
    }

    /// A `Reconnect` on the shard that owns the room.
    pub(super) fn return_here(&mut self, id: Id, player: &str, room: &str, token: &str) {
        if let Err(code) = self.try_return(id, player, room, token) {
            self.return_failed(id, code);
        }
    }

    /// A failed `Reconnect` counts as an attempt to join.
    pub(super) fn return_failed(&mut self, id: Id, code: &'static str) {
        let ip = self.accounts[id].ip;
        self.ask_leave(id, Wish::Fail("ReconnectionFailed", code), Ask::Join { ip });
    }

    fn try_return(&mut self, id: Id, player: &str, room: &str, token: &str) -> Result<(), &'static str> {
        let app = self.session(id).app;
        let shard = self.session(id).shard;
        let is_room = |number: usize| self.names.stands_for(&names::room(number), room);
        let is_player = |number: usize| self.names.stands_for(&names::player(number), player);
        let shows =
            |wanted: Option<usize>| wanted.is_some_and(|wanted| self.names.stands_for(&names::token(wanted), token));
        let found = self.rooms.iter().find(|there| there.is_there && is_room(there.number));
        if let Some(there) = found.filter(|there| there.key.0 == app)
            && let Some(living) = there.players.iter().find(|living| is_player(living.number))
        {
            if !shows(living.token) {
                return Err("RECONNECTION_TOKEN_INVALID");
            }
            let (room, number) = (there.number, living.number);
            self.take_over(id, room, number);
            return Ok(());
        }
        let record = self.records.iter().position(|record| {
            record.shard == shard && is_player(record.player.number) && is_room(record.room) && record.app == app
        });
        let Some(place) = record else {
            let expired = self
                .expired
                .iter()
                .any(|(player, room)| is_player(*player) && is_room(*room));
            return Err(if expired {
                "RECONNECTION_EXPIRED"
            } else {
                "RECONNECTION_FAILED"
            });
        };
        let record = &self.records[place];
        if !shows(record.player.token) {
            return Err("RECONNECTION_TOKEN_INVALID");
        }
        let there = found.ok_or("ROOM_NOT_FOUND")?;
        there.admits(&record.player.name, Some(record.player.number), "RECONNECTION_FAILED")?;
        self.return_player(id, place);
        Ok(())
    }

    fn return_player(&mut self, id: Id, place: usize) {
        let record = self.records.remove(place);
        let (room, number, now) = (record.room, record.player.number, self.now);
        let token = self.draw_token();
        let session = self.session(id);
        session.room = Some((room, true));
        session.player = number;
        let there = &mut self.rooms[room];
        let entitled = record.had_authority || there.players.is_empty();
        let becomes = entitled && there.authority.is_none() && there.supports_authority;
        if becomes {
            there.authority = Some(number);
        }
        let player = Player {
            connection: id,
            is_ready: false,
            token,
            ..record.player
        };
        let filled = there.seat(player, now);
        let missed = there.events.iter().filter(|(position, ..)| *position >= record.since);
        let missed = missed.map(|(_, event, _)| event.clone()).collect();
        let snapshot = there.snapshot(number, token, Some(missed));
        self.promise(id, snapshot);
        self.stop_awaiting(room, number);
        let returned = json!({"type": "PlayerReconnected", "data": {"player_id": names::player(number)}});
        self.broadcast(room, Some(number), &returned);
        if becomes {
            self.authority_changed(room, Some(number));
        }
        if filled {
            self.lobby_state_changed(room);
        }
    }

    fn take_over(&mut self, id: Id, room: usize, number: usize) {
        let token = self.draw_token();
        let now = self.now;
        let session = self.session(id);
        session.room = Some((room, true));
        session.player = number;
        let there = &mut self.rooms[room];
        there.last_message = now;
        let player = there.players.iter_mut().find(|player| player.number == number);
        let player = player.expect("it is still here");
        player.token = token;
        let old = std::mem::replace(&mut player.connection, id);
        let snapshot = there.snapshot(number, token, Some(Vec::new()));
        self.promise(old, error("PLAYER_ALREADY_CONNECTED"));
        self.promise(id, snapshot);
        let returned = json!({"type": "PlayerReconnected", "data": {"player_id": names::player(number)}});
        self.broadcast(room, Some(number), &returned);
        self.session(old).room = None;
        self.close(old, 1008);
    }

    /// A session ends: its player drops, or its spectator goes.
    pub(super) fn session_ends(&mut self, id: Id) {
        let Some(mut session) = self.accounts[id].session.take() else {
            return;
        };
        self.accounts[id].is_over = true;
        if let Some(Pending::Permit(join)) = session.pending.take() {
            self.accounts[id].asking = join.key();
        }
        match session.room {
            None => {}
            Some((room, true)) => self.player_gone(room, session.player, true),
            Some((room, false)) => {
                self.rooms[room]
                    .spectators
                    .retain(|spectator| spectator.number != session.player);
                self.spectator_gone(room, session.player, "disconnected");
            }
        }
    }
}
