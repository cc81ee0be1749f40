//! The log: lines to standard output, and to files if configured.
//!
//! Writing happens on threads of its own, so that a stuck terminal or disk never stops a shard; lines that find the queue
//! full are lost. Only this program's own events are logged, never those of libraries, so no payload gets here.

use crate::config::{LogFormat, LogLevel, LogRotation, Logging};
use crate::host::finding::Finding;
use std::io::{self, IsTerminal};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::filter::{EnvFilter, LevelFilter};
use tracing_subscriber::layer::{Layered, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt, reload};

/// Lines that may wait to be written, per destination.
pub(crate) const LINES_WAITING_MAX: usize = 16 * 1024;

/// Where lines go.
type Layers = Vec<Box<dyn Layer<Registry> + Send + Sync>>;

/// The log of this process. It keeps the writers alive; dropping it writes what still waits.
#[must_use = "the log ends when this is dropped"]
pub struct Log {
    writers: Writers,
    filter: reload::Handle<EnvFilter, Layered<Layers, Registry>>,
}

/// The threads that write.
#[derive(Debug, Clone)]
pub(crate) struct Writers(Arc<Mutex<Vec<WorkerGuard>>>);

impl Writers {
    /// Writes what waits, for about a second per destination at most. Later lines are lost.
    pub(crate) fn end(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
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
    let mut writers = Vec::new();
    let mut layers = Layers::new();
    let ansi = io::stdout().is_terminal();
    layers.push(layer(
        logging.format,
        ansi,
        writer(io::stdout(), "log-stdout", &mut writers),
    ));
    if logging.enable_file_logging {
        let file = open(logging).map_err(|error| not_writable(logging, &error))?;
        layers.push(layer(logging.format, false, writer(file, "log-file", &mut writers)));
    }
    let (filter, doubt) = filter(logging.level);
    let (filter, handle) = reload::Layer::new(filter);
    tracing_subscriber::registry()
        .with(layers)
        .with(filter)
        .try_init()
        .map_err(|error| format!("the log cannot be started: {error}"))?;
    if let Some(doubt) = doubt {
        tracing::warn!("{doubt}");
    }
    Ok(Log {
        writers: Writers(Arc::new(Mutex::new(writers))),
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

fn open(logging: &Logging) -> Result<RollingFileAppender, tracing_appender::rolling::InitError> {
    let rotation = match logging.rotation {
        LogRotation::Daily => Rotation::DAILY,
        LogRotation::Hourly => Rotation::HOURLY,
        LogRotation::Never => Rotation::NEVER,
    };
    RollingFileAppender::builder()
        .rotation(rotation)
        .filename_prefix(&logging.filename)
        .build(&logging.dir)
}

fn writer(to: impl io::Write + Send + 'static, thread: &str, guards: &mut Vec<WorkerGuard>) -> NonBlocking {
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(LINES_WAITING_MAX)
        .lossy(true)
        .thread_name(thread)
        .finish(to);
    guards.push(guard);
    writer
}

fn layer(format: LogFormat, ansi: bool, writer: NonBlocking) -> Box<dyn Layer<Registry> + Send + Sync> {
    let layer = fmt::layer().with_writer(writer).with_ansi(ansi);
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
