use crate::Table;
use signal_fish_core::Now;
use signal_fish_core::admission::Verdict;
use signal_fish_core::protocol::signal_fish::wire::{ErrorCode, ServerMessage};
use signal_fish_core::protocol::signal_fish::{Counters, Effects, Engine, Form, Gauges, MovingSession, Slot};
use signal_fish_core::ws::Violation;
use std::net::IpAddr;

/// What a shard does with messages: the engine, or the echo that the conformance suite talks to.
///
/// The contract is the one of [`signal_fish_core::protocol::signal_fish`].
pub trait Handler: 'static {
    /// A connection was upgraded; `hint` is `(game_name, room_code)` of its URL.
    fn connected(&mut self, now: Now, slot: Slot, ip: IpAddr, hint: Option<(&str, &str)>, table: &mut Table);
    /// A connection arrived from another shard.
    fn adopt(&mut self, now: Now, slot: Slot, session: Box<MovingSession>, table: &mut Table);
    /// The connection of a moving session was lost on the way.
    fn abandon(&mut self, session: Box<MovingSession>, table: &mut Table);
    /// A text message.
    fn text(&mut self, now: Now, slot: Slot, text: &str, table: &mut Table);
    /// A binary message.
    fn binary(&mut self, now: Now, slot: Slot, payload: &[u8], table: &mut Table);
    /// A message over the size limit was discarded.
    fn oversize(&mut self, now: Now, slot: Slot, form: Form, length: u64, table: &mut Table);
    /// A ping or pong arrived.
    fn alive(&mut self, now: Now, slot: Slot);
    /// The client broke the WebSocket protocol; the connection is closed when this returns.
    fn violated(&mut self, now: Now, slot: Slot, violation: Violation, table: &mut Table);
    /// Admission answered.
    fn verdict(&mut self, now: Now, slot: Slot, verdict: Verdict, table: &mut Table);
    /// The connection ended.
    fn disconnected(&mut self, now: Now, slot: Slot, table: &mut Table);
    /// Whether the frames of this session have to wait.
    fn is_waiting(&self, slot: Slot) -> bool;
    /// Time passes.
    fn tick(&mut self, now: Now, table: &mut Table);
    /// The server shuts down.
    fn drain(&mut self, now: Now, table: &mut Table);
    /// What was counted, and what is there now.
    fn figures(&self) -> (Counters, Gauges);
}

impl Handler for Engine {
    fn connected(&mut self, now: Now, slot: Slot, ip: IpAddr, hint: Option<(&str, &str)>, table: &mut Table) {
        self.connected(now, slot, ip, hint, table);
    }

    fn adopt(&mut self, now: Now, slot: Slot, session: Box<MovingSession>, table: &mut Table) {
        self.adopt(now, slot, session, table);
    }

    fn abandon(&mut self, session: Box<MovingSession>, table: &mut Table) {
        session.abandon(|notice| table.notify(notice));
    }

    fn text(&mut self, now: Now, slot: Slot, text: &str, table: &mut Table) {
        self.text(now, slot, text, table);
    }

    fn binary(&mut self, now: Now, slot: Slot, payload: &[u8], table: &mut Table) {
        self.binary(now, slot, payload, table);
    }

    fn oversize(&mut self, now: Now, slot: Slot, form: Form, length: u64, table: &mut Table) {
        self.oversize(now, slot, form, length, table);
    }

    fn alive(&mut self, now: Now, slot: Slot) {
        self.alive(now, slot);
    }

    fn violated(&mut self, now: Now, slot: Slot, violation: Violation, table: &mut Table) {
        let (message, code) = match violation {
            Violation::TooLarge => ("Message too large", ErrorCode::MessageTooLarge),
            Violation::InvalidUtf8 => ("Text message is not valid UTF-8", ErrorCode::InvalidInput),
            Violation::Protocol(what) => (what, ErrorCode::InvalidInput),
        };
        let mut payload = Vec::new();
        ServerMessage::Error {
            message: message.into(),
            error_code: Some(code),
        }
        .write(&mut payload);
        table.send(slot, Form::Text, &payload);
        self.disconnected(now, slot, table);
    }

    fn verdict(&mut self, now: Now, slot: Slot, verdict: Verdict, table: &mut Table) {
        self.verdict(now, slot, verdict, table);
    }

    fn disconnected(&mut self, now: Now, slot: Slot, table: &mut Table) {
        self.disconnected(now, slot, table);
    }

    fn is_waiting(&self, slot: Slot) -> bool {
        self.is_waiting(slot)
    }

    fn tick(&mut self, now: Now, table: &mut Table) {
        self.tick(now, table);
    }

    fn drain(&mut self, now: Now, table: &mut Table) {
        self.drain(now, table);
    }
    fn figures(&self) -> (Counters, Gauges) {
        (self.counters(), self.gauges())
    }
}
