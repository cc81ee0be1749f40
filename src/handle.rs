//! A running server, as the process around it sees it.

use crate::Config;
use crate::apps::Apps;
use crate::cluster::Redis;
use crate::control::{Message, Totals};
use crate::desk::{Local, Locks};
use crate::doors::Door;
use crate::embedding::ObserverThread;
use crate::site;
use crossbeam_channel::{Sender, bounded};
use signal_fish_core::ShardIndex;
use signal_fish_core::http::Routes;
use signal_fish_core::protocol::Protocol;
use signal_fish_core::protocol::signal_fish::Settings;
use signal_fish_core::room::{RoomOverview, RoomPage, RoomQuery};
use signal_fish_core::shard::{Reload, Request};
use signal_fish_core::transport::Acceptor;
use signal_fish_runtime::{DeskSender, Leftover, Mail, Mailbox, ShardThread, ToCluster, ToControl};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long an answer of the desk is waited for. It gives shards and the control plane a second each.
const ANSWER_WAIT: Duration = Duration::from_secs(10);
/// Rooms that a shard is asked for at once.
const PAGE: usize = 500;

/// A running server. Clones are the same server. Dropping all of them leaves the server running.
#[derive(Debug, Clone)]
pub struct ServerHandle(Arc<Shared>);

/// What the clones of a handle share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Where it listens: the main listener, then the others.
    pub(crate) doors: Vec<Door>,
    pub(crate) cpus: Vec<Option<usize>>,
    pub(crate) mailboxes: Arc<[Mailbox]>,
    pub(crate) control: ToControl<Message>,
    pub(crate) totals: Arc<Mutex<Totals>>,
    pub(crate) local: Sender<Local>,
    pub(crate) locks: Arc<Mutex<Locks>>,
    pub(crate) running: Mutex<Running>,
    pub(crate) life: Mutex<Life>,
    pub(crate) ended: Condvar,
}

/// What a reload starts from.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) settings: Settings,
    pub(crate) routes: Routes<Protocol>,
    pub(crate) apps: Apps,
    pub(crate) tls: Option<Acceptor>,
}

/// The threads of a server.
#[derive(Debug)]
pub(crate) struct Threads {
    pub(crate) shards: Vec<ShardThread>,
    /// Mail that nobody will read.
    pub(crate) leftovers: Vec<Leftover>,
    pub(crate) control: JoinHandle<()>,
    /// The desk ends when nobody can ask it any more.
    pub(crate) to_desk: DeskSender,
    pub(crate) desk: JoinHandle<()>,
    pub(crate) observer: Option<ObserverThread>,
    pub(crate) redis: Option<Redis>,
}

/// How far a server is.
#[derive(Debug)]
pub(crate) enum Life {
    /// Nobody waits for its end.
    Runs(Box<Threads>),
    /// Somebody waits for its end, and tells the others.
    IsAwaited,
    /// It has ended: well, or for this reason.
    HasEnded(Result<(), String>),
}

impl ServerHandle {
    pub(crate) fn new(shared: Shared) -> Self {
        Self(Arc::new(shared))
    }

    /// Address that the server listens on; with port 0 in the configuration, the port that was taken.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        // The main door is always there, and the first.
        self.0.doors[0].address
    }

    /// Addresses of the other listeners, and what they serve: `matchbox`, `relay`.
    pub fn other_addresses(&self) -> impl Iterator<Item = (&'static str, SocketAddr)> {
        let others = self.0.doors.iter().skip(1);
        others.map(|door| (door.serves.name(), door.address))
    }

    /// The CPU of each shard; `None` for one that is not pinned.
    #[must_use]
    pub fn cpus(&self) -> &[Option<usize>] {
        &self.0.cpus
    }

    /// What the server has counted, at most about a second old. Asks nobody.
    #[must_use]
    pub fn totals(&self) -> Totals {
        lock(&self.0.totals).clone()
    }

    /// Whether every shard, the control plane and the desk answer; waits for them for three seconds at most.
    #[must_use]
    pub fn answers(&self) -> bool {
        /// The desk itself waits for a little more than a second, and may have to end a collection before.
        const WAIT_MAX: Duration = Duration::from_secs(3);
        let (to, answer) = bounded(1);
        // A question that was not answered is still there if the desk stands still.
        self.0.local.try_send(Local::Alive(to)).is_ok() && answer.recv_timeout(WAIT_MAX).unwrap_or(false)
    }

    /// Everything that is measured, collected now: the JSON of `/metrics`.
    ///
    /// # Errors
    /// When the server has ended, or its desk stands still.
    pub fn metrics(&self) -> io::Result<String> {
        self.ask(Local::Metrics)
    }

    /// Rooms of Signal Fish that fit the query, at most `query.count` of them, in no order that means anything. A room that
    /// opens or ends meanwhile may be among them or not. `query.from` is not looked at.
    ///
    /// # Errors
    /// When the server has ended, its desk stands still, or a shard does not answer.
    pub fn rooms(&self, query: &RoomQuery) -> io::Result<Vec<RoomOverview>> {
        let mut rooms = Vec::new();
        for shard in (0..self.0.mailboxes.len()).filter_map(|shard| u16::try_from(shard).ok()) {
            let mut next = Some(0);
            while let Some(from) = next
                && rooms.len() < query.count
            {
                let count = (query.count - rooms.len()).min(PAGE);
                let question = RoomQuery {
                    from,
                    count,
                    ..query.clone()
                };
                let page: Option<RoomPage> = self.ask(|to| Local::Rooms(ShardIndex(shard), question, to))?;
                let page = page.ok_or_else(|| io::Error::other(format!("shard {shard} does not answer")))?;
                rooms.extend(page.rooms);
                next = page.next;
            }
        }
        Ok(rooms)
    }

    fn ask<T>(&self, question: impl FnOnce(Sender<T>) -> Local) -> io::Result<T> {
        let (to, from) = bounded(1);
        let has_ended = |_| io::Error::other("the server has ended");
        let deadline = Instant::now() + ANSWER_WAIT;
        self.0
            .local
            .send_deadline(question(to), deadline)
            .map_err(|error| io::Error::other(error.to_string()))?;
        from.recv_deadline(deadline).map_err(has_ended)
    }

    /// Applies what may change while the server runs (D45): `security.authorized_apps`, `security.cors_origins`,
    /// `security.trusted_proxies` and `security.client_ip_header`. Nothing else of `config` is looked at. Connections,
    /// sessions and rooms stay; an app that is missing now accepts no new authentications.
    ///
    /// # Errors
    /// When a shard took no mail for a second: it has ended, or its mailbox stays full. The other shards have the change.
    pub fn reload(&self, config: &Config) -> io::Result<()> {
        let mut running = lock(&self.0.running);
        let Running {
            settings,
            routes,
            apps,
            tls,
        } = &mut *running;
        if let Some(before) = tls {
            // What is on stays on: whether there is TLS is for a restart.
            *before = crate::tls::load(config, Some(before)).map_err(io::Error::other)?;
        }
        apps.set(&config.security.authorized_apps);
        settings.apps.clone_from(&apps.apps);
        let reload = Arc::new(Reload {
            settings: Arc::new(settings.clone()),
            sites: Arc::new(site::sites(config, &self.0.doors, routes.clone())),
            tls: tls.clone(),
        });
        let mut locks = lock(&self.0.locks);
        let found = locks.found();
        *locks = Locks::new(config, &apps.apps, found);
        drop(locks);
        // First the control plane, which then knows every app that a shard asks for.
        self.0.control.send(Message::Apps(apps.limits.clone()));
        if self.mail_all(|| Mail::Reload(Arc::clone(&reload))) {
            Ok(())
        } else {
            Err(io::Error::other("a shard took no mail"))
        }
    }

    /// Mails to every shard. Returns whether all of them took it.
    fn mail_all(&self, mail: impl Fn() -> Mail) -> bool {
        let mut taken = true;
        for mailbox in self.0.mailboxes.iter() {
            // A full mailbox empties within milliseconds; one without a shard stays so.
            let deadline = Instant::now() + Duration::from_secs(1);
            while mailbox.try_send(mail()).is_err() {
                if Instant::now() > deadline {
                    taken = false;
                    break;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        taken
    }

    /// Begins to close every client with 1001 (D35), and returns. The server ends at the latest after
    /// `server.drain_timeout_secs`.
    pub fn drain(&self) {
        self.mail_all(|| Mail::Drain);
    }

    /// Closes every client with 1001, waits for at most `server.drain_timeout_secs`, and ends every thread (D35). Returns
    /// what the server counted in its life.
    ///
    /// # Errors
    /// As [`Self::wait`].
    pub fn shutdown(&self) -> io::Result<Totals> {
        self.drain();
        self.wait()
    }

    /// Waits until the server has ended, whoever ended it, and returns what it counted in its life.
    ///
    /// # Errors
    /// When a shard's executor failed, or an observer did not come to its end; everything else has ended nevertheless.
    pub fn wait(&self) -> io::Result<Totals> {
        let mut life = lock(&self.0.life);
        let result = loop {
            match std::mem::replace(&mut *life, Life::IsAwaited) {
                Life::Runs(threads) => {
                    drop(life);
                    let result = self.join(*threads).map_err(|error| error.to_string());
                    life = lock(&self.0.life);
                    *life = Life::HasEnded(result.clone());
                    self.0.ended.notify_all();
                    break result;
                }
                Life::IsAwaited => life = self.0.ended.wait(life).unwrap_or_else(PoisonError::into_inner),
                Life::HasEnded(result) => {
                    *life = Life::HasEnded(result.clone());
                    break result;
                }
            }
        };
        drop(life);
        result.map_err(io::Error::other).map(|()| self.totals())
    }

    fn join(&self, threads: Threads) -> io::Result<()> {
        let Threads {
            shards,
            leftovers,
            control,
            to_desk,
            desk,
            observer,
            redis,
        } = threads;
        let mut result = Ok(());
        for shard in shards {
            result = result.and(shard.join());
        }
        for leftover in leftovers {
            leftover.give_back(|notice| self.0.control.send(Request::Notice(notice).into()));
        }
        drop(to_desk);
        if desk.join().is_err() {
            result = result.and(Err(io::Error::other("the desk panicked")));
        }
        self.0.control.send(Message::Stop);
        if control.join().is_err() {
            result = result.and(Err(io::Error::other("the control plane panicked")));
        }
        if let Some(redis) = redis {
            redis.sender.send(ToCluster::Stop);
            if redis.thread.join().is_err() {
                result = result.and(Err(io::Error::other("the thread that talks to Redis panicked")));
            }
        }
        match observer {
            Some(observer) => result.and(observer.join()),
            None => result,
        }
    }

    /// Keeps the thread of a shard that has started. Only while nobody waits for the end.
    pub(crate) fn keep(&self, shard: ShardThread) {
        if let Life::Runs(threads) = &mut *lock(&self.0.life) {
            threads.shards.push(shard);
        }
    }

    /// What a shard needs to reach everybody else.
    pub(crate) fn shared(&self) -> &Shared {
        &self.0
    }
}

/// What is behind these locks is whole whenever nobody holds them.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
