//! The control plane: one ordinary thread around [`Admission`]. It answers asks, takes back what ended, and adds up the
//! reports of all shards. Nothing of a relayed message passes here.

mod totals;

pub use totals::Totals;

use crate::directory::{Answered, Directory};
use crate::tokens::Verifier;
use crossbeam_channel::Sender;
use signal_fish_core::admission::{self, Admission, AppLimits, Ask, FoundApp, Notice, Refusal, Verdict};
use signal_fish_core::shard::Request;
use signal_fish_core::{ShardIndex, Slot};
use signal_fish_runtime::{AtControl, ClusterSender, Fault, Mail, Mailbox, ToCluster};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often windows that are over are forgotten.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Answers after which shards are woken although there is more to answer.
const ANSWERS_MAX: u32 = 64;

/// What the control plane is told.
#[derive(Debug)]
pub(crate) enum Message {
    /// By a shard.
    Request(Request),
    /// By the server: these are the limits of apps from now on.
    Apps(Vec<AppLimits>),
    /// By the desk: tell what admission counts.
    Totals(Sender<admission::Totals>),
    /// By the desk: ban an address for a time, and tell whether that was done.
    Ban(IpAddr, Duration, Sender<bool>),
    /// By the desk: lift a ban, and tell whether there was one.
    LiftBan(IpAddr, Sender<bool>),
    /// By the desk: tell who is banned, and for how long.
    Bans(Sender<Vec<(IpAddr, Duration)>>),
    /// By the thread that talks to Redis: the answer to a connection of a shard.
    Decided {
        /// Shard that asked.
        shard: ShardIndex,
        /// Connection that asked.
        slot: Slot,
        /// Answer.
        verdict: Verdict,
    },
    /// By the verifier: whether the token of a connection is good.
    Verified(ShardIndex, Slot, Result<(), Refusal>),
    /// By the directory of apps: the answer to a question.
    AppAnswered(Answered),
    /// By the server: the last shard has ended.
    Stop,
}

/// A client that wants to belong to an app.
pub(crate) type AppAsker = (ShardIndex, Slot, IpAddr);

impl From<Request> for Message {
    fn from(request: Request) -> Self {
        Self::Request(request)
    }
}

/// Who answers asks beside admission, where there is somebody.
pub(crate) struct Beside {
    /// The thread that talks to Redis, if other nodes share rooms.
    pub(crate) cluster: Option<ClusterSender>,
    /// Verifies tokens of the relay.
    pub(crate) verifier: Option<Verifier>,
    /// Finds apps that are not listed.
    pub(crate) directory: Option<Directory<AppAsker>>,
}

/// The control plane's state, owned by its thread.
pub(crate) struct ControlPlane {
    admission: Admission,
    mailboxes: Arc<[Mailbox]>,
    messages: AtControl<Message>,
    /// To the thread that talks to Redis, if other nodes share rooms.
    cluster: Option<ClusterSender>,
    /// Answers about tokens, where the relay wants them.
    verifier: Option<Verifier>,
    /// Finds apps that are not listed, where the embedding program has such a directory.
    directory: Option<Directory<AppAsker>>,
    start: Instant,
    totals: Arc<Mutex<Totals>>,
    /// Shards whose mailboxes hold answers that nobody rang for.
    answered: Vec<bool>,
    /// Answers since the last ring.
    unrung: u32,
    fault: Fault,
}

impl ControlPlane {
    pub(crate) fn new(
        mut admission: Admission,
        mailboxes: Arc<[Mailbox]>,
        messages: AtControl<Message>,
        beside: Beside,
        start: Instant,
        totals: Arc<Mutex<Totals>>,
    ) -> Self {
        let Beside {
            cluster,
            verifier,
            directory,
        } = beside;
        for shard in (0..mailboxes.len()).filter_map(|index| u16::try_from(index).ok()) {
            admission.hear(ShardIndex(shard), 0);
        }
        Self {
            admission,
            answered: vec![false; mailboxes.len()],
            unrung: 0,
            fault: Fault::of("control"),
            mailboxes,
            messages,
            cluster,
            verifier,
            directory,
            start,
            totals,
        }
    }

    /// Serves until [`Message::Stop`].
    pub(crate) fn run(mut self) {
        let mut next_sweep = self.start.elapsed() + SWEEP_INTERVAL;
        loop {
            let now = self.start.elapsed();
            if now >= next_sweep {
                self.admission.sweep(now);
                for asker in self
                    .directory
                    .as_mut()
                    .map(|directory| directory.sweep(now))
                    .unwrap_or_default()
                {
                    self.app_found(asker, Err(Refusal::Directory));
                }
                self.publish();
                next_sweep = now + SWEEP_INTERVAL;
            }
            let message = self.messages.try_receive().or_else(|| {
                self.ring();
                self.messages.receive(next_sweep.saturating_sub(now))
            });
            match message {
                Some(Message::Request(request)) => self.handle(request),
                Some(Message::Apps(limits)) => self.admission.set_apps(&limits),
                // A desk that does not wait any more has ended.
                Some(Message::Totals(to)) => _ = to.try_send(self.admission.totals()),
                Some(Message::Ban(address, time, to)) => {
                    let done = self.admission.ban(self.start.elapsed(), address, time);
                    _ = to.try_send(done.is_ok());
                }
                Some(Message::LiftBan(address, to)) => _ = to.try_send(self.admission.lift_ban(address)),
                Some(Message::Bans(to)) => _ = to.try_send(self.admission.bans(self.start.elapsed())),
                Some(Message::Decided { shard, slot, verdict }) => self.tell(shard, slot, verdict),
                Some(Message::Verified(shard, slot, answer)) => {
                    let verdict = self.verified(answer);
                    self.tell(shard, slot, verdict);
                }
                Some(Message::AppAnswered(answered)) => self.app_answered(answered),
                Some(Message::Stop) => break,
                None => {}
            }
        }
        self.publish();
        if let Some(verifier) = self.verifier {
            verifier.stop();
        }
    }

    fn handle(&mut self, request: Request) {
        match request {
            Request::Ask {
                shard,
                slot,
                ask,
                connections,
            } => {
                self.fault.strike();
                self.admission.hear(shard, connections);
                self.answer(shard, slot, ask);
            }
            Request::Notice(notice) => self.give_back(notice),
            Request::Report(report) => {
                self.admission.hear(report.shard, report.connections);
                self.totals().record(*report);
            }
        }
    }

    fn give_back(&mut self, notice: Notice) {
        match (notice, &self.cluster) {
            (Notice::SeatEnded(seat), Some(cluster)) => cluster.send(ToCluster::SeatEnded(seat)),
            (notice, _) => self.admission.give_back(notice),
        }
    }

    fn answer(&mut self, shard: ShardIndex, slot: Slot, ask: Ask) {
        let verdict = match (&self.verifier, ask) {
            (Some(verifier), Ask::Verify { token, room }) => match verifier.ask((shard, slot), token, room) {
                // The answer comes later.
                Ok(()) => return,
                Err(refusal) => self.verified(Err(refusal)),
            },
            (_, Ask::FindApp { app_id, ip }) => return self.find_app((shard, slot, ip), app_id),
            (_, Ask::Sit { room, client }) if self.cluster.is_some() => {
                return self.sit(ToCluster::Sit {
                    shard,
                    slot,
                    room,
                    client,
                });
            }
            (_, ask) => self.admission.decide(self.start.elapsed(), ask),
        };
        self.tell(shard, slot, verdict);
    }

    /// Whoever counts the seats of all nodes answers later.
    fn sit(&self, question: ToCluster) {
        if let Some(cluster) = &self.cluster {
            cluster.send(question);
        }
    }

    /// A client shows the id of an app that is not listed.
    fn find_app(&mut self, asker: AppAsker, app_id: Box<str>) {
        let now = self.start.elapsed();
        let known = match &mut self.directory {
            Some(directory) => directory.ask(now, app_id, asker),
            None => Some(Err(Refusal::App)),
        };
        // Otherwise the answer comes later.
        if let Some(known) = known {
            self.app_found(asker, known);
        }
    }

    /// The directory has an answer for all who wait for it.
    fn app_answered(&mut self, answered: Answered) {
        let now = self.start.elapsed();
        let Some(directory) = &mut self.directory else { return };
        let (found, askers) = directory.answered(now, answered);
        if let Ok(app) = &found {
            self.admission.found_app(app.index, app.limits);
        }
        for asker in askers {
            self.app_found(asker, found.clone());
        }
    }

    /// An app that was found still has to admit one client more.
    fn app_found(&mut self, (shard, slot, ip): AppAsker, found: Result<Arc<FoundApp>, Refusal>) {
        let verdict = match found {
            Ok(app) => {
                let ask = Ask::Authenticate { app: app.index, ip };
                match self.admission.decide(self.start.elapsed(), ask) {
                    Verdict::Admitted => Verdict::Found(app),
                    refused => refused,
                }
            }
            Err(refusal) => self.admission.refused(refusal),
        };
        self.tell(shard, slot, verdict);
    }

    /// The verdict about a token.
    fn verified(&mut self, answer: Result<(), Refusal>) -> Verdict {
        match answer {
            Ok(()) => Verdict::Admitted,
            Err(refusal) => self.admission.refused(refusal),
        }
    }

    fn tell(&mut self, shard: ShardIndex, slot: Slot, verdict: Verdict) {
        let crowded = self.admission.crowded();
        let mail = Mail::Verdict { slot, verdict, crowded };
        let mailbox = &self.mailboxes[usize::from(shard.0)];
        self.answered[usize::from(shard.0)] = true;
        if let Err(Mail::Verdict { verdict, .. }) = mailbox.try_push(mail) {
            // Its capacity is one piece per connection, so only a shard that has ended takes no verdict.
            if let Some(notice) = verdict.give_back() {
                self.give_back(notice);
            }
        }
        self.unrung += 1;
        if self.unrung == ANSWERS_MAX {
            self.ring();
        }
    }

    /// Wakes the shards that have answers in their mailboxes. One at a time would make a shard that sleeps wake up for each.
    fn ring(&mut self) {
        self.unrung = 0;
        for (mailbox, answered) in self.mailboxes.iter().zip(&mut self.answered) {
            if std::mem::take(answered) {
                mailbox.ring();
            }
        }
    }

    fn publish(&self) {
        self.totals().admission = self.admission.totals();
    }

    fn totals(&self) -> std::sync::MutexGuard<'_, Totals> {
        // Totals are plain numbers: whoever panicked while holding them left nothing half done.
        self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
