//! JoinRoom up to the shard that owns the room: what is asked for is checked, the attempt is counted (protocol 3.2, D22).

use super::failure::Failure;
use super::pending::{Arrival, CodedJoin, Creation, Join, Wanted, Wish};
use super::room::key;
use super::state::SignalFish;
use super::wire::{ErrorCode, GameName, JoinRoom, PlayerName, RoomCode};
use crate::admission::Ask;
use crate::effects::Cx;
use std::time::Duration;

impl SignalFish {
    pub(super) fn join_room(&mut self, cx: &mut Cx<'_>, message: &JoinRoom<'_>) {
        let Some(session) = self.sessions.get(cx.slot) else {
            return;
        };
        let (ip, app) = (session.ip, session.app);
        let app_max = self.app_of(session).and_then(|app| app.max_players_per_room);
        let valid = self.check_join(message, app_max, session.membership.room().is_some(), cx.now.monotonic);
        let Some(code) = &message.room_code else {
            return match valid {
                Ok(join) => self.ask_permit(cx, Creation::Generated(join)),
                Err(failure) => self.ask_leave(cx, Wish::Fail(Wanted::Seat, failure), Ask::Create { ip }),
            };
        };
        let wish = valid.and_then(|join| {
            let code = RoomCode::parse(code, self.settings.room_code_length)
                .map_err(|error| Failure::new(error.to_string(), ErrorCode::InvalidRoomCode))?;
            let key = key(app, &join.game, &code);
            Ok(Wish::Join(CodedJoin { key, code, join }))
        });
        let wish = wish.unwrap_or_else(|failure| Wish::Fail(Wanted::Seat, failure));
        self.ask_leave(cx, wish, Ask::Join { ip });
    }

    /// Steps 2 to 5 of protocol 3.2.
    fn check_join(
        &self,
        message: &JoinRoom<'_>,
        app_max: Option<u8>,
        in_room: bool,
        asked_at: Duration,
    ) -> Result<Join, Failure> {
        let settings = &*self.settings;
        let game = GameName::parse(&message.game_name, settings.max_game_name_length)
            .map_err(|error| Failure::new(error.to_string(), ErrorCode::InvalidGameName))?;
        let name = PlayerName::parse(&message.player_name, &settings.player_names)
            .map_err(|error| Failure::new(error.to_string(), ErrorCode::InvalidPlayerName))?;
        let max_players = self.check_max_players(message.max_players, app_max)?;
        if in_room {
            return Err(Failure::already_in_room());
        }
        Ok(Join {
            game,
            name,
            max_players,
            supports_authority: message.supports_authority.unwrap_or(true),
            asked_at,
        })
    }

    /// An absent number is the default, lowered to the app's limit; a given one over a limit is refused (D25).
    fn check_max_players(&self, asked: Option<u8>, app_max: Option<u8>) -> Result<u8, Failure> {
        let settings = &*self.settings;
        let max = settings.max_players_limit.min(app_max.unwrap_or(u8::MAX));
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

    /// The attempt to join by code was counted.
    pub(super) fn join(&mut self, cx: &mut Cx<'_>, join: CodedJoin) {
        let owner = self.routing.room(&join.key);
        self.go_to(cx, owner, Arrival::Join(join));
    }
}
