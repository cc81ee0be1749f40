//! What the connections of a shard share for TLS, and the budgets of its handshakes (T5).

use super::yielding::Yielding;
use crate::transport::Acceptor;
use std::time::Duration;

/// Handshakes under way at a time.
const HANDSHAKES_MAX: usize = 64;
/// Work on handshakes in a turn, in microseconds. One that is begun may take more.
const HANDSHAKE_MICROS_PER_TURN: u32 = 500;
/// Handshakes of clients that get no ticket, at once and per second: they are told why (D27), if there are not too many.
const REFUSED_HANDSHAKES: (u32, u32) = (64, 32);

/// What the connections of a shard share for TLS.
#[derive(Debug)]
pub(super) struct Tls {
    pub(super) acceptor: Option<Acceptor>,
    /// Ciphertext that was received. It has no memory before the first connection with TLS.
    pub(super) received: Vec<u8>,
    /// Ciphertext that is about to be sent.
    pub(super) sealed: Vec<u8>,
    /// Work on handshakes that this turn may still do, in microseconds.
    pub(super) budget: u32,
    pub(super) under_way: Yielding,
    /// Until when handshakes with refused clients are paid for.
    refused: Duration,
}

impl Tls {
    pub(super) fn new(acceptor: Option<Acceptor>) -> Self {
        Self {
            acceptor,
            received: Vec::new(),
            sealed: Vec::new(),
            budget: 0,
            under_way: Yielding::new(HANDSHAKES_MAX),
            refused: Duration::ZERO,
        }
    }

    /// An operator changed the certificate. Connections keep theirs.
    pub(super) fn reload(&mut self, acceptor: Option<Acceptor>) {
        self.acceptor = acceptor;
    }

    /// A turn begins.
    pub(super) fn turn(&mut self) {
        self.budget = HANDSHAKE_MICROS_PER_TURN;
    }

    pub(super) fn spend(&mut self, micros: u32) {
        self.budget = self.budget.saturating_sub(micros);
    }

    /// Whether a client that gets no ticket may shake hands now, to be told so.
    pub(super) fn take_refused(&mut self, now: Duration) -> bool {
        let (burst, rate) = REFUSED_HANDSHAKES;
        let price = Duration::from_secs(1) / rate;
        let until = self.refused.max(now).saturating_add(price);
        let allowed = until.saturating_sub(now) <= price * burst;
        if allowed {
            self.refused = until;
        }
        allowed
    }
}
