use crate::Handler;
use crate::clock::Clock;
use crate::connection::{self, Connection};
use crate::flusher::flush_turns;
use crate::handoff::Handoff;
use crate::incoming::Acceptor;
use crate::mailbox::{Inbox, Mail, Mailbox, Request};
use crate::readiness::{Epoll, Readiness};
use crate::table::{Counters, Phase, Table};
use crate::timers::tick;
use crossbeam_channel::Sender;
use futures_lite::future::poll_fn;
use glommio::{ExecutorJoinHandle, LocalExecutorBuilder, Placement};
use rustix::io::Errno;
use rustix::net::{SocketAddrAny, SocketFlags};
use signal_fish_core::protocol::signal_fish::{self, ShardIndex};
use signal_fish_core::ws;
use std::cell::RefCell;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

/// Bytes received at once, shared by all connections of a shard.
const READ_BUFFER_BYTES: usize = 64 * 1024;
/// Memory that glommio registers with each of its rings; its default of 10 MiB is for files.
const IO_MEMORY_BYTES: usize = 64 * 1024;
/// How long a task may run before glommio asks it to yield.
const PREEMPT_TIMER: Duration = Duration::from_millis(5);
/// Connections of a listener's queue that are answered when the server ends.
const QUEUE_MAX: usize = 4096;
/// Pause after an accept that failed for want of descriptors or memory.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Bounds of a shard.
#[derive(Debug, Clone)]
pub struct Options {
    /// Bounds of the codec.
    pub codec: ws::Limits,
    /// `websocket.max_outbound_bytes`: unsent bytes of one connection (D26).
    pub outbound_bytes_max: usize,
    /// Batching under load (D28); `None`: everything leaves at the end of its turn.
    pub batching: Option<Batching>,
    /// Time for an HTTP head (D39).
    pub head_timeout: Duration,
    /// `server.drain_timeout_secs` (D35).
    pub drain_timeout: Duration,
    /// Connections of one shard, in whatever phase.
    pub slots_max: usize,
}

/// How long a busy shard may keep output back to send more at once (D28).
#[derive(Debug, Clone, Copy)]
pub struct Batching {
    /// `websocket.batch_size`: so many messages wait no longer.
    pub messages_max: u32,
    /// `websocket.batch_interval_ms`: the longest wait, and the quiet after which a message leaves at once.
    pub interval: Duration,
}

/// Everything a shard needs to start.
pub struct ShardPlan {
    /// Its index.
    pub index: ShardIndex,
    /// CPU to pin it to; `None` leaves it to the scheduler.
    pub cpu: Option<usize>,
    /// Listener of its own, non-blocking, as from [`listen`](crate::listen).
    pub listener: TcpListener,
    /// Its mailbox.
    pub inbox: Inbox,
    /// The mailboxes of all shards, its own included.
    pub mailboxes: Arc<[Mailbox]>,
    /// To the control plane.
    pub control: Sender<Request>,
    /// Bounds.
    pub options: Options,
    /// Start of the process's monotonic clock, the same for all shards.
    pub start: Instant,
}

/// A running shard.
#[derive(Debug)]
pub struct ShardThread(ExecutorJoinHandle<()>);

/// Figures of one shard.
#[derive(Debug, Clone)]
pub struct ShardReport {
    /// Which shard.
    pub shard: ShardIndex,
    /// Connections in whatever phase.
    pub connections: usize,
    /// What the runtime counted.
    pub runtime: Counters,
    /// What the engine counted.
    pub engine: signal_fish::Counters,
    /// What the engine holds.
    pub gauges: signal_fish::Gauges,
}

/// One shard, on its own thread.
#[derive(Debug)]
pub(crate) struct Shard<H> {
    pub(crate) index: ShardIndex,
    pub(crate) state: RefCell<State<H>>,
    pub(crate) mailboxes: Arc<[Mailbox]>,
}

/// What the tasks of a shard share. Borrowed for the length of one poll, never across a wait.
#[derive(Debug)]
pub(crate) struct State<H> {
    pub(crate) handler: H,
    pub(crate) table: Table,
    /// What the connection whose turn it is receives into.
    pub(crate) buffer: Vec<u8>,
    /// Set when the server shuts down: when the last connections are ended.
    pub(crate) drain_deadline: Option<Duration>,
    drained: Option<std::task::Waker>,
}

impl ShardPlan {
    /// Starts the shard on a thread of its own. `make` builds handler and acceptor on that thread; `started` gets one
    /// message when the shard serves.
    ///
    /// # Errors
    /// When the thread or its rings cannot be made.
    pub fn spawn<H, A, F>(self, make: F, started: Sender<()>) -> io::Result<ShardThread>
    where
        H: Handler,
        A: Acceptor,
        F: FnOnce() -> (H, A) + Send + 'static,
    {
        let epoll = Epoll::new()?;
        let placement = self.cpu.map_or(Placement::Unbound, Placement::Fixed);
        LocalExecutorBuilder::new(placement)
            .name("shard")
            .io_memory(IO_MEMORY_BYTES)
            .preempt_timer(PREEMPT_TIMER)
            .spawn(move || async move {
                let (handler, acceptor) = make();
                run(self, Readiness::new(epoll), handler, acceptor, started).await;
            })
            .map(ShardThread)
            .map_err(io::Error::from)
    }
}

impl std::fmt::Debug for ShardPlan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShardPlan")
            .field("index", &self.index)
            .field("cpu", &self.cpu)
            .finish_non_exhaustive()
    }
}

impl ShardThread {
    /// Waits for the end of the shard.
    ///
    /// # Errors
    /// When its executor failed.
    pub fn join(self) -> io::Result<()> {
        self.0.join().map_err(io::Error::from)
    }
}

/// The life of a shard: serve until the drain, then until the last connection has ended.
async fn run<H: Handler, A: Acceptor>(
    plan: ShardPlan,
    readiness: Readiness,
    handler: H,
    acceptor: A,
    started: Sender<()>,
) {
    let clock = Clock::new(plan.start);
    let table = Table::new(plan.index, plan.options, clock, plan.control, readiness);
    let shard = Rc::new(Shard {
        index: plan.index,
        state: RefCell::new(State {
            handler,
            table,
            buffer: vec![0; READ_BUFFER_BYTES],
            drain_deadline: None,
            drained: None,
        }),
        mailboxes: plan.mailboxes,
    });
    let sockets = glommio::spawn_local(wake_ready(Rc::clone(&shard)));
    let mail = glommio::spawn_local(read_mail(Rc::clone(&shard), plan.inbox));
    let flusher = glommio::spawn_local(flush_turns(Rc::clone(&shard)));
    let timer = glommio::spawn_local(tick(Rc::clone(&shard)));
    let queue = plan.listener.try_clone();
    let acceptor = Rc::new(acceptor);
    let accepting = glommio::spawn_local(accept(Rc::clone(&shard), Rc::clone(&acceptor), plan.listener));
    let _ = started.send(());

    poll_fn(|cx| shard.state.borrow_mut().poll_drain(cx.waker())).await;
    poll_fn(|cx| shard.state.borrow_mut().poll_drained(cx.waker())).await;
    accepting.cancel().await;
    if let Ok(queue) = queue {
        refuse_queue(&queue, &acceptor.draining_answer());
    }
    poll_fn(|cx| shard.state.borrow_mut().poll_empty(cx.waker())).await;
    timer.cancel().await;
    mail.cancel().await;
    flusher.cancel().await;
    sockets.cancel().await;
    let mut state = shard.state.borrow_mut();
    let report = Box::new(state.report(shard.index));
    state.table.request(Request::Report(report));
}

impl<H: Handler> State<H> {
    /// Tells the engine about the connections that its effects have ended.
    pub(crate) fn settle(&mut self) {
        while let Some(slot) = self.table.next_doomed() {
            let now = self.table.now();
            self.handler.disconnected(now, slot, &mut self.table);
        }
    }

    pub(crate) fn report(&self, shard: ShardIndex) -> ShardReport {
        let (engine, gauges) = self.handler.figures();
        ShardReport {
            shard,
            connections: self.table.live(),
            runtime: self.table.counters,
            engine,
            gauges,
        }
    }

    fn drain(&mut self) {
        if self.drain_deadline.is_some() {
            return;
        }
        let now = self.table.read_clock();
        self.drain_deadline = Some(now.monotonic.saturating_add(self.table.options().drain_timeout));
        self.handler.drain(now, &mut self.table);
        self.settle();
        self.table.end_heads();
        if let Some(waker) = self.drained.take() {
            waker.wake();
        }
    }

    fn poll_drain(&mut self, waker: &std::task::Waker) -> Poll<()> {
        if self.drain_deadline.is_some() {
            return Poll::Ready(());
        }
        self.drained = Some(waker.clone());
        Poll::Pending
    }

    /// Ready when nobody is left, or when the drain has taken its time: a stream of newcomers must not prolong it.
    fn poll_drained(&mut self, waker: &std::task::Waker) -> Poll<()> {
        let now = self.table.read_clock().monotonic;
        if self.drain_deadline.is_some_and(|deadline| deadline <= now) {
            return Poll::Ready(());
        }
        self.poll_empty(waker)
    }

    fn poll_empty(&mut self, waker: &std::task::Waker) -> Poll<()> {
        if self.table.live() == 0 {
            return Poll::Ready(());
        }
        self.table.wake_when_empty(waker);
        Poll::Pending
    }
}

/// Wakes the connections whose sockets are ready.
///
/// A turn through glommio's rings takes several system calls. So, when what was woken has run, this looks again by itself,
/// and leaves the rings alone as long as there is something.
async fn wake_ready<H: Handler>(shard: Rc<Shard<H>>) {
    /// Looks before the rings have their turn, with the mail and the timers that come through them.
    const LOOKS_MAX: usize = 8;
    let mut readiness = shard.state.borrow_mut().table.readiness();
    loop {
        readiness.wait().await;
        for _ in 0..LOOKS_MAX {
            if shard.state.borrow_mut().table.wake_ready() == 0 {
                break;
            }
            futures_lite::future::yield_now().await;
        }
    }
}

/// Accepts connections, one task each.
async fn accept<H: Handler, A: Acceptor>(shard: Rc<Shard<H>>, acceptor: Rc<A>, listener: TcpListener) {
    /// Connections accepted before other tasks get their turn.
    const ACCEPTS_PER_TURN_MAX: usize = 64;
    if let Err(error) = shard.state.borrow().table.watch_listener(&listener) {
        tracing::error!(%error, "a shard accepts nobody: its listener cannot be watched");
    }
    loop {
        let mut accepted = 0;
        let pause = poll_fn(|cx| {
            shard.state.borrow_mut().table.wake_at_newcomers(cx.waker());
            while accepted < ACCEPTS_PER_TURN_MAX {
                match rustix::net::acceptfrom_with(&listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
                    Ok((socket, peer)) => begin(&shard, &acceptor, socket, peer),
                    Err(Errno::AGAIN) => return Poll::Pending,
                    // It ended in the queue.
                    Err(Errno::CONNABORTED | Errno::INTR) => {}
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted; is the limit of open files too low?");
                        return Poll::Ready(true);
                    }
                }
                accepted += 1;
            }
            Poll::Ready(false)
        })
        .await;
        if pause {
            glommio::timer::sleep(ACCEPT_RETRY).await;
        } else {
            futures_lite::future::yield_now().await;
        }
    }
}

/// Starts the task of a connection.
fn begin<H: Handler, A: Acceptor>(
    shard: &Rc<Shard<H>>,
    acceptor: &Rc<A>,
    socket: OwnedFd,
    peer: Option<SocketAddrAny>,
) {
    // The listener is one for IP, so this cannot fail.
    let Some(Ok(peer)) = peer.map(SocketAddr::try_from) else {
        return;
    };
    let mut state = shard.state.borrow_mut();
    state.table.read_clock();
    let Some(slot) = state.table.take_slot(socket, Phase::Head) else {
        return;
    };
    state.table.counters.accepted += 1;
    drop(state);
    let task = connection::serve_accepted(Rc::clone(shard), Rc::clone(acceptor), slot, peer.ip());
    glommio::spawn_local(task).detach();
}

/// Answers the connections that nobody accepted any more: closing their listener would reset them.
fn refuse_queue(listener: &TcpListener, answer: &[u8]) {
    // Who comes faster than they are answered must not keep the server from ending.
    for _ in 0..QUEUE_MAX {
        let Ok((stream, _)) = listener.accept() else { break };
        let flags = rustix::net::SendFlags::DONTWAIT | rustix::net::SendFlags::NOSIGNAL;
        // Whoever has gone meanwhile misses nothing.
        let _ = rustix::net::send(&stream, answer, flags);
        let _ = stream.shutdown(std::net::Shutdown::Write);
    }
}

/// Handles what other threads send.
async fn read_mail<H: Handler>(shard: Rc<Shard<H>>, inbox: Inbox) {
    /// Pieces of mail handled before other tasks get their turn.
    const MAIL_PER_TURN_MAX: usize = 64;
    loop {
        let mut handled = 0;
        poll_fn(|cx| {
            inbox.listen(cx.waker());
            inbox.quiet();
            while let Some(mail) = inbox.take() {
                handle_mail(&shard, mail);
                handled += 1;
                if handled == MAIL_PER_TURN_MAX {
                    return Poll::Ready(());
                }
            }
            Poll::Pending
        })
        .await;
        futures_lite::future::yield_now().await;
    }
}

fn handle_mail<H: Handler>(shard: &Rc<Shard<H>>, mail: Mail) {
    match mail {
        Mail::Verdict { slot, verdict } => {
            let mut state = shard.state.borrow_mut();
            let state = &mut *state;
            let now = state.table.read_clock();
            state.handler.verdict(now, slot, verdict, &mut state.table);
            state.settle();
        }
        Mail::Connection(handoff) => adopt(shard, *handoff),
        Mail::Drain => shard.state.borrow_mut().drain(),
    }
}

/// Takes over a connection from another shard.
fn adopt<H: Handler>(shard: &Rc<Shard<H>>, handoff: Handoff) {
    let Handoff {
        socket,
        decoder,
        unread,
        unsent,
        session,
    } = handoff;
    let mut guard = shard.state.borrow_mut();
    let state = &mut *guard;
    let now = state.table.read_clock();
    let Some(slot) = state.table.take_slot(socket, Phase::Open) else {
        state.table.counters.handoffs_failed += 1;
        state.handler.abandon(session, &mut state.table);
        return;
    };
    state.table.counters.handoffs_in += 1;
    state.table.restore_outbox(slot, unsent);
    state.handler.adopt(now, slot, session, &mut state.table);
    // It may have to queue behind others that open the same room.
    state.table.set_waiting(slot, state.handler.is_waiting(slot));
    if state.drain_deadline.is_some() {
        state.handler.drain(now, &mut state.table);
    }
    state.settle();
    drop(guard);
    let connection = Connection::adopted(slot, decoder, unread);
    glommio::spawn_local(connection::serve_adopted(Rc::clone(shard), connection)).detach();
}
