//! Every sentence of the chapter "Matchbox" of docs/protocol.md, against the real binary with one shard and with four.
//! `tests/matchbox.md` is the list.

mod harness;

use harness::server::binary;
use harness::{Client, Incoming, Raw, Server};
use serde_json::{Value, json};
use std::net::SocketAddr;
use uuid::Uuid;

/// A server with a listener for matchbox, and where that is.
fn start(shards: usize, matchbox: Value, more: Value) -> (Server, SocketAddr) {
    let mut config = json!({"matchbox": {"enabled": true, "port": 0}, "shards": {"count": shards, "pin": false}});
    harness::server::merge(&mut config, json!({ "matchbox": matchbox }));
    harness::server::merge(&mut config, more);
    let server = Server::start(config);
    let address = server.address_of("matchbox");
    (server, address)
}

/// The same test with one shard and with four.
fn both(matchbox: Value, more: Value, test: impl Fn(&Server, SocketAddr)) {
    for shards in [1, 4] {
        let (server, address) = start(shards, matchbox.clone(), more.clone());
        test(&server, address);
    }
}

fn plain(test: impl Fn(&Server, SocketAddr)) {
    both(json!({}), json!({}), test);
}

/// A peer and its id.
#[track_caller]
fn peer(address: SocketAddr, path: &str) -> (Client, String) {
    let mut client = open(address, path);
    let id = told(&mut client, "IdAssigned");
    (client, id)
}

#[track_caller]
fn open(address: SocketAddr, path: &str) -> Client {
    Client::connect_with(address, path, &[]).unwrap_or_else(|status| panic!("{path} was refused: {status}"))
}

/// The id in the next message, which is of this kind.
#[track_caller]
fn told(client: &mut Client, kind: &str) -> String {
    let message = client.next_message();
    let Some(id) = message[kind].as_str() else {
        panic!("{kind} was expected, not {message}");
    };
    id.to_owned()
}

fn signal(to: &str, data: &str) -> String {
    format!(r#"{{"Signal":{{"receiver":"{to}","data":{data}}}}}"#)
}

#[track_caller]
fn expect_text(client: &mut Client, text: &str) {
    assert_eq!(client.next(), Incoming::Text(text.to_owned()));
}

/// Nothing more has come before the answer to a signal to itself.
#[track_caller]
fn quiet(client: &mut Client, own: &str) {
    client.send_text(&signal(own, r#""still here""#));
    expect_text(
        client,
        &format!(r#"{{"Signal":{{"sender":"{own}","data":"still here"}}}}"#),
    );
}

fn request(address: SocketAddr, method: &str, target: &str, headers: &str) -> (u16, harness::raw::Answer) {
    let mut raw = Raw::connect(address);
    raw.send(format!("{method} {target} HTTP/1.1\r\nHost: a\r\n{headers}\r\n").as_bytes());
    let answer = raw.read_answer();
    (answer.status, answer)
}

const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

#[test]
fn the_table_is_complete() {
    harness::table::is_complete("matchbox.md", "matchbox_keeps_its_contract.rs");
}

#[test]
fn the_listener_is_on_the_next_port_when_it_is_enabled() {
    let off = Server::start(json!({}));
    off.client().quiet();
    assert!(!off.log().contains("matchbox listens"));
    // A pair of free ports; another program may take one of them meanwhile.
    let server = (0..20).find_map(|_| {
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .ok()?
            .local_addr()
            .ok()?
            .port();
        let dir = tempfile::tempdir().expect("a directory");
        let mut command = binary(&dir);
        command
            .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
            .env("SIGNAL_FISH_MATCHBOX__ENABLED", "true")
            .env("SIGNAL_FISH_LOGGING__ENABLE_FILE_LOGGING", "false");
        Server::spawn(command, dir).ok()
    });
    let server = server.expect("two free ports, one behind the other");
    let address = server.address_of("matchbox");
    assert_eq!(address.port(), server.addr.port() + 1);
    peer(address, "/");

    let dir = tempfile::tempdir().expect("a directory");
    let mut command = binary(&dir);
    command
        .args(["--port", "65535", "--validate-config"])
        .env("SIGNAL_FISH_MATCHBOX__ENABLED", "true");
    let output = command.output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success() && said.contains("matchbox.port"), "{said}");
}

#[test]
fn the_variable_false_turns_it_on() {
    let validate = |value: &str| {
        let dir = tempfile::tempdir().expect("a directory");
        let mut command = binary(&dir);
        command.arg("--print-config").env("MATCHBOX_ENHANCED_MODE", value);
        let output = command.output().expect("it runs");
        let printed: Option<Value> = serde_json::from_slice(&output.stdout).ok();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (
            output.status.success(),
            printed.map(|printed| printed["matchbox"]["enabled"].clone()),
            said,
        )
    };
    for (value, enabled) in [
        ("false", true),
        ("FALSE", true),
        ("true", false),
        ("True", false),
        ("", false),
    ] {
        let (fine, printed, said) = validate(value);
        assert!(fine, "{said}");
        assert_eq!(printed, Some(Value::Bool(enabled)), "{value:?}");
    }
    let (fine, _, said) = validate("maybe");
    assert!(!fine && said.contains("MATCHBOX_ENHANCED_MODE"), "{said}");
}

#[test]
fn origins_are_listed_or_all_welcome() {
    let listed = json!({"allowed_origins": ["https://play.example"]});
    both(
        listed,
        json!({"security": {"cors_origins": "https://main.example"}}),
        |_, address| {
            let open = |headers: &[(&'static str, &str)]| Client::connect_with(address, "/", headers).map(drop);
            assert_eq!(open(&[("origin", "https://play.example")]), Ok(()));
            assert_eq!(open(&[]), Ok(()));
            assert_eq!(open(&[("origin", "https://main.example")]), Err(403));
        },
    );
    plain(|_, address| {
        let any = Client::connect_with(address, "/", &[("origin", "https://any.example")]);
        assert!(any.is_ok());
    });
}

#[test]
fn the_main_port_serves_as_ever() {
    plain(|server, address| {
        let mut player = server.client();
        player.create("pong", "Alice", 4);
        player.quiet();
        assert_eq!(request(address, "GET", "/v2/ws", UPGRADE).0, 404);
        assert_eq!(request(server.addr, "GET", "/room", UPGRADE).0, 404);
    });
}

#[test]
fn the_path_is_the_room() {
    plain(|_, address| {
        let (mut a, a_id) = peer(address, "/a%2Fb");
        let (_b, b_id) = peer(address, "/a%2fb?x=1");
        assert_eq!(told(&mut a, "NewPeer"), b_id);
        let (mut world, world_id) = peer(address, "/");
        let (_other, other_id) = peer(address, "/world");
        assert_eq!(told(&mut world, "NewPeer"), other_id);
        let _elsewhere = peer(address, "/World");
        quiet(&mut a, &a_id);
        quiet(&mut world, &world_id);
    });
}

#[test]
fn other_requests_are_refused() {
    plain(|_, address| {
        for (method, target, headers, status) in [
            ("GET", "/a/b", UPGRADE, 404),
            ("GET", "/a/", UPGRADE, 404),
            ("GET", "/room", "", 400),
            ("GET", "/", "", 400),
            ("HEAD", "/room", "", 400),
            ("POST", "/room", "", 405),
            ("PUT", "/a/b", "", 404),
            ("GET", "/a%zz", UPGRADE, 400),
            ("GET", "/%ff", UPGRADE, 400),
            ("GET", "/%", UPGRADE, 400),
        ] {
            let (got, answer) = request(address, method, target, headers);
            assert_eq!(got, status, "{method} {target}");
            if status == 405 {
                assert_eq!(answer.header("allow"), Some("GET,HEAD"));
            }
            if method == "HEAD" {
                assert!(answer.body.is_empty());
            }
        }
    });
}

#[test]
fn health_is_answered_and_is_a_room() {
    plain(|_, address| {
        for path in ["/health", "/healthz"] {
            let (status, answer) = request(address, "GET", path, "");
            assert_eq!((status, answer.body.len()), (200, 0));
            let (mut a, _) = peer(address, path);
            let (_b, b_id) = peer(address, path);
            assert_eq!(told(&mut a, "NewPeer"), b_id);
        }
    });
}

#[test]
fn no_subprotocol_is_negotiated() {
    plain(|_, address| {
        let offer = format!("{UPGRADE}Sec-WebSocket-Protocol: matchbox, other\r\n");
        let mut raw = Raw::connect(address);
        raw.send(format!("GET /room HTTP/1.1\r\nHost: a\r\n{offer}\r\n").as_bytes());
        let answer = raw.read_answer();
        assert_eq!((answer.status, answer.header("sec-websocket-protocol")), (101, None));
    });
}

#[test]
fn the_id_comes_first_and_once() {
    plain(|_, address| {
        let (mut a, id) = peer(address, "/ids");
        let uuid = Uuid::parse_str(&id).expect("a UUID");
        assert_eq!((uuid.get_version_num(), uuid.hyphenated().to_string()), (4, id.clone()));
        quiet(&mut a, &id);
    });
}

#[test]
fn earlier_peers_are_told_of_the_newcomer() {
    plain(|_, address| {
        let (mut a, a_id) = peer(address, "/mesh");
        let (mut b, b_id) = peer(address, "/mesh");
        let (mut c, c_id) = peer(address, "/mesh");
        expect_text(&mut a, &format!(r#"{{"NewPeer":"{b_id}"}}"#));
        expect_text(&mut a, &format!(r#"{{"NewPeer":"{c_id}"}}"#));
        expect_text(&mut b, &format!(r#"{{"NewPeer":"{c_id}"}}"#));
        quiet(&mut a, &a_id);
        quiet(&mut b, &b_id);
        quiet(&mut c, &c_id);
    });
}

#[test]
fn a_signal_is_passed_on_byte_for_byte() {
    plain(|_, address| {
        let (mut a, a_id) = peer(address, "/bytes");
        let (mut b, b_id) = peer(address, "/bytes");
        told(&mut a, "NewPeer");
        for data in [
            r#"{"Offer":"v=0\r\n\u00e9 é"}"#,
            r#"{"z":1.0, "a":[1e2 ,-0], "z":2}"#,
            "null",
            r#""text""#,
        ] {
            b.send_text(&signal(&a_id, data));
            expect_text(&mut a, &format!(r#"{{"Signal":{{"sender":"{b_id}","data":{data}}}}}"#));
        }
        quiet(&mut a, &a_id);
        quiet(&mut b, &b_id);
    });
}

#[test]
fn a_signal_is_accepted_in_every_form() {
    plain(|_, address| {
        let (mut a, a_id) = peer(address, "/forms");
        for text in [
            format!(r#"{{"Signal":{{"data":1,"receiver":"{}"}}}}"#, a_id.to_uppercase()),
            format!(r#"{{"Signal":{{"receiver":"{}","data":1}}}}"#, a_id.replace('-', "")),
            format!(r#"{{"Signal":{{"receiver":"{{{a_id}}}","more":[1],"data":1}}}}"#),
            format!(r#"{{"Signal":["{a_id}",1]}}"#),
        ] {
            a.send_text(&text);
            expect_text(&mut a, &format!(r#"{{"Signal":{{"sender":"{a_id}","data":1}}}}"#));
        }
    });
}

#[test]
fn a_signal_stays_in_its_room() {
    plain(|_, address| {
        let (mut a, a_id) = peer(address, "/one");
        let (mut b, b_id) = peer(address, "/two");
        a.send_text(&signal(&b_id, "1"));
        a.send_text(&signal(&Uuid::nil().to_string(), "1"));
        quiet(&mut a, &a_id);
        quiet(&mut b, &b_id);
    });
}

#[test]
fn keep_alive_has_no_answer() {
    plain(|_, address| {
        let (mut a, a_id) = peer(address, "/alive");
        a.send_text(r#""KeepAlive""#);
        a.send_text(r#"{"KeepAlive":null}"#);
        quiet(&mut a, &a_id);
    });
}

#[test]
fn bad_input_is_ignored() {
    plain(|_, address| {
        let (mut a, a_id) = peer(address, "/bad");
        let (_b, _) = peer(address, "/bad");
        told(&mut a, "NewPeer");
        a.send_binary(b"\x00\x01");
        let deep = format!("{}{}", "[".repeat(119), "]".repeat(119));
        for text in [
            String::new(),
            "{".to_owned(),
            r#"{"Signal":{"data":1}}"#.to_owned(),
            format!(r#"{{"Signal":{{"receiver":"{a_id}","receiver":"{a_id}","data":1}}}}"#),
            signal(&a_id, &deep),
            signal("nobody", "1"),
        ] {
            a.send_text(&text);
        }
        quiet(&mut a, &a_id);
        let deepest = &deep[1..deep.len() - 1];
        a.send_text(&signal(&a_id, deepest));
        expect_text(
            &mut a,
            &format!(r#"{{"Signal":{{"sender":"{a_id}","data":{deepest}}}}}"#),
        );
    });
}

#[test]
fn too_much_bad_input_in_a_row_ends_the_connection() {
    both(
        json!({}),
        json!({"security": {"max_invalid_messages": 3}}),
        |_, address| {
            let (mut a, a_id) = peer(address, "/bad");
            let (mut b, b_id) = peer(address, "/bad");
            told(&mut a, "NewPeer");
            for _ in 0..2 {
                for _ in 0..3 {
                    b.send_text("bad");
                }
                // A valid message begins a new row.
                quiet(&mut b, &b_id);
            }
            for _ in 0..4 {
                b.send_text("bad");
            }
            b.expect_close(1008);
            assert_eq!(told(&mut a, "PeerLeft"), b_id);
            quiet(&mut a, &a_id);
        },
    );
}

#[test]
fn an_oversize_message_is_discarded() {
    both(
        json!({}),
        json!({"security": {"max_message_size": 1000}}),
        |_, address| {
            let (mut a, a_id) = peer(address, "/large");
            let data = format!("\"{}\"", "x".repeat(2000));
            a.send_text(&signal(&a_id, &data));
            quiet(&mut a, &a_id);
        },
    );
}

#[test]
fn leaving_is_told_once_and_the_close_is_echoed() {
    plain(|_, address| {
        let (mut a, a_id) = peer(address, "/leave");
        let (b, b_id) = peer(address, "/leave");
        told(&mut a, "NewPeer");
        b.reset();
        expect_text(&mut a, &format!(r#"{{"PeerLeft":"{b_id}"}}"#));
        let mut raw = Raw::connect(address);
        raw.send(format!("GET /leave HTTP/1.1\r\nHost: a\r\n{UPGRADE}\r\n").as_bytes());
        raw.read_upgrade();
        let id = raw.read_message()["IdAssigned"].clone();
        let mut body = 4001_u16.to_be_bytes().to_vec();
        body.extend_from_slice(b"going home");
        raw.send(&harness::raw::frame(0x88, &body));
        let echoed = raw.read_frame().expect("the close is answered");
        assert_eq!((echoed.opcode, echoed.payload), (8, body));
        assert_eq!(told(&mut a, "NewPeer"), id);
        assert_eq!(told(&mut a, "PeerLeft"), id);
        quiet(&mut a, &a_id);
    });
}

#[test]
fn a_full_room_is_closed_before_the_id() {
    both(json!({"max_peers_per_room": 2}), json!({}), |_, address| {
        let (mut a, a_id) = peer(address, "/full");
        let (_b, _) = peer(address, "/full");
        told(&mut a, "NewPeer");
        let mut raw = Raw::connect(address);
        raw.send(format!("GET /full HTTP/1.1\r\nHost: a\r\n{UPGRADE}\r\n").as_bytes());
        raw.read_upgrade();
        let frame = raw.read_frame().expect("a close");
        let mut body = 1008_u16.to_be_bytes().to_vec();
        body.extend_from_slice(b"Room is full");
        assert_eq!((frame.opcode, frame.payload), (8, body));
        peer(address, "/other");
        quiet(&mut a, &a_id);
    });
}

#[test]
fn too_many_connections_of_an_address_are_closed() {
    both(
        json!({}),
        json!({"security": {"max_connections_per_ip": 2}}),
        |server, address| {
            let _main = server.client();
            let (mut a, a_id) = peer(address, "/limit");
            open(address, "/limit").expect_close(1008);
            quiet(&mut a, &a_id);
        },
    );
}

#[test]
fn next_makes_groups() {
    both(json!({"max_peers_per_room": 5}), json!({}), |_, address| {
        let (mut a, a_id) = peer(address, "/pairs?next=2");
        let (mut b, b_id) = peer(address, "/pairs?next=2");
        assert_eq!(told(&mut a, "NewPeer"), b_id);
        let (mut c, c_id) = peer(address, "/pairs?next=2");
        let (_d, d_id) = peer(address, "/pairs?x=1&next=2");
        assert_eq!(told(&mut c, "NewPeer"), d_id);
        c.send_text(&signal(&a_id, "1"));
        quiet(&mut c, &c_id);
        quiet(&mut a, &a_id);
        quiet(&mut b, &b_id);
        let (mut alone, alone_id) = peer(address, "/pairs?next=1");
        peer(address, "/pairs?next=1");
        quiet(&mut alone, &alone_id);
        // As if absent: all of these are one room.
        let (mut first, _) = peer(address, "/pairs");
        for query in [
            "?next=",
            "?next=x",
            "?next=-2",
            "?next=0",
            "?next=6",
            "?next=%2B2",
            "?next=99999999999999999999999",
        ] {
            let (client, id) = peer(address, &format!("/pairs{query}"));
            assert_eq!(told(&mut first, "NewPeer"), id, "{query}");
            drop(client);
            assert_eq!(told(&mut first, "PeerLeft"), id, "{query}");
        }
    });
}

#[test]
fn the_first_peer_is_the_host() {
    both(json!({"topology": "client_server"}), json!({}), |_, address| {
        let (mut host, host_id) = peer(address, "/game?next=2");
        let (mut a, a_id) = peer(address, "/game");
        assert_eq!(told(&mut host, "NewPeer"), a_id);
        let (b, b_id) = peer(address, "/game");
        assert_eq!(told(&mut host, "NewPeer"), b_id);
        a.send_text(&signal(&b_id, "1"));
        expect_text(&mut host, &format!(r#"{{"Signal":{{"sender":"{a_id}","data":1}}}}"#));
        host.send_text(&signal(&a_id, "2"));
        expect_text(&mut a, &format!(r#"{{"Signal":{{"sender":"{host_id}","data":2}}}}"#));
        b.reset();
        assert_eq!(told(&mut host, "PeerLeft"), b_id);
        host.reset();
        assert_eq!(told(&mut a, "PeerLeft"), host_id);
        let (mut next, next_id) = peer(address, "/game");
        assert_eq!(told(&mut next, "NewPeer"), a_id);
        a.send_text(&signal(&next_id, "3"));
        expect_text(&mut next, &format!(r#"{{"Signal":{{"sender":"{a_id}","data":3}}}}"#));
    });
}

#[test]
fn a_drain_closes_with_1001() {
    plain(|server, address| {
        let (mut a, _) = peer(address, "/drain");
        server.signal(rustix::process::Signal::TERM);
        a.expect_close(1001);
        assert!(server.wait_for_exit().success());
    });
}

#[test]
fn signals_keep_their_order() {
    plain(|_, address| {
        let (mut a, a_id) = peer(address, "/order");
        let (mut b, b_id) = peer(address, "/order");
        told(&mut a, "NewPeer");
        for number in 0..200 {
            b.send_text(&signal(&a_id, &number.to_string()));
        }
        for number in 0..200 {
            expect_text(
                &mut a,
                &format!(r#"{{"Signal":{{"sender":"{b_id}","data":{number}}}}}"#),
            );
        }
    });
}
