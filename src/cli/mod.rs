//! The command line.

mod verbs;

use crate::config::{self, Faults, Loaded, Sources, manual};
use crate::host::{self, State};
use crate::operator;
use crate::tls;
use argh::{EarlyExit, FromArgs};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::PathBuf;
use verbs::Verb;

/// Signaling and relay server for multiplayer games, for clients of the Signal Fish protocol v2.
#[derive(FromArgs, Debug)]
#[argh(
    help_triggers("-h", "--help", "help"),
    example = "Start with the defaults, or with ./config.json if it is there:\n  {command_name}",
    example = "Start on another port, on this machine alone, with two shards:\n  {command_name} --bind 127.0.0.1 --port 8080 --shards 2",
    example = "Leave CPUs 0 and 1 to the network card:\n  {command_name} --cpus 2-7",
    example = "Ask a running server, with its configuration and SIGNAL_FISH_SECURITY__ADMIN_TOKEN:\n  {command_name} rooms --game chess\n  {command_name} ban 192.0.2.7 --seconds 600",
    example = "Look for mistakes before a restart:\n  {command_name} --config /etc/signal-fish.json --validate-config\n  {command_name} --config /etc/signal-fish.json --check",
    note = "Every key of the configuration can be set in the environment: SIGNAL_FISH_SERVER__PING_TIMEOUT=60 sets server.ping_timeout. Flags win over the environment, the environment over the file. docs/configuration.md lists all keys.",
    error_code(1, "The configuration has faults, the host lacks something, or the server failed."),
    error_code(2, "The command line is wrong.")
)]
struct Flags {
    /// configuration file; without it ./config.json is read if it is there
    #[argh(option, arg_name = "path")]
    config: Option<PathBuf>,
    /// TCP port, 0 for any free one
    #[argh(option, arg_name = "number")]
    port: Option<String>,
    /// address to listen on, IPv4 or IPv6
    #[argh(option, arg_name = "address")]
    bind: Option<String>,
    /// number of shards, 0 for one per available CPU
    #[argh(option, arg_name = "number")]
    shards: Option<String>,
    /// CPUs for the shards, such as 0-3,6
    #[argh(option, arg_name = "list")]
    cpus: Option<String>,
    /// let the system move shards between CPUs
    #[argh(switch)]
    no_pin: bool,
    /// check the configuration, say every fault, and end
    #[argh(switch, short = 'c')]
    validate_config: bool,
    /// print the configuration as it comes out of all sources, without secrets, and end
    #[argh(switch)]
    print_config: bool,
    /// check what this machine lacks, and end
    #[argh(switch)]
    check: bool,
    /// print the version and end
    #[argh(switch, short = 'V')]
    version: bool,
    #[argh(subcommand)]
    verb: Option<Verb>,
}

/// What the process was asked for.
#[derive(Debug)]
pub enum Command {
    /// Serve.
    Serve(Sources),
    /// Print something and end.
    Print(Answer),
}

/// Something to print before the process ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// For standard output.
    pub out: String,
    /// For standard error.
    pub err: String,
    /// Exit code.
    pub code: u8,
}

impl Answer {
    fn good(out: impl Into<String>) -> Self {
        Self {
            out: out.into(),
            err: String::new(),
            code: 0,
        }
    }

    /// The process failed, and why.
    #[must_use]
    pub fn failure(err: impl Into<String>) -> Self {
        Self {
            out: String::new(),
            err: err.into(),
            code: 1,
        }
    }

    fn misuse(err: impl Into<String>) -> Self {
        Self {
            out: String::new(),
            err: err.into(),
            code: 2,
        }
    }
}

/// The name and version, as `--version` prints them.
pub const NAME_AND_VERSION: &str = concat!("signal-fish-server ", env!("CARGO_PKG_VERSION"));

/// Understands the arguments, the program's name not among them, and answers what can be answered at once.
#[must_use]
pub fn understand(
    arguments: impl IntoIterator<Item = OsString>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Command {
    let flags = match parse(arguments) {
        Ok(flags) => flags,
        Err(answer) => return Command::Print(answer),
    };
    if flags.version {
        return Command::Print(Answer::good(format!("{NAME_AND_VERSION}\n")));
    }
    let answering = [
        flags.validate_config,
        flags.print_config,
        flags.check,
        flags.verb.is_some(),
    ];
    if answering.into_iter().filter(|asked| *asked).count() > 1 {
        let text = "--validate-config, --print-config, --check and the commands exclude each other\n";
        return Command::Print(Answer::misuse(text));
    }
    let (validate, print, check) = (flags.validate_config, flags.print_config, flags.check);
    let request = flags.verb.as_ref().map(Verb::request);
    let sources = flags.into_sources(environment.into_iter().collect());
    if validate {
        Command::Print(answer(&sources, summary))
    } else if print {
        Command::Print(answer(&sources, |loaded| Answer::good(manual::json(&loaded.resolved))))
    } else if check {
        Command::Print(answer(&sources, host_table))
    } else if let Some((method, target)) = request {
        Command::Print(answer(&sources, |loaded| {
            match operator::ask(&loaded.config, method, &target) {
                Ok(text) => Answer::good(text),
                Err(error) => Answer::failure(format!("Error: {error}\n")),
            }
        }))
    } else {
        Command::Serve(sources)
    }
}

/// What an operator reads when the configuration cannot be used.
#[must_use]
pub fn faults_text(faults: &Faults) -> String {
    format!("Configuration validation failed:\n{faults}")
}

fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Flags, Answer> {
    let mut words = Vec::new();
    for argument in arguments {
        let Ok(word) = argument.into_string() else {
            return Err(Answer::misuse("the arguments must be UTF-8\n"));
        };
        // `--port=80` is `--port 80`; no argument of ours but a flag begins with two dashes.
        match word.split_once('=') {
            Some((flag, value)) if flag.starts_with("--") => words.extend([flag.to_owned(), value.to_owned()]),
            _ => words.push(word),
        }
    }
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    Flags::from_args(&["signal-fish-server"], &words).map_err(|EarlyExit { output, status }| match status {
        Ok(()) => Answer::good(with_newline(output)),
        Err(()) => Answer::misuse(with_newline(output)),
    })
}

fn with_newline(mut text: String) -> String {
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

impl Flags {
    fn into_sources(self, environment: Vec<(OsString, OsString)>) -> Sources {
        let given = [
            ("--port", "port", self.port),
            ("--bind", "bind", self.bind),
            ("--shards", "shards.count", self.shards),
            ("--cpus", "shards.cpus", self.cpus),
            ("--no-pin", "shards.pin", self.no_pin.then(|| "false".to_owned())),
        ];
        let flags = given
            .into_iter()
            .filter_map(|(flag, path, text)| Some((flag, path, text?)));
        Sources {
            file: self.config,
            environment,
            flags: flags.collect(),
        }
    }
}

fn answer(sources: &Sources, from: impl FnOnce(&Loaded) -> Answer) -> Answer {
    match config::load(sources) {
        Ok(loaded) => {
            let mut answer = from(&loaded);
            for warning in &loaded.warnings {
                let _ = writeln!(answer.err, "Warning: {warning}");
            }
            answer
        }
        Err(faults) => Answer::failure(faults_text(&faults)),
    }
}

/// What `--validate-config` prints of a good configuration (protocol 12.4).
fn summary(loaded: &Loaded) -> Answer {
    let config = &loaded.config;
    let mut out = "Configuration validation passed\n\nConfiguration summary:\n".to_owned();
    let file = loaded
        .file
        .as_ref()
        .map_or("none".to_owned(), |path| path.display().to_string());
    let connections = match config.server.max_connections {
        0 => "as the open-file limit allows".to_owned(),
        max => max.to_string(),
    };
    let rows = [
        ("Configuration file", file),
        ("Address", config.bind.to_string()),
        ("Port", config.port.to_string()),
        // The reference server prints this line, and scripts look for it. There is one storage here.
        ("Storage backend", "InMemory".to_owned()),
        (
            "TLS enabled",
            loaded.resolved.value("security.transport.tls.enabled").to_string(),
        ),
        (
            "TLS certificate",
            tls::holds(config).unwrap_or_else(|| "none".to_owned()),
        ),
        (
            "App authentication required",
            config.security.require_websocket_auth.to_string(),
        ),
        (
            "Metrics auth required",
            loaded.resolved.value("security.require_metrics_auth").to_string(),
        ),
        ("Web origins", config.security.cors_origins.clone()),
        ("Reconnection enabled", config.server.enable_reconnection.to_string()),
        ("Max players per room", config.server.default_max_players.to_string()),
        ("Max connections", connections),
        (
            "Max connections per IP",
            config.security.max_connections_per_ip.to_string(),
        ),
        ("Deployment region", config.server.region_id.clone()),
    ];
    for (name, value) in rows {
        let _ = writeln!(out, "  {name}: {value}");
    }
    if !loaded.without_effect.is_empty() {
        let _ = writeln!(out, "  Keys without effect here: {}", loaded.without_effect.join(", "));
    }
    Answer::good(out)
}

fn host_table(loaded: &Loaded) -> Answer {
    host::raise_limits();
    let findings = host::check(&loaded.config);
    let mut out = String::new();
    for finding in &findings {
        let _ = writeln!(out, "{finding}");
    }
    let failed = findings.iter().any(|finding| finding.state == State::Failure);
    Answer {
        out,
        err: String::new(),
        code: u8::from(failed),
    }
}
