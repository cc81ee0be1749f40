//! Every target holds for every file of its corpus and for everything that fuzzing ever found.

use signal_fish_fuzz_targets::{TARGETS, Target};
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};

/// The files of a target's folder, in order.
fn files(folder: &str, name: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder).join(name);
    let Ok(entries) = folder.read_dir() else {
        return Vec::new();
    };
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("the folder can be read").path())
        .collect();
    files.sort();
    files
}

#[track_caller]
fn replay(target: Target, file: &Path) {
    let bytes = std::fs::read(file).expect("the file can be read");
    let held = panic::catch_unwind(AssertUnwindSafe(|| target(&bytes)));
    assert!(held.is_ok(), "{} breaks a promise", file.display());
}

#[test]
fn every_corpus_holds() {
    for (name, target) in TARGETS {
        let files = files("corpus", name);
        assert!(!files.is_empty(), "the corpus of {name} is empty");
        files.iter().for_each(|file| replay(target, file));
    }
}

#[test]
fn everything_found_stays_fixed() {
    let mut found = 0;
    for (name, target) in TARGETS {
        let files = files("regressions", name);
        files.iter().for_each(|file| replay(target, file));
        found += files.len();
    }
    assert!(found > 0, "nothing was ever found");
}

/// A folder that no target has would never be replayed.
#[test]
fn every_folder_has_its_target() {
    for folder in ["corpus", "regressions"] {
        for folder in files(folder, "") {
            let name = folder.file_name().and_then(|name| name.to_str());
            assert!(
                TARGETS.iter().any(|(target, _)| Some(*target) == name),
                "{}",
                folder.display()
            );
        }
    }
}
