//! What every load can do, and the figures it keeps.

use crate::accounting::Counts;
use crate::latency::Latency;
use crate::net::{Handler, Net};
use crate::plan::Plan;
use crate::refusal::Refusals;
use crate::rooms::ConnectionCounts;
use std::sync::Arc;

/// Longest time between two looks at the clock while a load waits for something.
pub(super) const LOOK_NS: u64 = 10_000_000;

/// What a thread does of a run.
#[derive(Debug, Clone)]
pub struct Part {
    /// Its share of the plan.
    pub plan: Arc<Plan>,
    /// Number of the thread.
    pub thread: usize,
    /// Tag of the run, the same on all threads.
    pub run: u32,
    /// Number of its first standing room among those of all threads.
    pub first_room: usize,
}

/// A load on one thread.
pub trait Scenario: Handler {
    /// When [`Scenario::on_due`] wants to be called next, in nanoseconds since the epoch.
    fn next_due_ns(&self, now_ns: u64) -> u64;

    /// Does what is due; called in every turn of the loop.
    fn on_due(&mut self, net: &mut Net);

    /// Ends the load early but in order, so that the figures so far stand.
    fn stop(&mut self, net: &mut Net);

    /// Whether it is over and its connections are closed.
    fn is_finished(&self) -> bool;

    /// Adds its present figures.
    fn progress(&self, progress: &mut Progress);

    /// Hands over its figures.
    fn finish(self: Box<Self>) -> Outcome;
}

/// What a load has done so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Progress {
    /// Members inside rooms, or idle connections.
    pub inside: u64,
    /// Messages relayed.
    pub sent: u64,
    /// Deliveries that arrived, intact or not.
    pub delivered: u64,
    /// Deliveries that should have arrived.
    pub expected: u64,
    /// Sessions, cycles or returns completed.
    pub completed: u64,
    /// Connections, joins or sessions that failed.
    pub failed: u64,
}

/// The figures of a load on one thread.
#[derive(Debug)]
pub struct Outcome {
    /// Latencies by kind.
    pub latencies: Vec<Latency>,
    /// Messages, per sender.
    pub senders: Vec<Counts>,
    /// Deliveries that none of these senders made.
    pub strays: Counts,
    /// What became of connections.
    pub connections: ConnectionCounts,
    /// What the server refused.
    pub refusals: Refusals,
    /// Sessions, cycles or returns completed.
    pub completed: u64,
    /// Sessions, cycles or returns that failed or did not end in time.
    pub failed: u64,
    /// How much later than due messages were handed to the kernel.
    pub lag: Option<Latency>,
}
