//! What the program says: results on standard output, progress on standard error.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this module is the program's voice"
)]

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Time between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Prints a result.
pub(crate) fn line(text: &str) {
    println!("{}", text.trim_end());
}

/// Prints why nothing could be done.
pub(crate) fn error(text: &str) {
    eprintln!("signal-fish-loadtest: {text}");
}

/// Progress: one line that renews itself on a terminal, plain lines now and then elsewhere.
pub(crate) struct Live {
    terminal: bool,
    last: Option<Instant>,
}

impl Live {
    pub(crate) fn new() -> Self {
        Self {
            terminal: std::io::stderr().is_terminal(),
            last: None,
        }
    }

    /// Shows a line until the next one.
    pub(crate) fn show(&mut self, text: &str) {
        if self.terminal {
            let columns = rustix::termios::tcgetwinsize(std::io::stderr()).map_or(80, |size| usize::from(size.ws_col));
            let text: String = text.chars().take(columns.saturating_sub(1)).collect();
            eprint!("\r\x1b[2K{text}");
            let _ = std::io::stderr().flush();
        } else if self.last.is_none_or(|last| last.elapsed() >= LINE_EVERY) {
            self.last = Some(Instant::now());
            eprintln!("{text}");
        }
    }

    /// Shows a line for good.
    pub(crate) fn keep(&mut self, text: &str) {
        self.clear();
        eprintln!("{text}");
    }

    /// Removes the line that would renew itself.
    pub(crate) fn clear(&mut self) {
        if self.terminal {
            eprint!("\r\x1b[2K");
        }
    }
}
