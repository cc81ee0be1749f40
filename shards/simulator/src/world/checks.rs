//! What holds for any server.

use super::World;
use crate::ledger::Condition;
use crate::network::{End, Place};
use signal_fish_core::ShardIndex;
use signal_fish_core::protocol::signal_fish::SignalFish;
use signal_fish_core::shard::Next;

/// Bytes that are in an outbox besides messages: an HTTP answer, a close frame, a ping.
const BESIDES_BYTES: usize = 512;
/// From this size on an outbox gives way when all of them together hold too much.
const LARGE_BYTES: usize = 4096;

impl World {
    /// What holds after every turn of a shard.
    pub(super) fn check_turn(&self, index: usize) {
        let Some(ledger) = &self.ledger else { return };
        let runner = &self.runners[index];
        if runner.next == Next::Ended {
            return;
        }
        let shard = ShardIndex(u16::try_from(index).expect("shards are few"));
        let mut ledger = ledger.borrow_mut();
        let signal_fish = runner.shard.signal_fish();
        let mut replay_bytes = 0;
        for room in signal_fish.rooms() {
            ledger.check_room(room);
            replay_bytes += room.replay().memory();
        }
        let gauges = signal_fish.gauges();
        assert_eq!(gauges.replay_bytes, replay_bytes, "replays are added up");
        ledger.turn_ended(shard, &gauges);
        self.mailroom.borrow().observer.check(shard, signal_fish);
        let network = self.network.borrow();
        let largest = ledger.largest();
        let (mut sum, mut held, mut large, mut paying) = (0, 0, 0, 0);
        for (id, slot) in network.placed_at(shard) {
            paying += usize::from(runner.shard.pays(slot));
            assert!(
                runner.next == Next::Now || runner.shard.meets_deadline(slot),
                "the deadline of client {id} is forgotten with seed {}",
                self.seed
            );
            let (of_all, unsent) = runner.shard.unsent(slot);
            held = of_all;
            sum += unsent;
            large += if unsent >= LARGE_BYTES { unsent } else { 0 };
            let can_send = !network.is_blocked(id) && !network.is_lost(id);
            assert!(
                unsent == 0 || runner.next == Next::Now || !can_send,
                "client {id} could get {unsent} bytes more with seed {}",
                self.seed
            );
            let most = self.options.outbound_bytes_max.max(largest) + BESIDES_BYTES;
            assert!(
                unsent <= most,
                "{unsent} bytes wait for client {id} with seed {}",
                self.seed
            );
        }
        assert_eq!(runner.shard.paying(), paying, "who pays is counted");
        let most = self.options.outbound_total_bytes_max + largest + BESIDES_BYTES;
        assert!(
            sum <= held && large <= most,
            "{sum} bytes of {held} wait, {large} of them in large outboxes, at most {most}"
        );
    }

    /// Everything that was sent is handled, however much its senders owed, and every ping is answered.
    ///
    /// # Panics
    /// If that is not so.
    pub fn check_handled(&self) {
        self.compare_with_ledger(false);
        for (id, client) in self.clients.iter().enumerate() {
            if self.is_connected(id) && client.is_open() && !self.network.borrow().is_lost(id) {
                assert_eq!(client.pongs, client.pings, "pings of client {id} are answered");
            }
        }
    }

    /// What the ledger knows when nothing is left to do.
    fn check_ledger(&self) {
        self.compare_with_ledger(self.may_owe());
    }

    /// Whether senders soon owe so much that they are not read.
    fn may_owe(&self) -> bool {
        let options = &self.options;
        let bounds = [options.fanout_bytes_per_sec_max, options.outbound_bytes_max as u64];
        options.messages_per_sec_max < 1_000 || bounds.into_iter().any(|bytes| bytes < 500_000)
    }

    fn compare_with_ledger(&self, may_owe: bool) {
        let Some(ledger) = &self.ledger else { return };
        let mut ledger = ledger.borrow_mut();
        let network = self.network.borrow();
        for id in 0..self.clients.len() {
            if ledger.is_done(id) {
                continue;
            }
            let place = network.place(id);
            let (mut stalls, mut waits) = (network.holds_events, false);
            if let Place::At(shard, slot) = place {
                stalls |= self.is_stalled(usize::from(shard.0));
                waits = self.signal_fish_of(shard).waits(slot);
            }
            if matches!(place, Place::At(..)) && !stalls && self.clients[id].is_dismissed() {
                assert!(network.is_shut(id), "client {id} is closed and its connection is not");
            }
            assert!(
                !network.is_read_to_its_end(id) || network.is_lost(id) || self.clients[id].heard_to_the_end(),
                "what client {id} heard ends in the middle"
            );
            let (arrived, under_way) = network.unread_by_server(id);
            ledger.settled(
                id,
                Condition {
                    is_placed: matches!(place, Place::At(..)) && !stalls,
                    is_closed: place == Place::Closed && network.end(id).is_some(),
                    has_read_all: network.unread_by_client(id) == 0,
                    is_read: arrived == 0 && !under_way,
                    is_reset: network.end(id) == Some(End::Reset),
                    was_blocked: network.was_blocked(id),
                    is_lost: network.is_reset(id),
                    waits,
                    may_owe,
                },
            );
        }
        let failed = self.runners.iter().map(|runner| runner.shard.counters().moves_failed);
        ledger.check_moves(failed.sum());
        for (index, runner) in self.runners.iter().enumerate() {
            if runner.next != Next::Ended && !self.is_stalled(index) {
                let shard = ShardIndex(u16::try_from(index).expect("shards are few"));
                ledger.check_time(shard, self.now);
            }
        }
        let is_quiet = self.mailroom.borrow().is_quiet() && self.asks.is_empty();
        let is_open = |id| network.place(id) != Place::Closed;
        ledger.check_counts(&self.admission.totals(), is_quiet, is_open);
    }

    fn is_stalled(&self, index: usize) -> bool {
        self.stalls[index] > self.now
    }

    /// What holds for any server whenever nothing is left to do.
    pub(super) fn check(&self) {
        self.check_ledger();
        let network = self.network.borrow();
        let totals = self.admission.totals();
        let seed = self.seed;
        if !self.mailroom.borrow().is_quiet() || !self.asks.is_empty() {
            return;
        }
        assert!(
            totals.connections_active <= network.open() as u64,
            "a ticket outlived its connection with seed {seed}"
        );
        self.check_observer();
        let gauges = || self.all_signal_fish().map(SignalFish::gauges);
        let peers = self.all_matchbox().map(|matchbox| matchbox.gauges().peers);
        let relay = self.all_relay().map(|relay| relay.gauges().sessions);
        let sessions: usize = gauges().map(|gauges| gauges.sessions).chain(peers).chain(relay).sum();
        let rooms: usize = gauges().map(|gauges| gauges.rooms).sum();
        assert_eq!(totals.rooms_active, rooms as u64, "rooms hold permits with seed {seed}");
        assert!(
            sessions as u64 <= totals.connections_active,
            "a session has no ticket with seed {seed}"
        );
        let unnoticed = network.ended().filter(|id| match network.place(*id) {
            // What it sent before its end is handled when it need not wait any more.
            Place::At(shard, slot) => !self.signal_fish_of(shard).waits(slot),
            _ => true,
        });
        // Nor does a shard notice that has no turn, or that does not read from who owes.
        let notices = !self.may_owe() && (0..self.runners.len()).all(|index| !self.is_stalled(index));
        assert!(
            !notices || sessions + unnoticed.count() <= network.open(),
            "a session outlived its connection with seed {seed}"
        );
        let connections: usize = self
            .runners
            .iter()
            // A shard that has ended waits for no verdict.
            .filter(|runner| runner.next != Next::Ended)
            .map(|runner| runner.shard.report().connections)
            .sum();
        assert!(
            connections >= sessions && connections <= network.open(),
            "{connections} connections of {} with seed {seed}",
            network.open()
        );
    }

    /// Who only listens to observations knows every room.
    fn check_observer(&self) {
        let mailroom = self.mailroom.borrow();
        for (index, runner) in self.runners.iter().enumerate() {
            let shard = ShardIndex(u16::try_from(index).expect("shards are few"));
            if runner.next != Next::Ended {
                mailroom.observer.check(shard, runner.shard.signal_fish());
            }
        }
    }

    /// Everything that was granted came back and nothing is remembered.
    #[track_caller]
    pub fn assert_nothing_left(&self) {
        for signal_fish in self.all_signal_fish() {
            assert_eq!(signal_fish.gauges(), Default::default());
        }
        for relay in self.all_relay() {
            assert_eq!(relay.gauges(), Default::default());
        }
        for matchbox in self.all_matchbox() {
            assert_eq!(matchbox.gauges(), Default::default());
        }
        let totals = self.admission.totals();
        assert_eq!((totals.connections_active, totals.rooms_active), (0, 0));
    }
}
