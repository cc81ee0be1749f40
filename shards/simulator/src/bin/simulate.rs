//! Plays random schedules until one fails, or the time is over. One that fails is shrunk, and the command is told that
//! plays what is left of it again. `scripts/simulate.sh` builds and runs this.
#![forbid(unsafe_code)]

use signal_fish_simulator::Sequence;
use signal_fish_simulator::ledger::Rule;
use signal_fish_simulator::schedule::{Played, Schedule, play, shrink};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How often it tells how far it is.
const TELL_EVERY: Duration = Duration::from_secs(15);
/// What one seed may take on a busy machine. Most take a hundredth of a second.
const SEED_TIME_MAX: Duration = Duration::from_secs(60);

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

/// What is played, and since when.
#[derive(Debug, Clone, Default)]
struct Playing(Arc<Mutex<Option<(Schedule, Instant)>>>);

impl Playing {
    fn set(&self, playing: Option<(Schedule, Instant)>) {
        if let Ok(mut place) = self.0.lock() {
            *place = playing;
        }
    }

    /// Ends the process when one seed takes too long, wherever that is, and tells which. A schedule that only has too many
    /// turns is found by the world itself.
    fn watch(&self) {
        let playing = self.clone();
        thread::spawn(move || {
            loop {
                thread::sleep(SEED_TIME_MAX / 60);
                let place = playing.0.lock().ok().and_then(|place| place.clone());
                if let Some((schedule, since)) = place.filter(|(_, since)| since.elapsed() > SEED_TIME_MAX) {
                    say(&format!(
                        "seed {} plays for {:?} and does not end. This plays it again:\n  {}",
                        schedule.seed,
                        since.elapsed(),
                        schedule.command()
                    ));
                    std::process::exit(1);
                }
            }
        });
    }
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
    let (mut tally, mut told) = (Tally::default(), start);
    let playing = Playing::default();
    playing.watch();
    say("playing");
    while wanted.time.is_none_or(|time| start.elapsed() < time) && wanted.seeds.is_none_or(|count| tally.seeds < count)
    {
        let seed = match wanted.from {
            Some(from) => from.wrapping_add(tally.seeds),
            None => random.seed(),
        };
        if let Err((place, text)) = attempt(&Schedule::of(seed), &playing, |played| tally.add(seed, played)) {
            failed(seed, &place, &text, &playing);
            return ExitCode::FAILURE;
        }
        if told.elapsed() > TELL_EVERY {
            told = Instant::now();
            tally.tell(start.elapsed());
        }
    }
    tally.tell(start.elapsed());
    ExitCode::SUCCESS
}

/// What all seeds together came to.
#[derive(Debug, Default)]
struct Tally {
    seeds: u64,
    time: Duration,
    compared: u64,
    explained: BTreeMap<Rule, u64>,
    /// Most rounds of a seed, and which it was.
    longest: (u64, u64),
}

impl Tally {
    fn add(&mut self, seed: u64, played: Played) {
        self.seeds += 1;
        self.time += played.time;
        self.compared += played.compared;
        self.longest = self.longest.max((played.rounds, seed));
        for (rule, count) in played.explained {
            *self.explained.entry(rule).or_insert(0) += count;
        }
    }

    fn tell(&self, elapsed: Duration) {
        let hours = elapsed.as_secs_f64() / 3600.0;
        let simulated = self.time.as_secs_f64() / 3600.0;
        let Self { seeds, compared, .. } = self;
        let (rounds, longest) = self.longest;
        say(&format!(
            "{seeds} seeds ({:.0} per hour), {simulated:.1} simulated hours ({:.0} per hour), {compared} messages \
             compared, seed {longest} took most rounds: {rounds}",
            *seeds as f64 / hours,
            simulated / hours,
        ));
        say(&format!("  and did not have to come: {:?}", self.explained));
    }
}

fn attempt(schedule: &Schedule, playing: &Playing, then: impl FnOnce(Played)) -> Result<(), (String, String)> {
    playing.set(Some((schedule.clone(), Instant::now())));
    // Nothing of a world that has failed is looked at again.
    let played = panic::catch_unwind(AssertUnwindSafe(|| play(schedule)));
    playing.set(None);
    played.map(then).map_err(|_| PANIC.take())
}

fn failed(seed: u64, place: &str, text: &str, playing: &Playing) {
    say(&format!("seed {seed} fails at {place}:\n{text}\n\nshrinking …"));
    // What fails elsewhere is another fault.
    let smallest = shrink(&Schedule::of(seed), |part| {
        attempt(part, playing, drop).is_err_and(|(elsewhere, _)| elsewhere == place)
    });
    let (_, text) = attempt(&smallest, playing, drop).err().unwrap_or_default();
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
