use crate::Handler;
use crate::mailbox::Request;
use crate::shard::Shard;
use std::rc::Rc;
use std::time::Duration;

/// Period of the shard's clock: the resolution of every deadline.
const TICK: Duration = Duration::from_millis(100);
/// A report goes to the control plane every this many ticks.
const REPORT_TICKS: u32 = 10;

/// One timer for the whole shard: deadlines of connections, the engine's sweeps, the report.
pub(crate) async fn tick<H: Handler>(shard: Rc<Shard<H>>) {
    let mut ticks = 0_u32;
    loop {
        glommio::timer::sleep(TICK).await;
        ticks = ticks.wrapping_add(1);
        let mut state = shard.state.borrow_mut();
        let state = &mut *state;
        let now = state.table.read_clock();
        state.table.expire();
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
