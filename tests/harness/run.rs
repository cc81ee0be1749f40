//! Runs of the binary that end by themselves.

use super::PATIENCE;
use super::server::binary;
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::Instant;

/// What a run left behind.
#[derive(Debug)]
pub struct Run {
    /// Exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// Runs the binary with these arguments, variables and files, in a directory of its own.
#[must_use]
pub fn run(args: &[&str], env: &[(&str, &str)], files: &[(&str, &str)]) -> Run {
    let dir = tempfile::tempdir().expect("a temporary directory");
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).expect("a file");
    }
    let mut command = binary(&dir);
    command.args(args).envs(env.iter().copied());
    end_of(command)
}

/// Runs a command until it ends.
///
/// # Panics
/// When it does not end.
#[must_use]
pub fn end_of(mut command: Command) -> Run {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command can be started");
    let (mut stdout, mut stderr) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
    let reader = |pipe: &mut dyn Read| {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).expect("a pipe can be read");
        String::from_utf8_lossy(&bytes).into_owned()
    };
    std::thread::scope(|scope| {
        let out = scope.spawn(move || reader(&mut stdout));
        let err = scope.spawn(move || reader(&mut stderr));
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = child.try_wait().expect("waitable") {
                break Some(status);
            }
            if Instant::now() > deadline {
                let _ = child.kill();
                let _ = child.wait();
                break None;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        };
        let (out, err) = (out.join().expect("a reader"), err.join().expect("a reader"));
        let status = status.unwrap_or_else(|| panic!("{command:?} does not end\n{out}\n{err}"));
        Run {
            code: status.code(),
            out,
            err,
        }
    })
}
