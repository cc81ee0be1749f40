//! Where lines go: a bounded queue, and a thread that writes. A stuck terminal or a full disk holds up that thread alone;
//! lines that cannot be written are lost, counted, and told of once a minute.

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use tracing_subscriber::fmt::MakeWriter;

/// Shortest time between two lines about lost lines, of all destinations together.
const TOLD_EVERY: Duration = Duration::from_secs(60);
/// How long the end of the log may take for all destinations together.
const ENDING_MAX: Duration = Duration::from_secs(1);
/// Pause after which a destination that takes nothing at the moment is tried again.
const RETRY: Duration = Duration::from_millis(50);

/// What takes lines.
pub(super) trait Sink: Send + 'static {
    /// Writes one line, its newline included.
    ///
    /// # Errors
    /// What the system says. The line, or a part of it, is lost then.
    fn line(&mut self, line: &[u8]) -> io::Result<()>;

    /// An operator may have moved the file away.
    fn reopen(&mut self) {}
}

/// A stream that was open from the start, such as standard output.
#[derive(Debug)]
pub(super) struct Stream<W>(pub(super) Lines<W>);

impl<W: Write + Send + 'static> Sink for Stream<W> {
    fn line(&mut self, line: &[u8]) -> io::Result<()> {
        self.0.write(line)
    }
}

/// Writes whole lines: what follows a line of which only a part was taken begins on a new one.
#[derive(Debug)]
pub(super) struct Lines<W> {
    to: W,
    torn: bool,
}

impl<W: Write> Lines<W> {
    pub(super) fn new(to: W) -> Self {
        Self { to, torn: false }
    }

    /// # Errors
    /// As [`Sink::line`].
    pub(super) fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if self.torn {
            self.write_rest(b"\n")?;
        }
        self.torn = true;
        self.write_rest(line)?;
        self.torn = false;
        Ok(())
    }

    fn write_rest(&mut self, mut rest: &[u8]) -> io::Result<()> {
        while !rest.is_empty() {
            match self.to.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => rest = &rest[count..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Whoever shares the stream made it non-blocking.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(RETRY),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// A queue of lines, and the thread behind it. Clones name the same one.
#[derive(Debug, Clone)]
pub(super) struct Destination {
    jobs: Sender<Job>,
    /// Says when the thread has ended.
    ended: Receiver<()>,
    losses: Losses,
    index: usize,
}

#[derive(Debug)]
enum Job {
    Line(Vec<u8>),
    Reopen,
    End,
}

impl Destination {
    /// Starts the thread of the destination with this place in `losses`, which all of them share.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub(super) fn start(index: usize, lines_max: usize, mut sink: impl Sink, losses: &Losses) -> io::Result<Self> {
        let (jobs, queue) = bounded(lines_max);
        let (alive, ended) = bounded(1);
        let name = losses.0.of[index].destination;
        let of_thread = losses.clone();
        thread::Builder::new().name(format!("log-{name}")).spawn(move || {
            let _alive = alive;
            write_all(&mut sink, &queue, &of_thread, index);
        })?;
        Ok(Self {
            jobs,
            ended,
            losses: losses.clone(),
            index,
        })
    }

    /// Lets the sink open its file anew, if the queue has room for the wish.
    pub(super) fn reopen(&self) {
        let _ = self.jobs.try_send(Job::Reopen);
    }

    fn take(&self, line: &[u8]) {
        if let Err(error) = self.jobs.try_send(Job::Line(line.to_vec()))
            && error.is_full()
        {
            self.losses.overflowed(self.index);
        }
    }
}

/// Lets every destination write what waits. Later lines are lost.
pub(super) fn end(destinations: &[Destination]) {
    let deadline = Instant::now() + ENDING_MAX;
    if let Some(first) = destinations.first() {
        first.losses.tell(true);
    }
    for destination in destinations {
        let _ = destination.jobs.send_deadline(Job::End, deadline);
    }
    for destination in destinations {
        // The thread never sends: the channel breaks when it ends.
        let _ = destination.ended.recv_deadline(deadline);
    }
}

/// The life of the thread.
fn write_all(sink: &mut impl Sink, queue: &Receiver<Job>, losses: &Losses, index: usize) {
    loop {
        // Looked at now and then, also while there is nothing to write.
        match queue.recv_timeout(losses.tell(false).unwrap_or(TOLD_EVERY)) {
            Ok(Job::Line(line)) => {
                if let Err(error) = sink.line(&line) {
                    losses.failed(index, &error);
                }
            }
            Ok(Job::Reopen) => sink.reopen(),
            Err(RecvTimeoutError::Timeout) => {}
            Ok(Job::End) | Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

impl<'a> MakeWriter<'a> for Destination {
    type Writer = &'a Destination;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

/// Takes one line per call, as the formatter writes them. Never fails and never waits.
impl Write for &Destination {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.take(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The lost lines of all destinations. Each thread looks at all of them, since one that is stuck tells nothing.
#[derive(Debug, Clone)]
pub(super) struct Losses(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    of: Vec<Loss>,
    /// Until when nothing is told. Locked by threads that write, never by those that log.
    quiet_until: Mutex<Option<Instant>>,
}

#[derive(Debug)]
struct Loss {
    destination: &'static str,
    /// Lines that were lost and not told of.
    lines: AtomicU64,
    /// All lines that were lost.
    total: AtomicU64,
    /// Why the last write failed, if one did. Locked by threads that write.
    error: Mutex<Option<String>>,
}

impl Loss {
    fn count(&self) {
        self.lines.fetch_add(1, Ordering::Relaxed);
        self.total.fetch_add(1, Ordering::Relaxed);
    }
}

impl Losses {
    /// None yet, of destinations with these names.
    pub(super) fn new(destinations: &[&'static str]) -> Self {
        let none = |destination: &&'static str| Loss {
            destination,
            lines: AtomicU64::new(0),
            total: AtomicU64::new(0),
            error: Mutex::new(None),
        };
        Self(Arc::new(Shared {
            of: destinations.iter().map(none).collect(),
            quiet_until: Mutex::new(None),
        }))
    }

    /// The queue of a destination was full.
    fn overflowed(&self, index: usize) {
        self.0.of[index].count();
    }

    /// A line could not be written.
    fn failed(&self, index: usize, error: &io::Error) {
        let loss = &self.0.of[index];
        loss.count();
        *lock(&loss.error) = Some(error.to_string());
    }

    /// Lines that each destination has lost since the start.
    pub(super) fn totals(&self) -> Vec<(&'static str, u64)> {
        let total = |loss: &Loss| (loss.destination, loss.total.load(Ordering::Relaxed));
        self.0.of.iter().map(total).collect()
    }

    /// Lines that were lost and not told of.
    fn untold(&self) -> u64 {
        self.0.of.iter().map(|loss| loss.lines.load(Ordering::Relaxed)).sum()
    }

    /// Logs what was lost, at most once a minute unless it is `last`. Returns the time until it may be told, if there is
    /// something to tell.
    fn tell(&self, last: bool) -> Option<Duration> {
        if self.untold() == 0 {
            return None;
        }
        let now = Instant::now();
        let mut quiet_until = lock(&self.0.quiet_until);
        let wait = quiet_until.map(|until| until.saturating_duration_since(now));
        if !last && let Some(wait) = wait.filter(|wait| !wait.is_zero()) {
            return Some(wait);
        }
        *quiet_until = Some(now + TOLD_EVERY);
        drop(quiet_until);
        for Loss {
            destination,
            lines,
            error,
            ..
        } in &self.0.of
        {
            let lines = lines.swap(0, Ordering::Relaxed);
            if lines > 0 {
                let error = lock(error).take();
                let reason = error.as_deref().unwrap_or("it took them too slowly");
                tracing::warn!(destination, lines, reason, "log lines were lost");
            }
        }
        None
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver as Wakeup, channel};

    /// Takes so many bytes and refuses the next write once.
    struct Full {
        written: Arc<Mutex<Vec<u8>>>,
        room: usize,
    }

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.room == 0 {
                self.room = usize::MAX;
                return Err(io::ErrorKind::StorageFull.into());
            }
            let count = bytes.len().min(self.room);
            self.room -= count;
            self.written.lock().unwrap().extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_follows_a_torn_line_begins_on_a_new_one() {
        let written = Arc::default();
        let mut lines = Lines::new(Full {
            written: Arc::clone(&written),
            room: 3,
        });
        assert!(lines.write(b"first\n").is_err());
        lines.write(b"second\n").unwrap();
        lines.write(b"third\n").unwrap();
        assert_eq!(*written.lock().unwrap(), b"fir\nsecond\nthird\n");
    }

    /// Writes a line for each permission.
    struct Stuck(Wakeup<()>, Arc<Mutex<Vec<u8>>>);

    impl Sink for Stuck {
        fn line(&mut self, line: &[u8]) -> io::Result<()> {
            let _ = self.0.recv();
            self.1.lock().unwrap().extend_from_slice(line);
            Ok(())
        }
    }

    #[test]
    fn a_stuck_destination_loses_lines_counts_them_and_holds_up_nobody() {
        let (permit, permits) = channel();
        let written = Arc::default();
        let losses = Losses::new(&["test"]);
        let stuck = Destination::start(0, 4, Stuck(permits, Arc::clone(&written)), &losses).unwrap();
        for _ in 0..100 {
            (&stuck).write_all(b"line\n").unwrap();
        }
        // Four in the queue, and perhaps one that the thread took out before the queue was full.
        let lost = losses.untold();
        assert!((95..=96).contains(&lost), "{lost}");
        drop(permit);
        end(&[stuck]);
        let kept = written.lock().unwrap().len() / b"line\n".len();
        assert_eq!((kept as u64 + lost, losses.untold()), (100, 0), "and they are told of");
        assert_eq!(losses.totals(), [("test", lost)], "a metric goes on counting");
    }

    #[test]
    fn losses_are_told_at_once_then_once_a_minute_and_at_the_end() {
        let losses = Losses::new(&["test"]);
        assert_eq!(losses.tell(false), None, "nothing to tell");
        losses.overflowed(0);
        assert_eq!((losses.tell(false), losses.untold()), (None, 0), "told");
        losses.failed(0, &io::ErrorKind::StorageFull.into());
        let wait = losses.tell(false).expect("told later");
        assert!(wait > TOLD_EVERY / 2 && losses.untold() == 1, "{wait:?}");
        losses.tell(true);
        assert_eq!(losses.untold(), 0, "told at the end");
    }
}
