//! `tests/scenarios.md` names, for each of the 143 scenarios, its test or the work it belongs to.

use std::path::{Path, PathBuf};

const SCENARIOS: usize = 143;

/// Rows of the list: number and what stands beside it.
fn rows(list: &str) -> Vec<(usize, String)> {
    list.lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
            let number = cells.next()?.parse().ok()?;
            Some((number, cells.next()?.trim_matches('`').to_owned()))
        })
        .collect()
}

/// Names of the test functions `s<number>_...` in every Rust file below `dir`.
fn numbered_tests(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut pending: Vec<PathBuf> = vec![dir.to_owned()];
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            pending.extend(
                std::fs::read_dir(&path)
                    .expect("readable")
                    .map(|entry| entry.expect("readable").path()),
            );
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("readable");
            let mut is_test = false;
            for line in text.lines().map(str::trim) {
                if line == "#[test]" {
                    is_test = true;
                } else if let Some(name) = line.strip_prefix("fn ") {
                    let name = name.split('(').next().unwrap_or_default();
                    let digits = name.strip_prefix('s').and_then(|rest| rest.split('_').next());
                    if is_test && digits.is_some_and(|d| d.len() == 3 && d.bytes().all(|b| b.is_ascii_digit())) {
                        found.push(name.to_owned());
                    }
                    is_test = false;
                }
            }
        }
    }
    found.sort();
    found
}

#[test]
fn list_of_scenarios_is_complete_and_true() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let list = std::fs::read_to_string(dir.join("scenarios.md")).expect("the list");
    let rows = rows(&list);
    let numbers: Vec<usize> = rows.iter().map(|(number, _)| *number).collect();
    assert_eq!(
        numbers,
        (1..=SCENARIOS).collect::<Vec<_>>(),
        "each number once, in order"
    );
    let tests = numbered_tests(&dir);
    for (number, beside) in &rows {
        let of_number: Vec<&String> = tests
            .iter()
            .filter(|name| name.starts_with(&format!("s{number:03}_")))
            .collect();
        if let Some(work) = beside.strip_prefix("later: ") {
            assert!(
                !work.is_empty() && of_number.is_empty(),
                "{number}: {of_number:?} exists, so it is not later"
            );
        } else {
            assert_eq!(of_number, [beside], "scenario {number}");
        }
    }
    let listed = rows.iter().filter(|(_, beside)| !beside.starts_with("later: ")).count();
    assert_eq!(listed, tests.len(), "every numbered test is in the list");
}
