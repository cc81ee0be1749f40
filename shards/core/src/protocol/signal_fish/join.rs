//! JoinRoom up to the shard that owns the room: what is asked for is checked, the attempt is counted (spec 3.2, D22).

use super::rooms::RoomKey;
use super::{Effects, Engine, Failure, Operation, Pending, Slot, give_back};
use crate::Now;
use crate::admission::{AppIndex, Ask, Verdict};
use crate::protocol::signal_fish::wire::{ErrorCode, GameName, JoinRoom, PlayerName, RoomCode, ServerMessage};

/// A valid wish to play, apart from the room.
#[derive(Debug, Clone)]
pub(super) struct Join {
    pub(super) game: GameName,
    pub(super) name: PlayerName,
    pub(super) max_players: u8,
    pub(super) supports_authority: bool,
}

/// A valid wish to play in one room.
#[derive(Debug, Clone)]
pub(super) struct CodedJoin {
    pub(super) key: RoomKey,
    pub(super) join: Join,
}

impl Engine {
    pub(super) fn join_room<E: Effects>(&mut self, slot: Slot, message: &JoinRoom<'_>, fx: &mut E) {
        let Some(session) = self.sessions.get(slot) else { return };
        let (ip, app) = (session.client.ip, session.client.app);
        let valid = self.check_join(message, app, session.membership.room().is_some());
        let Some(code) = &message.room_code else {
            return match valid {
                Ok(join) => {
                    let game = join.game.as_str().into();
                    self.ask(slot, Pending::OpenGenerated(join), Ask::OpenRoom { ip, app, game }, fx);
                }
                Err(failure) => self.ask(slot, Pending::Create(failure), Ask::Create { ip }, fx),
            };
        };
        let attempt = valid.and_then(|join| {
            let code = RoomCode::parse(code, self.settings.room_code_length)
                .map_err(|error| Failure::new(error.to_string(), ErrorCode::InvalidRoomCode))?;
            let game = join.game.clone();
            let key = RoomKey { app, game, code };
            Ok(CodedJoin { key, join })
        });
        self.ask(slot, Pending::Join(attempt), Ask::Join { ip }, fx);
    }

    /// Steps 2 to 5 of spec 3.2.
    fn check_join(&self, message: &JoinRoom<'_>, app: Option<AppIndex>, in_room: bool) -> Result<Join, Failure> {
        let settings = &*self.settings;
        let game = GameName::parse(&message.game_name, settings.max_game_name_length)
            .map_err(|error| Failure::new(error.to_string(), ErrorCode::InvalidGameName))?;
        let name = PlayerName::parse(&message.player_name, &settings.player_names)
            .map_err(|error| Failure::new(error.to_string(), ErrorCode::InvalidPlayerName))?;
        let max_players = self.check_max_players(message.max_players, app)?;
        if in_room {
            return Err(already_in_room());
        }
        Ok(Join {
            game,
            name,
            max_players,
            supports_authority: message.supports_authority.unwrap_or(true),
        })
    }

    /// An absent number is the default, lowered to the app's limit; a given one over a limit is refused (D25).
    fn check_max_players(&self, asked: Option<u8>, app: Option<AppIndex>) -> Result<u8, Failure> {
        let settings = &*self.settings;
        let app = app.and_then(|app| settings.apps.get(app.0 as usize));
        let app_max = app.and_then(|app| app.max_players_per_room).unwrap_or(u8::MAX);
        let max = settings.max_players_limit.min(app_max);
        let max_players = asked.unwrap_or_else(|| settings.default_max_players.min(max));
        if max_players < 1 {
            let text = "Max players must be at least 1";
            return Err(Failure::new(text, ErrorCode::InvalidMaxPlayers));
        }
        if max_players > max {
            let text = format!("Max players cannot exceed {max}");
            return Err(Failure::new(text, ErrorCode::InvalidMaxPlayers));
        }
        Ok(max_players)
    }

    /// The attempt to join by code was counted, or not.
    pub(super) fn join_decided<E: Effects>(
        &mut self,
        now: Now,
        slot: Slot,
        attempt: Result<CodedJoin, Failure>,
        verdict: Verdict,
        fx: &mut E,
    ) {
        let join = match (verdict, attempt) {
            (Verdict::Admitted, Ok(join)) => join,
            (Verdict::Admitted, Err(failure)) => return self.join_failed(slot, failure, fx),
            (Verdict::Refused(refusal), _) => return self.join_failed(slot, Failure::refused(refusal, ""), fx),
            (other, _) => {
                give_back(other, fx);
                return self.join_failed(slot, Failure::internal(), fx);
            }
        };
        let key = &join.key;
        let owner = self.routing.room(key.app, key.game.as_str(), key.code.as_str());
        if owner == self.shard {
            self.join_here(now, slot, join, fx);
        } else {
            self.hand_off(slot, owner, Operation::Join(join), fx);
        }
    }

    /// The attempt to create a room, which fails anyway, was counted, or not.
    pub(super) fn create_decided<E: Effects>(&mut self, slot: Slot, failure: Failure, verdict: Verdict, fx: &mut E) {
        let failure = match verdict {
            Verdict::Refused(refusal) => Failure::refused(refusal, ""),
            other => {
                give_back(other, fx);
                failure
            }
        };
        self.join_failed(slot, failure, fx);
    }

    pub(super) fn join_failed<E: Effects>(&mut self, slot: Slot, failure: Failure, fx: &mut E) {
        self.outbound.counters.joins_failed += 1;
        let failed = ServerMessage::RoomJoinFailed {
            reason: failure.reason,
            error_code: Some(failure.code),
        };
        self.outbound.tell(slot, &failed, fx);
    }
}

pub(super) fn already_in_room() -> Failure {
    Failure::new("Already in a room", ErrorCode::AlreadyInRoom)
}
