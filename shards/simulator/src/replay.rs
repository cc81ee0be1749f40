//! Seeds of random tests. A seed that fails is named with the command that plays it again.

use crate::random::Sequence;
use rand::Rng;
use std::io::{self, Write};

/// The variable that names the only seed to play.
const VARIABLE: &str = "SIM_SEED";

/// Plays `count` seeds, or the one that `SIM_SEED` names. `test` is the name of the file of the test.
///
/// # Panics
/// If `SIM_SEED` is no number, and where `play` does.
pub fn seeds(test: &str, count: usize, mut play: impl FnMut(u64)) {
    if let Ok(seed) = std::env::var(VARIABLE) {
        return play(seed.parse().expect("SIM_SEED is a number"));
    }
    let mut random = Sequence::stream(0, 1);
    for _ in 0..count {
        let seed = random.next_u64();
        let failing = Failing { test, seed };
        play(seed);
        std::mem::forget(failing);
    }
}

/// Says how to play a seed again if it is dropped by a panic.
struct Failing<'a> {
    test: &'a str,
    seed: u64,
}

impl Drop for Failing<'_> {
    fn drop(&mut self) {
        let Self { test, seed } = self;
        let command = format!("{VARIABLE}={seed} cargo test -p signal-fish-simulator --test {test}");
        let _ = writeln!(io::stderr(), "this plays the failing seed again:\n  {command}");
    }
}
