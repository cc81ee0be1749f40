//! The official client crate against the real binary. Whatever this server sends must be an event to it: a frame it
//! cannot decode, or one that contradicts what it knows, fails the test.
//!
//! Release 0.14 of the crate holds the shape of v2 for frozen: in a v2 session it suppresses a `Reconnected` that replays
//! `GameData` (D20), and an `AuthorityChanged` in favour of a player who left and came back (D21), as violations. Both are
//! kept out of this session. It passes over `auth_token` (D18), as over any key it does not know; so the transport below
//! reads the token for the game, which then comes back with the client's own `reconnect`. It also sends no binary data in
//! a v2 session, so that comes from a third player with a client of its own.

mod harness;

use harness::certificates::Files;
use harness::{Client, PATIENCE, Server};
use rustls::version;
use serde_json::{Value, json};
use signal_fish_client::protocol::{ConnectionInfo, GameDataEncoding, LobbyState, PlayerId};
use signal_fish_client::{
    JoinRoomParams, SignalFishClient, SignalFishConfig, SignalFishError, SignalFishEvent as Event, TokenBindingMode,
    Transport, TransportFrame, WebSocketConnectOptions, WebSocketTransport,
};
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use tokio::sync::mpsc::Receiver;

/// The WebSocket transport, which keeps the token of what passes through it untouched.
struct ReadsToken {
    inner: WebSocketTransport,
    token: Arc<Mutex<Option<String>>>,
}

impl Transport for ReadsToken {
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        frame: &mut Option<TransportFrame>,
    ) -> Poll<Result<(), SignalFishError>> {
        self.inner.poll_send(cx, frame)
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<TransportFrame, SignalFishError>>> {
        let polled = self.inner.poll_recv(cx);
        if let Poll::Ready(Some(Ok(TransportFrame::Text(text)))) = &polled {
            let message: Value = serde_json::from_str(text).expect("the server sends JSON");
            if let Some(token) = message["data"]["auth_token"].as_str() {
                *self.token.lock().expect("token") = Some(token.to_owned());
            }
        }
        polled
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SignalFishError>> {
        self.inner.poll_close(cx)
    }

    fn abort(&mut self) {
        self.inner.abort();
    }
}

/// One client and its events.
struct Player {
    client: SignalFishClient,
    events: Receiver<Event>,
    token: Arc<Mutex<Option<String>>>,
}

/// What `RoomJoined` or `Reconnected` told.
struct Place {
    player: PlayerId,
    room: PlayerId,
    code: String,
    token: Option<String>,
}

impl Player {
    async fn connect(server: &Server, format: Option<GameDataEncoding>) -> Self {
        let transport = match harness::stream::tls_of(server.addr) {
            Some(tls) => {
                let url = format!("wss://{}/v2/ws", server.addr);
                WebSocketTransport::connect_with_tls_config(&url, WebSocketConnectOptions::new(), tls).await
            }
            None => WebSocketTransport::connect(&format!("ws://{}/v2/ws", server.addr)).await,
        };
        let transport = transport.expect("connected");
        let mut config = SignalFishConfig::new("my-game");
        config.game_data_format = format;
        let token = Arc::new(Mutex::new(None));
        let transport = ReadsToken {
            inner: transport,
            token: Arc::clone(&token),
        };
        let (client, events) = SignalFishClient::start(transport, config);
        let mut player = Self { client, events, token };
        player
            .until("Authenticated", |event| matches!(event, Event::Authenticated { .. }))
            .await;
        player
            .until("ProtocolInfo", |event| matches!(event, Event::ProtocolInfo(_)))
            .await;
        player
    }

    /// The next event, which must be understood.
    async fn next(&mut self) -> Event {
        let event = tokio::time::timeout(PATIENCE, self.events.recv())
            .await
            .expect("an event")
            .expect("connected");
        match &event {
            Event::DecodeFailed { error, raw_prefix, .. } => panic!("not understood: {error}: {raw_prefix}"),
            Event::ProtocolViolation { kind, diagnostic } => panic!("a violation: {kind:?}: {diagnostic}"),
            Event::Error { message, .. } => panic!("refused: {message}"),
            Event::Disconnected { reason, .. } => panic!("disconnected: {reason:?}"),
            _ => event,
        }
    }

    /// The next event, which must be this one; `Connected` comes from the client itself and is passed over.
    async fn until(&mut self, what: &str, is_it: impl Fn(&Event) -> bool) -> Event {
        loop {
            let event = self.next().await;
            if is_it(&event) {
                return event;
            }
            assert!(matches!(event, Event::Connected), "expected {what}, got {event:?}");
        }
    }

    async fn joined(&mut self) -> Place {
        match self.next().await {
            Event::RoomJoined {
                player_id,
                room_id,
                room_code,
                ..
            } => Place {
                player: player_id,
                room: room_id,
                code: room_code,
                token: self.token.lock().expect("token").clone(),
            },
            other => panic!("expected RoomJoined, got {other:?}"),
        }
    }

    async fn data(&mut self, from: PlayerId) -> Value {
        match self.next().await {
            Event::GameData { from_player, data, .. } => {
                assert_eq!(from_player, from);
                data
            }
            other => panic!("expected GameData, got {other:?}"),
        }
    }

    async fn lobby(&mut self, state: LobbyState, ready: usize) {
        match self.next().await {
            Event::LobbyStateChanged {
                lobby_state,
                ready_players,
                all_ready,
            } => {
                assert_eq!((&lobby_state, ready_players.len()), (&state, ready));
                assert_eq!(all_ready, state == LobbyState::Finalized);
            }
            other => panic!("expected LobbyStateChanged, got {other:?}"),
        }
    }

    async fn authority(&mut self, holder: Option<PlayerId>, you: bool) {
        match self.next().await {
            Event::AuthorityChanged {
                authority_player,
                you_are_authority,
            } => {
                assert_eq!((authority_player, you_are_authority), (holder, you));
            }
            other => panic!("expected AuthorityChanged, got {other:?}"),
        }
    }

    async fn binary(&mut self, from: PlayerId, expected: &[u8]) {
        match self.next().await {
            Event::GameDataBinary {
                from_player,
                payload,
                encoding,
                ..
            } => {
                assert_eq!(from_player, from);
                assert_eq!(encoding, GameDataEncoding::MessagePack);
                assert_eq!(payload, expected);
            }
            other => panic!("expected GameDataBinary, got {other:?}"),
        }
    }
}

fn run(scenario: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(scenario);
}

fn params(name: &str, code: Option<&str>) -> JoinRoomParams {
    let params = JoinRoomParams::new("official", name);
    match code {
        Some(code) => params.with_room_code(code),
        None => params,
    }
}

#[test]
fn two_clients_meet_and_exchange_a_thousand_messages_each_way() {
    const COUNT: u32 = 1000;
    let server = Server::start(json!({}));
    run(async {
        let mut alice = Player::connect(&server, None).await;
        let mut bob = Player::connect(&server, None).await;
        alice.client.join_room(params("Alice", None)).expect("sent");
        let a = alice.joined().await;
        bob.client.join_room(params("Bob", Some(&a.code))).expect("sent");
        let b = bob.joined().await;
        assert_eq!((b.room, &b.code), (a.room, &a.code));
        assert!(
            a.token.is_some() && b.token.is_some(),
            "the client works with the token"
        );
        alice
            .until(
                "PlayerJoined",
                |event| matches!(event, Event::PlayerJoined { player } if player.id == b.player),
            )
            .await;
        let Player {
            client: from_a,
            events: to_a,
            token: token_a,
        } = alice;
        let Player {
            client: from_b,
            events: to_b,
            token: token_b,
        } = bob;
        let send = async |client: &SignalFishClient, name: &str| {
            for number in 0..COUNT {
                client
                    .send_game_data_reliable(json!({"name": name, "number": number}))
                    .await
                    .expect("sent");
            }
        };
        let receive = async |mut events: Receiver<Event>, from: PlayerId, name: &str| {
            for number in 0..COUNT {
                let event = tokio::time::timeout(PATIENCE, events.recv()).await.expect("an event");
                match event.expect("connected") {
                    Event::GameData { from_player, data, .. } => {
                        assert_eq!(from_player, from);
                        assert_eq!(data, json!({"name": name, "number": number}));
                    }
                    other => panic!("expected GameData, got {other:?}"),
                }
            }
            events
        };
        let (_, _, to_a, to_b) = tokio::join!(
            send(&from_a, "Alice"),
            send(&from_b, "Bob"),
            receive(to_a, b.player, "Bob"),
            receive(to_b, a.player, "Alice"),
        );
        let mut alice = Player {
            client: from_a,
            events: to_a,
            token: token_a,
        };
        let mut bob = Player {
            client: from_b,
            events: to_b,
            token: token_b,
        };
        bob.client.leave_room().expect("sent");
        bob.until("RoomLeft", |event| matches!(event, Event::RoomLeft)).await;
        alice
            .until(
                "PlayerLeft",
                |event| matches!(event, Event::PlayerLeft { player_id, .. } if *player_id == b.player),
            )
            .await;
        alice.client.shutdown().await;
        bob.client.shutdown().await;
    });
}

#[test]
fn whole_session_from_authentication_to_leaving() {
    let server = Server::start(json!({
        "security": {
            "require_websocket_auth": true,
            "authorized_apps": [{"app_id": "my-game", "app_secret": "s", "app_name": "My Game"}],
        },
    }));
    run(async {
        let packed = Some(GameDataEncoding::MessagePack);
        let mut alice = Player::connect(&server, packed).await;
        let mut bob = Player::connect(&server, packed).await;
        let mut sue = Player::connect(&server, None).await;
        let mut mia = server.client();
        mia.authenticate(json!({"app_id": "my-game", "game_data_format": "message_pack"}));
        let (a, b) = meet(&mut alice, &mut bob, &mut sue, &mut mia).await;
        start_the_game(&mut alice, &mut bob, &mut sue, &mut mia).await;
        both_forms_of_data(&mut alice, &mut bob, &mut sue, a.player, &mut mia).await;
        authority_moves(&mut alice, &mut bob, &mut sue, a.player, b.player).await;
        let mut bob = drop_and_return(&server, &mut alice, bob, &mut sue, &a, &b).await;
        alice.client.leave_room().expect("sent");
        alice.until("RoomLeft", |event| matches!(event, Event::RoomLeft)).await;
        bob.until("PlayerLeft", |event| matches!(event, Event::PlayerLeft { .. }))
            .await;
        bob.authority(None, false).await;
        for player in [&mut alice, &mut bob, &mut sue] {
            player.client.ping().expect("sent");
            player.until("Pong", |event| matches!(event, Event::Pong)).await;
            player.client.shutdown().await;
        }
    });
}

/// Alice creates a room for three, Sue watches, Bob and Mia join.
#[test]
fn it_signs_over_tls_and_binds_its_certificate() {
    let files = Files::new();
    for (client_auth, fingerprint) in [("none", false), ("require", true)] {
        let mut config = files.config(json!({"client_auth": client_auth, "client_ca_cert_path": files.path("ca.pem")}));
        config["security"]["transport"]["token_binding"] =
            json!({"enabled": true, "required": true, "require_client_fingerprint": fingerprint});
        let server = Server::start(config);
        let url = format!("wss://{}/v2/ws", server.addr);
        let options = WebSocketConnectOptions::new()
            .with_token_binding(TokenBindingMode::Required)
            .with_require_client_fingerprint(fingerprint);
        for version in [&version::TLS12, &version::TLS13] {
            let shown = if fingerprint { files.shown() } else { None };
            let tls = files.client(version, shown);
            run(async {
                let transport = WebSocketTransport::connect_with_tls_config(&url, options, tls).await;
                let (client, events) =
                    SignalFishClient::start(transport.expect("connected"), SignalFishConfig::new("my-game"));
                let mut player = Player {
                    client,
                    events,
                    token: Arc::default(),
                };
                player
                    .until("Authenticated", |event| matches!(event, Event::Authenticated { .. }))
                    .await;
                player
                    .until("ProtocolInfo", |event| matches!(event, Event::ProtocolInfo(_)))
                    .await;
                player.client.join_room(params("Alice", None)).expect("sent");
                player
                    .until("RoomJoined", |event| matches!(event, Event::RoomJoined { .. }))
                    .await;
            });
        }
    }
}

async fn meet(alice: &mut Player, bob: &mut Player, sue: &mut Player, mia: &mut Client) -> (Place, Place) {
    alice
        .client
        .join_room(params("Alice", None).with_max_players(3).with_supports_authority(true))
        .expect("sent");
    let a = alice.joined().await;
    let code = a.code.to_lowercase();
    sue.client
        .join_as_spectator("official".to_owned(), code.clone(), "Sue".to_owned())
        .expect("sent");
    match sue.next().await {
        Event::SpectatorJoined {
            room_id,
            current_players,
            ..
        } => {
            assert_eq!((room_id, current_players.len()), (a.room, 1));
        }
        other => panic!("expected SpectatorJoined, got {other:?}"),
    }
    alice
        .until("NewSpectatorJoined", |event| {
            matches!(event, Event::NewSpectatorJoined { .. })
        })
        .await;
    bob.client.join_room(params("Bob", Some(&code))).expect("sent");
    let b = bob.joined().await;
    let is_joined = |event: &Event| matches!(event, Event::PlayerJoined { .. });
    for other in [&mut *alice, &mut *sue] {
        other.until("PlayerJoined", is_joined).await;
    }
    mia.enter("official", &code, "Mia");
    for other in [&mut *alice, &mut *bob, &mut *sue] {
        other.until("PlayerJoined", is_joined).await;
    }
    for member in [alice, bob, sue] {
        member.lobby(LobbyState::Lobby, 0).await;
    }
    (a, b)
}

/// All get ready; everybody learns how to reach Alice.
async fn start_the_game(alice: &mut Player, bob: &mut Player, sue: &mut Player, mia: &mut Client) {
    let info = ConnectionInfo::Direct {
        host: "a.example".to_owned(),
        port: 7777,
    };
    alice.client.provide_connection_info(info).expect("sent");
    alice.client.set_ready().expect("sent");
    for member in [&mut *alice, &mut *bob, &mut *sue] {
        member.lobby(LobbyState::Lobby, 1).await;
    }
    bob.client.set_ready().expect("sent");
    for member in [&mut *alice, &mut *bob, &mut *sue] {
        member.lobby(LobbyState::Lobby, 2).await;
    }
    mia.send_kind("PlayerReady");
    for member in [alice, bob, sue] {
        member.lobby(LobbyState::Finalized, 3).await;
        match member.next().await {
            Event::GameStarting { peer_connections } => {
                let known = peer_connections.iter().filter(|peer| peer.connection_info.is_some());
                assert_eq!((peer_connections.len(), known.count()), (3, 1));
            }
            other => panic!("expected GameStarting, got {other:?}"),
        }
    }
}

async fn both_forms_of_data(alice: &mut Player, bob: &mut Player, sue: &mut Player, a: PlayerId, mia: &mut Client) {
    alice.client.send_game_data(json!({"x": 1.5})).expect("sent");
    for other in [&mut *bob, &mut *sue] {
        assert_eq!(other.data(a).await, json!({"x": 1.5}));
    }
    // {"x": 2}
    mia.send_binary(b"\x81\xa1x\x02");
    let m: PlayerId = mia.id.parse().expect("an id");
    for packed in [&mut *alice, &mut *bob] {
        packed.binary(m, b"\x81\xa1x\x02").await;
    }
    assert_eq!(sue.data(m).await, json!({"x": 2}));
}

/// Alice hands authority over by releasing it; Bob takes it and gives it back.
async fn authority_moves(alice: &mut Player, bob: &mut Player, sue: &mut Player, a: PlayerId, b: PlayerId) {
    for (turn, holder) in [(0, None), (1, Some(b)), (1, None), (0, Some(a))] {
        let asker = if turn == 0 { &mut *alice } else { &mut *bob };
        asker.client.request_authority(holder.is_some()).expect("sent");
        let granted = |event: &Event| matches!(event, Event::AuthorityResponse { granted: true, .. });
        asker.until("AuthorityResponse", granted).await;
        alice.authority(holder, holder == Some(a)).await;
        bob.authority(holder, holder == Some(b)).await;
        sue.authority(holder, false).await;
    }
}

/// Bob's connection dies; he returns with his token and is who he was.
async fn drop_and_return(
    server: &Server,
    alice: &mut Player,
    bob: Player,
    sue: &mut Player,
    a: &Place,
    b: &Place,
) -> Player {
    drop(bob);
    let is_gone = |event: &Event| matches!(event, Event::PlayerLeft { player_id, .. } if *player_id == b.player);
    for other in [&mut *alice, &mut *sue] {
        other.until("PlayerLeft", is_gone).await;
    }
    sue.client.leave_spectator().expect("sent");
    sue.until("SpectatorLeft", |event| matches!(event, Event::SpectatorLeft { .. }))
        .await;
    alice
        .until("SpectatorDisconnected", |event| {
            matches!(event, Event::SpectatorDisconnected { .. })
        })
        .await;
    let mut bob = Player::connect(server, Some(GameDataEncoding::MessagePack)).await;
    let token = b.token.clone().expect("a token");
    bob.client.reconnect(b.player, b.room, token.clone()).expect("sent");
    match bob.next().await {
        Event::Reconnected {
            player_id,
            lobby_state,
            missed_events,
            is_authority,
            ..
        } => {
            assert_eq!(
                (player_id, lobby_state, is_authority),
                (b.player, LobbyState::Finalized, false)
            );
            assert!(
                matches!(missed_events[..], [Event::SpectatorDisconnected { .. }]),
                "{missed_events:?}"
            );
        }
        other => panic!("expected Reconnected, got {other:?}"),
    }
    let rotated = bob.token.lock().expect("token").clone();
    assert!(
        rotated.is_some_and(|rotated| rotated != token),
        "a new token for the next time"
    );
    alice
        .until("PlayerReconnected", |event| {
            matches!(event, Event::PlayerReconnected { .. })
        })
        .await;
    alice.client.send_game_data(json!("welcome back")).expect("sent");
    assert_eq!(bob.data(a.player).await, json!("welcome back"));
    bob.client.send_game_data(json!("here I am")).expect("sent");
    assert_eq!(alice.data(b.player).await, json!("here I am"));
    bob
}
