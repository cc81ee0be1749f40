//! Token binding over the wire (protocol 2.10): what is signed is handled, what is not ends the connection.

mod harness;

use data_encoding::BASE64;
use harness::{Client, Incoming, Raw, Server};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use rustix::process::Signal;
use serde_json::{Value, json};
use sha2::Sha256;

const V1: &str = "signalfish.tokenbinding.v1";
const V2: &str = "signalfish.tokenbinding.v2";

fn binding(over: Value) -> Value {
    json!({"security": {"trusted_proxies": ["127.0.0.1"], "transport": {"token_binding": over}}})
}

/// A client that signs.
struct Signer {
    client: Client,
    handshake_key: [u8; 16],
    key: Vec<u8>,
    sequence: u64,
    fingerprint: Option<String>,
}

impl Signer {
    fn connect(server: &Server, version: &str, number: u8, headers: &[(&'static str, &str)]) -> Self {
        let handshake_key = [number; 16];
        let encoded = BASE64.encode(&handshake_key);
        let own = [
            ("sec-websocket-key", encoded.as_str()),
            ("sec-websocket-protocol", version),
        ];
        let client = Client::connect_with(server.addr, "/v2/ws", &[&own, headers].concat());
        let mut client = client.unwrap_or_else(|status| panic!("the upgrade was refused: {status}"));
        let mut key = handshake_key.to_vec();
        if version.contains(V2) {
            let challenge = client.expect("TokenBindingChallenge");
            assert_eq!(challenge.as_object().expect("an object").len(), 4, "{challenge}");
            assert_eq!(
                (&challenge["version"], &challenge["first_sequence"]),
                (&json!(2), &json!(1))
            );
            assert_eq!(challenge["scheme"], "server_nonce_hkdf_sha256");
            let nonce = challenge["nonce"].as_str().expect("a nonce");
            let nonce = BASE64.decode(nonce.as_bytes()).expect("base64");
            assert_eq!(nonce.len(), 32);
            key = vec![0; 32];
            Hkdf::<Sha256>::new(Some(&nonce), &handshake_key)
                .expand(format!("{V2}/session-key").as_bytes(), &mut key)
                .expect("a block");
        }
        Self {
            client,
            handshake_key,
            key,
            sequence: 1,
            fingerprint: None,
        }
    }

    fn signature(&self, key: &[u8], parts: &[&[u8]]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length");
        parts.iter().for_each(|part| mac.update(part));
        mac.update(self.fingerprint.as_deref().unwrap_or_default().as_bytes());
        BASE64.encode(&mac.finalize().into_bytes())
    }

    /// The proof of `payload` in version 2.
    fn proof(&self, kind: &str, payload: &[u8]) -> Value {
        let domain = format!("{V2}\0{kind}\0");
        let parts = [domain.as_bytes(), &self.sequence.to_be_bytes(), payload];
        json!({
            "version": 2, "scheme": "server_nonce_hkdf_sha256", "sequence": self.sequence,
            "signature": self.signature(&self.key, &parts), "fingerprint": self.fingerprint,
        })
    }

    /// The message with its proof. `serde_json` sorts members, and the ones here are ASCII.
    fn signed(&self, mut message: Value) -> Value {
        let proof = self.proof("json", message.to_string().as_bytes());
        message["token_binding"] = proof;
        message
    }

    fn send(&mut self, message: Value) {
        self.client.send(self.signed(message));
        self.sequence += 1;
    }

    /// Reads everything that was sent to it so far.
    fn settle(&mut self) {
        self.send(ping());
        self.client.expect_later("Pong");
    }

    fn send_one(&mut self, mut message: Value) {
        let signature = self.signature(&self.handshake_key, &[message.to_string().as_bytes()]);
        message["token_binding"] = json!({
            "scheme": "sec_websocket_key_sha256", "signature": signature, "fingerprint": self.fingerprint,
        });
        self.client.send(message);
    }

    fn envelope(&self, payload: &[u8]) -> Vec<u8> {
        let proof = self.proof("binary", payload);
        let signature = proof["signature"].as_str().expect("text");
        let mut out =
            b"\x82\xadtoken_binding\x84\xa7version\x02\xa6scheme\xb8server_nonce_hkdf_sha256\xa8sequence\xcf".to_vec();
        out.extend(self.sequence.to_be_bytes());
        out.extend(b"\xa9signature\xd9\x2c");
        out.extend(signature.as_bytes());
        out.extend(b"\xa7payload\xc4");
        out.push(u8::try_from(payload.len()).expect("short"));
        out.extend(payload);
        out
    }

    /// Expects the error and the close that end it.
    #[track_caller]
    fn expect_end(mut self, text: &str, code: &str) {
        let error = self.client.expect("Error");
        assert_eq!((&error["message"], &error["error_code"]), (&json!(text), &json!(code)));
        assert_eq!(self.client.next(), Incoming::Close(Some(1008)));
    }
}

fn ping() -> Value {
    json!({"type": "Ping"})
}

fn game_data(value: Value) -> Value {
    json!({"data": {"data": value}, "type": "GameData"})
}

#[test]
fn version_two_signs_every_message_once() {
    let server = Server::start(binding(json!({"enabled": true, "required": true})));
    let connect = || Signer::connect(&server, V2, 7, &[]);
    let mut signer = connect();
    for _ in 0..3 {
        signer.send(ping());
        signer.client.expect("Pong");
    }
    let repeated = signer.signed(ping());
    signer.send(ping());
    signer.client.expect("Pong");
    signer.client.send(repeated);
    signer.expect_end("Invalid token binding version or sequence", "UNAUTHORIZED");

    let mut signer = connect();
    signer.client.send(ping());
    signer.expect_end("Token binding proof missing", "UNAUTHORIZED");

    // The key of another connection, although it had the same Sec-WebSocket-Key.
    let (first, mut second) = (connect(), connect());
    assert_ne!(first.key, second.key);
    second.client.send(first.signed(ping()));
    second.expect_end("Invalid token binding signature", "UNAUTHORIZED");

    let mut signer = connect();
    signer.client.send_binary(&[1, 2, 3]);
    signer.expect_end("Invalid token-bound binary frame", "UNAUTHORIZED");

    let mut signer = connect();
    signer.client.send_text("[1]");
    signer.expect_end("Malformed client message", "INVALID_INPUT");
}

#[test]
fn what_cannot_be_signed_is_answered_and_uses_no_number() {
    let server = Server::start(binding(json!({"enabled": true})));
    let mut signer = Signer::connect(&server, V2, 1, &[]);
    for text in [r#"{"type":"Ping","x":1.5}"#, "{", r#"{"type":"Ping","type":"Ping"}"#] {
        signer.client.send_text(text);
        signer.client.expect_error("INVALID_INPUT");
    }
    let large = game_data(json!("x".repeat(70_000)));
    signer.client.send(signer.signed(large));
    signer.client.expect_error("MESSAGE_TOO_LARGE");
    signer.send(ping());
    signer.client.expect("Pong");
    // One that is signed and unknown uses its number up.
    signer.send(json!({"type": "Unknown"}));
    signer.client.expect_error("INVALID_INPUT");
    signer.send(ping());
    signer.client.expect("Pong");
}

#[test]
fn binding_travels_with_its_connection() {
    let mut config = binding(json!({"enabled": true}));
    config["shards"] = json!({"count": 4, "pin": false});
    config["protocol"] = json!({"enable_message_pack_game_data": true});
    let server = Server::start(config);
    // Three of four rooms belong to another shard than the one that accepted.
    for number in 0..16 {
        let (mut one, mut two) = (
            Signer::connect(&server, V2, number, &[]),
            Signer::connect(&server, V2, 99, &[]),
        );
        two.send(json!({"data": {"app_id": "a", "game_data_format": "message_pack"}, "type": "Authenticate"}));
        two.client.expect("Authenticated");
        two.client.expect("ProtocolInfo");
        for (signer, name) in [(&mut one, "one"), (&mut two, "two")] {
            let data = json!({"game_name": "g", "player_name": name, "room_code": format!("ROOM{number:02}")});
            signer.send(json!({"data": data, "type": "JoinRoom"}));
            signer.client.expect_joined("RoomJoined");
        }
        one.settle();
        two.settle();
        let payload = b"\x81\xa1x\x07";
        two.client.send_binary(&two.envelope(payload));
        two.sequence += 1;
        one.client.expect_data(&two.client.id.clone(), &json!({"x": 7}));
        one.send(game_data(json!([number])));
        two.client.expect_data(&one.client.id.clone(), &json!([number]));
        // Who sends something unsigned drops out of the room, and nothing of it arrives.
        two.client.send(game_data(json!("forged")));
        one.client.expect_left(&two.client.id.clone());
        two.expect_end("Token binding proof missing", "UNAUTHORIZED");
    }
}

#[test]
fn version_one_is_as_it_was() {
    let server = Server::start(binding(json!({"enabled": true})));
    let mut signer = Signer::connect(&server, &format!("chat, {V1}"), 3, &[]);
    for _ in 0..2 {
        signer.send_one(ping());
        signer.client.expect("Pong");
    }
    signer.client.send_text("{");
    signer.client.expect_error("INVALID_INPUT");
    // Numbers are signed as they are written, and binary messages are not signed.
    signer.send_one(json!({"type": "Ping", "x": 1.5}));
    signer.client.expect("Pong");
    signer.client.send_binary(b"\x01");
    signer.client.expect_error("INVALID_INPUT");
    signer.client.send(ping());
    signer.expect_end("Token binding proof missing", "UNAUTHORIZED");

    // Both offered: the better one.
    let mut signer = Signer::connect(&server, &format!("{V1}, {V2}"), 3, &[]);
    signer.send(ping());
    signer.client.expect("Pong");
}

#[test]
fn a_proxy_names_the_certificate() {
    let server = Server::start(binding(json!({"enabled": true, "require_client_fingerprint": true})));
    let fingerprint = "1376a851f01e89a6b4784fefcd761ec41187b7a5de02da57b764d9d920cf7107";
    let header = [("x-signalfish-client-cert-sha256", fingerprint)];
    for version in [V1, V2] {
        let connect = |given: Option<&str>| {
            let mut signer = Signer::connect(&server, version, 9, &header);
            signer.fingerprint = given.map(str::to_owned);
            match version {
                V1 => signer.send_one(ping()),
                _ => signer.send(ping()),
            }
            signer
        };
        connect(Some(fingerprint)).client.expect("Pong");
        connect(None).expect_end("Client fingerprint required", "UNAUTHORIZED");
        connect(Some("00")).expect_end("Client fingerprint mismatch", "UNAUTHORIZED");
    }
    assert_eq!(Client::connect_with(server.addr, "/v2/ws", &[]).err(), Some(401));
}

#[test]
fn upgrades_that_bind_nothing_are_refused() {
    let refusal = |server: &Server, offer: &str| {
        let mut raw: Raw = server.raw();
        raw.send(
            format!(
                "GET /v2/ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{offer}\r\n"
            )
            .as_bytes(),
        );
        let answer = raw.read_answer();
        (answer.status, answer.body)
    };
    let offer = |name: &str| format!("Sec-WebSocket-Protocol: {name}\r\n");
    let server = Server::start(binding(json!({"enabled": true, "required": true})));
    let unsupported = (400, "unsupported token binding subprotocol".to_owned());
    assert_eq!(refusal(&server, &offer("signalfish.tokenbinding.v3")), unsupported);
    assert_eq!(refusal(&server, &offer("SignalFish.tokenbinding.v2")), unsupported);
    let required = (400, "token binding subprotocol required".to_owned());
    assert_eq!(refusal(&server, ""), required);
    assert_eq!(refusal(&server, &offer("chat")), required);
    // Health is served to anybody.
    let mut raw = server.raw();
    raw.send(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(raw.read_answer().status, 200);
    drop(server);

    // Off: the offer means nothing.
    let server = Server::start(json!({}));
    let mut client = Client::connect_with(server.addr, "/v2/ws", &[]).expect("upgraded");
    client.send(ping());
    client.expect("Pong");
    let mut raw = server.raw();
    raw.send(
        format!(
            "GET /v2/ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{}\r\n",
            offer(V2)
        )
        .as_bytes(),
    );
    let answer = raw.read_answer();
    assert_eq!((answer.status, answer.header("sec-websocket-protocol")), (101, None));
}

#[test]
fn a_reload_holds_for_who_comes_next() {
    let server = Server::start(binding(json!({"enabled": true})));
    let mut unbound = server.client();
    let mut bound = Signer::connect(&server, V2, 1, &[]);
    server.rewrite(binding(json!({"enabled": true, "required": true})));
    server.signal(Signal::HUP);
    harness::wait_until("the new rule holds", || {
        Client::connect_with(server.addr, "/v2/ws", &[]).err() == Some(400)
    });
    unbound.send(ping());
    unbound.expect("Pong");
    bound.send(ping());
    bound.client.expect("Pong");
}
