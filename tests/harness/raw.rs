//! A bare TCP client, for what no WebSocket library would send, and for tests of very many connections.

use super::PATIENCE;
use super::stream::Stream;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

/// Final frame flag.
pub const FIN: u8 = 0x80;
/// Opcode of a continuation.
pub const CONTINUATION: u8 = 0x0;
/// Opcode of text.
pub const TEXT: u8 = 0x1;
/// Opcode of binary.
pub const BINARY: u8 = 0x2;
/// Opcode of a close frame.
pub const CLOSE: u8 = 0x8;
/// Opcode of a ping.
pub const PING: u8 = 0x9;

/// A valid upgrade of `/v2/ws`.
pub const UPGRADE: &str = "GET /v2/ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];

/// A masked frame; `first` is the flags and the opcode.
#[must_use]
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = header(first, payload.len() as u64);
    out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    out
}

/// A masked text frame.
#[must_use]
pub fn text(text: &str) -> Vec<u8> {
    frame(FIN | TEXT, text.as_bytes())
}

/// The header of a masked frame that announces `length` bytes.
#[must_use]
pub fn header(first: u8, length: u64) -> Vec<u8> {
    let mut out = vec![first];
    let bytes = length.to_be_bytes();
    match length {
        0..=125 => out.push(0x80 | bytes[7]),
        126..=0xffff => {
            out.push(0x80 | 126);
            out.extend_from_slice(&bytes[6..]);
        }
        _ => {
            out.push(0x80 | 127);
            out.extend_from_slice(&bytes);
        }
    }
    out.extend_from_slice(&MASK);
    out
}

/// An HTTP answer.
#[derive(Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: String,
}

impl Answer {
    /// The first header of this name (lower case).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// A frame from the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Opcode; the final flag is demanded.
    pub opcode: u8,
    /// Payload.
    pub payload: Vec<u8>,
}

/// A TCP connection to the server.
#[derive(Debug)]
pub struct Raw {
    stream: Stream,
    unread: Vec<u8>,
    /// The last request was `HEAD`, whose answer has no body.
    asked_for_head: bool,
}

impl Raw {
    /// Connects and sends nothing.
    #[must_use]
    pub fn connect(addr: SocketAddr) -> Self {
        Self::over(TcpStream::connect(addr).expect("the server listens"))
    }

    /// The same from an address of this machine.
    #[must_use]
    pub fn connect_from(source: IpAddr, addr: SocketAddr) -> Self {
        let socket = socket2::Socket::new(socket2::Domain::for_address(addr), socket2::Type::STREAM, None);
        let socket = socket.expect("a socket");
        let source = SocketAddr::new(source, 0);
        socket.bind(&source.into()).expect("an address of this machine");
        socket.connect(&addr.into()).expect("the server listens");
        Self::over(socket.into())
    }

    fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("nodelay");
        stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("timeout");
        Self {
            stream: Stream::over(stream),
            unread: Vec::new(),
            asked_for_head: false,
        }
    }

    /// Connects and upgrades.
    #[must_use]
    #[track_caller]
    pub fn upgraded(addr: SocketAddr) -> Self {
        let mut raw = Self::connect(addr);
        raw.send(UPGRADE.as_bytes());
        raw.read_upgrade();
        raw
    }

    /// Writes bytes.
    #[track_caller]
    pub fn send(&mut self, bytes: &[u8]) {
        self.asked_for_head = bytes.starts_with(b"HEAD ");
        self.stream.write_all(bytes).expect("the server reads");
    }

    /// Sends a request without a body: a line such as `GET /metrics`, and more header lines, each ended with CRLF.
    #[track_caller]
    pub fn ask(&mut self, line: &str, headers: &str) {
        self.send(format!("{line} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n").as_bytes());
    }

    /// Reads up to the first `end`, which is included.
    #[track_caller]
    pub fn read_until(&mut self, end: &str) -> String {
        loop {
            let found = self.unread.windows(end.len()).position(|bytes| bytes == end.as_bytes());
            if let Some(at) = found {
                let bytes: Vec<u8> = self.unread.drain(..at + end.len()).collect();
                return String::from_utf8_lossy(&bytes).into_owned();
            }
            assert!(self.fill() > 0, "ended: {:?}", String::from_utf8_lossy(&self.unread));
        }
    }

    /// Writes as many bytes as the server takes; it may have answered and closed before the end.
    pub fn send_while_open(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Sends nothing more.
    pub fn half_close(&mut self) {
        self.stream.half_close();
    }

    /// Ends the connection with a reset.
    pub fn reset(self) {
        let socket = socket2::SockRef::from(self.stream.tcp());
        socket.set_linger(Some(Duration::ZERO)).expect("linger");
    }

    /// Reads the head of `101 Switching Protocols`.
    #[track_caller]
    pub fn read_upgrade(&mut self) {
        let end = loop {
            if let Some(at) = self.unread.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            assert!(
                self.fill() > 0,
                "ended in the head: {}",
                String::from_utf8_lossy(&self.unread)
            );
        };
        let head: Vec<u8> = self.unread.drain(..end).collect();
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    }

    /// Reads one HTTP answer: as many bytes of body as it announces, or none if `HEAD` was asked (D39).
    #[track_caller]
    pub fn read_answer(&mut self) -> Answer {
        let (answer, length) = loop {
            if let Some(found) = self.answer_so_far() {
                break found;
            }
            assert!(
                self.fill() > 0,
                "no HTTP answer: {:?}",
                String::from_utf8_lossy(&self.unread)
            );
        };
        self.unread.drain(..length);
        answer
    }

    /// The same, or nothing if none comes in this time.
    #[track_caller]
    pub fn read_answer_within(&mut self, time: Duration) -> Option<Answer> {
        self.stream.tcp().set_read_timeout(Some(time)).expect("timeout");
        let mut buffer = [0; 16 * 1024];
        let found = loop {
            if let Some((answer, length)) = self.answer_so_far() {
                self.unread.drain(..length);
                break Some(answer);
            }
            match self.stream.read(&mut buffer) {
                Ok(count) if count > 0 => self.unread.extend_from_slice(&buffer[..count]),
                _ => break None,
            }
        };
        self.stream.tcp().set_read_timeout(Some(PATIENCE)).expect("timeout");
        found
    }

    /// The answer at the front of what was read, and its length, if it is complete.
    fn answer_so_far(&self) -> Option<(Answer, usize)> {
        let end = self.unread.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let text = String::from_utf8_lossy(&self.unread[..end]).into_owned();
        let mut lines = text.trim_end().split("\r\n");
        let status = lines
            .next()
            .and_then(|line| line.strip_prefix("HTTP/1.1 "))
            .and_then(|line| line.get(..3))
            .and_then(|status| status.parse().ok())
            .unwrap_or_else(|| panic!("no status line: {text:?}"));
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut answer = Answer {
            status,
            headers,
            body: String::new(),
        };
        let announced = answer.header("content-length").and_then(|length| length.parse().ok());
        let has_no_body = self.asked_for_head || status == 304;
        let length: usize = if has_no_body { 0 } else { announced.unwrap_or(0) };
        let body = self.unread.get(end..end + length)?;
        answer.body = String::from_utf8_lossy(body).into_owned();
        Some((answer, end + length))
    }

    /// Whether the server has ended the connection and sent nothing before.
    #[track_caller]
    pub fn is_at_end(&mut self) -> bool {
        self.unread.is_empty() && self.fill() == 0
    }

    /// The next frame, or `None` at the end of the connection.
    #[track_caller]
    pub fn read_frame(&mut self) -> Option<Frame> {
        loop {
            if let Some((frame, taken)) = parse(&self.unread) {
                self.unread.drain(..taken);
                return Some(frame);
            }
            if self.fill() == 0 {
                return None;
            }
        }
    }

    /// Takes whatever arrives; `false` at the end.
    pub fn read_anything(&mut self) -> bool {
        self.unread.clear();
        self.fill() > 0
    }

    /// The next frame, a text message.
    #[track_caller]
    pub fn read_message(&mut self) -> Value {
        let frame = self.read_frame().expect("a message, not the end");
        assert_eq!(frame.opcode, TEXT, "{frame:?}");
        serde_json::from_slice(&frame.payload).expect("JSON")
    }

    /// Expects a close frame with this code, then the end.
    #[track_caller]
    pub fn expect_close(&mut self, code: u16) {
        let frame = self.read_frame().expect("a close frame, not the end");
        assert_eq!(frame.opcode, CLOSE, "{}", String::from_utf8_lossy(&frame.payload));
        assert_eq!(frame.payload.get(..2), Some(&code.to_be_bytes()[..]), "{frame:?}");
        self.half_close();
        assert_eq!(self.read_frame(), None, "something after the close frame");
    }

    /// Expects the end for something that the client did wrong: an `Error` that explains (D9), a close frame with this
    /// code, and nothing after it.
    #[track_caller]
    pub fn expect_violation(&mut self, code: u16) {
        let explanation = self.read_frame().expect("an explanation, not the end");
        assert_eq!(explanation.opcode, TEXT, "{explanation:?}");
        let message: Value = serde_json::from_slice(&explanation.payload).expect("JSON");
        assert_eq!(message["type"], "Error", "{message}");
        let expected = if code == 1009 {
            "MESSAGE_TOO_LARGE"
        } else {
            "INVALID_INPUT"
        };
        assert_eq!(message["data"]["error_code"], expected, "{message}");
        let frame = self.read_frame().expect("a close frame, not the end");
        assert_eq!(frame.opcode, CLOSE, "{}", String::from_utf8_lossy(&frame.payload));
        assert_eq!(frame.payload.get(..2), Some(&code.to_be_bytes()[..]), "{frame:?}");
        self.half_close();
        assert_eq!(self.read_frame(), None, "something after the close frame");
    }

    /// Reads once; 0 at the end of the connection, however it ended.
    #[track_caller]
    fn fill(&mut self) -> usize {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(count) => {
                self.unread.extend_from_slice(&buffer[..count]);
                count
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("nothing arrived"),
            Err(_) => 0,
        }
    }
}

/// The first complete frame of `bytes` and its length. A server masks nothing and, here, fragments nothing.
fn parse(bytes: &[u8]) -> Option<(Frame, usize)> {
    let (&first, rest) = bytes.split_first()?;
    assert_eq!(first & 0xf0, FIN, "fragmented or with reserved bits");
    let (&second, rest) = rest.split_first()?;
    assert!(second < 0x80, "masked");
    let (length, head) = match second {
        126 => (usize::from(u16::from_be_bytes(rest.get(..2)?.try_into().ok()?)), 4),
        127 => {
            let length = u64::from_be_bytes(rest.get(..8)?.try_into().ok()?);
            (usize::try_from(length).expect("fits"), 10)
        }
        short => (usize::from(short), 2),
    };
    let payload = bytes.get(head..head + length)?.to_vec();
    let frame = Frame {
        opcode: first & 0x0f,
        payload,
    };
    Some((frame, head + length))
}
