use signal_fish_core::protocol::signal_fish::MovingSession;
use signal_fish_core::ws::Decoder;
use std::os::fd::OwnedFd;

/// A live connection on its way to the shard that owns its room. No byte of it stays behind: what was read and not yet
/// handled, what was produced and not yet sent, and the state of the codec travel with the socket.
#[derive(Debug)]
pub struct Handoff {
    pub(crate) socket: OwnedFd,
    pub(crate) decoder: Decoder,
    /// Bytes received and not yet decoded.
    pub(crate) unread: Vec<u8>,
    /// Bytes encoded and not yet sent.
    pub(crate) unsent: Vec<u8>,
    pub(crate) session: Box<MovingSession>,
}
