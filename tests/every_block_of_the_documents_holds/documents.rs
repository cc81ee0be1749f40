//! The documents and their blocks.

use std::path::{Path, PathBuf};

pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The documents, as paths from the root. The results of comparisons are data.
pub(crate) fn documents() -> Vec<String> {
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
pub(crate) struct Block {
    pub(crate) document: String,
    /// Of the fence that opens it, from 1.
    pub(crate) line: usize,
    pub(crate) language: String,
    pub(crate) text: String,
    pub(crate) is_run: bool,
}

impl Block {
    pub(crate) fn at(&self) -> String {
        format!("{}:{}", self.document, self.line)
    }
}

/// The blocks of a document.
pub(crate) fn blocks_in(document: &str, text: &str) -> Vec<Block> {
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

pub(crate) fn blocks() -> Vec<Block> {
    let documents = documents();
    documents.iter().flat_map(|name| blocks_in(name, &read(name))).collect()
}

pub(crate) fn run_blocks(language: &str) -> Vec<Block> {
    let all = blocks().into_iter();
    let found: Vec<_> = all.filter(|block| block.is_run && block.language == language).collect();
    assert!(!found.is_empty(), "no block of {language}");
    found
}
