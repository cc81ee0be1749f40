//! JoinRoom on the shard that owns the room: the room is found or opened, the player takes its seat.

use super::connect::random_bytes;
use super::join::{CodedJoin, Join};
use super::rooms::{RoomHandle, RoomKey};
use super::{Effects, Engine, Failure, Membership, Operation, Pending, Slot, give_back};
use crate::Now;
use crate::admission::{AppIndex, Ask, Notice, Permit, Verdict};
use crate::protocol::signal_fish::wire::{
    ErrorCode, GameDataFormat, GameName, RoomCode, RoomId, ServerMessage, Timestamp,
};
use crate::room::{NoSeat, Plan, Player, Replay, Room, Token};
use rand::Rng;
use std::collections::VecDeque;

/// Symbols of generated codes: none that are easily mistaken for another (spec 11).
const CODE_SYMBOLS: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";

impl Engine {
    /// Joins the room with this key, which belongs to this shard, or opens it.
    pub(super) fn join_here<E: Effects>(&mut self, now: Now, slot: Slot, join: CodedJoin, fx: &mut E) {
        if let Some(room) = self.rooms.find(&join.key) {
            return self.enter(now, slot, room, join.join, fx);
        }
        if let Some(queue) = self.openings.get_mut(&join.key) {
            queue.push_back(slot);
            return self.wait(slot, Pending::Queued(join));
        }
        self.openings.insert(join.key.clone(), VecDeque::new());
        self.ask_to_open(slot, join, fx);
    }

    fn ask_to_open<E: Effects>(&mut self, slot: Slot, join: CodedJoin, fx: &mut E) {
        let Some(session) = self.sessions.get(slot) else { return };
        let (ip, app) = (session.client.ip, join.key.app);
        let game = join.key.game.as_str().into();
        self.ask(slot, Pending::Open(join), Ask::OpenRoom { ip, app, game }, fx);
    }

    /// The head of an opening got its permit, or not.
    pub(super) fn open_decided<E: Effects>(
        &mut self,
        now: Now,
        slot: Slot,
        join: CodedJoin,
        verdict: Verdict,
        fx: &mut E,
    ) {
        let CodedJoin { key, join } = join;
        let failure = match verdict {
            Verdict::RoomOpened(permit) => {
                let queue = self.openings.remove(&key).unwrap_or_default();
                self.create(now, slot, key, join, permit, fx);
                return self.admit_queue(now, queue, fx);
            }
            Verdict::Refused(refusal) => Failure::refused(refusal, key.game.as_str()),
            other => {
                give_back(other, fx);
                Failure::internal()
            }
        };
        self.join_failed(slot, failure, fx);
        self.open_next(key, fx);
    }

    /// Those who waited for the room join it in order of arrival.
    fn admit_queue<E: Effects>(&mut self, now: Now, queue: VecDeque<Slot>, fx: &mut E) {
        for slot in queue {
            let pending = self.sessions.get_mut(slot).and_then(|session| session.pending.take());
            if let Some(Pending::Queued(join)) = pending.map(|pending| *pending) {
                self.join_here(now, slot, join, fx);
                self.resume(slot, fx);
            }
        }
    }

    /// The head of an opening failed: the next one asks for itself.
    pub(super) fn open_next<E: Effects>(&mut self, key: RoomKey, fx: &mut E) {
        let Some(queue) = self.openings.get_mut(&key) else {
            return;
        };
        while let Some(slot) = queue.pop_front() {
            let pending = self.sessions.get_mut(slot).and_then(|session| session.pending.take());
            if let Some(Pending::Queued(join)) = pending.map(|pending| *pending) {
                return self.ask_to_open(slot, join, fx);
            }
        }
        self.openings.remove(&key);
    }

    /// A permit for a room with a generated code, or not.
    pub(super) fn open_generated_decided<E: Effects>(
        &mut self,
        now: Now,
        slot: Slot,
        join: Join,
        verdict: Verdict,
        fx: &mut E,
    ) {
        let failure = match verdict {
            Verdict::RoomOpened(permit) => return self.create_generated(now, slot, join, permit, fx),
            Verdict::Refused(refusal) => Failure::refused(refusal, join.game.as_str()),
            other => {
                give_back(other, fx);
                Failure::internal()
            }
        };
        self.join_failed(slot, failure, fx);
    }

    fn create_generated<E: Effects>(&mut self, now: Now, slot: Slot, join: Join, permit: Permit, fx: &mut E) {
        let app = self.sessions.get(slot).and_then(|session| session.client.app);
        if let Some(key) = self.draw_free_key(app, &join.game) {
            return self.create(now, slot, key, join, permit, fx);
        }
        // This shard has no free code left; the owner of some other code may have.
        let key = self.draw_key(app, &join.game);
        let owner = key
            .as_ref()
            .map(|key| self.routing.room(app, key.game.as_str(), key.code.as_str()));
        match (key, owner) {
            (Some(key), Some(owner)) if owner != self.shard => {
                self.hand_off(slot, owner, Operation::Create(CodedJoin { key, join }, permit), fx);
            }
            _ => self.no_code(slot, permit, fx),
        }
    }

    /// Creates a room with a code that another shard drew for this one.
    pub(super) fn create_here<E: Effects>(
        &mut self,
        now: Now,
        slot: Slot,
        join: CodedJoin,
        permit: Permit,
        fx: &mut E,
    ) {
        let CodedJoin { key, join } = join;
        let key = if self.is_free(&key) {
            Some(key)
        } else {
            self.draw_free_key(key.app, &join.game)
        };
        match key {
            Some(key) => self.create(now, slot, key, join, permit, fx),
            None => self.no_code(slot, permit, fx),
        }
    }

    fn no_code<E: Effects>(&mut self, slot: Slot, permit: Permit, fx: &mut E) {
        fx.notify(Notice::RoomEnded(permit));
        let failure = Failure::new("No room code is free", ErrorCode::RoomCreationFailed);
        self.join_failed(slot, failure, fx);
    }

    fn is_free(&self, key: &RoomKey) -> bool {
        self.rooms.find(key).is_none() && !self.openings.contains_key(key)
    }

    /// A code that is free and belongs to this shard, so that creating moves nobody.
    fn draw_free_key(&mut self, app: Option<AppIndex>, game: &GameName) -> Option<RoomKey> {
        for _ in 0..self.draws_max() {
            let key = self.draw_key(app, game)?;
            if self.routing.room(app, game.as_str(), key.code.as_str()) == self.shard && self.is_free(&key) {
                return Some(key);
            }
        }
        None
    }

    fn draws_max(&self) -> u32 {
        64 * u32::from(self.routing.shards())
    }

    fn draw_key(&mut self, app: Option<AppIndex>, game: &GameName) -> Option<RoomKey> {
        let length = self.settings.room_code_length;
        let mut text = self.settings.room_code_prefix.clone().unwrap_or_default();
        while text.len() < length {
            let symbol = CODE_SYMBOLS[(self.random.next_u32() >> 27) as usize];
            text.push(char::from(symbol));
        }
        let code = RoomCode::parse(&text, length).ok()?;
        let game = game.clone();
        Some(RoomKey { app, game, code })
    }

    /// An id that belongs to this shard, because a Reconnect is routed by it.
    fn draw_room_id(&mut self) -> RoomId {
        let mut id = RoomId::from_random(random_bytes(&mut *self.random));
        for _ in 0..self.draws_max() {
            if self.routing.room_id(id) == self.shard {
                break;
            }
            id = RoomId::from_random(random_bytes(&mut *self.random));
        }
        id
    }

    /// Creates the room under a free key; the player enters as its first.
    fn create<E: Effects>(&mut self, now: Now, slot: Slot, key: RoomKey, join: Join, permit: Permit, fx: &mut E) {
        let settings = &*self.settings;
        let relay_type = settings.game_relay_mappings.get(key.game.as_str());
        let plan = Plan {
            relay_type: relay_type.unwrap_or(&settings.default_relay_type).as_str().into(),
            replay: Replay::new(settings.event_buffer_size, settings.event_buffer_bytes),
            id: self.draw_room_id(),
            game: key.game.clone(),
            code: key.code.clone(),
            max_players: join.max_players,
            supports_authority: join.supports_authority,
        };
        match self.rooms.insert(key, Room::new(plan, now.monotonic), permit) {
            Ok(room) => {
                self.outbound.counters.rooms_created += 1;
                self.enter(now, slot, room, join, fx);
            }
            Err(permit) => self.no_code(slot, permit, fx),
        }
    }

    /// Takes a seat in a room that exists (spec 3.2, step 7).
    fn enter<E: Effects>(&mut self, now: Now, slot: Slot, handle: RoomHandle, join: Join, fx: &mut E) {
        let Some(room) = self.rooms.get_mut(handle) else { return };
        match room.admits(&join.name) {
            Ok(()) => {}
            Err(NoSeat::NameTaken) => {
                let failure = Failure::new(NAME_TAKEN, ErrorCode::InvalidPlayerName);
                return self.join_failed(slot, failure, fx);
            }
            Err(NoSeat::Full) => return self.join_failed(slot, Failure::new(ROOM_FULL, ErrorCode::RoomFull), fx),
        }
        let token = mint_token(&self.settings, &mut *self.random);
        let Some(session) = self.sessions.get_mut(slot) else {
            return;
        };
        session.membership = Membership::Player(handle);
        let id = session.client.player_id;
        let filled = room.enter(
            Player {
                slot,
                message_pack: session.client.format == GameDataFormat::MessagePack,
                ready: false,
                id,
                name: join.name,
                connected_at: Timestamp::from_unix(now.unix),
                connection_info: None,
                token: token.clone(),
            },
            now.monotonic,
        );
        let outbound = &mut self.outbound;
        outbound.counters.players_joined += 1;
        let snapshot = room.snapshot(id, token.as_ref());
        outbound.tell(slot, &ServerMessage::RoomJoined(Box::new(snapshot)), fx);
        if let Some(player) = room.player(id) {
            let player = room.player_info(player);
            outbound.scratch.text(&ServerMessage::PlayerJoined { player });
            outbound.deliver(room, Some(id), fx);
        }
        if filled {
            outbound.lobby_state_changed(room, fx);
        }
    }
}

pub(super) const NAME_TAKEN: &str = "Player name already exists in this room";
pub(super) const ROOM_FULL: &str = "Room is full";

/// A token exists only where a client gets it (D18).
pub(super) fn mint_token(settings: &super::Settings, random: &mut dyn Rng) -> Option<Token> {
    let wanted = settings.enable_reconnection && settings.send_reconnection_token;
    wanted.then(|| Token::from_random(random_bytes(random)))
}
