//! The log: lines to standard output, and to files if configured.
//!
//! Writing happens on threads of its own, so that a stuck terminal or disk never stops a shard; lines that find the queue
//! full are lost, and told of. Only this program's own events are logged, never those of libraries, so no payload gets
//! here.

mod destination;
mod file;

use crate::config::{LogFormat, LogLevel, Logging};
use crate::host::finding::Finding;
use crate::host::limits::LINES_WAITING_MAX;
use destination::{Destination, Lines, Losses, Stream};
use file::LogFiles;
use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use tracing_subscriber::filter::{EnvFilter, LevelFilter, filter_fn};
use tracing_subscriber::layer::{Layered, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt, reload};

/// What the log of this process has lost. There is one log, and it is read where metrics are collected.
static LOSSES: OnceLock<Losses> = OnceLock::new();

/// Lines that each destination of the log has lost since the start; nothing without a log.
pub(crate) fn lost_lines() -> Vec<(&'static str, u64)> {
    LOSSES.get().map(Losses::totals).unwrap_or_default()
}

/// What makes lines of events.
type Layers = Vec<Box<dyn Layer<Registry> + Send + Sync>>;

/// The log of this process. It keeps the writers alive; dropping it writes what still waits.
#[must_use = "the log ends when this is dropped"]
pub struct Log {
    writers: Writers,
    filter: reload::Handle<EnvFilter, Layered<Layers, Registry>>,
}

/// The threads that write.
#[derive(Debug, Clone)]
pub(crate) struct Writers(Arc<[Destination]>);

impl Writers {
    /// Writes what waits, for about a second at most. Later lines are lost.
    pub(crate) fn end(&self) {
        destination::end(&self.0);
    }
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log").finish_non_exhaustive()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.writers.end();
    }
}

impl Log {
    pub(crate) fn writers(&self) -> Writers {
        self.writers.clone()
    }

    /// Opens log files anew: another program may have moved them away.
    pub fn reopen(&self) {
        for destination in self.writers.0.iter() {
            destination.reopen();
        }
    }

    /// Sets the level as [`start`] does. `announce` logs something about it, under the level that shows more.
    pub fn set_level(&self, level: Option<LogLevel>, announce: impl FnOnce()) {
        let (filter, _) = filter(level);
        let set = |filter| {
            // It fails only when there is no log any more.
            let _ = self.filter.reload(filter);
        };
        if filter.max_level_hint() < Some(LevelFilter::current()) {
            announce();
            set(filter);
        } else {
            set(filter);
            announce();
        }
    }
}

/// Starts the log of this process. Only a program does this, never a library call.
///
/// # Errors
/// A sentence with the cure when the log file cannot be written, or a subscriber is there already.
pub fn start(logging: &Logging) -> Result<Log, String> {
    let failed = |error: &dyn std::fmt::Display| format!("the log cannot be started: {error}");
    let losses = Losses::new(&["stdout", "file"]);
    let mut writers = Vec::new();
    let mut layers = Layers::new();
    let stdout = io::stdout();
    let is_terminal = stdout.is_terminal();
    // A stream of its own: a thread that is stuck in a write must not hold the lock of the one that everybody uses.
    let stream = stdout.as_fd().try_clone_to_owned().map_err(|error| failed(&error))?;
    let stream = Stream(Lines::new(File::from(stream)));
    writers.push(Destination::start(0, LINES_WAITING_MAX, stream, &losses).map_err(|error| failed(&error))?);
    let for_people = if is_terminal { LogFormat::Text } else { LogFormat::Json };
    // https://no-color.org
    let ansi = is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    layers.push(layer(logging.format.unwrap_or(for_people), ansi, writers[0].clone()));
    if logging.enable_file_logging {
        let files = LogFiles::open(logging).map_err(|error| not_writable(logging, &error))?;
        let files = Destination::start(1, LINES_WAITING_MAX, files, &losses).map_err(|error| failed(&error))?;
        layers.push(layer(logging.format.unwrap_or(LogFormat::Json), false, files.clone()));
        writers.push(files);
    }
    let (filter, doubt) = filter(logging.level);
    let (filter, handle) = reload::Layer::new(filter);
    tracing_subscriber::registry()
        .with(layers)
        .with(filter)
        // Also where `RUST_LOG` asks for more.
        .with(filter_fn(|metadata| metadata.target().starts_with("signal_fish")))
        .try_init()
        .map_err(|error| failed(&error))?;
    let _ = LOSSES.set(losses);
    if let Some(doubt) = doubt {
        tracing::warn!("{doubt}");
    }
    Ok(Log {
        writers: Writers(writers.into()),
        filter: handle,
    })
}

/// Whether log files can be written, without writing one.
pub(crate) fn directory(logging: &Logging) -> Finding {
    const SUBJECT: &str = "log files";
    if !logging.enable_file_logging {
        return Finding::fine(SUBJECT, "off by logging.enable_file_logging");
    }
    // What does not exist yet is made, so the nearest directory above that does exist decides.
    let above = logging
        .dir
        .ancestors()
        .find(|dir| dir.exists() && !dir.as_os_str().is_empty());
    let existing = above.unwrap_or(Path::new("."));
    let access = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
    match rustix::fs::access(existing, access) {
        Ok(()) if existing.is_dir() => Finding::fine(SUBJECT, format!("can be written in {}", logging.dir.display())),
        Ok(()) => Finding::failure(
            SUBJECT,
            not_writable(logging, &format!("{} is no directory", existing.display())),
        ),
        Err(error) => Finding::failure(SUBJECT, not_writable(logging, &io::Error::from(error))),
    }
}

fn not_writable(logging: &Logging, error: &dyn std::fmt::Display) -> String {
    format!(
        "cannot write log files in {} ({error}): set logging.dir to a directory that can be written, or \
         logging.enable_file_logging to false; standard output always has the log",
        logging.dir.display()
    )
}

fn layer(format: LogFormat, ansi: bool, to: Destination) -> Box<dyn Layer<Registry> + Send + Sync> {
    // What cannot be formatted would be told on standard error, which may be stuck.
    let layer = fmt::layer().with_writer(to).with_ansi(ansi).log_internal_errors(false);
    match format {
        LogFormat::Json => layer.json().boxed(),
        LogFormat::Text => layer.boxed(),
    }
}

/// The configured level, else `RUST_LOG`, else info. A `RUST_LOG` that is not understood is reported and ignored.
fn filter(level: Option<LogLevel>) -> (EnvFilter, Option<String>) {
    let of = |level: LevelFilter| EnvFilter::default().add_directive(level.into());
    if let Some(level) = level {
        return (of(level.into()), None);
    }
    match std::env::var(EnvFilter::DEFAULT_ENV) {
        Ok(text) if !text.trim().is_empty() => match EnvFilter::try_new(&text) {
            Ok(filter) => (filter, None),
            Err(error) => (
                of(LevelFilter::INFO),
                Some(format!("RUST_LOG is not understood and ignored: {error}")),
            ),
        },
        _ => (of(LevelFilter::INFO), None),
    }
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Trace => Self::TRACE,
            LogLevel::Debug => Self::DEBUG,
            LogLevel::Info => Self::INFO,
            LogLevel::Warn => Self::WARN,
            LogLevel::Error => Self::ERROR,
        }
    }
}
