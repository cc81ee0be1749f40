//! A shard: everything it owns. What it does with it stands in the files beside this one, by topic.

use super::connection::Phase;
use super::debts::Prices;
use super::handshakes::Tls;
use super::mail::{Post, Reload, Request};
use super::meter::{Forwarded, Meter};
use super::options::Options;
use super::refused::RefusedAddresses;
use super::report::{Counters, Figures, Report};
use super::slots::Slots;
use super::wheel::Wheel;
use super::yielding::Yielding;
use crate::Now;
use crate::admission::Notice;
use crate::effects::{Bounds, Cx, Effect, Effects};
use crate::entry::{Routing, draw_hashing};
use crate::http::Sites;
use crate::protocol::matchbox::Matchbox;
use crate::protocol::relay::Relay;
use crate::protocol::signal_fish::SignalFish;
use crate::protocol::{Protocol, Protocols, Settings};
use crate::slot::{ListenerIndex, ShardIndex, Slot};
use crate::transport::{Acceptor, Sockets};
use rand::Rng;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Bytes received at once, shared by all connections of a shard.
const BUFFER_BYTES: usize = 64 * 1024;

/// Everything a shard needs to start.
pub struct Plan {
    /// Its index.
    pub index: ShardIndex,
    /// What operators set about the protocols.
    pub settings: Settings,
    /// What its listeners serve over HTTP.
    pub sites: Arc<Sites<Protocol>>,
    /// Its bounds.
    pub options: Options,
    /// What its listeners make TLS sessions from, where their sites say that they have TLS.
    pub tls: Option<Acceptor>,
    /// Which shard owns which room.
    pub routing: Routing,
    /// Fit for secrets: it makes ids, room codes and reconnection tokens.
    pub random: Box<dyn Rng + Send>,
}

/// One shard: its sockets, connections, sessions and rooms. It does something only in [`Shard::turn`].
pub struct Shard<S: Sockets, P: Post<S::Socket>> {
    pub(super) index: ShardIndex,
    pub(super) now: Now,
    pub(super) options: Options,
    pub(super) sites: Arc<Sites<Protocol>>,
    pub(super) sockets: S,
    pub(super) post: P,
    pub(super) protocols: Protocols,
    pub(super) effects: Effects,
    pub(super) prices: Prices,
    /// The queue of effects while they are carried out.
    pub(super) carried_out: Vec<Effect>,
    pub(super) slots: Slots,
    pub(super) wheel: Wheel,
    /// Connections that have something to do, in order.
    pub(super) run: VecDeque<Slot>,
    /// Connections with output to send, in order.
    pub(super) due: VecDeque<Slot>,
    /// Connections that move when the event that made them move is handled.
    pub(super) leaving: Vec<(Slot, ShardIndex)>,
    /// What a connection receives into.
    pub(super) buffer: Vec<u8>,
    /// Places whose deadlines have come.
    pub(super) fired: Vec<u32>,
    /// Addresses that get no ticket for the moment.
    pub(super) refused: RefusedAddresses,
    /// Shards that hold far more connections than the others, as the last verdict told (D44).
    pub(super) crowded: Arc<[ShardIndex]>,
    /// Connections without a ticket whose request is waited for, to tell them why.
    pub(super) refused_heads: Yielding,
    /// Connections of trusted proxies without a complete head.
    pub(super) proxy_heads: Yielding,
    /// Kept-alive HTTP connections without a request.
    pub(super) idle_heads: Yielding,
    /// Listeners in whose queues somebody waits, oldest first.
    pub(super) newcomers: VecDeque<ListenerIndex>,
    pub(super) accepting: bool,
    /// No descriptor was left: nobody is accepted until then.
    pub(super) accept_again_at: Option<Duration>,
    /// There may be more mail.
    pub(super) mail_left: bool,
    /// The server shuts down: when the last connections are ended.
    pub(super) drain_deadline: Option<Duration>,
    /// Places that the drain has gone through; `None` when it has been at all of them, or there is none.
    pub(super) drained: Option<u32>,
    pub(super) has_ended: bool,
    /// When the next report is sent; `None` while nothing has happened since the last one.
    pub(super) report_at: Option<Duration>,
    pub(super) counters: Counters,
    pub(super) tls: Tls,
    pub(super) meter: Meter,
    /// Messages for others that had been read when the turn began.
    pub(super) forwarded: Forwarded,
    /// Connections that get a stream; some may have ended.
    pub(super) streams: Vec<Slot>,
    /// Connections that are not read until they have paid.
    pub(super) paying: usize,
}

impl<S: Sockets, P: Post<S::Socket>> Shard<S, P> {
    /// A shard that serves nobody yet.
    #[must_use]
    pub fn new(plan: Plan, sockets: S, post: P) -> Self {
        let Plan {
            index,
            settings,
            sites,
            options,
            tls,
            routing,
            mut random,
        } = plan;
        let hashing = draw_hashing(&mut *random);
        let eighth = (options.slots_max / 8).max(1);
        let ticketless = (options.ticketless_max / 2).max(1);
        Self {
            index,
            now: Now::default(),
            newcomers: sites.listeners().collect(),
            sites,
            sockets,
            post,
            protocols: Protocols::new(settings, index, &routing, random),
            effects: Effects::new(Bounds {
                bytes_max: options.outbound_bytes_max,
                total_bytes_max: options.outbound_total_bytes_max,
            }),
            prices: Prices::new(&options),
            carried_out: Vec::new(),
            slots: Slots::default(),
            wheel: Wheel::new(Duration::ZERO),
            run: VecDeque::new(),
            due: VecDeque::new(),
            leaving: Vec::new(),
            buffer: vec![0; BUFFER_BYTES],
            fired: Vec::new(),
            refused: RefusedAddresses::new(hashing),
            crowded: Arc::default(),
            refused_heads: Yielding::new(ticketless),
            proxy_heads: Yielding::new(eighth),
            idle_heads: Yielding::new(ticketless),
            accepting: true,
            accept_again_at: None,
            mail_left: true,
            drain_deadline: None,
            drained: None,
            has_ended: false,
            report_at: None,
            counters: Counters::default(),
            tls: Tls::new(tls),
            meter: Meter::default(),
            forwarded: Forwarded::default(),
            streams: Vec::new(),
            paying: 0,
            options,
        }
    }

    /// Its sockets.
    pub fn sockets(&mut self) -> &mut S {
        &mut self.sockets
    }

    /// Its post.
    pub fn post(&mut self) -> &mut P {
        &mut self.post
    }

    /// Signal Fish, as this shard knows it.
    #[must_use]
    pub fn signal_fish(&self) -> &SignalFish {
        &self.protocols.signal_fish
    }

    /// Matchbox, as this shard knows it.
    #[must_use]
    pub fn matchbox(&self) -> &Matchbox {
        &self.protocols.matchbox
    }

    /// The room relay, as this shard knows it.
    #[must_use]
    pub fn relay(&self) -> &Relay {
        &self.protocols.relay
    }

    /// Bytes that wait to be sent, for all connections and for one.
    #[must_use]
    pub fn unsent(&self, slot: Slot) -> (usize, usize) {
        let outboxes = &self.effects.outboxes;
        (outboxes.held(), outboxes.unsent(slot).len())
    }

    /// What it counted, and what is there now.
    #[must_use]
    pub fn report(&self) -> Report {
        Report {
            shard: self.index,
            connections: self.slots.live(),
            outbox_bytes: self.effects.outboxes.held(),
            handshakes: self.handshakes_under_way(),
            counters: Counters {
                messages_out: self.effects.outboxes.messages(),
                closes: self.effects.closes,
                ..self.counters
            },
            signal_fish: self.protocols.signal_fish.counters(),
            gauges: self.protocols.signal_fish.gauges(),
            relay: (*self.protocols.relay.counters(), self.protocols.relay.gauges()),
            matchbox: (self.protocols.matchbox.counters(), self.protocols.matchbox.gauges()),
        }
    }

    /// Everything that it counted and measured, and what is there now.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let Meter {
            turns,
            relays,
            fanouts,
            joins,
            ..
        } = self.meter.clone();
        let is_open = |slot: &&Slot| {
            let connection = self.slots.get(**slot);
            connection.is_some_and(|connection| matches!(connection.phase, Phase::Stream(_)))
        };
        Figures {
            report: self.report(),
            streams: self.streams.iter().filter(is_open).count(),
            paying: self.paying,
            turns,
            relays,
            fanouts,
            joins,
        }
    }

    /// Senders that are not read at the moment because of what they owe (D42).
    #[must_use]
    pub fn paying(&self) -> usize {
        self.paying
    }

    /// What it counted.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// An operator changed something. It holds for what comes; who is there stays.
    pub(super) fn reload(&mut self, reload: &Reload) {
        self.sites = Arc::clone(&reload.sites);
        self.protocols.reload(&reload.settings);
        self.tls.reload(reload.tls.clone());
    }

    pub(super) fn is_draining(&self) -> bool {
        self.drain_deadline.is_some()
    }

    /// Lets a connection have its turn. Whatever ends a pause calls this.
    pub(super) fn run_soon(&mut self, slot: Slot) {
        if let Some(connection) = self.slots.get_mut(slot)
            && !std::mem::replace(&mut connection.queued, true)
        {
            self.run.push_back(slot);
        }
    }

    /// The protocol that an open connection speaks.
    pub(super) fn open_protocol(&self, slot: Slot) -> Option<Protocol> {
        match self.slots.get(slot)?.phase {
            Phase::Open(protocol) => Some(protocol),
            _ => None,
        }
    }

    /// Calls the protocols with a context of this connection, and carries out what they want done.
    pub(super) fn with_protocols(&mut self, slot: Slot, call: impl FnOnce(&mut Protocols, &mut Cx<'_>)) {
        let mut cx = Cx::new(self.now, slot, &mut self.effects);
        call(&mut self.protocols, &mut cx);
        self.settle();
    }

    pub(super) fn notify(&mut self, notice: Notice) {
        self.post.request(Request::Notice(notice));
    }
}

impl<S: Sockets, P: Post<S::Socket>> fmt::Debug for Shard<S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shard")
            .field("index", &self.index)
            .field("connections", &self.slots.live())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan")
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}
