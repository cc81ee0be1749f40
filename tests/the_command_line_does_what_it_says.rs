//! Every flag, from outside.

mod harness;

use harness::run::run;
use harness::server::{Server, binary};
use harness::{Raw, wait_until};
use rustix::process::Signal;
use serde_json::{Value, json};

/// Starts a server with these arguments and without log files.
fn start(args: &[&str]) -> Server {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut command = binary(&dir);
    command
        .args(["--port", "0"])
        .args(args)
        .env("SIGNAL_FISH_LOGGING__ENABLE_FILE_LOGGING", "false");
    Server::spawn(command, dir).unwrap_or_else(|output| panic!("{args:?}: {output}"))
}

/// The fields of the line that tells shards, CPUs and limits.
fn serving(server: &Server) -> Value {
    let mut fields = None;
    wait_until("the server tells its shards", || {
        fields = server
            .log()
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .map(|line| line["fields"].clone())
            .find(|fields| fields["message"] == "serving");
        fields.is_some()
    });
    fields.expect("waited for")
}

#[test]
fn help_shows_every_flag_and_examples() {
    for flag in ["--help", "-h"] {
        let run = run(&[flag], &[], &[]);
        assert_eq!(run.code, Some(0));
        for part in [
            "--config",
            "--port",
            "--bind",
            "--shards",
            "--cpus",
            "--no-pin",
            "-c, --validate-config",
            "--print-config",
            "--check",
            "--version",
            "--help",
            "Examples:",
            "signal-fish-server --cpus 2-7",
        ] {
            assert!(run.out.contains(part), "{part} is missing in\n{}", run.out);
        }
    }
}

#[test]
fn version_names_the_program() {
    for flag in ["--version", "-V"] {
        let run = run(&[flag], &[], &[]);
        assert_eq!(run.code, Some(0));
        assert_eq!(run.out, format!("signal-fish-server {}\n", env!("CARGO_PKG_VERSION")));
    }
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    for args in [
        &["--no-such-flag"][..],
        &["stray"],
        &["--port"],
        &["--validate-config", "--print-config"],
        &["-c", "--check"],
        &["--print-config", "--check"],
    ] {
        let run = run(args, &[], &[]);
        assert_eq!(run.code, Some(2), "{args:?}: {}", run.err);
        assert!(run.out.is_empty() && !run.err.is_empty(), "{args:?}");
    }
}

#[test]
fn validate_config_sums_up_or_names_every_fault() {
    for flag in ["--validate-config", "-c"] {
        let good = run(
            &[flag],
            &[],
            &[(
                "config.json",
                r#"{"port": 4000, "auth": {"rate_limit_cache_alert_rows": 1}}"#,
            )],
        );
        assert_eq!(good.code, Some(0), "{}", good.err);
        for line in [
            "Configuration validation passed\n\nConfiguration summary:\n",
            "  Port: 4000\n",
            "  Storage backend: InMemory\n",
            "  TLS enabled: false\n",
            "  Metrics auth required: false\n",
            "  Reconnection enabled: true\n",
            "  Max players per room: 8\n",
            "  Deployment region: default\n",
            "  Keys without effect here: auth.rate_limit_cache_alert_rows\n",
        ] {
            assert!(good.out.contains(line), "{line:?} is missing in\n{}", good.out);
        }
        let bad = run(
            &[flag],
            &[("SIGNAL_FISH_PORT", "x")],
            &[("config.json", "{\"server\":\n{\"ping_timeout\": 0}}")],
        );
        assert_eq!(bad.code, Some(1));
        assert!(bad.err.starts_with("Configuration validation failed:\n"), "{}", bad.err);
        assert!(
            bad.err.contains("config.json:2: server.ping_timeout = 0"),
            "{}",
            bad.err
        );
        assert!(bad.err.contains("SIGNAL_FISH_PORT: port = \"x\""), "{}", bad.err);
    }
}

#[test]
fn validate_config_warns_of_unknown_variables() {
    let run = run(&["-c"], &[("SIGNAL_FISH_PROT", "1")], &[]);
    assert_eq!(run.code, Some(0));
    assert!(
        run.err
            .contains("Warning: SIGNAL_FISH_PROT names no key; did you mean SIGNAL_FISH_PORT?"),
        "{}",
        run.err
    );
}

#[test]
fn print_config_shows_what_came_out_of_all_sources() {
    let file = [(
        "there.json",
        r#"{"port": 1, "shards": {"count": 1}, "security": {"metrics_auth_token": "xyzzy-xyzzy-xyzzy"}}"#,
    )];
    let variables = [
        ("SIGNAL_FISH_CONFIG_PATH", "there.json"),
        ("SIGNAL_FISH_SHARDS__COUNT", "2"),
    ];
    let flags = [
        "--print-config",
        "--port=3",
        "--bind",
        "::1",
        "--cpus",
        "0-3,6",
        "--no-pin",
    ];
    let run = run(&flags, &variables, &file);
    assert_eq!(run.code, Some(0), "{}", run.err);
    let printed: Value = serde_json::from_str(&run.out).expect("JSON");
    assert_eq!(printed["port"], 3);
    assert_eq!(printed["bind"], "::1");
    assert_eq!(printed["shards"], json!({"count": 2, "pin": false, "cpus": "0-3,6"}));
    assert_eq!(printed["security"]["metrics_auth_token"], "***");
    assert!(!run.out.contains("xyzzy"));
}

#[test]
fn a_flag_that_does_not_fit_is_a_fault() {
    for (flag, value, said) in [
        (
            "--port",
            "65536",
            "--port: port = 65536: expected an integer from 0 to 65535",
        ),
        ("--port", "http", "--port: port = \"http\": expected an integer"),
        (
            "--bind",
            "localhost",
            "--bind: bind = \"localhost\": expected an IPv4 or IPv6 address",
        ),
        ("--shards", "-1", "--shards: shards.count = \"-1\": expected an integer"),
        ("--cpus", "3-1", "--cpus: shards.cpus = \"3-1\": expected CPUs such as"),
        ("--config", "nowhere.json", "nowhere.json: cannot be read"),
    ] {
        let run = run(&[flag, value], &[], &[]);
        assert_eq!(run.code, Some(1), "{flag} {value}");
        assert!(run.err.contains(said), "{said}\nis not in\n{}", run.err);
    }
}

#[test]
fn bind_takes_both_families() {
    for (bind, ip) in [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("[::1]", "::1")] {
        let server = start(&["--bind", bind]);
        assert_eq!(server.addr.ip().to_string(), ip);
        server
            .client()
            .join(json!({"game_name": "bind", "player_name": "Alice"}));
    }
}

#[test]
fn shards_cpus_and_pinning_are_as_asked() {
    let one = start(&["--bind", "127.0.0.1", "--shards", "1"]);
    assert_eq!(serving(&one)["shards"], 1);
    let first = rustix::thread::sched_getaffinity(None).expect("a mask");
    let cpu = (0..1024).find(|cpu| first.is_set(*cpu)).expect("a CPU");
    let listed = start(&["--bind", "127.0.0.1", "--cpus", &cpu.to_string()]);
    assert_eq!(serving(&listed)["shards"], 1);
    assert_eq!(serving(&listed)["cpus"], cpu.to_string());
    let floating = start(&["--bind", "127.0.0.1", "--shards", "2", "--no-pin"]);
    assert_eq!(serving(&floating)["cpus"], "any,any");
}

#[test]
fn a_second_signal_ends_at_once() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut command = binary(&dir);
    command
        .args(["--port", "0", "--bind", "127.0.0.1"])
        .env("SIGNAL_FISH_LOGGING__ENABLE_FILE_LOGGING", "false")
        .env("SIGNAL_FISH_SERVER__DRAIN_TIMEOUT_SECS", "300");
    let server = Server::spawn(command, dir).unwrap_or_else(|output| panic!("{output}"));
    // A client that never answers the close frame would keep the drain waiting.
    let _silent = Raw::upgraded(server.addr);
    server.signal(Signal::INT);
    server.signal(Signal::TERM);
    let status = server.wait_for_exit();
    assert!(matches!(status.code(), Some(130 | 143)), "{status}");
}
