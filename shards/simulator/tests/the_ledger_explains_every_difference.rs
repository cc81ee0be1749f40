//! Clients of every kind, on networks that do everything that networks do: what was promised comes, in its order, or a rule
//! of the protocol explains why it does not. `SIM_SEED` plays one seed again, `SIM_STEPS` some of its steps.

use signal_fish_simulator::schedule::{Schedule, play};
use signal_fish_simulator::seeds;
use std::collections::BTreeMap;

const TEST: &str = "the_ledger_explains_every_difference";

/// As many as a debug build plays in half a minute of one core.
const SEEDS: usize = 600;

#[test]
fn under_random_schedules() {
    let mut compared = 0;
    let mut explained = BTreeMap::new();
    seeds(TEST, SEEDS, |seed| {
        let played = play(&Schedule::replayed(seed));
        compared += played.compared;
        for (rule, count) in played.explained {
            *explained.entry(rule).or_insert(0) += count;
        }
    });
    if std::env::var_os("SIM_SEED").is_none() {
        assert!(compared > 60_000, "only {compared} messages were compared");
        assert!(explained.len() >= 6, "few rules were needed: {explained:?}");
    }
}

#[test]
fn the_same_seed_goes_the_same_way() {
    for seed in 0..10 {
        let schedule = Schedule::of(seed);
        assert_eq!(play(&schedule), play(&schedule), "seed {seed}");
    }
}

/// Seeds that once found a fault: a client that could not move and did not read was not told why it ended; one that its
/// protocol closed while its outbox was over its bound got no close frame.
#[test]
fn seeds_that_found_faults_are_played_again() {
    for seed in [595, 307_922] {
        assert!(play(&Schedule::of(seed)).compared > 0, "seed {seed}");
    }
}
