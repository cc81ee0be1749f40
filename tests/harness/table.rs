//! A table of what a contract says: each row names the test that holds it.

use std::collections::BTreeSet;
use std::path::Path;

/// Holds that every row of `tests/<table>` names a test in `tests/<dir>/<file>`, and that every test there is named.
///
/// # Panics
/// If it is not so.
#[track_caller]
pub fn is_complete(table: &str, file: &str) {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let read = |path: &str| std::fs::read_to_string(tests.join(path)).expect("readable");
    let named: BTreeSet<String> = read(table)
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| what"))
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let name = cells.last().copied().unwrap_or_default();
            let is_name = name.starts_with('`') && name.ends_with('`') && name.len() > 2;
            assert!(is_name, "a row without a test: {line}");
            name.trim_matches('`').to_owned()
        })
        .collect();
    let mut there = BTreeSet::new();
    let mut is_test = false;
    for line in read(file).lines().map(str::trim) {
        if line == "#[test]" {
            is_test = true;
        } else if let Some(name) = line.strip_prefix("fn ")
            && std::mem::take(&mut is_test)
        {
            there.insert(name.split('(').next().unwrap_or_default().to_owned());
        }
    }
    assert!(there.remove("the_table_is_complete") && !there.is_empty());
    assert_eq!(named, there, "{table} and {file}");
}
