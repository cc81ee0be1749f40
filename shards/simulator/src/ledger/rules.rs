//! What clients send and what admission answers, by the rules of the protocol.

use super::Ledger;
use super::account::{Asked, Promise, error, failed};
use super::names::ANY;
use super::session::{Arrival, Join, Pending, Wish};
use crate::network::ConnectionId as Id;
use serde_json::{Value, json};
use signal_fish_core::admission::{Ask, Refusal, Verdict};
use signal_fish_core::protocol::Message;
use signal_fish_core::protocol::signal_fish::wire::{
    Authenticate, ClientMessage, GameDataFormat, GameName, JoinAsSpectator, JoinRoom, PlayerName, RoomCode,
};
use signal_fish_core::ws::Kind;
use std::time::Duration;

impl Ledger {
    pub(super) fn message(&mut self, id: Id, message: &Message<'_>) {
        self.accounts[id].take_sent(id, message);
        let taken = match *message {
            Message::Text(text) => self.text(id, text),
            Message::Binary(payload) => self.binary(id, payload),
            Message::Oversize { kind: Kind::Text, .. } => Err("MESSAGE_TOO_LARGE"),
            Message::Oversize { kind: Kind::Binary, .. } => match self.takes_binary(id) {
                Ok(true) => Err("MESSAGE_TOO_LARGE"),
                other => other.map(|_| ()),
            },
        };
        match (taken, self.accounts[id].session.as_mut()) {
            (Ok(()), Some(session)) => session.invalid_in_a_row = 0,
            (Err(code), Some(session)) => {
                session.invalid_in_a_row += 1;
                let max = self.settings.max_invalid_messages;
                if max == 0 || session.invalid_in_a_row <= max {
                    self.promise(id, error(code));
                } else {
                    self.promise(id, error("INVALID_INPUT"));
                    self.close(id, 1008);
                }
            }
            (_, None) => {}
        }
    }

    fn text(&mut self, id: Id, text: &str) -> Result<(), &'static str> {
        let message = ClientMessage::parse(text).map_err(|_| "INVALID_INPUT")?;
        let now = self.now;
        let session = self.session(id);
        assert!(session.pending.is_none(), "client {id} waits and is told");
        let (room, plays) = match session.room {
            Some((room, plays)) => (Some(room), plays),
            None => (None, false),
        };
        if !session.is_authenticated && !matches!(message, ClientMessage::Authenticate(_)) {
            self.promise(id, error("AUTHENTICATION_REQUIRED"));
            self.close(id, 1008);
            return Ok(());
        }
        if let Some(room) = room
            && !matches!(message, ClientMessage::Ping)
        {
            self.rooms[room].last_message = now;
        }
        let playing = room.filter(|_| plays);
        match (message, playing) {
            (ClientMessage::Ping, _) => self.promise(id, json!({"type": "Pong"})),
            (ClientMessage::Authenticate(message), _) => self.authenticate(id, &message),
            (ClientMessage::JoinRoom(message), _) => self.join_room(id, &message),
            (ClientMessage::AuthorityRequest(message), _) => self.authority_request(id, message.become_authority),
            (ClientMessage::Reconnect(message), _) if room.is_some() => {
                let _ = message;
                self.return_failed(id, "ALREADY_IN_ROOM");
            }
            (ClientMessage::Reconnect(message), _) => {
                let arrival = Arrival::Return {
                    player: message.player_id.to_string(),
                    room: message.room_id.to_string(),
                    token: message.auth_token.into_owned(),
                };
                self.go_to(id, arrival);
            }
            (ClientMessage::JoinAsSpectator(message), _) => self.join_as_spectator(id, &message),
            (ClientMessage::LeaveSpectator, _) => self.leave_spectator(id),
            (ClientMessage::LeaveRoom, None) => {}
            (_, None) => self.promise(id, error("NOT_IN_ROOM")),
            (ClientMessage::LeaveRoom, Some(room)) => {
                let number = self.session(id).player;
                self.session(id).room = None;
                self.promise(id, json!({"type": "RoomLeft"}));
                self.player_gone(room, number, false);
            }
            (ClientMessage::GameData(data), Some(room)) => {
                let data: Value = serde_json::from_str(data).expect("it was parsed");
                self.game_data(id, room, &data);
            }
            (ClientMessage::PlayerReady, Some(room)) => self.player_ready(id, room),
            (ClientMessage::StartGame, Some(room)) => {
                if self.rooms[room].state != "finalized" {
                    self.promise(id, error("INVALID_ROOM_STATE"));
                }
            }
            (ClientMessage::ProvideConnectionInfo(info), Some(room)) => {
                let number = self.session(id).player;
                let info = serde_json::to_value(info).expect("it was parsed");
                let mut players = self.rooms[room].players.iter_mut();
                let player = players.find(|player| player.number == number);
                player.expect("it plays here").info = Some(info);
            }
        }
        Ok(())
    }

    fn binary(&mut self, id: Id, payload: &[u8]) -> Result<(), &'static str> {
        if !self.takes_binary(id)? {
            return Ok(());
        }
        match self.session(id).room {
            Some((room, true)) => self.binary_game_data(id, room, payload),
            _ => {
                self.promise(id, error("NOT_IN_ROOM"));
                Ok(())
            }
        }
    }

    fn takes_binary(&mut self, id: Id) -> Result<bool, &'static str> {
        let session = self.session(id);
        if !session.is_authenticated {
            self.promise(id, error("AUTHENTICATION_REQUIRED"));
            self.close(id, 1008);
            return Ok(false);
        }
        if session.packs { Ok(true) } else { Err("INVALID_INPUT") }
    }

    fn authenticate(&mut self, id: Id, message: &Authenticate<'_>) {
        let ip = self.accounts[id].ip;
        let packs = message.game_data_format == Some(GameDataFormat::MessagePack);
        if self.session(id).is_introduced {
            self.welcome(id);
        } else if !self.settings.require_auth {
            self.introduce(id, packs);
        } else if let Some(app) = self.app(&message.app_id) {
            self.ask_leave(id, Wish::Authenticate(app, packs), Ask::Authenticate { app, ip });
        } else {
            self.authentication_failed(id, "INVALID_APP_ID");
        }
    }

    fn introduce(&mut self, id: Id, packs: bool) {
        let session = self.session(id);
        session.is_introduced = true;
        session.is_authenticated = true;
        session.packs = packs;
        self.welcome(id);
    }

    fn welcome(&mut self, id: Id) {
        for kind in ["Authenticated", "ProtocolInfo"] {
            self.promise(id, json!({"type": kind, "data": ANY}));
        }
    }

    fn authentication_failed(&mut self, id: Id, code: &str) {
        let failure = json!({"type": "AuthenticationError", "data": {"error": ANY, "error_code": code}});
        self.promise(id, failure);
        self.close(id, 1008);
    }

    fn join_room(&mut self, id: Id, message: &JoinRoom<'_>) {
        let ip = self.accounts[id].ip;
        let checked = self.check_join(id, message);
        match (checked, message.room_code.is_some()) {
            (Ok(join), false) => self.ask_permit(id, join),
            (Ok(join), true) => self.ask_leave(id, Wish::Go(Arrival::Join(join)), Ask::Join { ip }),
            (Err(code), coded) => {
                let ask = if coded { Ask::Join { ip } } else { Ask::Create { ip } };
                self.ask_leave(id, Wish::Fail("RoomJoinFailed", code), ask);
            }
        }
    }

    fn check_join(&mut self, id: Id, message: &JoinRoom<'_>) -> Result<Join, &'static str> {
        let (app, in_room) = (self.session(id).app, self.session(id).room.is_some());
        let settings = &self.settings;
        let game = GameName::parse(&message.game_name, settings.max_game_name_length);
        let name = PlayerName::parse(&message.player_name, &settings.player_names);
        let game = game.map_err(|_| "INVALID_GAME_NAME")?;
        let name = name.map_err(|_| "INVALID_PLAYER_NAME")?;
        let max_players = message
            .max_players
            .unwrap_or(settings.default_max_players.min(settings.max_players_limit));
        if !(1..=settings.max_players_limit).contains(&max_players) {
            return Err("INVALID_MAX_PLAYERS");
        }
        if in_room {
            return Err("ALREADY_IN_ROOM");
        }
        let code = message.room_code.as_ref();
        let code = code
            .map(|code| RoomCode::parse(code, settings.room_code_length))
            .transpose();
        Ok(Join {
            app,
            game,
            code: code.map_err(|_| "INVALID_ROOM_CODE")?,
            name,
            max_players,
            supports_authority: message.supports_authority.unwrap_or(true),
        })
    }

    fn join_as_spectator(&mut self, id: Id, message: &JoinAsSpectator<'_>) {
        let ip = self.accounts[id].ip;
        let (app, in_room) = (self.session(id).app, self.session(id).room.is_some());
        let settings = &self.settings;
        let fail = |code| Wish::Fail("SpectatorJoinFailed", code);
        let name = PlayerName::parse(&message.spectator_name, &settings.player_names);
        let game = GameName::parse(&message.game_name, settings.max_game_name_length);
        let code = RoomCode::parse(&message.room_code, settings.room_code_length);
        let wish = match (name, game, code) {
            (Err(_), ..) => fail("INVALID_PLAYER_NAME"),
            _ if in_room => fail("ALREADY_IN_ROOM"),
            (Ok(name), Ok(game), Ok(code)) => Wish::Go(Arrival::Watch {
                key: (app, game.as_str().to_owned(), code.as_str().to_owned()),
                name,
            }),
            _ => fail("ROOM_NOT_FOUND"),
        };
        self.ask_leave(id, wish, Ask::Join { ip });
    }

    /// Leave is asked for, unless it is known to be refused.
    pub(super) fn ask_leave(&mut self, id: Id, wish: Wish, ask: Ask) {
        let now = self.now;
        let session = self.session(id);
        let refused = match ask {
            Ask::Join { .. } => session.joins_refused > now,
            Ask::Create { .. } => session.creations_refused > now,
            _ => false,
        };
        if refused {
            return self.refused(id, &wish, "RATE_LIMIT_EXCEEDED");
        }
        session.pending = Some(Pending::Leave(wish));
        self.owe(id, ask);
    }

    fn refused(&mut self, id: Id, wish: &Wish, code: &str) {
        let kind = match wish {
            Wish::Authenticate(..) => return self.authentication_failed(id, code),
            Wish::Fail(kind, _) => kind,
            Wish::Go(Arrival::Join(_)) => "RoomJoinFailed",
            Wish::Go(Arrival::Watch { .. }) => "SpectatorJoinFailed",
            Wish::Go(Arrival::Return { .. }) => "ReconnectionFailed",
        };
        self.promise(id, failed(kind, code));
    }

    /// Admission's answer arrives.
    pub(super) fn verdict(&mut self, id: Id, verdict: &Verdict) {
        let asked = self.accounts[id].asked.take();
        if asked != Some(Asked::Session) {
            assert_eq!(asked, Some(Asked::Ticket), "client {id} has asked for {verdict:?}");
            return;
        }
        let Some(session) = self.accounts[id].session.as_mut() else {
            // The session has ended. Others may have waited for its permit.
            if let Some(key) = self.accounts[id].asking.take() {
                self.open_next(&key);
            }
            return;
        };
        let code = match verdict {
            Verdict::Refused(refusal) => {
                let until = |secs: &u64| self.now + Duration::from_secs(*secs);
                match refusal {
                    Refusal::JoinRate { retry_after_secs } => session.joins_refused = until(retry_after_secs),
                    Refusal::CreationRate { retry_after_secs } => session.creations_refused = until(retry_after_secs),
                    _ => {}
                }
                Some(code(refusal))
            }
            _ => None,
        };
        match (session.pending.take(), code) {
            (Some(Pending::Leave(wish)), Some(code)) => self.refused(id, &wish, code),
            (Some(Pending::Leave(Wish::Authenticate(app, packs))), None) => {
                session.app = Some(app);
                self.introduce(id, packs);
            }
            (Some(Pending::Leave(Wish::Go(arrival))), None) => self.go_to(id, arrival),
            (Some(Pending::Leave(Wish::Fail(kind, code))), None) => self.promise(id, failed(kind, code)),
            (Some(Pending::Permit(join)), None) => self.open(id, &join),
            (Some(Pending::Permit(join)), Some(code)) => {
                self.promise(id, failed("RoomJoinFailed", code));
                if let Some(key) = join.key() {
                    self.open_next(&key);
                }
            }
            (pending, _) => panic!("client {id} waits for {pending:?}, and {verdict:?} comes"),
        }
    }

    /// A close frame is promised, and the session ends.
    pub(super) fn close(&mut self, id: Id, code: u16) {
        self.promised(id, Promise::Close(code));
        self.accounts[id].closed = true;
        self.session_ends(id);
    }
}

/// How clients are told of a refusal.
pub(super) fn code(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::ConnectionsPerIp { .. } => "TOO_MANY_CONNECTIONS",
        Refusal::Connections | Refusal::Directory => "SERVICE_UNAVAILABLE",
        Refusal::App => "INVALID_APP_ID",
        Refusal::Banned => "UNAUTHORIZED",
        Refusal::JoinRate { .. }
        | Refusal::CreationRate { .. }
        | Refusal::AuthenticationRate
        // The relay has no such codes.
        | Refusal::RoomFull
        | Refusal::BreakerOpen
        | Refusal::Redis
        | Refusal::Token
        | Refusal::RoomClaim
        | Refusal::ConnectionRate
        | Refusal::MessageRate { .. } => "RATE_LIMIT_EXCEEDED",
        Refusal::RoomsPerGame { .. } | Refusal::RoomsPerApp { .. } => "MAX_ROOMS_PER_GAME_EXCEEDED",
    }
}
