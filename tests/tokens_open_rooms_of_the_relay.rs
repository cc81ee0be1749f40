//! Tokens of the room relay, against the real binary: what they open, who is refused with which words, keys that change,
//! issuers that fail, and that a token is shown nowhere.

mod harness;

use harness::issuer::{Issuer, answer};
use harness::jwt::{self, Key, claims, in_seconds};
use harness::server::binary;
use harness::{Client, Incoming, Raw, Server, secrets};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SECRET: &str = "a secret of at least thirty-two bytes";
const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

fn config(shards: usize, auth: &Value) -> Value {
    let mut auth = auth.clone();
    auth["enabled"] = json!(true);
    json!({
        "relay": {"enabled": true, "port": 0, "connections_per_10s": 0, "auth": auth},
        "shards": {"count": shards, "pin": false}
    })
}

fn start(shards: usize, auth: &Value) -> (Server, SocketAddr) {
    let server = Server::start(config(shards, auth));
    let address = server.address_of("relay");
    (server, address)
}

fn good(kid: Option<&str>, key: &Key, algorithm: &str) -> String {
    let token = key.token(algorithm, kid, &claims(json!(["room", "game-*"])));
    secrets::token(&token);
    token
}

#[track_caller]
fn enter(address: SocketAddr, room: &str, token: &str) -> Client {
    let target = format!("/?token={token}&roomId={room}");
    Client::connect_with(address, &target, &[]).unwrap_or_else(|status| panic!("{room}: {status}"))
}

/// Code and reason of the close behind the 101.
#[track_caller]
fn refused(address: SocketAddr, target: &str, headers: &str) -> (u16, String) {
    let mut raw = Raw::connect(address);
    raw.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n{UPGRADE}{headers}\r\n").as_bytes());
    assert_eq!(raw.read_answer().status, 101, "{target}");
    let frame = raw.read_frame().expect("a close frame");
    assert_eq!(frame.opcode, 8, "{target}");
    let code = u16::from_be_bytes([frame.payload[0], frame.payload[1]]);
    (code, String::from_utf8_lossy(&frame.payload[2..]).into_owned())
}

#[track_caller]
fn expect_refusal(address: SocketAddr, token: &str, reason: &str) {
    secrets::token(token);
    let got = refused(address, &format!("/?roomId=room&token={token}"), "");
    assert_eq!(got, (1008, reason.to_owned()), "{token}");
}

#[track_caller]
fn reaches(from: &mut Client, to: &mut Client) {
    let text = r#"{"type":"next"}"#;
    from.send_text(text);
    assert_eq!(to.next(), Incoming::Text(text.to_owned()));
}

#[test]
fn a_token_of_the_secret_opens_its_rooms() {
    for shards in [1, 4] {
        let (_server, address) = start(shards, &json!({"secret": SECRET}));
        let key = Key::secret(SECRET);
        for algorithm in ["HS256", "HS384", "HS512"] {
            let token = good(None, &key, algorithm);
            let mut a = enter(address, "room", &token);
            let mut b = enter(address, "room", &token);
            reaches(&mut a, &mut b);
            enter(address, "game-7", &token);
            assert_eq!(
                refused(address, &format!("/?roomId=other&token={token}"), ""),
                (1008, "Room not allowed".to_owned())
            );
        }
        let token = good(None, &key, "HS256");
        let unauthorized = (1008, "Unauthorized".to_owned());
        assert_eq!(refused(address, "/?roomId=room", ""), unauthorized);
        assert_eq!(
            refused(address, &format!("/?roomId=room&token={token}&token={token}"), ""),
            unauthorized
        );
        let bad = "Authorization: Bearer not.a.token\r\n";
        assert_eq!(
            refused(address, &format!("/?roomId=room&token={token}"), bad),
            unauthorized
        );
        let bearer = format!("Bearer {token}");
        Client::connect_with(address, "/?roomId=room&token=x&token=y", &[("authorization", &bearer)])
            .expect("the header wins");
        expect_refusal(
            address,
            &key.token("HS256", None, &json!({"rooms": "*"})),
            "Unauthorized",
        );
        let expired = json!({"rooms": "*", "exp": in_seconds(-60)});
        expect_refusal(address, &key.token("HS256", None, &expired), "Unauthorized");
        let without = json!({"exp": in_seconds(60)});
        expect_refusal(address, &key.token("HS256", None, &without), "Room not allowed");
        let other = Key::secret("another secret of thirty-two bytes or more");
        expect_refusal(
            address,
            &other.token("HS256", None, &claims(json!("*"))),
            "Unauthorized",
        );
    }
}

#[test]
fn a_token_that_expires_closes_nobody() {
    let (_server, address) = start(1, &json!({"secret": SECRET}));
    // With the half minute of grace it holds for a few seconds more.
    let claims = json!({"rooms": "*", "exp": in_seconds(-24)});
    let token = Key::secret(SECRET).token("HS256", None, &claims);
    secrets::token(&token);
    let [mut a, mut b] = [(); 2].map(|()| enter(address, "room", &token));
    harness::wait_until("the token lets nobody in any more", || {
        refused_with(address, &token).as_deref() == Some("Unauthorized")
    });
    reaches(&mut a, &mut b);
}

/// Why a client with this token is closed, if it is.
fn refused_with(address: SocketAddr, token: &str) -> Option<String> {
    let mut client = Raw::connect(address);
    let head = format!("GET /?roomId=other&token={token} HTTP/1.1\r\nHost: a\r\n{UPGRADE}\r\n");
    client.send(head.as_bytes());
    client.read_upgrade();
    client.send(&harness::raw::frame(harness::raw::FIN | harness::raw::PING, b""));
    let frame = client.read_frame()?;
    (frame.opcode == harness::raw::CLOSE).then(|| String::from_utf8_lossy(&frame.payload[2..]).into_owned())
}

#[test]
fn a_token_chooses_neither_its_algorithm_nor_its_key() {
    let rsa = Key::rsa(0);
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("keys.json");
    std::fs::write(&file, jwt::set(&[rsa.jwk(Some("rsa"), Some("RS256"))]).to_string()).expect("written");
    let (_server, address) = start(4, &json!({"jwks_file": file}));
    enter(address, "room", &good(Some("rsa"), &rsa, "RS256"));
    enter(address, "room", &good(None, &rsa, "RS256"));
    let all = claims(json!("*"));
    for header in [
        json!({"alg": "none"}),
        json!({"alg": "none", "kid": "rsa"}),
        json!({"alg": "None"}),
    ] {
        expect_refusal(address, &jwt::forge(&header, &all, |_| Vec::new()), "Unauthorized");
    }
    let confused = Key::Secret(rsa.public_der());
    expect_refusal(address, &confused.token("HS256", Some("rsa"), &all), "Unauthorized");
    expect_refusal(address, &rsa.token("PS256", Some("rsa"), &all), "Unauthorized");
    expect_refusal(address, &Key::rsa(1).token("RS256", Some("rsa"), &all), "Unauthorized");
    // Longer than any token, and still within a head; and longer than a head.
    expect_refusal(address, &"a".repeat(7000), "Unauthorized");
    let mut raw = Raw::connect(address);
    let huge = "b".repeat(100_000);
    secrets::token(&huge);
    raw.send(format!("GET /?roomId=room&token={huge}").as_bytes());
    assert_eq!(raw.read_answer().status, 431);
}

#[test]
fn keys_of_a_url_come_when_they_are_needed() {
    let (old, new) = (Key::ed25519(), Key::p256());
    let served = Arc::new(Mutex::new(jwt::set(&[old.jwk(Some("old"), None)]).to_string()));
    let told = Arc::clone(&served);
    let issuer = Issuer::start(move |_, stream| answer(stream, "200 OK", told.lock().expect("keys").as_bytes()));
    let url = format!("http://{}/keys", issuer.address);
    let (_server, address) = start(4, &json!({"jwks_url": url}));
    assert_eq!(issuer.asked(), 1, "at the start");
    let of_old = good(Some("old"), &old, "EdDSA");
    enter(address, "room", &of_old);
    *served.lock().expect("keys") = jwt::set(&[new.jwk(Some("new"), None)]).to_string();
    enter(address, "room", &good(Some("new"), &new, "ES256"));
    assert_eq!(issuer.asked(), 2, "for the unknown key");
    expect_refusal(address, &of_old, "Unauthorized");
    for number in 0..50 {
        let token = new.token("ES256", Some(&format!("invented-{number}")), &claims(json!("*")));
        expect_refusal(address, &token, "Unauthorized");
    }
    assert_eq!(
        issuer.asked(),
        2,
        "a flood of names has them read once in half a minute"
    );
}

#[test]
fn a_stuck_issuer_holds_up_nobody_whose_key_is_known() {
    let key = Key::ed25519();
    let set = jwt::set(&[key.jwk(Some("known"), None)]).to_string();
    let issuer = Issuer::start(move |number, stream| match number {
        0 => answer(stream, "200 OK", set.as_bytes()),
        _ => std::thread::sleep(Duration::from_secs(3600)),
    });
    let url = format!("http://{}/keys?key=of-the-issuer", issuer.address);
    let (server, address) = start(1, &json!({"jwks_url": url}));
    let unknown = key.token("EdDSA", Some("unknown"), &claims(json!("*")));
    secrets::token(&unknown);
    let mut waiting = Raw::connect(address);
    waiting.send(format!("GET /?roomId=room&token={unknown} HTTP/1.1\r\nHost: a\r\n{UPGRADE}\r\n").as_bytes());
    harness::wait_until("the keys are asked for", || issuer.asked() == 2);
    let token = good(Some("known"), &key, "EdDSA");
    let mut a = enter(address, "room", &token);
    let mut b = enter(address, "room", &token);
    reaches(&mut a, &mut b);
    let mut player = server.client();
    player.create("pong", "Alice", 4);
    assert_eq!(waiting.read_answer().status, 101);
    let frame = waiting.read_frame().expect("a close");
    assert_eq!(&frame.payload[2..], b"Unauthorized");
    harness::wait_until("the failure is told", || {
        server.log().contains("the keys of tokens cannot be read")
    });
    assert!(!server.log().contains("of-the-issuer"));
    assert!(issuer.asked() <= 3);
    // A drain does not wait for the issuer either.
    server.signal(rustix::process::Signal::TERM);
    assert!(server.wait_for_exit().success());
}

#[test]
fn without_its_keys_the_server_does_not_start_and_says_why() {
    let issuer = Issuer::start(|_, stream| answer(stream, "503 Service Unavailable", b""));
    let gone = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let nobody = gone.local_addr().expect("an address");
    drop(gone);
    for (auth, said) in [
        (
            json!({"jwks_url": format!("http://{}/k?key=hush-hush-hush", issuer.address)}),
            "answered with 503",
        ),
        (
            json!({"jwks_url": format!("http://{nobody}/k?key=hush-hush-hush")}),
            "refused",
        ),
        (json!({"jwks_file": "/no/such/file"}), "/no/such/file"),
    ] {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("config.json");
        std::fs::write(&path, config(1, &auth).to_string()).expect("written");
        let output = binary(&dir)
            .args(["--port", "0", "--bind", "127.0.0.1", "--config"])
            .arg(&path)
            .stdin(Stdio::null())
            .output()
            .expect("it runs");
        let text = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert!(
            !output.status.success() && text.contains(said) && text.contains("relay.auth.jwks"),
            "{text}"
        );
        assert!(!text.contains("hush-hush"), "{text}");
    }
}

/// The harness searches what every server of these tests prints, at level trace; here for what goes wrong around a token.
#[test]
fn no_path_of_a_request_shows_its_query() {
    let (server, address) = start(1, &json!({"secret": SECRET}));
    let token = good(None, &Key::secret(SECRET), "HS256");
    let ask = |to: SocketAddr, target: &str, more: &str| {
        let mut raw = Raw::connect(to);
        raw.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n{more}\r\n").as_bytes());
        let answer = raw.read_answer();
        assert!(!answer.body.contains(&token), "{target}: {}", answer.body);
        answer.status
    };
    let query = format!("?roomId=room&token={token}");
    for to in [address, server.addr] {
        assert_eq!(ask(to, &format!("/nowhere{query}"), ""), 404);
        assert_eq!(ask(to, &format!("/nowhere{query}"), UPGRADE), 404);
        ask(to, &format!("/{query}"), "");
        ask(to, &format!("/metrics{query}"), "");
        ask(to, &format!("/v2/ws{query}"), "");
        ask(to, &format!("/%zz{query}"), "");
        ask(to, &format!("/{query} HTTP/9.9"), "");
        ask(to, &format!("http://a/{query}"), "Content-Length: x\r\n");
        ask(to, &format!("/healthz{query}"), "Host: b\r\n");
    }
    let mut a = enter(address, "room", &token);
    a.send_text("{}");
    drop(a);
}
