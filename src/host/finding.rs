//! What the checks of the host say.

use std::fmt;

/// What was found about one thing the server needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub subject: &'static str,
    /// Whether it will do.
    pub state: State,
    /// What was found, and the cure where one is needed.
    pub text: String,
}

/// Whether something will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Yes.
    Fine,
    /// Yes, but it could be better.
    Advice,
    /// No: the server cannot run like this.
    Failure,
}

impl Finding {
    pub(crate) fn fine(subject: &'static str, text: impl Into<String>) -> Self {
        Self {
            subject,
            state: State::Fine,
            text: text.into(),
        }
    }

    pub(crate) fn advice(subject: &'static str, text: impl Into<String>) -> Self {
        Self {
            subject,
            state: State::Advice,
            text: text.into(),
        }
    }

    pub(crate) fn failure(subject: &'static str, text: impl Into<String>) -> Self {
        Self {
            subject,
            state: State::Failure,
            text: text.into(),
        }
    }
}

impl fmt::Display for Finding {
    /// A row of the table that `--check` prints.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Fine => "ok",
            State::Advice => "advice",
            State::Failure => "FAILED",
        };
        write!(f, "{state:<8}{:<16}{}", self.subject, self.text)
    }
}
