//! One connection to Redis without its socket: what waits to be sent, and which operations wait for their replies.

use super::resp::{Decoder, Garbage, Reply};
use std::collections::VecDeque;
use std::time::Duration;

/// How long an operation may take (R20).
pub(super) const OPERATION_TIMEOUT: Duration = Duration::from_secs(1);
/// Time between two tries. The first one after a connection that lasted is made at once.
const RETRY_INTERVAL: Duration = Duration::from_millis(250);
/// Capacity of the output above which it is given back.
const KEPT_BYTES_MAX: usize = 256 * 1024;

/// Which connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    /// Commands and their replies.
    Commands,
    /// Subscriptions and messages.
    Channels,
}

impl Link {
    /// Both.
    pub(super) const ALL: [Self; 2] = [Self::Commands, Self::Channels];
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// There is none; the next may be tried then.
    Down { retry_at: Duration },
    /// The socket connects.
    Connecting { since: Duration },
    /// It has said who it is, and waits for the first answers.
    Greeting,
    /// Redis has answered.
    Up,
}

/// One connection. `O` is what is remembered of an operation until its reply comes.
#[derive(Debug)]
pub(super) struct Connection<O> {
    phase: Phase,
    /// When it was tried last.
    tried_at: Option<Duration>,
    string_bytes_max: usize,
    decoder: Decoder,
    /// What waits to be sent; the first `sent` bytes are gone.
    output: Vec<u8>,
    sent: usize,
    /// Operations that wait for their replies, oldest first.
    waiting: VecDeque<(Duration, O)>,
    /// When the last reply came.
    answered_at: Duration,
}

impl<O> Connection<O> {
    /// Strings up to this length are kept.
    pub(super) fn new(string_bytes_max: usize) -> Self {
        Self {
            phase: Phase::Down {
                retry_at: Duration::ZERO,
            },
            tried_at: None,
            string_bytes_max,
            decoder: Decoder::new(string_bytes_max),
            output: Vec::new(),
            sent: 0,
            waiting: VecDeque::new(),
            answered_at: Duration::ZERO,
        }
    }

    /// Whether it is time to connect.
    pub(super) fn wants_socket(&self, now: Duration) -> bool {
        matches!(self.phase, Phase::Down { retry_at } if retry_at <= now)
    }

    /// A socket connects.
    pub(super) fn connecting(&mut self, now: Duration) {
        self.phase = Phase::Connecting { since: now };
        self.tried_at = Some(now);
    }

    /// The socket is connected.
    pub(super) fn connected(&mut self) {
        self.phase = Phase::Greeting;
    }

    /// Redis has answered the greeting.
    pub(super) fn greeted(&mut self) {
        self.phase = Phase::Up;
    }

    /// Whether Redis has answered on it.
    pub(super) fn is_up(&self) -> bool {
        self.phase == Phase::Up
    }

    /// Whether there is nothing of it, not even a socket that connects.
    pub(super) fn is_down(&self) -> bool {
        matches!(self.phase, Phase::Down { .. })
    }

    /// An operation is appended to the output by `write`; its reply is waited for.
    pub(super) fn send(&mut self, now: Duration, operation: O, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.output);
        self.waiting.push_back((now, operation));
    }

    /// Bytes that wait to be sent.
    pub(super) fn unsent(&self) -> &[u8] {
        &self.output[self.sent..]
    }

    /// The first bytes of [`Self::unsent`] were sent.
    pub(super) fn was_sent(&mut self, bytes: usize) {
        self.sent += bytes;
        if self.sent >= self.output.len() {
            self.sent = 0;
            self.output.clear();
            if self.output.capacity() > KEPT_BYTES_MAX {
                self.output = Vec::new();
            }
        }
    }

    /// Operations that wait for their replies.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Bytes arrived.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.decoder.feed(bytes);
    }

    /// The next reply, or message of a channel.
    pub(super) fn next_reply(&mut self) -> Result<Option<Reply>, Garbage> {
        self.decoder.next()
    }

    /// The operation that a reply belongs to, and when it was sent; nothing if nobody waits for one.
    pub(super) fn answered(&mut self, now: Duration) -> Option<(Duration, O)> {
        self.answered_at = now;
        self.waiting.pop_front()
    }

    /// When the oldest operation has taken too long. Those behind it have their time from its reply on: Redis answers one
    /// after the other, and a burst of ours is no failure.
    pub(super) fn overdue_at(&self) -> Option<Duration> {
        let since = match self.phase {
            Phase::Down { .. } => return None,
            Phase::Connecting { since } => since,
            Phase::Greeting | Phase::Up => self.waiting.front()?.0.max(self.answered_at),
        };
        Some(since.saturating_add(OPERATION_TIMEOUT))
    }

    /// When [`Self::wants_socket`] will hold.
    pub(super) fn retry_at(&self) -> Option<Duration> {
        match self.phase {
            Phase::Down { retry_at } => Some(retry_at),
            _ => None,
        }
    }

    /// The connection is gone, and with it what was to be sent. Returns the operations that get no reply.
    pub(super) fn lost(&mut self, now: Duration) -> VecDeque<(Duration, O)> {
        let tried_at = self.tried_at.map(|tried_at| tried_at.saturating_add(RETRY_INTERVAL));
        let retry_at = tried_at.map_or(now, |at| at.max(now));
        self.phase = Phase::Down { retry_at };
        self.decoder = Decoder::new(self.string_bytes_max);
        self.output = Vec::new();
        self.sent = 0;
        std::mem::take(&mut self.waiting)
    }
}
