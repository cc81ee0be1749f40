//! The formula for the worst case of memory, at its corner: every bound is filled by somebody who wants more, and the
//! process keeps within it.

mod harness;

use harness::raw::{self, Raw};
use harness::{PATIENCE, Server, wait_until};
use serde_json::json;
use signal_fish_server::Config;
use signal_fish_server::host::WorstCase;
use std::net::SocketAddr;
use std::time::Duration;

const MIB: u64 = 1 << 20;
const CONNECTIONS: usize = 120;
const MESSAGE: usize = 1 << 20;
const OUTBOXES: u64 = 48 * MIB;
const REPLAYS: u64 = 16 * MIB;
/// What one kind of load may take besides its bound: other buffers, and what the allocator keeps.
const SLACK: u64 = 24 * MIB;

fn config() -> Config {
    let mut config = Config::default();
    config.shards.count = 1;
    config.server.max_connections = CONNECTIONS;
    config.server.ping_timeout = Duration::from_secs(600);
    config.server.event_buffer_bytes = 8 << 20;
    config.server.event_buffer_total_bytes = 16 << 20;
    config.server.max_spectators_per_room = 4;
    config.protocol.max_players_limit = 16;
    config.protocol.enable_message_pack_game_data = false;
    config.security.max_message_size = MESSAGE;
    config.websocket.max_outbound_bytes = 16 << 20;
    config.websocket.max_outbound_total_bytes = 48 << 20;
    config
}

fn server() -> Server {
    let config = config();
    Server::start(json!({
        "shards": {"count": 1},
        "server": {
            "max_connections": config.server.max_connections,
            "ping_timeout": config.server.ping_timeout.as_secs(),
            "event_buffer_bytes": config.server.event_buffer_bytes,
            "event_buffer_total_bytes": config.server.event_buffer_total_bytes,
            "max_spectators_per_room": config.server.max_spectators_per_room,
            "default_max_players": 8,
        },
        "protocol": {
            "max_players_limit": config.protocol.max_players_limit,
            "enable_message_pack_game_data": config.protocol.enable_message_pack_game_data,
        },
        "security": {"max_message_size": config.security.max_message_size},
        "websocket": {
            "max_outbound_bytes": config.websocket.max_outbound_bytes,
            "max_outbound_total_bytes": config.websocket.max_outbound_total_bytes,
            "message_timeout_secs": 600,
            "max_messages_per_sec": 0,
            "max_fanout_bytes_per_sec": 0,
        },
    }))
}

fn join(addr: SocketAddr, code: &str, name: &str) -> Raw {
    let mut raw = Raw::upgraded(addr);
    let join = json!({"type": "JoinRoom", "data": {
        "game_name": "memory", "room_code": code, "player_name": name, "max_players": 16,
    }});
    raw.send(&raw::text(&join.to_string()));
    while raw.read_message()["type"] != "RoomJoined" {}
    raw
}

/// Game data of nearly the largest size.
fn largest() -> Vec<u8> {
    let message = json!({"type": "GameData", "data": {"data": "x".repeat(MESSAGE - 100)}});
    raw::text(&message.to_string())
}

/// The largest resident memory of the server since this was asked last.
fn peak(server: &Server) -> u64 {
    let process = format!("/proc/{}", server.pid);
    let status = std::fs::read_to_string(format!("{process}/status")).expect("the server lives");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    std::fs::write(format!("{process}/clear_refs"), "5").expect("the peak is forgotten");
    kibibytes.expect("the peak is told in kB") * 1024
}

/// Waits until the server has handled everything that this client sent.
fn handled(raw: &mut Raw) {
    raw.send(&raw::text(r#"{"type":"Ping"}"#));
    while raw.read_message()["type"] != "Pong" {}
}

#[test]
fn the_corner_of_the_formula_is_never_passed() {
    let worst = WorstCase::of(&config(), 1).program();
    let server = server();
    let addr = server.addr;
    server.client().quiet();
    let fresh = server.rss_bytes();
    let mut before = fresh;
    peak(&server);
    let mut grew = |what: &str, least: u64, most: u64| {
        let peak = peak(&server);
        let grown = peak.saturating_sub(before);
        assert!(grown >= least, "{what}: {grown} bytes, which is no load");
        assert!(grown <= most + SLACK, "{what}: {grown} bytes of {most}");
        assert!(peak <= worst, "{what}: {peak} bytes resident of {worst}");
        before = server.rss_bytes();
    };

    // Messages without an end, of which half are larger than any that is kept.
    let partials: Vec<_> = (0..60)
        .map(|number| {
            let mut raw = Raw::upgraded(addr);
            let announced = if number % 2 == 0 { MESSAGE } else { 4 * MESSAGE };
            raw.send(&raw::header(raw::FIN | raw::BINARY, announced as u64));
            raw.send(&vec![b'x'; announced - 1]);
            raw
        })
        .collect();
    wait_until("the server keeps what it may", || {
        server.rss_bytes() >= fresh + 25 * MIB
    });
    grew("incomplete messages", 20 * MIB, 30 * MIB);

    // Rooms of which a player dropped. Ten times as much is said in them as may be replayed.
    let large = largest();
    let rooms: Vec<_> = (0..20)
        .map(|room| {
            let code = format!("REPL{room:02}");
            let mut stays = join(addr, &code, "stays");
            join(addr, &code, "goes").reset();
            while stays.read_message()["type"] != "PlayerLeft" {}
            for _ in 0..8 {
                stays.send(&large);
            }
            handled(&mut stays);
            stays
        })
        .collect();
    grew("replays", REPLAYS / 2, REPLAYS);

    // A room in which nobody reads but the one who talks.
    let mut talker = join(addr, "DEAF00", "talker");
    let deaf: Vec<_> = (0..12)
        .map(|number| join(addr, "DEAF00", &format!("deaf{number}")))
        .collect();
    for _ in 0..40 {
        talker.send(&large);
    }
    handled(&mut talker);
    grew("outboxes", OUTBOXES / 4, OUTBOXES + 13 * 2 * MESSAGE as u64);

    // Everybody was served meanwhile, and more than so many never are.
    let mut more: Vec<_> = Vec::new();
    while more.len() < CONNECTIONS {
        let mut raw = Raw::connect(addr);
        raw.send(raw::UPGRADE.as_bytes());
        raw.read_upgrade();
        more.push(raw);
    }
    let last = more.last_mut().expect("there are some");
    assert_eq!(last.read_message()["data"]["error_code"], "SERVICE_UNAVAILABLE");
    grew("connections", 0, 8 * MIB);
    assert!(server.is_alive(), "nobody but clients is turned away in {PATIENCE:?}");
    drop((partials, rooms, deaf));
}
