//! One connection, one task: the head, the frames, the end. It holds no buffer while it waits.

use crate::incoming::{Acceptor, Incoming, Upgraded};
use crate::mailbox::Mail;
use crate::shard::{Shard, State};
use crate::table::{Move, Phase};
use crate::{Handler, handoff::Handoff};
use futures_lite::future::poll_fn;
use signal_fish_core::protocol::signal_fish::{Form, Slot};
use signal_fish_core::ws::{Decoder, Event, Violation};
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::task::{Context, Poll};

/// Frames of one connection that are handled before others get their turn.
const FRAMES_PER_TURN_MAX: usize = 32;
/// Input of a closing connection that is read and thrown away, in bytes.
const DISCARD_BYTES_MAX: usize = 64 * 1024;

/// Serves a connection from accept to its end, or to its handoff.
pub(crate) async fn serve_accepted<H: Handler, A: Acceptor>(
    shard: Rc<Shard<H>>,
    acceptor: Rc<A>,
    slot: Slot,
    peer: IpAddr,
) {
    let mut incoming = Incoming {
        shard: &shard,
        slot,
        peer,
    };
    let upgraded = acceptor.accept(&mut incoming).await;
    let mut connection = Connection {
        slot,
        decoder: Decoder::default(),
        unread: Unread::default(),
    };
    match upgraded {
        Some(upgraded) => {
            connection.open(&shard, upgraded);
            connection.serve(&shard).await;
        }
        None => {
            shard.state.borrow_mut().table.begin_close(slot);
            connection.end(&shard).await;
        }
    }
    shard.state.borrow_mut().table.release(slot);
}

/// Serves a connection that arrived from another shard.
pub(crate) async fn serve_adopted<H: Handler>(shard: Rc<Shard<H>>, mut connection: Connection) {
    connection.serve(&shard).await;
    shard.state.borrow_mut().table.release(connection.slot);
}

/// A connection that speaks WebSocket: its codec, and the slot of its socket.
#[derive(Debug)]
pub(crate) struct Connection {
    slot: Slot,
    decoder: Decoder,
    unread: Unread,
}

/// Bytes that were received and not yet handled.
#[derive(Debug, Default)]
struct Unread {
    bytes: Vec<u8>,
    taken: usize,
}

/// Why a connection stops handling frames.
enum Stop {
    /// It moves to another shard.
    Move,
    /// Its last output is sent, then it ends.
    Close,
    /// It ends now.
    Die,
}

impl Connection {
    pub(crate) fn adopted(slot: Slot, decoder: Decoder, unread: Vec<u8>) -> Self {
        Self {
            slot,
            decoder,
            unread: Unread {
                bytes: unread,
                taken: 0,
            },
        }
    }

    fn open<H: Handler>(&mut self, shard: &Shard<H>, upgraded: Upgraded) {
        let mut state = shard.state.borrow_mut();
        let state = &mut *state;
        let now = state.table.read_clock();
        state.table.open(self.slot);
        self.unread = Unread {
            bytes: upgraded.unread,
            taken: 0,
        };
        let hint = upgraded
            .hint
            .as_ref()
            .map(|hint| (hint.game_name.as_str(), hint.room_code.as_str()));
        state
            .handler
            .connected(now, self.slot, upgraded.ip, hint, &mut state.table);
        state.settle();
    }

    async fn serve<H: Handler>(&mut self, shard: &Rc<Shard<H>>) {
        let stop = poll_fn(|cx| self.poll_frames(shard, cx)).await;
        match stop {
            Stop::Move => self.depart(shard),
            Stop::Close => self.end(shard).await,
            Stop::Die => {}
        }
    }

    /// Handles frames until the connection stops or has to wait.
    fn poll_frames<H: Handler>(&mut self, shard: &Shard<H>, cx: &mut Context<'_>) -> Poll<Stop> {
        let mut state = shard.state.borrow_mut();
        let state = &mut *state;
        state.table.read_clock();
        state.table.arm(self.slot, cx.waker());
        let mut frames_left = FRAMES_PER_TURN_MAX;
        let mut bytes_left = state.buffer.len();
        loop {
            match state.table.phase(self.slot) {
                Phase::Open => {}
                Phase::Moving => return Poll::Ready(Stop::Move),
                Phase::Closing => return Poll::Ready(Stop::Close),
                Phase::Free | Phase::Head | Phase::Dead => {
                    self.disconnect(state);
                    return Poll::Ready(Stop::Die);
                }
            }
            if self.send_blocked_output(state).is_err() {
                self.disconnect(state);
                return Poll::Ready(Stop::Die);
            }
            if state.table.is_waiting(self.slot) {
                return Poll::Pending;
            }
            if frames_left == 0 || bytes_left == 0 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if !self.unread.is_empty() {
                self.handle_unread(state, &mut frames_left);
                continue;
            }
            match self.poll_input(state, &mut frames_left) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(n)) => bytes_left = bytes_left.saturating_sub(n),
                Poll::Ready(Err(stop)) => return Poll::Ready(stop),
            }
        }
    }

    /// Receives once and handles what came.
    fn poll_input<H: Handler>(&mut self, state: &mut State<H>, frames_left: &mut usize) -> Poll<Result<usize, Stop>> {
        // The buffer is out of the state while frames borrow from it.
        let mut buffer = std::mem::take(&mut state.buffer);
        let result = match state.table.receive(self.slot, &mut buffer) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(0)) => {
                self.disconnect(state);
                state.table.begin_close(self.slot);
                Poll::Ready(Err(Stop::Close))
            }
            Poll::Ready(Ok(n)) => {
                let taken = self.handle(state, &mut buffer[..n], frames_left);
                self.unread.keep(&buffer[taken..n]);
                Poll::Ready(Ok(n))
            }
            Poll::Ready(Err(_)) => {
                self.disconnect(state);
                Poll::Ready(Err(Stop::Die))
            }
        };
        state.buffer = buffer;
        result
    }

    fn handle_unread<H: Handler>(&mut self, state: &mut State<H>, frames_left: &mut usize) {
        let mut unread = std::mem::take(&mut self.unread);
        unread.taken += self.handle(state, &mut unread.bytes[unread.taken..], frames_left);
        if !unread.is_empty() {
            self.unread = unread;
        }
    }

    /// Decodes and handles frames from the front of `input`; returns how many bytes were taken.
    fn handle<H: Handler>(&mut self, state: &mut State<H>, input: &mut [u8], frames_left: &mut usize) -> usize {
        let limits = state.table.options().codec;
        let mut taken = 0;
        while taken < input.len() && *frames_left > 0 {
            let event = match self.decoder.decode(&mut input[taken..], &limits) {
                Ok((n, event)) => {
                    taken += n;
                    event
                }
                Err(violation) => {
                    Self::violated(self.slot, state, violation);
                    return input.len();
                }
            };
            let Some(event) = event else {
                break;
            };
            *frames_left -= 1;
            Self::handle_event(self.slot, state, event);
            if state.table.phase(self.slot) != Phase::Open || state.table.is_waiting(self.slot) {
                break;
            }
        }
        // A message that came in pieces would otherwise stay in memory until the next one.
        self.decoder.release();
        taken
    }

    fn handle_event<H: Handler>(slot: Slot, state: &mut State<H>, event: Event<'_>) {
        let State { handler, table, .. } = state;
        let now = table.now();
        match event {
            Event::Text(text) => handler.text(now, slot, text, table),
            Event::Binary(payload) => handler.binary(now, slot, payload, table),
            Event::Oversize { text, length } => {
                let form = if text { Form::Text } else { Form::Binary };
                handler.oversize(now, slot, form, length, table);
            }
            Event::Ping(payload) => {
                handler.alive(now, slot);
                table.append_pong(slot, payload);
            }
            Event::Pong => handler.alive(now, slot),
            Event::Close(code) => {
                handler.disconnected(now, slot, table);
                table.close_with(slot, code, "");
            }
        }
        state.settle();
    }

    fn violated<H: Handler>(slot: Slot, state: &mut State<H>, violation: Violation) {
        let now = state.table.now();
        state.handler.violated(now, slot, violation, &mut state.table);
        state
            .table
            .close_with(slot, Some(violation.close_code()), violation.reason());
        state.settle();
    }

    fn disconnect<H: Handler>(&self, state: &mut State<H>) {
        let now = state.table.now();
        state.handler.disconnected(now, self.slot, &mut state.table);
        state.settle();
    }

    /// Goes on with output that met a full socket buffer.
    fn send_blocked_output<H: Handler>(&mut self, state: &mut State<H>) -> io::Result<()> {
        while state.table.is_blocked(self.slot) {
            match state.table.send_more(self.slot) {
                Poll::Pending => break,
                Poll::Ready(sent) => sent?,
            }
        }
        Ok(())
    }

    // ----- the end

    /// Sends the rest, ends the sending direction, discards input until the peer has ended too: dropping a socket with
    /// unread input would turn the close into a reset that destroys the answer.
    async fn end<H: Handler>(&mut self, shard: &Shard<H>) {
        let mut discarded = 0;
        let mut shut = false;
        self.unread = Unread::default();
        poll_fn(|cx| self.poll_end(shard, cx, &mut shut, &mut discarded)).await;
    }

    fn poll_end<H: Handler>(
        &mut self,
        shard: &Shard<H>,
        cx: &mut Context<'_>,
        shut: &mut bool,
        discarded: &mut usize,
    ) -> Poll<()> {
        let mut state = shard.state.borrow_mut();
        let State { table, buffer, .. } = &mut *state;
        if table.arm(self.slot, cx.waker()) != Phase::Closing || table.is_expired(self.slot) {
            return Poll::Ready(());
        }
        while !*shut {
            if !table.has_unsent(self.slot) {
                if table.shutdown_write(self.slot).is_err() {
                    return Poll::Ready(());
                }
                *shut = true;
                break;
            }
            match table.send_more(self.slot) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(()),
            }
        }
        while *discarded < DISCARD_BYTES_MAX {
            match table.receive(self.slot, buffer) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0) | Err(_)) => break,
                Poll::Ready(Ok(received)) => *discarded += received,
            }
        }
        Poll::Ready(())
    }

    // ----- handoff

    /// Sends the connection to the shard that owns its room.
    fn depart<H: Handler>(&mut self, shard: &Shard<H>) {
        let mut state = shard.state.borrow_mut();
        let state = &mut *state;
        let Some(departure) = state.table.take_departure(self.slot) else {
            return;
        };
        let Move { to, session } = *departure.move_to;
        let handoff = Box::new(Handoff {
            socket: departure.socket,
            decoder: std::mem::take(&mut self.decoder),
            unread: std::mem::take(&mut self.unread).into_rest(),
            unsent: departure.unsent,
            session,
        });
        match shard.mailboxes[usize::from(to.0)].try_send(Mail::Connection(handoff)) {
            Ok(()) => state.table.counters.handoffs_out += 1,
            Err(mail) => {
                tracing::warn!(to = to.0, "a connection was closed: the mailbox of its shard is full");
                state.table.counters.handoffs_failed += 1;
                if let Mail::Connection(handoff) = mail {
                    refuse(&handoff);
                    state.handler.abandon(handoff.session, &mut state.table);
                }
            }
        }
    }
}

/// Tells the peer of a connection that cannot move that it may try again later; as much as fits goes out.
fn refuse(handoff: &Handoff) {
    let mut last = handoff.unsent.clone();
    signal_fish_core::ws::write_close(Some(1013), "try again later", &mut last);
    let _ = rustix::net::send(
        &handoff.socket,
        &last,
        rustix::net::SendFlags::DONTWAIT | rustix::net::SendFlags::NOSIGNAL,
    );
    let _ = rustix::net::shutdown(&handoff.socket, rustix::net::Shutdown::Write);
}

impl Unread {
    fn is_empty(&self) -> bool {
        self.taken == self.bytes.len()
    }

    fn keep(&mut self, rest: &[u8]) {
        debug_assert!(self.is_empty());
        *self = Self::default();
        if !rest.is_empty() {
            self.bytes = rest.to_vec();
        }
    }

    fn into_rest(mut self) -> Vec<u8> {
        self.bytes.drain(..self.taken);
        self.bytes
    }
}
