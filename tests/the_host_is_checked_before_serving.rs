//! What the host lacks is said in one sentence with the cure, before anybody is served.

mod harness;

use harness::run::{Run, end_of, run};
use harness::server::{Server, binary};
use harness::{Raw, wait_until};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};
use std::process::Command;

/// The arguments of a server that would run on a free port.
const SERVE: [&str; 4] = ["--bind", "127.0.0.1", "--port", "0"];

/// Runs the binary behind other programs that take something away from it.
fn run_behind(wrappers: &[&[&str]], args: &[&str]) -> Run {
    let dir = tempfile::tempdir().expect("a temporary directory");
    end_of(behind(&binary(&dir), wrappers, args))
}

fn behind(binary: &Command, wrappers: &[&[&str]], args: &[&str]) -> Command {
    let mut words: Vec<_> = wrappers.concat().iter().map(std::ffi::OsString::from).collect();
    words.push(binary.get_program().to_owned());
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).args(args);
    command.current_dir(binary.get_current_dir().expect("a directory of its own"));
    for (name, value) in binary.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.env("SIGNAL_FISH_LOGGING__ENABLE_FILE_LOGGING", "false");
    command
}

/// Root may raise every limit again, so it must lose that right first.
fn without_rights() -> &'static [&'static str] {
    if rustix::process::geteuid().is_root() {
        &["setpriv", "--bounding-set=-sys_resource,-ipc_lock"]
    } else {
        &[]
    }
}

#[track_caller]
fn assert_refused(run: &Run, said: &[&str]) {
    assert_eq!(run.code, Some(1), "{}{}", run.out, run.err);
    for said in said {
        assert!(run.err.contains(said), "{said}\nis not in\n{}", run.err);
    }
    assert!(!run.out.contains("listening on"), "{}", run.out);
}

/// `--check` says the same as a table.
#[track_caller]
fn assert_in_table(run: &Run, subject: &str) {
    assert_eq!(run.code, Some(1), "{}{}", run.out, run.err);
    let row = run
        .out
        .lines()
        .find(|line| line.starts_with("FAILED") && line.contains(subject));
    assert!(row.is_some(), "{subject} is no failure in\n{}", run.out);
}

#[test]
fn a_good_host_passes() {
    let run = run(&["--check", "--bind", "127.0.0.1", "--port", "0"], &[], &[]);
    assert_eq!(run.code, Some(0), "{}{}", run.out, run.err);
    let subjects = [
        "kernel",
        "io_uring",
        "locked memory",
        "open files",
        "memory",
        "CPUs",
        "backlog",
        "port",
        "port range",
        "log files",
    ];
    for subject in subjects {
        assert!(
            run.out.lines().any(|line| line.contains(subject)),
            "{subject} is missing in\n{}",
            run.out
        );
    }
}

#[test]
fn a_taken_port_stops_the_start() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let args = ["--bind", "127.0.0.1", "--port", &port];
    assert_refused(
        &run(&args, &[], &[]),
        &["port: cannot listen on", &port, "another program listens there"],
    );
    assert_in_table(&run(&[&args[..], &["--check"]].concat(), &[], &[]), "port ");
}

/// Both would otherwise share the port, and players would meet only half of each other.
#[test]
fn a_second_server_on_the_port_does_not_start() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut command = binary(&dir);
    command.args(SERVE);
    let first = Server::spawn(command, dir).unwrap_or_else(|output| panic!("{output}"));
    let port = first.addr.port().to_string();
    let second = run(&["--bind", "127.0.0.1", "--port", &port], &[], &[]);
    assert_refused(&second, &["another program listens there"]);
}

/// 192.0.2.0/24 is set aside for documentation: no machine has it.
#[test]
fn an_address_of_another_machine_stops_the_start() {
    let run = run(&["--bind", "192.0.2.1", "--port", "0"], &[], &[]);
    assert_refused(&run, &["bind must be an address of this machine"]);
}

#[test]
fn too_little_locked_memory_stops_the_start() {
    let wrappers = [&["prlimit", "--memlock=65536:65536"][..], without_rights()];
    let said = ["locked memory: the limit is 64 KiB", "LimitMEMLOCK="];
    assert_refused(&run_behind(&wrappers, &SERVE), &said);
    assert_in_table(&run_behind(&wrappers, &["--check"]), "locked memory");
}

#[test]
fn the_locked_memory_must_do_for_all_shards() {
    let wrappers = [&["prlimit", "--memlock=1048576:1048576"][..], without_rights()];
    let eight = [&SERVE[..], &["--shards", "8"]].concat();
    assert_refused(&run_behind(&wrappers, &eight), &["8 shards need 1600 KiB"]);
}

/// The number of shards is known from the configuration where their CPUs cannot be chosen.
#[test]
fn what_the_shards_need_is_said_even_if_their_cpus_are_missing() {
    let wrappers = [&["prlimit", "--memlock=1048576:1048576"][..], without_rights()];
    let eight = [&SERVE[..], &["--shards", "8", "--cpus", "1023"]].concat();
    let said = ["CPUs: CPU 1023", "8 shards need 1600 KiB"];
    assert_refused(&run_behind(&wrappers, &eight), &said);
}

#[test]
fn too_few_open_files_stop_the_start() {
    let wrappers = [&["prlimit", "--nofile=100:100"][..]];
    assert_refused(
        &run_behind(&wrappers, &SERVE),
        &["open files: the limit is 100", "LimitNOFILE="],
    );
    assert_in_table(&run_behind(&wrappers, &["--check"]), "open files");
}

#[test]
fn more_connections_than_open_files_stop_the_start() {
    let run = run(&SERVE, &[("SIGNAL_FISH_SERVER__MAX_CONNECTIONS", "9000000")], &[]);
    assert_refused(
        &run,
        &["open files: the limit", "not 9000000", "lower server.max_connections"],
    );
}

#[test]
fn the_limit_of_open_files_is_raised_as_far_as_allowed() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let command = behind(
        &binary(&dir),
        &[&["prlimit", "--nofile=256:2000"]],
        &[&SERVE[..], &["--shards", "1"]].concat(),
    );
    let server = Server::spawn(command, dir).unwrap_or_else(|output| panic!("{output}"));
    wait_until("the server tells its limits", || {
        server.log().contains("connections_max")
    });
    // 2,000 less what the process, its shard and connections without a ticket (D43) need.
    assert!(server.log().contains("\"connections_max\":1728"), "{}", server.log());
}

#[test]
fn a_cpu_outside_the_mask_stops_the_start() {
    let args = [&SERVE[..], &["--cpus", "1023"]].concat();
    assert_refused(
        &run(&args, &[], &[]),
        &["CPUs: CPU 1023 is not available to this process", "affinity mask"],
    );
}

#[test]
fn a_log_directory_that_cannot_be_written_stops_the_start() {
    let files = [("file", "no directory")];
    let variables = [("SIGNAL_FISH_LOGGING__DIR", "file/logs")];
    let said = [
        "cannot write log files in file/logs",
        "logging.enable_file_logging to false",
    ];
    assert_refused(&run(&SERVE, &variables, &files), &said);
    assert_in_table(&run(&["--check"], &variables, &files), "log files");
}

#[test]
fn everything_that_is_missing_is_said_at_once() {
    let files = [("file", "no directory")];
    let run = run(
        &["--bind", "192.0.2.1", "--port", "0", "--cpus", "1023"],
        &[("SIGNAL_FISH_LOGGING__DIR", "file")],
        &files,
    );
    assert_refused(
        &run,
        &[
            "CPUs: CPU 1023",
            "port: cannot listen on 192.0.2.1:0",
            "log files: cannot write",
        ],
    );
}

/// As in a kernel without IPv6: `socket` fails with EAFNOSUPPORT.
#[test]
fn a_machine_without_ipv6_is_served_over_ipv4() {
    let arch = TargetArch::try_from(std::env::consts::ARCH).expect("an architecture with seccomp");
    let is_ipv6 = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, AF_INET6).expect("a condition");
    let rule = SeccompRule::new(vec![is_ipv6]).expect("a rule");
    let rules = [(SOCKET, vec![rule])].into_iter().collect();
    let filter =
        SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(EAFNOSUPPORT), arch).expect("a filter");
    let program: BpfProgram = filter.try_into().expect("a program");
    let server = std::thread::spawn(move || {
        seccompiler::apply_filter(&program).expect("a filter may be added");
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut command = binary(&dir);
        command.args(["--port", "0"]);
        Server::spawn(command, dir).unwrap_or_else(|output| panic!("{output}"))
    });
    let server = server.join().expect("the thread ends");
    assert!(
        server.addr.ip().is_unspecified() && server.addr.is_ipv4(),
        "{}",
        server.addr
    );
    assert_eq!(get(Ipv4Addr::LOCALHOST.into(), &server), 200);
}

/// Without any configuration both families are served, and a client of IPv4 is one of IPv4.
#[test]
fn both_families_are_served() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut command = binary(&dir);
    command.args(["--port", "0"]).env("RUST_LOG", "debug");
    let server = Server::spawn(command, dir).unwrap_or_else(|output| panic!("{output}"));
    assert_eq!(get(Ipv4Addr::LOCALHOST.into(), &server), 200);
    wait_until("the client is told of", || {
        server.log().contains("\"address\":\"127.0.0.1\"")
    });
    assert!(server.log().contains("not encrypted"), "{}", server.log());
    if server.addr.is_ipv6() {
        assert_eq!(get(Ipv6Addr::LOCALHOST.into(), &server), 200);
    }
}

/// Status of a request for `/healthz` at this address of the machine.
fn get(ip: IpAddr, server: &Server) -> u16 {
    let mut raw = Raw::connect((ip, server.addr.port()).into());
    raw.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    raw.read_answer().status
}

/// Of `socket`, which has one number on 64-bit x86 and another on ARM.
const SOCKET: i64 = if cfg!(target_arch = "x86_64") { 41 } else { 198 };
const AF_INET6: u64 = 10;
/// Address family not supported.
const EAFNOSUPPORT: u32 = 97;

/// What Docker's default profile does: `io_uring_setup` fails with EPERM.
#[test]
fn a_seccomp_filter_on_io_uring_stops_the_start() {
    let arch = TargetArch::try_from(std::env::consts::ARCH).expect("an architecture with seccomp");
    let rules = [(IO_URING_SETUP, Vec::new())].into_iter().collect();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(EPERM), arch).expect("a filter");
    let program: BpfProgram = filter.try_into().expect("a program");
    // The filter holds for this thread and for what it starts.
    let runs = std::thread::spawn(move || {
        seccompiler::apply_filter(&program).expect("a filter may be added");
        (run(&SERVE, &[], &[]), run(&["--check"], &[], &[]))
    });
    let (serve, check) = runs.join().expect("the thread ends");
    assert_refused(
        &serve,
        &[
            "io_uring: cannot be used",
            "a seccomp filter blocks io_uring",
            "docker run --security-opt",
        ],
    );
    assert_in_table(&check, "io_uring");
}

/// The same number on every architecture that Linux has io_uring on.
const IO_URING_SETUP: i64 = 425;
/// Operation not permitted.
const EPERM: u32 = 1;
