//! Whole sessions: what several clients send, in what order and over what network. The simulator checks what holds after
//! every step; at the end everybody goes, and nothing may be left.

use serde_json::json;
use signal_fish_core::admission::Limits;
use signal_fish_core::protocol::signal_fish::wire::ServerMessage;
use signal_fish_core::protocol::signal_fish::{Settings, SignalFish};
use signal_fish_simulator::world::{
    Design, Got, Id, World, authority, join, just, open_limits, reconnect, say, spectate,
};
use signal_fish_simulator::{Client, LOCALHOST, Line};
use std::time::Duration;

/// Clients at a time.
const CLIENTS: usize = 4;

/// Steps of an input; the rest is left out.
const STEPS_MAX: usize = 80;

/// Connections of a world; who is lost then stays away.
const CONNECTIONS_MAX: usize = 24;

/// Longest delay of a piece of mail.
const DELAY_MAX: Duration = Duration::from_millis(255);

const CODES: [&str; 3] = ["AAAAAA", "bbbbbb", "CCCCCC"];

const NAMES: [&str; 6] = ["ann", "bob", "cyd", "dan", "ANN", ""];

const MESSAGES: [&str; 7] = [
    "LeaveRoom",
    "PlayerReady",
    "StartGame",
    "Ping",
    "LeaveSpectator",
    "Authenticate",
    "Nonsense",
];

/// Requests that are no upgrade.
const REQUESTS: [&str; 4] = [
    "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /v2/ws HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "HEAD /nowhere HTTP/1.0\r\n\r\n",
    "nonsense\r\n\r\n",
];

/// Small limits, so that few steps reach them.
fn settings() -> Settings {
    Settings {
        max_players_limit: 3,
        max_spectators_per_room: 2,
        max_message_size: 200,
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

/// The bytes of an input, taken one after the other; zeros behind their end.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    fn number(&mut self, count: usize) -> usize {
        usize::from(self.byte()) % count
    }

    fn one_of<T: Copy, const N: usize>(&mut self, things: [T; N]) -> T {
        things[self.number(N)]
    }

    fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// Bytes behind one that tells how many there are.
    fn bytes(&mut self) -> &'a [u8] {
        let length = usize::from(self.byte()).min(self.0.len());
        let (bytes, rest) = self.0.split_at(length);
        self.0 = rest;
        bytes
    }

    /// 0 stands for no limit.
    fn limit(&mut self) -> usize {
        match self.byte() {
            0 => usize::MAX,
            limit => usize::from(limit),
        }
    }
}

/// A world and who plays in it.
struct Session {
    world: World,
    /// The connection that each client uses now.
    ids: [Id; CLIENTS],
    drains: bool,
}

impl Session {
    fn new(input: &mut Input<'_>) -> Self {
        let shards = 1 + u16::from(input.byte() % 3);
        let seed = u64::from(input.byte());
        let shuffles = input.flag();
        let mut design = Design::new(shards, seed).with_settings(settings());
        design.limits = Limits {
            rooms_per_game_max: 3,
            room_creations_max: 12,
            handshakes_per_sec_per_ip: 10,
            join_attempts_max: 30,
            time_window: Duration::from_secs(10),
            ..open_limits()
        };
        design.options.codec.discard_bytes_max = 400;
        design.options.outbound_bytes_max = 8 * 1024;
        design.options.ping_timeout = Duration::from_secs(20);
        let mut world = World::build(design);
        world.network().shuffles_events = shuffles;
        let ids = std::array::from_fn(|_| world.connect());
        Self {
            world,
            ids,
            drains: false,
        }
    }

    /// A client that plays; one whose connection has ended connects again.
    fn client(&mut self, input: &mut Input<'_>) -> Id {
        let number = input.number(CLIENTS);
        let old = self.ids[number];
        if !self.world.is_connected(old) && self.world.clients.len() < CONNECTIONS_MAX {
            let new = self.world.connect();
            // What it was told is what it may show.
            let known = &self.world.clients[old];
            let known = (known.player_id.clone(), known.room_id.clone(), known.token.clone());
            let client = &mut self.world.clients[new];
            (client.player_id, client.room_id, client.token) = known;
            self.ids[number] = new;
            return new;
        }
        old
    }

    fn step(&mut self, input: &mut Input<'_>) {
        let kind = input.number(24);
        let id = self.client(input);
        let world = &mut self.world;
        match kind {
            0 => world.send_text(id, &String::from_utf8_lossy(input.bytes())),
            1 => world.send_binary(id, input.bytes()),
            2 => {
                world.clients[id].write(input.bytes());
                world.settle();
            }
            3 | 4 => {
                let (code, name) = (input.one_of(CODES), input.one_of(NAMES));
                let seats = input.byte() % 5;
                let mut message = join(code, name, seats);
                message["data"]["supports_authority"] = (seats > 1).into();
                world.send(id, message);
            }
            5 => world.send(id, join("", input.one_of(NAMES), 2)),
            6 => world.send(id, just(input.one_of(MESSAGES))),
            7 => world.send(id, just("PlayerReady")),
            8 => world.send(id, authority(input.flag())),
            9 => world.send(id, say(input.byte().into())),
            10 => world.send(id, spectate(input.one_of(CODES), input.one_of(NAMES))),
            11 => {
                let of = &world.clients[self.ids[input.number(CLIENTS)]];
                if !of.player_id.is_empty() {
                    let token = if input.flag() {
                        "0123456789abcdef0123456789abcdef"
                    } else {
                        &of.token
                    };
                    let message = reconnect(&of.player_id, &of.room_id, token);
                    world.send(id, message);
                }
            }
            12 => {
                let format = if input.flag() { "message_pack" } else { "json" };
                world.send(
                    id,
                    json!({"type": "Authenticate", "data": {"app_id": "x", "game_data_format": format}}),
                );
            }
            13 => {
                let info = json!({"type": "direct", "host": "h", "port": input.byte()});
                world.send(
                    id,
                    json!({"type": "ProvideConnectionInfo", "data": {"connection_info": info}}),
                );
            }
            14 => world.drop_client(id),
            15 => world.finish(id),
            16 => {
                world.clients[id].close(1000);
                world.settle();
            }
            17 => {
                let client = &mut world.clients[id];
                client.closes_politely = input.flag();
                client.answers_pings = input.flag();
                client.ping();
                world.settle();
            }
            18 => world.advance(Duration::from_millis(40 * u64::from(input.byte()))),
            19 if !self.drains => {
                world.hold_verdicts = input.flag();
                world.hold_moves = input.flag();
                world.settle();
            }
            20 => drop(world.answer()),
            21 => {
                let line = Line {
                    arrives_bytes_max: input.limit(),
                    window_bytes: input.limit(),
                    // A client may stop reading.
                    reads_bytes_max: if input.flag() { 0 } else { input.limit() },
                    ..Line::default()
                };
                *world.network().line(id) = line;
                world.settle();
            }
            22 if !self.drains => {
                let (delay, full) = (input.byte(), input.flag());
                let mut mailroom = world.mailroom();
                mailroom.delay_max = Duration::from_millis(delay.into());
                mailroom.moves_max = if full { 0 } else { usize::MAX };
            }
            23 if input.byte() == 255 => self.drain(),
            _ => {
                if world.clients.len() < CONNECTIONS_MAX {
                    let id = world.admit(LOCALHOST, Client::silent());
                    world.clients[id].write(input.one_of(REQUESTS).as_bytes());
                    world.settle();
                }
            }
        }
    }

    fn check(&self) {
        let settings = settings();
        for room in self.world.all_signal_fish().flat_map(SignalFish::rooms) {
            assert!(room.players().len() + room.held_seats().len() <= usize::from(room.max_players()));
            assert!(room.spectators().len() <= settings.max_spectators_per_room);
            assert!(room.replay().len() <= settings.event_buffer_size);
            assert!(room.replay().bytes() <= settings.event_buffer_bytes);
        }
    }

    /// Whatever is on its way arrives, and nothing is held up any more.
    fn deliver(&mut self) {
        let world = &mut self.world;
        world.hold_verdicts = false;
        world.hold_moves = false;
        world.mailroom().delay_max = Duration::ZERO;
        world.advance(DELAY_MAX);
    }

    /// From here on mail arrives at once: what is on its way to a shard that has ended is lost, and its ticket with it.
    fn drain(&mut self) {
        self.deliver();
        self.drains = true;
        self.world.drain();
    }

    /// Everybody goes, and every time limit passes.
    fn finish(&mut self) {
        self.deliver();
        let world = &mut self.world;
        for id in 0..world.clients.len() {
            world.drop_client(id);
        }
        world.advance(Duration::from_secs(60));
        world.assert_nothing_left();
        assert_eq!(world.network().open(), 0, "every connection is closed");
        for got in world.clients.iter().flat_map(|client| &client.got) {
            if let Got::Text(text) = got {
                let read = serde_json::from_str::<ServerMessage<'_>>(text);
                assert!(read.is_ok(), "{read:?}: {text}");
            }
        }
    }
}

/// Steps of several clients and of the network between them and a server.
pub fn session(data: &[u8]) {
    let mut input = Input(data);
    let mut session = Session::new(&mut input);
    for _ in 0..STEPS_MAX {
        if input.0.is_empty() {
            break;
        }
        session.step(&mut input);
        session.check();
    }
    session.finish();
}
