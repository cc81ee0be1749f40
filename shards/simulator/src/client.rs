//! A scripted client: asks for an upgrade, sends what it is told, and remembers everything it gets.

use crate::frames::{Frame, Input, masked_binary, masked_close, masked_ping, masked_pong, masked_text};
use crate::tls::{ClientTls, Version};
use serde_json::Value;
use signal_fish_core::ListenerIndex;
use std::collections::VecDeque;
use tungstenite::handshake::derive_accept_key;

/// A message of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sent {
    Text(String),
    Binary(Vec<u8>),
}

/// The key that every client sends.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// What a client got.
#[derive(Debug, Clone, PartialEq)]
pub enum Got {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Vec<u8>),
    /// A ping.
    Ping,
    /// A close frame: code and reason.
    Closed(u16, String),
    /// An HTTP answer that is no upgrade: status and body.
    Answer(u16, String),
}

/// How far a client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It waits for the answer of an HTTP request; whether that was an upgrade.
    Asking(bool),
    /// Its WebSocket is open.
    Open,
    /// It got or will get nothing more.
    Over,
}

/// One client of a world.
#[derive(Debug)]
pub struct Client {
    /// The listener that it connects to.
    pub(crate) listener: ListenerIndex,
    /// Its TLS, if it speaks that.
    pub(crate) tls: Option<Box<ClientTls>>,
    stage: Stage,
    input: Input,
    /// Frames that wait for the upgrade.
    waiting: VecDeque<(Vec<u8>, Option<Sent>)>,
    outgoing: Vec<u8>,
    finishes: bool,
    /// Messages for the ledger.
    sent: Vec<Sent>,
    /// It has sent bytes that are no messages.
    is_garbled: bool,
    was_open: bool,
    /// How far [`Client::news`] got.
    read: usize,
    /// Everything it ever got.
    pub got: Vec<Got>,
    /// Pings that it sent.
    pub pings: usize,
    /// Pongs that it got.
    pub pongs: usize,
    /// Whether it answers pings.
    pub answers_pings: bool,
    /// Whether it sends frames behind its request without waiting for the answer.
    pub hurries: bool,
    /// Whether it answers a close frame and ends. A client that does not keeps the server waiting.
    pub closes_politely: bool,
    /// From the last snapshot of a room.
    pub player_id: String,
    /// From the last snapshot of a room.
    pub room_id: String,
    /// From the last snapshot of a room.
    pub room_code: String,
    /// From the last snapshot of a room; empty without one.
    pub token: String,
}

impl Client {
    /// A client that asks for an upgrade to Signal Fish; `query` follows the path.
    #[must_use]
    pub fn upgrading(query: &str) -> Self {
        Self::new(Stage::Asking(true), upgrade_request(query))
    }

    /// A client that sends requests, the last of which may ask for an upgrade.
    #[must_use]
    pub fn asking(requests: &str) -> Self {
        Self::new(Stage::Asking(true), requests.as_bytes().to_vec())
    }

    /// A client that says nothing by itself.
    #[must_use]
    pub fn silent() -> Self {
        Self::new(Stage::Asking(false), Vec::new())
    }

    /// The same client, which connects to another listener.
    #[must_use]
    pub fn at(self, listener: ListenerIndex) -> Self {
        Self { listener, ..self }
    }

    /// The same client, which sends these bytes before anything else.
    #[must_use]
    pub fn behind(mut self, bytes: &[u8]) -> Self {
        self.outgoing.splice(..0, bytes.iter().copied());
        self
    }

    /// The same client, which speaks TLS. `says_goodbye`: it announces the end of its direction.
    #[must_use]
    pub fn over(self, version: Version, says_goodbye: bool) -> Self {
        Self {
            tls: Some(Box::new(ClientTls::new(version, says_goodbye))),
            ..self
        }
    }

    fn new(stage: Stage, outgoing: Vec<u8>) -> Self {
        Self {
            listener: ListenerIndex::default(),
            tls: None,
            stage,
            input: Input::default(),
            waiting: VecDeque::new(),
            outgoing,
            finishes: false,
            sent: Vec::new(),
            is_garbled: false,
            was_open: false,
            read: 0,
            got: Vec::new(),
            pings: 0,
            pongs: 0,
            answers_pings: false,
            hurries: false,
            closes_politely: true,
            player_id: String::new(),
            room_id: String::new(),
            room_code: String::new(),
            token: String::new(),
        }
    }

    /// Whether its WebSocket is open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.stage == Stage::Open
    }

    /// Whether it got a close frame, or the connection ended.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    /// Whether it got a close frame, and has not ended its own direction.
    pub(crate) fn is_dismissed(&self) -> bool {
        !self.finishes && matches!(self.got.last(), Some(Got::Closed(..)))
    }

    /// Whether it was upgraded, and what it heard ends with a close frame.
    pub(crate) fn heard_to_the_end(&self) -> bool {
        let closed = matches!(self.got.last(), Some(Got::Closed(..) | Got::Answer(..)));
        self.input.unread().is_empty() && (closed || !self.was_open)
    }

    /// Sends a text message as soon as its WebSocket is open.
    pub fn say(&mut self, text: &str) {
        self.send(masked_text(text), Some(Sent::Text(text.to_owned())));
    }

    /// Sends a binary message.
    pub fn say_binary(&mut self, payload: &[u8]) {
        self.send(masked_binary(payload), Some(Sent::Binary(payload.to_vec())));
    }

    /// Sends a ping.
    pub fn ping(&mut self) {
        self.pings += usize::from(!self.finishes && !self.is_over());
        self.send(masked_ping(b"ping"), None);
    }

    /// Sends a pong that nobody asked for.
    pub fn pong(&mut self) {
        self.send(masked_pong(b""), None);
    }

    /// Sends a close frame.
    pub fn close(&mut self, code: u16) {
        self.send(masked_close(code), None);
    }

    /// Ends its direction behind what it has sent, without a close frame. It still hears.
    pub fn end(&mut self) {
        self.finishes = true;
    }

    /// Sends bytes as they are.
    pub fn write(&mut self, bytes: &[u8]) {
        self.is_garbled = true;
        self.put(bytes);
    }

    fn put(&mut self, bytes: &[u8]) {
        if !self.finishes {
            self.outgoing.extend_from_slice(bytes);
        }
    }

    fn send(&mut self, frame: Vec<u8>, message: Option<Sent>) {
        match self.stage {
            Stage::Asking(_) if !self.hurries => self.waiting.push_back((frame, message)),
            Stage::Over => {}
            _ => self.put_frame(&frame, message),
        }
    }

    fn put_frame(&mut self, frame: &[u8], message: Option<Sent>) {
        if !self.finishes {
            self.sent.extend(message);
        }
        self.put(frame);
    }

    /// Whether it sends anything, or ends.
    pub(crate) fn has_outgoing(&self) -> bool {
        let sealed = self.tls.as_ref().is_some_and(|tls| tls.has_output());
        !self.outgoing.is_empty() || !self.sent.is_empty() || self.finishes || sealed
    }

    /// Messages that it has sent since the last call, and whether it sends other bytes as well.
    pub(crate) fn take_sent(&mut self) -> (Vec<Sent>, bool) {
        (std::mem::take(&mut self.sent), self.is_garbled)
    }

    /// What it sends, and whether it ends behind that.
    pub(crate) fn take_outgoing(&mut self) -> (Vec<u8>, bool) {
        let outgoing = std::mem::take(&mut self.outgoing);
        match &mut self.tls {
            None => (outgoing, self.finishes),
            Some(tls) => tls.seal(&outgoing, self.finishes),
        }
    }

    /// The server's direction has ended.
    pub(crate) fn ended(&mut self) {
        if !self.is_over() {
            self.stage = Stage::Over;
            self.finishes = true;
        }
    }

    /// Gives up: it sends nothing more.
    pub(crate) fn vanish(&mut self) {
        self.stage = Stage::Over;
        self.outgoing.clear();
        self.finishes = true;
    }

    /// Bytes of the server.
    pub(crate) fn hear(&mut self, bytes: &[u8]) {
        match &mut self.tls {
            None => self.input.push(bytes),
            Some(tls) => self.input.push(&tls.open(bytes)),
        }
        while let Stage::Asking(upgrading) = self.stage {
            if !self.hear_answer(upgrading) {
                return;
            }
        }
        while self.stage == Stage::Open {
            let Some(frame) = self.input.next_frame() else { return };
            self.hear_frame(frame);
        }
        assert!(
            self.input.unread().is_empty() || !self.got.iter().any(|got| matches!(got, Got::Closed(..))),
            "nothing follows a close frame"
        );
    }

    /// Reads one HTTP answer. Returns whether it was complete.
    fn hear_answer(&mut self, upgrading: bool) -> bool {
        let unread = self.input.unread();
        let Some(length) = unread.windows(4).position(|end| end == b"\r\n\r\n") else {
            return false;
        };
        let head = std::str::from_utf8(&unread[..length]).expect("a head of the server is text");
        let status: u16 = head
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3))
            .and_then(|status| status.parse().ok())
            .expect("an HTTP/1.1 answer");
        let field = |name: &str| {
            let mut lines = head.lines().filter_map(|line| line.split_once(": "));
            lines.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
        };
        if status == 101 {
            assert!(upgrading, "only who asks is upgraded");
            let accept = derive_accept_key(KEY.as_bytes());
            assert_eq!(field("sec-websocket-accept").as_deref(), Some(&*accept));
            self.input.skip(length + 4);
            self.stage = Stage::Open;
            self.was_open = true;
            for (frame, message) in std::mem::take(&mut self.waiting) {
                self.put_frame(&frame, message);
            }
            return true;
        }
        let body: usize = field("content-length").map_or(0, |length| length.parse().expect("a number"));
        let Some(body) = unread.get(length + 4..length + 4 + body) else {
            return false;
        };
        let text = String::from_utf8(body.to_vec()).expect("bodies are text");
        self.input.skip(length + 4 + text.len());
        self.got.push(Got::Answer(status, text));
        true
    }

    fn hear_frame(&mut self, frame: Frame) {
        match frame {
            Frame::Text(text) => {
                self.note_snapshot(&text);
                self.got.push(Got::Text(text));
            }
            Frame::Binary(payload) => self.got.push(Got::Binary(payload)),
            Frame::Ping(payload) => {
                self.got.push(Got::Ping);
                if self.answers_pings {
                    self.put(&masked_pong(&payload));
                }
            }
            Frame::Pong(_) => self.pongs += 1,
            Frame::Close(code, reason) => {
                self.got.push(Got::Closed(code, reason));
                self.stage = Stage::Over;
                if self.closes_politely {
                    self.put(&masked_close(code));
                    self.finishes = true;
                }
            }
        }
    }

    fn note_snapshot(&mut self, text: &str) {
        // Game data may hold what this parser would not take, so only what is needed is parsed.
        let heads = [r#"{"type":"RoomJoined""#, r#"{"type":"Reconnected""#];
        if !heads.iter().any(|head| text.starts_with(head)) {
            return;
        }
        let message: Value = serde_json::from_str(text).expect("a snapshot is JSON");
        let field = |name: &str| message["data"][name].as_str().unwrap_or_default().to_owned();
        self.player_id = field("player_id");
        self.room_id = field("room_id");
        self.room_code = field("room_code");
        self.token = field("auth_token");
    }

    /// What it got since the last look, pings left out.
    pub fn news(&mut self) -> Vec<Got> {
        let new = &self.got[self.read..];
        let new = new.iter().filter(|got| **got != Got::Ping).cloned().collect();
        self.skip();
        new
    }

    /// Whatever it got so far is no news.
    pub fn skip(&mut self) {
        self.read = self.got.len();
    }
}

/// Asks for an upgrade to Signal Fish; `query` follows the path.
#[must_use]
pub(crate) fn upgrade_request(query: &str) -> Vec<u8> {
    upgrade(query, "").into_bytes()
}

/// A request for an upgrade to Signal Fish; `query` follows the path, `headers` are lines.
#[must_use]
pub fn upgrade(query: &str, headers: &str) -> String {
    upgrade_at(&format!("/v2/ws{query}"), headers)
}

/// A request for an upgrade at a target, which is a path with its query; `headers` are lines.
#[must_use]
pub fn upgrade_at(target: &str, headers: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: simulated\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{headers}\r\n"
    )
}
