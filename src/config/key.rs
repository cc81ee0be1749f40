//! What a key of the configuration is, and how one is written.

use serde_json::Value;

/// One key of the configuration.
#[derive(Debug, Clone)]
pub struct Key {
    /// Path in the file, its parts joined by dots.
    pub path: &'static str,
    /// What a value must be.
    pub kind: Kind,
    /// Built-in default.
    pub default: Value,
    /// Unit of a number, empty if it has none.
    pub unit: &'static str,
    /// What the key sets.
    pub doc: &'static str,
    /// What to weigh when changing it: the effect of either direction, the risk.
    pub effect: &'static str,
    /// Whether the value, or a part of it, is never shown (D34).
    pub secret: bool,
    /// Whether SIGHUP applies a new value (D45); other keys need a restart.
    pub reloads: bool,
    /// What this server does with it.
    pub standing: Standing,
}

/// What this server does with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The value takes effect.
    Active,
    /// It would protect something, but its function does not exist yet: only the default is accepted (D31).
    NotBuilt,
    /// The function it belongs to does not exist, and the value protects nothing by itself: accepted without effect.
    Idle,
}

/// What a value must be.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// An integer, both bounds included.
    Integer(u64, u64),
    /// The same, or null.
    OptionalInteger(u64, u64),
    /// A string that passes a check, which may tidy it.
    Text(TextCheck),
    /// The same, or null.
    OptionalText(TextCheck),
    /// One of some words, whatever their case.
    Choice(&'static [&'static str]),
    /// The same, or null.
    OptionalChoice(&'static [&'static str]),
    /// A list of strings that pass a check.
    TextList(TextCheck),
    /// A map of strings to strings that pass a check.
    TextMap(TextCheck),
    /// A map of platforms, whatever their case, to strings that pass a check.
    PlatformMap(TextCheck),
    /// A map of platforms, whatever their case, to lists of strings.
    PlatformLists,
    /// The registered apps.
    Apps,
}

/// A check of a string: gives the tidied string back, or nothing.
#[derive(Debug, Clone, Copy)]
pub struct TextCheck {
    /// What is expected, to be read after "expected".
    pub expected: &'static str,
    /// The check.
    pub accept: fn(&str) -> Option<String>,
}

/// A key that takes effect.
pub(super) fn key(path: &'static str, kind: Kind, default: impl Into<Value>) -> Key {
    Key {
        path,
        kind,
        default: default.into(),
        unit: "",
        doc: "",
        effect: "",
        secret: false,
        reloads: false,
        standing: Standing::Active,
    }
}

impl Key {
    /// The name of the environment variable in its documented spelling; `SIGNAL_FISH__...` is read too (D32).
    #[must_use]
    pub fn variable(&self) -> String {
        format!("SIGNAL_FISH_{}", self.path.to_ascii_uppercase().replace('.', "__"))
    }

    pub(super) fn unit(self, unit: &'static str) -> Self {
        Self { unit, ..self }
    }

    pub(super) fn weigh(self, effect: &'static str) -> Self {
        Self { effect, ..self }
    }

    pub(super) fn doc(self, doc: &'static str) -> Self {
        Self { doc, ..self }
    }

    pub(super) fn secret(self) -> Self {
        Self { secret: true, ..self }
    }

    pub(super) fn reloads(self) -> Self {
        Self { reloads: true, ..self }
    }

    pub(super) fn standing(self, standing: Standing) -> Self {
        Self { standing, ..self }
    }
}
