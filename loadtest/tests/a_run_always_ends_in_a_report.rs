//! The program itself: interrupted or not, it writes what it found, and says by its exit status whether all was well.

mod support;

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use support::{Fault, Habit, Lie, faulty_proxy, relay_server};

fn program(address: SocketAddr, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_signal-fish-loadtest"));
    command
        .arg("relay")
        .args(["--url", &format!("ws://{address}")])
        .args(arguments);
    command.args([
        "--rooms",
        "2",
        "--players",
        "2",
        "--rate",
        "20",
        "--warm-up",
        "0",
        "--drain",
        "0.3",
    ]);
    command
}

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()))
}

fn json(path: &PathBuf) -> Value {
    let text = std::fs::read_to_string(path).unwrap();
    std::fs::remove_file(path).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn a_clean_run_writes_all_forms_and_exits_with_0() {
    let (json_path, html_path) = (file("clean.json"), file("clean.html"));
    let output = program(relay_server(Habit::Good), &["--duration", "0.5"])
        .arg("--json")
        .arg(&json_path)
        .arg("--html")
        .arg(&html_path)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(
        table.contains("40 deliveries expected, 40 delivered") && table.contains("p99.9"),
        "{table}"
    );
    let report = json(&json_path);
    assert_eq!(report["messages"]["delivered"], 40);
    assert_eq!(report["plan"]["rooms"], 2);
    assert_eq!(report["senders"].as_array().unwrap().len(), 4);
    assert!(report["latencies"][0]["distribution"].as_array().unwrap().len() > 10);
    assert!(!report["latencies"][0]["series"].as_array().unwrap().is_empty());
    for part in ["kernel", "cpu", "name", "time"] {
        assert!(!report["host"][part].as_str().unwrap().is_empty(), "{part}");
    }
    let page = std::fs::read_to_string(&html_path).unwrap();
    std::fs::remove_file(&html_path).unwrap();
    assert!(
        page.contains("<svg") && page.ends_with("</html>") && !page.contains("<script"),
        "{page}"
    );
}

#[test]
fn losses_show_in_the_exit_status() {
    let (address, _) = faulty_proxy(relay_server(Habit::Good), Fault::Drop);
    let output = program(address, &["--duration", "0.5"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8(output.stdout).unwrap().contains("8 lost"));
}

#[test]
fn every_lie_is_named_and_shows_in_the_exit_status() {
    for (lie, name) in [
        (Lie::Truncate, "8 truncated"),
        (Lie::Corrupt, "8 corrupted"),
        (Lie::Forge, "8 forged"),
    ] {
        let (address, _) = faulty_proxy(relay_server(Habit::Good), Fault::Lie(lie));
        let output = program(address, &["--duration", "0.5", "--threads", "2"])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let table = String::from_utf8(output.stdout).unwrap();
        assert!(table.contains(name), "{table}");
    }
}

#[test]
fn an_interrupt_gives_the_report_so_far() {
    let path = file("interrupted.json");
    let mut child = program(relay_server(Habit::Good), &["--duration", "3600"])
        .arg("--json")
        .arg(&path)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Progress goes to standard error; the first lines may come before anything was delivered.
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("delivered")));
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let report = json(&path);
    assert_eq!(report["interrupted"], true);
    assert!(report["messages"]["delivered"].as_u64().unwrap() > 0);
}

#[test]
fn what_makes_no_sense_is_said_before_anything_is_sent() {
    let address = relay_server(Habit::Good);
    for (arguments, word) in [
        (&["--payload", "10"][..], "--payload"),
        (&["--threads", "0"], "--threads"),
        (&["--server-pid", "4294967295"], "no such process"),
    ] {
        let output = program(address, arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8(output.stderr).unwrap().contains(word), "{word}");
    }
}
