//! Non-blocking client connections on one epoll instance: opening, the upgrade, frames in and out, closing.
//!
//! One thread owns a [`Net`]. The epoll set reports edges, so that a socket is registered once; each takes one `recv` into
//! the one buffer of the thread, unless there is more than fits. Everything written to a connection within a turn leaves
//! in one `send`.

use crate::frame::{Masks, first_frame};
use crate::target::Target;
use crate::time::nanoseconds;
use crate::tls::Session;
use rustix::event::epoll::{self, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

/// Readiness events taken per turn; few enough that sends which fall due meanwhile are not late.
const EVENTS_PER_TURN: usize = 32;
/// First size of the read buffer; it doubles while a message does not fit.
const READ_BYTES: usize = 256 << 10;
/// Ciphertext received at once.
const CIPHERTEXT_BYTES: usize = 64 << 10;
/// Bytes that may wait for a server that does not read; over it the connection is given up.
const UNSENT_BYTES_MAX: usize = 16 << 20;
/// How long connecting, upgrading and closing may each take.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(30);
/// How long the server has to end the TCP connection after the close handshake.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// Names a connection; an old name never means a newer connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConnectionId {
    index: u32,
    generation: u32,
}

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// We asked for it.
    Ours,
    /// The server sent a close frame with this code first.
    CloseFrame(Option<u16>),
    /// The server ended or reset the TCP connection.
    Dropped(String),
    /// It never became a WebSocket: refused, no answer in time, or another HTTP status than 101.
    Refused(String),
    /// The server broke RFC 6455, or stopped reading.
    Broken(String),
}

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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Connecting,
    Upgrading,
    Open,
    /// We sent a close frame.
    Closing,
}

#[derive(Debug)]
struct Connection {
    socket: OwnedFd,
    stage: Stage,
    owner: u8,
    tag: usize,
    /// Bytes received that are not a whole frame yet.
    partial: Vec<u8>,
    /// A message whose final frame has not come.
    fragments: Option<Box<(bool, Vec<u8>)>>,
    /// With TLS: plaintext.
    unsent: Vec<u8>,
    tls: Option<Box<Secure>>,
    dirty: bool,
    /// It takes no output for now; an event says when it does again.
    blocked: bool,
    deadline_ns: u64,
    server_close: Option<Option<u16>>,
}

/// TLS of a connection.
#[derive(Debug)]
struct Secure {
    session: Session,
    /// Ciphertext that waits to be sent.
    sealed: Vec<u8>,
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    connection: Option<Box<Connection>>,
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
        let tls = match &self.target.tls {
            Some(tls) => Some(Box::new(Secure {
                session: Session::new(tls)?,
                sealed: Vec::new(),
            })),
            None => None,
        };
        let socket = self.connect().map_err(|error| match error {
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
        if let Err(error) = epoll::add(&self.epoll, &socket, epoll_data(id), flags) {
            self.free.push(index);
            return Err(format!("cannot watch a socket: {error}"));
        }
        slot.connection = Some(Box::new(Connection {
            socket,
            stage: Stage::Connecting,
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

    /// Drops the connection without a word, as a dying network does, and forgets it: no event follows.
    pub fn forget(&mut self, id: ConnectionId) {
        if self.connection(id).is_none() {
            return;
        }
        let slot = &mut self.slots[id.index as usize];
        slot.connection = None;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(id.index);
        self.live -= 1;
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

    /// Sends what is queued on every connection.
    pub fn flush(&mut self) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for id in dirty.drain(..) {
            if let Some(connection) = self.connection_mut(id) {
                connection.dirty = false;
                if !connection.blocked {
                    self.write(id);
                }
            }
        }
        self.dirty = dirty;
    }

    fn send(&mut self, id: ConnectionId, encode: impl FnOnce(&mut Masks, &mut Vec<u8>)) {
        let Some(connection) = self
            .slots
            .get_mut(id.index as usize)
            .filter(|slot| slot.generation == id.generation)
            .and_then(|slot| slot.connection.as_deref_mut())
        else {
            return;
        };
        if connection.stage != Stage::Open {
            return;
        }
        encode(&mut self.masks, &mut connection.unsent);
        if !connection.dirty {
            connection.dirty = true;
            self.dirty.push(id);
        }
    }

    fn connect(&self) -> Result<OwnedFd, Errno> {
        let family = match self.target.address {
            SocketAddr::V4(_) => AddressFamily::INET,
            SocketAddr::V6(_) => AddressFamily::INET6,
        };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
        sockopt::set_tcp_nodelay(&socket, true)?;
        match rustix::net::connect(&socket, &self.target.address) {
            Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
            Err(error) => Err(error),
        }
    }

    fn connection(&self, id: ConnectionId) -> Option<&Connection> {
        let slot = self.slots.get(id.index as usize)?;
        slot.connection.as_deref().filter(|_| slot.generation == id.generation)
    }

    fn connection_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        let slot = self.slots.get_mut(id.index as usize)?;
        slot.connection
            .as_deref_mut()
            .filter(|_| slot.generation == id.generation)
    }

    /// Ends a connection whose owner is told at the end of the turn.
    fn end(&mut self, id: ConnectionId, end: End) {
        let Some(connection) = self.connection(id) else { return };
        let end = match (connection.stage, connection.server_close) {
            (Stage::Closing, _) => End::Ours,
            (_, Some(code)) => End::CloseFrame(code),
            _ => end,
        };
        self.ended.push((id, connection.owner, connection.tag, end));
        self.forget(id);
    }

    fn tell_ended<H: Handler + ?Sized>(&mut self, handlers: &mut [Box<H>]) {
        while let Some((id, owner, tag, end)) = self.ended.pop() {
            self.owner = owner;
            handlers[usize::from(owner)].on_event(self, id, tag, Event::Closed(end));
        }
    }

    fn write(&mut self, id: ConnectionId) {
        let Some(connection) = self.connection_mut(id) else {
            return;
        };
        let unsent = match &mut connection.tls {
            Some(tls) => {
                tls.session.seal(&mut connection.unsent, &mut tls.sealed);
                &mut tls.sealed
            }
            None => &mut connection.unsent,
        };
        if unsent.is_empty() {
            return;
        }
        match rustix::io::retry_on_intr(|| rustix::net::send(&connection.socket, unsent, SendFlags::NOSIGNAL)) {
            Ok(sent) if sent == unsent.len() => unsent.clear(),
            Ok(sent) => {
                unsent.drain(..sent);
                connection.blocked = true;
            }
            Err(Errno::AGAIN) => connection.blocked = true,
            Err(error) => {
                // What the server said before it went may still be there to read; reading finds the end.
                unsent.clear();
                if connection.stage == Stage::Connecting {
                    self.end(id, End::Dropped(error.to_string()));
                }
                return;
            }
        }
        let waiting = unsent.len();
        if waiting > UNSENT_BYTES_MAX {
            self.end(
                id,
                End::Broken(format!("the server does not read: {waiting} bytes wait for it")),
            );
        }
    }

    fn sweep(&mut self) {
        self.next_sweep_ns = self.now_ns + 500_000_000;
        for index in 0..self.slots.len() {
            let slot = &self.slots[index];
            let Some(connection) = slot.connection.as_deref() else {
                continue;
            };
            if connection.stage == Stage::Open || connection.deadline_ns > self.now_ns {
                continue;
            }
            let id = ConnectionId {
                index: u32::try_from(index).unwrap_or(u32::MAX),
                generation: slot.generation,
            };
            let step = if connection.stage == Stage::Connecting {
                "TCP connection"
            } else {
                "HTTP answer"
            };
            let waited = HANDSHAKE_LIMIT.as_secs();
            self.end(id, End::Refused(format!("no {step} within {waited} s")));
        }
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

    fn on_connected(&mut self, id: ConnectionId) {
        let request = self.target.upgrade_request();
        let deadline_ns = self.now_ns + nanoseconds(HANDSHAKE_LIMIT);
        let Some(connection) = self.connection_mut(id) else {
            return;
        };
        match sockopt::socket_error(&connection.socket) {
            Ok(Ok(())) => {
                connection.stage = Stage::Upgrading;
                connection.deadline_ns = deadline_ns;
                connection.unsent = request;
                self.write(id);
            }
            Ok(Err(error)) | Err(error) => self.end(id, End::Refused(format!("TCP: {error}"))),
        }
    }

    /// Receives until nothing is left, or, if the stream has `ended`, until its end is found.
    fn read<H: Handler + ?Sized>(&mut self, handlers: &mut [Box<H>], id: ConnectionId, ended: bool) {
        if self.target.tls.is_some() {
            return self.read_secure(handlers, id, ended);
        }
        let mut buffer = std::mem::take(&mut self.read_buffer);
        while let Some(connection) = self.connection_mut(id) {
            let held = connection.partial.len();
            if buffer.len() < 2 * held {
                buffer.resize(4 * held, 0);
            }
            buffer[..held].copy_from_slice(&connection.partial);
            connection.partial.clear();
            let space = &mut buffer[held..];
            match rustix::io::retry_on_intr(|| rustix::net::recv(&connection.socket, &mut *space, RecvFlags::empty())) {
                Ok((_, 0)) => self.end(
                    id,
                    End::Dropped("the server ended the connection without a close frame".to_owned()),
                ),
                Ok((_, read)) => {
                    self.read_clock();
                    self.on_bytes(handlers, id, &buffer[..held + read]);
                    if held + read < buffer.len() && !ended {
                        break;
                    }
                }
                Err(Errno::AGAIN) => {
                    connection.partial.extend_from_slice(&buffer[..held]);
                    break;
                }
                Err(error) => self.end(id, End::Dropped(error.to_string())),
            }
        }
        self.read_buffer = buffer;
    }

    /// The same with TLS.
    fn read_secure<H: Handler + ?Sized>(&mut self, handlers: &mut [Box<H>], id: ConnectionId, ended: bool) {
        let (mut ciphertext, mut plaintext) = std::mem::take(&mut self.opened);
        ciphertext.resize(CIPHERTEXT_BYTES, 0);
        while let Some(connection) = self.connection_mut(id) {
            let Some(tls) = &mut connection.tls else { break };
            let socket = &connection.socket;
            match rustix::io::retry_on_intr(|| rustix::net::recv(socket, &mut *ciphertext, RecvFlags::empty())) {
                Ok((_, 0)) => self.end(
                    id,
                    End::Dropped("the server ended the connection without a close frame".to_owned()),
                ),
                Ok((_, read)) => {
                    plaintext.clear();
                    plaintext.append(&mut connection.partial);
                    let held = plaintext.len();
                    let opened = tls.session.open(&ciphertext[..read], &mut plaintext);
                    let is_new = plaintext.len() > held;
                    if !is_new {
                        connection.partial.append(&mut plaintext);
                    }
                    // The next step of the handshake, or an alert.
                    if tls.session.has_output() && !connection.blocked {
                        self.write(id);
                    }
                    self.read_clock();
                    if is_new {
                        self.on_bytes(handlers, id, &plaintext);
                    }
                    if let (Err(reason), Some(connection)) = (opened, self.connection(id)) {
                        let end = match connection.stage {
                            Stage::Connecting | Stage::Upgrading => End::Refused(reason),
                            Stage::Open | Stage::Closing => End::Broken(reason),
                        };
                        self.end(id, end);
                    }
                    if read < ciphertext.len() && !ended {
                        break;
                    }
                }
                Err(Errno::AGAIN) => break,
                Err(error) => self.end(id, End::Dropped(error.to_string())),
            }
        }
        self.opened = (ciphertext, plaintext);
    }

    fn on_bytes<H: Handler + ?Sized>(&mut self, handlers: &mut [Box<H>], id: ConnectionId, mut bytes: &[u8]) {
        let Some(connection) = self.connection(id) else { return };
        let (owner, tag, stage) = (connection.owner, connection.tag, connection.stage);
        self.owner = owner;
        let handler = handlers[usize::from(owner)].as_mut();
        if stage == Stage::Upgrading {
            match self.on_upgrade_answer(id, bytes) {
                Some(rest) => bytes = rest,
                None => return,
            }
            handler.on_event(self, id, tag, Event::Open);
        }
        loop {
            match first_frame(bytes) {
                Ok(Some(frame)) => {
                    bytes = &bytes[frame.length..];
                    match frame.opcode {
                        OpCode::Data(Data::Text) if frame.is_final => {
                            handler.on_event(self, id, tag, Event::Text(frame.payload));
                        }
                        OpCode::Data(Data::Binary) if frame.is_final => {
                            handler.on_event(self, id, tag, Event::Binary(frame.payload));
                        }
                        OpCode::Data(kind) => self.on_fragment(handler, (id, tag), kind, frame.is_final, frame.payload),
                        OpCode::Control(Control::Ping) => {
                            self.send(id, |masks, unsent| masks.write_pong(frame.payload, unsent));
                        }
                        OpCode::Control(Control::Close) => self.on_close_frame(id, frame.payload),
                        OpCode::Control(_) => {}
                    }
                    if self.connection(id).is_none() {
                        return;
                    }
                }
                Ok(None) => break,
                Err(reason) => return self.end(id, End::Broken(reason)),
            }
        }
        if !bytes.is_empty()
            && let Some(connection) = self.connection_mut(id)
        {
            connection.partial.extend_from_slice(bytes);
        }
    }

    /// Returns what follows the answer if it is a 101.
    fn on_upgrade_answer<'a>(&mut self, id: ConnectionId, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let head = bytes.windows(4).position(|end| end == b"\r\n\r\n");
        let connection = self.connection_mut(id)?;
        let Some(head) = head else {
            if bytes.len() > 64 << 10 {
                self.end(id, End::Refused("the answer is no HTTP".to_owned()));
            } else {
                connection.partial.extend_from_slice(bytes);
            }
            return None;
        };
        if bytes.starts_with(b"HTTP/1.1 101") {
            connection.stage = Stage::Open;
            return Some(&bytes[head + 4..]);
        }
        let status = bytes.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let body = String::from_utf8_lossy(&bytes[head + 4..]);
        let body: String = body.trim().chars().take(120).collect();
        self.end(
            id,
            End::Refused(format!("{} {body}", String::from_utf8_lossy(status)).trim().to_owned()),
        );
        None
    }

    fn on_fragment<H: Handler + ?Sized>(
        &mut self,
        handler: &mut H,
        (id, tag): (ConnectionId, usize),
        kind: Data,
        is_final: bool,
        payload: &[u8],
    ) {
        let Some(connection) = self.connection_mut(id) else {
            return;
        };
        let mut message = match (kind, connection.fragments.take()) {
            (Data::Continue, Some(message)) => message,
            (Data::Text | Data::Binary, None) => Box::new((kind == Data::Text, Vec::new())),
            _ => return self.end(id, End::Broken("fragments out of place".to_owned())),
        };
        message.1.extend_from_slice(payload);
        if !is_final {
            connection.fragments = Some(message);
        } else if message.0 {
            handler.on_event(self, id, tag, Event::Text(&message.1));
        } else {
            handler.on_event(self, id, tag, Event::Binary(&message.1));
        }
    }

    fn on_close_frame(&mut self, id: ConnectionId, payload: &[u8]) {
        let code = payload.first_chunk::<2>().map(|code| u16::from_be_bytes(*code));
        let Some(connection) = self.connection_mut(id) else {
            return;
        };
        if connection.stage == Stage::Open {
            connection.server_close = Some(code);
            self.send(id, |masks, unsent| masks.write_close(unsent));
            self.write(id);
            self.end(id, End::CloseFrame(code));
        }
        // In `Closing` this is the answer to ours: the server ends TCP now, and reading notices it.
    }
}

fn epoll_data(id: ConnectionId) -> epoll::EventData {
    epoll::EventData::new_u64(u64::from(id.generation) << 32 | u64::from(id.index))
}
