//! Repeats every path of `signal_fish_bench::paths` a fixed number of times, so that callgrind can count the instructions of
//! one: `scripts/instructions.sh` runs it. Prints a line for each call of [`measured`]: its name and number of operations.
#![forbid(unsafe_code)]

use signal_fish_bench::paths::{self, Path};
use std::io::{self, Write};
use std::process::ExitCode;

/// Operations before counting begins: buffers and maps reach their size.
const WARM_UP: u32 = 200;
/// Operations that are counted.
const COUNTED: u32 = 1000;

fn main() -> ExitCode {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    let mut out = io::stdout().lock();
    for mut path in paths::all() {
        if !path.name.starts_with(&wanted) {
            continue;
        }
        for _ in 0..WARM_UP {
            path.run();
        }
        measured(&mut path);
        if writeln!(out, "{} {COUNTED}", path.name).is_err() {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// What is counted; callgrind finds it by its name.
#[inline(never)]
fn measured(path: &mut Path) {
    for _ in 0..COUNTED {
        path.run();
    }
}
