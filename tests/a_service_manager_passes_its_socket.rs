//! A service manager opens the listener and passes it on (`LISTEN_FDS`), as systemd does for a socket unit.

mod harness;

use harness::run::end_of;
use harness::server::{Server, binary, test_defaults};
use harness::{Client, Raw};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::Signal;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, AsRawFd};
use std::process::Command;

/// Becomes the server, with these descriptors of this process as the ones that a manager passes.
fn passed(dir: &tempfile::TempDir, sockets: &[&dyn AsFd], flags: &str) -> Command {
    std::fs::write(dir.path().join("config.json"), test_defaults().to_string()).expect("a file");
    let server = binary(dir);
    let mut redirections = String::new();
    let mut sockets: Vec<_> = sockets.iter().map(|socket| socket.as_fd()).collect();
    // In this order none is overwritten before it was read.
    sockets.sort_by_key(AsRawFd::as_raw_fd);
    for (number, socket) in (3..).zip(&sockets) {
        fcntl_setfd(socket, FdFlags::empty()).expect("it may be inherited");
        redirections += &format!(" {number}<&{}", socket.as_raw_fd());
    }
    // A manager names itself the process that it makes.
    let script = format!(
        "exec{redirections}; LISTEN_FDS={} LISTEN_PID=$$ exec \"$0\" {flags}",
        sockets.len()
    );
    let mut shell = Command::new("bash");
    shell
        .args(["-c", &script])
        .arg(server.get_program())
        .current_dir(dir.path());
    for (name, value) in server.get_envs() {
        if value.is_none() {
            shell.env_remove(name);
        }
    }
    shell
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

#[test]
fn it_is_served_and_outlives_the_server() {
    let (listener, address) = listener();
    let mut waiting: Option<Raw> = None;
    for _ in 0..2 {
        let dir = tempfile::tempdir().expect("a temporary directory");
        // The port of the configuration is taken, and not even looked at.
        let command = passed(
            &dir,
            &[&listener],
            &format!("--bind 127.0.0.1 --port {}", address.port()),
        );
        let server = Server::spawn(command, dir).unwrap_or_else(|output| panic!("{output}"));
        assert_eq!(server.addr, address);
        // Who came between two servers has waited for the second one.
        if let Some(mut waiting) = waiting.take() {
            assert_eq!(waiting.read_answer().status, 200);
        }
        let mut ada = Client::connect(address);
        ada.create("passed", "Ada", 3);
        let mut bob = Client::connect(address);
        bob.enter("passed", &ada.code, "Bob");
        ada.expect("PlayerJoined");
        server.signal(Signal::TERM);
        ada.expect_close(1001);
        drop((ada, bob));
        assert_eq!(server.wait_for_exit().code(), Some(0), "{}", server.log());
        let mut raw = Raw::connect(address);
        raw.ask("GET /", "");
        waiting = Some(raw);
    }
}

#[test]
fn what_cannot_be_served_stops_the_start() {
    let (one, _) = listener();
    let (two, _) = listener();
    let file = tempfile::tempfile().expect("a file");
    let cases: [(&[&dyn AsFd], &str); 2] = [(&[&one, &two], "passes 2 sockets"), (&[&file], "no TCP listener")];
    for (sockets, told) in cases {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let ended = end_of(passed(&dir, sockets, "--port 0"));
        assert_eq!(ended.code, Some(1), "{}{}", ended.out, ended.err);
        assert!(ended.err.contains(told), "{told} is missing: {}", ended.err);
    }
}
