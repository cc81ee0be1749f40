//! Which questions are answered at once, which wait for new keys, and when keys are read again (R17).

use super::keys::Keys;
use super::rules::{Judged, Rules};
use super::source::FETCH_TIMEOUT;
use signal_fish_core::admission::{Refusal, Token};
use std::collections::VecDeque;
use std::mem;
use std::time::Duration;

/// Questions that wait for keys.
pub(super) const WAITING_MAX: usize = 1024;
/// Unknown names of keys have them read once in this time.
const UNKNOWN_INTERVAL: Duration = Duration::from_secs(30);
/// Time after which keys are read again that could not be read.
const RETRY_INTERVAL: Duration = Duration::from_secs(30);
/// A question waits no longer than a fetch may take.
const WAIT_MAX: Duration = FETCH_TIMEOUT.saturating_add(Duration::from_secs(1));

/// A token and the room that it is for. `A` says who asks.
pub(super) struct Question<A> {
    pub(super) asker: A,
    pub(super) token: Token,
    pub(super) room: Box<str>,
}

/// Who asked, and the answer.
pub(super) type Answer<A> = (A, Result<(), Refusal>);

/// Answers questions. It reads no clock and no keys.
pub(super) struct Judge<A> {
    rules: Rules,
    keys: Keys,
    waiting: VecDeque<(Duration, Question<A>)>,
    /// Absent with a secret, which never changes.
    reading: Option<Reading>,
}

/// When keys are read.
struct Reading {
    interval: Duration,
    next: Duration,
    is_on: bool,
    /// The latest one for an unknown name.
    for_unknown: Option<Duration>,
}

impl Reading {
    /// Whether keys are being read, or will be at once.
    fn is_coming(&self, now: Duration) -> bool {
        self.is_on || self.next <= now
    }

    /// Has the keys read because of an unknown name, unless that was so a short while ago.
    fn for_unknown(&mut self, now: Duration) -> bool {
        if self.for_unknown.is_some_and(|latest| now < latest + UNKNOWN_INTERVAL) {
            return false;
        }
        self.for_unknown = Some(now);
        self.next = now;
        true
    }
}

impl<A> Judge<A> {
    /// `interval` is that at which keys are read again; none with a secret. `now` is when they were read.
    pub(super) fn new(rules: Rules, keys: Keys, interval: Option<Duration>, now: Duration) -> Self {
        Self {
            rules,
            keys,
            waiting: VecDeque::new(),
            reading: interval.map(|interval| Reading {
                interval,
                next: now + interval,
                is_on: false,
                for_unknown: None,
            }),
        }
    }

    /// Answers a question, or keeps it until keys have been read.
    pub(super) fn ask(&mut self, now: Duration, question: Question<A>) -> Option<Answer<A>> {
        let decided = match self.rules.judge(&self.keys, question.token.reveal(), &question.room) {
            Judged::Decided(decided) => decided,
            Judged::UnknownKey if !self.reads_for_unknown(now) => Err(Refusal::Token),
            Judged::UnknownKey if self.waiting.len() < WAITING_MAX => {
                self.waiting.push_back((now + WAIT_MAX, question));
                return None;
            }
            Judged::UnknownKey => Err(Refusal::ConnectionRate),
        };
        Some((question.asker, decided))
    }

    /// Whether keys are to be read now; whoever reads them says so with [`Self::read`].
    pub(super) fn wants_keys(&mut self, now: Duration) -> bool {
        match &mut self.reading {
            Some(reading) if !reading.is_on && reading.next <= now => {
                reading.is_on = true;
                true
            }
            _ => false,
        }
    }

    /// Keys were read, or could not be; then the last good ones stay. Answers who waited for them.
    pub(super) fn read(&mut self, now: Duration, keys: Option<Keys>) -> Vec<Answer<A>> {
        let came = keys.is_some();
        if let Some(keys) = keys {
            self.keys = keys;
        }
        if let Some(reading) = &mut self.reading {
            reading.is_on = false;
            let wait = if came {
                reading.interval
            } else {
                reading.interval.min(RETRY_INTERVAL)
            };
            reading.next = now + wait;
        }
        let waiting = mem::take(&mut self.waiting);
        let mut answers = Vec::with_capacity(waiting.len());
        for (until, question) in waiting {
            match self.rules.judge(&self.keys, question.token.reveal(), &question.room) {
                Judged::Decided(decided) => answers.push((question.asker, decided)),
                // The keys may have been asked for before they had the one that is meant.
                Judged::UnknownKey if came && until > now && self.reads_for_unknown(now) => {
                    self.waiting.push_back((until, question));
                }
                Judged::UnknownKey => answers.push((question.asker, Err(Refusal::Token))),
            }
        }
        answers
    }

    /// Whether keys are being read, or will be because of an unknown name.
    fn reads_for_unknown(&mut self, now: Duration) -> bool {
        self.reading
            .as_mut()
            .is_some_and(|reading| reading.is_coming(now) || reading.for_unknown(now))
    }

    /// Refuses who has waited for too long.
    pub(super) fn give_up(&mut self, now: Duration) -> Vec<Answer<A>> {
        let late = self.waiting.iter().take_while(|(until, _)| *until <= now).count();
        let late = self.waiting.drain(..late);
        late.map(|(_, question)| (question.asker, Err(Refusal::Token)))
            .collect()
    }

    /// When there is something to do though nobody asks.
    pub(super) fn next_due(&self) -> Option<Duration> {
        let reading = self
            .reading
            .as_ref()
            .filter(|reading| !reading.is_on)
            .map(|reading| reading.next);
        let waiting = self.waiting.front().map(|(until, _)| *until);
        reading.into_iter().chain(waiting).min()
    }
}
