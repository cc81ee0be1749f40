//! Rooms whose players relay stamped messages on a fixed schedule, whether or not the server keeps up (open loop).
//!
//! A message's latency runs from the moment it was due, so a stalled server or generator shows in full.

use super::gate::Gate;
use super::load::{LOOK_NS, Outcome, Part, Progress, Scenario};
use crate::game_data::{self, Format};
use crate::latency::Latency;
use crate::ledger::{Ledger, Receipt};
use crate::net::{ConnectionId, Event, Handler, Net};
use crate::plan::Plan;
use crate::rooms::{Rooms, Step};
use crate::time::{nanoseconds, whole_ns};
use std::ops::Range;
use std::sync::Arc;

/// Messages handed to the network before it is looked at again.
const SENDS_PER_TURN: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Filling,
    AtTheGate,
    Sending,
    /// Everything is sent; deliveries may still come. Gives up at the time given.
    Draining {
        give_up_ns: u64,
    },
    Closing,
    Finished,
}

/// See the module.
pub(super) struct Relay {
    plan: Arc<Plan>,
    gate: Arc<Gate>,
    rooms: Rooms,
    ledger: Ledger,
    phase: Phase,
    began_ns: u64,
    start_ns: u64,
    measured_from_ns: u64,
    /// Senders in the order of their turns: neighbours in time sit in different rooms.
    order: Vec<u32>,
    /// Time between two turns of the order.
    step_ns: f64,
    next_turn: u64,
    next_in_order: usize,
    message: Vec<u8>,
    /// Where in the message the body goes.
    body: Range<usize>,
    delivery: Latency,
    to_spectators: Latency,
    lag: Latency,
    sent: u64,
    open_at_end: usize,
}

impl Relay {
    pub(super) fn new(part: &Part, spectators: usize, gate: Arc<Gate>) -> Self {
        let plan = &part.plan;
        let players = usize::from(plan.players);
        let duration_ns = nanoseconds(plan.warm_up + plan.duration + plan.drain);
        let (message, body) = game_data::template(plan.format, plan.payload);
        let senders = plan.rooms * players;
        let order = (0..senders)
            .map(|turn| seat_of(turn, plan.rooms, players, spectators))
            .collect();
        Self {
            plan: Arc::clone(plan),
            gate,
            rooms: Rooms::new(plan, format!("r{}p", part.thread), players, spectators, true),
            ledger: Ledger::new(part.run, part.first_room, [plan.rooms, players, spectators], body.len()),
            phase: Phase::Filling,
            began_ns: 0,
            start_ns: u64::MAX,
            measured_from_ns: u64::MAX,
            order,
            step_ns: 1e9 / (plan.rate * senders.max(1) as f64),
            next_turn: 0,
            next_in_order: 0,
            message,
            body,
            delivery: Latency::new("delivery", duration_ns),
            to_spectators: Latency::new("delivery to spectators", duration_ns),
            lag: Latency::new("send lag", duration_ns),
            sent: 0,
            open_at_end: 0,
        }
    }

    /// Each message is due somewhere within its step. At exact intervals the load would run in step with the ticks by which
    /// the kernel samples who works, and its figures for user space and kernel would be those of one moment of the step.
    fn due_ns(&self, turn: u64) -> u64 {
        // Precise to the nanosecond for about 50 days: f64 holds 53 bits.
        self.start_ns + whole_ns((turn as f64 + fraction(turn)) * self.step_ns)
    }

    fn send_due(&mut self, net: &mut Net) {
        let end_ns = self.gate.end_ns().unwrap_or(u64::MAX);
        for _ in 0..SENDS_PER_TURN {
            let due_ns = self.due_ns(self.next_turn);
            if due_ns >= end_ns {
                self.phase = Phase::Draining {
                    give_up_ns: net.now_ns() + nanoseconds(self.plan.drain),
                };
                return;
            }
            if due_ns > net.now_ns() {
                return;
            }
            let seat = self.order[self.next_in_order] as usize;
            self.next_turn += 1;
            self.next_in_order = (self.next_in_order + 1) % self.order.len();
            if let Some(id) = self.rooms.inside(seat) {
                self.send(net, id, seat, due_ns);
            }
        }
    }

    fn send(&mut self, net: &mut Net, id: ConnectionId, seat: usize, due_ns: u64) {
        self.ledger.send(seat, due_ns, &mut self.message[self.body.clone()]);
        self.sent += 1;
        match self.plan.format {
            Format::Json => net.send_text(id, &self.message),
            Format::MessagePack => net.send_binary(id, &self.message),
        }
        if due_ns >= self.measured_from_ns {
            self.lag
                .record(due_ns - self.start_ns, net.now_ns().saturating_sub(due_ns));
        }
    }

    /// True if the message was one that players relay.
    fn on_message(&mut self, net: &Net, seat: usize, message: &[u8]) -> bool {
        let (rooms, format) = (&self.rooms, self.plan.format);
        let receipt = self.ledger.receive(seat, message, |sender, body| {
            game_data::check(format, message, body.place.clone(), rooms.player(sender))
        });
        match receipt {
            Receipt::Unstamped => return false,
            Receipt::Delivered { due_ns } if due_ns >= self.measured_from_ns => {
                let now_ns = net.now_ns();
                let latency_ns = now_ns.saturating_sub(due_ns);
                let at_ns = now_ns.saturating_sub(self.start_ns);
                if seat % self.rooms.seats_per_room() < usize::from(self.plan.players) {
                    self.delivery.record(at_ns, latency_ns);
                } else {
                    self.to_spectators.record(at_ns, latency_ns);
                }
            }
            Receipt::Delivered { .. } | Receipt::Wrong => {}
        }
        true
    }

    fn close_all(&mut self, net: &mut Net) {
        self.phase = Phase::Closing;
        for seat in 0..self.rooms.seats() {
            self.ledger.leave(seat);
            if self.rooms.inside(seat).is_some() {
                self.open_at_end += 1;
                self.rooms.close(net, seat);
            }
        }
        if self.open_at_end == 0 {
            self.phase = Phase::Finished;
        }
    }
}

impl Handler for Relay {
    fn on_event(&mut self, net: &mut Net, _id: ConnectionId, seat: usize, event: Event<'_>) {
        if let Event::Text(message) | Event::Binary(message) = &event {
            if self.on_message(net, seat, message) {
                return;
            }
            if matches!(event, Event::Binary(_)) || game_data::is_damaged(message) {
                return self.ledger.unreadable();
            }
        }
        match self.rooms.on_event(net, seat, &event) {
            Step::Entered | Step::EnteredLast => self.ledger.enter(seat),
            Step::Lost => self.ledger.leave(seat),
            Step::Closed if self.phase == Phase::Closing => {
                self.open_at_end -= 1;
                if self.open_at_end == 0 {
                    self.phase = Phase::Finished;
                }
            }
            _ => {}
        }
    }
}

impl Scenario for Relay {
    fn next_due_ns(&self, now_ns: u64) -> u64 {
        match self.phase {
            Phase::Sending => self.due_ns(self.next_turn),
            Phase::Finished => u64::MAX,
            _ => now_ns + LOOK_NS,
        }
    }

    fn on_due(&mut self, net: &mut Net) {
        match self.phase {
            Phase::Filling => {
                if self.began_ns == 0 {
                    self.began_ns = net.now_ns().max(1);
                }
                if self.rooms.fill_up(net, self.plan.rooms, self.began_ns) {
                    self.phase = Phase::AtTheGate;
                    let (warm_up_ns, duration_ns) = (nanoseconds(self.plan.warm_up), nanoseconds(self.plan.duration));
                    self.gate.arrive(net.now_ns(), warm_up_ns, duration_ns);
                }
            }
            Phase::AtTheGate => {
                if let Some(start_ns) = self.gate.start_ns() {
                    self.start_ns = start_ns;
                    self.measured_from_ns = start_ns + nanoseconds(self.plan.warm_up);
                    self.phase = if self.order.is_empty() {
                        Phase::Closing
                    } else {
                        Phase::Sending
                    };
                    if self.order.is_empty() {
                        self.close_all(net);
                    }
                }
            }
            Phase::Sending => self.send_due(net),
            Phase::Draining { give_up_ns } => {
                if self.ledger.outstanding() == 0 || net.now_ns() >= give_up_ns {
                    self.close_all(net);
                }
            }
            Phase::Closing | Phase::Finished => {}
        }
    }

    fn stop(&mut self, net: &mut Net) {
        if matches!(self.phase, Phase::Filling | Phase::AtTheGate) {
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
        progress.failed += counts.failed + counts.lost;
    }

    fn finish(self: Box<Self>) -> Outcome {
        let mut latencies = vec![self.delivery];
        if !self.to_spectators.total().is_empty() {
            latencies.push(self.to_spectators);
        }
        latencies.extend([self.rooms.connect, self.rooms.join]);
        let (senders, strays) = self.ledger.close();
        Outcome {
            latencies,
            senders,
            strays,
            connections: self.rooms.counts,
            refusals: self.rooms.refusals,
            completed: 0,
            failed: 0,
            lag: Some(self.lag),
        }
    }
}

/// A number from 0 up to, not including, 1 that looks random and is the same in every run (SplitMix64).
fn fraction(turn: u64) -> f64 {
    let mut mixed = turn.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    // 53 bits, as many as an f64 holds.
    ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// The seat whose turn it is. Turns go through the rooms first, so that the players of a room do not send together.
fn seat_of(turn: usize, rooms: usize, players: usize, spectators: usize) -> u32 {
    let (player, room) = (turn / rooms.max(1), turn % rooms.max(1));
    u32::try_from(room * (players + spectators) + player).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_within_a_step_are_spread_evenly() {
        let places: Vec<f64> = (0..10_000).map(fraction).collect();
        assert!(places.iter().all(|place| (0.0..1.0).contains(place)));
        for tenth in 1..=10 {
            let below = places.iter().filter(|place| **place < f64::from(tenth) / 10.0).count();
            assert!(below.abs_diff(1000 * tenth as usize) < 150, "{tenth}: {below}");
        }
    }

    #[test]
    fn every_player_has_one_turn_in_a_round() {
        let mut seats: Vec<u32> = (0..12).map(|turn| seat_of(turn, 3, 4, 2)).collect();
        assert_eq!(seats[..3], [0, 6, 12]);
        seats.sort_unstable();
        seats.dedup();
        assert_eq!(seats, [0, 1, 2, 3, 6, 7, 8, 9, 12, 13, 14, 15]);
    }
}
