//! The shards and the control plane are asked, with a bounded wait: what stands still shows as stale and holds nobody up.

use crate::cluster;
use crate::control::Message;
use crate::metrics::{Collected, Denied, OfShard, Process};
use crossbeam_channel::{Receiver, bounded};
use signal_fish_core::ShardIndex;
use signal_fish_core::admission;
use signal_fish_core::shard::{Figures, Question, Reply, ToDesk};
use signal_fish_runtime::{Mail, Mailbox, ToControl};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

#[cfg(feature = "cli")]
use crate::logging::lost_lines;

/// Without the program around it the library has no log of its own.
#[cfg(not(feature = "cli"))]
fn lost_lines() -> Vec<(&'static str, u64)> {
    Vec::new()
}

/// How long shards and the control plane have for their replies together.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(1);

/// The shards and the control plane, as the desk knows them.
pub(super) struct Shards {
    mailboxes: Arc<[Mailbox]>,
    shards: Vec<Known>,
    control: ToControl<Message>,
    /// The reply of the control plane that is waited for.
    totals: Option<Receiver<admission::Totals>>,
    admission: admission::Totals,
    /// What is known of Redis, if it is needed.
    redis: Option<Arc<Mutex<cluster::Figures>>>,
    start: Instant,
    /// The number of the last question.
    number: u64,
}

/// What is known of one shard.
#[derive(Default)]
struct Known {
    /// The question that it has not replied to. It gets no other one before, so that mail does not pile up.
    open: Option<u64>,
    figures: Option<Box<Figures>>,
    collected_at: Option<Instant>,
    /// A stream was begun there since it was asked.
    expects_stream: bool,
}

impl Shards {
    pub(super) fn new(
        mailboxes: Arc<[Mailbox]>,
        control: ToControl<Message>,
        redis: Option<Arc<Mutex<cluster::Figures>>>,
        start: Instant,
    ) -> Self {
        Self {
            shards: mailboxes.iter().map(|_| Known::default()).collect(),
            mailboxes,
            control,
            totals: None,
            admission: admission::Totals::default(),
            redis,
            start,
            number: 0,
        }
    }

    /// Mails to a shard. Returns whether it was taken.
    pub(super) fn mail(&self, shard: ShardIndex, mail: Mail) -> bool {
        let mailbox = self.mailboxes.get(usize::from(shard.0));
        mailbox.is_some_and(|mailbox| mailbox.try_send(mail).is_ok())
    }

    /// How many shards there are.
    pub(super) fn len(&self) -> usize {
        self.shards.len()
    }

    /// The control plane.
    pub(super) fn control(&self) -> &ToControl<Message> {
        &self.control
    }

    /// Whether Redis answers, if it is needed.
    pub(super) fn is_redis_ready(&self) -> bool {
        self.redis.as_ref().is_none_or(|redis| locked(redis).is_ready())
    }

    /// Asks one shard and waits for the reply; nothing if it stands still or there is no such shard.
    pub(super) fn ask_one(
        &mut self,
        replies: &Receiver<ToDesk>,
        shard: ShardIndex,
        question: &Question,
    ) -> Option<Reply> {
        let deadline = Instant::now() + WAIT_MAX;
        while let Ok(reply) = replies.try_recv() {
            self.take(reply);
        }
        let index = usize::from(shard.0);
        if self.shards.get(index)?.open.is_some() {
            return None;
        }
        self.number += 1;
        self.put(index, question);
        while let Ok(message) = replies.recv_deadline(deadline) {
            match message {
                ToDesk::Reply {
                    shard: by,
                    number,
                    reply,
                } if by == shard && number == self.number => {
                    self.shards.get_mut(index)?.open = None;
                    return Some(reply);
                }
                other => _ = self.take(other),
            }
        }
        None
    }

    /// Asks every shard and waits for the replies. Returns whether all of them replied in time.
    pub(super) fn ask(&mut self, replies: &Receiver<ToDesk>, question: &Question) -> bool {
        self.ask_until(replies, question, Instant::now() + WAIT_MAX)
    }

    fn ask_until(&mut self, replies: &Receiver<ToDesk>, question: &Question, deadline: Instant) -> bool {
        while let Ok(reply) = replies.try_recv() {
            self.take(reply);
        }
        self.number += 1;
        let number = self.number;
        let mut missing = 0;
        for shard in 0..self.shards.len() {
            missing += 1;
            if self.shards[shard].open.is_none() {
                self.put(shard, question);
            }
        }
        while missing > 0
            && let Ok(reply) = replies.recv_deadline(deadline)
        {
            let Some((shard, answered)) = self.take(reply) else {
                continue;
            };
            if answered == number {
                missing -= 1;
            } else {
                // It stood still, and has replied to an earlier question.
                self.put(shard, question);
            }
        }
        missing == 0
    }

    /// Whether every shard and the control plane answer in time.
    pub(super) fn are_well(&mut self, replies: &Receiver<ToDesk>) -> bool {
        let deadline = Instant::now() + WAIT_MAX;
        self.ask_until(replies, &Question::Alive, deadline)
            && self.ask_control(deadline.max(Instant::now() + WAIT_MAX / 4))
    }

    /// Puts the question of this number to a shard.
    fn put(&mut self, shard: usize, question: &Question) {
        let (number, question) = (self.number, question.clone());
        // A full mailbox is that of a shard that stands still.
        if self.mailboxes[shard]
            .try_send(Mail::Question { number, question })
            .is_ok()
        {
            self.shards[shard].open = Some(number);
        }
    }

    /// Keeps a reply. Returns whose it is, and to which question.
    fn take(&mut self, reply: ToDesk) -> Option<(usize, u64)> {
        let ToDesk::Reply { shard, number, reply } = reply else {
            return None;
        };
        let index = usize::from(shard.0);
        let known = self.shards.get_mut(index)?;
        known.open = None;
        match reply {
            Reply::Alive | Reply::Rooms(_) | Reply::Room(_) | Reply::Done(_) => {}
            Reply::Figures(figures) => {
                known.figures = Some(figures);
                known.collected_at = Some(Instant::now());
            }
        }
        Some((index, number))
    }

    /// Collects everything. What did not reply in time is as it was.
    pub(super) fn collect(
        &mut self,
        replies: &Receiver<ToDesk>,
        denied: Denied,
        certificate_seconds: Option<f64>,
    ) -> Collected {
        let began = Instant::now();
        let deadline = began + WAIT_MAX;
        let depths: Vec<_> = self.mailboxes.iter().map(Mailbox::depth).collect();
        self.ask_until(replies, &Question::Figures, deadline);
        // After the shards: what they told the control plane before they replied is counted there by then.
        let admission_is_fresh = self.ask_control(deadline.max(Instant::now() + WAIT_MAX / 4));
        let now = Instant::now();
        let uptime = now.saturating_duration_since(self.start);
        let of_shard = |(known, mailbox_depth): (&Known, usize)| OfShard {
            figures: known.figures.clone(),
            age: known
                .collected_at
                .map_or(uptime, |collected_at| now.saturating_duration_since(collected_at)),
            is_fresh: known.collected_at.is_some_and(|collected_at| collected_at >= began),
            mailbox_depth,
        };
        Collected {
            uptime,
            shards: self.shards.iter().zip(depths).map(of_shard).collect(),
            admission: self.admission,
            admission_is_fresh,
            process: Process::read(uptime),
            redis: self.redis.as_ref().map(|redis| Box::new(locked(redis).clone())),
            denied,
            certificate_seconds,
            log_lines_lost: lost_lines(),
        }
    }

    fn ask_control(&mut self, deadline: Instant) -> bool {
        let totals = self.totals.take().unwrap_or_else(|| {
            let (sender, receiver) = bounded(1);
            self.control.send(Message::Totals(sender));
            receiver
        });
        match totals.recv_deadline(deadline) {
            Ok(counted) => {
                self.admission = counted;
                true
            }
            Err(_) => {
                self.totals = Some(totals);
                false
            }
        }
    }

    /// A stream begins on this shard.
    pub(super) fn expect_stream(&mut self, shard: ShardIndex) {
        if let Some(known) = self.shards.get_mut(usize::from(shard.0)) {
            known.expects_stream = true;
        }
    }

    /// Mails a piece to every shard that has a stream and does not stand still. Returns whether any shard has one.
    pub(super) fn feed(&mut self, piece: &Arc<[u8]>) -> bool {
        let mut any = false;
        for (known, mailbox) in self.shards.iter_mut().zip(self.mailboxes.iter()) {
            let has_stream = known.figures.as_ref().is_some_and(|figures| figures.streams > 0);
            if !std::mem::take(&mut known.expects_stream) && !has_stream {
                continue;
            }
            any = true;
            if known.open.is_none() {
                let _ = mailbox.try_send(Mail::Piece(Arc::clone(piece)));
            }
        }
        any
    }
}

fn locked(figures: &Mutex<cluster::Figures>) -> MutexGuard<'_, cluster::Figures> {
    // Figures are plain numbers: whoever panicked while holding them left nothing half done.
    figures.lock().unwrap_or_else(PoisonError::into_inner)
}
