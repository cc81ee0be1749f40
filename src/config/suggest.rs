//! "Did you mean": the known key that an unknown one resembles most.

use super::keys::{KEYS, NAMED_OTHERWISE};

/// A name that needs more edits than this resembles nothing.
const LENGTH_MAX: usize = 128;

/// The key or section that `path` was probably meant to be.
pub(super) fn key(path: &str) -> Option<String> {
    if let Some((_, ours)) = NAMED_OTHERWISE.iter().find(|(theirs, _)| *theirs == path) {
        return Some((*ours).to_owned());
    }
    let last = path.rsplit('.').next().unwrap_or(path);
    let mut best: Option<(usize, &str)> = None;
    for known in known_paths() {
        let known_last = known.rsplit('.').next().unwrap_or(known);
        // The right name in the wrong section is one step away.
        let steps = distance(path, known).min(distance(last, known_last).saturating_add(1));
        if best.is_none_or(|(fewest, _)| steps < fewest) {
            best = Some((steps, known));
        }
    }
    best.filter(|(steps, _)| *steps <= 1 + last.len() / 4)
        .map(|(_, known)| known.to_owned())
}

/// The word of `choices` that `name` was probably meant to be.
pub(super) fn word(name: &str, choices: &[&str]) -> Option<String> {
    choices
        .iter()
        .map(|choice| (distance(name, choice), *choice))
        .min()
        .filter(|(steps, _)| *steps <= 1 + name.len() / 4)
        .map(|(_, choice)| choice.to_owned())
}

/// Every key, and every section above one.
fn known_paths() -> impl Iterator<Item = &'static str> {
    KEYS.iter().flat_map(|key| {
        let sections = key.path.match_indices('.').map(|(end, _)| &key.path[..end]);
        std::iter::once(key.path).chain(sections)
    })
}

/// Edits that turn one name into the other: insert, delete or replace a character. Huge for names beyond any sense.
fn distance(a: &str, b: &str) -> usize {
    if a.len() > LENGTH_MAX || b.len() > LENGTH_MAX {
        return usize::MAX;
    }
    strsim::levenshtein(&a.to_ascii_lowercase(), &b.to_ascii_lowercase())
}
