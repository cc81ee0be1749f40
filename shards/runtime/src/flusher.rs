use crate::Handler;
use crate::shard::Shard;
use futures_lite::future::poll_fn;
use glommio::timer::Timer;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

/// Sends between two looks at the other tasks.
const SENDS_PER_TURN_MAX: usize = 128;

/// Sends what the turn produced.
///
/// The first byte that a turn appends to an outbox wakes this task, which puts it behind every connection that is ready
/// in the same turn: by the time it runs, the outboxes hold everything that the turn produced, and each needs one `send`
/// however many frames it holds. Under load more arrives while this task sends, so frames coalesce by themselves. A busy
/// shard besides keeps output back for a window that follows its load (D28), and lets input gather in between: it stands
/// still for a part of the window, instead of waking up for every message.
pub(crate) async fn flush_turns<H: Handler>(shard: Rc<Shard<H>>) {
    let mut window: Option<Timer> = None;
    loop {
        poll_fn(|cx| {
            let table = &mut shard.state.borrow_mut().table;
            match table.batch_due() {
                None => window = None,
                Some(after) => {
                    if Pin::new(window.get_or_insert_with(|| Timer::new(after)))
                        .poll(cx)
                        .is_ready()
                    {
                        window = None;
                        table.release_batches();
                    }
                }
            }
            match table.arm_flusher(cx.waker()) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
        if shard.state.borrow_mut().table.flush(SENDS_PER_TURN_MAX) {
            futures_lite::future::yield_now().await;
            continue;
        }
        let pause = shard.state.borrow().table.pause();
        if !pause.is_zero() {
            // The whole thread has to rest: every event would wake an executor that waits.
            std::thread::sleep(pause);
        }
    }
}
