use crate::Handler;
use crate::shard::Shard;
use crate::table::Phase;
use futures_lite::future::poll_fn;
use signal_fish_core::protocol::signal_fish::Slot;
use std::future::Future;
use std::net::IpAddr;
use std::rc::Rc;
use std::task::{Context, Poll};

/// What a connection does before it speaks WebSocket: the HTTP head and its answer.
pub trait Acceptor: 'static {
    /// Reads the head and answers it with [`Incoming::respond`]. Returns what the upgraded connection needs, or `None`
    /// when the answer was the last word.
    fn accept<H: Handler>(&self, incoming: &mut Incoming<'_, H>) -> impl Future<Output = Option<Upgraded>>;

    /// The answer for connections that still wait in the listener's queue when the server ends.
    fn draining_answer(&self) -> Vec<u8>;
}

/// A connection that was upgraded.
#[derive(Debug)]
pub struct Upgraded {
    /// Address of the client, proxies taken into account (D23).
    pub ip: IpAddr,
    /// Bytes that came behind the head.
    pub unread: Vec<u8>,
    /// Room named in the URL.
    pub hint: Option<Box<Hint>>,
}

/// The room that a client's URL names, so that the connection can move before its session starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// `game_name`.
    pub game_name: String,
    /// `room_code`.
    pub room_code: String,
}

/// A connection whose head is being read.
#[derive(Debug)]
pub struct Incoming<'a, H: Handler> {
    pub(crate) shard: &'a Rc<Shard<H>>,
    pub(crate) slot: Slot,
    pub(crate) peer: IpAddr,
}

/// Why no more of a head will come.
#[derive(Debug)]
pub enum ReadError {
    /// The head took longer than [`Options::head_timeout`](crate::Options).
    Timeout,
    /// The client ended the connection, or the server is ending it.
    Ended,
}

impl<H: Handler> Incoming<'_, H> {
    /// Address of the peer of the TCP connection.
    #[must_use]
    pub fn peer(&self) -> IpAddr {
        self.peer
    }

    /// Whether the server is shutting down.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.shard.state.borrow().drain_deadline.is_some()
    }

    /// Appends what the client sends next to `head`, at most `bytes_max` bytes at once.
    ///
    /// # Errors
    /// [`ReadError`] when nothing more will come.
    pub async fn read(&mut self, head: &mut Vec<u8>, bytes_max: usize) -> Result<(), ReadError> {
        poll_fn(|cx| self.poll_read(cx, head, bytes_max)).await
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, head: &mut Vec<u8>, bytes_max: usize) -> Poll<Result<(), ReadError>> {
        let mut state = self.shard.state.borrow_mut();
        let state = &mut *state;
        if state.table.arm(self.slot, cx.waker()) != Phase::Head {
            return Poll::Ready(Err(ReadError::Ended));
        }
        if state.table.is_expired(self.slot) {
            return Poll::Ready(Err(ReadError::Timeout));
        }
        let room = bytes_max.min(state.buffer.len());
        let buffer = &mut state.buffer[..room];
        state.table.receive(self.slot, buffer).map(|received| match received {
            Ok(0) | Err(_) => Err(ReadError::Ended),
            Ok(received) => {
                head.extend_from_slice(&buffer[..received]);
                Ok(())
            }
        })
    }

    /// Sends an answer.
    pub fn respond(&mut self, answer: &[u8]) {
        self.shard.state.borrow_mut().table.append_raw(self.slot, answer);
    }
}
