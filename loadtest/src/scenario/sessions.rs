//! When the next session of a load starts: on a fixed schedule (open loop), or as soon as one of the running ones ended.

use super::gate::Gate;
use crate::plan::Plan;
use crate::time::{nanoseconds, whole_ns};
use std::sync::Arc;

/// How long the last sessions may take after no more start, in nanoseconds.
const LAST_ONES_NS: u64 = 20_000_000_000;

/// Where a load of sessions stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Not begun.
    New,
    /// Waits for the other threads.
    AtTheGate,
    /// Sessions start.
    Starting,
    /// No more start; those that run may end until then.
    Ending { give_up_ns: u64 },
    /// Over.
    Finished,
}

/// Decides when sessions start.
pub(super) struct Sessions {
    plan: Arc<Plan>,
    gate: Arc<Gate>,
    per_second: f64,
    start_ns: u64,
    started: u64,
    /// Where the load stands.
    pub(super) phase: Phase,
    /// Sessions that ended, well or not.
    pub(super) ended: u64,
}

impl Sessions {
    pub(super) fn new(plan: &Arc<Plan>, per_second: f64, gate: Arc<Gate>) -> Self {
        Self {
            plan: Arc::clone(plan),
            gate,
            per_second,
            start_ns: u64::MAX,
            started: 0,
            phase: Phase::New,
            ended: 0,
        }
    }

    /// Sessions that started and have not ended.
    pub(super) fn running(&self) -> u64 {
        self.started - self.ended
    }

    /// Nanoseconds since the common start.
    pub(super) fn since_start_ns(&self, now_ns: u64) -> u64 {
        now_ns.saturating_sub(self.start_ns)
    }

    /// Whether a session that was due then is measured.
    pub(super) fn is_measured(&self, due_ns: u64) -> bool {
        self.since_start_ns(due_ns) >= nanoseconds(self.plan.warm_up)
    }

    /// When the next session is due, if that is known.
    pub(super) fn next_due_ns(&self) -> Option<u64> {
        let scheduled = self.phase == Phase::Starting && self.per_second > 0.0;
        scheduled.then(|| self.start_ns + whole_ns(self.started as f64 * 1e9 / self.per_second))
    }

    /// When the session to start now was due; `None`: none starts now. To be called until it says so.
    pub(super) fn next(&mut self, now_ns: u64) -> Option<u64> {
        match self.phase {
            Phase::New => {
                let (warm_up_ns, duration_ns) = (nanoseconds(self.plan.warm_up), nanoseconds(self.plan.duration));
                self.gate.arrive(now_ns, warm_up_ns, duration_ns);
                self.phase = Phase::AtTheGate;
                None
            }
            Phase::AtTheGate => {
                let start_ns = self.gate.start_ns().filter(|start| *start <= now_ns)?;
                self.start_ns = start_ns;
                self.phase = Phase::Starting;
                None
            }
            Phase::Starting => {
                let all = self.plan.sessions_max > 0 && self.started >= self.plan.sessions_max as u64;
                let over = self.plan.sessions_max == 0 && self.gate.end_ns().is_some_and(|end| now_ns >= end);
                if all || over {
                    self.phase = Phase::Ending {
                        give_up_ns: now_ns + LAST_ONES_NS,
                    };
                    return None;
                }
                let due_ns = match self.next_due_ns() {
                    Some(due_ns) => Some(due_ns).filter(|due| *due <= now_ns)?,
                    None if self.running() < self.plan.at_once as u64 => now_ns,
                    None => return None,
                };
                self.started += 1;
                Some(due_ns)
            }
            Phase::Ending { give_up_ns } => {
                if self.ended >= self.started || now_ns >= give_up_ns {
                    if self.plan.sessions_max > 0 {
                        self.gate.end_early(now_ns);
                    }
                    self.phase = Phase::Finished;
                }
                None
            }
            Phase::Finished => None,
        }
    }

    /// No more sessions start.
    pub(super) fn stop(&mut self, now_ns: u64) {
        if self.phase != Phase::Finished {
            self.phase = Phase::Ending {
                give_up_ns: now_ns + 2_000_000_000,
            };
        }
    }
}
