//! Random scripts of what clients do, over a few games, codes and names, so that they meet and clash.
#![allow(dead_code, unreachable_pub, reason = "every test file uses a part of this")]

use proptest::prelude::*;
use serde_json::json;
use signal_fish_core::admission::{AppLimits, Limits};
use signal_fish_core::protocol::signal_fish::Settings;
use signal_fish_core::ws::Kind;
use signal_fish_simulator::world::{Design, Id, World, authority, just, reconnect, say, spectate};
use std::time::Duration;

/// Clients of a script.
pub const CLIENTS: usize = 5;

/// The first of them are the clients' own.
const NAMES: [&str; 7] = ["ann", "bob", "cyd", "dan", "eve", "ANN", ""];

#[derive(Debug, Clone)]
pub enum Step {
    Join {
        client: Id,
        code: u8,
        name: usize,
        max_players: u8,
        authority: bool,
    },
    Create {
        client: Id,
        name: usize,
        max_players: u8,
    },
    Leave(Id),
    Ready(Id),
    StartGame(Id),
    Authority(Id, bool),
    Info(Id),
    Say(Id),
    SayBinary(Id, bool),
    Ping(Id),
    Authenticate(Id, bool),
    Watch {
        client: Id,
        code: u8,
        name: usize,
    },
    LeaveSpectator(Id),
    Junk(Id, u8),
    Oversize(Id),
    /// The network loses the client; it connects again at once, as somebody new.
    Drop(Id),
    /// The client shows the token that client `of` got last.
    Reconnect {
        client: Id,
        of: Id,
        wrong_token: bool,
    },
    Wait(u16),
    /// Verdicts wait, or come again.
    HoldVerdicts(bool),
    /// Sessions between shards wait, or arrive again.
    HoldMoves(bool),
    /// The oldest verdict that waits comes.
    Answer,
}

/// Steps among which verdicts and moving sessions take their time.
pub fn raced_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => step(),
        1 => any::<bool>().prop_map(Step::HoldVerdicts),
        1 => prop::bool::weighted(0.3).prop_map(Step::HoldMoves),
        3 => Just(Step::Answer),
    ]
}

pub fn step() -> impl Strategy<Value = Step> {
    let client = || 0..CLIENTS;
    // Mostly one room and names that do not clash, so that rooms fill; now and then anything.
    let code = || prop_oneof![6 => Just(0_u8), 1 => 1..3_u8];
    let name = || prop_oneof![8 => Just(None), 1 => (0..NAMES.len()).prop_map(Some)];
    let seats = prop_oneof![4 => 2..4_u8, 1 => 0..5_u8];
    prop_oneof![
        12 => (client(), code(), name(), seats, prop::bool::weighted(0.8)).prop_map(
            |(client, code, name, max_players, authority)| Step::Join {
                client, code, name: name.unwrap_or(client), max_players, authority
            }
        ),
        1 => (client(), name(), 1..4_u8).prop_map(
            |(client, name, max_players)| Step::Create { client, name: name.unwrap_or(client), max_players }
        ),
        2 => client().prop_map(Step::Leave),
        12 => client().prop_map(Step::Ready),
        1 => client().prop_map(Step::StartGame),
        3 => (client(), any::<bool>()).prop_map(|(client, wanted)| Step::Authority(client, wanted)),
        1 => client().prop_map(Step::Info),
        6 => client().prop_map(Step::Say),
        2 => (client(), any::<bool>()).prop_map(|(client, good)| Step::SayBinary(client, good)),
        1 => client().prop_map(Step::Ping),
        1 => (client(), any::<bool>()).prop_map(|(client, packed)| Step::Authenticate(client, packed)),
        3 => (client(), code(), name()).prop_map(
            |(client, code, name)| Step::Watch { client, code, name: name.unwrap_or(client) }
        ),
        1 => client().prop_map(Step::LeaveSpectator),
        1 => (client(), any::<u8>()).prop_map(|(client, which)| Step::Junk(client, which)),
        1 => client().prop_map(Step::Oversize),
        3 => client().prop_map(Step::Drop),
        6 => (client(), client(), prop::bool::weighted(0.1))
            .prop_map(|(client, of, wrong_token)| Step::Reconnect { client, of, wrong_token }),
        2 => (0..8_000_u16).prop_map(Step::Wait),
    ]
}

/// Small limits, so that scripts reach them.
pub fn settings() -> Settings {
    Settings {
        max_players_limit: 3,
        max_spectators_per_room: 2,
        room_cleanup_interval: Duration::from_secs(2),
        empty_room_timeout: Duration::from_secs(6),
        inactive_room_timeout: Duration::from_secs(15),
        reconnection_window: Duration::from_secs(8),
        event_buffer_size: 6,
        event_buffer_bytes: 1_500,
        max_invalid_messages: 4,
        ..Settings::default()
    }
}

pub fn limits() -> Limits {
    Limits {
        connections_max: 1_000,
        connections_per_ip_max: 1_000,
        rooms_per_game_max: 3,
        room_creations_max: 12,
        handshakes_per_sec_per_ip: 10,
        join_attempts_max: 60,
        relay: signal_fish_core::admission::Rates::default(),
        time_window: Duration::from_secs(10),
        apps: Vec::<AppLimits>::new(),
    }
}

/// A script on its way. `ids[n]` is the connection that client `n` uses now.
pub struct Run {
    pub world: World,
    pub ids: Vec<Id>,
    said: u32,
}

impl Run {
    pub fn new(shards: u16, seed: u64) -> Self {
        let mut design = Design::new(shards, seed).with_settings(settings());
        design.limits = limits();
        design.options.ping_timeout = Duration::from_secs(20);
        Self::of(design)
    }

    /// The clients of a script in a world of this design.
    pub fn of(design: Design) -> Self {
        let mut world = World::build(Design {
            keeps_ledger: true,
            ..design
        });
        let ids = (0..CLIENTS).map(|_| world.connect()).collect();
        Self { world, ids, said: 0 }
    }

    /// Carries out a step; returns the value that was said, if one was.
    pub fn step(&mut self, step: &Step) -> Option<(Id, String)> {
        for client in 0..CLIENTS {
            if !self.world.is_connected(self.ids[client]) {
                self.ids[client] = self.world.connect();
            }
        }
        let world = &mut self.world;
        let codes = ["AAAAAA", "bbbbbb", "CCCCCC"];
        match *step {
            Step::Join {
                client,
                code,
                name,
                max_players,
                authority,
            } => world.send(
                self.ids[client],
                json!({"type": "JoinRoom", "data": {
                    "game_name": "pong", "player_name": NAMES[name],
                    "room_code": codes[usize::from(code)], "max_players": max_players,
                    "supports_authority": authority}}),
            ),
            Step::Create {
                client,
                name,
                max_players,
            } => {
                world.send(
                    self.ids[client],
                    signal_fish_simulator::world::join("", NAMES[name], max_players),
                );
            }
            Step::Leave(client) => world.send(self.ids[client], just("LeaveRoom")),
            Step::Ready(client) => world.send(self.ids[client], just("PlayerReady")),
            Step::StartGame(client) => world.send(self.ids[client], just("StartGame")),
            Step::Authority(client, wanted) => world.send(self.ids[client], authority(wanted)),
            Step::Info(client) => world.send(
                self.ids[client],
                json!({"type": "ProvideConnectionInfo",
                       "data": {"connection_info": {"type": "direct", "host": "h", "port": client}}}),
            ),
            Step::Say(client) => {
                self.said += 1;
                let said = format!("said {}", self.said);
                world.send(self.ids[client], say(said.clone().into()));
                return Some((self.ids[client], said));
            }
            Step::SayBinary(client, good) => {
                self.said += 1;
                let mut payload = Vec::new();
                rmp::encode::write_uint(&mut payload, u64::from(self.said)).unwrap();
                world.send_binary(self.ids[client], if good { &payload } else { &[0xc1] });
            }
            Step::Ping(client) => world.send(self.ids[client], just("Ping")),
            Step::Authenticate(client, packed) => world.send(
                self.ids[client],
                json!({"type": "Authenticate", "data": {"app_id": "x",
                       "game_data_format": if packed { "message_pack" } else { "json" }}}),
            ),
            Step::Watch { client, code, name } => {
                world.send(self.ids[client], spectate(codes[usize::from(code)], NAMES[name]));
            }
            Step::LeaveSpectator(client) => world.send(self.ids[client], just("LeaveSpectator")),
            Step::Junk(client, which) => {
                let junk = [
                    "",
                    "[]",
                    "{}",
                    r#"{"type":"Nope"}"#,
                    "nonsense",
                    r#"{"type":"GameData","data":{}}"#,
                ];
                world.send_text(self.ids[client], junk[usize::from(which) % junk.len()]);
            }
            // Frames of a client that waits are not handled.
            Step::Oversize(client) if world.is_waiting(self.ids[client]) => {}
            Step::Oversize(client) => world.oversize(self.ids[client], Kind::Text, 70_000),
            Step::Drop(client) => {
                world.drop_client(self.ids[client]);
                // A new client may show the token that this one was told.
                let old = self.ids[client];
                let new = world.connect();
                let (player, room) = (world.clients[old].player_id.clone(), world.clients[old].room_id.clone());
                let token = world.clients[old].token.clone();
                world.clients[new].player_id = player;
                world.clients[new].room_id = room;
                world.clients[new].token = token;
                self.ids[client] = new;
            }
            Step::Reconnect {
                client,
                of,
                wrong_token,
            } => {
                let of = &world.clients[self.ids[of]];
                if !of.player_id.is_empty() {
                    let token = if wrong_token {
                        "0123456789abcdef0123456789abcdef"
                    } else {
                        &of.token
                    };
                    let message = reconnect(&of.player_id, &of.room_id, token);
                    world.send(self.ids[client], message);
                }
            }
            Step::HoldVerdicts(hold) => {
                world.hold_verdicts = hold;
                world.settle();
            }
            Step::HoldMoves(hold) => {
                world.hold_moves = hold;
                world.settle();
            }
            Step::Answer => {
                world.answer();
            }
            Step::Wait(milliseconds) => world.advance(Duration::from_millis(u64::from(milliseconds))),
        }
        None
    }

    /// Everybody goes, and every time limit passes.
    pub fn finish(&mut self) {
        self.world.hold_verdicts = false;
        self.world.hold_moves = false;
        self.world.settle();
        for id in 0..self.world.clients.len() {
            self.world.drop_client(id);
        }
        self.world.advance(Duration::from_secs(30));
    }
}
