use crate::Handler;
use crate::mailbox::Request;
use crate::shard::Shard;
use rustix::time::{ClockId, clock_gettime};
use std::rc::Rc;
use std::time::Duration;

/// Period of the shard's clock: the resolution of every deadline.
const TICK: Duration = Duration::from_millis(100);
/// A report goes to the control plane every this many ticks.
const REPORT_TICKS: u32 = 10;

/// One timer for the whole shard: deadlines of connections, the engine's sweeps, the report.
pub(crate) async fn tick<H: Handler>(shard: Rc<Shard<H>>) {
    let mut ticks = 0_u32;
    let mut work = Work::default();
    loop {
        glommio::timer::sleep(TICK).await;
        ticks = ticks.wrapping_add(1);
        let mut state = shard.state.borrow_mut();
        let state = &mut *state;
        let now = state.table.read_clock();
        shard.mailboxes[usize::from(shard.index.0)].tick(now.monotonic);
        state.table.expire();
        state.table.adapt_window(work.share(now.monotonic));
        state.handler.tick(now, &mut state.table);
        state.settle();
        if ticks.is_multiple_of(REPORT_TICKS) {
            let report = Box::new(state.report(shard.index));
            state.table.request(Request::Report(report));
        }
        if state.drain_deadline.is_some_and(|deadline| deadline <= now.monotonic) {
            state.table.kill_all();
        }
    }
}

/// How much of the time this thread was at work.
#[derive(Debug, Default)]
struct Work {
    measured_at: Duration,
    thread: Duration,
}

impl Work {
    /// Share of the time since the last call that this thread spent on a CPU, 0 to 1.
    fn share(&mut self, now: Duration) -> f64 {
        let spent = clock_gettime(ClockId::ThreadCPUTime);
        let thread = Duration::try_from(spent).unwrap_or_default();
        let passed = now.saturating_sub(self.measured_at).as_secs_f64();
        let worked = thread.saturating_sub(self.thread).as_secs_f64();
        *self = Self {
            measured_at: now,
            thread,
        };
        if passed > 0.0 { (worked / passed).min(1.0) } else { 0.0 }
    }
}
