//! Every block of code in the documents is run, compiled or loaded; or it says in the line above it why it is not:
//! `<!-- not run: reason -->`. How many say so is written down here.
//!
//! | block | what happens to it |
//! |---|---|
//! | `sh` | the shell reads it; its programs, files, flags and variables exist; calls of the server that end are made |
//! | `json` | it loads as a configuration, or is a message of the protocol |
//! | `rust` | compiled with the documentation of `src/lib.rs` |
//! | `toml` | its features exist |
//! | `python`, `js` | played against the server by `scripts/interop.sh` |
//! | `html` | opened from disk by `scripts/pages.sh` |
//! | `text` | no code: drawings, and what programs print |

#[path = "../examples/client.rs"]
#[allow(dead_code, reason = "its `main` is for its readers")]
mod client;
mod harness;

use harness::run::{end_of, run};
use harness::{PATIENCE, Server};
use serde_json::Value;
use signal_fish_core::protocol::signal_fish::wire::{ClientMessage, ServerMessage};
use signal_fish_server::config;
use signal_fish_server::config::keys::KEYS;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Blocks that nothing runs, by document. Each says why.
const NOT_RUN: [(&str, usize); 3] = [("README.md", 2), ("docs/operators.md", 1), ("docs/protocol.md", 2)];

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

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The documents, as paths from the root. The results of comparisons are data.
fn documents() -> Vec<String> {
    let mut found = Vec::new();
    for folder in ["", "docs/", "loadtest/", "bench/rivals/"] {
        for entry in std::fs::read_dir(root().join(folder)).expect("a folder") {
            let name = entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("a name in UTF-8");
            if Path::new(&name).extension().is_some_and(|ending| ending == "md") {
                found.push(format!("{folder}{name}"));
            }
        }
    }
    found.sort();
    assert!(found.len() > 10, "{found:?}");
    found
}

/// A block of code between fences.
#[derive(Debug)]
struct Block {
    document: String,
    /// Of the fence that opens it, from 1.
    line: usize,
    language: String,
    text: String,
    is_run: bool,
}

impl Block {
    fn at(&self) -> String {
        format!("{}:{}", self.document, self.line)
    }
}

/// The blocks of a document.
fn blocks_in(document: &str, text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let (mut is_open, mut before) = (false, "");
    for (number, line) in text.lines().enumerate() {
        match line.trim_start().strip_prefix("```") {
            Some(_) if is_open => is_open = false,
            Some(language) => {
                is_open = true;
                blocks.push(Block {
                    document: document.to_owned(),
                    line: number + 1,
                    // What follows a comma is for rustdoc.
                    language: language.split(',').next().unwrap_or_default().to_owned(),
                    text: String::new(),
                    is_run: !before.starts_with("<!-- not run: "),
                });
            }
            None if is_open => blocks.last_mut().expect("one is open").text += &format!("{line}\n"),
            None => {}
        }
        before = line;
    }
    assert!(!is_open, "{document}: the last block has no end");
    blocks
}

fn blocks() -> Vec<Block> {
    let documents = documents();
    documents.iter().flat_map(|name| blocks_in(name, &read(name))).collect()
}

fn run_blocks(language: &str) -> Vec<Block> {
    let all = blocks().into_iter();
    let found: Vec<_> = all.filter(|block| block.is_run && block.language == language).collect();
    assert!(!found.is_empty(), "no block of {language}");
    found
}

#[test]
fn every_block_is_run_or_says_why_not() {
    let mut not_run = BTreeMap::new();
    for block in blocks() {
        let kinds = ["sh", "json", "rust", "toml", "python", "js", "html", "text", "yaml"];
        assert!(
            kinds.contains(&&*block.language),
            "{}: a block needs a language; ```text for what is no code",
            block.at()
        );
        *not_run.entry(block.document.clone()).or_insert(0) += usize::from(!block.is_run);
        let is_held = block.language != "yaml";
        assert!(
            is_held || !block.is_run,
            "{}: nothing runs {}",
            block.at(),
            block.language
        );
    }
    not_run.retain(|_, count| *count > 0);
    let expected: BTreeMap<_, _> = NOT_RUN
        .into_iter()
        .map(|(name, count)| (name.to_owned(), count))
        .collect();
    assert_eq!(not_run, expected, "blocks that say they are not run");
}

/// What is labelled as text must not be a way around the others.
#[test]
fn no_text_is_a_command_in_disguise() {
    let commands = [
        "cargo ",
        "scripts/",
        "signal-fish-server ",
        "target/",
        "curl ",
        "pip ",
        "npm ",
    ];
    for block in blocks().iter().filter(|block| block.language == "text") {
        for line in block.text.lines() {
            let is_command = commands.iter().any(|command| line.trim_start().starts_with(command));
            assert!(!is_command, "{}: {line}", block.at());
        }
    }
}

#[test]
fn every_block_of_json_loads() {
    for block in run_blocks("json") {
        let value: Value = serde_json::from_str(&block.text).unwrap_or_else(|error| panic!("{}: {error}", block.at()));
        if value.get("type").is_none() {
            let faults = config::from_value(value).err().map(|faults| faults.to_string());
            // Certificates are the reader's.
            let mut faults = faults
                .iter()
                .flat_map(|faults| faults.lines())
                .filter(|line| !line.is_empty());
            let fault = faults.find(|line| !line.contains("_path = ") || !line.contains("No such file"));
            assert_eq!(fault, None, "{}", block.at());
            continue;
        }
        let text = block.text.trim();
        let from_client = ClientMessage::parse(text).err();
        let from_server = serde_json::from_str::<ServerMessage<'_>>(text).err();
        assert!(
            from_client.is_none() || from_server.is_none(),
            "{}: no client sends it: {from_client:?}; nor does the server: {from_server:?}",
            block.at()
        );
    }
}

/// The documentation of `src/lib.rs` holds these documents when it is tested.
#[test]
fn every_document_with_rust_is_compiled() {
    let library = read("src/lib.rs");
    let documents: BTreeSet<_> = run_blocks("rust").into_iter().map(|block| block.document).collect();
    for document in documents {
        let included = format!("include_str!(\"../{document}\")");
        assert!(library.contains(&included), "{document}: src/lib.rs lacks {included}");
    }
}

#[test]
fn the_client_in_rust_plays_as_shown() {
    let example = read("examples/client.rs");
    let (_, shown) = example.split_once("\n\n").expect("a header");
    let blocks = run_blocks("rust");
    let block = blocks.iter().find(|block| block.document == "docs/clients.md");
    assert_eq!(
        block.expect("a client").text,
        shown,
        "docs/clients.md differs from examples/client.rs"
    );

    let server = Server::start(serde_json::json!({}));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let play = async { tokio::time::timeout(PATIENCE, client::play(&format!("ws://{}/v2/ws", server.addr))).await };
    let heard = runtime.block_on(play).expect("in time").expect("they play");
    assert!(heard.contains("e2e4"), "{heard}");
}

#[test]
fn every_feature_in_a_manifest_exists() {
    let features = read("Cargo.toml");
    let features = features.split("[features]").nth(1).expect("features");
    for block in run_blocks("toml") {
        let of_server = block.text.lines().find(|line| line.starts_with("signal-fish-server"));
        let Some(of_server) = of_server else { continue };
        let named = of_server
            .split("features = [")
            .nth(1)
            .and_then(|rest| rest.split(']').next());
        for feature in named
            .unwrap_or_default()
            .split(',')
            .map(|name| name.trim_matches([' ', '"']))
        {
            assert!(
                features.contains(&format!("\n{feature} = ")),
                "{}: {feature}",
                block.at()
            );
        }
    }
}

/// Browsers and other languages are installed by scripts, so the scripts run these blocks.
#[test]
fn the_scripts_take_the_blocks_of_their_languages() {
    assert!(read("scripts/interop.sh").contains("scripts/interop/blocks.py"));
    for (language, count) in [("python", 2), ("js", 1)] {
        assert!(run_blocks(language).len() >= count, "{language}");
    }
}

#[test]
fn every_file_that_a_document_names_exists() {
    let folders = [
        "scripts/",
        "docs/",
        "examples/",
        "tests/",
        "src/",
        "bench/",
        "shards/",
        "loadtest/",
        "fuzz/",
    ];
    // What is made, and what stood there once.
    let made = ["fuzz/artifacts", "scripts/package/config"];
    for document in documents().iter().filter(|name| *name != "CHANGELOG.md") {
        let text = read(document);
        let above = Path::new(document).parent().expect("a folder");
        for word in text.split(|c: char| !(c.is_ascii_alphanumeric() || "/._-".contains(c))) {
            let word = word.trim_end_matches('.');
            let is_path = folders.iter().any(|folder| word.starts_with(folder)) && !word.contains("..");
            if is_path && !made.iter().any(|made| word.starts_with(made)) {
                let is_there = [root(), root().join("shards/core"), root().join(above)]
                    .iter()
                    .any(|from| from.join(word).exists());
                assert!(is_there, "{document} names {word}");
            }
        }
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = link.split('#').next().unwrap_or_default();
            if !path.is_empty() && !path.contains("://") {
                assert!(root().join(above).join(path).exists(), "{document} links to {path}");
            }
        }
    }
}

/// Rows of the threat model end with files and the names of tests in them.
#[test]
fn every_attack_of_the_threat_model_is_played() {
    let text = read("docs/threat-model.md");
    let mut tests = 0;
    for row in text
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| attack"))
    {
        let last = row.trim_end_matches(" |").rsplit(" | ").next().unwrap_or_default();
        let mut names = last.split('`').filter(|name| !name.trim().is_empty());
        let file = read(names.next().expect("a file"));
        for name in names {
            assert!(
                file.contains(&format!("#[test]\n    fn {name}()")) || file.contains(&format!("\nfn {name}()")),
                "{name}: {row}"
            );
            tests += 1;
        }
    }
    assert!(tests > 30, "{tests}");
}

/// The generated manuals are made of the tables themselves; decisions speak of what is gone, too.
#[test]
fn every_key_and_metric_that_a_guide_names_exists() {
    let metrics = read("docs/metrics.md");
    let sections: BTreeSet<_> = KEYS
        .iter()
        .filter_map(|key| key.path.split_once('.'))
        .map(|(section, _)| section)
        .collect();
    let is_part = |named: &str| {
        KEYS.iter()
            .any(|key| key.path == named || key.path.starts_with(&format!("{named}.")))
    };
    let guides = [
        "README.md",
        "ARCHITECTURE.md",
        "docs/clients.md",
        "docs/embedding.md",
        "docs/operators.md",
    ];
    let more = [
        "docs/proxies.md",
        "docs/protocol.md",
        "docs/threat-model.md",
        "docs/tuning.md",
        "loadtest/README.md",
    ];
    let mut found = 0;
    for guide in guides.into_iter().chain(more) {
        for code in read(guide).split('`').skip(1).step_by(2) {
            let code = code.split([':', ' ', '=', '{']).next().unwrap_or_default();
            let is_plain = code
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._".contains(&byte));
            if !is_plain {
                continue;
            }
            if code.starts_with("signal_fish_") && !code.ends_with('_') && !code.starts_with("signal_fish_server") {
                assert!(metrics.contains(&format!("`{code}`")), "{guide}: no metric {code}");
                found += 1;
            }
            if let Some((section, key)) = code.split_once('.')
                && sections.contains(section)
                && !["json", "md", "rs", "sh", "js", ""].contains(&key)
            {
                assert!(is_part(code), "{guide}: no key {code}");
                found += 1;
            }
        }
    }
    assert!(found > 100, "{found}");
}

/// What the README shows is the file that `scripts/pages.sh` opens.
#[test]
fn the_client_of_the_readme_is_a_file() {
    let blocks = run_blocks("html");
    assert_eq!(blocks.len(), 1, "only this one is opened");
    assert_eq!(blocks[0].text, read("docs/clients/chat.html"));
    assert!(read("scripts/pages/file.mjs").contains("docs/clients/chat.html"));
}

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
