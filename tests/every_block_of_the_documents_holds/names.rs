//! What the documents name is there: files, tests, keys and metrics.

use crate::documents::{documents, read, root};
use signal_fish_server::config::keys::KEYS;
use std::collections::BTreeSet;
use std::path::Path;

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
