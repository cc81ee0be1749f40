//! What the server needs from the machine it runs on, checked before a player can notice that it is missing.

mod limits;
mod network;
mod rings;

pub use limits::{connections_by_open_files, raise_limits};

use crate::Config;
use std::fmt;

/// What was found about one thing the server needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub subject: &'static str,
    /// Whether it will do.
    pub state: State,
    /// What was found, and the cure where one is needed.
    pub text: String,
}

/// Whether something will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Yes.
    Fine,
    /// Yes, but it could be better.
    Advice,
    /// No: the server cannot run like this.
    Failure,
}

impl Finding {
    fn fine(subject: &'static str, text: impl Into<String>) -> Self {
        Self {
            subject,
            state: State::Fine,
            text: text.into(),
        }
    }

    fn advice(subject: &'static str, text: impl Into<String>) -> Self {
        Self {
            subject,
            state: State::Advice,
            text: text.into(),
        }
    }

    fn failure(subject: &'static str, text: impl Into<String>) -> Self {
        Self {
            subject,
            state: State::Failure,
            text: text.into(),
        }
    }
}

impl fmt::Display for Finding {
    /// A row of the table that `--check` prints.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Fine => "ok",
            State::Advice => "advice",
            State::Failure => "FAILED",
        };
        write!(f, "{state:<8}{:<16}{}", self.subject, self.text)
    }
}

/// Looks at everything. [`raise_limits`] comes first.
#[must_use]
pub fn check(config: &Config) -> Vec<Finding> {
    let cpus = crate::server::choose_cpus(config);
    let shards = cpus.as_ref().map_or(1, Vec::len);
    vec![
        rings::kernel(),
        rings::io_uring(),
        limits::locked_memory(shards),
        limits::open_files(config, shards),
        processors(config, cpus),
        network::backlog(),
        network::port(config),
        network::port_range(config),
        crate::logging::directory(&config.logging),
    ]
}

fn processors(config: &Config, chosen: Result<Vec<Option<usize>>, crate::StartError>) -> Finding {
    let cpus = match chosen {
        Ok(cpus) => cpus,
        Err(error) => {
            let cure = "name only CPUs of the affinity mask, or widen it (taskset, CPUAffinity= of systemd)";
            return Finding::failure("CPUs", format!("{error}; {cure}"));
        }
    };
    let pinned: Vec<_> = cpus.iter().flatten().map(usize::to_string).collect();
    if !pinned.is_empty() {
        return Finding::fine("CPUs", format!("{} shards on CPUs {}", cpus.len(), pinned.join(",")));
    }
    if config.shards.pin {
        let text = "more shards than CPUs, so none is pinned: lower shards.count";
        return Finding::advice("CPUs", format!("{} shards: {text}", cpus.len()));
    }
    Finding::fine("CPUs", format!("{} shards, unpinned", cpus.len()))
}
