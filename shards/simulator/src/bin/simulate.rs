//! Plays random schedules until one fails, or the time is over. One that fails is shrunk, and the command is told that
//! plays what is left of it again. `scripts/simulate.sh` builds and runs this.
#![forbid(unsafe_code)]

use signal_fish_simulator::Sequence;
use signal_fish_simulator::ledger::Rule;
use signal_fish_simulator::schedule::{Schedule, play, shrink};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How often it tells how far it is.
const TELL_EVERY: Duration = Duration::from_secs(60);

const USAGE: &str = "usage: simulate [MINUTESm | SEEDS] [--from SEED]
  nothing    random seeds until one fails
  5m         for five minutes
  10000      so many seeds
  --from 7   seeds 7, 8, 9, … instead of random ones";

thread_local! {
    /// Where and why the last panic was.
    static PANIC: RefCell<(String, String)> = RefCell::default();
}

struct Wanted {
    time: Option<Duration>,
    seeds: Option<u64>,
    from: Option<u64>,
}

fn main() -> ExitCode {
    let Some(wanted) = wanted(std::env::args().skip(1)) else {
        let _ = writeln!(io::stderr(), "{USAGE}");
        return ExitCode::from(2);
    };
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let text = info.payload_as_str().unwrap_or("a panic without a text").to_owned();
        PANIC.set((place, text));
    }));
    run(&wanted)
}

fn wanted(arguments: impl Iterator<Item = String>) -> Option<Wanted> {
    let mut wanted = Wanted {
        time: None,
        seeds: None,
        from: None,
    };
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        if argument == "--from" {
            wanted.from = Some(arguments.next()?.parse().ok()?);
        } else if let Some(minutes) = argument.strip_suffix('m') {
            wanted.time = Some(Duration::from_secs(minutes.parse::<u64>().ok()? * 60));
        } else {
            wanted.seeds = Some(argument.parse().ok()?);
        }
    }
    Some(wanted)
}

fn run(wanted: &Wanted) -> ExitCode {
    let start = Instant::now();
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut random = Sequence::new(u64::from(since_epoch.subsec_nanos()) ^ since_epoch.as_secs() << 30);
    let (mut seeds, mut time, mut compared, mut told) = (0_u64, Duration::ZERO, 0, start);
    let mut explained = BTreeMap::new();
    let tell = |seeds: u64, time: Duration, compared: u64, explained: &BTreeMap<Rule, u64>| {
        let hours = start.elapsed().as_secs_f64() / 3600.0;
        let simulated = time.as_secs_f64() / 3600.0;
        say(&format!(
            "{seeds} seeds ({:.0} per hour), {simulated:.1} simulated hours ({:.0} per hour), {compared} messages compared",
            seeds as f64 / hours,
            simulated / hours,
        ));
        say(&format!("  and did not have to come: {explained:?}"));
    };
    while wanted.time.is_none_or(|time| start.elapsed() < time) && wanted.seeds.is_none_or(|count| seeds < count) {
        let seed = match wanted.from {
            Some(from) => from.wrapping_add(seeds),
            None => random.seed(),
        };
        match attempt(&Schedule::of(seed)) {
            Ok(played) => {
                time += played.time;
                compared += played.compared;
                for (rule, count) in played.explained {
                    *explained.entry(rule).or_insert(0) += count;
                }
            }
            Err((place, text)) => {
                failed(seed, &place, &text);
                return ExitCode::FAILURE;
            }
        }
        seeds += 1;
        if told.elapsed() > TELL_EVERY {
            told = Instant::now();
            tell(seeds, time, compared, &explained);
        }
    }
    tell(seeds, time, compared, &explained);
    ExitCode::SUCCESS
}

fn attempt(schedule: &Schedule) -> Result<signal_fish_simulator::schedule::Played, (String, String)> {
    // Nothing of a world that has failed is looked at again.
    panic::catch_unwind(AssertUnwindSafe(|| play(schedule))).map_err(|_| PANIC.take())
}

fn failed(seed: u64, place: &str, text: &str) {
    say(&format!("seed {seed} fails at {place}:\n{text}\n\nshrinking …"));
    // What fails elsewhere is another fault.
    let smallest = shrink(&Schedule::of(seed), |part| {
        attempt(part).is_err_and(|(elsewhere, _)| elsewhere == place)
    });
    let (_, text) = attempt(&smallest).err().unwrap_or_default();
    say(&format!("\n{} steps are left:", smallest.steps.len()));
    for (step, kind) in smallest.kinds() {
        say(&format!("  {step:3} {kind:?}"));
    }
    say(&format!(
        "\nwhich fail with:\n{text}\n\nthis plays them again:\n  {}",
        smallest.command()
    ));
}

fn say(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}
