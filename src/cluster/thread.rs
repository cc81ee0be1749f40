//! The thread `redis`: it gives the node sockets and time, and passes on what comes of it. It sleeps in `poll`.

use super::delivery::Delivery;
use super::figures::Figures;
use super::link::Link;
use super::node::{Node, Options};
use crate::control::Message;
use ahash::RandomState;
use crossbeam_channel::{Receiver, bounded};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_fish_core::entry::Routing;
use signal_fish_runtime::{ClusterInbox, ToCluster, ToControl};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Messages taken from the mailbox between two looks at the sockets.
const MAIL_MAX: usize = 1024;
/// Bytes read from a socket at once.
const READ_BYTES: usize = 64 * 1024;
/// How often figures are published while something happens.
const FIGURES_INTERVAL: Duration = Duration::from_millis(100);
/// How long the channels are not read because a shard takes no mail. What comes for it afterwards is lost.
const HELD_BACK_MAX: Duration = Duration::from_secs(1);
/// How often it is looked whether it takes mail again, or whether a name was resolved.
const LOOK_INTERVAL: Duration = Duration::from_millis(2);
/// How long the end may take.
const FAREWELL_MAX: Duration = Duration::from_secs(1);

/// The thread's state.
pub(crate) struct RedisThread {
    node: Node,
    inbox: ClusterInbox,
    delivery: Delivery,
    control: ToControl<Message>,
    figures: Arc<Mutex<Figures>>,
    figures_at: Duration,
    /// Something happened since figures were published.
    dirty: bool,
    /// Whether Redis is up and the breaker open, as published.
    shown: Option<(bool, bool)>,
    start: Instant,
    host: Host,
    sockets: [Option<Conn>; Link::ALL.len()],
    buffer: Vec<u8>,
    /// Since when the channels are not read.
    held_back_since: Option<Duration>,
    /// The server ends: until then there is time for what is to be said.
    ends_at: Option<Duration>,
}

/// A socket and how far it is.
struct Conn {
    socket: Socket,
    connected: bool,
}

/// What the thread has around it.
pub(crate) struct Surroundings {
    /// Id of the node: `srv:<unix ms>:<random>`.
    pub(crate) id: String,
    pub(crate) routing: Routing,
    pub(crate) hashing: RandomState,
    pub(crate) inbox: ClusterInbox,
    pub(crate) delivery: Delivery,
    pub(crate) control: ToControl<Message>,
    /// What the desk sees.
    pub(crate) figures: Arc<Mutex<Figures>>,
    pub(crate) start: Instant,
}

impl RedisThread {
    pub(crate) fn new(options: Options, surroundings: Surroundings) -> Self {
        let Surroundings {
            id,
            routing,
            hashing,
            inbox,
            delivery,
            control,
            figures,
            start,
        } = surroundings;
        let host = Host::new(&options.url.host, options.url.port);
        Self {
            node: Node::new(options, &id, routing, hashing),
            inbox,
            delivery,
            control,
            figures,
            figures_at: Duration::ZERO,
            dirty: true,
            shown: None,
            start,
            host,
            sockets: [None, None],
            buffer: vec![0; READ_BYTES],
            held_back_since: None,
            ends_at: None,
        }
    }

    /// Serves until it is told to stop and has said what there was to say.
    pub(crate) fn run(mut self) {
        loop {
            let more = self.take_mail();
            self.node.tick(self.now());
            self.look_at_sockets();
            self.write();
            self.pass_on();
            let now = self.now();
            if let Some(ends_at) = self.ends_at
                && (self.node.has_stopped(now) || ends_at <= now)
            {
                break;
            }
            // What has become due since, and what was begun by it, is written before the sleep.
            self.write();
            self.sleep(more);
            self.read();
            self.pass_on();
        }
        self.publish_figures();
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Takes what others say. Returns whether there may be more.
    fn take_mail(&mut self) -> bool {
        let now = self.now();
        for _ in 0..MAIL_MAX {
            let message = self.inbox.take();
            self.dirty |= message.is_some();
            match message {
                None => return false,
                Some(ToCluster::Publish(message)) => self.node.publish(now, &message),
                Some(ToCluster::Sit {
                    shard,
                    slot,
                    room,
                    client,
                }) => self.node.sit(now, shard, slot, room, client),
                Some(ToCluster::SeatEnded(seat)) => self.node.seat_ended(&seat),
                Some(ToCluster::Stop) => {
                    self.node.stop();
                    self.ends_at = Some(now.saturating_add(FAREWELL_MAX));
                }
            }
        }
        true
    }

    // ----- sockets

    /// Closes what the node has given up, and makes what it wants.
    fn look_at_sockets(&mut self) {
        for link in Link::ALL {
            if self.node.is_down(link) {
                self.sockets[link as usize] = None;
            }
            let now = self.now();
            if self.ends_at.is_none() && self.node.wants_socket(link, now) {
                self.node.connecting(link, now);
            }
            if self.node.is_down(link) || self.sockets[link as usize].is_some() {
                continue;
            }
            let socket = match self.host.address() {
                Resolved::Address(address) => connect(address),
                // The clock of the connection runs.
                Resolved::NotYet => continue,
                Resolved::Failed => Err(ErrorKind::NotFound.into()),
            };
            match socket {
                Ok(socket) => {
                    let connected = false;
                    self.sockets[link as usize] = Some(Conn { socket, connected });
                }
                Err(_) => self.fail(link, "it cannot be connected to"),
            }
        }
    }

    fn fail(&mut self, link: Link, why: &'static str) {
        self.sockets[link as usize] = None;
        self.host.forget();
        let now = self.now();
        self.node.failed(link, now, why);
    }

    /// Sends what waits, as far as the sockets take it.
    fn write(&mut self) {
        for link in Link::ALL {
            let Some(conn) = &mut self.sockets[link as usize] else {
                continue;
            };
            if !conn.connected || self.node.is_down(link) {
                continue;
            }
            while !self.node.unsent(link).is_empty() {
                match conn.socket.write(self.node.unsent(link)) {
                    Ok(sent) => self.node.was_sent(link, sent),
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(_) => {
                        self.fail(link, "the connection broke");
                        break;
                    }
                }
            }
        }
    }

    /// Reads what arrived, once from each socket.
    fn read(&mut self) {
        let held_back = self.is_held_back();
        for link in Link::ALL {
            let Some(conn) = &mut self.sockets[link as usize] else {
                continue;
            };
            if !conn.connected {
                match is_connected(&conn.socket) {
                    Ok(true) => {
                        conn.connected = true;
                        let now = self.now();
                        self.node.connected(link, now);
                    }
                    Ok(false) => {}
                    Err(_) => self.fail(link, "it cannot be connected to"),
                }
                continue;
            }
            if link == Link::Channels && held_back {
                continue;
            }
            match conn.socket.read(&mut self.buffer) {
                Ok(0) => self.fail(link, "it has closed the connection"),
                Ok(length) => {
                    self.dirty = true;
                    let now = self.start.elapsed();
                    self.node.received(link, &self.buffer[..length], now);
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(_) => self.fail(link, "the connection broke"),
            }
        }
    }

    /// Whether a shard has so much mail of other nodes that no more is read for the moment.
    fn is_held_back(&mut self) -> bool {
        if !self.delivery.is_crowded() {
            self.held_back_since = None;
            return false;
        }
        let now = self.now();
        let since = *self.held_back_since.get_or_insert(now);
        now.saturating_sub(since) < HELD_BACK_MAX
    }

    fn sleep(&mut self, more: bool) {
        let held_back = self.is_held_back();
        let now = self.now();
        let figures_at = if self.dirty { self.figures_at } else { Duration::MAX };
        let mut timeout = self.node.next_due().min(figures_at).saturating_sub(now);
        if let Some(ends_at) = self.ends_at {
            timeout = timeout.min(ends_at.saturating_sub(now));
        }
        if held_back || self.delivery.has_untold() || self.host.is_resolving() {
            timeout = timeout.min(LOOK_INTERVAL);
        }
        if more || timeout.is_zero() || !self.inbox.lie_down() {
            return self.poll(Duration::ZERO, held_back);
        }
        self.poll(timeout, held_back);
        self.inbox.get_up();
    }

    fn poll(&self, timeout: Duration, held_back: bool) {
        let mut fds = vec![PollFd::from_borrowed_fd(self.inbox.wake(), PollFlags::IN)];
        for link in Link::ALL {
            let Some(conn) = &self.sockets[link as usize] else {
                continue;
            };
            let mut wanted = PollFlags::empty();
            if !conn.connected || !self.node.unsent(link).is_empty() {
                wanted |= PollFlags::OUT;
            }
            if conn.connected && !(link == Link::Channels && held_back) {
                wanted |= PollFlags::IN;
            }
            if !wanted.is_empty() {
                fds.push(PollFd::from_borrowed_fd(conn.fd(), wanted));
            }
        }
        let timeout = Timespec {
            tv_sec: i64::try_from(timeout.as_secs().min(3600)).unwrap_or(3600),
            tv_nsec: timeout.subsec_nanos().into(),
        };
        // What is ready is tried; an interruption is a turn without anything ready.
        let _ = poll(&mut fds, Some(&timeout));
    }

    // ----- what comes of it

    fn pass_on(&mut self) {
        for (shard, slot, verdict) in self.node.outcome.verdicts.drain(..) {
            self.control.send(Message::Decided { shard, slot, verdict });
        }
        for (shard, message) in self.node.outcome.relayed.drain(..) {
            if !self.delivery.relay(shard, message) {
                self.node.figures.undelivered += 1;
            }
        }
        self.delivery.tell(self.node.figures.breaker_open);
        self.delivery.ring();
        let shown = (self.node.figures.up, self.node.figures.breaker_open);
        if self.shown != Some(shown) || (self.dirty && self.figures_at <= self.now()) {
            self.shown = Some(shown);
            self.publish_figures();
        }
    }

    fn publish_figures(&mut self) {
        self.node.count();
        self.dirty = false;
        self.figures_at = self.now().saturating_add(FIGURES_INTERVAL);
        let mut figures = self.figures.lock().unwrap_or_else(PoisonError::into_inner);
        figures.clone_from(&self.node.figures);
    }
}

impl Conn {
    fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn connect(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    match socket.connect(&SockAddr::from(address)) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {}
        Err(error) => return Err(error),
    }
    Ok(socket)
}

fn is_connected(socket: &Socket) -> io::Result<bool> {
    if let Some(error) = socket.take_error()? {
        return Err(error);
    }
    match socket.peer_addr() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotConnected => Ok(false),
        Err(error) => Err(error),
    }
}

/// Where Redis is. A name is resolved on a thread of its own, because that may take as long as it likes.
struct Host {
    name: Box<str>,
    port: u16,
    address: Option<SocketAddr>,
    resolving: Option<Receiver<Option<SocketAddr>>>,
}

enum Resolved {
    Address(SocketAddr),
    NotYet,
    Failed,
}

impl Host {
    fn new(name: &str, port: u16) -> Self {
        Self {
            name: name.into(),
            port,
            address: None,
            resolving: None,
        }
    }

    fn is_resolving(&self) -> bool {
        self.resolving.is_some()
    }

    /// The address may have changed.
    fn forget(&mut self) {
        self.address = None;
    }

    fn address(&mut self) -> Resolved {
        if let Some(address) = self.address {
            return Resolved::Address(address);
        }
        if let Ok(ip) = self.name.parse::<IpAddr>() {
            return Resolved::Address(SocketAddr::new(ip, self.port));
        }
        if let Some(answer) = &self.resolving {
            return match answer.try_recv() {
                Ok(Some(address)) => {
                    self.resolving = None;
                    self.address = Some(address);
                    Resolved::Address(address)
                }
                Err(error) if error.is_empty() => Resolved::NotYet,
                Ok(None) | Err(_) => {
                    self.resolving = None;
                    Resolved::Failed
                }
            };
        }
        let (sender, answer) = bounded(1);
        let (name, port) = (self.name.clone(), self.port);
        let resolve = move || {
            let addresses = (&*name, port).to_socket_addrs();
            let _ = sender.try_send(addresses.ok().and_then(|mut addresses| addresses.next()));
        };
        match std::thread::Builder::new().name("resolve".to_owned()).spawn(resolve) {
            Ok(_) => {
                self.resolving = Some(answer);
                Resolved::NotYet
            }
            Err(_) => Resolved::Failed,
        }
    }
}
