//! A protocol client on tungstenite's WebSocket. It remembers everything it sent and saw, for the message of a failure.

use super::stream::Stream;
use super::{PATIENCE, secrets};
use serde_json::{Value, json};
use std::io::{ErrorKind, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use tungstenite::client::IntoClientRequest;
use tungstenite::handshake::HandshakeError;
use tungstenite::http::Request;
use tungstenite::protocol::frame::{CloseFrame, coding::CloseCode};
use tungstenite::protocol::{WebSocket, WebSocketConfig};
use tungstenite::{Error, Message};

/// How long "nothing arrives" is watched (protocol 14).
const SILENCE: Duration = Duration::from_millis(300);

/// One thing that arrived. WebSocket pings are answered and not shown.
#[derive(Debug, Clone, PartialEq)]
pub enum Incoming {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Vec<u8>),
    /// A pong with its payload.
    Pong(Vec<u8>),
    /// A close frame with its code, if it had one.
    Close(Option<u16>),
    /// The connection ended without another frame.
    Ended(String),
}

/// One connection and what is known about its place in a room.
#[derive(Debug)]
pub struct Client {
    ws: WebSocket<Stream>,
    transcript: Vec<String>,
    /// `player_id` of the last `RoomJoined` or `Reconnected`, `spectator_id` of the last `SpectatorJoined`.
    pub id: String,
    /// `room_id` of the same message.
    pub room: String,
    /// `room_code` of the same message.
    pub code: String,
    /// Its `auth_token`, empty without one.
    pub token: String,
}

impl Client {
    /// Connects to `/v2/ws`.
    #[must_use]
    #[track_caller]
    pub fn connect(addr: SocketAddr) -> Self {
        Self::connect_with(addr, "/v2/ws", &[]).unwrap_or_else(|status| panic!("the upgrade was refused: {status}"))
    }

    /// Connects to `path` with more headers.
    ///
    /// # Errors
    /// The HTTP status of a refusal.
    pub fn connect_with(addr: SocketAddr, path: &str, headers: &[(&'static str, &str)]) -> Result<Self, u16> {
        let stream = TcpStream::connect(addr).expect("the server listens");
        stream.set_nodelay(true).expect("nodelay");
        stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("timeout");
        let mut request: Request<()> = format!("ws://{addr}{path}").into_client_request().expect("a valid URL");
        for (name, value) in headers {
            request
                .headers_mut()
                .insert(*name, value.parse().expect("a valid header"));
        }
        let config = WebSocketConfig::default().read_buffer_size(4096).write_buffer_size(0);
        match tungstenite::client::client_with_config(request, Stream::over(stream), Some(config)) {
            Ok((ws, _)) => Ok(Self {
                ws,
                transcript: Vec::new(),
                id: String::new(),
                room: String::new(),
                code: String::new(),
                token: String::new(),
            }),
            Err(HandshakeError::Failure(Error::Http(response))) => Err(response.status().as_u16()),
            Err(error) => panic!("the handshake failed: {error}"),
        }
    }

    /// The socket, for what tungstenite would not do.
    #[must_use]
    pub fn stream(&self) -> &TcpStream {
        self.ws.get_ref().tcp()
    }

    // --- sending -----------------------------------------------------------------------------------------------------

    /// Sends a message.
    #[track_caller]
    pub fn send(&mut self, message: Value) {
        self.send_text(&message.to_string());
    }

    /// Sends a message of `kind` without `data`.
    #[track_caller]
    pub fn send_kind(&mut self, kind: &str) {
        self.send(json!({"type": kind}));
    }

    /// Sends `value` as game data.
    #[track_caller]
    pub fn send_data(&mut self, value: Value) {
        self.send(json!({"type": "GameData", "data": {"data": value}}));
    }

    /// Sends any text.
    #[track_caller]
    pub fn send_text(&mut self, text: &str) {
        self.note(">>", text);
        secrets::sent(text);
        self.deliver(Message::text(text));
    }

    /// Sends a binary message.
    #[track_caller]
    pub fn send_binary(&mut self, payload: &[u8]) {
        self.note(">>", &format!("{} bytes binary", payload.len()));
        self.deliver(Message::binary(payload.to_vec()));
    }

    /// Sends a WebSocket ping.
    #[track_caller]
    pub fn send_ping(&mut self, payload: &[u8]) {
        self.deliver(Message::Ping(payload.to_vec().into()));
    }

    /// Sends a close frame.
    #[track_caller]
    pub fn send_close(&mut self, code: u16) {
        let frame = CloseFrame {
            code: CloseCode::from(code),
            reason: "".into(),
        };
        self.ws.close(Some(frame)).expect("the close frame is sent");
    }

    /// Writes bytes past tungstenite.
    #[track_caller]
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        self.note(">>", &format!("{} raw bytes", bytes.len()));
        let sent = self.ws.get_mut().write_all(bytes);
        sent.unwrap_or_else(|error| self.fail(&format!("could not send: {error}")));
    }

    /// Ends the connection as a dying network would: with a reset.
    pub fn reset(self) {
        let socket = socket2::SockRef::from(self.ws.get_ref().tcp());
        socket.set_linger(Some(Duration::ZERO)).expect("linger");
    }

    /// Ends the connection with a FIN and no close frame.
    pub fn hang_up(self) {
        let _ = self.ws.get_ref().tcp().shutdown(Shutdown::Both);
    }

    #[track_caller]
    fn deliver(&mut self, message: Message) {
        let sent = self.ws.send(message);
        sent.unwrap_or_else(|error| self.fail(&format!("could not send: {error}")));
    }

    // --- receiving ---------------------------------------------------------------------------------------------------

    /// What arrives within `time`, if anything does.
    pub fn next_within(&mut self, time: Duration) -> Option<Incoming> {
        let deadline = Instant::now() + time;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            self.ws.get_ref().tcp().set_read_timeout(Some(left)).expect("timeout");
            let incoming = match self.ws.read() {
                Ok(Message::Text(text)) => Incoming::Text(text.to_string()),
                Ok(Message::Binary(payload)) => Incoming::Binary(payload.to_vec()),
                Ok(Message::Pong(payload)) => Incoming::Pong(payload.to_vec()),
                Ok(Message::Close(frame)) => Incoming::Close(frame.map(|frame| frame.code.into())),
                Ok(Message::Ping(_) | Message::Frame(_)) => {
                    // The pong that tungstenite queued is written with the next flush.
                    let _ = self.ws.flush();
                    continue;
                }
                Err(Error::Io(error)) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    continue;
                }
                Err(error) => Incoming::Ended(error.to_string()),
            };
            match &incoming {
                Incoming::Text(text) => {
                    secrets::received(text);
                    self.note("<<", text);
                }
                other => self.note("<<", &format!("{other:?}")),
            }
            return Some(incoming);
        }
    }

    /// The next thing that arrives.
    #[track_caller]
    pub fn next(&mut self) -> Incoming {
        match self.next_within(PATIENCE) {
            Some(incoming) => incoming,
            None => self.fail("nothing arrived"),
        }
    }

    /// The next thing that arrives, a text message, whole.
    #[track_caller]
    pub fn next_message(&mut self) -> Value {
        match self.next() {
            Incoming::Text(text) => {
                serde_json::from_str(&text).unwrap_or_else(|error| self.fail(&format!("not JSON: {error}")))
            }
            other => self.fail(&format!("not a text message: {other:?}")),
        }
    }

    /// `data` of the next message, which must be of `kind`.
    #[track_caller]
    pub fn expect(&mut self, kind: &str) -> Value {
        let mut message = self.next_message();
        if message["type"] != kind {
            self.fail(&format!("expected {kind}"));
        }
        message["data"].take()
    }

    /// `data` of the next message of `kind`; everything before it is passed over.
    #[track_caller]
    pub fn expect_later(&mut self, kind: &str) -> Value {
        loop {
            let mut message = self.next_message();
            if message["type"] == kind {
                return message["data"].take();
            }
        }
    }

    /// The text of the next message, which must be an `Error` with this code.
    #[track_caller]
    pub fn expect_error(&mut self, code: &str) -> String {
        let data = self.expect("Error");
        self.check_code(&data, code);
        data["message"].as_str().unwrap_or_default().to_owned()
    }

    /// The reason of the next message, which must be a failure of `kind` with this code.
    #[track_caller]
    pub fn expect_failure(&mut self, kind: &str, code: &str) -> String {
        let data = self.expect(kind);
        self.check_code(&data, code);
        data["reason"].as_str().unwrap_or_default().to_owned()
    }

    /// A close frame with this code, then the end of the connection.
    #[track_caller]
    pub fn expect_close(&mut self, code: u16) {
        match self.next() {
            Incoming::Close(Some(got)) if got == code => {}
            other => self.fail(&format!("expected close {code}, got {other:?}")),
        }
        match self.next() {
            Incoming::Ended(_) => {}
            other => self.fail(&format!("expected the end after the close frame, got {other:?}")),
        }
    }

    /// Nothing arrives for a while.
    #[track_caller]
    pub fn expect_silence(&mut self) {
        if let Some(incoming) = self.next_within(SILENCE) {
            self.fail(&format!("expected silence, got {incoming:?}"));
        }
    }

    /// Everything that was caused before this call has arrived and been read: a `Ping` is answered next. Stronger than
    /// waiting, and quicker: the server handles the frames of a connection in order, so it answers in order.
    #[track_caller]
    pub fn quiet(&mut self) {
        self.send_kind("Ping");
        let message = self.next_message();
        if message["type"] != "Pong" {
            self.fail("expected nothing but Pong");
        }
    }

    /// Reads until the answer to a `Ping`; what came before it.
    #[track_caller]
    pub fn drain(&mut self) -> Vec<Value> {
        self.send_kind("Ping");
        let mut seen = Vec::new();
        loop {
            let message = self.next_message();
            if message["type"] == "Pong" {
                return seen;
            }
            seen.push(message);
        }
    }

    // --- whole steps of the protocol ---------------------------------------------------------------------------------

    /// Sends `JoinRoom` with these fields.
    #[track_caller]
    pub fn send_join(&mut self, fields: Value) {
        self.send(json!({"type": "JoinRoom", "data": fields}));
    }

    /// Sends `JoinRoom` and expects to be in.
    #[track_caller]
    pub fn join(&mut self, fields: Value) -> Value {
        self.send_join(fields);
        self.expect_joined("RoomJoined")
    }

    /// Creates a room of `seats` without authority, the simplest there is.
    #[track_caller]
    pub fn create(&mut self, game: &str, name: &str, seats: u8) -> Value {
        self.join(json!({"game_name": game, "player_name": name, "max_players": seats, "supports_authority": false}))
    }

    /// Enters a room by code.
    #[track_caller]
    pub fn enter(&mut self, game: &str, code: &str, name: &str) -> Value {
        self.join(json!({"game_name": game, "player_name": name, "room_code": code}))
    }

    /// Watches a room.
    #[track_caller]
    pub fn watch(&mut self, game: &str, code: &str, name: &str) -> Value {
        self.send_watch(game, code, name);
        self.expect_joined("SpectatorJoined")
    }

    /// Sends `JoinAsSpectator`.
    #[track_caller]
    pub fn send_watch(&mut self, game: &str, code: &str, name: &str) {
        self.send(json!({
            "type": "JoinAsSpectator",
            "data": {"game_name": game, "room_code": code, "spectator_name": name},
        }));
    }

    /// Sends `Reconnect`.
    #[track_caller]
    pub fn send_reconnect(&mut self, player: &str, room: &str, token: &str) {
        self.send(json!({
            "type": "Reconnect",
            "data": {"player_id": player, "room_id": room, "auth_token": token},
        }));
    }

    /// Comes back and expects to be in.
    #[track_caller]
    pub fn reconnect(&mut self, player: &str, room: &str, token: &str) -> Value {
        self.send_reconnect(player, room, token);
        self.expect_joined("Reconnected")
    }

    /// Expects a snapshot of a room and remembers who and where the client is.
    #[track_caller]
    pub fn expect_joined(&mut self, kind: &str) -> Value {
        let data = self.expect(kind);
        let text = |key: &str| data[key].as_str().unwrap_or_default().to_owned();
        let id = if kind == "SpectatorJoined" {
            "spectator_id"
        } else {
            "player_id"
        };
        self.id = text(id);
        self.room = text("room_id");
        self.code = text("room_code");
        self.token = text("auth_token");
        data
    }

    /// Leaves and expects to be out; what was told before is passed over.
    #[track_caller]
    pub fn leave(&mut self) {
        self.send_kind("LeaveRoom");
        self.expect_later("RoomLeft");
    }

    /// Authenticates and expects both answers; `data` of the second.
    #[track_caller]
    pub fn authenticate(&mut self, fields: Value) -> Value {
        self.send(json!({"type": "Authenticate", "data": fields}));
        self.expect("Authenticated");
        self.expect("ProtocolInfo")
    }

    /// Expects `AuthorityRequest` to be granted.
    #[track_caller]
    pub fn send_authority(&mut self, become_authority: bool) {
        self.send(json!({"type": "AuthorityRequest", "data": {"become_authority": become_authority}}));
    }

    /// Expects `LobbyStateChanged` with exactly this content; the order of the ready players is free.
    #[track_caller]
    pub fn expect_lobby(&mut self, state: &str, ready: &[&str], all_ready: bool) {
        let data = self.expect("LobbyStateChanged");
        let mut expected: Vec<&str> = ready.to_vec();
        expected.sort_unstable();
        let mut got: Vec<&str> = data["ready_players"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        got.sort_unstable();
        if data["lobby_state"] != state || got != expected || data["all_ready"] != all_ready {
            self.fail(&format!("expected LobbyStateChanged {state} {ready:?} {all_ready}"));
        }
    }

    /// Expects `AuthorityChanged` with exactly this content.
    #[track_caller]
    pub fn expect_authority(&mut self, holder: Option<&str>, you: bool) {
        let data = self.expect("AuthorityChanged");
        assert_eq!(data, json!({"authority_player": holder, "you_are_authority": you}));
    }

    /// Expects exactly one `AuthorityResponse` that grants.
    #[track_caller]
    pub fn expect_granted(&mut self) {
        let data = self.expect("AuthorityResponse");
        assert_eq!(data, json!({"granted": true, "reason": null}));
    }

    /// Expects exactly one `AuthorityResponse` that denies, and gives its reason.
    #[track_caller]
    pub fn expect_denied(&mut self, code: &str) -> String {
        let data = self.expect("AuthorityResponse");
        assert_eq!(data["granted"], false, "{data}");
        self.check_code(&data, code);
        data["reason"].as_str().expect("a denial has a reason").to_owned()
    }

    /// Expects `PlayerLeft` of this player.
    #[track_caller]
    pub fn expect_left(&mut self, player: &str) {
        assert_eq!(self.expect("PlayerLeft"), json!({"player_id": player}));
    }

    /// Expects `GameData` of this player with this value.
    #[track_caller]
    pub fn expect_data(&mut self, from: &str, value: &Value) {
        assert_eq!(self.expect("GameData"), json!({"from_player": from, "data": value}));
    }

    #[track_caller]
    fn check_code(&self, data: &Value, code: &str) {
        if data["error_code"] != code {
            self.fail(&format!("expected {code}"));
        }
    }

    fn note(&mut self, direction: &str, text: &str) {
        let mut line: String = text.chars().take(600).collect();
        if line.len() < text.len() {
            line.push('…');
        }
        // Enough to understand a failure; a test of a million messages must not keep them all.
        if self.transcript.len() == 60 {
            self.transcript.remove(0);
        }
        self.transcript.push(format!("{direction} {line}"));
    }

    /// Fails the test with everything that this client saw.
    ///
    /// # Panics
    /// Always.
    #[track_caller]
    pub fn fail(&self, problem: &str) -> ! {
        panic!("{problem}\ntranscript:\n{}", self.transcript.join("\n"));
    }
}

/// A room in which the first of `names` is the creator and everybody has read everything so far.
#[must_use]
#[track_caller]
pub fn room_of(server: &super::Server, game: &str, seats: u8, authority: bool, names: &[&str]) -> Vec<Client> {
    let mut members: Vec<Client> = Vec::new();
    for name in names {
        let mut member = server.client();
        match members.first() {
            None => {
                member.join(json!({
                    "game_name": game, "player_name": name, "max_players": seats, "supports_authority": authority,
                }));
            }
            Some(first) => {
                member.enter(game, &first.code, name);
            }
        }
        members.push(member);
    }
    for member in &mut members {
        member.drain();
    }
    members
}
