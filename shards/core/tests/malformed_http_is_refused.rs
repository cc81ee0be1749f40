//! What is no request gets a reason and the end of its connection (D39, D45).

mod http_stream;

use http_stream::{End, UPGRADE, WELL, answer, ip, request, site, talk};
use signal_fish_core::http::{Conversation, HEAD_BYTES_MAX, Next, Refusal};

#[test]
fn other_protocols_are_refused_at_once() {
    for start in [
        &b"\x16\x03\x01"[..],
        b"{",
        b"\0",
        b"\xff\xf4",
        b" GET",
        b"PING\r",
        b"<xml",
        b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    ] {
        let answer = answer(start);
        assert_eq!(answer.status, 400, "{start:?}");
        assert_eq!(answer.body, "This is not an HTTP/1.1 request.");
    }
}

#[test]
fn heads_that_break_the_rules_are_400() {
    for bytes in [
        "hello there\r\n\r\n",
        "GET /healthz\r\n\r\n",
        "GET /healthz HTTP/2.0\r\nHost: a\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET  /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: a\r\nBad Header: x\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
        // A folded line, and one that folds the request line.
        "GET /healthz HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: a\r\nX: a\r\n\tb\r\n\r\n",
        "GET /healthz HTTP/1.1\r\n X: a\r\nHost: a\r\n\r\n",
    ] {
        let talk = talk(bytes);
        assert_eq!((talk.answers.len(), talk.end), (1, End::Closed), "{bytes:?}");
        assert_eq!(talk.answers[0].status, 400, "{bytes:?}");
    }
}

#[test]
fn there_is_one_host() {
    for (bytes, status) in [
        ("GET /healthz HTTP/1.1\r\n\r\n", 400),
        ("GET /healthz HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        ("GET /healthz HTTP/1.1\r\nHost: a, b\r\n\r\n", 400),
        ("GET /healthz HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
        ("GET /healthz HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n", 400),
        ("GET /healthz HTTP/1.0\r\n\r\n", 200),
        ("GET /healthz HTTP/1.1\r\nHost:\r\n\r\n", 200),
        ("GET /healthz HTTP/1.1\r\nhOST: [::1]:3536\r\n\r\n", 200),
        ("GET /healthz HTTP/1.1\r\nHost: my_game-1.example:3536\r\n\r\n", 200),
    ] {
        assert_eq!(answer(bytes).status, status, "{bytes:?}");
    }
}

#[test]
fn the_length_of_a_body_is_one_number() {
    for lengths in [
        "Content-Length: 0\r\nContent-Length: 0\r\n",
        "Content-Length: 1\r\nContent-Length: 2\r\n",
        "Content-Length: 1, 1\r\n",
        "Content-Length: +1\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 0x1\r\n",
        "Content-Length:\r\n",
        "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
    ] {
        let answer = answer(request("GET /healthz", lengths));
        assert_eq!((answer.status, answer.closes()), (400, true), "{lengths:?}");
    }
}

#[test]
fn a_head_has_8_kib_and_64_headers() {
    let of_bytes = |length: usize| {
        let empty = request("GET /healthz", "X: \r\n").len();
        request("GET /healthz", &format!("X: {}\r\n", "y".repeat(length - empty)))
    };
    assert_eq!(answer(of_bytes(HEAD_BYTES_MAX)).status, 200);
    // Empty lines before a head are no part of it.
    assert_eq!(answer(format!("\r\n{}", of_bytes(HEAD_BYTES_MAX))).status, 200);
    assert_eq!(answer(of_bytes(HEAD_BYTES_MAX + 1)).status, 431);
    assert_eq!(answer(of_bytes(1 << 20)).status, 431);
    assert_eq!(answer(format!("GET /{}", "a".repeat(HEAD_BYTES_MAX))).status, 431);
    assert_eq!(answer(request("GET /healthz", &"X: y\r\n".repeat(63))).status, 200);
    assert_eq!(answer(request("GET /healthz", &"X: y\r\n".repeat(64))).status, 431);
}

#[test]
fn what_was_asked_before_is_answered_first() {
    let talk = talk(request("GET /healthz", "") + "\x16\x03\x01");
    let statuses: Vec<u16> = talk.answers.iter().map(|answer| answer.status).collect();
    assert_eq!((statuses, talk.end), (vec![200, 400], End::Closed));
}

#[test]
fn the_callers_reasons_have_their_status() {
    for (refusal, status) in [
        (Refusal::Malformed("why"), "400"),
        (Refusal::TooLarge, "431"),
        (Refusal::Timeout, "408"),
        (Refusal::NoSlot, "503"),
        (Refusal::Draining, "503"),
    ] {
        let mut conversation = Conversation::default();
        let mut out = Vec::new();
        conversation.push(&UPGRADE.as_bytes()[..40]);
        conversation.refuse(refusal, &mut out);
        let text = String::from_utf8(out).expect("text");
        assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{text}");
        assert!(text.contains("\r\nconnection: close\r\n"), "{text}");
        let next = conversation.respond(&site("*"), ip("192.0.2.1"), WELL, &mut Vec::new());
        assert_eq!((next, conversation.room()), (Next::Close, 0));
    }
}
