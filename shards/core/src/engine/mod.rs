//! The engine of one shard: sessions, rooms and the rules between them, without IO.
//!
//! The runtime calls one method per event; what the engine wants done goes to [`Effects`].
//!
//! # The contract with the runtime
//! * A [`Slot`] names one connection on this shard; a slot that was given up is never named again (its generation moves on).
//! * After [`Effects::close`] or [`Effects::hand_off`] the engine has forgotten the session: the runtime delivers no more
//!   of its frames, and [`Engine::disconnected`] for it does nothing.
//! * After [`Effects::ask`] the session is *waiting*: the runtime delivers none of its frames until it has delivered the
//!   [`Verdict`] with [`Engine::verdict`]. If the connection dies meanwhile, `disconnected` comes first and the verdict
//!   is still delivered, so that what it grants is given back.
//! * Effects are carried out in the order in which they were emitted.

mod settings;

pub use settings::{App, SdkCompatibility, Settings};

use crate::Now;
use crate::admission::{Ask, Notice, Verdict};

/// One connection on one shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot {
    /// Place in the shard's table.
    pub index: u32,
    /// How often the place was given to another connection before.
    pub generation: u32,
}

/// A shard, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShardIndex(pub u16);

/// Form of an outbound message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A WebSocket text message.
    Text,
    /// A WebSocket binary message.
    Binary,
}

/// Close codes that the engine uses (D9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// 1001: the server drains.
    Drain,
    /// 1008: policy; the reason text is sent in the close frame.
    Policy(&'static str),
}

/// What the engine wants done.
pub trait Effects {
    /// Append one message to the outbox of `to`. The same payload goes to every recipient of a broadcast.
    fn send(&mut self, to: Slot, form: Form, payload: &[u8]);
    /// Send a WebSocket ping (D24).
    fn ping(&mut self, slot: Slot);
    /// Flush the outbox, send a close frame, end the connection.
    fn close(&mut self, slot: Slot, reason: CloseReason);
    /// Put a question to admission on behalf of `slot`.
    fn ask(&mut self, slot: Slot, ask: Ask);
    /// Give something back to admission.
    fn notify(&mut self, notice: Notice);
    /// Move the connection to another shard, which goes on with [`Engine::adopt`].
    fn hand_off(&mut self, slot: Slot, to: ShardIndex, session: Box<MovingSession>);
}

/// A session on its way to another shard, with the message that made it move.
#[derive(Debug)]
pub struct MovingSession {}

/// Sessions and rooms of one shard.
#[derive(Debug)]
pub struct Engine {}

impl Engine {
    /// A WebSocket connection was upgraded; admission is asked for its ticket first.
    ///
    /// `hint` is `(game_name, room_code)` of the URL: the session may be handed off to the shard of that room at once.
    pub fn connected<E: Effects>(
        &mut self,
        now: Now,
        slot: Slot,
        ip: std::net::IpAddr,
        hint: Option<(&str, &str)>,
        fx: &mut E,
    ) {
        let _ = (now, slot, ip, hint, fx);
    }

    /// A connection arrived from another shard.
    pub fn adopt<E: Effects>(&mut self, now: Now, slot: Slot, session: Box<MovingSession>, fx: &mut E) {
        let _ = (now, slot, session, fx);
    }

    /// A complete text message within the size limit.
    pub fn text<E: Effects>(&mut self, now: Now, slot: Slot, text: &str, fx: &mut E) {
        let _ = (now, slot, text, fx);
    }

    /// A complete binary message within the size limit.
    pub fn binary<E: Effects>(&mut self, now: Now, slot: Slot, payload: &[u8], fx: &mut E) {
        let _ = (now, slot, payload, fx);
    }

    /// A message of `length` bytes over `security.max_message_size` was discarded (D10).
    pub fn oversize<E: Effects>(&mut self, now: Now, slot: Slot, form: Form, length: u64, fx: &mut E) {
        let _ = (now, slot, form, length, fx);
    }

    /// Any other frame arrived: it counts as life (D24).
    pub fn alive(&mut self, now: Now, slot: Slot) {
        let _ = (now, slot);
    }

    /// Admission answered.
    pub fn verdict<E: Effects>(&mut self, now: Now, slot: Slot, verdict: Verdict, fx: &mut E) {
        let _ = (now, slot, verdict, fx);
    }

    /// The connection ended without the engine's doing.
    pub fn disconnected<E: Effects>(&mut self, now: Now, slot: Slot, fx: &mut E) {
        let _ = (now, slot, fx);
    }

    /// Time passes: deadlines, pings, sweeps. Called about four times a second.
    pub fn tick<E: Effects>(&mut self, now: Now, fx: &mut E) {
        let _ = (now, fx);
    }

    /// The server shuts down: every session is closed with [`CloseReason::Drain`].
    pub fn drain<E: Effects>(&mut self, now: Now, fx: &mut E) {
        let _ = (now, fx);
    }
}
