//! Storms: a share of the players drop at the same moment and come back with their tokens (protocol 8, D18 to D21).

use super::gate::Gate;
use super::load::{LOOK_NS, Outcome, Progress, Scenario};
use crate::accounting::Counts;
use crate::latency::Latency;
use crate::net::{ConnectionId, Event, Handler, Net};
use crate::plan::Plan;
use crate::rooms::{Rooms, Step};
use crate::time::nanoseconds;
use std::sync::Arc;

/// Longest wait for a storm's last player, in nanoseconds.
const STORM_LIMIT_NS: u64 = 60_000_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Filling,
    AtTheGate,
    /// The next storm breaks then.
    Calm {
        until_ns: u64,
    },
    /// Those that dropped come back then.
    Away {
        until_ns: u64,
    },
    /// Waits for those that come back; gives up at the time given.
    Returning {
        give_up_ns: u64,
    },
    Closing,
    Finished,
}

/// See the module.
pub(super) struct Reconnect {
    plan: Arc<Plan>,
    gate: Arc<Gate>,
    rooms: Rooms,
    phase: Phase,
    began_ns: u64,
    start_ns: u64,
    storms: usize,
    away: Vec<usize>,
    /// When each seat was due to come back; 0: it is not away.
    due_ns: Vec<u64>,
    returning: usize,
    closing: usize,
    back: Latency,
    completed: u64,
    failed: u64,
}

impl Reconnect {
    pub(super) fn new(plan: &Arc<Plan>, thread: usize, gate: Arc<Gate>) -> Self {
        let duration_ns = nanoseconds(plan.warm_up + plan.duration + plan.drain);
        Self {
            plan: Arc::clone(plan),
            gate,
            rooms: Rooms::new(plan, format!("s{thread}p"), usize::from(plan.players), 0, true),
            phase: Phase::Filling,
            began_ns: 0,
            start_ns: 0,
            storms: 0,
            away: Vec::new(),
            due_ns: Vec::new(),
            returning: 0,
            closing: 0,
            back: Latency::new("return", duration_ns),
            completed: 0,
            failed: 0,
        }
    }

    /// Storms break at even distances over the duration.
    fn calm(&self) -> Phase {
        let gap_ns = nanoseconds(self.plan.duration) / self.plan.storms.max(1) as u64;
        let warm_up_ns = nanoseconds(self.plan.warm_up);
        Phase::Calm {
            until_ns: self.start_ns + warm_up_ns + gap_ns * self.storms as u64,
        }
    }

    fn drop_players(&mut self, net: &mut Net) {
        self.storms += 1;
        self.due_ns.resize(self.rooms.seats(), 0);
        let mut share = 0.0;
        for seat in 0..self.rooms.seats() {
            share += self.plan.storm_share;
            if share < 1.0 {
                continue;
            }
            share -= 1.0;
            if self.rooms.inside(seat).is_none() {
                continue;
            }
            if self.rooms.cut(net, seat) {
                self.away.push(seat);
            } else {
                self.failed += 1;
                self.rooms.refusals.local(
                    "RoomJoined carried no auth_token: server.send_reconnection_token is off or the server has none",
                );
            }
        }
    }

    fn return_players(&mut self, net: &mut Net) {
        let now_ns = net.now_ns();
        for seat in std::mem::take(&mut self.away) {
            self.due_ns[seat] = now_ns;
            self.returning += 1;
            self.rooms.come_back(net, seat, now_ns);
        }
    }

    fn on_back(&mut self, net: &Net, seat: usize, well: bool) {
        let Some(due_ns) = self.due_ns.get_mut(seat).map(std::mem::take).filter(|due| *due > 0) else {
            return;
        };
        self.returning = self.returning.saturating_sub(1);
        if well {
            self.completed += 1;
            let now_ns = net.now_ns();
            self.back
                .record(now_ns.saturating_sub(self.start_ns), now_ns.saturating_sub(due_ns));
        } else {
            self.failed += 1;
        }
    }

    fn close_all(&mut self, net: &mut Net) {
        self.phase = Phase::Closing;
        self.gate.end_early(net.now_ns());
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

impl Handler for Reconnect {
    fn on_event(&mut self, net: &mut Net, _id: ConnectionId, seat: usize, event: Event<'_>) {
        match self.rooms.on_event(net, seat, &event) {
            Step::Entered | Step::EnteredLast => self.on_back(net, seat, true),
            Step::Lost => self.on_back(net, seat, false),
            Step::Closed => {
                self.closing = self.closing.saturating_sub(1);
                if self.closing == 0 && self.phase == Phase::Closing {
                    self.phase = Phase::Finished;
                }
            }
            Step::Nothing => {}
        }
    }
}

impl Scenario for Reconnect {
    fn next_due_ns(&self, now_ns: u64) -> u64 {
        match self.phase {
            Phase::Calm { until_ns } | Phase::Away { until_ns } => until_ns.min(now_ns + LOOK_NS),
            _ => now_ns + LOOK_NS,
        }
    }

    fn on_due(&mut self, net: &mut Net) {
        let now_ns = net.now_ns();
        for seat in self.rooms.take_failed() {
            self.on_back(net, seat, false);
        }
        match self.phase {
            Phase::Filling => {
                if self.began_ns == 0 {
                    self.began_ns = now_ns.max(1);
                }
                if self.rooms.fill_up(net, self.plan.rooms, self.began_ns) {
                    let (warm_up_ns, duration_ns) = (nanoseconds(self.plan.warm_up), nanoseconds(self.plan.duration));
                    // The last storm may outlast the duration; closing brings the end forward.
                    self.gate.arrive(now_ns, warm_up_ns, duration_ns + STORM_LIMIT_NS);
                    self.phase = Phase::AtTheGate;
                }
            }
            Phase::AtTheGate => {
                if let Some(start_ns) = self.gate.start_ns() {
                    self.start_ns = start_ns;
                    self.phase = self.calm();
                }
            }
            Phase::Calm { until_ns } if now_ns >= until_ns => {
                if self.storms >= self.plan.storms {
                    self.close_all(net);
                } else {
                    self.drop_players(net);
                    self.phase = Phase::Away {
                        until_ns: now_ns + nanoseconds(self.plan.away),
                    };
                }
            }
            Phase::Away { until_ns } if now_ns >= until_ns => {
                self.return_players(net);
                self.phase = Phase::Returning {
                    give_up_ns: net.now_ns() + STORM_LIMIT_NS,
                };
            }
            Phase::Returning { give_up_ns } => {
                self.rooms.check_limits(net);
                if self.returning == 0 || now_ns >= give_up_ns {
                    self.phase = self.calm();
                }
            }
            _ => {}
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
        progress.inside += (0..self.rooms.seats())
            .filter(|seat| self.rooms.inside(*seat).is_some())
            .count() as u64;
        progress.completed += self.completed;
        progress.failed += self.failed;
    }

    fn finish(self: Box<Self>) -> Outcome {
        Outcome {
            latencies: vec![self.back, self.rooms.connect, self.rooms.join],
            senders: Vec::new(),
            strays: Counts::default(),
            connections: self.rooms.counts,
            refusals: self.rooms.refusals,
            completed: self.completed,
            failed: self.failed,
            lag: None,
        }
    }
}
