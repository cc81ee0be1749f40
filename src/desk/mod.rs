//! The desk: one ordinary thread that answers what no shard can answer by itself, so that no shard and no ask ever waits
//! for a page to be written (protocol 1).
//!
//! Requests come from shards, and answers go back to their mailboxes. Requests that arrive while figures are collected share
//! the next collection, so however many ask, the shards are asked once at a time and not more often than [`PAUSE`] allows.

mod admin;
mod collect;
mod guesses;
mod local;
mod locally;
mod locks;
mod orders;
mod paths;
mod query;

pub(crate) use local::Local;
pub(crate) use locks::Locks;
pub(crate) use paths::METRICS;

use crate::cluster;
use crate::control::Message;
use crate::embedding::RouteThread;
use crate::metrics::{self, Collected, Denied};
use collect::{Shards, WAIT_MAX};
use crossbeam_channel::{Receiver, never, select};
use guesses::Guesses;
use paths::Wanted;
use signal_fish_core::entry::Routing;
use signal_fish_core::http::{DeskAnswer, Inquiry};
use signal_fish_core::shard::{Question, ToDesk};
use signal_fish_core::{ShardIndex, Slot};
use signal_fish_runtime::{DeskReceiver, Fault, Mail, Mailbox, ToControl};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Shortest time between the beginnings of two collections.
const PAUSE: Duration = Duration::from_millis(50);
/// Period of the pieces of streams.
const PIECE_INTERVAL: Duration = Duration::from_secs(1);
/// Beginning of the paths of administration.
const ADMIN: &str = "/admin/";
/// Requests that are answered in one go.
const BATCH_MAX: usize = 1024;

/// Questions of the process that wait.
pub(crate) const LOCAL_MAX: usize = 16;

/// Where requests and questions come from, and who answers some of them.
pub(crate) struct At {
    pub(crate) shards: DeskReceiver,
    pub(crate) process: Receiver<Local>,
    pub(crate) own_routes: Option<RouteThread>,
}

/// The desk's state, owned by its thread.
pub(crate) struct Desk {
    from: DeskReceiver,
    from_process: Receiver<Local>,
    own_routes: Option<RouteThread>,
    shards: Shards,
    locks: Arc<Mutex<Locks>>,
    routing: Routing,
    denied: Denied,
    guesses: Guesses,
    /// When the last collection began.
    began: Option<Instant>,
    /// When the streams get their next piece; nothing while there are none.
    next_piece: Option<Instant>,
    /// What the last piece was made of; nothing while there are no streams.
    last_piece: Option<Collected>,
    /// Somebody in this process asks whether the server answers.
    fault: Fault,
}

/// What the desk does next.
enum Next {
    Request(ToDesk),
    /// Streams get a piece.
    Piece,
    Local(Local),
    /// Every shard has ended.
    End,
}

/// Who waits for an answer.
#[derive(Debug, Clone, Copy)]
struct Asker {
    shard: ShardIndex,
    slot: Slot,
    number: u8,
}

impl Desk {
    pub(crate) fn new(
        at: At,
        mailboxes: Arc<[Mailbox]>,
        control: ToControl<Message>,
        locks: Arc<Mutex<Locks>>,
        routing: Routing,
        redis: Option<Arc<Mutex<cluster::Figures>>>,
        start: Instant,
    ) -> Self {
        Self {
            from: at.shards,
            from_process: at.process,
            own_routes: at.own_routes,
            shards: Shards::new(mailboxes, control, redis, start),
            locks,
            routing,
            denied: Denied::default(),
            guesses: Guesses::default(),
            began: None,
            next_piece: None,
            last_piece: None,
            fault: Fault::of("desk"),
        }
    }

    /// Serves until every shard has ended.
    pub(crate) fn run(mut self) {
        loop {
            let mut batch = match self.next() {
                Next::Request(message) => vec![message],
                Next::Piece => Vec::new(),
                Next::Local(question) => {
                    self.answer_locally(question);
                    continue;
                }
                Next::End => return,
            };
            self.fault.strike();
            self.pause();
            batch.extend(self.from.inquiries.try_iter().take(BATCH_MAX));
            self.serve(batch);
        }
    }

    fn next(&mut self) -> Next {
        let piece = self.next_piece.map_or_else(never, crossbeam_channel::at);
        select! {
            recv(self.from.inquiries) -> message => message.map_or(Next::End, Next::Request),
            recv(self.from_process) -> question => match question {
                Ok(question) => Next::Local(question),
                Err(_) => {
                    // Nobody in this process can ask any more. The server goes on.
                    self.from_process = never();
                    self.next()
                }
            },
            recv(piece) -> _ => Next::Piece,
        }
    }

    /// Lets some time pass since the last collection. Who comes meanwhile belongs to the batch.
    fn pause(&mut self) {
        let now = Instant::now();
        if let Some(began) = self.began {
            thread::sleep((began + PAUSE).saturating_duration_since(now));
        }
    }

    fn serve(&mut self, batch: Vec<ToDesk>) {
        let mut waiting = Vec::new();
        for message in batch {
            let ToDesk::Inquiry {
                shard,
                slot,
                number,
                inquiry,
            } = message
            else {
                continue;
            };
            let asker = Asker { shard, slot, number };
            if let Some(routes) = &self.own_routes {
                match routes.pass(shard, slot, number, &inquiry) {
                    Ok(true) => continue,
                    Ok(false) => {}
                    Err(answer) => {
                        self.answer(asker, answer);
                        continue;
                    }
                }
            }
            if inquiry.path.starts_with(ADMIN) {
                let answer = self.administer(&inquiry);
                self.answer(asker, answer);
                continue;
            }
            match self.admit(&inquiry) {
                Ok(wanted) => waiting.push((asker, wanted)),
                Err(answer) => self.answer(asker, answer),
            }
        }
        let piece_is_due = self.next_piece.is_some_and(|at| at <= Instant::now());
        if waiting.iter().any(|(_, wanted)| wanted.needs_figures()) || piece_is_due {
            self.serve_with_figures(&waiting, piece_is_due);
        } else if !waiting.is_empty() {
            self.began = Some(Instant::now());
            let is_well = self.shards.ask(&self.from.replies, &Question::Alive);
            let is_ready = self.shards.is_redis_ready();
            for (asker, wanted) in waiting {
                self.answer(asker, wanted.standing(is_well, is_ready));
            }
        }
    }

    /// What a request wants, if it may have it.
    ///
    /// # Errors
    /// The answer, if it may not, or if it can be given at once.
    fn admit(&mut self, inquiry: &Inquiry) -> Result<Wanted, DeskAnswer> {
        let wanted = paths::find(&inquiry.path).ok_or_else(paths::not_found)?;
        if wanted.is_of_metrics() && !self.locks().metrics.opens_to(inquiry.authorization.as_deref()) {
            self.denied.metrics += 1;
            return Err(paths::unauthorized());
        }
        Ok(wanted)
    }

    fn locks(&self) -> std::sync::MutexGuard<'_, Locks> {
        self.locks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn collect(&mut self) -> Collected {
        let certificate = self.locks().certificate_seconds();
        self.shards.collect(&self.from.replies, self.denied, certificate)
    }

    fn serve_with_figures(&mut self, waiting: &[(Asker, Wanted)], piece_is_due: bool) {
        let now = Instant::now();
        self.began = Some(now);
        let collected = self.collect();
        let (mut json, mut prometheus, mut relay) = (None, None, None);
        for &(asker, wanted) in waiting {
            let answer = match wanted {
                Wanted::Alive | Wanted::Ready | Wanted::RelayReady => {
                    wanted.standing(collected.is_well(), self.shards.is_redis_ready())
                }
                Wanted::Json => paths::json(Arc::clone(
                    json.get_or_insert_with(|| render(&collected, metrics::json)),
                )),
                Wanted::Prometheus => paths::prometheus(Arc::clone(
                    prometheus.get_or_insert_with(|| render(&collected, metrics::prometheus)),
                )),
                Wanted::Relay => paths::prometheus(Arc::clone(
                    relay.get_or_insert_with(|| render(&collected, metrics::prometheus_of_relay)),
                )),
                Wanted::Stream => {
                    self.shards.expect_stream(asker.shard);
                    // The first viewer need not wait for a second.
                    self.next_piece.get_or_insert(now);
                    paths::stream()
                }
            };
            self.answer(asker, answer);
        }
        if piece_is_due {
            let text = match &self.last_piece {
                Some(last) => metrics::json_since(&collected, last),
                None => metrics::json(&collected),
            };
            let piece: Arc<[u8]> = format!("data: {text}\n\n").into_bytes().into();
            let fed = self.shards.feed(&piece);
            self.next_piece = fed.then(|| (now + PIECE_INTERVAL).max(Instant::now()));
            self.last_piece = fed.then_some(collected);
        }
    }

    /// Answers. An answer that its shard does not take is missed there after a while.
    fn answer(&self, asker: Asker, answer: DeskAnswer) {
        let Asker { shard, slot, number } = asker;
        self.shards.mail(shard, Mail::Answer { slot, number, answer });
    }
}

fn render(collected: &Collected, write: impl Fn(&Collected) -> String) -> Arc<[u8]> {
    write(collected).into_bytes().into()
}
