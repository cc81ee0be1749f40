//! The loads. Each thread drives one or more of them over its own connections.

mod churn;
mod idle;
mod lobby;
mod reconnect;
mod relay;
mod sessions;

use crate::accounting::Counts;
use crate::latency::Latency;
use crate::net::{ConnectionId, Event, Net};
use crate::plan::{Load, Plan};
use crate::refusal::Refusals;
use crate::rooms::ConnectionCounts;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// A load on one thread.
pub trait Scenario {
    /// Handles an event of a connection that it opened with `tag`.
    fn on_event(&mut self, net: &mut Net, id: ConnectionId, tag: usize, event: Event<'_>);

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
    /// Deliveries that arrived.
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

/// Lets every thread begin its measured part at the same time.
#[derive(Debug)]
pub struct Gate {
    threads: usize,
    waiting: AtomicUsize,
    start_ns: AtomicU64,
    end_ns: AtomicU64,
}

/// Time between the last thread's arrival and the common start.
const GATE_NS: u64 = 100_000_000;

impl Gate {
    /// A gate that opens once `threads` threads have arrived.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        Self {
            threads,
            waiting: AtomicUsize::new(0),
            start_ns: AtomicU64::new(0),
            end_ns: AtomicU64::new(0),
        }
    }

    /// A thread arrives; called once per thread. Measuring begins `warm_up_ns` after the start and ends `duration_ns` later.
    pub fn arrive(&self, now_ns: u64, warm_up_ns: u64, duration_ns: u64) {
        if self.waiting.fetch_add(1, Ordering::SeqCst) + 1 == self.threads {
            let start_ns = now_ns + GATE_NS;
            self.end_ns.store(start_ns + warm_up_ns + duration_ns, Ordering::SeqCst);
            self.start_ns.store(start_ns, Ordering::SeqCst);
        }
    }

    /// The common start, once known.
    #[must_use]
    pub fn start_ns(&self) -> Option<u64> {
        Some(self.start_ns.load(Ordering::Acquire)).filter(|start| *start > 0)
    }

    /// The end of the measured part, once known.
    #[must_use]
    pub fn end_ns(&self) -> Option<u64> {
        Some(self.end_ns.load(Ordering::Acquire)).filter(|end| *end > 0)
    }

    /// Brings the end forward.
    pub fn end_early(&self, now_ns: u64) {
        self.end_ns.fetch_min(now_ns.max(1), Ordering::SeqCst);
    }
}

/// The loads of thread `thread`, whose part of the plan is `share`.
#[must_use]
pub fn scenarios(share: &Arc<Plan>, thread: usize, run: u16, gate: &Arc<Gate>) -> Vec<Box<dyn Scenario>> {
    let relay = |spectators| -> Box<dyn Scenario> {
        Box::new(relay::Relay::new(share, thread, run, spectators, Arc::clone(gate)))
    };
    let lobby = || -> Box<dyn Scenario> { Box::new(lobby::Lobby::new(share, thread, Arc::clone(gate))) };
    let idle = || -> Box<dyn Scenario> { Box::new(idle::Idle::new(share, thread, Arc::clone(gate))) };
    match share.load {
        Load::Relay => vec![relay(0)],
        Load::Spectate => vec![relay(share.spectators)],
        Load::Lobby => vec![lobby()],
        Load::Churn => vec![Box::new(churn::Churn::new(
            share,
            thread,
            share.sessions_per_second,
            Arc::clone(gate),
        ))],
        Load::Reconnect => vec![Box::new(reconnect::Reconnect::new(share, thread, Arc::clone(gate)))],
        Load::Idle => vec![idle()],
        Load::Mix => vec![
            relay(share.spectators),
            lobby(),
            Box::new(churn::Churn::new(
                share,
                thread,
                share.churn_per_second,
                Arc::clone(gate),
            )),
            idle(),
        ],
    }
}

/// How many gates' arrivals one thread makes: one per load.
#[must_use]
pub fn loads_per_thread(load: Load) -> usize {
    if load == Load::Mix { 4 } else { 1 }
}

/// Longest time between two looks at the clock while a load waits for something.
const LOOK_NS: u64 = 10_000_000;

fn nanoseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "whole nanoseconds are wanted; floats beyond u64 saturate"
)]
fn whole_ns(nanoseconds: f64) -> u64 {
    nanoseconds as u64
}
