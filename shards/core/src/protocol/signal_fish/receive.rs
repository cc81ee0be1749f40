//! What clients send, sorted by kind. Invalid messages are answered and counted here.

use super::super::event::Message;
use super::binding::Rejected;
use super::dialect::MESSAGE_PACK;
use super::failure::Failure;
use super::session::Session;
use super::state::SignalFish;
use super::tell::{self, tell};
use super::wire::{ClientMessage, ErrorCode, ServerMessage};
use crate::effects::Cx;
use crate::ws::Kind;

impl SignalFish {
    /// A complete message. It counts as invalid, whichever part of the protocol finds it so (D41). A valid message in
    /// the wrong state does not count.
    pub fn message(&mut self, cx: &mut Cx<'_>, message: Message<'_>) {
        let taken = match message {
            Message::Text(text) => self.text(cx, text),
            Message::Binary(payload) => self.binary(cx, payload),
            Message::Oversize { kind, length } => self.oversize(cx, kind, length),
        };
        match taken {
            Ok(()) => {
                if let Some(session) = self.sessions.get_mut(cx.slot) {
                    session.invalid_in_a_row = 0;
                }
            }
            Err(invalid) => self.refuse(cx, invalid),
        }
    }

    /// # Errors
    /// Why the message is invalid.
    fn text(&mut self, cx: &mut Cx<'_>, text: &str) -> Result<(), Failure> {
        let Some(session) = self.sessions.get(cx.slot) else {
            return Ok(());
        };
        if session.rare.is_some() && !self.check_text(cx, text)? {
            return Ok(());
        }
        let Some(session) = self.sessions.get(cx.slot) else {
            return Ok(());
        };
        debug_assert!(session.pending.is_none(), "a waiting session gets no messages");
        let message = ClientMessage::parse(text).map_err(|_| Failure::invalid("Invalid client message"))?;
        if !session.is_authenticated() && !matches!(message, ClientMessage::Authenticate(_)) {
            self.demand_authentication(cx, "Authentication required");
            return Ok(());
        }
        if !matches!(message, ClientMessage::Ping)
            && let Some(room) = session.membership.room()
            && let Some(room) = self.rooms.get_mut(room)
        {
            room.touch(cx.now.monotonic);
        }
        match message {
            ClientMessage::GameData(data) => self.game_data(cx, data),
            ClientMessage::Ping => tell(cx, &ServerMessage::Pong),
            ClientMessage::Authenticate(message) => return self.authenticate(cx, &message),
            ClientMessage::JoinRoom(message) => self.join_room(cx, &message),
            ClientMessage::LeaveRoom => self.leave_room(cx),
            ClientMessage::PlayerReady => self.player_ready(cx),
            ClientMessage::StartGame => self.start_game(cx),
            ClientMessage::AuthorityRequest(message) => self.authority_request(cx, message),
            ClientMessage::ProvideConnectionInfo(info) => self.provide_connection_info(cx, info),
            ClientMessage::Reconnect(message) => self.reconnect(cx, &message),
            ClientMessage::JoinAsSpectator(message) => self.join_as_spectator(cx, &message),
            ClientMessage::LeaveSpectator => self.leave_spectator(cx),
        }
        Ok(())
    }

    /// Game data as MessagePack (protocol 2.9).
    ///
    /// # Errors
    /// Why the message is invalid.
    fn binary(&mut self, cx: &mut Cx<'_>, payload: &[u8]) -> Result<(), Failure> {
        let Some(payload) = self.check_binary(cx, payload)? else {
            return Ok(());
        };
        if self.takes_binary(cx)? {
            self.binary_game_data(cx, payload)?;
        }
        Ok(())
    }

    /// A message of `length` bytes over `security.max_message_size` was discarded (D10).
    ///
    /// # Errors
    /// That it was too large, unless the connection had to be closed.
    fn oversize(&mut self, cx: &mut Cx<'_>, kind: Kind, length: u64) -> Result<(), Failure> {
        let max = self.settings.max_message_size;
        let text = match kind {
            Kind::Text => format!("Message too large ({length} bytes, max {max} bytes)"),
            Kind::Binary if self.takes_binary(cx)? => format!("Binary payload exceeded maximum size ({max} bytes)"),
            Kind::Binary => return Ok(()),
        };
        Err(Failure::new(text, ErrorCode::MessageTooLarge))
    }

    /// Whether this connection may send binary messages. One that has to authenticate first is closed.
    ///
    /// # Errors
    /// It speaks JSON.
    fn takes_binary(&mut self, cx: &mut Cx<'_>) -> Result<bool, Failure> {
        let Some(session) = self.sessions.get(cx.slot) else {
            return Ok(false);
        };
        if !session.is_authenticated() {
            self.demand_authentication(cx, "Authentication required before sending binary data");
            return Ok(false);
        }
        if session.dialect != MESSAGE_PACK {
            return Err(Failure::invalid("Binary payloads are disabled for this connection"));
        }
        Ok(true)
    }

    /// Checks the proof of a text on a connection with token binding. Returns whether the text may be handled.
    ///
    /// # Errors
    /// Why the message is invalid.
    fn check_text(&mut self, cx: &mut Cx<'_>, text: &str) -> Result<bool, Failure> {
        let binding = self.sessions.get_mut(cx.slot).and_then(Session::binding);
        match binding.map_or(Ok(()), |binding| binding.check_text(text)) {
            Ok(()) => Ok(true),
            Err(rejected) => self.reject(cx, rejected).map(|()| false),
        }
    }

    /// The same for a binary message: what may be handled of it.
    ///
    /// # Errors
    /// Why the message is invalid.
    fn check_binary<'a>(&mut self, cx: &mut Cx<'_>, payload: &'a [u8]) -> Result<Option<&'a [u8]>, Failure> {
        let binding = self.sessions.get_mut(cx.slot).and_then(Session::binding);
        match binding.map_or(Ok(payload), |binding| binding.check_binary(payload)) {
            Ok(payload) => Ok(Some(payload)),
            Err(rejected) => self.reject(cx, rejected).map(|()| None),
        }
    }

    /// A message without its proof is not handled.
    ///
    /// # Errors
    /// Why the message is invalid, where that does not end the connection.
    fn reject(&mut self, cx: &mut Cx<'_>, rejected: Rejected) -> Result<(), Failure> {
        if !rejected.closes {
            return Err(Failure::new(rejected.text, rejected.code));
        }
        self.counters.closed_unbound += 1;
        tell::error(cx, rejected.text, rejected.code);
        self.close(cx, "token binding");
        Ok(())
    }

    /// Answers an invalid message; closes the connection after too many in a row (D41).
    fn refuse(&mut self, cx: &mut Cx<'_>, invalid: Failure) {
        let Some(session) = self.sessions.get_mut(cx.slot) else {
            return;
        };
        session.invalid_in_a_row = session.invalid_in_a_row.saturating_add(1);
        self.counters.invalid_messages += 1;
        let max = self.settings.max_invalid_messages;
        if max == 0 || session.invalid_in_a_row <= max {
            return tell::failure(cx, invalid);
        }
        self.counters.closed_invalid += 1;
        tell::failure(cx, Failure::invalid("Too many invalid messages"));
        self.close(cx, "too many invalid messages");
    }

    fn demand_authentication(&mut self, cx: &mut Cx<'_>, text: &str) {
        tell::error(cx, text, ErrorCode::AuthenticationRequired);
        self.close(cx, "authentication required");
    }
}
