//! Sessions begin and end.

use super::session::Client;
use super::{
    CloseReason, Effects, Engine, Failure, Membership, MovingSession, Operation, Pending, Session, ShardIndex, Slot,
    give_back,
};
use crate::Now;
use crate::admission::{Ask, Notice, Verdict};
use crate::protocol::signal_fish::wire::{GameDataFormat, GameName, PlayerId, RoomCode};
use rand::Rng;
use std::net::IpAddr;

impl Engine {
    /// A WebSocket connection was upgraded; admission is asked for its ticket first.
    ///
    /// `hint` is `(game_name, room_code)` of the URL: the session may be handed off to the shard of that room at once.
    pub fn connected<E: Effects>(&mut self, now: Now, slot: Slot, ip: IpAddr, hint: Option<(&str, &str)>, fx: &mut E) {
        if self.draining {
            return fx.close(slot, CloseReason::Drain);
        }
        let client = Client {
            player_id: PlayerId::from_random(random_bytes(&mut *self.random)),
            ip,
            ticket: None,
            app: None,
            authenticated: !self.settings.require_auth,
            format: GameDataFormat::Json,
            introduced: None,
            upgraded_at: now.monotonic,
            invalid_in_a_row: 0,
        };
        let owner = hint.and_then(|(game, code)| self.hinted_owner(game, code));
        self.sessions.insert(slot, Session::new(slot, client, now.monotonic));
        self.ask(slot, Pending::Connect(owner), Ask::Connect { ip }, fx);
    }

    /// The shard of the room that a URL names. With authentication the app is part of the key and not known yet.
    fn hinted_owner(&self, game: &str, code: &str) -> Option<ShardIndex> {
        if self.settings.require_auth {
            return None;
        }
        let game = GameName::parse(game, self.settings.max_game_name_length).ok()?;
        let code = RoomCode::parse(code, self.settings.room_code_length).ok()?;
        let owner = self.routing.room(None, game.as_str(), code.as_str());
        (owner != self.shard).then_some(owner)
    }

    pub(super) fn connect_decided<E: Effects>(
        &mut self,
        slot: Slot,
        owner: Option<ShardIndex>,
        verdict: Verdict,
        fx: &mut E,
    ) {
        let failure = match verdict {
            Verdict::Connected(ticket) => {
                if let Some(session) = self.sessions.get_mut(slot) {
                    session.client.ticket = Some(ticket);
                }
                if let Some(owner) = owner {
                    self.hand_off(slot, owner, Operation::Nothing, fx);
                }
                return;
            }
            Verdict::Refused(refusal) => Failure::refused(refusal, ""),
            other => {
                give_back(other, fx);
                Failure::internal()
            }
        };
        self.outbound.error(slot, failure.reason, failure.code, fx);
        // Nothing is known of this session yet but its place.
        self.sessions.remove(slot);
        fx.close(slot, CloseReason::Policy("too many connections"));
    }

    /// A connection arrived from another shard.
    pub fn adopt<E: Effects>(&mut self, now: Now, slot: Slot, session: Box<MovingSession>, fx: &mut E) {
        if self.draining {
            session.abandon(|notice| fx.notify(notice));
            return fx.close(slot, CloseReason::Drain);
        }
        self.outbound.counters.adopted += 1;
        let MovingSession {
            client,
            last_life,
            operation,
        } = *session;
        self.sessions.insert(slot, Session::new(slot, client, last_life));
        match operation {
            Operation::Nothing => {}
            Operation::Join(join) => self.join_here(now, slot, join, fx),
            Operation::Create(join, permit) => self.create_here(now, slot, join, permit, fx),
            Operation::Watch(watch) => self.watch_here(now, slot, watch, fx),
            Operation::Reconnect(player, room, token) => self.reconnect_here(now, slot, player, room, token, fx),
        }
    }

    /// A session could not be delivered, or its connection was lost on the way: what it holds is given back.
    pub fn abandon<E: Effects>(&mut self, session: Box<MovingSession>, fx: &mut E) {
        session.abandon(|notice| fx.notify(notice));
    }

    /// The connection ended without the engine's doing.
    pub fn disconnected<E: Effects>(&mut self, now: Now, slot: Slot, fx: &mut E) {
        self.end(now, slot, fx);
    }

    /// Ends a connection for a reason of policy; a player drops and may return.
    pub(super) fn close<E: Effects>(&mut self, now: Now, slot: Slot, reason: &'static str, fx: &mut E) {
        fx.close(slot, CloseReason::Policy(reason));
        self.end(now, slot, fx);
    }

    /// Forgets a session: it leaves its room and gives back its ticket.
    fn end<E: Effects>(&mut self, now: Now, slot: Slot, fx: &mut E) {
        let Some(session) = self.sessions.remove(slot) else {
            return;
        };
        // The permit may still come; whoever is next asks when the verdict is here. A place in a queue is passed over.
        if let Some(Pending::Open(join)) = session.pending.map(|pending| *pending) {
            self.orphans.insert(slot, join.key);
        }
        let player_id = session.client.player_id;
        match session.membership {
            Membership::None => {}
            Membership::Player(room) => self.player_dropped(now, room, player_id, fx),
            Membership::Spectator(room) => self.spectator_dropped(room, player_id, fx),
        }
        if let Some(ticket) = session.client.ticket {
            fx.notify(Notice::ConnectionEnded(ticket));
        }
    }

    /// The server shuts down: every session is closed with [`CloseReason::Drain`]. Nobody is told who left; everything
    /// that was granted is given back.
    pub fn drain<E: Effects>(&mut self, now: Now, fx: &mut E) {
        let _ = now;
        self.draining = true;
        let mut start = 0;
        while let Some(slot) = self.sessions.next_used(start) {
            start = slot.index + 1;
            fx.close(slot, CloseReason::Drain);
            let Some(session) = self.sessions.remove(slot) else {
                continue;
            };
            if let Some(Pending::Open(join)) = session.pending.map(|pending| *pending) {
                self.orphans.insert(slot, join.key);
            }
            if let Some(ticket) = session.client.ticket {
                fx.notify(Notice::ConnectionEnded(ticket));
            }
        }
        for queue in self.openings.values_mut() {
            queue.clear();
        }
        self.records.clear();
        let rooms: Vec<_> = self.rooms.handles().map(|(handle, _)| handle).collect();
        for handle in rooms {
            if let Some(entry) = self.rooms.remove(handle) {
                self.outbound.counters.rooms_removed += 1;
                fx.notify(Notice::RoomEnded(entry.permit));
            }
        }
    }
}

impl Session {
    fn new(slot: Slot, client: Client, last_life: std::time::Duration) -> Self {
        Self {
            generation: slot.generation,
            pending: None,
            membership: Membership::None,
            last_life,
            client,
        }
    }
}

pub(super) fn random_bytes(random: &mut dyn Rng) -> [u8; 16] {
    let mut bytes = [0; 16];
    random.fill_bytes(&mut bytes);
    bytes
}
