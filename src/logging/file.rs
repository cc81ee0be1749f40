//! Log files: rotation by the clock, retention by number.

use super::destination::{Lines, Sink};
use crate::config::{LogRotation, Logging};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Pause after a file that could not be opened.
const RETRY: Duration = Duration::from_secs(60);

/// The log file that is written now, and how the next ones are named.
#[derive(Debug)]
pub(super) struct LogFiles {
    dir: PathBuf,
    name: String,
    rotation: LogRotation,
    files_max: usize,
    /// What is written to. None while the disk is too full even for an empty file.
    file: Option<Lines<File>>,
    /// Which day or hour the file is for.
    period: u64,
    /// An opening failed: it is not tried again until then.
    retry_at: Option<Instant>,
}

impl LogFiles {
    /// Opens the file of this day or hour, and the directory if it is missing.
    ///
    /// # Errors
    /// When the file cannot be written. A full disk is no error: it may have room later.
    pub(super) fn open(logging: &Logging) -> io::Result<Self> {
        let now = SystemTime::now();
        let mut files = Self {
            dir: logging.dir.clone(),
            name: logging.filename.clone(),
            rotation: logging.rotation,
            files_max: logging.max_files,
            file: None,
            period: period(logging.rotation, now),
            retry_at: None,
        };
        match files.open_at(now) {
            Err(error) if !is_full(&error) => Err(error),
            opened => {
                if let Err(error) = opened {
                    files.failed(&error);
                }
                Ok(files)
            }
        }
    }

    fn open_at(&mut self, now: SystemTime) -> io::Result<()> {
        fs::create_dir_all(&self.dir)?;
        let path = self.dir.join(file_name(&self.name, self.rotation, now));
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        self.file = Some(Lines::new(file));
        self.period = period(self.rotation, now);
        self.retry_at = None;
        if let Err(error) = remove_surplus(&self.dir, &self.name, self.files_max) {
            tracing::warn!(%error, "old log files cannot be removed");
        }
        Ok(())
    }

    /// What was open stays open.
    fn failed(&mut self, error: &io::Error) {
        self.retry_at = Some(Instant::now() + RETRY);
        tracing::warn!(%error, dir = %self.dir.display(), "a log file cannot be opened");
    }
}

impl Sink for LogFiles {
    fn line(&mut self, line: &[u8]) -> io::Result<()> {
        let now = SystemTime::now();
        let wants = self.file.is_none() || period(self.rotation, now) != self.period;
        if wants
            && self.retry_at.is_none_or(|at| at <= Instant::now())
            && let Err(error) = self.open_at(now)
        {
            self.failed(&error);
        }
        match &mut self.file {
            Some(file) => file.write(line),
            None => Err(ErrorKind::StorageFull.into()),
        }
    }

    fn reopen(&mut self) {
        if let Err(error) = self.open_at(SystemTime::now()) {
            self.failed(&error);
        }
    }
}

/// Whether there may be room another time.
fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

/// The number of the day or hour.
fn period(rotation: LogRotation, now: SystemTime) -> u64 {
    let secs = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    match rotation {
        LogRotation::Daily => secs / (24 * 3600),
        LogRotation::Hourly => secs / 3600,
        LogRotation::Never => 0,
    }
}

/// `server.log.2026-11-21`, `server.log.2026-11-21-20` or `server.log`, in UTC.
fn file_name(name: &str, rotation: LogRotation, now: SystemTime) -> String {
    // "2026-11-21T20:37:34Z"
    let time = humantime::format_rfc3339_seconds(now).to_string().replace('T', "-");
    match rotation {
        LogRotation::Daily => format!("{name}.{}", &time[..10]),
        LogRotation::Hourly => format!("{name}.{}", &time[..13]),
        LogRotation::Never => name.to_owned(),
    }
}

/// Removes the oldest files that rotation has named, until there are `files_max`. 0 keeps all.
fn remove_surplus(dir: &Path, name: &str, files_max: usize) -> io::Result<()> {
    if files_max == 0 {
        return Ok(());
    }
    let mut dated = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let file = entry.file_name();
        let date = file
            .to_str()
            .and_then(|file| file.strip_prefix(name)?.strip_prefix('.'));
        if let Some(date) = date.filter(|date| is_date(date))
            && entry.file_type()?.is_file()
        {
            dated.push((date.to_owned(), entry.path()));
        }
    }
    dated.sort();
    let surplus = dated.len().saturating_sub(files_max);
    for (_, path) in &dated[..surplus] {
        match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Whether rotation makes such names: `2026-11-21` or `2026-11-21-20`.
fn is_date(text: &str) -> bool {
    matches!(text.len(), 10 | 13)
        && text.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 | 10 => byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(secs)
    }

    #[test]
    fn names_and_periods_follow_the_clock() {
        let late = at(1_795_305_599); // 2026-11-21T23:59:59Z
        let next = at(1_795_305_600);
        assert_eq!(file_name("a.log", LogRotation::Daily, late), "a.log.2026-11-21");
        assert_eq!(file_name("a.log", LogRotation::Daily, next), "a.log.2026-11-22");
        assert_eq!(file_name("a.log", LogRotation::Hourly, late), "a.log.2026-11-21-23");
        assert_eq!(file_name("a.log", LogRotation::Never, late), "a.log");
        for rotation in [LogRotation::Daily, LogRotation::Hourly] {
            assert_ne!(period(rotation, late), period(rotation, next));
        }
        assert_eq!(period(LogRotation::Never, late), period(LogRotation::Never, next));
    }

    #[test]
    fn the_oldest_files_of_this_log_are_removed_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let others = [
            "a.log",
            "a.log.2026-11-1",
            "a.log.2026-11-01.gz",
            "b.log.2026-11-01",
            "a.log.2026-11-01-x1",
            "a.log.20261101--",
        ];
        let dated = [
            "a.log.2026-11-01",
            "a.log.2026-11-02",
            "a.log.2026-11-02-07",
            "a.log.2026-11-03",
        ];
        for name in others.iter().chain(&dated) {
            fs::write(dir.path().join(name), "").unwrap();
        }
        fs::create_dir(dir.path().join("a.log.2026-10-01")).unwrap();
        let there = |name: &str| dir.path().join(name).exists();
        remove_surplus(dir.path(), "a.log", 0).unwrap();
        assert!(dated.iter().all(|name| there(name)));
        remove_surplus(dir.path(), "a.log", 2).unwrap();
        assert_eq!(dated.iter().filter(|name| there(name)).count(), 2);
        assert!(there(dated[2]) && there(dated[3]));
        assert!(others.iter().all(|name| there(name)) && there("a.log.2026-10-01"));
    }

    fn logging(dir: &Path) -> Logging {
        Logging {
            dir: dir.to_owned(),
            filename: "a.log".to_owned(),
            rotation: LogRotation::Hourly,
            max_files: 1,
            ..crate::Config::default().logging
        }
    }

    #[test]
    fn a_new_period_begins_a_new_file() {
        let dir = tempfile::tempdir().unwrap();
        let mut files = LogFiles::open(&logging(dir.path())).unwrap();
        files.line(b"one\n").unwrap();
        let first = dir
            .path()
            .join(file_name("a.log", LogRotation::Hourly, at(files.period * 3600)));
        fs::rename(&first, dir.path().join("a.log.2000-01-01-00")).unwrap();
        // As if the hour had passed.
        files.period -= 1;
        files.line(b"two\n").unwrap();
        assert_eq!(fs::read(first).unwrap(), b"two\n");
        assert!(!dir.path().join("a.log.2000-01-01-00").exists(), "one file is kept");
    }

    #[test]
    fn a_file_that_was_moved_away_is_opened_anew_when_told() {
        let dir = tempfile::tempdir().unwrap();
        let mut never = logging(dir.path());
        never.rotation = LogRotation::Never;
        let mut files = LogFiles::open(&never).unwrap();
        files.line(b"one\n").unwrap();
        fs::rename(dir.path().join("a.log"), dir.path().join("old")).unwrap();
        files.line(b"two\n").unwrap();
        files.reopen();
        files.line(b"three\n").unwrap();
        assert_eq!(fs::read(dir.path().join("old")).unwrap(), b"one\ntwo\n");
        assert_eq!(fs::read(dir.path().join("a.log")).unwrap(), b"three\n");
    }

    #[test]
    fn a_directory_that_vanishes_later_costs_lines_and_no_more() {
        let dir = tempfile::tempdir().unwrap();
        let mut files = LogFiles::open(&logging(&dir.path().join("logs"))).unwrap();
        fs::remove_dir_all(dir.path().join("logs")).unwrap();
        // In its place is what no directory can be made of.
        fs::write(dir.path().join("logs"), "").unwrap();
        files.period -= 1;
        files.line(b"to the old file\n").unwrap();
        assert!(files.retry_at.is_some());
    }
}
