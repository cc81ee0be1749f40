//! The server process: arguments, configuration, log, the check of the host, signals. The server itself is the library.
#![forbid(unsafe_code)]

use signal_fish_server::cli::{self, Answer, Command};
use signal_fish_server::config::{self, Loaded};
use signal_fish_server::control::Totals;
use signal_fish_server::host::{self, Finding, State};
use signal_fish_server::{Config, Server, ServerHandle, logging};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, channel};

fn main() -> ExitCode {
    let answer = match cli::understand(std::env::args_os().skip(1), std::env::vars_os()) {
        Command::Print(answer) => answer,
        Command::Serve(sources) => match config::load(&sources) {
            Ok(loaded) => match serve(&loaded) {
                Ok(()) => return ExitCode::SUCCESS,
                Err(error) => Answer::failure(format!("Error: {error}\n")),
            },
            Err(faults) => Answer::failure(cli::faults_text(&faults)),
        },
    };
    // Whoever closed these streams does not want to read them.
    let _ = io::stdout().write_all(answer.out.as_bytes());
    let _ = io::stdout().flush();
    let _ = io::stderr().write_all(answer.err.as_bytes());
    ExitCode::from(answer.code)
}

/// Runs the server until a signal ends it (D35).
fn serve(loaded: &Loaded) -> Result<(), String> {
    let config = &loaded.config;
    host::raise_limits();
    let findings = host::check(config);
    let _log = match logging::start(&config.logging) {
        Ok(log) => log,
        // The log directory is among the findings; what else is missing is said with it.
        Err(error) => return Err(failures(&findings).unwrap_or(error)),
    };
    log_panics();
    let stop = stop_signals().map_err(|error| format!("signals cannot be received: {error}"))?;
    announce(loaded);
    report(&findings);
    if let Some(failures) = failures(&findings) {
        return Err(failures);
    }
    let server = Server::start(config).map_err(|error| error.to_string())?;
    announce_start(config, &server);
    let signal = stop.recv().unwrap_or(SIGTERM);
    tell_totals(&server.totals(), "so far");
    tracing::info!(
        signal,
        seconds = config.server.drain_timeout_secs,
        "draining; a second signal ends at once"
    );
    let ended = server.shutdown();
    match &ended {
        Ok(totals) => tell_totals(totals, "ended"),
        Err(error) => tracing::error!(%error, "ended"),
    }
    ended.map(drop).map_err(|error| error.to_string())
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

/// A panic is logged, and told to standard error as well: the process may end before the log is written.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("unnamed").to_owned();
        let backtrace = std::backtrace::Backtrace::force_capture();
        tracing::error!(thread = name, "{panic}");
        let _ = writeln!(io::stderr(), "thread {name}: {panic}\n{backtrace}");
    }));
}

/// Receives the first SIGTERM or SIGINT; the second one ends the process at once.
fn stop_signals() -> io::Result<Receiver<i32>> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let (sender, receiver) = channel();
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let mut signals = signals.forever();
        if let Some(first) = signals.next() {
            let _ = sender.send(first);
        }
        if let Some(second) = signals.next() {
            signal_hook::low_level::exit(128 + second);
        }
    })?;
    Ok(receiver)
}
