//! `logging.*`: what is logged, and where.

use crate::config::check;
use crate::config::key::Kind::{Bool, Choice, Integer, OptionalChoice, Text};
use crate::config::key::key;
use crate::config::section::section;
use serde::Deserialize;
use serde_json::Value;
use std::path::PathBuf;

section! {
    /// `logging.*`.
    pub struct Logging {
        /// Least severe level that is logged. Null: what `RUST_LOG` says, else `info`.
        pub level: Option<LogLevel> = key(
            "logging.level",
            OptionalChoice(&["trace", "debug", "info", "warn", "warning", "error", "err"]),
            Value::Null,
        )
        .weigh("`debug` and `trace` cost time on every connection; no level shows what players send.")
        .reloads();

        /// Form of the log: a JSON object per line, or text for people. Null: text on a terminal, JSON elsewhere.
        pub format: Option<LogFormat> = key("logging.format", OptionalChoice(&["json", "text"]), Value::Null);

        /// Whether the log also goes to files; it always goes to standard output.
        pub enable_file_logging: bool = key("logging.enable_file_logging", Bool, true).weigh(
            "The server does not start if it cannot write there. Under a service manager that keeps standard output, turn \
             it off.",
        );

        /// Directory of the log files; created if missing. Relative to the working directory.
        pub dir: PathBuf = key("logging.dir", Text(check::NOT_EMPTY), "logs")
            .weigh("A disk that fills up costs lines, which are counted, and nothing else.");

        /// Name of the log file; rotation appends the date, in UTC.
        pub filename: String = key("logging.filename", Text(check::FILE_NAME), "server.log");

        /// When a new log file begins.
        pub rotation: LogRotation = key("logging.rotation", Choice(&["daily", "hourly", "never"]), "daily")
            .weigh("`never` lets one file grow without bound, unless another program moves it away and sends SIGHUP.");

        /// Log files that rotation leaves in the directory, the one that is written included; older ones are deleted.
        pub max_files: usize = key("logging.max_files", Integer(0, 100_000), 30)
            .unit("files")
            .weigh("0 deletes none. Only files named `logging.filename`, a dot and a date are counted and deleted.");
    }
}

/// `logging.level`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Everything.
    Trace,
    /// What a developer looks for.
    Debug,
    /// What an operator wants to know.
    Info,
    /// What an operator should look into.
    #[serde(alias = "warning")]
    Warn,
    /// What went wrong.
    #[serde(alias = "err")]
    Error,
}

/// `logging.format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// A JSON object per line.
    Json,
    /// Text for people.
    Text,
}

/// `logging.rotation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogRotation {
    /// A file per day.
    Daily,
    /// A file per hour.
    Hourly,
    /// One file.
    Never,
}
