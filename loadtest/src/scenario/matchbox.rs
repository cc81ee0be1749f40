//! Rooms of matchbox: their peers connect, and each pair exchanges an offer, an answer and five candidates, as fast as the
//! server and this generator can (closed loop). Every signal is in the ledger, and every pair is introduced exactly once.

use super::gate::Gate;
use super::load::{LOOK_NS, Outcome, Part, Progress, Scenario};
use crate::accounting::Flaw;
use crate::latency::Latency;
use crate::ledger::{Ledger, Receipt};
use crate::net::{ConnectionId, Event, Handler, Net};
use crate::plan::Plan;
use crate::room_urls::RoomUrls;
use crate::rooms::{Rooms, Step};
use crate::stamp::Body;
use crate::time::nanoseconds;
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Candidates that the one who offered sends when it has the answer.
const CANDIDATES: usize = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    AtTheGate,
    Meeting,
    /// All have met, or the time is over; deliveries may still come. Gives up at the time given.
    Draining {
        give_up_ns: u64,
    },
    /// The rooms stand until then.
    Holding {
        until_ns: u64,
    },
    Closing,
    Finished,
}

/// What a signal carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Offer,
    Answer,
    Candidate,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Offer, Self::Answer, Self::Candidate];

    fn name(self) -> &'static str {
        match self {
            Self::Offer => "Offer",
            Self::Answer => "Answer",
            Self::Candidate => "IceCandidate",
        }
    }
}

/// See the module.
pub(super) struct Matchbox {
    plan: Arc<Plan>,
    gate: Arc<Gate>,
    rooms: Rooms,
    ledger: Ledger,
    phase: Phase,
    began_ns: u64,
    /// Names of the peers, by seat; empty before one is assigned.
    names: Vec<Box<str>>,
    seats: HashMap<Box<str>, usize>,
    /// Peers that were introduced before they were told their own names, and those who offer to them.
    early: HashMap<Box<str>, Vec<usize>>,
    introduced: HashSet<(usize, usize)>,
    /// Pairs that have exchanged everything.
    met: usize,
    /// Candidates that a pair has left to get.
    candidates_left: HashMap<(usize, usize), usize>,
    message: Vec<u8>,
    signal: Latency,
    meeting: Latency,
    closing: usize,
    sent: u64,
}

impl Matchbox {
    pub(super) fn new(part: &Part, gate: Arc<Gate>) -> Self {
        let plan = &part.plan;
        let players = usize::from(plan.players);
        let duration_ns = nanoseconds(plan.duration + plan.drain);
        Self {
            plan: Arc::clone(plan),
            gate,
            rooms: Rooms::of_urls(plan, RoomUrls::new(plan, part.run, part.first_room)),
            ledger: Ledger::new(part.run, part.first_room, [plan.rooms, players, 0], plan.payload),
            phase: Phase::AtTheGate,
            began_ns: 0,
            names: vec![Box::default(); plan.rooms * players],
            seats: HashMap::new(),
            early: HashMap::new(),
            introduced: HashSet::new(),
            met: 0,
            candidates_left: HashMap::new(),
            message: Vec::new(),
            signal: Latency::new("signal", duration_ns),
            meeting: Latency::new("pair met", duration_ns),
            closing: 0,
            sent: 0,
        }
    }

    /// Pairs that there will be.
    fn pairs(&self) -> usize {
        let players = usize::from(self.plan.players);
        let group = if self.plan.next > 0 { self.plan.next } else { players };
        self.plan.rooms * (players / group) * (group * (group - 1) / 2)
    }

    /// A text of the server. Returns whether it was one.
    fn on_text(&mut self, net: &mut Net, seat: usize, text: &[u8]) -> bool {
        if text.starts_with(br#"{"Signal""#) {
            self.on_signal(net, seat, text);
            return true;
        }
        let Ok(Value::Object(message)) = serde_json::from_slice(text) else {
            return false;
        };
        let named = |name: &str| message.get(name).and_then(Value::as_str);
        if let Some(name) = named("IdAssigned") {
            self.assigned(net, seat, name);
        } else if let Some(name) = named("NewPeer") {
            match self.seats.get(name) {
                Some(other) => self.introduced(net, seat, *other),
                None => self.early.entry(name.into()).or_default().push(seat),
            }
        } else if named("PeerLeft").is_none() {
            return false;
        }
        true
    }

    fn assigned(&mut self, net: &mut Net, seat: usize, name: &str) {
        if !self.names[seat].is_empty() || self.seats.insert(name.into(), seat).is_some() {
            return self.rooms.refusals.local("an id was assigned twice");
        }
        self.names[seat] = name.into();
        self.ledger.enter(seat);
        for other in self.early.remove(name).unwrap_or_default() {
            self.introduced(net, other, seat);
        }
    }

    /// `seat` was told of `other` and makes the offer.
    fn introduced(&mut self, net: &mut Net, seat: usize, other: usize) {
        let pair = (seat.min(other), seat.max(other));
        let same_room = seat / self.rooms.seats_per_room() == other / self.rooms.seats_per_room();
        if !same_room || seat == other || !self.introduced.insert(pair) {
            return self
                .rooms
                .refusals
                .local("a pair was introduced that was none, or twice");
        }
        self.candidates_left.insert(pair, CANDIDATES);
        self.send(net, seat, other, Kind::Offer);
    }

    fn send(&mut self, net: &mut Net, seat: usize, to: usize, kind: Kind) {
        let Some(id) = self.rooms.inside(seat) else { return };
        self.message.clear();
        self.message.extend_from_slice(br#"{"Signal":{"receiver":""#);
        self.message.extend_from_slice(self.names[to].as_bytes());
        self.message.extend_from_slice(br#"","data":{""#);
        self.message.extend_from_slice(kind.name().as_bytes());
        self.message.extend_from_slice(br#"":""#);
        let start = self.message.len();
        self.message.resize(start + self.plan.payload, b'x');
        self.ledger.send_to(seat, to, net.now_ns(), &mut self.message[start..]);
        self.message.extend_from_slice(br#""}}}"#);
        self.sent += 1;
        net.send_text(id, &self.message);
    }

    fn on_signal(&mut self, net: &mut Net, seat: usize, text: &[u8]) {
        let mut got = None;
        let names = &self.names;
        let receipt = self.ledger.receive(seat, text, |sender, body| {
            got = Some((sender, kind_of(text, &names[sender], body)?));
            Ok(())
        });
        let due_ns = match receipt {
            Receipt::Delivered { due_ns } => due_ns,
            Receipt::Unstamped => return self.ledger.unreadable(),
            Receipt::Wrong => return,
        };
        let now_ns = net.now_ns();
        let at_ns = now_ns.saturating_sub(self.began_ns);
        self.signal.record(at_ns, now_ns.saturating_sub(due_ns));
        match got {
            Some((sender, Kind::Offer)) => self.send(net, seat, sender, Kind::Answer),
            Some((sender, Kind::Answer)) => {
                for _ in 0..CANDIDATES {
                    self.send(net, seat, sender, Kind::Candidate);
                }
            }
            Some((sender, Kind::Candidate)) => {
                let pair = (seat.min(sender), seat.max(sender));
                let left = self.candidates_left.get_mut(&pair);
                if let Some(left) = left
                    && *left > 0
                {
                    *left -= 1;
                    if *left == 0 {
                        self.met += 1;
                        let opened_ns = self.rooms.opened_ns(seat / self.rooms.seats_per_room());
                        self.meeting.record(at_ns, now_ns.saturating_sub(opened_ns));
                    }
                }
            }
            None => {}
        }
    }

    fn close_all(&mut self, net: &mut Net) {
        self.phase = Phase::Closing;
        self.gate.end_early(net.now_ns());
        for seat in 0..self.rooms.seats() {
            self.ledger.leave(seat);
            if self.rooms.inside(seat).is_some() {
                self.closing += 1;
                self.rooms.close(net, seat);
            }
        }
        if self.closing == 0 {
            self.phase = Phase::Finished;
        }
    }
}

/// What a signal that arrived carries.
fn kind_of(text: &[u8], sender: &str, body: &Body) -> Result<Kind, Flaw> {
    let message: Value = serde_json::from_slice(text).map_err(|_| Flaw::Corrupted)?;
    let signal = &message["Signal"];
    let body = std::str::from_utf8(&text[body.place.clone()]).map_err(|_| Flaw::Corrupted)?;
    let kind = Kind::ALL.into_iter().find(|kind| signal["data"][kind.name()] == body);
    let kind = kind.ok_or(Flaw::Corrupted)?;
    if signal["data"].as_object().is_some_and(|data| data.len() == 1) && signal["sender"] == sender {
        Ok(kind)
    } else {
        Err(Flaw::Forged)
    }
}

impl Handler for Matchbox {
    fn on_event(&mut self, net: &mut Net, _id: ConnectionId, seat: usize, event: Event<'_>) {
        if let Event::Text(text) | Event::Binary(text) = &event {
            if !self.on_text(net, seat, text) {
                self.ledger.unreadable();
            }
            return;
        }
        match self.rooms.on_event(net, seat, &event) {
            Step::Lost => self.ledger.leave(seat),
            Step::Closed => {
                self.closing = self.closing.saturating_sub(1);
                if self.closing == 0 && self.phase == Phase::Closing {
                    self.phase = Phase::Finished;
                }
            }
            Step::Nothing | Step::Entered | Step::EnteredLast => {}
        }
    }
}

impl Scenario for Matchbox {
    fn next_due_ns(&self, now_ns: u64) -> u64 {
        now_ns + LOOK_NS
    }

    fn on_due(&mut self, net: &mut Net) {
        let now_ns = net.now_ns();
        match self.phase {
            Phase::AtTheGate => {
                // What is measured is the whole of it, from the first connection on.
                if self.began_ns == 0 {
                    self.began_ns = now_ns.max(1);
                    self.gate.arrive(now_ns, 0, nanoseconds(self.plan.duration));
                }
                if self.gate.start_ns().is_some_and(|start_ns| now_ns >= start_ns) {
                    self.began_ns = now_ns;
                    self.phase = Phase::Meeting;
                }
            }
            Phase::Meeting => {
                let all_stand = self.rooms.fill_up(net, self.plan.rooms, self.began_ns);
                let is_over = self.gate.end_ns().is_some_and(|end_ns| now_ns >= end_ns);
                if (all_stand && self.met >= self.pairs()) || is_over {
                    self.phase = Phase::Draining {
                        give_up_ns: now_ns + nanoseconds(self.plan.drain),
                    };
                }
            }
            Phase::Draining { give_up_ns } => {
                if self.ledger.outstanding() == 0 || now_ns >= give_up_ns {
                    self.phase = Phase::Holding {
                        until_ns: now_ns + nanoseconds(self.plan.hold),
                    };
                }
            }
            Phase::Holding { until_ns } if now_ns >= until_ns => self.close_all(net),
            Phase::Holding { .. } | Phase::Closing | Phase::Finished => {}
        }
    }

    fn stop(&mut self, net: &mut Net) {
        if !matches!(self.phase, Phase::Closing | Phase::Finished) {
            self.close_all(net);
        }
    }

    fn is_finished(&self) -> bool {
        self.phase == Phase::Finished
    }

    fn progress(&self, progress: &mut Progress) {
        let counts = self.rooms.counts;
        progress.inside += counts.joined.saturating_sub(counts.lost);
        progress.sent += self.sent;
        progress.delivered += self.ledger.arrived();
        progress.expected += self.ledger.expected();
        progress.completed += self.met as u64;
        progress.failed += counts.failed + counts.lost;
    }

    fn finish(self: Box<Self>) -> Outcome {
        let (met, pairs) = (self.met as u64, self.pairs() as u64);
        let (senders, strays) = self.ledger.close();
        Outcome {
            latencies: vec![self.signal, self.meeting, self.rooms.connect],
            senders,
            strays,
            connections: self.rooms.counts,
            refusals: self.rooms.refusals,
            completed: met,
            failed: pairs.saturating_sub(met),
            lag: None,
        }
    }
}
