//! A panic on any thread ends the whole process with 70, and the log says where it happened.
//!
//! The faults exist in builds with debug assertions only, so a release binary is not tested here.

mod harness;

use harness::server::{Server, binary, test_defaults};
use harness::{raw, wait_until};
use serde_json::{Value, json};
use std::io::Read;
use std::time::{Duration, Instant};

fn dies_of_a_fault_in(thread: &str) {
    if std::env::var_os("SIGNAL_FISH_BINARY").is_some() || !cfg!(debug_assertions) {
        return;
    }
    let mut config = test_defaults();
    config["logging"] =
        json!({"enable_file_logging": true, "dir": "logs", "filename": "fish.log", "rotation": "never"});
    config["shards"] = json!({"count": 2});
    let dir = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(dir.path().join("config.json"), config.to_string()).expect("a file");
    let file = dir.path().join("logs/fish.log");
    let mut command = binary(&dir);
    command
        .args(["--port", "0", "--bind", "127.0.0.1"])
        .env("TEST_FAULT_IN", thread);
    let server = Server::spawn(command, dir).unwrap_or_else(|output| panic!("{output}"));
    let began = Instant::now();
    let mut client = server.raw();
    client.send_while_open(raw::UPGRADE.as_bytes());
    assert_eq!(server.wait_for_exit().code(), Some(70), "{}", server.log());
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());

    // Standard error has it in one line of its own, the log in another one.
    let said = "a test asked for this fault";
    wait_until("the last words are read", || server.times(said) >= 2);
    let log = server.log();
    let plain = log
        .lines()
        .find(|line| line.starts_with("thread ") && line.contains(said))
        .unwrap_or_else(|| panic!("{log}"));
    assert!(plain.contains(thread) && plain.contains(" panicked at "), "{plain}");
    let mut written = String::new();
    std::fs::File::open(file)
        .and_then(|mut file| file.read_to_string(&mut written))
        .expect("the log file");
    // Other threads may still write a line after this one, until the process is gone.
    let lines = written
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}")));
    let mut errors = lines.filter(|line| line["level"] == "ERROR");
    let told = |field: &Value, part: &str| field.as_str().is_some_and(|text| text.contains(part));
    assert!(
        errors.any(|line| told(&line["fields"]["thread"], thread) && told(&line["fields"]["message"], said)),
        "{written}"
    );
}

#[test]
fn in_a_shard() {
    dies_of_a_fault_in("shard");
}

#[test]
fn in_the_control_plane() {
    dies_of_a_fault_in("control");
}
