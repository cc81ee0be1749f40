//! What a service manager such as systemd hears: that the server is ready, reads its configuration again, and stops.

mod harness;

use harness::server::{Server, binary, test_defaults};
use harness::{PATIENCE, wait_until};
use rustix::process::Signal;
use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The datagrams that come, one after the other.
struct Manager(UnixDatagram);

impl Manager {
    fn new(socket: UnixDatagram) -> Self {
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Self(socket)
    }

    /// Forgets what has come. Returns whether there was anything.
    fn forgets(&self) -> bool {
        self.0.set_nonblocking(true).expect("non-blocking");
        let mut any = false;
        while self.0.recv(&mut [0; 4096]).is_ok() {
            any = true;
        }
        self.0.set_nonblocking(false).expect("blocking");
        any
    }

    /// Waits for a datagram with this line, and returns it.
    fn hears(&self, line: &str) -> String {
        let mut buffer = [0; 4096];
        loop {
            let length = self
                .0
                .recv(&mut buffer)
                .unwrap_or_else(|error| panic!("{line}: {error}"));
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if text.lines().any(|said| said == line) {
                return text;
            }
        }
    }
}

fn start(address: &OsStr) -> Server {
    start_with(address, &[])
}

fn start_with(address: &OsStr, variables: &[(&str, &OsStr)]) -> Server {
    let dir = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(dir.path().join("config.json"), test_defaults().to_string()).expect("a file");
    let mut command = binary(&dir);
    command
        .args(["--port", "0", "--bind", "127.0.0.1"])
        .env("NOTIFY_SOCKET", address)
        .envs(variables.iter().copied());
    Server::spawn(command, dir).unwrap_or_else(|output| panic!("{output}"))
}

#[test]
fn ready_reloading_and_stopping() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("notify");
    let manager = Manager::new(UnixDatagram::bind(&path).expect("a socket"));
    let server = start(path.as_os_str());
    let ready = manager.hears("READY=1");
    assert!(ready.contains(&server.addr.to_string()), "{ready}");
    server.signal(Signal::HUP);
    assert!(manager.hears("RELOADING=1").contains("MONOTONIC_USEC="));
    manager.hears("READY=1");
    server.signal(Signal::TERM);
    manager.hears("STOPPING=1");
    assert_eq!(server.wait_for_exit().code(), Some(0));
}

#[test]
fn a_socket_without_a_file_is_one_too() {
    let name = format!("signal-fish-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).expect("a name");
    let manager = Manager::new(UnixDatagram::bind_addr(&address).expect("a socket"));
    let _server = start(OsStr::new(&format!("@{name}")));
    manager.hears("READY=1");
}

/// Nobody listens, or nobody takes the datagrams: the server serves all the same.
#[test]
fn a_manager_that_does_not_listen_is_passed_over() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("notify");
    let _ = start(path.as_os_str()).client();
    let full = UnixDatagram::bind(&path).expect("a socket");
    let sender = UnixDatagram::unbound().expect("a socket");
    sender.set_nonblocking(true).expect("non-blocking");
    while sender.send_to(b"X=1", &path).is_ok() {}
    let _ = start(path.as_os_str()).client();
    drop(full);
}

/// A watchdog hears from a server whose shards answer, and nothing while one stands still.
#[test]
fn a_watchdog_is_told_while_every_shard_answers() {
    if std::env::var_os("SIGNAL_FISH_BINARY").is_some() || !cfg!(debug_assertions) {
        return;
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (path, stall) = (dir.path().join("notify"), dir.path().join("stall"));
    let manager = Manager::new(UnixDatagram::bind(&path).expect("a socket"));
    let variables = [
        ("WATCHDOG_USEC", OsStr::new("200000")),
        ("TEST_STALL_WHILE", stall.as_os_str()),
    ];
    let server = start_with(path.as_os_str(), &variables);
    for _ in 0..3 {
        manager.hears("WATCHDOG=1");
    }
    std::fs::write(&stall, "").expect("a file");
    // A machine that stands still for a moment may have made the server say both before.
    wait_until("the log says so", || {
        server.times("does not answer") > server.times("answers again")
    });
    manager.forgets();
    // Each look waits a second for the shards: there are two of them in this time.
    std::thread::sleep(Duration::from_secs(3));
    assert!(!manager.forgets(), "a shard stands still, and all is said to be well");
    std::fs::remove_file(&stall).expect("the file is there");
    manager.hears("WATCHDOG=1");
    wait_until("the log says that, too", || server.log().contains("answers again"));
}

#[test]
fn a_watchdog_of_another_process_hears_nothing() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("notify");
    let manager = Manager::new(UnixDatagram::bind(&path).expect("a socket"));
    let variables = [
        ("WATCHDOG_USEC", OsStr::new("100000")),
        ("WATCHDOG_PID", OsStr::new("1")),
    ];
    let _server = start_with(path.as_os_str(), &variables);
    manager.hears("READY=1");
    std::thread::sleep(Duration::from_millis(300));
    assert!(!manager.forgets());
}
