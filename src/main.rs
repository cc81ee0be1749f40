//! The server process: arguments, configuration, log, the check of the host, signals. The server itself is the library.
#![forbid(unsafe_code)]

use signal_fish_server::cli::{self, Answer, Command};
use signal_fish_server::config::{self, Change, Loaded, Resolved, Sources};
use signal_fish_server::control::Totals;
use signal_fish_server::host::{self, Finding, State};
use signal_fish_server::logging::{self, Log};
use signal_fish_server::minute::{self, Minute};
use signal_fish_server::notify::{self, ServiceManager};
use signal_fish_server::{Config, Server, ServerHandle, panics, tls};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How often the end of the certificate is looked at.
const DAY: Duration = Duration::from_secs(24 * 3600);

fn main() -> ExitCode {
    let answer = match cli::understand(std::env::args_os().skip(1), std::env::vars_os()) {
        Command::Print(answer) => answer,
        Command::Serve(sources) => match run(sources) {
            Ok(()) => return ExitCode::SUCCESS,
            Err(answer) => answer,
        },
    };
    // Whoever closed these streams does not want to read them.
    let _ = io::stdout().write_all(answer.out.as_bytes());
    let _ = io::stdout().flush();
    let _ = io::stderr().write_all(answer.err.as_bytes());
    ExitCode::from(answer.code)
}

fn run(sources: Sources) -> Result<(), Answer> {
    let failure = |error| Answer::failure(format!("Error: {error}\n"));
    // First of all, because a SIGHUP that nobody expects ends the process.
    let signals = receive_signals().map_err(|error| failure(format!("signals cannot be received: {error}")))?;
    let loaded = config::load(&sources).map_err(|faults| Answer::failure(cli::faults_text(&faults)))?;
    serve(&loaded, sources, &signals).map_err(failure)
}

/// Runs the server until a signal ends it (D35).
fn serve(loaded: &Loaded, sources: Sources, signals: &Receiver<i32>) -> Result<(), String> {
    let config = &loaded.config;
    host::raise_limits();
    let given = notify::passed_listener()?;
    let findings = host::check_with(config, given.is_some());
    let log = match logging::start(&config.logging) {
        Ok(log) => log,
        // The log directory is among the findings; what else is missing is said with it.
        Err(error) => return Err(failures(&findings).unwrap_or(error)),
    };
    panics::end_the_process(&log);
    announce(loaded);
    report(&findings);
    if let Some(failures) = failures(&findings) {
        return Err(failures);
    }
    let mut builder = Server::builder(config);
    if let Some(listener) = given {
        builder = builder.listener(listener);
    }
    let server = builder.start().map_err(|error| error.to_string())?;
    announce_start(config, &server);
    let manager = ServiceManager::from_environment();
    manager.ready(server.address());
    let sources = Sources {
        // What was read once is not optional any more: without it the defaults would open doors.
        file: loaded.file.clone().or(sources.file),
        ..sources
    };
    let mut running = loaded.resolved.clone();
    let mut config = config.clone();
    let mut day_ends = Instant::now() + DAY;
    let mut minute = Minute::default();
    let mut minute_ends = Instant::now() + minute::INTERVAL;
    let mut watchdog = Watchdog::of(&manager);
    let signal = loop {
        let wakes = watchdog.next.map_or(minute_ends, |next| next.min(minute_ends));
        let signal = match signals.recv_timeout(wakes.saturating_duration_since(Instant::now())) {
            Ok(signal) => signal,
            Err(RecvTimeoutError::Disconnected) => SIGTERM,
            Err(RecvTimeoutError::Timeout) => {
                if minute_ends <= Instant::now() {
                    minute.end(&server.totals());
                    minute_ends = Instant::now() + minute::INTERVAL;
                    if day_ends <= minute_ends {
                        day_ends += DAY;
                        if let Some(warning) = tls::expiry_warning(&config) {
                            tracing::warn!("{warning}");
                        }
                    }
                }
                watchdog.look(&manager, &server);
                continue;
            }
        };
        match signal {
            SIGHUP => {
                manager.reloading();
                log.reopen();
                if let Some(changed) = reload(&sources, &mut running, &server, &log) {
                    config = changed;
                }
                manager.ready(server.address());
            }
            signal => break signal,
        }
    };
    manager.stopping(config.server.drain_timeout_secs);
    tell_totals(&server.totals(), "so far");
    tracing::info!(
        signal,
        seconds = config.server.drain_timeout_secs,
        "draining; a second signal ends at once"
    );
    let ended = server.shutdown();
    match &ended {
        Ok(totals) => {
            minute.end(totals);
            tell_totals(totals, "ended");
        }
        Err(error) => tracing::error!(%error, "ended"),
    }
    ended.map(drop).map_err(|error| error.to_string())
}

/// Tells the service manager that the server is well, for as long as it is.
struct Watchdog {
    /// When it is told next; nothing if it does not want to be told.
    next: Option<Instant>,
    was_well: bool,
}

impl Watchdog {
    fn of(manager: &ServiceManager) -> Self {
        Self {
            next: manager.watchdog_interval().map(|interval| Instant::now() + interval),
            was_well: true,
        }
    }

    fn look(&mut self, manager: &ServiceManager, server: &ServerHandle) {
        let is_due = self.next.is_some_and(|next| next <= Instant::now());
        let Some(interval) = manager.watchdog_interval().filter(|_| is_due) else {
            return;
        };
        let is_well = server.answers();
        if is_well {
            manager.is_well();
        }
        if is_well != self.was_well {
            if is_well {
                tracing::info!("every shard answers again");
            } else {
                tracing::error!(
                    "a shard or the control plane does not answer; the service manager is not told that all is well"
                );
            }
            self.was_well = is_well;
        }
        self.next = Some(Instant::now() + interval);
    }
}

/// Reads the configuration again and applies what may change while the server runs (D45). A faulty one changes nothing.
/// Returns the configuration that holds from now on.
fn reload(sources: &Sources, running: &mut Resolved, server: &ServerHandle, log: &Log) -> Option<Config> {
    let loaded = match config::load(sources) {
        Ok(loaded) => loaded,
        Err(faults) => {
            for fault in faults.to_string().lines() {
                tracing::error!("the configuration stays as it is: {}", fault.trim());
            }
            return None;
        }
    };
    let Change { applied, waiting } = running.reload(&loaded.resolved);
    if let Err(error) = server.reload(&loaded.config) {
        tracing::error!(%error, "the configuration was not applied everywhere");
    }
    let announce = || {
        tracing::info!(applied = applied.join(", "), "the configuration was reloaded");
        for warning in &loaded.warnings {
            tracing::warn!("{warning}");
        }
        if !waiting.is_empty() {
            tracing::warn!(keys = waiting.join(", "), "these keys changed and need a restart");
        }
    };
    if applied.contains(&"logging.level") {
        log.set_level(loaded.config.logging.level, announce);
    } else {
        announce();
    }
    Some(loaded.config)
}

/// What was counted since the start, and what is held now. After the end nothing may be held.
fn tell_totals(totals: &Totals, when: &str) {
    tracing::info!(
        connections = totals.admission.connections_total,
        rooms = totals.admission.rooms_opened_total,
        messages_out = totals.sum(|shard| shard.counters.messages_out),
        bytes_out = totals.sum(|shard| shard.counters.bytes_out),
        sends = totals.sum(|shard| shard.counters.sends),
        receives = totals.sum(|shard| shard.counters.receives),
        tickets_refused = totals.sum(|shard| shard.counters.tickets_refused),
        senders_paused = totals.sum(|shard| shard.counters.senders_paused),
        closed_slow = totals.sum(|shard| shard.counters.closed_slow),
        closed_silent = totals.sum(|shard| shard.counters.closed_silent),
        closed_incomplete = totals.sum(|shard| shard.counters.closed_incomplete),
        closed_invalid = totals.sum(|shard| shard.signal_fish.closed_invalid),
        connections_held = totals.connections() as u64,
        sessions_held = totals.sum(|shard| shard.gauges.sessions as u64),
        rooms_held = totals.sum(|shard| shard.gauges.rooms as u64),
        players_held = totals.sum(|shard| shard.gauges.players as u64),
        spectators_held = totals.sum(|shard| shard.gauges.spectators as u64),
        awaited_held = totals.sum(|shard| shard.gauges.awaited as u64),
        openings_held = totals.sum(|shard| shard.gauges.openings as u64),
        tickets_held = totals.admission.connections_active,
        permits_held = totals.admission.rooms_active,
        "{when}"
    );
}

/// The first line of the log, and what the operator should know about the configuration.
fn announce(loaded: &Loaded) {
    let file = loaded
        .file
        .as_ref()
        .map_or("none".to_owned(), |path| path.display().to_string());
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        config = file,
        "{}",
        cli::NAME_AND_VERSION
    );
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    if !loaded.without_effect.is_empty() {
        tracing::debug!(
            keys = loaded.without_effect.join(", "),
            "keys without effect in this server"
        );
    }
}

fn report(findings: &[Finding]) {
    for Finding { subject, state, text } in findings {
        match state {
            State::Fine => tracing::debug!("{subject}: {text}"),
            State::Advice => tracing::info!("{subject}: {text}"),
            State::Failure => tracing::error!("{subject}: {text}"),
        }
    }
}

/// Everything that keeps the server from running, if something does.
fn failures(findings: &[Finding]) -> Option<String> {
    let failed = findings.iter().filter(|finding| finding.state == State::Failure);
    let lines: Vec<_> = failed
        .map(|finding| format!("{}: {}", finding.subject, finding.text))
        .collect();
    (!lines.is_empty()).then(|| lines.join("\nError: "))
}

/// The lines by which operators and tests see that the server serves. The text of the first one is stable.
fn announce_start(config: &Config, server: &ServerHandle) {
    let address = server.address();
    tracing::info!(%address, "listening on {address}");
    for (name, address) in server.other_addresses() {
        tracing::info!(%address, "{name} listens on {address}");
    }
    let cpus: Vec<_> = server
        .cpus()
        .iter()
        .map(|cpu| cpu.map_or("any".to_owned(), |cpu| cpu.to_string()))
        .collect();
    tracing::info!(
        shards = cpus.len(),
        cpus = cpus.join(","),
        connections_max = config.connections_max(),
        connections_per_ip_max = config.security.max_connections_per_ip,
        message_bytes_max = config.security.max_message_size,
        outbound_bytes_max = config.websocket.max_outbound_bytes,
        region = config.server.region_id,
        "serving"
    );
    for door in config.open_doors() {
        tracing::warn!("{door}");
    }
}

/// Receives SIGHUP, and the first SIGTERM or SIGINT; a second one of these ends the process at once.
fn receive_signals() -> io::Result<Receiver<i32>> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    let (sender, receiver) = channel();
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let mut stopping = false;
        for signal in signals.forever() {
            if signal != SIGHUP && std::mem::replace(&mut stopping, true) {
                signal_hook::low_level::exit(128 + signal);
            }
            // Nobody receives any more when the process is about to end.
            let _ = sender.send(signal);
        }
    })?;
    Ok(receiver)
}
