//! The bell of a mailbox: it tells the owner that there is mail, and tells senders whether the owner sleeps.
//!
//! The bell is one word. A sender pushes its mail and then rings. The owner looks at the word once per turn, and at the
//! mail only after a ring. It answers the ring first and takes the mail afterwards, so that later mail rings again. The
//! owner lies down only if nobody has rung since its answer. A sender that rings while the owner sleeps has to wake it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// The owner is awake and has answered.
const AWAKE: u8 = 0;
/// The owner sleeps, or is about to.
const ASLEEP: u8 = 1;
/// Somebody rang, and the owner has not answered yet.
const MAIL: u8 = 2;

/// The word. Production has an atomic one, the tests a model of memory.
pub(crate) trait Word {
    fn load(&self, order: Ordering) -> u8;
    fn swap(&self, value: u8, order: Ordering) -> u8;
    /// Replaces `current` by `new`; otherwise leaves everything as it is and returns false.
    fn replace(&self, current: u8, new: u8, order: Ordering) -> bool;
}

impl Word for AtomicU8 {
    fn load(&self, order: Ordering) -> u8 {
        self.load(order)
    }

    fn swap(&self, value: u8, order: Ordering) -> u8 {
        self.swap(value, order)
    }

    fn replace(&self, current: u8, new: u8, order: Ordering) -> bool {
        self.compare_exchange(current, new, order, Ordering::Relaxed).is_ok()
    }
}

/// What senders and owner share. Nothing else lies in its cache line, nor in the one that is fetched along with it,
/// because the owner reads it in every turn.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Bell<W = AtomicU8> {
    word: W,
}

/// The side of the owner.
#[derive(Debug)]
pub(crate) struct Ear<W = AtomicU8> {
    bell: Arc<Bell<W>>,
    /// The owner has answered, and has not found the mailbox empty since.
    unread: bool,
}

impl Bell {
    pub(crate) fn new() -> Self {
        Self {
            word: AtomicU8::new(AWAKE),
        }
    }
}

impl<W: Word> Bell<W> {
    /// To be called after mail was pushed. Returns whether the owner has to be woken.
    pub(crate) fn ring(&self) -> bool {
        // Release: the owner finds the mail when it answers. It may answer the ring of a later sender, whose swap keeps
        // what earlier senders released.
        self.word.swap(MAIL, Ordering::Release) == ASLEEP
    }
}

impl<W: Word> Ear<W> {
    pub(crate) fn new(bell: Arc<Bell<W>>) -> Self {
        Self { bell, unread: false }
    }

    /// Whether there may be mail. One load as long as nobody rings.
    pub(crate) fn has_mail(&self) -> bool {
        // Relaxed: reading an old value loses nothing. The owner then fails to lie down, and its next look finds the
        // ring.
        self.unread || self.bell.word.load(Ordering::Relaxed) == MAIL
    }

    /// Takes from the mailbox with `next` if there may be mail.
    pub(crate) fn take<T>(&mut self, next: impl FnOnce() -> Option<T>) -> Option<T> {
        if !self.has_mail() {
            return None;
        }
        if !self.unread {
            self.bell.word.swap(AWAKE, Ordering::Acquire);
        }
        let mail = next();
        self.unread = mail.is_some();
        mail
    }

    /// Whether the owner may sleep. It is woken from now on if it may; [`Self::get_up`] ends that.
    pub(crate) fn lie_down(&self) -> bool {
        !self.unread && self.bell.word.replace(AWAKE, ASLEEP, Ordering::Relaxed)
    }

    /// The owner sleeps no more.
    pub(crate) fn get_up(&self) {
        // This fails if somebody rang. The ring stands until the owner answers.
        self.bell.word.replace(ASLEEP, AWAKE, Ordering::Relaxed);
    }
}

/// Every order in which senders and owner can meet, and every old value that a relaxed load may return.
///
/// The owner runs the code above. Before each of its looks at something shared, the senders take any number of steps. A run
/// is the list of choices made in it; the next run differs in the last choice that has something left to try.
#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Mutex, MutexGuard};

    /// Owner's turns after which it must have found everything.
    const TURNS_MAX: usize = 40;
    /// Pieces of mail that the owner takes in one turn.
    const MAIL_PER_TURN_MAX: usize = 1;
    /// How often a deadline, and no sender, ends a sleep.
    const DEADLINES_MAX: usize = 1;

    /// A set of pieces of mail.
    type Pieces = u32;

    /// A value that the word had, and the mail that is visible to whoever acquires it.
    #[derive(Clone, Copy)]
    struct Value {
        value: u8,
        released: Pieces,
    }

    #[derive(Clone, Copy)]
    enum Step {
        Push,
        Ring,
        Wake,
    }

    struct Sender {
        /// Pieces that it has yet to push, the lowest first.
        pieces: Pieces,
        pushed: Pieces,
        step: Step,
    }

    struct Model {
        choices: Vec<Choice>,
        next_choice: usize,
        /// All values of the word, in the order in which it had them.
        history: Vec<Value>,
        /// Newest value that the owner has seen; it sees no older one any more.
        seen: usize,
        /// Who looks at the word: a sender, or else the owner.
        active: Option<usize>,
        senders: Vec<Sender>,
        mailbox: Pieces,
        /// What the owner must find in the mailbox; other pieces it may find.
        known: Pieces,
        /// The eventfd was written since the last sleep ended.
        woken: bool,
        taken: Pieces,
    }

    struct Choice {
        taken: usize,
        of: usize,
    }

    impl Model {
        fn choose(&mut self, of: usize) -> usize {
            if of < 2 {
                return 0;
            }
            let at = self.next_choice;
            self.next_choice += 1;
            if at == self.choices.len() {
                self.choices.push(Choice { taken: 0, of });
            }
            assert_eq!(self.choices[at].of, of, "a run repeats what it is told to");
            self.choices[at].taken
        }

        /// Prepares the next run. False: there is none.
        fn next_run(&mut self) -> bool {
            while let Some(last) = self.choices.last_mut() {
                last.taken += 1;
                if last.taken < last.of {
                    return true;
                }
                self.choices.pop();
            }
            false
        }

        fn write(&mut self, value: u8, order: Ordering) -> u8 {
            let previous = *self.history.last().expect("it starts with one");
            let own = match (order, self.active) {
                (Ordering::Relaxed | Ordering::Acquire, _) => 0,
                (_, Some(sender)) => self.senders[sender].pushed,
                (_, None) => self.known,
            };
            // A new value passes on what the value before it released, whatever the order.
            let released = previous.released | own;
            self.history.push(Value { value, released });
            self.see(self.history.len() - 1, previous, order);
            previous.value
        }

        fn see(&mut self, at: usize, value: Value, order: Ordering) {
            if self.active.is_none() {
                self.seen = at;
                if !matches!(order, Ordering::Relaxed | Ordering::Release) {
                    self.known |= value.released;
                }
            }
        }
    }

    #[derive(Clone)]
    struct Shared(Arc<Mutex<Model>>);

    impl Word for Shared {
        fn load(&self, order: Ordering) -> u8 {
            self.let_senders_run();
            let mut model = self.model();
            let older = model.history.len() - model.seen;
            let at = model.history.len() - 1 - model.choose(older);
            let value = model.history[at];
            model.see(at, value, order);
            value.value
        }

        fn swap(&self, value: u8, order: Ordering) -> u8 {
            self.let_senders_run();
            self.model().write(value, order)
        }

        fn replace(&self, current: u8, new: u8, order: Ordering) -> bool {
            self.let_senders_run();
            let mut model = self.model();
            let newest = *model.history.last().unwrap();
            let replaces = newest.value == current;
            if replaces {
                model.write(new, order);
            } else {
                let at = model.history.len() - 1;
                model.see(at, newest, Ordering::Relaxed);
            }
            replaces
        }
    }

    impl Shared {
        fn model(&self) -> MutexGuard<'_, Model> {
            self.0.lock().unwrap()
        }

        /// If the owner is about to do something, any senders take any number of steps first.
        fn let_senders_run(&self) {
            while self.model().active.is_none() && self.step_of_a_sender(true) {}
        }

        /// One step of any sender that has one left, or none if that `may` be.
        fn step_of_a_sender(&self, may_be_none: bool) -> bool {
            let mut model = self.model();
            let busy: Vec<_> = (0..model.senders.len())
                .filter(|&at| model.senders[at].pieces != 0 || !matches!(model.senders[at].step, Step::Push))
                .collect();
            let options = busy.len() + usize::from(may_be_none);
            let choice = model.choose(options);
            let Some(&at) = busy.get(choice) else {
                return false;
            };
            drop(model);
            self.step(at);
            true
        }

        fn step(&self, at: usize) {
            let mut guard = self.model();
            let model = &mut *guard;
            let sender = &mut model.senders[at];
            match sender.step {
                Step::Push => {
                    let piece = sender.pieces & sender.pieces.wrapping_neg();
                    sender.pieces &= !piece;
                    sender.pushed |= piece;
                    model.mailbox |= piece;
                    sender.step = Step::Ring;
                }
                Step::Ring => {
                    model.active = Some(at);
                    drop(guard);
                    let must_wake = Bell { word: self.clone() }.ring();
                    let mut model = self.model();
                    model.active = None;
                    model.senders[at].step = if must_wake { Step::Wake } else { Step::Push };
                }
                Step::Wake => {
                    model.woken = true;
                    sender.step = Step::Push;
                }
            }
        }

        /// What the owner finds in the mailbox. It may overlook mail that is not visible to it yet.
        fn pop(&self) -> Option<()> {
            self.let_senders_run();
            let mut model = self.model();
            let sure = model.mailbox & model.known;
            let found = if sure != 0 {
                sure
            } else if model.mailbox != 0 && model.choose(2) == 0 {
                model.mailbox
            } else {
                return None;
            };
            let piece = found & found.wrapping_neg();
            model.mailbox &= !piece;
            model.taken |= piece;
            Some(())
        }

        /// Sleeps until somebody wakes the owner, or until a deadline. False: that is forever.
        fn sleep(&self, deadlines: &mut usize) -> bool {
            loop {
                if std::mem::take(&mut self.model().woken) {
                    return true;
                }
                if *deadlines > 0 && self.model().choose(2) == 1 {
                    *deadlines -= 1;
                    return true;
                }
                if !self.step_of_a_sender(false) {
                    return false;
                }
            }
        }
    }

    /// One run: turns until the owner sleeps forever.
    fn run(choices: Vec<Choice>, senders: &[Pieces]) -> Model {
        let all = senders.iter().fold(0, |all, pieces| all | pieces);
        let shared = Shared(Arc::new(Mutex::new(Model {
            choices,
            next_choice: 0,
            history: vec![Value {
                value: AWAKE,
                released: 0,
            }],
            seen: 0,
            active: None,
            senders: senders
                .iter()
                .map(|&pieces| Sender {
                    pieces,
                    pushed: 0,
                    step: Step::Push,
                })
                .collect(),
            mailbox: 0,
            known: 0,
            woken: false,
            taken: 0,
        })));
        let mut ear = Ear::new(Arc::new(Bell { word: shared.clone() }));
        let mut deadlines = DEADLINES_MAX;
        let mut turns = 0;
        loop {
            turns += 1;
            assert!(turns <= TURNS_MAX, "the owner finds no rest");
            if ear.has_mail() {
                for _ in 0..MAIL_PER_TURN_MAX {
                    if ear.take(|| shared.pop()).is_none() {
                        break;
                    }
                }
            }
            if ear.lie_down() {
                if !shared.sleep(&mut deadlines) {
                    break;
                }
                ear.get_up();
            }
        }
        drop(ear);
        let model = Arc::into_inner(shared.0)
            .expect("the bell is gone")
            .into_inner()
            .unwrap();
        assert_eq!(model.taken, all, "mail was slept over");
        model
    }

    /// Runs them all; returns how many there were.
    fn run_all(senders: &[Pieces]) -> usize {
        let mut runs = 0;
        let mut choices = Vec::new();
        loop {
            let mut model = run(choices, senders);
            runs += 1;
            if !model.next_run() {
                return runs;
            }
            choices = model.choices;
        }
    }

    #[test]
    fn no_mail_of_one_sender_is_slept_over() {
        assert!(run_all(&[0b11]) > 1000);
    }

    #[test]
    fn no_mail_of_two_senders_is_slept_over() {
        assert!(run_all(&[0b01, 0b10]) > 1000);
    }
}
