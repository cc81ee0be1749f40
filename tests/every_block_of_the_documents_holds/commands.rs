//! What a reader is told to type exists, with its flags.

use crate::documents::{blocks_in, read, root, run_blocks};
use crate::harness::run::{end_of, run};
use signal_fish_server::config::keys::KEYS;
use std::process::Command;

/// Programs of others that a reader has or installs. Their flags are theirs.
const OF_OTHERS: [&str; 10] = [
    "apt",
    "certbot",
    "curl",
    "docker",
    "editor",
    "journalctl",
    "npm",
    "pip",
    "systemctl",
    "xdg-open",
];

#[test]
fn every_command_exists_with_its_flags() {
    let help = run(&["--help"], &[], &[]).out;
    for block in run_blocks("sh") {
        let syntax = {
            let mut shell = Command::new("bash");
            shell.args(["-n", "-c", &block.text]);
            end_of(shell)
        };
        assert_eq!(syntax.code, Some(0), "{}: {}", block.at(), syntax.err);
        if block.text.starts_with("#!") {
            continue;
        }
        for line in block.text.replace("\\\n", " ").lines() {
            let code = line.split(" #").next().unwrap_or_default();
            for call in code
                .split("&&")
                .filter(|call| !call.trim().is_empty() && !call.starts_with('#'))
            {
                check(call, &help).unwrap_or_else(|fault| panic!("{}: {call}: {fault}", block.at()));
            }
        }
    }
}

/// Whether a command is there, with what it is given.
fn check(call: &str, help: &str) -> Result<(), String> {
    let call = without_quotes(
        call.trim()
            .trim_start_matches("taskset -c 0 ")
            .trim_start_matches("taskset -c 1 "),
    );
    let words: Vec<&str> = call.split_whitespace().collect();
    let is_variable = |word: &&&str| word.split('=').next().is_some_and(is_name) && word.contains('=');
    let variables = words.iter().take_while(is_variable).count();
    let (variables, words) = words.split_at(variables);
    let (program, arguments) = words.split_first().ok_or("no program")?;
    let flags = || {
        arguments
            .iter()
            .take_while(|word| **word != "--")
            .filter(|word| word.starts_with("--"))
    };
    let name = |flag: &str| flag.split('=').next().unwrap_or_default().to_owned();
    let must = |holds: bool, what: &str| if holds { Ok(()) } else { Err(what.to_owned()) };
    for variable in variables.iter().filter(|variable| variable.starts_with("SIGNAL_FISH_")) {
        let is_key = |path: &str| {
            let of_key = path.replace('.', "__").to_uppercase();
            variable.split('=').next() == Some(&format!("SIGNAL_FISH_{of_key}"))
        };
        must(
            KEYS.iter().any(|key| is_key(key.path)),
            &format!("no key has {variable}"),
        )?;
    }
    match *program {
        "cargo" => check_cargo(arguments),
        "signal-fish-loadtest" => check_loadtest(arguments),
        "signal-fish-server" | "target/release/signal-fish-server" => {
            for flag in flags() {
                must(help.contains(&name(flag)), &format!("no flag {flag}"))?;
            }
            let ends = ["--help", "--validate-config", "--check"];
            if arguments.iter().any(|word| ends.contains(word)) {
                let ended = run(arguments, &[], &[("config.json", &read("config.json"))]);
                let is_fine = ended.code == Some(0) || (arguments.contains(&"--check") && ended.code == Some(1));
                must(is_fine, &format!("ended with {:?}: {}", ended.code, ended.err))?;
            }
            Ok(())
        }
        script if script.starts_with("scripts/") => {
            use std::os::unix::fs::PermissionsExt as _;
            let file = root().join(script).metadata().map_err(|error| error.to_string())?;
            must(file.permissions().mode() & 0o111 != 0, "it cannot be executed")?;
            let text = read(script);
            for flag in flags() {
                must(
                    text.contains(&name(flag)) || of_its_programs(&text).contains(&name(flag)),
                    flag,
                )?;
            }
            for variable in variables.iter().filter_map(|variable| variable.split('=').next()) {
                must(text.contains(variable), &format!("it does not know {variable}"))?;
            }
            Ok(())
        }
        other => {
            let known = OF_OTHERS.contains(&other);
            must(known, "neither ours nor a known program")
        }
    }
}

/// The call with what is quoted as one word.
fn without_quotes(call: &str) -> String {
    let parts = call.split('"').enumerate();
    let part = |(at, part): (usize, &str)| {
        if at % 2 == 1 {
            part.replace(' ', "_")
        } else {
            part.to_owned()
        }
    };
    parts.map(part).collect()
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

/// The text of what a script starts: other scripts and examples that it names.
fn of_its_programs(script: &str) -> String {
    let mut texts = String::new();
    for word in script.split(|c: char| c.is_whitespace() || "\"'=()".contains(c)) {
        let is_own = word.starts_with("scripts/") && root().join(word).is_file();
        if is_own {
            texts += &read(word);
        }
    }
    for binary in ["shards/simulator/src/bin", "shards/simulator/examples"] {
        let entries = std::fs::read_dir(root().join(binary)).into_iter().flatten().flatten();
        texts.extend(entries.filter_map(|entry| std::fs::read_to_string(entry.path()).ok()));
    }
    texts
}

fn check_cargo(arguments: &[&str]) -> Result<(), String> {
    let at = arguments.iter().position(|word| *word == "--");
    let (own, behind) = arguments.split_at(at.unwrap_or(arguments.len()));
    let after = |flags: &[&str]| {
        let at = own.iter().position(|word| flags.contains(word))?;
        own.get(at + 1).copied()
    };
    let verbs = ["run", "test", "bench", "build", "install", "deb"];
    if !own.first().is_some_and(|verb| verbs.contains(verb)) {
        return Err("no such verb is expected".to_owned());
    }
    let package = after(&["-p", "--package"]).unwrap_or("signal-fish-server");
    let folder = match package {
        "signal-fish-server" => ".",
        "signal-fish-loadtest" => "loadtest",
        "signal-fish-bench" => "bench",
        "signal-fish-simulator" => "shards/simulator",
        other => return Err(format!("no package {other}")),
    };
    let manifest = read(&format!("{folder}/Cargo.toml"));
    if !manifest.contains(&format!("name = \"{package}\"")) {
        return Err(format!("{folder} is not {package}"));
    }
    for (flag, place) in [("--test", "tests"), ("--example", "examples")] {
        if let Some(name) = after(&[flag]) {
            let path = root().join(folder).join(place).join(name);
            if !path.with_extension("rs").exists() && !path.exists() {
                return Err(format!("no {flag} {name}"));
            }
        }
    }
    if package == "signal-fish-loadtest" && behind.len() > 1 {
        check_loadtest(&behind[1..])?;
    }
    Ok(())
}

/// Its flags are the fields of its arguments; its loads stand in its documentation.
fn check_loadtest(arguments: &[&str]) -> Result<(), String> {
    let fields = read("loadtest/src/cli.rs");
    let load = arguments.first().ok_or("no load")?;
    if !read("loadtest/README.md").contains(&format!("| `{load}` |")) {
        return Err(format!("no load {load}"));
    }
    for flag in arguments.iter().filter_map(|word| word.strip_prefix("--")) {
        if !fields.contains(&format!("    {}: ", flag.replace('-', "_")))
            && !fields.contains(&format!(") {}: ", flag.replace('-', "_")))
        {
            return Err(format!("no flag --{flag}"));
        }
    }
    Ok(())
}

/// The test would notice: faults of every kind are told.
#[test]
fn what_does_not_hold_is_found() {
    let document = "<!-- not run: no such program -->\n```sh\nfoo\n```\n\n```\nbar\n```\n";
    let found = blocks_in("x.md", document);
    assert_eq!((found.len(), found[0].is_run, found[1].is_run), (2, false, true));
    assert_eq!((&*found[1].language, found[1].line), ("", 6));
    let help = "--check";
    for wrong in [
        "no-such-program",
        "scripts/no-such-script.sh",
        "scripts/soak.sh --no-such-flag",
        "NO_SUCH_VARIABLE=1 scripts/soak.sh",
        "signal-fish-server --no-such-flag",
        "SIGNAL_FISH_NO_SUCH_KEY=1 signal-fish-server",
        "cargo run -p no-such-package",
        "cargo test --test no_such_test",
        "signal-fish-loadtest no-such-load",
        "signal-fish-loadtest relay --no-such-flag",
        "cargo run -p signal-fish-loadtest -- relay --no-such-flag",
    ] {
        assert!(check(wrong, help).is_err(), "{wrong}");
    }
}
