//! Requests come one after the other on one connection (D39).

mod http_stream;

use http_stream::{End, UPGRADE, WELL, answer, ip, request, site, talk, upgrade};
use signal_fish_core::http::{Conversation, HEAD_BYTES_MAX, Next, Read};

#[test]
fn pipelined_requests_are_answered_in_order() {
    let bytes = [
        request("GET /healthz", ""),
        request("GET /nowhere", "Content-Length: 0\r\n"),
        request("HEAD /nowhere", ""),
        request("POST /healthz", ""),
        request("GET /v2/health", "Connection: keep-alive\r\n"),
    ];
    let talk = talk(bytes.concat());
    let statuses: Vec<u16> = talk.answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200, 404, 404, 405, 200]);
    assert_eq!(talk.end, End::Idle);
    assert!(talk.answers.iter().all(|answer| answer.header("connection").is_none()));
}

#[test]
fn an_upgrade_may_follow() {
    let talk = talk(
        [
            &request("GET /healthz", ""),
            &request("GET /v2/ws", ""),
            UPGRADE,
            "rest",
        ]
        .concat(),
    );
    assert_eq!(talk.answers.len(), 2);
    assert_eq!(upgrade(talk).1, b"rest");
}

#[test]
fn the_hundredth_answer_is_the_last() {
    let one = request("GET /healthz", "");
    let talk_of = |requests: usize| talk(one.repeat(requests));
    assert_eq!((talk_of(99).answers.len(), talk_of(99).end), (99, End::Idle));
    let all = talk_of(101);
    assert_eq!((all.answers.len(), all.end), (100, End::Closed));
    let closing = all.answers.iter().position(|answer| answer.closes());
    assert_eq!(closing, Some(99));
    // The hundredth may still be an upgrade.
    upgrade(talk(format!("{}{UPGRADE}", one.repeat(99))));
}

#[test]
fn a_request_may_ask_for_the_end() {
    for bytes in [
        request("GET /healthz", "Connection: close\r\n"),
        request("GET /healthz", "Connection: keep-alive, CLOSE\r\n"),
        request("GET /healthz", "Connection: x\r\nConnection: close\r\n"),
        "GET /healthz HTTP/1.0\r\n\r\n".to_owned(),
        "GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".to_owned(),
    ] {
        let talk = talk(bytes.repeat(2));
        assert_eq!((talk.answers.len(), &talk.end), (1, &End::Closed), "{bytes}");
        assert_eq!(talk.answers[0].status, 200);
    }
}

#[test]
fn a_body_ends_the_connection() {
    for announced in [
        "Content-Length: 5\r\n",
        "Content-Length: 99999999999999999999999\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding: identity\r\n",
        "Content-Length: 5\r\nExpect: 100-continue\r\n",
    ] {
        for (line, status) in [("GET /healthz", 200), ("POST /healthz", 405)] {
            // What stands in the body is no request.
            let talk = talk(request(line, announced) + &request("GET /nowhere", ""));
            assert_eq!((talk.answers.len(), talk.end), (1, End::Closed), "{line} {announced}");
            assert_eq!(talk.answers[0].status, status);
        }
    }
    for empty in ["0", "000"] {
        let bytes = request("POST /healthz", &format!("Content-Length: {empty}\r\n"));
        assert_eq!(talk(bytes).end, End::Idle);
    }
}

#[test]
fn lines_may_end_with_a_bare_lf() {
    for bytes in [
        "GET /healthz HTTP/1.1\nHost: a\n\n",
        "GET /healthz HTTP/1.1\r\nHost: a\n\r\n",
        "GET /healthz HTTP/1.1\nHost: a\r\n\n",
    ] {
        let talk = talk(bytes.repeat(3));
        assert_eq!((talk.answers.len(), talk.end), (3, End::Idle), "{bytes:?}");
    }
}

#[test]
fn some_empty_lines_may_come_before_a_request() {
    let after = |lines: &str| talk((lines.to_owned() + &request("GET /healthz", "")).repeat(2));
    for lines in ["\r\n", "\n", "\r\n\n\r\n", &"\r\n".repeat(8)] {
        let talk = after(lines);
        assert_eq!((talk.answers.len(), talk.end), (2, End::Idle), "{lines:?}");
    }
    assert_eq!(after(&"\r\n".repeat(9)).end, End::Closed);
    assert_eq!(answer("\n".repeat(20_000)).status, 400);
    assert_eq!(answer("\rGET / HTTP/1.1\r\n\r\n").status, 400);
    assert_eq!(talk("\r\n").end, End::Idle);
    assert_eq!(talk("\r").end, End::InAHead);
}

#[test]
fn a_full_buffer_waits_for_the_answer() {
    let site = site("*");
    let one = request("GET /healthz", "");
    let bytes = one.repeat(HEAD_BYTES_MAX.div_ceil(one.len()));
    let mut conversation = Conversation::default();
    assert_eq!(conversation.push(bytes.as_bytes()), HEAD_BYTES_MAX);
    assert_eq!((conversation.read(), conversation.room()), (Read::Complete, 0));
    assert_eq!(conversation.push(b"more"), 0);
    let mut out = Vec::new();
    let next = conversation.respond(&site, ip("192.0.2.1"), WELL, &mut out);
    assert_eq!((next, conversation.room()), (Next::KeepAlive, one.len()));
}

#[test]
fn nothing_is_answered_before_a_head_is_complete() {
    let mut conversation = Conversation::default();
    let mut out = Vec::new();
    conversation.push(b"GET /healthz HTTP/1.1\r\n");
    assert_eq!(conversation.read(), Read::Partial);
    let next = conversation.respond(&site("*"), ip("192.0.2.1"), WELL, &mut out);
    assert_eq!((next, out.len()), (Next::KeepAlive, 0));
    conversation.push(b"Host: a\r\n\r\n");
    assert_eq!(conversation.read(), Read::Complete);
}
