mod io;
mod output;

use crate::batches::Batches;
use crate::clock::Clock;
use crate::mailbox::Request;
use crate::outbox::{Outbox, Pool};
use crate::readiness::Readiness;
use crate::shard::Options;
use crossbeam_channel::Sender;
use signal_fish_core::Now;
use signal_fish_core::protocol::signal_fish::{MovingSession, ShardIndex, Slot};
use signal_fish_core::ws;
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::task::Waker;
use std::time::Duration;

/// The connections of one shard, each in its slot, and their outboxes. This is where the engine's effects go.
#[derive(Debug)]
pub struct Table {
    shard: ShardIndex,
    options: Options,
    clock: Clock,
    now: Now,
    control: Sender<Request>,
    entries: Vec<Entry>,
    free: Vec<u32>,
    live: usize,
    /// Slots with new output, in the order in which it was produced.
    dirty: VecDeque<Slot>,
    batches: Batches,
    flusher: Option<Waker>,
    readiness: Readiness,
    /// Woken when somebody waits in the listener's queue.
    newcomers: Option<Waker>,
    pool: Pool,
    /// Slow consumers whose sessions the engine has not ended yet.
    doomed: Vec<Slot>,
    /// Woken when the last slot is released.
    emptied: Option<Waker>,
    pub(crate) counters: Counters,
}

/// What a shard counted since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Connections accepted from the listener.
    pub accepted: u64,
    /// Connections taken over from other shards.
    pub handoffs_in: u64,
    /// Connections moved to other shards.
    pub handoffs_out: u64,
    /// Handoffs that ended in a close because a mailbox was full.
    pub handoffs_failed: u64,
    /// Slow consumers closed with 1013 (D26).
    pub slow_consumer_closes: u64,
    /// Messages appended to outboxes.
    pub messages_out: u64,
    /// Calls of `recv`.
    pub receives: u64,
    /// Calls of `send`.
    pub sends: u64,
    /// Bytes sent.
    pub bytes_out: u64,
}

#[derive(Debug)]
struct Entry {
    generation: u32,
    /// Closed with the slot, so that nothing is ever sent to a descriptor that means another connection.
    socket: Option<OwnedFd>,
    phase: Phase,
    /// There may be input: set by readiness, cleared when everything was received.
    readable: bool,
    /// Input ends with the end of the stream or an error; receiving goes on until it is found.
    ended: bool,
    /// Readiness for output is reported, too.
    watches_output: bool,
    /// In [`Table::dirty`], or in [`Batches`].
    dirty: bool,
    /// Messages appended since the last `send`.
    unsent_messages: u32,
    /// When the last `send` was made.
    sent_at: Duration,
    /// The socket's buffer is full; the connection's task sends as soon as there is room.
    blocked: bool,
    /// Frames are not handled until the engine resumes the session.
    waiting: bool,
    /// End of the phase, for heads and closing connections.
    deadline: Duration,
    expired: bool,
    waker: Option<Waker>,
    outbox: Outbox,
    moving: Option<Box<Move>>,
}

/// Where a connection goes, and its session.
#[derive(Debug)]
pub(crate) struct Move {
    pub(crate) to: ShardIndex,
    pub(crate) session: Box<MovingSession>,
}

/// What leaves with a connection.
#[derive(Debug)]
pub(crate) struct Departure {
    pub(crate) move_to: Box<Move>,
    pub(crate) socket: OwnedFd,
    pub(crate) unsent: Vec<u8>,
}

/// Where a connection is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// No connection.
    Free,
    /// Its HTTP head is being read.
    Head,
    /// It speaks WebSocket.
    Open,
    /// It leaves for another shard.
    Moving,
    /// Its last output is being sent; input is discarded.
    Closing,
    /// It ends at once.
    Dead,
}

/// How long a closing connection may take to send its last output and to see the peer's end.
const LINGER: Duration = Duration::from_secs(2);

impl Table {
    pub(crate) fn new(
        shard: ShardIndex,
        options: Options,
        clock: Clock,
        control: Sender<Request>,
        readiness: Readiness,
    ) -> Self {
        Self {
            shard,
            options,
            clock,
            now: clock.read(),
            control,
            entries: Vec::new(),
            free: Vec::new(),
            live: 0,
            dirty: VecDeque::new(),
            batches: Batches::default(),
            flusher: None,
            readiness,
            newcomers: None,
            pool: Pool::default(),
            doomed: Vec::new(),
            emptied: None,
            counters: Counters::default(),
        }
    }

    /// Reads the clocks; every effect until the next reading counts from here.
    pub(crate) fn read_clock(&mut self) -> Now {
        self.now = self.clock.read();
        self.now
    }

    pub(crate) fn now(&self) -> Now {
        self.now
    }

    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    pub(crate) fn live(&self) -> usize {
        self.live
    }

    // ----- slots

    /// Takes a slot for a socket; `None`, and the socket is closed, when the shard has as many connections as it may.
    pub(crate) fn take_slot(&mut self, socket: OwnedFd, phase: Phase) -> Option<Slot> {
        if self.live >= self.options.slots_max {
            return None;
        }
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                let index = u32::try_from(self.entries.len()).ok()?;
                self.entries.push(Entry::default());
                index
            }
        };
        let entry = &mut self.entries[index as usize];
        let slot = Slot {
            index,
            generation: entry.generation,
        };
        if let Err(error) = self.readiness.watch(slot, &socket) {
            tracing::warn!(%error, "a connection was closed: it cannot be watched");
            self.free.push(index);
            return None;
        }
        *entry = Entry {
            generation: slot.generation,
            socket: Some(socket),
            phase,
            deadline: self.now.monotonic.saturating_add(self.options.head_timeout),
            ..Entry::default()
        };
        self.live += 1;
        Some(slot)
    }

    /// Gives the slot up and closes its socket.
    pub(crate) fn release(&mut self, slot: Slot) {
        let Some(entry) = find(&mut self.entries, slot) else {
            return;
        };
        entry.outbox.clear(&mut self.pool);
        *entry = Entry {
            generation: entry.generation.wrapping_add(1),
            ..Entry::default()
        };
        self.free.push(slot.index);
        self.live -= 1;
        if self.live == 0
            && let Some(waker) = self.emptied.take()
        {
            waker.wake();
        }
    }

    pub(crate) fn wake_when_empty(&mut self, waker: &Waker) {
        self.emptied = Some(waker.clone());
    }

    fn entry(&mut self, slot: Slot) -> Option<&mut Entry> {
        find(&mut self.entries, slot).filter(|entry| entry.phase != Phase::Free)
    }

    // ----- what the connection's task asks

    /// Remembers whom to wake, and says where the connection is.
    pub(crate) fn arm(&mut self, slot: Slot, waker: &Waker) -> Phase {
        let Some(entry) = self.entry(slot) else {
            return Phase::Dead;
        };
        if !entry.waker.as_ref().is_some_and(|armed| armed.will_wake(waker)) {
            entry.waker = Some(waker.clone());
        }
        entry.phase
    }

    pub(crate) fn phase(&mut self, slot: Slot) -> Phase {
        self.entry(slot).map_or(Phase::Dead, |entry| entry.phase)
    }

    pub(crate) fn is_waiting(&mut self, slot: Slot) -> bool {
        self.entry(slot).is_some_and(|entry| entry.waiting)
    }

    pub(crate) fn set_waiting(&mut self, slot: Slot, waiting: bool) {
        if let Some(entry) = self.entry(slot) {
            entry.waiting = waiting;
        }
    }

    pub(crate) fn is_blocked(&mut self, slot: Slot) -> bool {
        self.entry(slot).is_some_and(|entry| entry.blocked)
    }

    pub(crate) fn is_expired(&mut self, slot: Slot) -> bool {
        self.entry(slot).is_none_or(|entry| entry.expired)
    }

    // ----- changes of phase

    /// The upgrade is answered; frames follow.
    pub(crate) fn open(&mut self, slot: Slot) {
        if let Some(entry) = self.entry(slot).filter(|entry| entry.phase == Phase::Head) {
            entry.phase = Phase::Open;
        }
    }

    /// Nothing more is accepted from or for the connection; what is in its outbox is still sent.
    pub(crate) fn begin_close(&mut self, slot: Slot) {
        let deadline = self.now.monotonic.saturating_add(LINGER);
        if let Some(entry) = self
            .entry(slot)
            .filter(|entry| matches!(entry.phase, Phase::Head | Phase::Open))
        {
            entry.phase = Phase::Closing;
            entry.deadline = deadline;
            // A head that ran out of time still gets its answer.
            entry.expired = false;
            entry.waiting = false;
            entry.wake();
        }
    }

    /// Appends a close frame and closes.
    pub(crate) fn close_with(&mut self, slot: Slot, code: Option<u16>, reason: &str) {
        if self.phase(slot) == Phase::Open {
            self.append(slot, |out| ws::write_close(code, reason, out));
            self.begin_close(slot);
        }
    }

    /// Gives up the slot of a connection that moves, and what of it has to travel.
    pub(crate) fn take_departure(&mut self, slot: Slot) -> Option<Departure> {
        let entry = find(&mut self.entries, slot)?;
        let move_to = entry.moving.take()?;
        let socket = entry.socket.take()?;
        let unsent = std::mem::take(&mut entry.outbox).into_unsent();
        // Where this fails there is nothing to forget; events of a slot that was given up mean nothing.
        let _ = self.readiness.forget(&socket);
        self.release(slot);
        Some(Departure {
            move_to,
            socket,
            unsent,
        })
    }

    /// Continues the output of a connection that arrived from another shard.
    pub(crate) fn restore_outbox(&mut self, slot: Slot, unsent: Vec<u8>) {
        if unsent.is_empty() {
            return;
        }
        if let Some(entry) = self.entry(slot) {
            entry.outbox = Outbox::from_unsent(unsent);
            self.mark_dirty(slot);
        }
    }

    /// Appends bytes that are not a frame: an HTTP answer.
    pub(crate) fn append_raw(&mut self, slot: Slot, bytes: &[u8]) {
        self.append(slot, |out| out.extend_from_slice(bytes));
    }

    pub(crate) fn append_pong(&mut self, slot: Slot, payload: &[u8]) {
        if self.has_room(slot, payload.len()) {
            self.append(slot, |out| ws::write_pong(payload, out));
        }
    }

    /// Ends connections that have not asked for anything yet; whoever has, is answered.
    pub(crate) fn end_heads(&mut self) {
        for entry in &mut self.entries {
            if entry.phase == Phase::Head {
                entry.expired = true;
                entry.wake();
            }
        }
    }

    // ----- time

    /// Marks heads that took too long and closing connections that lingered enough.
    pub(crate) fn expire(&mut self) {
        let now = self.now.monotonic;
        for entry in &mut self.entries {
            if matches!(entry.phase, Phase::Head | Phase::Closing) && entry.deadline <= now && !entry.expired {
                entry.expired = true;
                entry.wake();
            }
        }
    }

    /// Ends every connection at once, whatever it is doing; one that is about to move does so first.
    pub(crate) fn kill_all(&mut self) {
        for entry in &mut self.entries {
            if !matches!(entry.phase, Phase::Free | Phase::Moving) {
                entry.phase = Phase::Dead;
                entry.wake();
            }
        }
        if let Some(waker) = self.emptied.take() {
            waker.wake();
        }
    }

    /// A session whose connection was closed as a slow consumer; the engine has to be told.
    pub(crate) fn next_doomed(&mut self) -> Option<Slot> {
        self.doomed.pop()
    }

    pub(crate) fn request(&mut self, request: Request) {
        // The channel is unbounded because what is in it is bounded: one ask per connection, one notice per ticket or
        // permit that was granted. It fails only when the control plane has ended, and then nobody waits for an answer.
        let _ = self.control.send(request);
    }
}

impl Default for Entry {
    fn default() -> Self {
        Self {
            generation: 0,
            socket: None,
            phase: Phase::Free,
            readable: false,
            ended: false,
            watches_output: false,
            dirty: false,
            unsent_messages: 0,
            sent_at: Duration::ZERO,
            blocked: false,
            waiting: false,
            deadline: Duration::ZERO,
            expired: false,
            waker: None,
            outbox: Outbox::default(),
            moving: None,
        }
    }
}

/// The entry of `slot`, unless the slot was given up. Borrows the entries alone, so that a caller may use the rest of the
/// table meanwhile.
fn find(entries: &mut [Entry], slot: Slot) -> Option<&mut Entry> {
    entries
        .get_mut(slot.index as usize)
        .filter(|entry| entry.generation == slot.generation)
}

impl Entry {
    /// Whether a frame of `more` payload bytes fits beside what is not sent yet.
    fn has_room(&self, more: usize, limit: usize) -> bool {
        /// The longest header of a frame that a server sends.
        const HEADER_BYTES: usize = 10;
        self.outbox.len() + more + HEADER_BYTES <= limit
    }

    fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }
}
