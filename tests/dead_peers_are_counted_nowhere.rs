//! Peers that reset or half-close at every step of their way to a room, on whatever shard it is, leave nothing behind:
//! no connection, session, member or count, and no file.
//!
//! One test alone in this file: it counts the files of its process.
#![allow(missing_docs, reason = "tests are documented by their names")]

use signal_fish_server::{Config, Server, ServerHandle};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

const SHARDS: usize = 4;
const PEERS: usize = 1200;
const UPGRADE: &[u8] = b"GET /v2/ws HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

fn start() -> ServerHandle {
    let mut config = Config {
        bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
        port: 0,
        ..Config::default()
    };
    config.shards.count = SHARDS;
    config.security.max_connections_per_ip = 1_000_000;
    config.rate_limit.max_room_creations = 1_000_000;
    config.rate_limit.max_join_attempts = 1_000_000;
    config.server.enable_reconnection = false;
    config.server.empty_room_timeout = Duration::ZERO;
    config.server.room_cleanup_interval = Duration::from_secs(1);
    Server::start(&config).expect("the server starts")
}

/// A masked text frame; the mask is zero, so the payload stands as it is.
fn text_frame(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).expect("a short text");
    assert!(length < 126, "the length fits into the first bytes");
    let mut frame = vec![0x81, 0x80 | length];
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(text.as_bytes());
    frame
}

/// Everything that a peer says, so that it can be cut anywhere.
fn script(number: usize) -> Vec<u8> {
    let mut script = UPGRADE.to_vec();
    let join = format!(
        r#"{{"type":"JoinRoom","data":{{"game_name":"dead","player_name":"p{number}","room_code":"R{:05}"}}}}"#,
        number % 40
    );
    script.extend_from_slice(&text_frame(&join));
    script.extend_from_slice(&text_frame(r#"{"type":"GameData","data":{"data":1}}"#));
    script
}

/// Says part of the script, perhaps listens a little, and dies.
fn die(address: SocketAddr, number: usize) {
    let script = script(number);
    // Every other peer dies somewhere on the way, at one place after the other; the rest say everything first.
    let spoken = match number % 4 {
        0 | 1 => script.len(),
        _ => 1 + number * 7 % script.len(),
    };
    let Ok(mut stream) = TcpStream::connect(address) else {
        return;
    };
    stream
        .set_read_timeout(Some(Duration::from_millis(5)))
        .expect("a timeout can be set");
    if stream.write_all(&script[..spoken]).is_err() {
        return;
    }
    if number.is_multiple_of(3) {
        let _ = stream.read(&mut [0; 4096]);
    }
    if number.is_multiple_of(2) {
        socket2::SockRef::from(&stream)
            .set_linger(Some(Duration::ZERO))
            .expect("linger can be set");
    } else {
        let _ = stream.shutdown(Shutdown::Write);
        let _ = stream.read(&mut [0; 4096]);
    }
}

fn files() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("procfs is there").count()
}

/// What the control plane knows of.
#[derive(Debug)]
struct Left {
    reports: usize,
    connections: usize,
    members: usize,
    tickets: u64,
    permits: u64,
    moved: u64,
}

impl Left {
    fn of(server: &ServerHandle) -> Self {
        let totals = server.totals();
        let gauges = totals.shards.values().map(|report| &report.gauges);
        Self {
            reports: totals.shards.len(),
            connections: totals.connections(),
            members: gauges.map(|it| it.players + it.sessions + it.rooms + it.openings).sum(),
            tickets: totals.admission.connections_active,
            permits: totals.admission.rooms_active,
            moved: totals.shards.values().map(|report| report.counters.moves_in).sum(),
        }
    }

    fn is_nothing(&self) -> bool {
        self.reports == SHARDS && (self.connections, self.members, self.tickets, self.permits) == (0, 0, 0, 0)
    }
}

#[test]
fn peers_that_die_at_any_step_are_counted_nowhere() {
    let server = start();
    let files_before = files();
    let address = server.address();
    std::thread::scope(|scope| {
        for worker in 0..8 {
            scope.spawn(move || (worker..PEERS).step_by(8).for_each(|number| die(address, number)));
        }
    });
    // Shards report once a second, and rooms are swept once a second.
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut left = Left::of(&server);
    while !(left.is_nothing() && left.moved > 100) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(100));
        left = Left::of(&server);
    }
    assert!(left.is_nothing(), "{left:?}");
    assert!(
        left.moved > 100,
        "hardly a connection moved, so this test tests little: {left:?}"
    );
    let files_now = files();
    assert!(
        files_now <= files_before,
        "{files_before} files before, {files_now} now"
    );
    server.shutdown().expect("every shard ends well");
}
