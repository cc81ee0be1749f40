//! Questions of the process itself.

use crossbeam_channel::Sender;
use signal_fish_core::ShardIndex;
use signal_fish_core::room::{RoomPage, RoomQuery};

/// What the process asks, and who waits for the answer.
#[derive(Debug)]
pub(crate) enum Local {
    /// Whether every shard, the control plane and the desk answer.
    Alive(Sender<bool>),
    /// Everything that is measured, as JSON.
    Metrics(Sender<String>),
    /// Some rooms of a shard. Nothing if it does not answer.
    Rooms(ShardIndex, RoomQuery, Sender<Option<RoomPage>>),
}
