//! What a shard counts.

use super::meter::Latency;
use crate::effects::Closes;
use crate::protocol::{matchbox, relay, signal_fish};
use crate::slot::ShardIndex;

/// Figures of one shard.
#[derive(Debug, Clone)]
pub struct Report {
    /// Which shard.
    pub shard: ShardIndex,
    /// Connections in whatever phase.
    pub connections: usize,
    /// Bytes that wait to be sent, of all connections.
    pub outbox_bytes: usize,
    /// TLS handshakes under way.
    pub handshakes: usize,
    /// What the shard counted.
    pub counters: Counters,
    /// What Signal Fish counted.
    pub signal_fish: signal_fish::Counters,
    /// What Signal Fish holds.
    pub gauges: signal_fish::Gauges,
    /// What matchbox counted and holds.
    pub matchbox: (matchbox::Counters, matchbox::Gauges),
    /// What the room relay counted and holds.
    pub relay: (relay::Counters, relay::Gauges),
}

/// What a shard tells the desk: its [`Report`], and what is too large to be told every second.
#[derive(Debug, Clone)]
pub struct Figures {
    /// The report of this moment.
    pub report: Report,
    /// Streams that are open.
    pub streams: usize,
    /// Senders that are not read at the moment because they caused too much (D42).
    pub paying: usize,
    /// Turns: from the beginning to the end.
    pub turns: Latency,
    /// Game data: from the beginning of the turn that read it to the end of the turn that sent it last.
    pub relays: Latency,
    /// Messages of the room relay: the same.
    pub fanouts: Latency,
    /// Joins: from the turn that read the message to the end of the turn that sent the answer.
    pub joins: Latency,
}

/// What a shard counted since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Connections accepted from the listener.
    pub accepted: u64,
    /// Newcomers refused because no slot was free.
    pub newcomers_refused: u64,
    /// Times that no descriptor or memory was left for a newcomer.
    pub accepts_exhausted: u64,
    /// Connections taken over from other shards.
    pub moves_in: u64,
    /// Connections moved to other shards.
    pub moves_out: u64,
    /// Connections closed with 1013 because they could not move: no slot here, or a full mailbox there.
    pub moves_failed: u64,
    /// Hints in URLs that were ignored because the shard of the room holds far more connections than the others (D44).
    pub hints_ignored: u64,
    /// Connections that got no ticket.
    pub tickets_refused: u64,
    /// Those of them for which admission was not asked, because their address was refused a moment ago.
    pub tickets_refused_unasked: u64,
    /// Connections that sent no HTTP request that could be served, or none in time.
    pub heads_refused: u64,
    /// Slow consumers closed with 1013 (D26).
    pub closed_slow: u64,
    /// Connections closed for silence (D24).
    pub closed_silent: u64,
    /// Connections closed because a message was not complete in time (D24).
    pub closed_incomplete: u64,
    /// Times that a sender was not read because it had caused too much (D42).
    pub senders_paused: u64,
    /// TLS handshakes that ended well, with TLS 1.2.
    pub handshakes_tls12: u64,
    /// The same with TLS 1.3.
    pub handshakes_tls13: u64,
    /// Those of both that resumed an earlier session.
    pub handshakes_resumed: u64,
    /// Handshakes that failed: no common protocol, no valid certificate, too much input, nonsense, or the end.
    pub handshakes_failed: u64,
    /// Handshakes that were not over in time, those that did not begin included (T5).
    pub handshakes_expired: u64,
    /// Handshakes that gave way to a later one (T5).
    pub handshakes_displaced: u64,
    /// Connections without a ticket that were closed before their handshake, because there were too many like them.
    pub handshakes_refused: u64,
    /// Plain connections at a door with TLS (T8).
    pub handshakes_plain: u64,
    /// Questions put to admission.
    pub asks: u64,
    /// Questions that admission answered with no.
    pub refusals: u64,
    /// Messages appended to outboxes.
    pub messages_out: u64,
    /// Bytes sent.
    pub bytes_out: u64,
    /// Calls of receive.
    pub receives: u64,
    /// Calls of send.
    pub sends: u64,
    /// Turns.
    pub turns: u64,
    /// Requests that went to the desk.
    pub inquiries: u64,
    /// Requests that the desk had no time for.
    pub inquiries_refused: u64,
    /// Requests for which the desk was waited for in vain.
    pub inquiries_unanswered: u64,
    /// Streams begun.
    pub streams: u64,
    /// Streams closed because nobody read them.
    pub closed_unread_streams: u64,
    /// WebSocket connections that ended.
    pub closes: Closes,
}
