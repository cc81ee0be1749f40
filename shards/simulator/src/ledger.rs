//! The ledger: what every client was promised, what came, and the rule that explains each difference.
//!
//! It keeps its own books of sessions and rooms, by the rules of the protocol and in the order in which the shards handled
//! what they were told ([`Post::witness`](signal_fish_core::shard::Post::witness)). From that it knows which message each
//! client has to get next. A message that comes out of order, comes twice, differs or does not come, without a
//! [`Rule`] that explains it, is a panic.
//!
//! | file | what it is about |
//! |---|---|
//! | `account` | one connection: what was sent, what was promised, which rules apply |
//! | `session` | sessions and rooms, and how clients see them |
//! | `rules`, `rooms`, `returns` | what follows from what: messages and verdicts, rooms, drops and returns |
//! | `names` | ids, codes and tokens, which the server draws |
//! | `admission` | what may be granted, and what was |
//! | `arrivals` | what came, compared with what was promised |

mod account;
mod admission;
mod arrivals;
mod names;
mod returns;
mod rooms;
mod rules;
mod session;

use crate::client::Sent;
use crate::network::ConnectionId as Id;
use account::{Account, Asked, Promise, error};
use admission::Counts;
use names::Names;
use serde_json::Value;
use session::{Key, Pending, Record, Room, Session};
use signal_fish_core::ShardIndex;
use signal_fish_core::admission::{AppIndex, Ask, Limits, Notice, Verdict};
use signal_fish_core::entry::Routing;
use signal_fish_core::protocol::Trouble;
use signal_fish_core::protocol::signal_fish::Settings;
use signal_fish_core::protocol::signal_fish::room;
use signal_fish_core::protocol::signal_fish::wire::{GameName, RoomCode, Timestamp};
use signal_fish_core::shard::{Cause, Options, Told};
use signal_fish_core::ws::Violation;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use account::Condition;
pub use account::Rule;

/// The books of a world.
#[derive(Debug)]
pub struct Ledger {
    settings: Arc<Settings>,
    options: Options,
    routing: Routing,
    /// The time of the turn.
    now: Duration,
    accounts: Vec<Account>,
    /// Accounts that had a session at the end of the last turn, or got one since.
    living: BTreeSet<Id>,
    names: Names,
    rooms: Vec<Room>,
    /// Rooms about to be opened, with who waits behind the one that asked.
    openings: BTreeMap<Key, VecDeque<Id>>,
    records: Vec<Record>,
    /// Players whose time to return is over, with their rooms.
    expired: Vec<(usize, usize)>,
    next_sweeps: BTreeMap<u16, Duration>,
    drained: BTreeSet<u16>,
    counts: Counts,
    players: usize,
    tokens: usize,
    /// Close frames of connections that could not move.
    moves_failed: u64,
    explained: BTreeMap<Rule, u64>,
    compared: u64,
    /// Bytes of the largest message that was promised.
    largest: usize,
}

impl Ledger {
    pub(crate) fn new(settings: Arc<Settings>, options: Options, routing: Routing, limits: Limits) -> Self {
        Self {
            settings,
            options,
            routing,
            now: Duration::ZERO,
            accounts: Vec::new(),
            living: BTreeSet::new(),
            names: Names::default(),
            rooms: Vec::new(),
            openings: BTreeMap::new(),
            records: Vec::new(),
            expired: Vec::new(),
            next_sweeps: BTreeMap::new(),
            drained: BTreeSet::new(),
            counts: Counts::new(limits),
            players: 0,
            tokens: 0,
            moves_failed: 0,
            explained: BTreeMap::new(),
            compared: 0,
            largest: 0,
        }
    }

    /// Messages that came as promised.
    #[must_use]
    pub fn compared(&self) -> u64 {
        self.compared
    }

    /// How many messages did not come, by the rule that explains it.
    #[must_use]
    pub fn explained(&self) -> &BTreeMap<Rule, u64> {
        &self.explained
    }

    // What happens around the shards.

    pub(crate) fn turn_begins(&mut self, now: Duration) {
        self.now = now;
    }

    pub(crate) fn connected(&mut self, ip: IpAddr) {
        self.accounts.push(Account::new(ip));
    }

    pub(crate) fn sent(&mut self, id: Id, sent: impl Iterator<Item = Sent>) {
        self.accounts[id].sent.extend(sent);
    }

    /// The client sends bytes that are no messages.
    pub(crate) fn garbled(&mut self, id: Id) {
        self.accounts[id].is_garbled = true;
    }

    pub(crate) fn excuse(&mut self, id: Id, rule: Rule) {
        self.accounts[id].excuse(rule);
    }

    pub(crate) fn decided(&mut self, now: Duration, ask: &Ask, verdict: &Verdict) {
        self.counts.decided(now, ask, verdict);
    }

    pub(crate) fn given_back(&mut self, notice: &Notice) {
        self.counts.ended(notice);
    }

    // What the shards do.

    /// A shard asks admission.
    pub(crate) fn asked(&mut self, id: Id, ask: &Ask) {
        let account = &mut self.accounts[id];
        assert_eq!(account.asked, None, "client {id} asks twice");
        if let Ask::Connect { ip } | Ask::ConnectSecurely { ip } = ask {
            assert_eq!(*ip, account.ip, "client {id} asks for another address");
            account.asked = Some(Asked::Ticket);
        } else {
            assert_eq!(account.owed_ask.take().as_ref(), Some(ask), "client {id} asks");
            account.asked = Some(Asked::Session);
        }
    }

    /// A verdict is taken by the shard.
    pub(crate) fn answered(&mut self, id: Id, verdict: &Verdict) {
        self.verdict(id, verdict);
    }

    /// The shard is told to drain: its sessions and rooms are forgotten.
    pub(crate) fn drained(&mut self, shard: ShardIndex) {
        if !self.drained.insert(shard.0) {
            return;
        }
        for account in &mut self.accounts {
            let here = |session: &mut Session| session.shard == shard && !session.is_moving();
            let Some(session) = account.session.take_if(here) else {
                continue;
            };
            account.is_over = true;
            account.closed = true;
            account.promised.push_back(Promise::Close(1001));
            if let Some(Pending::Permit(join)) = session.pending {
                account.asking = join.key();
            }
        }
        let rooms = self.rooms.iter_mut();
        rooms.filter(|room| room.shard == shard).for_each(|room| {
            room.is_there = false;
            room.players.clear();
            room.spectators.clear();
        });
        self.records.retain(|record| record.shard != shard);
        let keys: Vec<_> = self.openings.keys().cloned().collect();
        for key in keys {
            if self.owner(&key) == shard {
                self.openings.entry(key).or_default().clear();
            }
        }
    }

    /// A client is closed for silence; something of it arrived at this time.
    pub(crate) fn is_silent(&self, id: Id, arrived: Duration) {
        let silent = self.now.saturating_sub(arrived);
        assert!(
            silent >= self.options.ping_timeout,
            "client {id} was silent for {silent:?} only"
        );
    }

    /// A shard tells its protocol something.
    pub(crate) fn told(&mut self, shard: ShardIndex, find: impl Fn(signal_fish_core::Slot) -> Id, told: &Told<'_>) {
        match told {
            Told::Opened(slot) => self.opened(shard, find(*slot)),
            Told::Message(slot, message) => {
                let per_second = self.options.messages_per_sec_max;
                self.accounts[find(*slot)].pay(find(*slot), self.now, per_second);
                self.message(find(*slot), message);
            }
            Told::Arrived(slot) => {
                let session = self.session(find(*slot));
                session.shard = shard;
                session.room = None;
                match session.pending.take() {
                    Some(Pending::Move(arrival)) => self.go_on(find(*slot), arrival),
                    other => panic!("client {} moved for {other:?}", find(*slot)),
                }
            }
            Told::Due(slot) => {
                let id = find(*slot);
                let until = self.session(id).opened + self.settings.auth_timeout;
                let session = self.session(id);
                assert!(
                    !session.is_authenticated && session.pending.is_none(),
                    "client {id} is in time"
                );
                assert!(until <= self.now, "client {id} has time until {until:?}");
                self.promise(id, error("AUTHENTICATION_TIMEOUT"));
                self.close(id, 1008);
            }
            Told::Left(slot, cause) => self.left(find(*slot), *cause),
            Told::Tick => self.tick(shard),
        }
    }

    fn opened(&mut self, shard: ShardIndex, id: Id) {
        let account = &mut self.accounts[id];
        assert!(
            account.session.is_none() && !account.is_over,
            "client {id} begins twice"
        );
        let player = self.players;
        self.players += 1;
        self.living.insert(id);
        account.session = Some(Session {
            shard,
            opened: self.now,
            player,
            pending: None,
            room: None,
            packs: false,
            app: None,
            is_authenticated: !self.settings.require_auth,
            is_introduced: false,
            invalid_in_a_row: 0,
            joins_refused: Duration::ZERO,
            creations_refused: Duration::ZERO,
        });
    }

    fn left(&mut self, id: Id, cause: Cause<'_>) {
        let was_over = self.accounts[id].is_over;
        if was_over {
            // A drain has ended it. What its client did since then shows in how it is closed.
            let account = &mut self.accounts[id];
            if cause == Cause::Slow {
                account.excuse(Rule::Slow);
            } else {
                account.excuse(Rule::Ended);
            }
            return;
        }
        match cause {
            Cause::Trouble(trouble) => {
                assert!(
                    self.accounts[id].is_garbled,
                    "client {id} sends messages, but {trouble:?}"
                );
                let (code, close) = match trouble {
                    Trouble::MessageTimeout => ("INVALID_INPUT", 1008),
                    Trouble::Violation(Violation::TooLarge) => ("MESSAGE_TOO_LARGE", 1009),
                    Trouble::Violation(violation) => ("INVALID_INPUT", violation.close_code()),
                    Trouble::Refused(_) => panic!("client {id} has a session"),
                };
                self.promise(id, error(code));
                self.session_ends(id);
                self.accounts[id].promised.push_back(Promise::Close(close));
            }
            Cause::Slow => {
                self.accounts[id].excuse(Rule::Slow);
                self.session_ends(id);
                self.accounts[id].promised.push_back(Promise::Close(1013));
            }
            Cause::Silent => {
                self.session_ends(id);
                self.accounts[id].promised.push_back(Promise::Close(1008));
            }
            Cause::Closed(code) => {
                self.session_ends(id);
                self.accounts[id]
                    .promised
                    .push_back(Promise::Close(code.unwrap_or(1005)));
            }
            Cause::Ended => {
                self.accounts[id].excuse(Rule::Ended);
                self.session_ends(id);
            }
            Cause::Lost => {
                assert!(self.accounts[id].has(Rule::Lost), "client {id} is not lost");
                self.session_ends(id);
            }
        }
        self.accounts[id].closed = true;
    }

    // What the rules are written in.

    fn session(&mut self, id: Id) -> &mut Session {
        let session = self.accounts[id].session.as_mut();
        session.unwrap_or_else(|| panic!("client {id} has no session"))
    }

    fn promise(&mut self, id: Id, message: Value) {
        self.largest = self.largest.max(names::wire_length(&message));
        self.promised(id, Promise::Json(message));
    }

    fn promised(&mut self, id: Id, promise: Promise) {
        assert!(!self.accounts[id].closed, "client {id} is closed and gets {promise:?}");
        self.accounts[id].promised.push_back(promise);
    }

    /// A question has to be asked in this turn.
    fn owe(&mut self, id: Id, ask: Ask) {
        self.accounts[id].owed_ask = Some(ask);
    }

    fn draw_token(&mut self) -> Option<usize> {
        self.tokens += 1;
        (self.settings.enable_reconnection && self.settings.send_reconnection_token).then_some(self.tokens)
    }

    fn timestamp(&self) -> String {
        Timestamp::from_unix(crate::plan::EPOCH + self.now).to_string()
    }

    fn find(&self, (app, game, code): &Key) -> Option<usize> {
        let named = |room: &&Room| {
            let (room_app, room_game, room_code) = &room.key;
            let same = room_code == code || self.names.stands_for(room_code, code);
            room.is_there && room_app == app && room_game == game && same
        };
        self.rooms.iter().find(named).map(|room| room.number)
    }

    fn owner(&self, (app, game, code): &Key) -> ShardIndex {
        let game = GameName::parse(game, usize::MAX).expect("it is a game");
        let code = RoomCode::parse(code, code.len()).expect("it is a code");
        self.routing.room(&room::key(*app, &game, &code))
    }

    fn owner_of_id(&self, id: &str) -> ShardIndex {
        let id = serde_json::from_value(id.into()).expect("it is an id");
        self.routing.room_id(id)
    }

    fn app(&self, app_id: &str) -> Option<AppIndex> {
        let place = self
            .settings
            .apps
            .iter()
            .position(|app| app.app_id == app_id && app.authorized)?;
        Some(AppIndex(u32::try_from(place).expect("apps are few")))
    }
}
