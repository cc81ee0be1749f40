//! TLS on the way between a connection and its socket: handshakes and their budgets (T5), what is received through TLS,
//! what is sealed.

use super::connection::{Head, Hello, Phase, Standing};
use super::mail::Post;
use super::state::Shard;
use crate::http::Refusal;
use crate::protocol::journal::{self, Line};
use crate::slot::Slot;
use crate::transport::{self, Progress, Received, Secure, Sent, Sockets};
use crate::ws::frame_length;
use data_encoding::HEXLOWER;

/// Bytes received from a socket at once on a connection with TLS.
const RECEIVED_BYTES: usize = 32 * 1024;
/// A larger buffer for sealed bytes is not kept.
const SEALED_BYTES_KEPT: usize = 128 * 1024;
/// What a plain client reads at a door with TLS (T8).
const TLS_EXPECTED: &str = "This port speaks TLS: use https:// or wss://.";

impl<S: Sockets, P: Post<S::Socket>> Shard<S, P> {
    /// Whether the listener of a newcomer has TLS: its head then waits for a handshake.
    pub(super) fn hello(&self, is_secure: bool) -> Option<Hello> {
        (is_secure && self.tls.acceptor.is_some()).then(Hello::default)
    }

    /// Goes on with the handshake of a connection in its head. Returns whether there is something to do at once; when the
    /// handshake is over, that is the head.
    pub(super) fn secure(&mut self, slot: Slot) -> bool {
        if self.tls.budget == 0 {
            // Others get their turn first.
            self.run_soon(slot);
            return false;
        }
        let Some(connection) = self.slots.get(slot) else {
            return false;
        };
        if connection.tls.is_some() {
            return self.shake_hands(slot, &[]);
        }
        self.may_shake_hands(slot) && self.begin_handshake(slot)
    }

    /// Whether a handshake may begin. Who has to wait is not read, and holds no place.
    fn may_shake_hands(&mut self, slot: Slot) -> bool {
        let now = self.now.monotonic;
        let Some(connection) = self.slots.get_mut(slot) else {
            return false;
        };
        let Phase::Head(head) = &mut connection.phase else {
            return false;
        };
        if connection.asked.is_some() || !(connection.readable || head.has_hello_input()) {
            return false;
        }
        match head.standing {
            Standing::Held => {
                let at = connection.ticket.as_ref().map(|ticket| ticket.handshake_at());
                let waits = at.filter(|at| *at > now);
                if let Some(hello) = &mut head.hello {
                    hello.waits_until = waits;
                }
                if waits.is_some() {
                    self.arm(slot);
                }
                waits.is_none()
            }
            // A proxy, or the server shuts down.
            Standing::Unknown => true,
            Standing::Refused(_) => {
                let allowed = self.tls.take_refused(now);
                if !allowed {
                    self.counters.handshakes_refused += 1;
                    self.begin_closing(slot, false);
                }
                allowed
            }
        }
    }

    /// The first bytes of a connection with TLS, if they are there.
    fn begin_handshake(&mut self, slot: Slot) -> bool {
        let Some(connection) = self.slots.get_mut(slot) else {
            return false;
        };
        let Phase::Head(head) = &mut connection.phase else {
            return false;
        };
        let mut first = head
            .hello
            .as_mut()
            .map_or_else(Vec::new, |hello| std::mem::take(&mut hello.input));
        if first.is_empty() {
            self.tls.received.resize(RECEIVED_BYTES, 0);
            self.counters.receives += 1;
            match self.sockets.receive(slot, &mut self.tls.received) {
                Received::Bytes(count) => {
                    connection.readable = count == RECEIVED_BYTES || connection.ended;
                    first = self.tls.received[..count].to_vec();
                }
                Received::Nothing => {
                    connection.readable = false;
                    return false;
                }
                Received::Ended => {
                    self.begin_closing(slot, true);
                    return false;
                }
                Received::Lost => {
                    self.release(slot);
                    return false;
                }
            }
        }
        head.hello = None;
        if !first.first().copied().is_some_and(transport::begins_record) {
            self.counters.handshakes_plain += 1;
            self.refuse(slot, Refusal::Malformed(TLS_EXPECTED));
            return false;
        }
        let Some(secure) = self.tls.acceptor.as_ref().and_then(Secure::accept) else {
            self.release(slot);
            return false;
        };
        connection.tls = Some(Box::new(secure));
        let Self { tls, slots, .. } = self;
        let gives_way = tls.under_way.add(slot, 0, |slot, _| {
            slots.get(slot).is_some_and(|connection| connection.is_shaking_hands())
        });
        if let Some(oldest) = gives_way {
            self.counters.handshakes_displaced += 1;
            self.release(oldest);
        }
        self.shake_hands(slot, &first)
    }

    /// Receives once, unless there are bytes already, and goes on with the handshake.
    fn shake_hands(&mut self, slot: Slot, first: &[u8]) -> bool {
        let Some(connection) = self.slots.get_mut(slot) else {
            return false;
        };
        let Some(secure) = &mut connection.tls else {
            return false;
        };
        let progress = if first.is_empty() {
            if !connection.readable {
                return false;
            }
            self.tls.received.resize(RECEIVED_BYTES, 0);
            self.counters.receives += 1;
            match self.sockets.receive(slot, &mut self.tls.received) {
                Received::Bytes(count) => {
                    connection.readable = count == RECEIVED_BYTES || connection.ended;
                    secure.shake_hands(&self.tls.received[..count])
                }
                Received::Nothing => {
                    connection.readable = false;
                    return false;
                }
                Received::Ended => {
                    self.counters.handshakes_failed += 1;
                    self.begin_closing(slot, true);
                    return false;
                }
                Received::Lost => {
                    self.counters.handshakes_failed += 1;
                    self.release(slot);
                    return false;
                }
            }
        } else {
            secure.shake_hands(first)
        };
        if secure.has_output() {
            self.due.push_back(slot);
        }
        let acceptor = self.tls.acceptor.as_ref();
        let (cost, finish) = acceptor.map_or((0, 0), |acceptor| (acceptor.cost(), acceptor.finish_cost()));
        match progress {
            Progress::Partial { worked } => {
                if worked {
                    self.tls.spend(cost);
                }
            }
            Progress::Done => {
                connection.readable |= secure.has_input();
                self.tls.spend(finish);
                let counters = &mut self.counters;
                counters.handshakes_resumed += u64::from(secure.is_resumed());
                if secure.is_tls13() {
                    counters.handshakes_tls13 += 1;
                } else {
                    counters.handshakes_tls12 += 1;
                }
                self.log_certificate(slot);
            }
            Progress::Failed => {
                self.tls.spend(cost);
                self.counters.handshakes_failed += 1;
                self.begin_closing(slot, false);
                return false;
            }
        }
        true
    }

    /// Says which certificate the client showed, if it did.
    #[cold]
    fn log_certificate(&self, slot: Slot) {
        if journal::is_on()
            && let Some(connection) = self.slots.get(slot)
            && let Some(digest) = connection.tls.as_ref().and_then(|secure| secure.fingerprint())
        {
            Line {
                shard: self.index,
                slot: Some(slot),
                address: match &connection.phase {
                    Phase::Head(head) => Some(head.peer),
                    _ => None,
                },
                certificate: Some(&HEXLOWER.encode(&digest)),
                ..Line::default()
            }
            .log("a certificate was shown");
        }
    }

    /// How many handshakes are under way.
    pub(super) fn handshakes_under_way(&self) -> usize {
        self.tls.under_way.count(|slot, _| {
            self.slots
                .get(slot)
                .is_some_and(|connection| connection.is_shaking_hands())
        })
    }

    // ----- after the handshake

    /// Receives what a connection with TLS was sent, as plaintext. `max`: at most so many bytes, which are put into the
    /// buffer of the shard.
    #[inline(never)]
    pub(super) fn receive_secure(&mut self, slot: Slot, buffer: &mut [u8]) -> transport::Taken {
        let Some(connection) = self.slots.get_mut(slot) else {
            return transport::Taken::lost();
        };
        let ended = connection.ended;
        let Some(secure) = &mut connection.tls else {
            return transport::Taken::lost();
        };
        self.tls.received.resize(RECEIVED_BYTES, 0);
        let (sockets, counters) = (&mut self.sockets, &mut self.counters);
        let mut raw = |scratch: &mut [u8]| {
            counters.receives += 1;
            sockets.receive(slot, scratch)
        };
        let taken = secure.receive(&mut raw, &mut self.tls.received, buffer, ended);
        if secure.has_output() && !connection.blocked {
            // An alert, or the answer to a change of keys.
            self.due.push_back(slot);
        }
        taken
    }

    /// Whether a connection has something to send: in its outbox, or sealed.
    pub(super) fn has_output(&self, slot: Slot) -> bool {
        !self.effects.outboxes.unsent(slot).is_empty()
            || self
                .slots
                .get(slot)
                .and_then(|connection| connection.tls.as_ref())
                .is_some_and(|secure| secure.has_output())
    }

    /// As `send_once` for a connection with TLS: what is sealed goes first, then a part of the outbox is sealed and sent. What
    /// the socket does not take of it is kept, and left the outbox all the same.
    #[inline(never)]
    pub(super) fn send_secure(&mut self, slot: Slot) -> Sent {
        let Some(connection) = self.slots.get_mut(slot) else {
            return Sent::Lost;
        };
        let Some(secure) = &mut connection.tls else {
            return Sent::Lost;
        };
        while !secure.unsent().is_empty() {
            self.counters.sends += 1;
            match self.sockets.send(slot, secure.unsent()) {
                Sent::Bytes(count) => {
                    self.counters.bytes_out += count as u64;
                    secure.advance(count);
                }
                Sent::Blocked => {
                    connection.blocked = true;
                    return Sent::Blocked;
                }
                Sent::Lost => return Sent::Lost,
            }
        }
        let unsent = self.effects.outboxes.unsent(slot);
        let plaintext = if self.options.batching {
            unsent
        } else {
            &unsent[..frame_length(unsent).min(unsent.len())]
        };
        let mut sealed = std::mem::take(&mut self.tls.sealed);
        sealed.clear();
        let taken = secure.seal(plaintext, &mut sealed);
        let mut sent = 0;
        let mut outcome = Sent::Bytes(taken);
        while sent < sealed.len() {
            self.counters.sends += 1;
            match self.sockets.send(slot, &sealed[sent..]) {
                Sent::Bytes(count) => {
                    self.counters.bytes_out += count as u64;
                    sent += count;
                }
                Sent::Blocked => {
                    connection.blocked = true;
                    secure.keep(&sealed[sent..]);
                    break;
                }
                Sent::Lost => {
                    outcome = Sent::Lost;
                    break;
                }
            }
        }
        if sealed.capacity() <= SEALED_BYTES_KEPT {
            self.tls.sealed = sealed;
        }
        if taken > 0 {
            self.effects.outboxes.advance(slot, taken);
        }
        outcome
    }

    /// Sends what a connection with TLS has, until the socket takes no more. Returns whether everything was sent.
    #[inline(never)]
    pub(super) fn flush_secure(&mut self, slot: Slot) -> bool {
        while self.has_output(slot) {
            match self.send_secure(slot) {
                Sent::Bytes(_) if self.slots.get(slot).is_some_and(|connection| connection.blocked) => return false,
                // During a handshake nothing of the outbox can be sealed.
                Sent::Bytes(0) => return true,
                Sent::Bytes(_) => {}
                Sent::Blocked => return false,
                Sent::Lost => {
                    self.output_lost(slot);
                    return false;
                }
            }
        }
        true
    }

    /// The last words of a connection that gets no slot, as they have to be sent.
    pub(super) fn sealed_words(secure: Option<Box<Secure>>, last: &[u8]) -> Vec<u8> {
        let Some(mut secure) = secure else { return last.to_vec() };
        let mut words = secure.unsent().to_vec();
        let mut rest = last;
        while !rest.is_empty() {
            let taken = secure.seal(rest, &mut words);
            if taken == 0 {
                break;
            }
            rest = &rest[taken..];
        }
        secure.close();
        secure.seal(&[], &mut words);
        words
    }

    /// A connection whose handshake is not over can be told nothing.
    pub(super) fn cannot_be_told(&self, slot: Slot) -> bool {
        self.slots.get(slot).is_some_and(|connection| match &connection.phase {
            Phase::Head(head) => head.hello.is_some() || connection.is_shaking_hands(),
            _ => false,
        })
    }
}

impl Head {
    /// Whether bytes of the handshake came with the PROXY protocol header.
    fn has_hello_input(&self) -> bool {
        self.hello.as_ref().is_some_and(|hello| !hello.input.is_empty())
    }
}
