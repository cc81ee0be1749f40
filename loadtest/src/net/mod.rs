//! Non-blocking client connections on one epoll instance: opening, the upgrade, frames in and out, closing.
//!
//! One thread owns a [`Net`]. The epoll set reports edges, so that a socket is registered once; each takes one `recv` into
//! the one buffer of the thread, unless there is more than fits. Everything written to a connection within a turn leaves
//! in one `send`.

mod connection;
mod ending;
mod incoming;
mod opening;
mod outgoing;
mod secure;
mod stream;

pub use connection::{ConnectionId, End};

use crate::frame::Masks;
use crate::target::Target;
use crate::time::nanoseconds;
use crate::tls::Session;
use connection::{Connection, Secure, Slot, Stage};
use rustix::event::epoll::{self, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::{Duration, Instant};
use stream::Stream;

/// Readiness events taken per turn; few enough that sends which fall due meanwhile are not late.
const EVENTS_PER_TURN: usize = 32;
/// First size of the read buffer; it doubles while a message does not fit.
const READ_BYTES: usize = 256 << 10;
/// How long connecting, upgrading and closing may each take.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(30);
/// How long the server has to end the TCP connection after the close handshake.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// What happens on a connection.
#[derive(Debug)]
pub enum Event<'a> {
    /// The upgrade succeeded.
    Open,
    /// A text message.
    Text(&'a [u8]),
    /// A binary message.
    Binary(&'a [u8]),
    /// It is over; the name is dead.
    Closed(End),
}

/// Takes the events of the connections that it opened.
pub trait Handler {
    /// Handles an event of a connection that it opened with `tag`.
    fn on_event(&mut self, net: &mut Net, id: ConnectionId, tag: usize, event: Event<'_>);
}

/// All connections of one thread.
pub struct Net {
    epoll: OwnedFd,
    target: Arc<Target>,
    epoch: Instant,
    now_ns: u64,
    slots: Vec<Slot>,
    free: Vec<u32>,
    dirty: Vec<ConnectionId>,
    /// Ended outside of their own event; told at the end of the turn.
    ended: Vec<(ConnectionId, u8, usize, End)>,
    masks: Masks,
    owner: u8,
    next_sweep_ns: u64,
    live: usize,
    events: Vec<epoll::Event>,
    read_buffer: Vec<u8>,
    /// Ciphertext, and what it held.
    opened: (Vec<u8>, Vec<u8>),
}

impl Net {
    /// No connections yet. Times are counted from `epoch`.
    ///
    /// # Errors
    /// The system has no epoll instance to give.
    pub fn new(target: Arc<Target>, epoch: Instant, seed: u32) -> std::io::Result<Self> {
        // The kernel lets a wait end 50 µs late by default, to save wakes; where it refuses, sends are that late.
        let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
        Ok(Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            target,
            epoch,
            now_ns: 0,
            slots: Vec::new(),
            free: Vec::new(),
            dirty: Vec::new(),
            ended: Vec::new(),
            masks: Masks::new(seed),
            owner: 0,
            next_sweep_ns: 0,
            live: 0,
            events: Vec::with_capacity(EVENTS_PER_TURN),
            read_buffer: vec![0; READ_BYTES],
            opened: Default::default(),
        })
    }

    /// Nanoseconds since the epoch when the current event happened.
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// Reads the clock.
    pub fn read_clock(&mut self) -> u64 {
        self.now_ns = nanoseconds(self.epoch.elapsed());
        self.now_ns
    }

    /// Connections that are not closed yet.
    #[must_use]
    pub fn live(&self) -> usize {
        self.live
    }

    /// Whether the connection is open for messages.
    #[must_use]
    pub fn is_open(&self, id: ConnectionId) -> bool {
        self.connection(id)
            .is_some_and(|connection| connection.stage == Stage::Open)
    }

    /// In whose name connections are opened from now on: an index into the handlers of [`Net::turn`].
    pub fn set_owner(&mut self, owner: u8) {
        self.owner = owner;
    }

    /// Starts to connect. What comes of it is told as an event with `tag`.
    ///
    /// # Errors
    /// A sentence on why not even a socket could be made, such as the limit of open files.
    pub fn open(&mut self, tag: usize) -> Result<ConnectionId, String> {
        self.open_at(tag, None)
    }

    /// The same with a path and query of its own.
    ///
    /// # Errors
    /// As [`Net::open`].
    pub fn open_at(&mut self, tag: usize, path: Option<Box<str>>) -> Result<ConnectionId, String> {
        let tls = match &self.target.tls {
            Some(tls) => Some(Box::new(Secure {
                session: Session::new(tls)?,
                sealed: Vec::new(),
            })),
            None => None,
        };
        let stream = Stream::connect(self.target.address).map_err(|error| match error {
            Errno::MFILE | Errno::NFILE => {
                "the generator ran out of file descriptors: raise `ulimit -n` where it runs".to_owned()
            }
            Errno::ADDRNOTAVAIL => {
                "the generator ran out of local ports: widen net.ipv4.ip_local_port_range or run it \
                                    from several addresses"
                    .to_owned()
            }
            error => format!("cannot connect to {}: {error}", self.target.address),
        })?;
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                self.slots.push(Slot::default());
                u32::try_from(self.slots.len() - 1).map_err(|_| "too many connections".to_owned())?
            }
        };
        let slot = &mut self.slots[index as usize];
        let id = ConnectionId {
            index,
            generation: slot.generation,
        };
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        if let Err(error) = epoll::add(&self.epoll, &stream, epoll_data(id), flags) {
            self.free.push(index);
            return Err(format!("cannot watch a socket: {error}"));
        }
        slot.connection = Some(Box::new(Connection {
            stream,
            stage: Stage::Connecting,
            path,
            owner: self.owner,
            tag,
            partial: Vec::new(),
            fragments: None,
            unsent: Vec::new(),
            tls,
            dirty: false,
            blocked: true,
            deadline_ns: self.now_ns + nanoseconds(HANDSHAKE_LIMIT),
            server_close: None,
        }));
        self.live += 1;
        Ok(id)
    }

    /// Queues a text message; it leaves at the end of the turn.
    pub fn send_text(&mut self, id: ConnectionId, payload: &[u8]) {
        self.send(id, |masks, unsent| masks.write_text(payload, unsent));
    }

    /// Queues a binary message; it leaves at the end of the turn.
    pub fn send_binary(&mut self, id: ConnectionId, payload: &[u8]) {
        self.send(id, |masks, unsent| masks.write_binary(payload, unsent));
    }

    /// Starts the close handshake; `Closed(Ours)` follows when the server has ended the connection.
    pub fn close(&mut self, id: ConnectionId) {
        self.send(id, |masks, unsent| masks.write_close(unsent));
        let deadline_ns = self.now_ns + nanoseconds(CLOSE_LIMIT);
        if let Some(connection) = self.connection_mut(id) {
            if connection.stage == Stage::Open {
                connection.stage = Stage::Closing;
                connection.deadline_ns = deadline_ns;
            } else if connection.stage != Stage::Closing {
                self.forget(id);
            }
        }
    }

    /// Sends what is queued, waits until something happens or `until_ns`, and hands every event to its owner in
    /// `handlers`.
    pub fn turn<H: Handler + ?Sized>(&mut self, handlers: &mut [Box<H>], until_ns: u64) {
        self.flush();
        self.tell_ended(handlers);
        let now_ns = self.read_clock();
        if now_ns >= self.next_sweep_ns {
            self.sweep();
        }
        let wait_ns = if self.dirty.is_empty() {
            until_ns.saturating_sub(now_ns).min(100_000_000)
        } else {
            0
        };
        let timeout = rustix::event::Timespec {
            tv_sec: 0,
            tv_nsec: i64::try_from(wait_ns).unwrap_or(0),
        };
        let mut events = std::mem::take(&mut self.events);
        events.clear();
        // EINTR and the like mean that there is nothing to report this time.
        let _ = epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), Some(&timeout));
        self.read_clock();
        for event in &events {
            self.on_readiness(handlers, *event);
        }
        self.events = events;
        self.tell_ended(handlers);
    }

    fn on_readiness<H: Handler + ?Sized>(&mut self, handlers: &mut [Box<H>], event: epoll::Event) {
        let (data, flags) = (event.data.u64(), event.flags);
        let [generation, index] = [data >> 32, data & u64::from(u32::MAX)].map(|half| u32::try_from(half).unwrap_or(0));
        let id = ConnectionId { index, generation };
        let ended = flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR);
        let Some(connection) = self.connection_mut(id) else {
            return;
        };
        if flags.contains(EventFlags::OUT) || ended {
            connection.blocked = false;
            if connection.stage == Stage::Connecting {
                self.on_connected(id);
            } else {
                self.write(id);
            }
        }
        if flags.contains(EventFlags::IN) || ended {
            self.read(handlers, id, ended);
        }
    }
}

fn epoll_data(id: ConnectionId) -> epoll::EventData {
    epoll::EventData::new_u64(u64::from(id.generation) << 32 | u64::from(id.index))
}
