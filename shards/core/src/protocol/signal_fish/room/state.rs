//! The room itself: what it was created with, who is in it, and what is kept for those who can still return.

use super::super::wire::{GameName, LobbyState, PlayerId, RoomCode, RoomId};
use super::member::{HeldSeat, Player, Spectator};
use super::traffic::Traffic;
use crate::room::{Dialect, Members, Replay};
use std::time::Duration;

/// What a room is created with.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Id.
    pub id: RoomId,
    /// Game.
    pub game: GameName,
    /// Code.
    pub code: RoomCode,
    /// Seats, at least 1.
    pub max_players: u8,
    /// Whether the room has an authority.
    pub supports_authority: bool,
    /// Relay type of the game.
    pub relay_type: Box<str>,
    /// Events and bytes kept for players who can still return.
    pub replay: Replay,
}

/// One room.
#[derive(Debug)]
pub struct Room {
    pub(super) plan: Plan,
    pub(super) state: LobbyState,
    pub(super) players: Vec<Player>,
    pub(super) spectators: Vec<Spectator>,
    /// Players and spectators: where they are and what they speak.
    pub(super) members: Members,
    pub(super) authority: Option<PlayerId>,
    pub(super) held: Vec<HeldSeat>,
    /// Dropped players who can still return.
    awaited: u32,
    pub(super) empty_since: Option<Duration>,
    pub(super) last_message: Duration,
    created: Duration,
    traffic: Traffic,
}

impl Room {
    /// An empty room.
    #[must_use]
    pub fn new(plan: Plan, now: Duration) -> Self {
        Self {
            plan,
            state: LobbyState::Waiting,
            players: Vec::new(),
            spectators: Vec::new(),
            members: Members::default(),
            authority: None,
            held: Vec::new(),
            awaited: 0,
            empty_since: Some(now),
            last_message: now,
            created: now,
            traffic: Traffic::new(now),
        }
    }

    /// Id.
    #[must_use]
    pub fn id(&self) -> RoomId {
        self.plan.id
    }

    /// Game.
    #[must_use]
    pub fn game(&self) -> &GameName {
        &self.plan.game
    }

    /// Code.
    #[must_use]
    pub fn code(&self) -> &RoomCode {
        &self.plan.code
    }

    /// Seats.
    #[must_use]
    pub fn max_players(&self) -> u8 {
        self.plan.max_players
    }

    /// Whether the room has an authority.
    #[must_use]
    pub fn supports_authority(&self) -> bool {
        self.plan.supports_authority
    }

    /// State of the lobby.
    #[must_use]
    pub fn lobby_state(&self) -> LobbyState {
        self.state
    }

    /// Players in the order in which they joined.
    #[must_use]
    pub fn players(&self) -> &[Player] {
        &self.players
    }

    /// Spectators in the order in which they came.
    #[must_use]
    pub fn spectators(&self) -> &[Spectator] {
        &self.spectators
    }

    /// Every member, player or spectator: where it is and what it speaks.
    #[must_use]
    pub fn members(&self) -> &Members {
        &self.members
    }

    /// A member speaks another dialect from now on.
    pub fn set_dialect(&mut self, id: PlayerId, dialect: Dialect) {
        if let Some(member) = self.members.get_mut(id) {
            member.dialect = dialect;
        }
    }

    /// Holder of authority.
    #[must_use]
    pub fn authority(&self) -> Option<PlayerId> {
        self.authority
    }

    /// Seats reserved for dropped players of a finalized room (D19).
    #[must_use]
    pub fn held_seats(&self) -> &[HeldSeat] {
        &self.held
    }

    /// The player with this id.
    #[must_use]
    pub fn player(&self, id: PlayerId) -> Option<&Player> {
        self.players.iter().find(|player| player.id == id)
    }

    /// The player with this id, to be changed.
    pub fn player_mut(&mut self, id: PlayerId) -> Option<&mut Player> {
        self.players.iter_mut().find(|player| player.id == id)
    }

    /// A member sent a message other than Ping (D17).
    pub fn touch(&mut self, now: Duration) {
        self.last_message = now;
        self.traffic.count(now);
    }

    /// How much is said in it.
    #[must_use]
    pub fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// Since it was created.
    #[must_use]
    pub fn age(&self, now: Duration) -> Duration {
        now.saturating_sub(self.created)
    }

    /// Dropped players who can still return.
    #[must_use]
    pub fn awaited(&self) -> usize {
        self.awaited as usize
    }

    /// Relay type of the game.
    #[must_use]
    pub fn relay_type(&self) -> &str {
        &self.plan.relay_type
    }

    /// How long the room has had no player; `None` while it has one (D17).
    #[must_use]
    pub fn empty_for(&self, now: Duration) -> Option<Duration> {
        self.empty_since.map(|since| now.saturating_sub(since))
    }

    /// How long no member has sent anything but Ping (D17).
    #[must_use]
    pub fn silent_for(&self, now: Duration) -> Duration {
        now.saturating_sub(self.last_message)
    }

    /// Whether the game is over: it started, nobody plays and nobody can return to a seat (D15).
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.state == LobbyState::Finalized && self.players.is_empty() && self.held.is_empty()
    }

    /// Whether broadcasts must be kept because somebody can still return (D20).
    #[must_use]
    pub fn is_recording(&self) -> bool {
        self.awaited > 0
    }

    /// Keeps one broadcast for those who can still return. Returns whether it is kept.
    pub fn record(&mut self, text: &[u8]) -> bool {
        self.awaited > 0 && self.plan.replay.record(text)
    }

    /// Lets go of the oldest broadcast that is kept. Returns whether there was one.
    pub fn forget_oldest(&mut self) -> bool {
        self.plan.replay.forget_oldest()
    }

    /// What is kept for those who can still return.
    #[must_use]
    pub fn replay(&self) -> &Replay {
        &self.plan.replay
    }

    /// Broadcasts since position `since`, oldest first, as far as they were kept.
    pub fn recorded_since(&self, since: u64) -> impl Iterator<Item = &str> {
        self.plan.replay.since(since)
    }

    /// A dropped player may return: broadcasts from now on are kept. Returns the position of the next one.
    pub fn await_return(&mut self) -> u64 {
        self.awaited += 1;
        self.plan.replay.next_position()
    }

    /// A dropped player returned, or can no longer: its seat is free, and with the last one the replay is forgotten.
    pub fn stop_awaiting(&mut self, id: PlayerId) {
        self.awaited = self.awaited.saturating_sub(1);
        self.held.retain(|seat| seat.id != id);
        if self.awaited == 0 {
            self.plan.replay.forget();
        }
    }
}
