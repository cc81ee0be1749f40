//! A connection that speaks HTTP: requests are read and answered one after the other, until one of them is an upgrade.

use super::connection::{Head, Phase, Rest, Standing};
use super::mail::{Cause, Post, Told};
use super::moving::Stage;
use super::newcomers::LAST_HEADS;
use super::state::Shard;
use super::turn::{REQUESTS_PER_TURN_MAX, UNREAD_ANSWERS_MAX};
use crate::admission::{Notice, Refusal, Ticket};
use crate::entry::Denied;
use crate::http::{self, DeskAnswer, Next, Read, Upgrade};
use crate::protocol::{Opening, Protocol, Trouble, journal};
use crate::slot::Slot;
use crate::transport::{Received, Sockets, Taken};
use std::net::IpAddr;
use std::sync::Arc;

impl<S: Sockets, P: Post<S::Socket>> Shard<S, P> {
    /// Reads and answers until there is nothing to read, an answer has to wait, or the connection speaks HTTP no more.
    pub(super) fn serve_head(&mut self, slot: Slot) {
        let mut requests = REQUESTS_PER_TURN_MAX;
        while let Some((asked, head)) = self.head(slot) {
            let waits_for_proxy = head.conversation.awaits_introduction();
            if !waits_for_proxy && self.cannot_be_told(slot) {
                if !self.secure(slot) {
                    return;
                }
                continue;
            }
            let unread = self.effects.outboxes.unsent(slot).len();
            let Some((_, head)) = self.head(slot) else { return };
            match head.conversation.read() {
                Read::Partial => {
                    if !self.receive_head(slot) {
                        return;
                    }
                }
                Read::Introduced(client) => self.introduce(slot, client),
                // The answer of the desk runs it again.
                Read::AtDesk => return,
                // Its answer waits for the verdict, which runs the connection again.
                Read::Complete if asked => return,
                // Whoever asks for pages and does not read them gets no more of them. The flush runs the connection again.
                Read::Complete if unread >= UNREAD_ANSWERS_MAX => return,
                Read::Complete if requests == 0 => return self.run_soon(slot),
                Read::Complete => {
                    requests -= 1;
                    if !self.answer(slot) {
                        return;
                    }
                }
                // Nothing is said in plain where TLS has to come.
                Read::Refused(_) if head.hello.is_some() => return self.begin_closing(slot, false),
                Read::Refused(refusal) => return self.refuse(slot, refusal),
            }
        }
    }

    pub(super) fn head(&mut self, slot: Slot) -> Option<(bool, &mut Head)> {
        let connection = self.slots.get_mut(slot)?;
        let asked = connection.asked.is_some();
        match &mut connection.phase {
            Phase::Head(head) => Some((asked, head)),
            _ => None,
        }
    }

    /// Receives once. Returns whether there may be a request now.
    fn receive_head(&mut self, slot: Slot) -> bool {
        let Some(connection) = self.slots.get_mut(slot).filter(|connection| connection.readable) else {
            return false;
        };
        let Phase::Head(head) = &mut connection.phase else {
            return false;
        };
        let room = head.conversation.room().min(self.buffer.len());
        let mut buffer = std::mem::take(&mut self.buffer);
        let taken = self.receive_input(slot, &mut buffer[..room]);
        let goes_on = self.take_head(slot, taken, &buffer[..room]);
        self.buffer = buffer;
        goes_on
    }

    /// Handles what was received of a head. Returns whether there may be a request now.
    fn take_head(&mut self, slot: Slot, taken: Taken, buffer: &[u8]) -> bool {
        let now = self.now.monotonic;
        let Some(connection) = self.slots.get_mut(slot) else {
            return false;
        };
        let Phase::Head(head) = &mut connection.phase else {
            return false;
        };
        match taken.received {
            Received::Bytes(received) => {
                // What comes later is an edge of its own, but for an end that came before.
                connection.readable = taken.more || connection.ended;
                let was_idle = head.conversation.is_idle();
                let is_first = head.conversation.answered() == 0;
                head.conversation.push(&buffer[..received]);
                if was_idle {
                    let peer = head.peer;
                    let until = now.saturating_add(self.options.head_timeout);
                    // Of the first request it is the time from accept on that counts.
                    head.deadline = if is_first { head.deadline.min(until) } else { until };
                    self.request_begins(slot, peer);
                }
                true
            }
            Received::Nothing => {
                connection.readable = taken.more;
                if taken.more {
                    self.run_soon(slot);
                }
                false
            }
            Received::Ended => {
                self.begin_closing(slot, true);
                false
            }
            Received::Lost => {
                self.release(slot);
                false
            }
        }
    }

    /// The PROXY protocol header came. The client that it names is the peer from now on (D23).
    fn introduce(&mut self, slot: Slot, client: Option<IpAddr>) {
        let draining = self.is_draining();
        let Some(client) = client else { return };
        let Some((_, head)) = self.head(slot) else { return };
        head.peer = client;
        if let Some(hello) = &mut head.hello {
            hello.input = head.conversation.take_rest();
        }
        // Another proxy names its client in the head.
        let listener = head.listener;
        if !draining && !self.sites.of(listener).trusted_proxies.trusts(client) {
            self.ask_for_ticket(slot, client);
        }
    }

    /// The first bytes of a request came. A kept-alive connection that gave its ticket back needs one again.
    fn request_begins(&mut self, slot: Slot, peer: IpAddr) {
        self.arm(slot);
        let Some((asked, head)) = self.head(slot) else { return };
        let (is_first, has_ticket) = (
            head.conversation.answered() == 0,
            !matches!(head.standing, Standing::Unknown),
        );
        let listener = head.listener;
        if asked || has_ticket || self.is_draining() {
            return;
        }
        if !self.sites.of(listener).trusted_proxies.trusts(peer.to_canonical()) {
            self.ask_for_ticket(slot, peer);
        } else if !is_first {
            self.add_proxy_head(slot);
        }
    }

    /// Answers the request that is complete. Returns whether the next one may be looked at.
    fn answer(&mut self, slot: Slot) -> bool {
        let draining = self.is_draining();
        let sites = Arc::clone(&self.sites);
        let tls = self.slots.get(slot).and_then(|connection| connection.tls.as_ref());
        let certificate = tls.and_then(|tls| tls.fingerprint());
        let Some((_, head)) = self.head(slot) else { return false };
        let (peer, site) = (head.peer, sites.of(head.listener));
        if matches!(head.standing, Standing::Unknown) && !draining {
            let client = head.conversation.client(site, peer);
            self.ask_for_ticket(slot, client);
            // Refused without a question: the loop comes back here.
            return self.head(slot).is_some_and(|(asked, _)| !asked);
        }
        let standing = http::Standing {
            draining,
            ticket: !matches!(head.standing, Standing::Refused(_)),
            banned: matches!(head.standing, Standing::Refused(Refusal::Banned)),
            certificate,
        };
        let mut answer = Vec::new();
        let next = head.conversation.respond(site, peer, standing, &mut answer);
        match next {
            Next::Upgrade(upgrade) => {
                self.upgrade(slot, upgrade);
                false
            }
            Next::Close => {
                self.answer_and_close(slot, &answer);
                false
            }
            Next::Desk(inquiry) => {
                self.inquire(slot, inquiry);
                false
            }
            Next::KeepAlive => {
                self.effects
                    .outboxes
                    .append_with(slot, |out| out.extend_from_slice(&answer));
                self.request_ends(slot);
                true
            }
        }
    }

    /// A request was answered and the connection stays. One that is idle holds no ticket.
    pub(super) fn request_ends(&mut self, slot: Slot) {
        let now = self.now.monotonic;
        let (head_timeout, idle_timeout) = (self.options.head_timeout, self.options.keep_alive_timeout);
        let Some((_, head)) = self.head(slot) else { return };
        if !head.conversation.is_idle() {
            head.deadline = now.saturating_add(head_timeout);
            return;
        }
        head.deadline = now.saturating_add(idle_timeout);
        head.standing = Standing::Unknown;
        let ticket = self.slots.get_mut(slot).and_then(|connection| connection.ticket.take());
        if let Some(ticket) = ticket {
            self.notify(Notice::ConnectionEnded(ticket));
        }
        self.arm(slot);
        let Some((_, head)) = self.head(slot) else { return };
        let answered = head.conversation.answered();
        let Self { idle_heads, slots, .. } = self;
        let gives_way = idle_heads.add(slot, answered, |slot, answered| {
            slots.get(slot).is_some_and(|connection| match &connection.phase {
                Phase::Head(head) => head.conversation.is_idle() && head.conversation.answered() == answered,
                _ => false,
            })
        });
        if let Some(oldest) = gives_way {
            self.begin_closing(oldest, false);
        }
    }

    /// Answers a connection that sent no request that could be served.
    pub(super) fn refuse(&mut self, slot: Slot, refusal: http::Refusal) {
        self.counters.heads_refused += 1;
        self.log_http(slot, "refused", Some(refusal.reason()));
        let Some((_, head)) = self.head(slot) else { return };
        let mut answer = Vec::new();
        head.conversation.refuse(refusal, &mut answer);
        self.answer_and_close(slot, &answer);
    }

    fn answer_and_close(&mut self, slot: Slot, answer: &[u8]) {
        self.effects
            .outboxes
            .append_with(slot, |out| out.extend_from_slice(answer));
        self.begin_closing(slot, false);
    }

    /// Admission answered about the ticket of a connection that speaks HTTP.
    pub(super) fn ticket_decided(&mut self, slot: Slot, decision: Result<Ticket, Denied>) {
        let refusal = match decision {
            Ok(ticket) => {
                if let Some(connection) = self.slots.get_mut(slot) {
                    connection.ticket = Some(ticket);
                    if let Phase::Head(head) = &mut connection.phase {
                        head.standing = Standing::Held;
                    }
                }
                return self.run_soon(slot);
            }
            Err(Denied::Refused(refusal)) => refusal,
            // Nothing else is granted for this question; if it were, the server would be as good as full.
            Err(Denied::Mismatch) => Refusal::Connections,
        };
        let sites = Arc::clone(&self.sites);
        let from = self.head(slot).map(|(_, head)| (head.peer, head.listener));
        if let Some((address, listener)) = from
            && !sites.of(listener).trusted_proxies.trusts(address.to_canonical())
        {
            self.refused.remember(self.now.monotonic, address, refusal.clone());
        }
        self.refuse_ticket(slot, refusal);
    }

    /// The connection gets no ticket. It is told why when its request is complete (D27), if there are not too many like it.
    pub(super) fn refuse_ticket(&mut self, slot: Slot, refusal: Refusal) {
        self.counters.tickets_refused += 1;
        self.log_http(slot, "refused", Some(journal::refusal(&refusal)));
        if let Some((_, head)) = self.head(slot) {
            head.standing = Standing::Refused(refusal);
        }
        self.run_soon(slot);
        let Self {
            refused_heads, slots, ..
        } = self;
        // It keeps its slot until it has read why. Who has had the time for that gives way first.
        let gives_way = refused_heads.add(slot, 0, |slot, _| {
            slots.get(slot).is_some_and(|connection| {
                connection.ticket.is_none()
                    && matches!(connection.phase, Phase::Head(_) | Phase::Open(_) | Phase::Closing(_))
            })
        });
        if let Some(oldest) = gives_way {
            if let Some(protocol) = self.open_protocol(oldest) {
                self.leave(oldest, protocol, Cause::Lost);
            }
            self.release(oldest);
        }
    }

    fn upgrade(&mut self, slot: Slot, upgrade: Upgrade<Protocol>) {
        let Upgrade {
            protocol,
            client,
            room,
            query,
            binding,
            asks,
            is_secure,
            certificate,
            answer,
        } = upgrade;
        let now = self.now.monotonic;
        let Some(connection) = self.slots.get_mut(slot) else {
            return;
        };
        // What is left of the phase is the standing and the bytes behind the head.
        let Phase::Head(head) = std::mem::replace(&mut connection.phase, Phase::Open(protocol)) else {
            return;
        };
        // What it sent until now was HTTP, which has a clock of its own.
        connection.lives(now);
        let unread = head.conversation.into_rest();
        if !unread.is_empty() {
            connection.rest = Some(Box::new(Rest {
                unread,
                ..Rest::default()
            }));
        }
        let mut opening = Opening {
            client,
            room,
            query,
            binding,
            asks,
            // What a trusted proxy says of its client counts more than how the proxy itself came.
            secure: is_secure.unwrap_or_else(|| connection.tls.is_some()),
            certificate,
            answer: Box::default(),
            ticketless: false,
        };
        if protocol.answers_late() {
            opening.answer = answer.into();
            opening.ticketless = matches!(head.standing, Standing::Refused(_));
        } else {
            self.effects.answer(slot, &answer);
        }
        if let Standing::Refused(refusal) = head.standing
            && !opening.ticketless
        {
            self.effects.outboxes.open(slot);
            let reason = match refusal {
                Refusal::Banned => "banned",
                _ => "too many connections",
            };
            let trouble = Trouble::Refused(refusal);
            self.with_protocols(slot, |protocols, cx| protocols.explain(protocol, cx, &trouble));
            self.log_closed(slot, protocol, 1008, reason);
            return self.close(slot, 1008, reason);
        }
        match self.protocols.home(protocol, &opening) {
            // A URL costs nothing, so nobody may aim connections at one shard with it (D44). Who joins moves anyway.
            Some(home) if home != self.index && protocol.begins_anywhere() && self.crowded.contains(&home) => {
                self.counters.hints_ignored += 1;
                self.open(slot, protocol, opening);
            }
            Some(home) if home != self.index && !opening.ticketless => {
                let stage = Stage::Opening(protocol, opening);
                self.mail_connection(slot, home, stage);
            }
            _ => self.open(slot, protocol, opening),
        }
    }

    /// The upgrade is answered, or its answer is in the outbox: the session begins.
    pub(super) fn open(&mut self, slot: Slot, protocol: Protocol, opening: Opening) {
        let bound = self.options.manners(protocol).outbound_bytes_max;
        self.effects.outboxes.bound(slot, bound);
        if !protocol.answers_late() {
            self.effects.outboxes.open(slot);
        }
        self.post.witness(Told::Opened(slot));
        self.with_protocols(slot, |protocols, cx| protocols.opened(protocol, cx, opening));
        self.arm(slot);
        self.run_soon(slot);
    }

    /// A request took too long, or a kept-alive connection was idle for too long.
    pub(super) fn head_timed_out(&mut self, slot: Slot) {
        let draining = self.is_draining();
        if self.cannot_be_told(slot) {
            self.counters.handshakes_expired += 1;
            return self.begin_closing(slot, false);
        }
        let Some((_, head)) = self.head(slot) else { return };
        let answered = head.conversation.answered();
        if head.conversation.is_at_desk() {
            self.counters.inquiries_unanswered += 1;
            return self.answered_by_desk(slot, answered, &DeskAnswer::unavailable());
        }
        if answered > 0 && head.conversation.is_idle() {
            return self.begin_closing(slot, false);
        }
        let refusal = if draining {
            http::Refusal::Draining
        } else {
            http::Refusal::Timeout
        };
        self.refuse(slot, refusal);
    }

    /// The server shuts down: heads that are under way get a second, idle connections end (D45).
    pub(super) fn drain_head(&mut self, slot: Slot) {
        let now = self.now.monotonic;
        let Some((_, head)) = self.head(slot) else { return };
        if head.conversation.answered() > 0 && head.conversation.is_idle() {
            return self.begin_closing(slot, false);
        }
        head.deadline = head.deadline.min(now.saturating_add(LAST_HEADS));
        self.arm(slot);
        self.run_soon(slot);
    }
}
