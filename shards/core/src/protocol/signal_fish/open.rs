//! JoinRoom on the shard that owns the room: the room is found or opened, the player takes its seat.

use super::failure::Failure;
use super::observation::Observation;
use super::pending::{Arrival, CodedJoin, Create, Creation, Join, Pending, Wanted};
use super::room::{NoSeat, Plan, Player, Room};
use super::session::Membership;
use super::state::SignalFish;
use super::tell::{encode, tell};
use super::wire::{ErrorCode, ServerMessage, Timestamp};
use crate::admission::{Notice, Permit};
use crate::effects::Cx;
use crate::room::{Entry, Replay, RoomHandle, RoomKey};
use crate::slot::ShardIndex;

impl SignalFish {
    /// Joins the room with this key, which belongs to this shard, or opens it.
    pub(super) fn join_here(&mut self, cx: &mut Cx<'_>, join: CodedJoin) {
        if let Some(room) = self.rooms.find(&join.key) {
            self.enter(cx, room, join.join);
        } else if self.openings.join(&join.key, cx.slot) {
            self.ask_permit(cx, Creation::Coded(join));
        } else {
            self.wait(cx.slot, Pending::Queued(join));
        }
    }

    /// A session got the permit for its room.
    pub(super) fn open(&mut self, cx: &mut Cx<'_>, creation: Creation, permit: Permit) {
        match creation {
            Creation::Generated(join) => {
                let tried = 0;
                self.create_here(cx, Create { join, permit, tried });
            }
            Creation::Coded(join) => {
                let queue = self.openings.opened(&join.key);
                self.create(cx, join, permit);
                // Those who waited for the room join it in order of arrival.
                for slot in queue {
                    let cx = &mut cx.at(slot);
                    if let Some(Pending::Queued(join)) = self.sessions.take_pending(slot) {
                        self.join_here(cx, join);
                        self.resume(cx);
                    }
                }
            }
        }
    }

    /// The session that asked for the permit does not create the room. The next one in the queue asks for itself.
    pub(super) fn open_next(&mut self, cx: &mut Cx<'_>, key: &RoomKey) {
        while let Some(slot) = self.openings.next(key) {
            // A session that has ended meanwhile is passed over.
            if let Some(Pending::Queued(join)) = self.sessions.take_pending(slot) {
                return self.ask_permit(&mut cx.at(slot), Creation::Coded(join));
            }
        }
    }

    /// Creates a room with a generated code of this shard, or goes on to the next shard.
    pub(super) fn create_here(&mut self, cx: &mut Cx<'_>, create: Create) {
        let Create { join, permit, tried } = create;
        let app = self.sessions.get(cx.slot).and_then(|session| session.app);
        if let Some((key, code)) = self.draw_code(app, &join.game) {
            return self.create(cx, CodedJoin { key, code, join }, permit);
        }
        let tried = tried + 1;
        if tried >= self.routing.shards() {
            return self.no_code(cx, permit);
        }
        let next = ShardIndex((self.shard.0 + 1) % self.routing.shards());
        self.go_to(cx, next, Arrival::Create(Create { join, permit, tried }));
    }

    fn no_code(&mut self, cx: &mut Cx<'_>, permit: Permit) {
        cx.fx.notify(Notice::RoomEnded(permit));
        let failure = Failure::new("No room code is free", ErrorCode::RoomCreationFailed);
        self.fail(cx, Wanted::Seat, failure);
    }

    /// Creates the room under a free key; the player enters as its first.
    fn create(&mut self, cx: &mut Cx<'_>, join: CodedJoin, permit: Permit) {
        let CodedJoin { key, code, join } = join;
        let id = self.draw_room_id();
        let settings = &*self.settings;
        let relay_type = settings.game_relay_mappings.get(join.game.as_str());
        let plan = Plan {
            id,
            game: join.game.clone(),
            code,
            max_players: join.max_players,
            supports_authority: join.supports_authority,
            relay_type: relay_type.unwrap_or(&settings.default_relay_type).as_str().into(),
            replay: Replay::new(settings.event_buffer_size, settings.event_buffer_bytes),
        };
        if self.rooms.is_empty() {
            self.schedule_sweep(cx.now);
        }
        let room = Room::new(plan, cx.now.monotonic);
        match self.rooms.insert(Entry { room, key, id, permit }) {
            Ok(room) => {
                self.counters.rooms_created += 1;
                self.log_room(id, None, "room created");
                self.observe_opened(cx.slot, room);
                self.enter(cx, room, join);
            }
            Err(entry) => self.no_code(cx, entry.permit),
        }
    }

    /// Takes a seat in a room that exists (protocol 3.2, step 7).
    fn enter(&mut self, cx: &mut Cx<'_>, handle: RoomHandle, join: Join) {
        let token = self.draw_token();
        let (Some(room), Some(session)) = (self.rooms.get_mut(handle), self.sessions.get_mut(cx.slot)) else {
            return;
        };
        if let Err(reason) = room.admits(&join.name) {
            let failure = match reason {
                NoSeat::NameTaken => Failure::name_taken(ErrorCode::InvalidPlayerName),
                NoSeat::Full => Failure::room_full(),
            };
            return self.fail(cx, Wanted::Seat, failure);
        }
        session.membership = Membership::Player(handle);
        let id = session.player_id;
        let player = Player {
            ready: false,
            id,
            name: join.name,
            connected_at: Timestamp::from_unix(cx.now.unix),
            connection_info: None,
            token: token.clone(),
        };
        let filled = room.enter(player, cx.slot, session.dialect, cx.now.monotonic);
        self.counters.players_joined += 1;
        self.counters.tokens_issued += u64::from(token.is_some());
        self.joined.push(join.asked_at);
        let snapshot = room.snapshot(id, token.as_ref());
        tell(cx, &ServerMessage::RoomJoined(Box::new(snapshot)));
        if let Some(player) = room.player(id) {
            if self.settings.observed {
                self.observations.push(Observation::PlayerJoined {
                    room: room.id(),
                    player: id,
                    name: player.name.as_str().into(),
                });
            }
            let player = room.player_info(player);
            encode(cx.fx, &ServerMessage::PlayerJoined { player });
            self.deliver(cx.fx, handle, Some(id));
        }
        if filled {
            self.lobby_state_changed(cx.fx, handle);
        }
        self.log(cx.slot, "joined");
    }
}
