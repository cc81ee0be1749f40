//! What came, compared with what was promised, and what has to hold between turns.

use super::Ledger;
use super::account::{Condition, Promise, Rule};
use super::names::ANY;
use crate::client::Got;
use crate::network::ConnectionId as Id;
use serde_json::{Value, json};
use signal_fish_core::ShardIndex;
use signal_fish_core::admission::Totals;
use signal_fish_core::protocol::signal_fish::{self, Gauges};
use std::time::Duration;

impl Ledger {
    /// A client got something.
    pub(crate) fn came(&mut self, id: Id, got: &Got) {
        match got {
            Got::Ping => {}
            Got::Answer(status, _) => {
                let account = &mut self.accounts[id];
                assert!(account.session.is_none(), "client {id} is upgraded and gets {status}");
                account.is_over = true;
            }
            Got::Text(text) => {
                let came: Value = serde_json::from_str(text).expect("text of the server is JSON");
                match self.accounts[id].promised.pop_front() {
                    Some(Promise::Json(promised)) => self.compare(id, &promised, &came),
                    None if self.is_refusal(id, &came) => {
                        self.accounts[id].is_over = true;
                        self.accounts[id].promised.push_back(Promise::Close(1008));
                    }
                    promised => panic!("client {id} was promised {promised:?}, and {came} came"),
                }
                self.compared += 1;
            }
            Got::Binary(payload) => {
                let (from, came) = parse_binary(payload).expect("game data as MessagePack");
                match self.accounts[id].promised.pop_front() {
                    Some(Promise::Binary(player, promised)) if promised == came => {
                        self.compare(id, &player.into(), &from.into());
                    }
                    promised => panic!("client {id} was promised {promised:?}, and {came:?} of {from} came"),
                }
                self.compared += 1;
            }
            Got::Closed(code, reason) => self.close_came(id, *code, reason),
        }
    }

    fn compare(&mut self, id: Id, promised: &Value, came: &Value) {
        if let Err(difference) = self.names.compare(promised, came) {
            panic!("client {id}: {difference}\n  promised: {promised}\n  came:     {came}");
        }
    }

    /// Whether this tells a client that it gets no ticket.
    fn is_refusal(&mut self, id: Id, came: &Value) -> bool {
        let account = &self.accounts[id];
        let refused = self.counts.has_refused(account.ip, Duration::ZERO);
        let text = |code: &str| json!({"type": "Error", "data": {"message": ANY, "error_code": code}});
        let mut codes = ["TOO_MANY_CONNECTIONS", "SERVICE_UNAVAILABLE"].into_iter();
        refused
            && account.session.is_none()
            && !account.is_over
            && codes.any(|code| self.names.compare(&text(code), came).is_ok())
    }

    fn close_came(&mut self, id: Id, code: u16, reason: &str) {
        self.compared += 1;
        let drained = !self.drained.is_empty();
        let account = &mut self.accounts[id];
        if account.has(Rule::Slow) && code == 1013 {
            self.explain(id, Rule::Slow);
            return;
        }
        match account.promised.pop_front() {
            Some(Promise::Close(promised)) if promised == code => {}
            None if account
                .session
                .as_ref()
                .map_or(!account.is_over, |session| session.is_moving()) =>
            {
                // It could not go where it wanted to.
                let rule = match code {
                    1013 => Rule::NoWay,
                    1001 if drained => Rule::Drained,
                    _ => panic!("client {id} is closed with {code}: {reason}"),
                };
                account.excuse(rule);
                account.session = None;
                account.is_over = true;
                self.moves_failed += u64::from(code == 1013);
                *self.explained.entry(rule).or_default() += 1;
            }
            promised => panic!("client {id} was promised {promised:?}, and is closed with {code}: {reason}"),
        }
    }

    /// What was promised does not come, by this rule.
    fn explain(&mut self, id: Id, rule: Rule) {
        let left = std::mem::take(&mut self.accounts[id].promised).len();
        *self.explained.entry(rule).or_default() += left as u64;
    }

    /// Whether nothing more can come of a connection.
    pub(crate) fn is_done(&self, id: Id) -> bool {
        self.accounts[id].is_done
    }

    /// Nothing is left to do for a connection: what was promised has come, and what was sent is handled.
    pub(crate) fn settled(&mut self, id: Id, now: Condition) {
        let account = &mut self.accounts[id];
        let left = account.promised.len();
        if now.is_closed && now.has_read_all {
            account.is_done = true;
            let only_close = account
                .promised
                .iter()
                .all(|promise| matches!(promise, Promise::Close(_)));
            let rules = [Rule::Lost, Rule::Slow, Rule::Unread, Rule::SentOn];
            let rule = match rules.into_iter().find(|rule| account.has(*rule)) {
                _ if left == 0 => return,
                Some(rule) => rule,
                None if now.was_blocked => Rule::Unread,
                // Its shard ended while it was on its way.
                None if account.is_on_its_way() && !self.drained.is_empty() => Rule::Drained,
                None if now.is_reset => Rule::SentOn,
                None if account.has(Rule::Ended) && only_close => Rule::Ended,
                None => panic!("client {id} is closed and lacks {:?}", account.promised),
            };
            return self.explain(id, rule);
        }
        assert!(
            !(now.is_placed && now.is_lost && account.session.is_some()),
            "client {id} is lost and has a session"
        );
        if !now.is_placed || account.has(Rule::Lost) {
            return;
        }
        assert!(
            left == 0 || !now.has_read_all,
            "client {id} has read everything and lacks {:?}",
            account.promised
        );
        // One that moves is in a slot if it could not: its client has still to read so.
        let Some(session) = account.session.as_ref().filter(|session| !session.is_moving()) else {
            return;
        };
        let waits = session.pending.is_some();
        assert_eq!(waits, now.waits, "client {id} waits for {:?}", session.pending);
        if now.is_read && !waits && !now.may_owe && !account.is_garbled {
            assert!(
                account.sent.is_empty(),
                "client {id} sent {:?}, which is not handled",
                account.sent
            );
        }
    }

    /// Bytes of the largest message that was promised.
    pub(crate) fn largest(&self) -> usize {
        self.largest
    }

    /// What a room keeps is within its bounds, and is kept for somebody.
    pub(crate) fn check_room(&self, room: &signal_fish::room::Room) {
        let replay = room.replay();
        assert!(replay.len() <= self.settings.event_buffer_size && replay.bytes() <= self.settings.event_buffer_bytes);
        if !room.is_recording() {
            assert!(
                replay.is_empty() && room.held_seats().is_empty(),
                "{:?} keeps what nobody awaits",
                room.id()
            );
        }
        assert!(room.players().len() + room.held_seats().len() <= usize::from(room.max_players()));
        assert!(room.spectators().len() <= self.settings.max_spectators_per_room);
    }

    /// A shard has had a turn.
    pub(crate) fn turn_ended(&mut self, shard: ShardIndex, gauges: &Gauges) {
        let accounts = &self.accounts;
        self.living.retain(|id| {
            let account = &accounts[*id];
            let lives = account.session.is_some();
            assert!(
                !lives || account.owed_ask.is_none(),
                "client {id} does not ask {:?}",
                account.owed_ask
            );
            lives
        });
        let rooms = || self.rooms.iter().filter(|room| room.is_there && room.shard == shard);
        let sessions = self.living.iter().filter_map(|id| self.accounts[*id].session.as_ref());
        let sessions = sessions.filter(|session| session.shard == shard && !session.is_moving());
        let expected = Gauges {
            rooms: rooms().count(),
            players: rooms().map(|room| room.players.len()).sum(),
            spectators: rooms().map(|room| room.spectators.len()).sum(),
            sessions: sessions.count(),
            awaited: self.records.iter().filter(|record| record.shard == shard).count(),
            // The world adds them up.
            replay_bytes: gauges.replay_bytes,
            openings: self.openings.keys().filter(|key| self.owner(key) == shard).count(),
        };
        assert_eq!(*gauges, expected, "what lives on {shard:?} at {:?}", self.now);
    }

    /// What admission counts is what lives. `open` tells how many connections of an address are open.
    pub(crate) fn check_counts(&self, totals: &Totals, is_quiet: bool, open: impl Fn(Id) -> bool) {
        self.counts.check(totals);
        if !is_quiet {
            return;
        }
        for (ip, count) in self.counts.connections() {
            let of_address = self.accounts.iter().enumerate().filter(|(_, account)| account.ip == ip);
            let (mut sessions, mut connections) = (0, 0);
            for (id, account) in of_address {
                let is_open = open(id);
                connections += usize::from(is_open);
                let session = account.session.as_ref();
                // Nothing is on its way, so one that moves could not.
                sessions += usize::from(is_open && session.is_some_and(|session| !session.is_moving()));
            }
            assert!(
                (sessions..=connections).contains(&count),
                "{count} connections of {ip} are counted, {connections} are open, {sessions} have a session"
            );
        }
        let rooms = self.rooms.iter().filter(|room| room.is_there).count();
        assert_eq!(
            totals.rooms_active, rooms as u64,
            "a room has a permit, and a permit has a room"
        );
    }

    /// Whether something should have happened before `now`.
    pub(crate) fn check_time(&self, shard: ShardIndex, now: Duration) {
        assert!(
            !self.is_overdue(shard, now),
            "{shard:?} let time pass for its rooms at {now:?}"
        );
    }

    /// Connections that could not move, and were told so, are no more than the shards say.
    pub(crate) fn check_moves(&self, failed: u64) {
        assert!(
            self.moves_failed <= failed,
            "{} were told, {failed} failed",
            self.moves_failed
        );
    }
}

/// The player and the payload of binary game data (protocol 2.9).
fn parse_binary(message: &[u8]) -> Option<(String, &[u8])> {
    let rest = message.strip_prefix(b"\x83\xabfrom_player\xc4\x10")?;
    let (id, rest) = rest.split_at_checked(16)?;
    let rest = rest.strip_prefix(b"\xa8encoding\xacmessage_pack\xa7payload")?;
    let (length, payload) = match rest {
        [0xc4, length, payload @ ..] => (usize::from(*length), payload),
        [0xc5, high, low, payload @ ..] => (usize::from(u16::from_be_bytes([*high, *low])), payload),
        _ => return None,
    };
    let hex: Vec<String> = id.iter().map(|byte| format!("{byte:02x}")).collect();
    let parts = [&hex[..4], &hex[4..6], &hex[6..8], &hex[8..10], &hex[10..]];
    let id = parts.map(|part| part.concat()).join("-");
    (payload.len() == length).then_some((id, payload))
}
