//! A panic ends the process, whichever thread it happens on: a server without one of its shards or without its control
//! plane would take clients and not serve them.

use crate::logging::{Log, Writers};
use std::backtrace::Backtrace;
use std::io::{self, Write};
use std::panic::PanicHookInfo;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Exit status after a panic: EX_SOFTWARE of sysexits.
pub const EXIT_STATUS: i32 = 70;

/// How long the last words may take; a terminal or a disk may be stuck.
const LAST_WORDS_MAX: Duration = Duration::from_secs(5);

/// From now on a panic of any thread is written to standard error and to `log`, and ends the process. Only a program does
/// this, never a library call.
pub fn end_the_process(log: &Log) {
    let writers = log.writers();
    std::panic::set_hook(Box::new(move |panic| end(panic, &writers)));
}

fn end(panic: &PanicHookInfo<'_>, writers: &Writers) {
    static ENDING: AtomicBool = AtomicBool::new(false);
    let thread = thread::current();
    let name = thread.name().unwrap_or("unnamed");
    let said = describe(panic);
    let is_first = !ENDING.swap(true, Ordering::SeqCst);
    if is_first {
        // Whatever hangs from here on.
        let _ = thread::Builder::new().name("end".to_owned()).spawn(|| {
            thread::sleep(LAST_WORDS_MAX);
            signal_hook::low_level::exit(EXIT_STATUS);
        });
    }
    tell(&format!("thread {name} {said}\n"));
    if !is_first {
        // The first one ends the process.
        loop {
            thread::park();
        }
    }
    tracing::error!(thread = name, "thread {name} {said}");
    writers.end();
    tell(&format!("{}\n", Backtrace::force_capture()));
    signal_hook::low_level::exit(EXIT_STATUS);
}

/// Place and message in one line.
fn describe(panic: &PanicHookInfo<'_>) -> String {
    let place = panic.location().map_or("nowhere".to_owned(), ToString::to_string);
    let message = panic.payload_as_str().unwrap_or("no message").replace('\n', " ");
    format!("panicked at {place}: {message}")
}

/// Writes to standard error past every queue.
fn tell(text: &str) {
    let mut stderr = io::stderr();
    let _ = stderr.write_all(text.as_bytes());
    let _ = stderr.flush();
}
