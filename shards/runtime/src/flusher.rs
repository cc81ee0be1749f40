use crate::Handler;
use crate::shard::Shard;
use futures_lite::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

/// Sends between two looks at the other tasks.
const SENDS_PER_TURN_MAX: usize = 128;

/// Sends what the turn produced.
///
/// The first byte that a turn appends to an outbox wakes this task, which puts it behind every connection that is ready
/// in the same turn: by the time it runs, the outboxes hold everything that the turn produced, and each needs one `send`
/// however many frames it holds. Under load more arrives while this task sends, so frames coalesce by themselves (D28).
pub(crate) async fn flush_turns<H: Handler>(shard: Rc<Shard<H>>) {
    loop {
        poll_fn(|cx| match shard.state.borrow_mut().table.arm_flusher(cx.waker()) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
        if shard.state.borrow_mut().table.flush(SENDS_PER_TURN_MAX) {
            futures_lite::future::yield_now().await;
        }
    }
}
