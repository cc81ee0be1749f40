//! What happens in rooms, and who has to be told of it (protocol 3 to 7).

use super::Ledger;
use super::account::{Promise, error, failed};
use super::names;
use super::session::{Arrival, Join, Pending, Player, Room, Spectator};
use crate::network::ConnectionId as Id;
use serde_json::{Value, json};
use signal_fish_core::admission::Ask;
use std::collections::VecDeque;

impl Ledger {
    /// Everybody in a room but `except` is told, and those who can return.
    pub(super) fn broadcast(&mut self, room: usize, except: Option<usize>, message: &Value) {
        for (number, connection) in self.rooms[room].members() {
            if Some(number) != except {
                self.promise(connection, message.clone());
            }
        }
        self.record(room, message);
    }

    pub(super) fn record(&mut self, room: usize, message: &Value) {
        let (events_max, bytes_max) = (self.settings.event_buffer_size, self.settings.event_buffer_bytes);
        self.rooms[room].record(message, events_max, bytes_max);
    }

    /// Who has authority now, in the form for each.
    pub(super) fn authority_changed(&mut self, room: usize, except: Option<usize>) {
        let holder = self.rooms[room].authority;
        let changed = |you: bool| {
            json!({"type": "AuthorityChanged", "data": {
                "authority_player": holder.map(names::player), "you_are_authority": you}})
        };
        for (number, connection) in self.rooms[room].members() {
            if Some(number) != except {
                self.promise(connection, changed(Some(number) == holder));
            }
        }
        self.record(room, &changed(false));
    }

    pub(super) fn lobby_state_changed(&mut self, room: usize) {
        let message = self.rooms[room].lobby_state_changed();
        self.broadcast(room, None, &message);
    }

    /// A session wants something on the shard that owns the room.
    pub(super) fn go_to(&mut self, id: Id, arrival: Arrival) {
        let owner = match &arrival {
            Arrival::Join(Join { code: None, .. }) => self.session(id).shard,
            Arrival::Join(join) => self.owner(&join.key().expect("it has a code")),
            Arrival::Watch { key, .. } => self.owner(key),
            Arrival::Return { room, .. } => self.owner_of_id(room),
        };
        if owner == self.session(id).shard {
            self.go_on(id, arrival);
        } else {
            self.session(id).pending = Some(Pending::Move(arrival));
        }
    }

    pub(super) fn go_on(&mut self, id: Id, arrival: Arrival) {
        match arrival {
            Arrival::Join(join) => self.join_here(id, join),
            Arrival::Watch { key, name } => {
                let Some(room) = self.find(&key) else {
                    return self.promise(id, failed("SpectatorJoinFailed", "ROOM_NOT_FOUND"));
                };
                self.watch(id, room, name.as_str());
            }
            Arrival::Return { player, room, token } => self.return_here(id, &player, &room, &token),
        }
    }

    fn join_here(&mut self, id: Id, join: Join) {
        let key = join.key().expect("it has a code");
        if let Some(room) = self.find(&key) {
            self.enter(id, room, &join);
        } else if let Some(queue) = self.openings.get_mut(&key) {
            queue.push_back(id);
            self.session(id).pending = Some(Pending::Queued(join));
        } else {
            self.openings.insert(key, VecDeque::new());
            self.ask_permit(id, join);
        }
    }

    /// The permit of a room is asked for.
    pub(super) fn ask_permit(&mut self, id: Id, join: Join) {
        let now = self.now;
        let session = self.session(id);
        if join.code.is_none() && session.creations_refused > now {
            return self.promise(id, failed("RoomJoinFailed", "RATE_LIMIT_EXCEEDED"));
        }
        let (ip, app, game) = (self.accounts[id].ip, self.session(id).app, join.game.as_str().into());
        self.session(id).pending = Some(Pending::Permit(join));
        self.owe(id, Ask::OpenRoom { ip, app, game });
    }

    /// The permit is there.
    pub(super) fn open(&mut self, id: Id, join: &Join) {
        let key = join.key();
        let number = self.rooms.len();
        let shard = self.session(id).shard;
        let there = self.rooms.iter().any(|room| room.is_there && room.shard == shard);
        if !there {
            self.schedule_sweep(shard);
        }
        self.rooms.push(Room {
            number,
            shard,
            key: key
                .clone()
                .unwrap_or_else(|| (join.app, join.game.as_str().to_owned(), names::code(number))),
            is_there: true,
            max_players: join.max_players,
            supports_authority: join.supports_authority,
            state: "waiting",
            players: Vec::new(),
            spectators: Vec::new(),
            authority: None,
            held: Vec::new(),
            awaited: 0,
            empty_since: Some(self.now),
            last_message: self.now,
            events: VecDeque::new(),
            next_event: 0,
        });
        self.enter(id, number, join);
        let queue = key.and_then(|key| self.openings.remove(&key)).unwrap_or_default();
        for waiting in queue {
            if let Some(join) = self.take_queued(waiting) {
                self.join_here(waiting, join);
            }
        }
    }

    /// Who asked for a permit does not create the room: the next one asks for itself.
    pub(super) fn open_next(&mut self, key: &super::session::Key) {
        while let Some(queue) = self.openings.get_mut(key) {
            let Some(next) = queue.pop_front() else {
                self.openings.remove(key);
                return;
            };
            if let Some(join) = self.take_queued(next) {
                return self.ask_permit(next, join);
            }
        }
    }

    fn take_queued(&mut self, id: Id) -> Option<Join> {
        let session = self.accounts[id].session.as_mut()?;
        match session.pending.take() {
            Some(Pending::Queued(join)) => Some(join),
            other => {
                session.pending = other;
                None
            }
        }
    }

    fn enter(&mut self, id: Id, room: usize, join: &Join) {
        let token = self.draw_token();
        if let Err(code) = self.rooms[room].admits(&join.name, None, "INVALID_PLAYER_NAME") {
            return self.promise(id, failed("RoomJoinFailed", code));
        }
        let number = self.session(id).player;
        self.session(id).room = Some((room, true));
        let player = Player {
            number,
            connection: id,
            name: join.name.clone(),
            is_ready: false,
            connected_at: self.timestamp(),
            info: None,
            token,
        };
        let now = self.now;
        let there = &mut self.rooms[room];
        if there.players.is_empty() && there.supports_authority {
            there.authority = Some(number);
        }
        let filled = there.seat(player, now);
        let (snapshot, joined) = (there.snapshot(number, token, None), there.player_joined(number));
        self.promise(id, snapshot);
        self.broadcast(room, Some(number), &joined);
        if filled {
            self.lobby_state_changed(room);
        }
    }

    fn watch(&mut self, id: Id, room: usize, name: &str) {
        if self.rooms[room].spectators.len() >= self.settings.max_spectators_per_room {
            return self.promise(id, failed("SpectatorJoinFailed", "TOO_MANY_SPECTATORS"));
        }
        let number = self.session(id).player;
        self.session(id).room = Some((room, false));
        let info = json!({"id": names::player(number), "name": name, "connected_at": self.timestamp()});
        let now = self.now;
        let there = &mut self.rooms[room];
        there.spectators.push(Spectator {
            number,
            connection: id,
            info: info.clone(),
        });
        there.last_message = now;
        let (snapshot, spectators) = (there.spectator_snapshot(number), there.spectator_infos());
        self.promise(id, snapshot);
        let joined = json!({"type": "NewSpectatorJoined", "data": {
            "spectator": info, "current_spectators": spectators, "reason": "joined"}});
        self.broadcast(room, Some(number), &joined);
    }

    pub(super) fn leave_spectator(&mut self, id: Id) {
        let Some((room, false)) = self.session(id).room else {
            return self.promise(id, error("NOT_A_SPECTATOR"));
        };
        self.session(id).room = None;
        let number = self.session(id).player;
        let there = &mut self.rooms[room];
        there.spectators.retain(|spectator| spectator.number != number);
        let left = json!({"type": "SpectatorLeft", "data": {
            "room_id": names::room(room), "room_code": there.key.2, "reason": "voluntary_leave",
            "current_spectators": there.spectator_infos()}});
        self.promise(id, left);
        self.spectator_gone(room, number, "voluntary_leave");
    }

    pub(super) fn spectator_gone(&mut self, room: usize, number: usize, reason: &str) {
        let gone = json!({"type": "SpectatorDisconnected", "data": {
            "spectator_id": names::player(number), "reason": reason,
            "current_spectators": self.rooms[room].spectator_infos()}});
        self.broadcast(room, None, &gone);
    }

    pub(super) fn game_data(&mut self, id: Id, room: usize, data: &Value) {
        let from = self.session(id).player;
        let said = json!({"type": "GameData", "data": {"from_player": names::player(from), "data": data}});
        self.broadcast(room, Some(from), &said);
    }

    /// Game data as MessagePack. The code of what is wrong with it goes to its sender.
    pub(super) fn binary_game_data(&mut self, id: Id, room: usize, payload: &[u8]) -> Result<(), &'static str> {
        let from = self.session(id).player;
        let now = self.now;
        self.rooms[room].last_message = now;
        let others = self.rooms[room]
            .members()
            .into_iter()
            .filter(|(number, _)| *number != from);
        let (packs, reads): (Vec<_>, Vec<_>) = others
            .map(|(_, other)| other)
            .partition(|other| self.session(*other).packs);
        for other in packs {
            self.promised(other, Promise::Binary(names::player(from), payload.to_vec()));
        }
        if reads.is_empty() && self.rooms[room].awaited == 0 {
            return Ok(());
        }
        // The payloads of schedules are numbers, or nothing that can be converted.
        let Some(data) = number(payload) else {
            return Err("INVALID_INPUT");
        };
        let said = json!({"type": "GameData", "data": {"from_player": names::player(from), "data": data}});
        for other in reads {
            self.promise(other, said.clone());
        }
        self.record(room, &said);
        Ok(())
    }

    pub(super) fn player_ready(&mut self, id: Id, room: usize) {
        let number = self.session(id).player;
        let there = &mut self.rooms[room];
        let alone = there.max_players == 1 && there.state == "waiting";
        if there.state != "lobby" && !alone {
            return self.promise(id, error("INVALID_ROOM_STATE"));
        }
        for player in there.players.iter_mut().filter(|player| player.number == number) {
            player.is_ready = !player.is_ready;
        }
        let starts = there.players.iter().all(|player| player.is_ready);
        if starts {
            there.state = "finalized";
        }
        self.lobby_state_changed(room);
        if starts {
            let starting = self.rooms[room].game_starting();
            self.broadcast(room, None, &starting);
        }
    }

    pub(super) fn authority_request(&mut self, id: Id, takes: bool) {
        let denied = |code: &str| json!({"type": "AuthorityResponse", "data": {"granted": false, "reason": "*", "error_code": code}});
        let number = self.session(id).player;
        let Some((room, true)) = self.session(id).room else {
            return self.promise(id, denied("NOT_IN_ROOM"));
        };
        let there = &mut self.rooms[room];
        let code = if !there.supports_authority {
            "AUTHORITY_NOT_SUPPORTED"
        } else if takes && there.authority.is_some() {
            "AUTHORITY_CONFLICT"
        } else if !takes && there.authority != Some(number) {
            "AUTHORITY_DENIED"
        } else {
            there.authority = takes.then_some(number);
            let granted = json!({"type": "AuthorityResponse", "data": {"granted": true, "reason": null}});
            self.promise(id, granted);
            return self.authority_changed(room, None);
        };
        self.promise(id, denied(code));
    }

    /// A room that nobody needs is removed, and who is in it is told.
    pub(super) fn remove_room(&mut self, room: usize) {
        let there = &mut self.rooms[room];
        there.is_there = false;
        let closed = json!({"type": "SpectatorLeft", "data": {
            "room_id": names::room(room), "room_code": there.key.2, "reason": "room_closed",
            "current_spectators": []}});
        let (players, spectators) = (
            std::mem::take(&mut there.players),
            std::mem::take(&mut there.spectators),
        );
        for player in players {
            self.session(player.connection).room = None;
            self.promise(player.connection, json!({"type": "RoomLeft"}));
        }
        for spectator in spectators {
            self.session(spectator.connection).room = None;
            self.promise(spectator.connection, closed.clone());
        }
    }
}

/// The number that a payload is; `None` if it is nothing that JSON can express.
fn number(payload: &[u8]) -> Option<u64> {
    match payload {
        [small @ 0..=0x7f, ..] => Some(u64::from(*small)),
        [0xcc, rest @ ..] => Some(u64::from(*rest.first()?)),
        [0xcd, high, low, ..] => Some(u64::from(u16::from_be_bytes([*high, *low]))),
        [0xce, a, b, c, d, ..] => Some(u64::from(u32::from_be_bytes([*a, *b, *c, *d]))),
        _ => None,
    }
}
