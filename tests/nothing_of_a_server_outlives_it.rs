//! Servers embedded in one process stay out of each other's way, and leave nothing running behind.
//!
//! One test alone in this file: it counts the threads and files of its process.
#![allow(missing_docs, reason = "tests are documented by their names")]

use signal_fish_server::{Config, Server, ServerHandle};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use tungstenite::{Message, WebSocket};

const SHARDS: usize = 2;
/// glommio keeps one descriptor of each executor that has ended.
const FILES_PER_SHARD_LEFT: usize = 1;

fn start() -> ServerHandle {
    let mut config = Config {
        bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
        port: 0,
        ..Config::default()
    };
    config.shards.count = SHARDS;
    Server::start(&config).expect("the server starts")
}

fn connect(address: SocketAddr) -> WebSocket<TcpStream> {
    let stream = TcpStream::connect(address).expect("the server accepts");
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .expect("a timeout can be set");
    let (client, _) = tungstenite::client(format!("ws://{address}/v2/ws"), stream).expect("the server upgrades");
    client
}

fn round_trip(client: &mut WebSocket<TcpStream>) {
    client
        .send(Message::text(r#"{"type":"Ping"}"#))
        .expect("the server reads");
    assert_eq!(
        client.read().expect("the server answers"),
        Message::text(r#"{"type":"Pong"}"#)
    );
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").expect("procfs is there").count()
}

fn files() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("procfs is there").count()
}

#[test]
fn two_servers_share_a_process_and_end_whole() {
    let threads_before = threads();
    let files_before = files();
    let first = start();
    let second = start();
    assert_ne!(first.address(), second.address());
    let mut of_first = connect(first.address());
    let mut of_second = connect(second.address());
    round_trip(&mut of_first);
    round_trip(&mut of_second);

    let address = first.address();
    let ending = std::thread::spawn(move || first.shutdown());
    match of_first.read().expect("a close frame comes") {
        Message::Close(Some(frame)) => assert_eq!(u16::from(frame.code), 1001),
        other => panic!("expected a close frame, not {other:?}"),
    }
    // Reading on completes the close handshake.
    assert!(of_first.read().is_err());
    drop(of_first);
    ending
        .join()
        .expect("the shutdown does not panic")
        .expect("every shard ends well");
    assert!(TcpStream::connect(address).is_err(), "nobody listens any more");

    // The other one has not noticed.
    round_trip(&mut of_second);
    drop(of_second);
    second.shutdown().expect("every shard ends well");
    // The handle itself holds the mailboxes.
    drop(second);

    // A thread is gone from the process a moment after it was joined.
    let deadline = Instant::now() + Duration::from_secs(10);
    while threads() > threads_before && Instant::now() < deadline {
        std::thread::yield_now();
    }
    assert_eq!(threads(), threads_before);
    let files_left = files() - files_before;
    assert!(
        files_left <= 2 * SHARDS * FILES_PER_SHARD_LEFT,
        "{files_left} files are still open"
    );
}
