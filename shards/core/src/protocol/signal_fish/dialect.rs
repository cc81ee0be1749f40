//! The wire forms of Signal Fish. They differ in game data only: all other messages are JSON text in both.

use crate::room::Dialect;

/// Everything is JSON text.
pub const JSON: Dialect = Dialect(0);

/// Game data that was sent as MessagePack arrives as such (protocol 2.9).
pub const MESSAGE_PACK: Dialect = Dialect(1);
