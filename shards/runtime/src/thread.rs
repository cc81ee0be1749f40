//! The thread of a shard: turns, and sleep between them.

use crate::clock::Clock;
use crate::cluster::ClusterSender;
use crate::control::ToControl;
use crate::desk::DeskSender;
use crate::fault::{Fault, Stall};
use crate::mailbox::{Inbox, Mailbox};
use crate::observer::ObserverSender;
use crate::post::ShardPost;
use crate::sockets::TcpSockets;
use crate::warnings::Warnings;
use crossbeam_channel::Sender;
use glommio::{ExecutorJoinHandle, LocalExecutorBuilder, Placement};
use signal_fish_core::shard::{Next, Plan, Request, Shard};
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Memory that glommio registers with each of its rings; its default of 10 MiB is for files.
const IO_MEMORY_BYTES: usize = 64 * 1024;
/// How long a task may run before glommio asks it to yield. There is one task, which never does.
const PREEMPT_TIMER: Duration = Duration::from_secs(24 * 3600);

/// What a shard has around it.
#[derive(Debug)]
pub struct Surroundings<M> {
    /// CPU to pin the thread to; `None` leaves it to the scheduler.
    pub cpu: Option<usize>,
    /// Listeners of its own, as from [`listen`](crate::listen), in the order of their sites. 256 at most.
    pub listeners: Vec<TcpListener>,
    /// Its mailbox.
    pub inbox: Inbox,
    /// The mailboxes of all shards, its own included.
    pub mailboxes: Arc<[Mailbox]>,
    /// To the control plane.
    pub control: ToControl<M>,
    /// To the desk.
    pub desk: DeskSender,
    /// To the observer, if there is one.
    pub observer: Option<ObserverSender>,
    /// To the thread that talks to Redis, if other nodes share rooms.
    pub cluster: Option<ClusterSender>,
    /// Start of the process's monotonic clock, the same for all shards.
    pub start: Instant,
}

/// A running shard.
#[derive(Debug)]
pub struct ShardThread(ExecutorJoinHandle<()>);

impl ShardThread {
    /// Starts a shard on a thread of its own; `started` gets one message when it serves.
    ///
    /// # Errors
    /// When its epoll set, the thread or the rings of the executor cannot be made. Rings that fail on the thread itself drop
    /// `started` without a message, and [`Self::join`] says why.
    pub fn spawn<M>(plan: Plan, surroundings: Surroundings<M>, started: Sender<()>) -> io::Result<Self>
    where
        M: From<Request> + Send + 'static,
    {
        let Surroundings {
            cpu,
            listeners,
            inbox,
            mailboxes,
            control,
            desk,
            observer,
            cluster,
            start,
        } = surroundings;
        let sockets = TcpSockets::new(listeners, inbox.wake())?;
        let post = ShardPost {
            inbox,
            mailboxes,
            control,
            desk,
            observer,
            cluster,
            requested: false,
            published: false,
        };
        let clock = Clock::new(start);
        let stall = Stall::of(plan.index.0);
        LocalExecutorBuilder::new(cpu.map_or(Placement::Unbound, Placement::Fixed))
            .name("shard")
            .io_memory(IO_MEMORY_BYTES)
            .preempt_timer(PREEMPT_TIMER)
            .spawn(move || async move { serve(Shard::new(plan, sockets, post), clock, &stall, &started) })
            .map(Self)
            .map_err(io::Error::from)
    }

    /// Waits for the end of the shard.
    ///
    /// # Errors
    /// When its executor failed.
    pub fn join(self) -> io::Result<()> {
        self.0.join().map_err(io::Error::from)
    }
}

/// The life of a shard. It never gives the thread back to the executor: a trip through the executor's rings costs more than
/// the sleep itself, and there is no other task.
fn serve<M: From<Request>>(
    mut shard: Shard<TcpSockets, ShardPost<M>>,
    clock: Clock,
    stall: &Stall,
    started: &Sender<()>,
) {
    let mut warnings = Warnings::default();
    let fault = Fault::of("shard");
    // Nobody waits for it any more if the server is being given up.
    let _ = started.send(());
    loop {
        stall.hold();
        let now = clock.read();
        let next = shard.turn(now);
        let ended = clock.monotonic();
        shard.turn_ended(ended);
        if shard.counters().accepted > 0 {
            fault.strike();
        }
        warnings.look_at(now.monotonic, shard.counters());
        let timeout = match next {
            Next::Ended => break,
            Next::Now => Duration::ZERO,
            Next::At(at) => at.saturating_sub(ended),
        };
        if timeout.is_zero() || !shard.post().inbox.lie_down() {
            shard.sockets().wait(Duration::ZERO);
        } else {
            shard.sockets().wait(timeout);
            shard.post().inbox.get_up();
        }
    }
}
