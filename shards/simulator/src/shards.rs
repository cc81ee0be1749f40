//! Shards whose sockets cost next to nothing, and admission that answers at once: what the benches measure.

use crate::client::upgrade_request;
use crate::frames::masked_text;
use crate::plan::{open_limits, options, sites};
use crate::random::Sequence;
use crate::sink::{Directory, Letters, SinkPost, SinkSocket, SinkSockets};
use crate::sockets::LOCALHOST;
use signal_fish_core::admission::Admission;
use signal_fish_core::entry::{Routing, draw_hashing};
use signal_fish_core::http::TrustedProxies;
use signal_fish_core::protocol;
use signal_fish_core::protocol::signal_fish::wire::{GameName, RoomCode};
use signal_fish_core::protocol::signal_fish::{Settings, room};

use signal_fish_core::shard::{Mail, Next, Options, Plan, Request, Shard};
use signal_fish_core::{ListenerIndex, Now, ShardIndex, Slot};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// The game that every room belongs to.
pub const GAME: &str = "pong";

/// A client, counted from 0 in the order of connecting.
pub type ClientNumber = usize;

/// The shards of a server and its admission. The same on every machine and in every run.
#[derive(Debug)]
pub struct Shards {
    shards: Vec<Shard<SinkSockets, SinkPost>>,
    directory: Directory,
    letters: Rc<RefCell<Letters>>,
    admission: Admission,
    routing: Routing,
    now: Now,
}

impl Shards {
    /// `count` shards with the documented settings and limits that stop nobody.
    #[must_use]
    pub fn new(count: u16) -> Self {
        let mut random = Sequence::new(1);
        let routing = Routing::new(count, &mut random);
        let hashing = draw_hashing(&mut random);
        let settings = Arc::new(Settings::default());
        let sites = Arc::new(sites(TrustedProxies::default()));
        let directory = Directory::default();
        let letters = Rc::new(RefCell::new(Letters::default()));
        letters
            .borrow_mut()
            .boxes
            .resize_with(usize::from(count), Default::default);
        let shard = |index: u16| {
            let plan = Plan {
                tls: None,
                index: ShardIndex(index),
                // Time stands still for what is measured, so no bucket would ever fill again.
                options: Options {
                    messages_per_sec_max: 0,
                    fanout_bytes_per_sec_max: 0,
                    ..options(&settings)
                },
                settings: protocol::Settings {
                    signal_fish: Arc::clone(&settings),
                    ..protocol::Settings::default()
                },
                sites: Arc::clone(&sites),
                routing: routing.clone(),
                random: Box::new(Sequence::new(2 + u64::from(index))),
            };
            let sockets = SinkSockets::new(ShardIndex(index), Rc::clone(&directory));
            Shard::new(plan, sockets, SinkPost::new(ShardIndex(index), Rc::clone(&letters)))
        };
        let mut shards = Self {
            shards: (0..count).map(shard).collect(),
            directory,
            letters,
            admission: Admission::new(open_limits(), hashing),
            routing,
            now: Now {
                monotonic: Duration::from_secs(1),
                unix: Duration::new(1_700_000_000, 123_456_789),
            },
        };
        shards.settle();
        shards
    }

    /// Connects a client to a shard and opens its WebSocket.
    pub fn connect(&mut self, shard: u16) -> ClientNumber {
        let client = self.directory.borrow().len();
        self.directory.borrow_mut().push(None);
        let socket = SinkSocket {
            client,
            input: upgrade_request(""),
            ..SinkSocket::default()
        };
        let sockets = self.shards[usize::from(shard)].sockets();
        sockets.newcomers.push_back((socket, LOCALHOST));
        sockets
            .events
            .push_back(signal_fish_core::transport::Event::Newcomers(ListenerIndex(0)));
        self.settle();
        client
    }

    /// The shard of a client.
    ///
    /// # Panics
    /// If the client is not connected.
    #[must_use]
    pub fn shard_of(&self, client: ClientNumber) -> u16 {
        self.place(client).0.0
    }

    fn place(&self, client: ClientNumber) -> (ShardIndex, Slot) {
        self.directory.borrow()[client].expect("the client is connected")
    }

    /// What a client sends with every [`Shards::send`].
    pub fn load(&mut self, client: ClientNumber, input: &[u8]) {
        let (shard, slot) = self.place(client);
        let socket = self.shards[usize::from(shard.0)].sockets().socket(slot);
        let socket = socket.expect("who is in the directory has a socket");
        socket.input.clear();
        socket.input.extend_from_slice(input);
        socket.received = input.len();
    }

    /// A client sends what is loaded, and its shard has one turn. Returns how many sends that took.
    pub fn send(&mut self, client: ClientNumber) -> u64 {
        let (index, slot) = self.place(client);
        let shard = &mut self.shards[usize::from(index.0)];
        let sockets = shard.sockets();
        let before = sockets.sends;
        if let Some(socket) = sockets.socket(slot) {
            socket.received = 0;
        }
        sockets.tell(slot, false);
        shard.turn(self.now);
        shard.turn_ended(self.now.monotonic);
        shard.sockets().sends - before
    }

    /// Delivers one text message and everything that follows from it. Returns how many sends that took.
    pub fn text(&mut self, client: ClientNumber, text: &str) -> u64 {
        let before = self.sends();
        self.load(client, &masked_text(text));
        self.send(client);
        self.settle();
        self.sends() - before
    }

    /// A client ends its connection.
    pub fn end(&mut self, client: ClientNumber) {
        let (shard, slot) = self.place(client);
        let sockets = self.shards[usize::from(shard.0)].sockets();
        if let Some(socket) = sockets.socket(slot) {
            socket.ended = true;
        }
        sockets.tell(slot, true);
        self.settle();
    }

    /// A turn of a shard with nothing to do. Returns when it wants the next one.
    pub fn turn(&mut self, shard: u16) -> Next {
        let shard = &mut self.shards[usize::from(shard)];
        let next = shard.turn(self.now);
        shard.turn_ended(self.now.monotonic);
        next
    }

    /// Calls of a shard to its sockets.
    pub fn calls(&mut self, shard: u16) -> u64 {
        self.shards[usize::from(shard)].sockets().calls
    }

    fn sends(&mut self) -> u64 {
        self.shards.iter_mut().map(|shard| shard.sockets().sends).sum()
    }

    /// Lets time pass.
    pub fn advance(&mut self, time: Duration) {
        let end = self.now.monotonic + time;
        loop {
            let due = self.settle().filter(|due| *due <= end);
            let next = due.unwrap_or(end).max(self.now.monotonic);
            self.now.unix += next - self.now.monotonic;
            self.now.monotonic = next;
            if due.is_none() {
                self.settle();
                return;
            }
        }
    }

    /// The `nth` code whose room belongs to a shard.
    ///
    /// # Panics
    /// If there is none among the first ten thousand.
    #[must_use]
    pub fn code_on(&self, shard: u16, nth: usize) -> String {
        let game = GameName::parse(GAME, 64).expect("the game has a valid name");
        let owner = |code: &str| {
            let code = RoomCode::parse(code, 6).expect("six letters and digits are a code");
            self.routing.room(&room::key(None, &game, &code))
        };
        (0..10_000)
            .map(|number| format!("R{number:05}"))
            .filter(|code| owner(code) == ShardIndex(shard))
            .nth(nth)
            .expect("one of so many codes belongs to every shard")
    }

    /// Fills a room on shard 0 with `members` players. With `message_pack` every second one, the first included, takes
    /// game data as MessagePack.
    ///
    /// # Panics
    /// If one of them does not get in.
    pub fn room(&mut self, members: u8, message_pack: bool) -> Vec<ClientNumber> {
        let code = self.code_on(0, 0);
        let clients = (0..members)
            .map(|number| {
                let client = self.connect(0);
                if message_pack && number % 2 == 0 {
                    self.text(
                        client,
                        r#"{"type":"Authenticate","data":{"app_id":"bench","game_data_format":"message_pack"}}"#,
                    );
                }
                self.text(client, &join(&code, &format!("player{number}"), members));
                client
            })
            .collect();
        let players = self.shards[0].signal_fish().gauges().players;
        assert_eq!(players, usize::from(members), "everybody is in the room");
        clients
    }

    /// Answers asks and turns shards until nothing is left to do. Returns the next deadline.
    fn settle(&mut self) -> Option<Duration> {
        loop {
            let mut deadline = None;
            let mut busy = false;
            for shard in &mut self.shards {
                let next = shard.turn(self.now);
                shard.turn_ended(self.now.monotonic);
                match next {
                    Next::Now => busy = true,
                    Next::At(at) if at <= self.now.monotonic => busy = true,
                    Next::At(at) => deadline = Some(deadline.map_or(at, |earliest: Duration| earliest.min(at))),
                    Next::Ended => {}
                }
            }
            busy |= self.control();
            let letters = self.letters.borrow();
            if !busy && letters.boxes.iter().all(|mailbox| mailbox.is_empty()) {
                return deadline;
            }
        }
    }

    fn control(&mut self) -> bool {
        let mut letters = self.letters.borrow_mut();
        let mut busy = false;
        while let Some(request) = letters.requests.pop_front() {
            match request {
                Request::Ask {
                    shard,
                    slot,
                    ask,
                    connections,
                } => {
                    self.admission.hear(shard, connections);
                    let verdict = self.admission.decide(self.now.monotonic, ask);
                    letters.boxes[usize::from(shard.0)].push_back(Mail::Verdict {
                        slot,
                        verdict,
                        crowded: self.admission.crowded(),
                    });
                    busy = true;
                }
                Request::Notice(notice) => self.admission.give_back(notice),
                Request::Report(_) => {}
            }
        }
        busy
    }
}

/// A `GameData` message whose value takes `bytes` bytes of JSON: an object of numbers and a text, as games send them.
#[must_use]
pub fn game_data(bytes: usize) -> String {
    let start = r#"{"x":1024.25,"y":-37.5,"seq":4711,"keys":["up","fire"],"note":""#;
    let note = "n".repeat(bytes.saturating_sub(start.len() + 2));
    format!(r#"{{"type":"GameData","data":{{"data":{start}{note}"}}}}}}"#)
}

/// A `JoinRoom` message.
#[must_use]
pub fn join(code: &str, name: &str, max_players: u8) -> String {
    format!(
        r#"{{"type":"JoinRoom","data":{{"game_name":"{GAME}","room_code":"{code}","player_name":"{name}","max_players":{max_players}}}}}"#
    )
}
