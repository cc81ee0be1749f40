//! One connection while it speaks HTTP: bytes in, answers out, one request after the other (D39).

use super::answer::{self, Answer, Form};
use super::desk::{Awaited, Body, DeskAnswer, Inquiry};
use super::head::{self, HEAD_BYTES_MAX, HEADERS_MAX, Head, HeadError};
use super::proxy_protocol::{self, Beginning};
use super::routes::{Served, Site, Standing};
use super::upgrade::Upgrade;
use std::mem;
use std::net::IpAddr;

/// Most requests of one connection (D39).
const REQUESTS_MAX: u8 = 100;

/// Most empty lines before a request line. Some clients send one behind a body.
const EMPTY_LINES_MAX: usize = 8;

/// The requests of one connection.
///
/// The caller pushes what arrives, then alternates [`Conversation::read`] and [`Conversation::respond`] until a request is
/// incomplete or the connection ends. A conversation never holds more than [`HEAD_BYTES_MAX`] bytes, and none on the heap
/// between requests.
#[derive(Debug, Default)]
pub struct Conversation {
    /// Begins with the head that is read, but for empty lines before it.
    buffer: Vec<u8>,
    state: State,
    /// So many bytes of the buffer are known not to hold the end of the head.
    searched: usize,
    /// Empty lines that came before the head.
    empty_lines: usize,
    requests: u8,
    /// What the answer of the desk has to be like that is waited for.
    awaited: Option<Box<Awaited>>,
}

#[derive(Debug, Default, Clone, Copy)]
enum State {
    #[default]
    Reading,
    /// A PROXY protocol header has to come before the first head.
    BehindProxy,
    /// A head of this length waits for its answer, and is well-formed.
    Complete(usize),
    Refused(Refusal),
    /// The answer of the desk is waited for.
    AtDesk,
    /// Closed, upgraded or a stream: what follows is no request.
    Over,
}

/// How far the next request has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// More bytes are needed.
    Partial,
    /// A proxy named the client in front of the first request, or spoke for itself. Said once.
    Introduced(Option<IpAddr>),
    /// A head is complete: [`Conversation::respond`] answers it.
    Complete,
    /// A request is at the desk: nothing is read before [`Conversation::answer`].
    AtDesk,
    /// The bytes are no request: [`Conversation::refuse`] says so.
    Refused(Refusal),
}

/// Why a connection is answered without a request that could be served. The connection closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// 400: the bytes are no request; the sentence tells the client why.
    Malformed(&'static str),
    /// 431: the head is over [`HEAD_BYTES_MAX`] bytes or [`HEADERS_MAX`] headers.
    TooLarge,
    /// 408: the head did not come in time.
    Timeout,
    /// 503: there is no slot or descriptor for the connection.
    NoSlot,
    /// 503: the server is shutting down.
    Draining,
}

impl Refusal {
    /// Why, in the words of the log. Nothing in it is the client's.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Malformed(reason) => reason,
            Self::TooLarge => "the head of the request is too large",
            Self::Timeout => "the head of the request took too long",
            Self::NoSlot => "no slot is left",
            Self::Draining => "the server shuts down",
        }
    }
}

/// What comes after a request was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next<P> {
    /// Another request may follow.
    KeepAlive,
    /// The connection ends behind this answer.
    Close,
    /// No more requests follow. The answer was not written: it is in the upgrade.
    Upgrade(Upgrade<P>),
    /// The desk answers. Nothing was written, and [`Conversation::answer`] goes on.
    Desk(Box<Inquiry>),
}

/// What comes after an answer of the desk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// Another request may follow.
    KeepAlive,
    /// The connection ends behind this answer.
    Close,
    /// Pieces of a stream follow, and no more requests.
    Stream,
}

impl Conversation {
    /// A conversation whose first bytes have to be a PROXY protocol header.
    #[must_use]
    pub fn behind_proxy() -> Self {
        Self {
            state: State::BehindProxy,
            ..Self::default()
        }
    }

    /// How many bytes may be pushed now. There is none while a complete head waits and the buffer is full, and none after
    /// the last request.
    #[must_use]
    pub fn room(&self) -> usize {
        match self.state {
            State::Reading | State::BehindProxy | State::Complete(_) => {
                HEAD_BYTES_MAX.saturating_sub(self.buffer.len())
            }
            State::Refused(_) | State::AtDesk | State::Over => 0,
        }
    }

    /// Takes bytes that arrived, [`Conversation::room`] at most, and returns how many were taken.
    pub fn push(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(self.room());
        let length = self.buffer.len() + taken;
        if length > self.buffer.capacity() {
            // Doubling keeps the cost of a trickle linear; the last step goes to the limit and not beyond.
            let capacity = length.max(self.buffer.capacity() * 2).min(HEAD_BYTES_MAX);
            self.buffer.reserve_exact(capacity - self.buffer.len());
        }
        self.buffer.extend_from_slice(&bytes[..taken]);
        taken
    }

    /// Looks whether the next request is complete. After [`Read::Partial`] there is room, unless the connection is over.
    pub fn read(&mut self) -> Read {
        if let State::BehindProxy = self.state {
            match proxy_protocol::read(&self.buffer) {
                Beginning::Partial => {}
                Beginning::Header { length, client } => {
                    self.discard(length);
                    self.state = State::Reading;
                    return Read::Introduced(client);
                }
                Beginning::Other => {
                    // What it was is not asked any more, not even whether its answer has a body.
                    self.buffer = Vec::new();
                    self.state = State::Refused(Refusal::Malformed(proxy_protocol::EXPECTED));
                }
            }
        }
        if let State::Reading = self.state {
            match self.search() {
                Ok(None) => {}
                Ok(Some(length)) => self.state = State::Complete(length),
                Err(refusal) => self.state = State::Refused(refusal),
            }
        }
        match self.state {
            State::Reading | State::BehindProxy | State::Over => Read::Partial,
            State::Complete(_) => Read::Complete,
            State::AtDesk => Read::AtDesk,
            State::Refused(refusal) => Read::Refused(refusal),
        }
    }

    /// Whether nothing of a next request is here: the connection is between requests.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::Reading) && self.buffer.is_empty()
    }

    /// Whether a PROXY protocol header has to come first.
    #[must_use]
    pub fn awaits_introduction(&self) -> bool {
        matches!(self.state, State::BehindProxy)
    }

    /// Takes the bytes behind a PROXY protocol header, which are no HTTP yet.
    pub fn take_rest(&mut self) -> Vec<u8> {
        mem::take(&mut self.buffer)
    }

    /// Whether a head waits for its answer.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        matches!(self.state, State::Complete(_))
    }

    /// Whether the answer of the desk is waited for.
    #[must_use]
    pub fn is_at_desk(&self) -> bool {
        matches!(self.state, State::AtDesk)
    }

    /// How many requests were answered on this connection, or are at the desk.
    #[must_use]
    pub fn answered(&self) -> u8 {
        self.requests
    }

    /// The address of the client that sent the complete head (D23); without a complete head the peer's.
    #[must_use]
    pub fn client<P>(&self, site: &Site<P>, peer: IpAddr) -> IpAddr {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        match Head::parse(self.head_bytes(), &mut headers) {
            Ok(head) => site.trusted_proxies.client_address(peer, &head),
            Err(_) => peer.to_canonical(),
        }
    }

    /// Answers the complete head and takes it from the buffer. Without a complete head nothing is answered.
    pub fn respond<P: Copy + PartialEq>(
        &mut self,
        site: &Site<P>,
        peer: IpAddr,
        standing: Standing,
        out: &mut Vec<u8>,
    ) -> Next<P> {
        let State::Complete(length) = self.state else {
            return match self.state {
                State::Over => Next::Close,
                _ => Next::KeepAlive,
            };
        };
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let head = match Head::parse(self.head_bytes(), &mut headers) {
            Ok(head) => head,
            // The head was well-formed when it was found.
            Err(error) => {
                self.refuse(error.into(), out);
                return Next::Close;
            }
        };
        let requests = self.requests.saturating_add(1);
        let closes = !head.keeps_alive() || requests >= REQUESTS_MAX || standing.draining || !standing.ticket;
        let without_body = head.method == "HEAD";
        let mut awaited = None;
        let next = match site.serve(&head, peer, standing) {
            Ok(Served::Upgrade(upgrade)) => Next::Upgrade(upgrade),
            Err(answer) => {
                let form = Form {
                    headers: &site.headers_for(&head),
                    without_body,
                    closes,
                };
                answer.write(form, out);
                if closes { Next::Close } else { Next::KeepAlive }
            }
            Ok(Served::Desk) => {
                let client = site.trusted_proxies.client_address(peer, &head);
                awaited = Some(Box::new(Awaited {
                    headers: site.headers_for(&head),
                    without_body,
                    closes,
                }));
                Next::Desk(Box::new(Inquiry {
                    path: site.routes.desk_path(head.path),
                    ..Inquiry::new(&head, client)
                }))
            }
        };
        self.requests = requests;
        self.awaited = awaited;
        match next {
            Next::Close => self.end(),
            Next::KeepAlive => {
                self.take(length);
                self.state = State::Reading;
            }
            Next::Upgrade(_) => {
                self.take(length);
                self.state = State::Over;
            }
            Next::Desk(_) => {
                self.take(length);
                self.state = State::AtDesk;
            }
        }
        next
    }

    /// Passes the answer of the desk on. `closes`: the connection ends behind it whatever the request said. Without a
    /// request at the desk nothing is answered.
    pub fn answer(&mut self, answer: &DeskAnswer, closes: bool, out: &mut Vec<u8>) -> After {
        let Some(mut awaited) = self.awaited.take() else {
            return After::KeepAlive;
        };
        let is_stream = answer.body == Body::Stream && !awaited.without_body;
        awaited.closes |= closes || is_stream;
        answer.write(&awaited, out);
        if is_stream {
            self.end();
            After::Stream
        } else if awaited.closes {
            self.end();
            After::Close
        } else {
            self.state = State::Reading;
            After::KeepAlive
        }
    }

    /// Tells the client why the connection ends, and ends it.
    pub fn refuse(&mut self, refusal: Refusal, out: &mut Vec<u8>) {
        let form = Form {
            headers: "",
            without_body: self.buffer.starts_with(b"HEAD "),
            closes: true,
        };
        refusal.answer().write(form, out);
        self.end();
    }

    /// The bytes behind the head of an upgrade.
    #[must_use]
    pub fn into_rest(self) -> Vec<u8> {
        self.buffer
    }

    /// Finds the end of a head and checks the head; `None` while it is incomplete.
    fn search(&mut self) -> Result<Option<usize>, Refusal> {
        self.skip_empty_lines()?;
        if proxy_protocol::is_out_of_place(&self.buffer, self.empty_lines) {
            return Err(Refusal::Malformed(proxy_protocol::UNEXPECTED));
        }
        if !head::may_begin_request(&self.buffer) {
            return Err(Refusal::Malformed(head::NOT_HTTP));
        }
        let Some(length) = head::find_end(&self.buffer, self.searched) else {
            self.searched = self.buffer.len();
            return if self.room() == 0 {
                Err(Refusal::TooLarge)
            } else {
                Ok(None)
            };
        };
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        Head::parse(&self.buffer[..length], &mut headers)?;
        Ok(Some(length))
    }

    fn skip_empty_lines(&mut self) -> Result<(), Refusal> {
        let (lines, length) = head::leading_empty_lines(&self.buffer);
        self.empty_lines += lines;
        if self.empty_lines > EMPTY_LINES_MAX {
            return Err(Refusal::Malformed(head::NOT_HTTP));
        }
        if lines > 0 {
            self.discard(length);
            self.searched = 0;
        }
        Ok(())
    }

    fn head_bytes(&self) -> &[u8] {
        match self.state {
            State::Complete(length) => &self.buffer[..length],
            _ => &[],
        }
    }

    /// Takes an answered head away.
    fn take(&mut self, length: usize) {
        self.discard(length);
        self.searched = 0;
        self.empty_lines = 0;
    }

    fn discard(&mut self, length: usize) {
        self.buffer.drain(..length);
        if self.buffer.is_empty() {
            self.buffer = Vec::new();
        }
    }

    fn end(&mut self) {
        self.state = State::Over;
        drop(mem::take(&mut self.buffer));
    }
}

/// What an HTTP client reads that is refused without a connection.
#[must_use]
pub fn refusal_text(refusal: Refusal) -> Vec<u8> {
    let mut answer = Vec::new();
    Conversation::default().refuse(refusal, &mut answer);
    answer
}

impl Refusal {
    fn answer(self) -> Answer {
        match self {
            Self::Malformed(reason) => answer::bad_request(reason),
            Self::TooLarge => answer::head_too_large(),
            Self::Timeout => answer::head_timeout(),
            Self::NoSlot => answer::full(),
            Self::Draining => answer::draining(),
        }
    }
}

impl From<HeadError> for Refusal {
    fn from(error: HeadError) -> Self {
        match error {
            HeadError::Malformed(reason) => Self::Malformed(reason),
            HeadError::TooManyHeaders => Self::TooLarge,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_is_small_and_its_buffer_bounded() {
        assert!(size_of::<Conversation>() <= 80, "{}", size_of::<Conversation>());
        let mut conversation = Conversation::default();
        assert!(conversation.is_idle());
        assert_eq!(conversation.push(&[b'A'; 3]), 3);
        for _ in 0..3 * HEAD_BYTES_MAX {
            conversation.push(b"GET ");
            assert!(conversation.buffer.capacity() <= HEAD_BYTES_MAX);
        }
        assert_eq!(conversation.buffer.len(), HEAD_BYTES_MAX);
        assert_eq!(conversation.room(), 0);
    }

    #[test]
    fn an_idle_conversation_holds_no_memory() {
        let mut conversation = Conversation::default();
        conversation.push(b"\r\n\n\r\n");
        assert_eq!(conversation.read(), Read::Partial);
        assert!(conversation.is_idle());
        assert_eq!(conversation.buffer.capacity(), 0);
        conversation.push(b"\r");
        assert_eq!(conversation.read(), Read::Partial);
        assert!(!conversation.is_idle());
        conversation.refuse(Refusal::Timeout, &mut Vec::new());
        assert_eq!((conversation.room(), conversation.buffer.capacity()), (0, 0));
        assert_eq!((conversation.push(b"GET "), conversation.read()), (0, Read::Partial));
    }

    /// No byte is looked at more than a few times, however a head trickles in.
    #[test]
    fn the_search_goes_on_where_it_stopped() {
        let mut conversation = Conversation::default();
        for (at, byte) in b"GET / HTTP/1.1\r\nHost: a\r\n\r".iter().enumerate() {
            conversation.push(&[*byte]);
            assert_eq!((conversation.read(), conversation.searched), (Read::Partial, at + 1));
        }
        conversation.push(b"\n");
        assert_eq!(conversation.read(), Read::Complete);
    }
}
