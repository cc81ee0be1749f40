use crate::Handler;
use crate::mailbox::Request;
use crate::shard::Shard;
use futures_lite::future::poll_fn;
use glommio::timer::Timer;
use rustix::time::{ClockId, clock_gettime};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
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
        sleep_a_tick().await;
        ticks = ticks.wrapping_add(1);
        let mut state = shard.state.borrow_mut();
        let state = &mut *state;
        let now = state.table.read_clock();
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

/// Timers of one tick, each due a tick after the one before.
const TIMERS: u32 = 8;

/// Waits for a tick, with more timers behind the one that ends the wait.
///
/// glommio 0.9.0 parks with tasks ready to run when an event of its latency ring (a wake from another thread, the
/// preemption timer) arrives between its look for events and its first task: `run_task_queues` then says that there was
/// nothing to run. Whatever happens next ends that sleep, but if this clock is among the tasks that were passed over, no
/// timer is armed and on a quiet shard nothing happens next. The spare timers bound such a sleep to a tick.
async fn sleep_a_tick() {
    let mut timers: Vec<Timer> = (1..=TIMERS).map(|n| Timer::new(TICK * n)).collect();
    poll_fn(|cx| {
        let mut ended = false;
        for timer in &mut timers {
            // Polling arms a timer, so none may be left out.
            ended |= Pin::new(timer).poll(cx).is_ready();
        }
        if ended { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
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
