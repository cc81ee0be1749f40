//! The common start and end of all threads.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

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
