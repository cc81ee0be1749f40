//! Which apps are known, and who waits for which. It reads no clock and asks nobody.

use super::question::{Answer, App};
use signal_fish_core::admission::{AppIndex, AppLimits, FOUND_APPS_MAX, FoundApp, Refusal};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Clients that wait for answers.
const ASKERS_MAX: usize = 1024;
/// How long a client waits.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// Longest name of an app, in bytes.
const NAME_BYTES_MAX: usize = 256;
/// Longest time for which an app is remembered.
const KEEP_MAX: Duration = Duration::from_secs(3600);

/// What becomes of somebody who asks.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// The app is known.
    Known(Arc<FoundApp>),
    /// The directory has to be asked; the asker waits.
    First,
    /// The directory is being asked; the asker waits.
    Waits,
    /// Too many wait.
    TooMany,
}

/// The known apps, and those who wait.
#[derive(Debug)]
pub(super) struct Book<A> {
    /// Every app that was ever found: its index holds for the life of the process.
    known: HashMap<Box<str>, Known>,
    waiting: HashMap<Box<str>, Waiting<A>>,
    /// All who wait.
    askers: usize,
}

#[derive(Debug)]
struct Known {
    app: Arc<FoundApp>,
    /// Until then the directory is not asked again.
    until: Duration,
}

#[derive(Debug)]
struct Waiting<A> {
    askers: Vec<(Duration, A)>,
}

impl<A> Default for Book<A> {
    fn default() -> Self {
        Self {
            known: HashMap::new(),
            waiting: HashMap::new(),
            askers: 0,
        }
    }
}

impl<A: Copy> Book<A> {
    pub(super) fn ask(&mut self, now: Duration, app_id: &str, asker: A) -> Asked {
        if let Some(known) = self.known.get(app_id)
            && now < known.until
        {
            return Asked::Known(Arc::clone(&known.app));
        }
        if self.askers >= ASKERS_MAX {
            return Asked::TooMany;
        }
        self.askers += 1;
        let asker = (now + WAIT_MAX, asker);
        match self.waiting.get_mut(app_id) {
            Some(waiting) => {
                waiting.askers.push(asker);
                Asked::Waits
            }
            None => {
                let waiting = Waiting { askers: vec![asker] };
                self.waiting.insert(app_id.into(), waiting);
                Asked::First
            }
        }
    }

    /// The directory was not asked after all: who waits for it is refused by the caller.
    pub(super) fn forget(&mut self, app_id: &str) {
        self.take(app_id);
    }

    /// The answer in the server's terms, and who waited for it. One that comes too late is remembered as well.
    pub(super) fn answered(
        &mut self,
        now: Duration,
        app_id: Box<str>,
        answer: Answer,
    ) -> (Result<Arc<FoundApp>, Refusal>, Vec<A>) {
        let askers = self.take(&app_id);
        let found = match answer {
            Answer::Found(app) => self.found(now, app_id, app),
            Answer::NotFound => {
                if let Some(known) = self.known.get_mut(&app_id) {
                    known.until = Duration::ZERO;
                }
                Err(Refusal::App)
            }
            Answer::None => Err(Refusal::Directory),
        };
        (found, askers)
    }

    fn found(&mut self, now: Duration, app_id: Box<str>, app: App) -> Result<Arc<FoundApp>, Refusal> {
        let App {
            name,
            max_rooms,
            max_players_per_room,
            rate_limit_per_minute,
            keep,
        } = app;
        let name = name.map_or_else(|| app_id.clone(), String::into_boxed_str);
        if name.len() > NAME_BYTES_MAX {
            return Err(Refusal::Directory);
        }
        let index = match self.known.get(&app_id) {
            Some(known) => known.app.index,
            // Above this nothing has room for it.
            None if self.known.len() >= FOUND_APPS_MAX as usize => return Err(Refusal::Directory),
            None => AppIndex::of_found(u32::try_from(self.known.len()).unwrap_or(FOUND_APPS_MAX)),
        };
        let app = Arc::new(FoundApp {
            index,
            app_id: app_id.clone(),
            name,
            max_players_per_room,
            limits: AppLimits {
                rooms_max: max_rooms,
                authentications_per_minute_max: rate_limit_per_minute,
            },
        });
        let known = Known {
            app: Arc::clone(&app),
            until: now + keep.min(KEEP_MAX),
        };
        self.known.insert(app_id, known);
        Ok(app)
    }

    /// Who has waited for too long. The directory may still answer for those who come later.
    pub(super) fn give_up(&mut self, now: Duration) -> Vec<A> {
        let mut late = Vec::new();
        self.waiting.retain(|_, waiting| {
            waiting.askers.retain(|&(until, asker)| {
                if until <= now {
                    late.push(asker);
                }
                until > now
            });
            !waiting.askers.is_empty()
        });
        self.askers -= late.len();
        late
    }

    fn take(&mut self, app_id: &str) -> Vec<A> {
        let waiting = self.waiting.remove(app_id);
        let askers: Vec<_> = waiting.into_iter().flat_map(|waiting| waiting.askers).collect();
        self.askers -= askers.len();
        askers.into_iter().map(|(_, asker)| asker).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn named(name: &str) -> App {
        App {
            name: Some(name.to_owned()),
            ..App::default()
        }
    }

    #[test]
    fn one_question_serves_all_who_wait_and_is_remembered() {
        let mut book = Book::default();
        assert_eq!(book.ask(SECOND, "a", 1), Asked::First);
        assert_eq!(book.ask(SECOND, "a", 2), Asked::Waits);
        assert_eq!(book.ask(SECOND, "b", 3), Asked::First);
        let (found, askers) = book.answered(2 * SECOND, "a".into(), Answer::Found(named("A")));
        let app = found.expect("found");
        assert_eq!(
            (&*app.name, app.index, askers),
            ("A", AppIndex::of_found(0), vec![1, 2])
        );
        assert_eq!(book.ask(61 * SECOND, "a", 4), Asked::Known(Arc::clone(&app)));
        // Then it is asked for anew, and keeps its index.
        assert_eq!(book.ask(62 * SECOND, "a", 5), Asked::First);
        let (found, askers) = book.answered(63 * SECOND, "a".into(), Answer::Found(named("New")));
        let app = found.expect("found");
        assert_eq!((&*app.name, app.index, askers), ("New", AppIndex::of_found(0), vec![5]));
        let (found, _) = book.answered(64 * SECOND, "b".into(), Answer::Found(App::default()));
        let app = found.expect("found");
        assert_eq!((&*app.name, app.index), ("b", AppIndex::of_found(1)));
    }

    #[test]
    fn an_app_that_is_taken_away_is_not_found_any_more() {
        let mut book = Book::default();
        assert!(book.answered(SECOND, "a".into(), Answer::Found(named("A"))).0.is_ok());
        assert_eq!(
            book.answered(SECOND, "a".into(), Answer::NotFound),
            (Err(Refusal::App), Vec::new())
        );
        assert_eq!(book.ask(SECOND, "a", 1), Asked::First);
        assert_eq!(
            book.answered(SECOND, "a".into(), Answer::NotFound),
            (Err(Refusal::App), vec![1])
        );
        assert_eq!(book.ask(SECOND, "a", 2), Asked::First, "no app is not remembered");
    }

    #[test]
    fn a_directory_that_never_answers_keeps_nobody_for_long() {
        let mut book = Book::default();
        for number in 0..ASKERS_MAX {
            let app = format!("app {}", number % 300);
            assert!(matches!(book.ask(SECOND, &app, number), Asked::First | Asked::Waits));
        }
        assert_eq!(book.ask(SECOND, "another", 0), Asked::TooMany);
        assert_eq!(book.give_up(6 * SECOND - Duration::from_nanos(1)), Vec::<usize>::new());
        let mut late = book.give_up(6 * SECOND);
        late.sort_unstable();
        assert_eq!(late, (0..ASKERS_MAX).collect::<Vec<_>>());
        assert_eq!((book.waiting.len(), book.askers), (0, 0));
        // What comes too late serves those who try again.
        assert_eq!(
            book.answered(7 * SECOND, "app 1".into(), Answer::Found(named("A"))).1,
            Vec::<usize>::new()
        );
        assert!(matches!(book.ask(8 * SECOND, "app 1", 1), Asked::Known(_)));
    }

    #[test]
    fn garbage_is_no_app_and_all_apps_together_are_bounded() {
        let mut book = Book::<u32>::default();
        let long = named(&"x".repeat(NAME_BYTES_MAX + 1));
        assert_eq!(
            book.answered(SECOND, "a".into(), Answer::Found(long)).0,
            Err(Refusal::Directory)
        );
        assert_eq!(
            book.answered(SECOND, "a".into(), Answer::None).0,
            Err(Refusal::Directory)
        );
        let forever = App {
            keep: Duration::MAX,
            ..App::default()
        };
        for number in 0..FOUND_APPS_MAX {
            let (found, _) = book.answered(SECOND, number.to_string().into(), Answer::Found(forever.clone()));
            assert_eq!(found.expect("room").index, AppIndex::of_found(number));
        }
        let (refused, _) = book.answered(SECOND, "one more".into(), Answer::Found(forever));
        assert_eq!(refused, Err(Refusal::Directory));
        assert_eq!(
            book.ask(SECOND + KEEP_MAX, "7", 1),
            Asked::First,
            "nothing is kept for ever"
        );
    }
}
