//! Cycles of connect, join, leave and close, each in a room of its own.

use super::gate::Gate;
use super::load::{LOOK_NS, Outcome, Progress, Scenario};
use super::sessions::{Phase, Sessions};
use crate::accounting::Counts;
use crate::control::{bare, message_type};
use crate::latency::Latency;
use crate::net::{ConnectionId, Event, Handler, Net};
use crate::plan::Plan;
use crate::rooms::{Rooms, Step};
use crate::time::nanoseconds;
use std::sync::Arc;

/// See the module.
pub(super) struct Churn {
    gate: Arc<Gate>,
    rooms: Rooms,
    sessions: Sessions,
    /// When each cycle's last step began.
    step_ns: Vec<u64>,
    leave: Latency,
    close: Latency,
    cycle: Latency,
    completed: u64,
    failed: u64,
}

impl Churn {
    pub(super) fn new(plan: &Arc<Plan>, thread: usize, per_second: f64, gate: Arc<Gate>) -> Self {
        let duration_ns = nanoseconds(plan.warm_up + plan.duration + plan.drain);
        Self {
            gate: Arc::clone(&gate),
            rooms: Rooms::new(plan, format!("c{thread}p"), 1, 0, true),
            sessions: Sessions::new(plan, per_second, gate),
            step_ns: Vec::new(),
            leave: Latency::new("leave", duration_ns),
            close: Latency::new("close", duration_ns),
            cycle: Latency::new("cycle", duration_ns),
            completed: 0,
            failed: 0,
        }
    }

    fn record(&mut self, net: &Net, seat: usize, which: fn(&mut Self) -> &mut Latency, since_ns: u64) {
        let now_ns = net.now_ns();
        if self.sessions.is_measured(self.rooms.opened_ns(seat)) {
            let at_ns = self.sessions.since_start_ns(now_ns);
            which(self).record(at_ns, now_ns.saturating_sub(since_ns));
        }
    }
}

impl Handler for Churn {
    fn on_event(&mut self, net: &mut Net, id: ConnectionId, seat: usize, event: Event<'_>) {
        // Each seat is a room and a cycle.
        match self.rooms.on_event(net, seat, &event) {
            Step::Entered | Step::EnteredLast => {
                self.step_ns[seat] = net.now_ns();
                net.send_text(id, &bare("LeaveRoom"));
            }
            Step::Lost => {
                self.failed += 1;
                self.sessions.ended += 1;
            }
            Step::Closed => {
                self.record(net, seat, |this| &mut this.close, self.step_ns[seat]);
                self.record(net, seat, |this| &mut this.cycle, self.rooms.opened_ns(seat));
                self.completed += 1;
                self.sessions.ended += 1;
            }
            Step::Nothing => {
                if let Event::Text(text) = event
                    && message_type(text) == "RoomLeft"
                {
                    self.record(net, seat, |this| &mut this.leave, self.step_ns[seat]);
                    self.step_ns[seat] = net.now_ns();
                    self.rooms.close(net, seat);
                }
            }
        }
    }
}

impl Scenario for Churn {
    fn next_due_ns(&self, now_ns: u64) -> u64 {
        self.sessions.next_due_ns().unwrap_or(u64::MAX).min(now_ns + LOOK_NS)
    }

    fn on_due(&mut self, net: &mut Net) {
        while let Some(due_ns) = self.sessions.next(net.now_ns()) {
            self.step_ns.push(due_ns);
            self.rooms.open_room(net, due_ns);
        }
        self.rooms.check_limits(net);
        let failed = self.rooms.take_failed().len() as u64;
        self.failed += failed;
        self.sessions.ended += failed;
    }

    fn stop(&mut self, net: &mut Net) {
        self.gate.end_early(net.now_ns());
        self.sessions.stop(net.now_ns());
    }

    fn is_finished(&self) -> bool {
        self.sessions.phase == Phase::Finished
    }

    fn progress(&self, progress: &mut Progress) {
        progress.completed += self.completed;
        progress.failed += self.failed;
    }

    fn finish(mut self: Box<Self>) -> Outcome {
        if self.sessions.running() > 0 {
            self.rooms.refusals.local("sessions had not ended when the run did");
        }
        Outcome {
            latencies: vec![self.cycle, self.rooms.connect, self.rooms.join, self.leave, self.close],
            senders: Vec::new(),
            strays: Counts::default(),
            connections: self.rooms.counts,
            refusals: self.rooms.refusals,
            completed: self.completed,
            failed: self.failed + self.sessions.running(),
            lag: None,
        }
    }
}
