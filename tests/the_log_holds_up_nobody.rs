//! Where the log goes: a terminal, files, streams that nobody reads, disks that are full. None of it stops the server.

mod harness;

use harness::server::{binary, merge, test_defaults};
use harness::{Client, Server, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::fs::File;
use std::io::Read;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A server whose log file tells where it listens, so that its standard output may be anything.
struct Silent {
    child: Child,
    addr: SocketAddr,
    dir: tempfile::TempDir,
}

const FILE: &str = "server.log";

impl Silent {
    fn start(logging: Value, stdout: impl FnOnce(&mut Command)) -> Self {
        let mut config = test_defaults();
        let files = json!({"enable_file_logging": true, "dir": ".", "filename": FILE, "rotation": "never"});
        merge(&mut config["logging"], files);
        merge(&mut config["logging"], logging);
        let dir = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(dir.path().join("config.json"), config.to_string()).expect("a file");
        let mut command = binary(&dir);
        command
            .args(["--port", "0", "--bind", "127.0.0.1"])
            .stdin(Stdio::null())
            .stderr(Stdio::null());
        stdout(&mut command);
        let child = command.spawn().expect("the binary can be started");
        let mut address = None;
        wait_until("the server listens", || {
            let written = read(&dir.path().join(FILE));
            let whole_lines = written.rsplit_once('\n').map_or("", |(lines, _)| lines);
            address = whole_lines.lines().find_map(|line| {
                line.split_once("listening on ")?
                    .1
                    .split(['"', ' '])
                    .next()?
                    .parse()
                    .ok()
            });
            address.is_some()
        });
        let addr = address.expect("waited for");
        Self { child, addr, dir }
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("a process id fits"));
        kill_process(pid.expect("positive"), signal).expect("the server lives");
    }

    fn plays(&self) {
        let mut client = Client::connect(self.addr);
        client.join(json!({"game_name": "log", "player_name": "Alice-xyzzy"}));
    }

    /// Ends it as an operator does, and returns its log file.
    fn end(mut self) -> String {
        self.signal(Signal::TERM);
        let mut code = None;
        wait_until("the server ends", || {
            code = self.child.try_wait().expect("waitable");
            code.is_some()
        });
        assert_eq!(code.and_then(|status| status.code()), Some(0));
        read(&self.dir.path().join(FILE))
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

#[test]
fn a_terminal_gets_text_and_a_file_json() {
    let pty =
        rustix::pty::openpt(rustix::pty::OpenptFlags::RDWR | rustix::pty::OpenptFlags::NOCTTY).expect("a terminal");
    rustix::pty::grantpt(&pty).expect("granted");
    rustix::pty::unlockpt(&pty).expect("unlocked");
    let name = rustix::pty::ptsname(&pty, Vec::new()).expect("it has a name");
    let server = Silent::start(json!({}), |command| {
        let terminal = File::options()
            .read(true)
            .write(true)
            .open(name.to_str().expect("UTF-8"))
            .expect("it opens");
        command.stdout(terminal);
    });
    let seen = std::thread::spawn(move || {
        let (mut pty, mut seen) = (File::from(pty), Vec::new());
        let mut buffer = [0; 4096];
        // The end of a terminal is an error.
        while let Ok(count @ 1..) = pty.read(&mut buffer) {
            seen.extend_from_slice(&buffer[..count]);
        }
        String::from_utf8_lossy(&seen).into_owned()
    });
    let written = server.end();
    let seen = seen.join().expect("a reader");
    assert!(
        seen.contains("listening on 127.0.0.1:") && !seen.contains("{\""),
        "{seen}"
    );
    assert!(seen.contains('\u{1b}'), "colours: {seen}");
    for line in written.lines() {
        assert!(
            serde_json::from_str::<Value>(line).is_ok_and(|line| line.is_object()),
            "{line}"
        );
    }
}

/// Nobody reads standard output, so that the thread that writes there is stuck for ever.
#[test]
fn a_stuck_standard_output_stops_neither_start_nor_service_nor_end() {
    // As full as a pipe can be before the server begins.
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let writer = OwnedFd::from(writer);
    rustix::io::ioctl_fionbio(&writer, true).expect("non-blocking");
    while rustix::io::write(&writer, &[b'.'; 4096]).is_ok() {}
    while rustix::io::write(&writer, b".").is_ok() {}
    rustix::io::ioctl_fionbio(&writer, false).expect("blocking");
    let server = Silent::start(json!({}), |command| {
        command.stdout(writer);
    });
    for _ in 0..20 {
        server.plays();
    }
    let written = server.end();
    assert!(written.contains("ended"), "{written}");
    drop(reader);
}

#[test]
fn a_full_disk_costs_lines_and_they_are_told_of() {
    let mut config = test_defaults();
    config["logging"] = json!({"enable_file_logging": true, "dir": ".", "filename": FILE, "rotation": "never"});
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join(FILE);
    std::os::unix::fs::symlink("/dev/full", &file).expect("a link");
    std::fs::write(dir.path().join("config.json"), config.to_string()).expect("a file");
    let mut command = binary(&dir);
    command.args(["--port", "0", "--bind", "127.0.0.1"]);
    let server = Server::spawn(command, dir).unwrap_or_else(|output| panic!("{output}"));
    let told = || server.times("log lines were lost");
    wait_until("the loss is told", || told() > 0);
    assert!(server.log().contains("No space left on device"), "{}", server.log());
    server
        .client()
        .join(json!({"game_name": "log", "player_name": "Alice"}));

    // There is room again.
    std::fs::remove_file(&file).expect("removed");
    server.signal(Signal::HUP);
    wait_until("the file is written", || {
        read(&file).contains("the configuration was reloaded")
    });
    assert_eq!(told(), 1, "once a minute: {}", server.log());
    server.signal(Signal::TERM);
    assert_eq!(server.wait_for_exit().code(), Some(0));
    assert!(server.log().contains("ended"), "{}", server.log());
    assert!(read(&file).contains("ended"));
}

#[test]
fn old_files_are_removed_when_there_are_too_many() {
    let mut config = test_defaults();
    config["logging"] = json!({"enable_file_logging": true, "dir": "logs", "filename": FILE, "max_files": 3});
    let dir = tempfile::tempdir().expect("a temporary directory");
    let logs = dir.path().join("logs");
    std::fs::create_dir(&logs).expect("a directory");
    for name in [
        "server.log.2026-01-01",
        "server.log.2026-01-02",
        "server.log.2026-01-03",
        "keep.me",
        "server.log",
    ] {
        std::fs::write(logs.join(name), "").expect("a file");
    }
    std::fs::write(dir.path().join("config.json"), config.to_string()).expect("a file");
    let mut command = binary(&dir);
    command.args(["--port", "0", "--bind", "127.0.0.1"]);
    let server = Server::spawn(command, dir).unwrap_or_else(|output| panic!("{output}"));
    let there = |name: &str| logs.join(name).exists();
    assert!(!there("server.log.2026-01-01"), "the oldest");
    assert!(there("server.log.2026-01-02") && there("server.log.2026-01-03"));
    assert!(there("keep.me") && there("server.log"), "rotation made neither");
    drop(server);
}
