//! Tokens of the room relay (protocol 16.6). A thread of its own verifies them, so that no signature keeps a shard or the
//! control plane from its work, and another one reads keys, so that nobody waits for an issuer whose keys are known.
//!
//! The algorithm comes from the configuration and the key, never from the token alone: a token that names another one than
//! its key is for is refused, `none` as well. Tokens and secrets are shown nowhere.

mod judge;
mod keys;
mod rules;
mod signatures;
mod source;
#[cfg(test)]
mod tests;

use crate::config::RelayAuth;
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, never, select};
use judge::{Answer, Judge, Question};
use keys::Keys;
use rules::Rules;
use signal_fish_core::admission::{Refusal, Token};
use signal_fish_core::{ShardIndex, Slot};
use source::Source;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use std::{fmt, io};

/// Questions that wait for the thread. With more a client is told to come again.
const QUEUE_MAX: usize = 1024;
/// Without anything to do the thread looks around once in this time.
const IDLE: Duration = Duration::from_secs(3600);
/// Memory of what waits here: two queues of tokens, which a head bounds, and two sets of keys.
pub(crate) const BYTES_MAX: u64 = (QUEUE_MAX + judge::WAITING_MAX) as u64 * 10 * 1024 + 4 * 1024 * 1024;

/// The connection that a token came from.
pub(crate) type Asker = (ShardIndex, Slot);

/// The way to the thread that verifies.
pub(crate) struct Verifier {
    questions: Sender<Question<Asker>>,
    thread: JoinHandle<()>,
}

/// What the thread starts with: keys that were read.
pub(crate) struct Prepared {
    rules: Rules,
    keys: Keys,
    source: Option<Source>,
    refresh: Duration,
}

impl Prepared {
    /// Reads the keys of the configuration, whose checks have passed. Takes a few seconds at most.
    ///
    /// # Errors
    /// Why the keys cannot be used.
    pub(crate) fn new(auth: &RelayAuth) -> Result<Self, String> {
        signatures::install();
        let source = Source::new(auth)?;
        let keys = match (&source, auth.secret.as_deref()) {
            (Some(source), _) => {
                let (keys, passed_over) = source.read()?;
                tracing::info!(keys = keys.len(), passed_over, "keys of tokens");
                keys
            }
            (None, Some(secret)) => Keys::secret(secret),
            (None, None) => return Err("relay.auth has neither a secret nor a set of keys".to_owned()),
        };
        Ok(Self {
            rules: Rules::new(auth),
            keys,
            source,
            refresh: auth.jwks_refresh,
        })
    }
}

impl Verifier {
    /// Starts the threads. `tell` is told every answer.
    ///
    /// # Errors
    /// When there is no thread.
    pub(crate) fn start(
        prepared: Prepared,
        tell: impl Fn(Asker, Result<(), Refusal>) + Send + 'static,
    ) -> io::Result<Self> {
        let Prepared {
            rules,
            keys,
            source,
            refresh,
        } = prepared;
        let start = Instant::now();
        let judge = Judge::new(rules, keys, source.is_some().then_some(refresh), start.elapsed());
        let (orders, read) = match source {
            Some(source) => {
                let (orders, ordered) = bounded(1);
                let (sender, read) = bounded(1);
                // Nobody waits for its end: it ends with its fetch.
                std::thread::Builder::new()
                    .name("token-keys".to_owned())
                    .spawn(move || read_keys(&source, &ordered, &sender))?;
                (Some(orders), read)
            }
            None => (None, never()),
        };
        let (questions, asked) = bounded(QUEUE_MAX);
        let thread = std::thread::Builder::new()
            .name("tokens".to_owned())
            .spawn(move || verify(judge, start, &asked, orders.as_ref(), &read, &tell))?;
        Ok(Self { questions, thread })
    }

    /// Asks whether a token is good for a room.
    ///
    /// # Errors
    /// The refusal, if too many wait.
    pub(crate) fn ask(&self, asker: Asker, token: Token, room: Box<str>) -> Result<(), Refusal> {
        match self.questions.try_send(Question { asker, token, room }) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => Err(Refusal::ConnectionRate),
        }
    }

    /// Ends the thread behind what is asked.
    pub(crate) fn stop(self) {
        drop(self.questions);
        // A panic has ended the process.
        let _ = self.thread.join();
    }
}

/// The thread that verifies. It ends with those who ask.
fn verify<A>(
    mut judge: Judge<A>,
    start: Instant,
    asked: &Receiver<Question<A>>,
    orders: Option<&Sender<()>>,
    read: &Receiver<Option<Keys>>,
    tell: &impl Fn(A, Result<(), Refusal>),
) {
    let tell_all = |answers: Vec<Answer<A>>| answers.into_iter().for_each(|(asker, answer)| tell(asker, answer));
    loop {
        let now = start.elapsed();
        let wait = judge.next_due().map_or(IDLE, |due| due.saturating_sub(now));
        select! {
            recv(asked) -> question => match question {
                Ok(question) => tell_all(judge.ask(start.elapsed(), question).into_iter().collect()),
                Err(_) => return,
            },
            recv(read) -> keys => tell_all(judge.read(start.elapsed(), keys.ok().flatten())),
            default(wait) => {}
        }
        let now = start.elapsed();
        tell_all(judge.give_up(now));
        if judge.wants_keys(now)
            && let Some(orders) = orders
        {
            // There is room: one is ordered only when the one before has come.
            let _ = orders.try_send(());
        }
    }
}

/// The thread that reads keys. It ends with the one that orders them.
fn read_keys(source: &Source, ordered: &Receiver<()>, read: &Sender<Option<Keys>>) {
    for () in ordered {
        let keys = match source.read() {
            Ok((keys, passed_over)) => {
                tracing::debug!(keys = keys.len(), passed_over, "keys of tokens");
                Some(keys)
            }
            Err(problem) => {
                tracing::warn!("the keys of tokens cannot be read, the last ones stay: {problem}");
                None
            }
        };
        if read.send(keys).is_err() {
            return;
        }
    }
}

/// Keys are shown nowhere.
impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}
