//! The command line of the load generator.
#![forbid(unsafe_code)]

mod cli;
mod output;

use signal_fish_loadtest::limit::find_limit;
use signal_fish_loadtest::report::{Report, html, text};
use signal_fish_loadtest::{comparison, floor, run};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

fn main() -> ExitCode {
    let arguments: cli::Arguments = argh::from_env();
    match carry_out(&arguments) {
        Ok(well) => ExitCode::from(u8::from(!well)),
        Err(reason) => {
            output::error(&reason);
            ExitCode::from(2)
        }
    }
}

/// True if nothing was lost, refused or failed.
fn carry_out(arguments: &cli::Arguments) -> Result<bool, String> {
    if arguments.load == "floor" {
        let found = floor::measure(&arguments.floor())?;
        output::line(&found.summary());
        return write(arguments.json.as_deref(), &found.to_json()).map(|()| true);
    }
    if arguments.load == "compare" {
        let found = comparison::compare(std::path::Path::new(arguments.results()?))?;
        output::line(&found.markdown);
        write(arguments.markdown.as_deref(), &found.markdown)?;
        return write(arguments.html.as_deref(), &found.page).map(|()| true);
    }
    let plan = arguments.plan()?;
    let stop = stop_flag()?;
    let mut live = output::Live::new();
    let report = match arguments.find_limit() {
        Some(p99_ms_max) => {
            let tell = std::cell::RefCell::new(&mut live);
            find_limit(
                &plan,
                p99_ms_max,
                &stop,
                &mut |sample| tell.borrow_mut().show(&text::progress_line(sample)),
                &mut |step| tell.borrow_mut().keep(&text::step_line(step)),
            )?
        }
        None => Report::new(&run(&plan, &stop, &mut |sample| {
            live.show(&text::progress_line(sample))
        })?),
    };
    live.clear();
    output::line(&text::summary(&report));
    let json = if arguments.brief {
        report.to_brief_json()
    } else {
        report.to_json()
    };
    write(arguments.json.as_deref(), &json)?;
    if arguments.html.is_some() {
        write(arguments.html.as_deref(), &html::page(&report))?;
    }
    let failed = report.connections.failed + report.connections.lost + report.failed;
    Ok(report.messages.is_clean() && failed == 0)
}

/// Set by the first SIGINT or SIGTERM. One that comes later than a second after it ends the process; a second one at once
/// is taken for the same request, as some tools signal a process and its group.
fn stop_flag() -> Result<Arc<AtomicBool>, String> {
    let fault = |error: std::io::Error| format!("cannot watch for Ctrl-C: {error}");
    let stop = Arc::new(AtomicBool::new(false));
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(fault)?;
    let flag = Arc::clone(&stop);
    let watch = move || {
        let mut first: Option<Instant> = None;
        for _ in signals.forever() {
            flag.store(true, Ordering::SeqCst);
            if first.get_or_insert_with(Instant::now).elapsed() > Duration::from_secs(1) {
                std::process::exit(130);
            }
        }
    };
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(watch)
        .map_err(fault)?;
    Ok(stop)
}

fn write(path: Option<&str>, content: &str) -> Result<(), String> {
    let Some(path) = path else { return Ok(()) };
    std::fs::write(path, content).map_err(|error| format!("cannot write {path}: {error}"))
}
