//! A hundred thousand connections come and go: afterwards an idle turn does what it did before, and no deadline is left.
//! How many instructions that takes is counted by the benches (`shard/idle_turn_…`).

use signal_fish_core::shard::Next;
use signal_fish_simulator::shards::Shards;
use std::time::Duration;

const SLOTS: usize = 100_000;

/// Calls to the sockets in a turn with nothing to do, and when the shard wants the next one.
fn idle_turn(shards: &mut Shards) -> (u64, Next) {
    let before = shards.calls(0);
    let next = shards.turn(0);
    (shards.calls(0) - before, next)
}

#[test]
fn a_turn_after_many_connections_is_the_turn_of_a_fresh_shard() {
    let mut shards = Shards::new(1);
    shards.advance(Duration::from_secs(60));
    let fresh = idle_turn(&mut shards);
    assert_eq!(fresh.1, Next::At(Duration::MAX), "nothing is due in a fresh shard");
    let clients: Vec<_> = (0..SLOTS).map(|_| shards.connect(0)).collect();
    for client in clients {
        shards.end(client);
    }
    shards.advance(Duration::from_secs(60));
    assert_eq!(idle_turn(&mut shards), fresh);
}
