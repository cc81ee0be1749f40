//! Connections that do nothing but answer pings, inside rooms or not.

use super::gate::Gate;
use super::load::{LOOK_NS, Outcome, Progress, Scenario};
use crate::accounting::Counts;
use crate::net::{ConnectionId, Event, Handler, Net};
use crate::plan::Plan;
use crate::rooms::{Rooms, Step};
use crate::time::nanoseconds;
use std::sync::Arc;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Filling,
    Holding,
    Closing,
    Finished,
}

/// See the module.
pub(super) struct Idle {
    plan: Arc<Plan>,
    gate: Arc<Gate>,
    rooms: Rooms,
    phase: Phase,
    began_ns: u64,
    closing: usize,
}

impl Idle {
    pub(super) fn new(plan: &Arc<Plan>, thread: usize, gate: Arc<Gate>) -> Self {
        let per_room = if plan.idle_joined { usize::from(plan.players) } else { 1 };
        Self {
            plan: Arc::clone(plan),
            gate,
            rooms: Rooms::new(plan, format!("i{thread}p"), per_room, 0, plan.idle_joined),
            phase: Phase::Filling,
            began_ns: 0,
            closing: 0,
        }
    }

    fn close_all(&mut self, net: &mut Net) {
        self.phase = Phase::Closing;
        for seat in 0..self.rooms.seats() {
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

impl Handler for Idle {
    fn on_event(&mut self, net: &mut Net, _id: ConnectionId, seat: usize, event: Event<'_>) {
        if self.rooms.on_event(net, seat, &event) == Step::Closed {
            self.closing = self.closing.saturating_sub(1);
            if self.closing == 0 && self.phase == Phase::Closing {
                self.phase = Phase::Finished;
            }
        }
    }
}

impl Scenario for Idle {
    fn next_due_ns(&self, now_ns: u64) -> u64 {
        now_ns + LOOK_NS
    }

    fn on_due(&mut self, net: &mut Net) {
        match self.phase {
            Phase::Filling => {
                if self.began_ns == 0 {
                    self.began_ns = net.now_ns().max(1);
                }
                let rooms = self.plan.idle.div_ceil(self.rooms.seats_per_room());
                if self.rooms.fill_up(net, rooms, self.began_ns) {
                    self.phase = Phase::Holding;
                    let (warm_up_ns, duration_ns) = (nanoseconds(self.plan.warm_up), nanoseconds(self.plan.duration));
                    self.gate.arrive(net.now_ns(), warm_up_ns, duration_ns);
                }
            }
            Phase::Holding => {
                if self.gate.end_ns().is_some_and(|end| net.now_ns() >= end) {
                    self.close_all(net);
                }
            }
            Phase::Closing | Phase::Finished => {}
        }
    }

    fn stop(&mut self, net: &mut Net) {
        if matches!(self.phase, Phase::Filling | Phase::Holding) {
            self.close_all(net);
        }
    }

    fn is_finished(&self) -> bool {
        self.phase == Phase::Finished
    }

    fn progress(&self, progress: &mut Progress) {
        let counts = self.rooms.counts;
        progress.inside += counts.joined.saturating_sub(counts.lost);
        progress.failed += counts.failed + counts.lost;
    }

    fn finish(self: Box<Self>) -> Outcome {
        let mut latencies = vec![self.rooms.connect];
        if self.plan.idle_joined {
            latencies.push(self.rooms.join);
        }
        Outcome {
            latencies,
            senders: Vec::new(),
            strays: Counts::default(),
            connections: self.rooms.counts,
            refusals: self.rooms.refusals,
            completed: 0,
            failed: 0,
            lag: None,
        }
    }
}
