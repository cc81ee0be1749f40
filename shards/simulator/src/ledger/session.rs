//! What the ledger knows of a session and of a room.

use crate::network::ConnectionId;
use serde_json::{Value, json};
use signal_fish_core::ShardIndex;
use signal_fish_core::admission::AppIndex;
use signal_fish_core::protocol::signal_fish::wire::{GameName, PlayerName, RoomCode};
use std::collections::VecDeque;
use std::time::Duration;

use super::names;

/// How a room is named: app, game, code.
pub(super) type Key = (Option<AppIndex>, String, String);

/// One session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) shard: ShardIndex,
    pub(super) opened: Duration,
    pub(super) player: usize,
    pub(super) pending: Option<Pending>,
    /// Its room, and whether it plays there.
    pub(super) room: Option<(usize, bool)>,
    pub(super) packs: bool,
    pub(super) app: Option<AppIndex>,
    pub(super) is_authenticated: bool,
    pub(super) is_introduced: bool,
    pub(super) invalid_in_a_row: u32,
    /// Until when attempts to join, and to create, are refused without a question.
    pub(super) joins_refused: Duration,
    pub(super) creations_refused: Duration,
}

/// What a session waits for.
#[derive(Debug, Clone)]
pub(super) enum Pending {
    Leave(Wish),
    Permit(Join),
    Queued(Join),
    Move(Arrival),
}

#[derive(Debug, Clone)]
pub(super) enum Wish {
    Authenticate(AppIndex, bool),
    Go(Arrival),
    /// Be told of this failure.
    Fail(&'static str, &'static str),
}

#[derive(Debug, Clone)]
pub(super) enum Arrival {
    Join(Join),
    Watch {
        key: Key,
        name: PlayerName,
    },
    Return {
        player: String,
        room: String,
        token: String,
    },
}

/// A wish to play. Without a code the room gets one of the server.
#[derive(Debug, Clone)]
pub(super) struct Join {
    pub(super) app: Option<AppIndex>,
    pub(super) game: GameName,
    pub(super) code: Option<RoomCode>,
    pub(super) name: PlayerName,
    pub(super) max_players: u8,
    pub(super) supports_authority: bool,
}

impl Session {
    /// It is on its way to another shard.
    pub(super) fn is_moving(&self) -> bool {
        matches!(self.pending, Some(Pending::Move(_)))
    }
}

impl Join {
    pub(super) fn key(&self) -> Option<Key> {
        let code = self.code.as_ref()?;
        Some((self.app, self.game.as_str().to_owned(), code.as_str().to_owned()))
    }
}

/// A player in a room.
#[derive(Debug, Clone)]
pub(super) struct Player {
    pub(super) number: usize,
    pub(super) connection: ConnectionId,
    pub(super) name: PlayerName,
    pub(super) is_ready: bool,
    pub(super) connected_at: String,
    pub(super) info: Option<Value>,
    pub(super) token: Option<usize>,
}

/// A spectator of a room.
#[derive(Debug)]
pub(super) struct Spectator {
    pub(super) number: usize,
    pub(super) connection: ConnectionId,
    pub(super) info: Value,
}

/// A player who dropped and may return.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) shard: ShardIndex,
    pub(super) until: Duration,
    pub(super) app: Option<AppIndex>,
    pub(super) room: usize,
    pub(super) player: Player,
    pub(super) had_authority: bool,
    pub(super) since: u64,
}

/// One room.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) number: usize,
    pub(super) shard: ShardIndex,
    pub(super) key: Key,
    pub(super) is_there: bool,
    pub(super) max_players: u8,
    pub(super) supports_authority: bool,
    pub(super) state: &'static str,
    pub(super) players: Vec<Player>,
    pub(super) spectators: Vec<Spectator>,
    pub(super) authority: Option<usize>,
    /// Players whose seats are held, and their names.
    pub(super) held: Vec<(usize, PlayerName)>,
    pub(super) awaited: u32,
    pub(super) empty_since: Option<Duration>,
    pub(super) last_message: Duration,
    /// Kept broadcasts: position, message, length in bytes.
    pub(super) events: VecDeque<(u64, Value, usize)>,
    pub(super) next_event: u64,
}

impl Room {
    /// Every member: its number and its connection.
    pub(super) fn members(&self) -> Vec<(usize, ConnectionId)> {
        let players = self.players.iter().map(|player| (player.number, player.connection));
        let spectators = self.spectators.iter();
        let spectators = spectators.map(|spectator| (spectator.number, spectator.connection));
        players.chain(spectators).collect()
    }

    /// Keeps a broadcast if somebody can return (D20, D37).
    pub(super) fn record(&mut self, message: &Value, events_max: usize, bytes_max: usize) {
        if self.awaited == 0 {
            return;
        }
        let position = self.next_event;
        self.next_event += 1;
        let length = names::wire_length(message);
        if events_max == 0 || length > bytes_max {
            return;
        }
        self.events.push_back((position, message.clone(), length));
        let bytes = |events: &VecDeque<(u64, Value, usize)>| events.iter().map(|(.., length)| length).sum::<usize>();
        while self.events.len() > events_max || bytes(&self.events) > bytes_max {
            self.events.pop_front();
        }
    }

    /// Whether a newcomer, or a player that returns, gets a seat; otherwise the code of what is wrong.
    pub(super) fn admits(
        &self,
        name: &PlayerName,
        own: Option<usize>,
        name_taken: &'static str,
    ) -> Result<(), &'static str> {
        let held: Vec<_> = self.held.iter().filter(|(player, _)| Some(*player) != own).collect();
        let taken = self.players.iter().any(|player| player.name.clashes_with(name));
        if taken || held.iter().any(|(_, held)| held.clashes_with(name)) {
            return Err(name_taken);
        }
        if self.players.len() + held.len() >= usize::from(self.max_players) {
            return Err("ROOM_FULL");
        }
        Ok(())
    }

    /// A player takes a seat. Returns whether that filled the room.
    pub(super) fn seat(&mut self, player: Player, now: Duration) -> bool {
        self.players.push(player);
        self.empty_since = None;
        self.last_message = now;
        let fills =
            self.state == "waiting" && self.max_players > 1 && self.players.len() == usize::from(self.max_players);
        if fills {
            self.state = "lobby";
        }
        fills
    }

    fn player_info(&self, player: &Player) -> Value {
        let mut info = json!({
            "id": names::player(player.number),
            "name": player.name.as_str(),
            "is_authority": self.authority == Some(player.number),
            "is_ready": player.is_ready,
            "connected_at": player.connected_at,
        });
        if let Some(connection_info) = &player.info {
            info["connection_info"] = connection_info.clone();
        }
        info
    }

    pub(super) fn player_joined(&self, number: usize) -> Value {
        let player = self.players.iter().find(|player| player.number == number);
        let player = player.map(|player| self.player_info(player));
        json!({"type": "PlayerJoined", "data": {"player": player}})
    }

    fn ready_players(&self) -> Vec<String> {
        let ready = self.players.iter().filter(|player| player.is_ready);
        ready.map(|player| names::player(player.number)).collect()
    }

    pub(super) fn spectator_infos(&self) -> Vec<Value> {
        self.spectators.iter().map(|spectator| spectator.info.clone()).collect()
    }

    fn player_infos(&self) -> Vec<Value> {
        self.players.iter().map(|player| self.player_info(player)).collect()
    }

    /// `RoomJoined`, or `Reconnected` with what was missed.
    pub(super) fn snapshot(&self, player: usize, token: Option<usize>, missed: Option<Vec<Value>>) -> Value {
        let mut data = json!({
            "room_id": names::room(self.number),
            "room_code": self.key.2,
            "player_id": names::player(player),
            "game_name": self.key.1,
            "max_players": self.max_players,
            "supports_authority": self.supports_authority,
            "current_players": self.player_infos(),
            "is_authority": self.authority == Some(player),
            "lobby_state": self.state,
            "ready_players": self.ready_players(),
            "relay_type": "matchbox",
            "current_spectators": self.spectator_infos(),
        });
        if let Some(token) = token {
            data["auth_token"] = names::token(token).into();
        }
        let kind = if missed.is_some() { "Reconnected" } else { "RoomJoined" };
        if let Some(missed) = missed {
            data["missed_events"] = missed.into();
        }
        json!({"type": kind, "data": data})
    }

    pub(super) fn spectator_snapshot(&self, spectator: usize) -> Value {
        json!({"type": "SpectatorJoined", "data": {
            "room_id": names::room(self.number),
            "room_code": self.key.2,
            "spectator_id": names::player(spectator),
            "game_name": self.key.1,
            "current_players": self.player_infos(),
            "current_spectators": self.spectator_infos(),
            "lobby_state": self.state,
            "reason": "joined",
        }})
    }

    pub(super) fn lobby_state_changed(&self) -> Value {
        let all_ready = self.state != "waiting" && self.players.iter().all(|player| player.is_ready);
        json!({"type": "LobbyStateChanged", "data": {
            "lobby_state": self.state,
            "ready_players": self.ready_players(),
            "all_ready": all_ready && !self.players.is_empty(),
        }})
    }

    pub(super) fn game_starting(&self) -> Value {
        let peer = |player: &Player| {
            let mut peer = json!({
                "player_id": names::player(player.number),
                "player_name": player.name.as_str(),
                "is_authority": self.authority == Some(player.number),
                "relay_type": "matchbox",
            });
            if let Some(info) = &player.info {
                peer["connection_info"] = info.clone();
            }
            peer
        };
        let peers: Vec<_> = self.players.iter().map(peer).collect();
        json!({"type": "GameStarting", "data": {"peer_connections": peers}})
    }

    /// Whether the game is over and nobody can return to it.
    pub(super) fn is_over(&self) -> bool {
        self.state == "finalized" && self.players.is_empty() && self.held.is_empty()
    }
}
