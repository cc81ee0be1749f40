//! What a shard with nothing to do costs. This must not grow with the connections that came and went.

use super::Path;
use signal_fish_simulator::shards::Shards;
use std::time::Duration;

pub(super) fn paths() -> Vec<Path> {
    vec![
        Path::new("shard/idle_turn_fresh", idle_turn(0)),
        Path::new("shard/idle_turn_after_100000_slots", idle_turn(100_000)),
    ]
}

fn idle_turn(slots: usize) -> impl FnMut() {
    let mut shards = Shards::new(1);
    let clients: Vec<_> = (0..slots).map(|_| shards.connect(0)).collect();
    for client in clients {
        shards.end(client);
    }
    // Reports and whatever else is due.
    shards.advance(Duration::from_secs(60));
    move || {
        shards.turn(0);
    }
}
