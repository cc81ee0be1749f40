//! What a directory of apps is asked, and what it may answer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How long an app is remembered if the directory does not say.
const KEEP: Duration = Duration::from_secs(60);

/// Knows the apps whose clients may play, beside those of `security.authorized_apps`. It is asked on a thread of its own, one
/// question after the other.
pub trait AppDirectory: Send {
    /// A client says that it belongs to an app that is neither listed nor remembered. The question may be answered here, or
    /// later and from any thread. A client waits 5 s for it.
    fn look_up(&mut self, question: AppQuestion);
}

impl<F: FnMut(AppQuestion) + Send> AppDirectory for F {
    fn look_up(&mut self, question: AppQuestion) {
        self(question);
    }
}

/// An app that a directory knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// Name that its clients are told; without one its id. At most 256 bytes.
    pub name: Option<String>,
    /// Rooms of the app. None: no limit.
    pub max_rooms: Option<u32>,
    /// Seats of a room of the app. None: no limit.
    pub max_players_per_room: Option<u8>,
    /// Clients that may authenticate in a minute, of which one address may take a quarter. None: no limit.
    pub rate_limit_per_minute: Option<u32>,
    /// How long it is remembered, at most an hour. After that the next client has the directory asked again; sessions and
    /// rooms stay.
    pub keep: Duration,
}

impl Default for App {
    /// No limits, remembered for a minute.
    fn default() -> Self {
        Self {
            name: None,
            max_rooms: None,
            max_players_per_room: None,
            rate_limit_per_minute: None,
            keep: KEEP,
        }
    }
}

/// What became of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Found(App),
    NotFound,
    /// It was dropped.
    None,
}

/// Whom answers are told.
pub(super) type Tell = Arc<dyn Fn(Box<str>, Answer) + Send + Sync>;

/// Which app is this? Dropped without an answer, it tells that there is none: clients may try again.
#[must_use = "clients wait for the answer"]
pub struct AppQuestion {
    app_id: Box<str>,
    tell: Option<Tell>,
    /// Counts the questions that live.
    _alive: Arc<()>,
}

impl AppQuestion {
    pub(super) fn new(app_id: Box<str>, tell: Tell, alive: Arc<()>) -> Self {
        Self {
            app_id,
            tell: Some(tell),
            _alive: alive,
        }
    }

    /// Id that the client showed. At most 256 bytes, otherwise as the client wrote it.
    #[must_use]
    pub fn app_id(&self) -> &str {
        &self.app_id
    }

    /// This is the app.
    pub fn found(self, app: App) {
        self.answer(Answer::Found(app));
    }

    /// There is no such app.
    pub fn not_found(self) {
        self.answer(Answer::NotFound);
    }

    /// Nobody was asked after all.
    pub(super) fn withdraw(mut self) {
        self.tell = None;
    }

    fn answer(mut self, answer: Answer) {
        if let Some(tell) = self.tell.take() {
            tell(std::mem::take(&mut self.app_id), answer);
        }
    }
}

impl Drop for AppQuestion {
    fn drop(&mut self) {
        if let Some(tell) = self.tell.take() {
            tell(std::mem::take(&mut self.app_id), Answer::None);
        }
    }
}

impl fmt::Debug for AppQuestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppQuestion")
            .field("app_id", &self.app_id)
            .finish_non_exhaustive()
    }
}
