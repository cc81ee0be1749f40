//! The binary under test, one process per configuration.

use super::raw::Answer;
use super::{Client, PATIENCE, Raw, secrets, stream};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Lines of output that are kept for [`Server::log`].
const LOG_LINES_MAX: usize = 2_000;
/// Bytes of output that are searched for secrets.
const SEARCHED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The configuration of [`Server::start`].
const CONFIG_FILE: &str = "test-config.json";

/// A running server; killed when dropped.
#[derive(Debug)]
pub struct Server {
    child: Mutex<Child>,
    /// Process id.
    pub pid: i32,
    /// Where it listens.
    pub addr: SocketAddr,
    log: Arc<Mutex<Output>>,
    /// The threads that read standard output and standard error.
    collectors: [JoinHandle<()>; 2],
    /// Holds the configuration file and is the working directory.
    dir: tempfile::TempDir,
}

/// What a server printed.
#[derive(Debug, Default)]
struct Output {
    /// The last lines.
    lines: Vec<String>,
    /// All of it.
    all: String,
}

/// A place for one server that the tests of a file share. It runs while a test holds it and is killed after the last
/// one, since nothing drops a static when the test process ends.
pub type Shared = Mutex<Weak<Server>>;

impl Server {
    /// Starts a server with `overrides` merged over the tests' own defaults.
    #[must_use]
    pub fn start(overrides: Value) -> Self {
        Self::start_as(overrides, |command| command)
    }

    /// The same with so many descriptors.
    #[must_use]
    pub fn start_with_open_files(overrides: Value, open_files: u64) -> Self {
        Self::start_as(overrides, |command| {
            let mut shell = Command::new("sh");
            let script = format!(r#"ulimit -n {open_files} && exec "$0" "$@""#);
            shell
                .arg("-c")
                .arg(script)
                .arg(command.get_program())
                .args(command.get_args());
            if let Some(directory) = command.get_current_dir() {
                shell.current_dir(directory);
            }
            for (name, _) in command.get_envs().filter(|(_, value)| value.is_none()) {
                shell.env_remove(name);
            }
            shell
        })
    }

    fn start_as(overrides: Value, wrapped: impl FnOnce(Command) -> Command) -> Self {
        let mut config = test_defaults();
        merge(&mut config, stream::tls_of_the_run());
        merge(&mut config, overrides);
        secrets::configured(&config);
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join(CONFIG_FILE);
        std::fs::write(&path, config.to_string()).expect("the configuration file is written");
        let mut command = binary(&dir);
        command
            .arg("--config")
            .arg(&path)
            .args(["--port", "0", "--bind", "127.0.0.1"]);
        let server = Self::spawn(wrapped(command), dir)
            .unwrap_or_else(|output| panic!("the server did not start with {config}:\n{output}"));
        if config["security"]["transport"]["tls"]["enabled"] == true {
            stream::has_tls_of_the_run(server.addr);
        }
        server
    }

    /// Writes the configuration of [`Self::start`] anew, with other overrides.
    pub fn rewrite(&self, overrides: Value) {
        let mut config = test_defaults();
        merge(&mut config, stream::tls_of_the_run());
        merge(&mut config, overrides);
        let path = self.dir.path().join(CONFIG_FILE);
        std::fs::write(path, config.to_string()).expect("the configuration file is written");
    }

    /// Starts a prepared command and waits until it listens.
    ///
    /// # Errors
    /// What the process printed, when it ended instead.
    pub fn spawn(mut command: Command, dir: tempfile::TempDir) -> Result<Self, String> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary can be started");
        let pid = i32::try_from(child.id()).expect("a process id fits");
        let log = Arc::new(Mutex::new(Output::default()));
        let (listening, heard) = channel();
        let stdout = child.stdout.take().expect("stdout is piped");
        let stderr = child.stderr.take().expect("stderr is piped");
        let collectors = [
            collect(stdout, Arc::clone(&log), Some(listening)),
            collect(stderr, Arc::clone(&log), None),
        ];
        match wait_for_address(&mut child, &heard) {
            Some(addr) => Ok(Self {
                child: Mutex::new(child),
                pid,
                addr,
                log,
                collectors,
                dir,
            }),
            None => {
                let _ = child.kill();
                let _ = child.wait();
                wait_for_the_rest(&collectors);
                Err(log.lock().expect("log").lines.join("\n"))
            }
        }
    }

    /// The server of `place`, started with `overrides` if nobody holds it now.
    #[must_use]
    pub fn shared(place: &Shared, overrides: Value) -> Arc<Self> {
        let mut place = place.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(server) = place.upgrade() {
            return server;
        }
        let server = Arc::new(Self::start(overrides));
        *place = Arc::downgrade(&server);
        server
    }

    /// Where another listener is: `matchbox`.
    #[must_use]
    #[track_caller]
    pub fn address_of(&self, listener: &str) -> SocketAddr {
        let said = format!("{listener} listens on ");
        let mut found = None;
        super::wait_until(&said, || {
            let log = self.log.lock().expect("log");
            found = log.all.lines().find_map(|line| address_behind(line, &said));
            found.is_some()
        });
        found.expect("found")
    }

    /// A new connection.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::connect(self.addr)
    }

    /// A new TCP connection on which nothing was sent.
    #[must_use]
    pub fn raw(&self) -> Raw {
        Raw::connect(self.addr)
    }

    /// One request without a body on a connection of its own: a line such as `GET /metrics`, and more header lines, each
    /// ended with CRLF.
    #[must_use]
    #[track_caller]
    pub fn ask(&self, line: &str, headers: &str) -> Answer {
        let mut raw = self.raw();
        raw.ask(line, headers);
        raw.read_answer()
    }

    /// The metrics as JSON.
    #[must_use]
    #[track_caller]
    pub fn metrics(&self) -> Value {
        let answer = self.ask("GET /metrics", "");
        assert_eq!(answer.status, 200, "{}", answer.body);
        serde_json::from_str(&answer.body).expect("JSON")
    }

    /// Resident memory in bytes.
    #[must_use]
    pub fn rss_bytes(&self) -> u64 {
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", self.pid)).expect("the server lives");
        let pages: u64 = statm
            .split(' ')
            .nth(1)
            .and_then(|pages| pages.parse().ok())
            .expect("statm has a resident size");
        pages * rustix::param::page_size() as u64
    }

    /// Open file descriptors.
    #[must_use]
    pub fn fd_count(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid))
            .expect("the server lives")
            .count()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(self.pid).expect("a process id is positive");
        rustix::process::kill_process(pid, signal).expect("the server lives");
    }

    /// Whether the process still runs.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.child
            .lock()
            .expect("child")
            .try_wait()
            .expect("waitable")
            .is_none()
    }

    /// Waits until the process has ended by itself and all that it printed is in [`Self::log`].
    #[must_use]
    pub fn wait_for_exit(&self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.lock().expect("child").try_wait().expect("waitable") {
                wait_for_the_rest(&self.collectors);
                return status;
            }
            assert!(Instant::now() < deadline, "the server does not end\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// How often it printed this since its start.
    #[must_use]
    pub fn times(&self, text: &str) -> usize {
        self.log.lock().expect("log").all.matches(text).count()
    }

    /// The last lines that it printed. What is counted there becomes less when lines leave at the front: count with
    /// [`Self::times`].
    #[must_use]
    pub fn log(&self) -> String {
        self.log.lock().expect("log").lines.join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let mut child = self.child.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let _ = child.kill();
        let _ = child.wait();
        let log = self.log.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if std::thread::panicking() {
            return eprintln_log(&log.lines);
        }
        let leaked = secrets::leaked(&log.all);
        assert!(leaked.is_empty(), "the log shows what it must not: {leaked:#?}");
    }
}

#[allow(clippy::print_stderr, reason = "shown by the test runner beside the failure")]
fn eprintln_log(lines: &[String]) {
    eprintln!("--- output of the server ---\n{}", lines.join("\n"));
}

/// The binary in an empty working directory and without any configuration from the environment: the one that the tests were
/// built with, or the one that `SIGNAL_FISH_BINARY` names.
#[must_use]
pub fn binary(dir: &tempfile::TempDir) -> Command {
    let named = std::env::var_os("SIGNAL_FISH_BINARY");
    let path = named.map_or_else(
        || PathBuf::from(env!("CARGO_BIN_EXE_signal-fish-server")),
        PathBuf::from,
    );
    let path = std::path::absolute(path).expect("the path is not empty");
    let mut command = Command::new(path);
    command.current_dir(dir.path());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SIGNAL_FISH") || name == "RUST_LOG" {
            command.env_remove(name);
        }
    }
    command
}

/// Limits that one address cannot reach, no log files, and a log that shows as much as there is, because it is
/// [searched](secrets). Everything else as documented.
#[must_use]
pub fn test_defaults() -> Value {
    json!({
        "rate_limit": {"max_room_creations": 1_000_000, "max_join_attempts": 1_000_000},
        "security": {"max_connections_per_ip": 1_000_000},
        "logging": {"level": "trace", "enable_file_logging": false},
    })
}

/// Merges objects key by key; everything else replaces.
pub fn merge(base: &mut Value, over: Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                merge(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (base, over) => *base = over,
    }
}

/// Reads a pipe line by line on a thread of its own, so that the server never blocks on it.
fn collect(
    pipe: impl Read + Send + 'static,
    log: Arc<Mutex<Output>>,
    listening: Option<std::sync::mpsc::Sender<SocketAddr>>,
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if let (Some(listening), Some(addr)) = (&listening, address_in(&line)) {
                let _ = listening.send(addr);
            }
            let mut log = log.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if log.all.len() + line.len() < SEARCHED_BYTES_MAX {
                log.all.push_str(&line);
                log.all.push('\n');
            }
            if log.lines.len() == LOG_LINES_MAX {
                log.lines.remove(0);
            }
            log.lines.push(line);
        }
    })
}

/// Waits until everything was read that a process printed before it ended. Its pipes end with it.
fn wait_for_the_rest(collectors: &[JoinHandle<()>]) {
    super::wait_until("the last words of the server are read", || {
        collectors.iter().all(JoinHandle::is_finished)
    });
}

fn address_in(line: &str) -> Option<SocketAddr> {
    address_behind(line, "listening on ")
}

fn address_behind(line: &str, said: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once(said)?;
    let end = rest
        .find(|c: char| !matches!(c, '0'..='9' | 'a'..='f' | '.' | ':' | '[' | ']'))
        .unwrap_or(rest.len());
    rest[..end].parse().ok()
}

fn wait_for_address(child: &mut Child, heard: &Receiver<SocketAddr>) -> Option<SocketAddr> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Ok(addr) = heard.recv_timeout(Duration::from_millis(20)) {
            return Some(addr);
        }
        if child.try_wait().expect("waitable").is_some() {
            return None;
        }
    }
    None
}
