//! What is wrong with a configuration, in words for the operator (D33).

use std::fmt;
use std::path::PathBuf;

/// Where a value was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The built-in default.
    Default,
    /// A file, and the line if it is known.
    File(PathBuf, Option<usize>),
    /// An environment variable.
    Variable(String),
    /// A command-line flag.
    Flag(&'static str),
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where the value was given; [`Origin::Default`] when several keys do not fit together.
    pub origin: Origin,
    /// Path of the key, empty if the whole source is meant.
    pub key: String,
    /// The value as it was given, shortened; absent if it must not be shown (D34) or does not matter.
    pub value: Option<String>,
    /// What is wrong or was expected.
    pub problem: String,
    /// The key that was probably meant.
    pub meant: Option<String>,
}

/// Everything that is wrong, found in one go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults {
    list: Vec<Fault>,
    left_out: usize,
}

impl Faults {
    /// A file of nothing but mistakes need not fill the screen.
    const SHOWN_MAX: usize = 100;

    /// The faults, in the order of the sources.
    #[must_use]
    pub fn list(&self) -> &[Fault] {
        &self.list
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Adds a fault; it is made only if it will be shown.
    pub(super) fn add(&mut self, make: impl FnOnce() -> Fault) {
        if self.list.len() < Self::SHOWN_MAX {
            self.list.push(make());
        } else {
            self.left_out += 1;
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("configuration"),
            Self::File(path, Some(line)) => write!(f, "{}:{line}", path.display()),
            Self::File(path, None) => write!(f, "{}", path.display()),
            Self::Variable(name) => f.write_str(name),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        if !self.key.is_empty() {
            f.write_str(&self.key)?;
            if let Some(value) = &self.value {
                write!(f, " = {value}")?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.problem)?;
        if let Some(meant) = &self.meant {
            write!(f, "; did you mean `{meant}`?")?;
        }
        Ok(())
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fault in &self.list {
            writeln!(f, "  {fault}")?;
        }
        if self.left_out > 0 {
            writeln!(f, "  and {} more", self.left_out)?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}
