//! What clients send, sorted by kind.

use super::{Effects, Engine, Form, Slot};
use crate::Now;
use crate::protocol::signal_fish::wire::{ClientMessage, ErrorCode, GameDataFormat, ServerMessage};

impl Engine {
    /// A complete text message within the size limit.
    pub fn text<E: Effects>(&mut self, now: Now, slot: Slot, text: &str, fx: &mut E) {
        let Some(session) = self.sessions.get_mut(slot) else {
            return;
        };
        debug_assert!(
            session.pending.is_none(),
            "frames of a waiting session stay with the runtime"
        );
        session.last_life = now.monotonic;
        let Ok(message) = ClientMessage::parse(text) else {
            return self.invalid(now, slot, "Invalid client message", fx);
        };
        session.client.invalid_in_a_row = 0;
        if !session.client.authenticated && !matches!(message, ClientMessage::Authenticate(_)) {
            return self.demand_authentication(now, slot, "Authentication required", fx);
        }
        if !matches!(message, ClientMessage::Ping)
            && let Some(room) = session.membership.room()
            && let Some(room) = self.rooms.get_mut(room)
        {
            room.touch(now.monotonic);
        }
        match message {
            ClientMessage::GameData(data) => self.game_data(slot, data, fx),
            ClientMessage::Ping => self.outbound.tell(slot, &ServerMessage::Pong, fx),
            ClientMessage::Authenticate(message) => self.authenticate(now, slot, &message, fx),
            ClientMessage::JoinRoom(message) => self.join_room(slot, &message, fx),
            ClientMessage::LeaveRoom => self.leave_room(now, slot, fx),
            ClientMessage::PlayerReady => self.player_ready(slot, fx),
            ClientMessage::StartGame => self.start_game(slot, fx),
            ClientMessage::AuthorityRequest(message) => self.authority_request(slot, message, fx),
            ClientMessage::ProvideConnectionInfo(info) => self.provide_connection_info(slot, info, fx),
            ClientMessage::Reconnect(message) => self.reconnect(now, slot, &message, fx),
            ClientMessage::JoinAsSpectator(message) => self.join_as_spectator(slot, &message, fx),
            ClientMessage::LeaveSpectator => self.leave_spectator(slot, fx),
        }
    }

    /// A complete binary message within the size limit: game data as MessagePack (spec 2.9).
    pub fn binary<E: Effects>(&mut self, now: Now, slot: Slot, payload: &[u8], fx: &mut E) {
        if self.may_send_binary(now, slot, fx) {
            self.binary_game_data(now, slot, payload, fx);
        }
    }

    /// Whether binary messages are allowed on this connection, whatever is in them.
    fn may_send_binary<E: Effects>(&mut self, now: Now, slot: Slot, fx: &mut E) -> bool {
        let Some(session) = self.sessions.get_mut(slot) else {
            return false;
        };
        session.last_life = now.monotonic;
        if !session.client.authenticated {
            self.demand_authentication(now, slot, "Authentication required before sending binary data", fx);
            return false;
        }
        if session.client.format == GameDataFormat::Json {
            self.invalid(now, slot, "Binary payloads are disabled for this connection", fx);
            return false;
        }
        true
    }

    /// A message of `length` bytes over `security.max_message_size` was discarded (D10).
    pub fn oversize<E: Effects>(&mut self, now: Now, slot: Slot, form: Form, length: u64, fx: &mut E) {
        let Some(session) = self.sessions.get_mut(slot) else {
            return;
        };
        session.last_life = now.monotonic;
        let max = self.settings.max_message_size;
        let text = match form {
            Form::Text => format!("Message too large ({length} bytes, max {max} bytes)"),
            Form::Binary if self.may_send_binary(now, slot, fx) => {
                format!("Binary payload exceeded maximum size ({max} bytes)")
            }
            Form::Binary => return,
        };
        self.refuse_message(now, slot, &text, ErrorCode::MessageTooLarge, fx);
    }

    /// Any other frame arrived: it counts as life (D24).
    pub fn alive(&mut self, now: Now, slot: Slot) {
        if let Some(session) = self.sessions.get_mut(slot) {
            session.last_life = now.monotonic;
        }
    }

    /// Answers a message that is no valid protocol.
    pub(super) fn invalid<E: Effects>(&mut self, now: Now, slot: Slot, text: &str, fx: &mut E) {
        self.refuse_message(now, slot, text, ErrorCode::InvalidInput, fx);
    }

    /// Counts a message that cannot be taken, and closes the connection after too many in a row (D41).
    fn refuse_message<E: Effects>(&mut self, now: Now, slot: Slot, text: &str, code: ErrorCode, fx: &mut E) {
        let Some(session) = self.sessions.get_mut(slot) else {
            return;
        };
        let in_a_row = session.client.invalid_in_a_row.saturating_add(1);
        session.client.invalid_in_a_row = in_a_row;
        self.outbound.counters.invalid_messages += 1;
        let max = self.settings.max_invalid_messages;
        if max == 0 || in_a_row <= max {
            return self.outbound.error(slot, text, code, fx);
        }
        self.outbound.counters.closed_invalid += 1;
        self.outbound
            .error(slot, "Too many invalid messages", ErrorCode::InvalidInput, fx);
        self.close(now, slot, "too many invalid messages", fx);
    }

    fn demand_authentication<E: Effects>(&mut self, now: Now, slot: Slot, text: &str, fx: &mut E) {
        self.outbound.error(slot, text, ErrorCode::AuthenticationRequired, fx);
        self.close(now, slot, "authentication required", fx);
    }

    pub(super) fn not_in_room<E: Effects>(&mut self, slot: Slot, fx: &mut E) {
        self.outbound.error(slot, "Not in a room", ErrorCode::NotInRoom, fx);
    }
}
