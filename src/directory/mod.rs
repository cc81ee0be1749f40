//! Apps that the configuration does not list: a directory of the embedding program finds them while the server runs.
//!
//! The control plane asks, a thread of its own passes the question on, and whoever has the question answers it, from whichever
//! thread and as late as it likes. Nobody else waits: apps that are listed, or were found a short while ago, are not asked
//! for. Questions, those who wait for them, how long they wait, and what is remembered are bounded (`book.rs`).

mod book;
mod question;

pub use question::{App, AppDirectory, AppQuestion};

use crate::directory::question::Answer;
use book::{Asked, Book};
use crossbeam_channel::{Sender, TrySendError, bounded};
use question::Tell;
use signal_fish_core::admission::{AppIndex, FoundApp, Refusal};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{fmt, io};

/// Questions that are not answered and not dropped. With more, whoever wants an app that has to be asked for is refused.
const QUESTIONS_MAX: usize = 256;
/// The log tells of trouble once in this time.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

/// The answer to a question.
#[derive(Debug)]
pub(crate) struct Answered {
    app_id: Box<str>,
    answer: Answer,
}

/// Ids of the found apps by their places, for those who show apps to people.
#[derive(Debug, Clone, Default)]
pub(crate) struct FoundIds(Arc<Mutex<Vec<Box<str>>>>);

impl FoundIds {
    pub(crate) fn id(&self, app: AppIndex) -> Option<String> {
        self.lock().get(app.found_place()?).map(|id| id.to_string())
    }

    pub(crate) fn index(&self, app_id: &str) -> Option<AppIndex> {
        let place = self.lock().iter().position(|id| **id == *app_id)?;
        u32::try_from(place).ok().map(AppIndex::of_found)
    }

    fn add(&self, app: &FoundApp) {
        let mut ids = self.lock();
        if app.index.found_place() == Some(ids.len()) {
            ids.push(app.app_id.clone());
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Box<str>>> {
        // Whoever panicked while holding it left nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The directory, as the control plane sees it. `A` says who asks.
pub(crate) struct Directory<A> {
    book: Book<A>,
    to: Sender<AppQuestion>,
    tell: Tell,
    /// Held by every question that lives.
    alive: Arc<()>,
    ids: FoundIds,
    /// What went wrong since the last warning.
    trouble: Trouble,
    next_warning: Duration,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Trouble {
    /// Clients that were told so because too many wait.
    refused: u64,
    /// Clients that waited in vain.
    late: u64,
    /// Questions that were dropped, and answers that cannot be used.
    unusable: u64,
}

impl<A: Copy> Directory<A> {
    /// Starts the thread that asks. `tell` is told every answer.
    ///
    /// # Errors
    /// When there is no thread.
    pub(crate) fn start(
        mut directory: Box<dyn AppDirectory>,
        ids: FoundIds,
        tell: impl Fn(Answered) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let (to, from) = bounded::<AppQuestion>(QUESTIONS_MAX);
        // Nobody waits for its end: it ends with those who ask, unless the directory stands still.
        std::thread::Builder::new().name("apps".to_owned()).spawn(move || {
            for question in from {
                directory.look_up(question);
            }
        })?;
        Ok(Self {
            book: Book::default(),
            to,
            tell: Arc::new(move |app_id, answer| tell(Answered { app_id, answer })),
            alive: Arc::new(()),
            ids,
            trouble: Trouble::default(),
            next_warning: Duration::ZERO,
        })
    }

    /// Somebody wants to belong to this app. Returns what is known already; otherwise the asker waits.
    pub(crate) fn ask(&mut self, now: Duration, app_id: Box<str>, asker: A) -> Option<Result<Arc<FoundApp>, Refusal>> {
        match self.book.ask(now, &app_id, asker) {
            Asked::Known(app) => Some(Ok(app)),
            Asked::Waits => None,
            Asked::First if self.pass_on(app_id.clone()) => None,
            Asked::First => {
                self.book.forget(&app_id);
                self.trouble.refused += 1;
                Some(Err(Refusal::Directory))
            }
            Asked::TooMany => {
                self.trouble.refused += 1;
                Some(Err(Refusal::Directory))
            }
        }
    }

    /// Asks the directory. Returns whether it takes the question.
    fn pass_on(&self, app_id: Box<str>) -> bool {
        if Arc::strong_count(&self.alive) > QUESTIONS_MAX {
            return false;
        }
        let question = AppQuestion::new(app_id, Arc::clone(&self.tell), Arc::clone(&self.alive));
        match self.to.try_send(question) {
            Ok(()) => true,
            Err(TrySendError::Full(question) | TrySendError::Disconnected(question)) => {
                question.withdraw();
                false
            }
        }
    }

    /// The directory answered. Returns the answer and who waited for it.
    pub(crate) fn answered(&mut self, now: Duration, answered: Answered) -> (Result<Arc<FoundApp>, Refusal>, Vec<A>) {
        let Answered { app_id, answer } = answered;
        let (found, askers) = self.book.answered(now, app_id, answer);
        match &found {
            Ok(app) => self.ids.add(app),
            Err(Refusal::Directory) => self.trouble.unusable += 1,
            Err(_) => {}
        }
        (found, askers)
    }

    /// Those who have waited for too long. Tells the log of trouble.
    pub(crate) fn sweep(&mut self, now: Duration) -> Vec<A> {
        let late = self.book.give_up(now);
        self.trouble.late += late.len() as u64;
        if self.trouble != Trouble::default() && now >= self.next_warning {
            let Trouble {
                refused,
                late,
                unusable,
            } = std::mem::take(&mut self.trouble);
            tracing::warn!(
                refused,
                late,
                unusable,
                "the directory of apps does not answer as it should"
            );
            self.next_warning = now + WARNING_INTERVAL;
        }
        late
    }
}

impl<A> fmt::Debug for Directory<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory").finish_non_exhaustive()
    }
}
