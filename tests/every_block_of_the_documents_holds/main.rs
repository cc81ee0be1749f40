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

#[path = "../../examples/client.rs"]
#[allow(dead_code, reason = "its `main` is for its readers")]
mod client;
mod commands;
mod documents;
#[path = "../harness/mod.rs"]
mod harness;
mod names;

use documents::{blocks, read, run_blocks};
use harness::{PATIENCE, Server};
use serde_json::Value;
use signal_fish_core::protocol::signal_fish::wire::{ClientMessage, ServerMessage};
use signal_fish_server::config;
use std::collections::{BTreeMap, BTreeSet};

/// Blocks that nothing runs, by document. Each says why.
const NOT_RUN: [(&str, usize); 3] = [("README.md", 2), ("docs/operators.md", 2), ("docs/protocol.md", 2)];

#[test]
fn every_block_is_run_or_says_why_not() {
    let mut not_run = BTreeMap::new();
    for block in blocks() {
        let kinds = [
            "sh", "json", "rust", "toml", "python", "js", "html", "text", "yaml", "ini",
        ];
        assert!(
            kinds.contains(&&*block.language),
            "{}: a block needs a language; ```text for what is no code",
            block.at()
        );
        *not_run.entry(block.document.clone()).or_insert(0) += usize::from(!block.is_run);
        let is_held = !["yaml", "ini"].contains(&&*block.language);
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

/// What the README shows is the file that `scripts/pages.sh` opens.
#[test]
fn the_client_of_the_readme_is_a_file() {
    let blocks = run_blocks("html");
    assert_eq!(blocks.len(), 1, "only this one is opened");
    assert_eq!(blocks[0].text, read("docs/clients/chat.html"));
    assert!(read("scripts/pages/file.mjs").contains("docs/clients/chat.html"));
}
