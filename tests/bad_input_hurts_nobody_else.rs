//! Every bad input gets its documented answer, and a pair that plays meanwhile notices nothing.

mod harness;

use harness::client::room_of;
use harness::raw::{self, Raw};
use harness::{Client, Server};
use serde_json::json;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

fn server() -> Arc<Server> {
    static PLACE: harness::server::Shared = Mutex::new(Weak::new());
    Server::shared(&PLACE, json!({}))
}

/// Runs `attack` while two players exchange messages. Each must arrive, in order, with nothing between.
fn while_others_play(game: &str, attack: impl FnOnce(&Server)) {
    while_others_play_on(&server(), game, attack);
}

/// The same on a server of its own, for an attack that measures it.
fn while_others_play_on(server: &Server, game: &str, attack: impl FnOnce(&Server)) {
    let mut pair = room_of(server, game, 4, false, &["Alice", "Bob"]);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (over, pair) = (&over, &mut pair);
        let playing = scope.spawn(move || {
            let [alice, bob] = &mut pair[..] else {
                panic!("two players")
            };
            let mut rounds = 0_u64;
            while !over.load(Ordering::Relaxed) {
                exchange(alice, bob, rounds);
                exchange(bob, alice, rounds);
                rounds += 1;
            }
            alice.quiet();
            bob.quiet();
            rounds
        });
        let done = Finish(over);
        attack(server);
        drop(done);
        assert!(playing.join().expect("the players noticed nothing") > 0);
    });
    assert!(server.is_alive());
}

/// Ends the game also when the attack fails.
struct Finish<'a>(&'a AtomicBool);

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn exchange(from: &mut Client, to: &mut Client, number: u64) {
    let begin = Instant::now();
    from.send_data(json!(number));
    to.expect_data(&from.id, &json!(number));
    assert!(
        begin.elapsed() < Duration::from_secs(5),
        "a message took {:?}",
        begin.elapsed()
    );
}

/// Sends a request as far as the server reads it; the status of the answer.
fn status_of(server: &Server, request: &[u8]) -> u16 {
    let mut raw = server.raw();
    raw.send_while_open(request);
    raw.read_answer().status
}

/// Sends frames on a fresh connection, which then ends with this code.
fn ends_with(server: &Server, frames: &[u8], code: u16) {
    let mut raw = Raw::upgraded(server.addr);
    raw.send_while_open(frames);
    raw.expect_violation(code);
}

#[test]
fn garbage_before_http_is_400() {
    while_others_play("garbage", |server| {
        assert_eq!(
            status_of(server, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
            400
        );
        assert_eq!(status_of(server, b"hello\r\n\r\n"), 400);
        assert_eq!(status_of(server, b"GET /v2/ws\r\n\r\n"), 400);
        assert_eq!(
            status_of(server, b"GET /v2/health HTTP/1.1\r\nBad Header: x\r\n\r\n"),
            400
        );
    });
}

#[test]
fn head_of_a_mebibyte_is_431() {
    while_others_play("head", |server| {
        let long = format!("GET /v2/health HTTP/1.1\r\nX: {}\r\n\r\n", "y".repeat(1 << 20));
        assert_eq!(status_of(server, long.as_bytes()), 431);
        let many = format!("GET /v2/health HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(65));
        assert_eq!(status_of(server, many.as_bytes()), 431);
        // With the one that names the host (D39) these are 64.
        let enough = format!(
            "GET /v2/health HTTP/1.1\r\nHost: localhost\r\n{}\r\n",
            "X: y\r\n".repeat(63)
        );
        assert_eq!(status_of(server, enough.as_bytes()), 200);
    });
}

#[test]
fn half_a_request_is_408_after_ten_seconds() {
    while_others_play("half", |server| {
        harness::in_time(Duration::from_secs(12), || {
            let mut half = server.raw();
            let mut nothing = server.raw();
            half.send(b"GET /v2/ws HTTP/1.1\r\nHost: localhost\r\n");
            let begin = Instant::now();
            assert_eq!(half.read_answer().status, 408);
            let took = begin.elapsed();
            assert!(took >= Duration::from_secs(9), "{took:?}");
            assert_eq!(nothing.read_answer().status, 408);
            took
        });
    });
}

#[test]
fn upgrade_that_is_none_is_400() {
    while_others_play("upgrade", |server| {
        for (from, to) in [
            ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""),
            ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 8"),
            ("Sec-WebSocket-Version: 13\r\n", ""),
            ("Upgrade: websocket", "Upgrade: h2c"),
            ("Connection: Upgrade", "Connection: keep-alive"),
        ] {
            let request = raw::UPGRADE.replace(from, to);
            assert_ne!(request, raw::UPGRADE);
            assert_eq!(status_of(server, request.as_bytes()), 400, "{request}");
        }
    });
}

#[test]
fn frames_that_break_the_protocol_end_with_1002() {
    while_others_play("frames", |server| {
        // Unmasked.
        ends_with(server, b"\x81\x02hi", 1002);
        // Reserved bits.
        for bit in [0x40, 0x20, 0x10] {
            ends_with(server, &raw::frame(raw::FIN | bit | raw::TEXT, b"hi"), 1002);
        }
        // Unknown opcodes.
        ends_with(server, &raw::frame(raw::FIN | 0x3, b"hi"), 1002);
        ends_with(server, &raw::frame(raw::FIN | 0xb, b"hi"), 1002);
        // A control frame that is fragmented, or too long.
        ends_with(server, &raw::frame(raw::PING, b"hi"), 1002);
        ends_with(server, &raw::frame(raw::FIN | raw::PING, &[0; 126]), 1002);
        // A continuation of nothing, a new message inside another.
        ends_with(server, &raw::frame(raw::FIN | raw::CONTINUATION, b"hi"), 1002);
        let nested = [raw::frame(raw::TEXT, b"a"), raw::frame(raw::FIN | raw::TEXT, b"b")].concat();
        ends_with(server, &nested, 1002);
    });
}

#[test]
fn invalid_utf8_ends_with_1007() {
    while_others_play("utf8", |server| {
        ends_with(server, &raw::frame(raw::FIN | raw::TEXT, b"\xff"), 1007);
        // Cut at the end, a surrogate, and invalid in the second fragment.
        ends_with(server, &raw::frame(raw::FIN | raw::TEXT, b"\xc3"), 1007);
        ends_with(server, &raw::frame(raw::FIN | raw::TEXT, b"\xed\xa0\x80"), 1007);
        let split = [
            raw::frame(raw::TEXT, b"\xc3"),
            raw::frame(raw::FIN | raw::CONTINUATION, b"("),
        ]
        .concat();
        ends_with(server, &split, 1007);
        // A character that is cut between fragments is none of these.
        let mut good = server.client();
        let parts = [
            raw::frame(raw::TEXT, b"{\"type\":\"Ping\",\"x\":\"\xc3"),
            raw::frame(raw::FIN | raw::CONTINUATION, b"\xa9\"}"),
        ];
        good.send_bytes(&parts.concat());
        good.expect("Pong");
    });
}

#[test]
fn oversize_messages_are_refused_and_the_connection_lives() {
    while_others_play("oversize", |server| {
        let mut json = server.client();
        let mut packed = server.client();
        packed.authenticate(json!({"app_id": "any", "game_data_format": "message_pack"}));
        packed.create("oversize-packed", "Mia", 4);
        json.create("oversize-json", "Joe", 4);
        for total in [65_537_usize, 1 << 20, 3 << 20] {
            for pieces in [1, 7] {
                for (is_json, opcode, code) in [
                    (true, raw::TEXT, "MESSAGE_TOO_LARGE"),
                    (true, raw::BINARY, "INVALID_INPUT"),
                    (false, raw::TEXT, "MESSAGE_TOO_LARGE"),
                    (false, raw::BINARY, "MESSAGE_TOO_LARGE"),
                ] {
                    let client = if is_json { &mut json } else { &mut packed };
                    client.send_bytes(&fragments(opcode, total, pieces));
                    let text = client.expect_error(code);
                    if opcode == raw::TEXT {
                        assert!(text.contains(&total.to_string()) && text.contains("65536"), "{text}");
                    }
                    client.quiet();
                }
            }
        }
    });
}

/// One message of `total` bytes in so many frames.
fn fragments(opcode: u8, total: usize, pieces: usize) -> Vec<u8> {
    let payload = vec![b'x'; total];
    let size = total.div_ceil(pieces);
    let mut out = Vec::new();
    for (number, piece) in payload.chunks(size).enumerate() {
        let opcode = if number == 0 { opcode } else { raw::CONTINUATION };
        let fin = if (number + 1) * size >= total { raw::FIN } else { 0 };
        out.extend(raw::frame(fin | opcode, piece));
    }
    out
}

/// D10: exactly 16 MiB is discarded, one byte more ends the connection, in one frame or in many.
#[test]
fn more_than_16_mib_ends_with_1009() {
    while_others_play_on(&Server::start(json!({})), "huge", |server| {
        ends_with(server, &raw::header(raw::FIN | raw::TEXT, 20 << 20), 1009);
        ends_with(server, &raw::header(raw::FIN | raw::BINARY, (16 << 20) + 1), 1009);
        ends_with(server, &raw::header(raw::FIN | raw::TEXT, u64::MAX >> 1), 1009);
        let before = server.rss_bytes();
        let mut client = server.client();
        client.send_bytes(&fragments(raw::TEXT, 16 << 20, 1));
        client.expect_error("MESSAGE_TOO_LARGE");
        client.send_bytes(&fragments(raw::TEXT, 16 << 20, 5));
        client.expect_error("MESSAGE_TOO_LARGE");
        client.quiet();
        let grown = server.rss_bytes().saturating_sub(before);
        assert!(grown < 4 << 20, "{grown} bytes for what is discarded");
        ends_with(server, &fragments(raw::TEXT, (16 << 20) + 1, 2), 1009);
    });
}

#[test]
fn deep_nesting_is_invalid_input() {
    while_others_play("deep", |server| {
        let mut client = server.client();
        client.create("deep-own", "Deep", 4);
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let depth = if open == "[" { 30_000 } else { 10_000 };
            let value = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            let data = format!(r#"{{"type":"GameData","data":{{"data":{value}}}}}"#);
            let info = format!(
                r#"{{"type":"ProvideConnectionInfo","data":{{"connection_info":{{"type":"custom","data":{value}}}}}}}"#
            );
            for text in [&value, &data, &info] {
                if text.len() <= 65_536 {
                    client.send_text(text);
                    client.expect_error("INVALID_INPUT");
                }
            }
            // Keys that nobody reads may be ignored whatever they hold; an answer is all that is asked for.
            client.send_text(&format!(r#"{{"type":"Ping","more":{value}}}"#));
            client.next_message();
        }
        // Unbalanced: the opening alone.
        client.send_text(&format!(
            r#"{{"type":"GameData","data":{{"data":{}"#,
            "[".repeat(30_000)
        ));
        client.expect_error("INVALID_INPUT");
        client.quiet();
    });
}

/// D41.
#[test]
fn thousand_bad_messages_in_a_row_are_answered_and_one_more_ends_it() {
    while_others_play("thousand", |server| {
        let mut bad = server.client();
        // A good message between them starts the count anew.
        for _ in 0..2 {
            for _ in 0..10 {
                for _ in 0..99 {
                    bad.send_text("not json");
                }
                for _ in 0..99 {
                    bad.expect_error("INVALID_INPUT");
                }
            }
            bad.quiet();
        }
        for _ in 0..10 {
            for _ in 0..100 {
                bad.send_text("not json");
            }
            for _ in 0..100 {
                bad.expect_error("INVALID_INPUT");
            }
        }
        bad.send_text("not json");
        bad.expect("Error");
        bad.expect_close(1008);
    });
}

/// A connection that ends in the middle of anything is forgotten.
#[test]
fn connections_cut_anywhere_leave_nothing_behind() {
    while_others_play_on(&Server::start(json!({})), "cut", |server| {
        let fds = server.fd_count();
        let join = r#"{"type":"JoinRoom","data":{"game_name":"cut-own","player_name":"Cut","room_code":"CUT001"}}"#;
        let whole = [
            raw::UPGRADE.as_bytes(),
            &raw::text(join),
            &raw::text(r#"{"type":"Ping"}"#),
        ]
        .concat();
        for cut in (0..whole.len()).step_by(3) {
            let mut raw = server.raw();
            raw.send_while_open(&whole[..cut]);
            if cut % 2 == 0 {
                raw.reset();
            } else {
                raw.half_close();
                while raw.read_anything() {}
            }
        }
        harness::wait_until("every descriptor is closed", || server.fd_count() <= fds);
        // The last connections may have ended before the server accepted them: what they sent is still read, so
        // their player can come and go while the first spectators look.
        harness::wait_until("no cut player is left in the room", || {
            let mut probe = server.client();
            probe.send_watch("cut-own", "CUT001", "Sue");
            let message = probe.next_message();
            let players = message["data"]["current_players"].as_array().map_or(0, Vec::len);
            players == 0
        });
    });
}
