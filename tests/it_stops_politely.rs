//! D35: SIGTERM and SIGINT drain. Every client gets Close 1001, nobody new is let in, and the process ends with 0 in time.

mod harness;

use harness::client::room_of;
use harness::{Client, Server, raw};
use rustix::process::Signal;
use serde_json::json;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

fn stops(signal: Signal) {
    let server = Server::start(json!({"server": {"drain_timeout_secs": 5}}));
    let mut clients = room_of(&server, "drain", 8, true, &["Alice", "Bob", "Carol"]);
    let code = clients[0].code.clone();
    let mut spectator = server.client();
    spectator.watch("drain", &code, "Sue");
    for client in &mut clients {
        client.drain();
    }
    clients.push(spectator);
    let lobby: Vec<Client> = (0..20).map(|_| server.client()).collect();
    clients.extend(lobby);
    for client in &mut clients {
        client.quiet();
    }
    // One that has sent half a frame and one that has sent half a request, both accepted before the end begins.
    let fds = server.fd_count();
    let mut half_frame = raw::Raw::upgraded(server.addr);
    half_frame.send(&raw::text("0123456789")[..6]);
    let mut half_request = server.raw();
    half_request.send(b"GET /v2/ws HTTP/1.1\r\nHost:");
    harness::wait_until("both are accepted", || server.fd_count() >= fds + 2);
    let begin = Instant::now();
    server.signal(signal);
    for client in &mut clients {
        client.expect_close(1001);
    }
    half_frame.expect_close(1001);
    assert_eq!(server.wait_for_exit().code(), Some(0));
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}

#[test]
fn sigterm_drains() {
    stops(Signal::TERM);
}

#[test]
fn sigint_drains() {
    stops(Signal::INT);
}

/// A client that never answers the close frame and never reads holds nobody up for longer than the drain may take.
#[test]
fn deaf_client_does_not_hold_up_the_end() {
    harness::in_time(Duration::from_secs(3), || {
        let server = Server::start(json!({"server": {"drain_timeout_secs": 1}}));
        let mut deaf = raw::Raw::upgraded(server.addr);
        deaf.send(&raw::text(
            r#"{"type":"JoinRoom","data":{"game_name":"deaf","player_name":"Deaf"}}"#,
        ));
        deaf.read_message();
        let begin = Instant::now();
        server.signal(Signal::TERM);
        assert_eq!(server.wait_for_exit().code(), Some(0));
        begin.elapsed()
    });
}

/// While it drains, requests are answered so.
#[test]
fn draining_server_answers_503() {
    let server = Server::start(json!({"server": {"drain_timeout_secs": 60}}));
    // Without somebody to wait for the drain would be over at once.
    let deaf = raw::Raw::upgraded(server.addr);
    let status = |request: &str| {
        let mut raw = server.raw();
        raw.send(request.as_bytes());
        raw.read_answer().status
    };
    let ready = "GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert_eq!(status(ready), 200);
    server.signal(Signal::TERM);
    harness::wait_until("the server drains", || status(ready) == 503);
    assert_eq!(status(raw::UPGRADE), 503);
    drop(deaf);
    assert_eq!(server.wait_for_exit().code(), Some(0));
}

/// Clients that connect while the server drains, and say nothing. Each is answered 503 within its second; neither they nor
/// clients that read nothing hold the end up to the drain's full time.
#[test]
fn who_connects_while_it_drains_is_answered_and_holds_nobody_up() {
    const DRAIN: u64 = 60;
    let server = Server::start(json!({"server": {"drain_timeout_secs": DRAIN}, "shards": {"count": 1}}));
    let addr = server.addr;
    // Stuck: much waits for it, and it reads nothing of it.
    let mut room = room_of(&server, "stuck", 2, false, &["Alice", "Stuck"]);
    let stuck = socket2::SockRef::from(room[1].stream());
    stuck.set_recv_buffer_size(4096).expect("a small buffer");
    for _ in 0..20 {
        room[0].send_data(json!("x".repeat(30_000)));
    }
    let _silent = raw::Raw::upgraded(addr);
    let begin = Instant::now();
    server.signal(Signal::TERM);
    // Newcomers come for a while. Every third sends half a head, every third a whole one.
    let mut newcomers = Vec::new();
    while begin.elapsed() < Duration::from_millis(1_500)
        && let Ok(mut stream) = std::net::TcpStream::connect(addr)
    {
        let head = raw::UPGRADE.as_bytes();
        let sent = [&head[..0], &head[..head.len() / 2], head][newcomers.len() % 3];
        // It may have ended meanwhile.
        let _ = stream.write_all(sent);
        newcomers.push((stream, Instant::now()));
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(server.wait_for_exit().code(), Some(0));
    // Two seconds for whom nobody can tell, one for the last head, two for its answer; ten would be those of any head.
    let took = begin.elapsed();
    assert!(took < Duration::from_secs(9), "{took:?}");
    let end = Instant::now();
    let mut refused = 0;
    for (number, (mut stream, connected)) in newcomers.into_iter().enumerate() {
        stream.set_read_timeout(Some(harness::PATIENCE)).expect("timeout");
        let mut answer = String::new();
        let read = stream.read_to_string(&mut answer);
        // The first may have been served before the signal arrived. The last may come when nobody accepts any more.
        let served = answer.starts_with("HTTP/1.1 101 ") || (answer.is_empty() && number < 3);
        let too_late = answer.is_empty() && end.duration_since(connected) < Duration::from_millis(500);
        if answer.starts_with("HTTP/1.1 503 ") {
            refused += 1;
        } else {
            assert!(served || too_late, "{number}: {answer:?} {read:?}");
        }
    }
    assert!(refused > 10, "{refused} were refused");
}
