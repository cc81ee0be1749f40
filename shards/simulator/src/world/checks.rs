//! What holds for any server.

use super::World;
use crate::network::Place;
use signal_fish_core::protocol::signal_fish::SignalFish;
use signal_fish_core::shard::Next;

impl World {
    /// What holds for any server whenever nothing is left to do.
    pub(super) fn check(&self) {
        let network = self.network.borrow();
        let totals = self.admission.totals();
        let seed = self.seed;
        if !self.mailroom.borrow().is_quiet() || !self.asks.is_empty() || self.lost {
            return;
        }
        assert!(
            totals.connections_active <= network.open() as u64,
            "a ticket outlived its connection with seed {seed}"
        );
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
        assert!(
            sessions + unnoticed.count() <= network.open(),
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
