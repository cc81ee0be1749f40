//! The embedding API: start a server, ask it for its address, shut it down.

use crate::Config;
use crate::apps::Apps;
use crate::control::{ControlPlane, Message, Totals};
use crate::desk::{Desk, Locks, Probe};
use crate::doors::{self, Door};
use crate::host::limits::ticketless_per_shard;
use crate::site;
use crate::tokens::{Prepared, Verifier};
use crossbeam_channel::{Sender, bounded};
use rand::rngs::{StdRng, SysRng};
use rand::{SeedableRng, TryRng};
use signal_fish_core::ShardIndex;
use signal_fish_core::admission::{Admission, Limits};
use signal_fish_core::entry::{Routing, draw_hashing};
use signal_fish_core::http::Routes;
use signal_fish_core::protocol::signal_fish::Settings;
use signal_fish_core::protocol::{self, Protocol};
use signal_fish_core::shard::{Options, Plan, Reload, Request};
use signal_fish_core::transport::Acceptor;
use signal_fish_core::ws;
use signal_fish_runtime::{
    DeskSender, Inbox, Leftover, Mail, Mailbox, ShardThread, Surroundings, ToControl, control_channel, desk_channel,
    listen, listen_again, mailbox,
};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use std::{fmt, io};

/// Largest message that is discarded rather than refused with 1009 (D10).
const DISCARD_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Slots of a shard beyond the connections that admission counts, for those that arrive, move or close.
pub(crate) const SLOTS_SPARE: usize = 1024;

/// A server in this process.
#[derive(Debug)]
pub struct Server;

/// A running server. Dropping the handle leaves the server running.
#[derive(Debug)]
pub struct ServerHandle {
    /// Where it listens: the main listener, then the others.
    doors: Vec<Door>,
    cpus: Vec<Option<usize>>,
    mailboxes: Arc<[Mailbox]>,
    leftovers: Vec<Leftover>,
    control: ToControl<Message>,
    totals: Arc<Mutex<Totals>>,
    shards: Vec<ShardThread>,
    control_thread: JoinHandle<()>,
    desk: DeskSender,
    desk_thread: JoinHandle<()>,
    probes: Sender<Probe>,
    locks: Arc<Mutex<Locks>>,
    running: Running,
}

/// What a reload starts from.
#[derive(Debug)]
struct Running {
    settings: Settings,
    routes: Routes<Protocol>,
    apps: Apps,
    tls: Option<Acceptor>,
}

/// Why a server did not start.
#[derive(Debug)]
pub enum StartError {
    /// The address cannot be listened on: see the keys.
    Listen {
        /// Address that was asked for.
        address: SocketAddr,
        /// The keys that set it.
        keys: &'static str,
        /// What the system said.
        error: io::Error,
    },
    /// `shards.cpus` names a CPU that this process may not use.
    Cpu(usize),
    /// A thread or its io_uring rings could not be made.
    Shard(io::Error),
    /// The system has no random bytes.
    Random(String),
    /// There is no TLS with these files: see `security.transport.tls`.
    Tls(String),
    /// The keys of tokens cannot be used.
    Tokens(String),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen { address, keys, error } => write!(f, "cannot listen on {address}: {error} (see {keys})"),
            Self::Cpu(cpu) => write!(f, "CPU {cpu} is not available to this process (see `shards.cpus`)"),
            Self::Shard(error) => write!(f, "a shard could not start: {error}"),
            Self::Tls(error) => write!(f, "no TLS: {error} (see `security.transport.tls`)"),
            Self::Random(error) => write!(f, "the system gives no random bytes: {error}"),
            Self::Tokens(problem) => write!(f, "tokens cannot be verified: {problem}"),
        }
    }
}

impl std::error::Error for StartError {}

impl Server {
    /// Starts one shard per core as configured, and the control plane, and returns when all of them serve.
    ///
    /// # Errors
    /// A [`StartError`]; nothing of the server is left running then.
    pub fn start(config: &Config) -> Result<ServerHandle, StartError> {
        Self::start_with_routes(config, site::routes(config))
    }

    /// As [`Self::start`], with another table of paths.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with_routes(config: &Config, routes: Routes<Protocol>) -> Result<ServerHandle, StartError> {
        let cpus = choose_cpus(config)?;
        let count = cpus.len();
        if config.shards.pin && cpus.contains(&None) {
            tracing::warn!(shards = count, "more shards than CPUs: shards run unpinned");
        }
        let tls = config
            .security
            .transport
            .tls
            .enabled
            .then(|| crate::tls::load(config, None));
        let tls = tls.transpose().map_err(StartError::Tls)?;
        let auth = &config.relay.auth;
        let tokens = match config.relay.enabled && auth.enabled {
            true => Some(Prepared::new(auth).map_err(StartError::Tokens)?),
            false => None,
        };
        let (doors, listeners) = open_doors(config, count)?;

        let mut seed = <StdRng as SeedableRng>::Seed::default();
        SysRng
            .try_fill_bytes(&mut seed)
            .map_err(|error| StartError::Random(error.to_string()))?;
        let mut random = StdRng::from_seed(seed);
        let routing = Routing::new(shard_count(count), &mut random);

        let mut apps = Apps::default();
        apps.set(&config.security.authorized_apps);
        let limits = Limits {
            apps: apps.limits.clone(),
            ..config.admission_limits()
        };
        let settings = Settings {
            apps: apps.apps.clone(),
            event_buffer_total_bytes: config.event_buffer_total_bytes() / count.max(1),
            ..config.signal_fish_settings()
        };
        let connections_max = limits.connections_max;
        let (control, messages) = control_channel();
        let boxes: Vec<_> = (0..count)
            .map(|_| mailbox(connections_max + SLOTS_SPARE + count))
            .collect::<io::Result<_>>()
            .map_err(StartError::Shard)?;
        let (mailboxes, inboxes): (Vec<_>, Vec<_>) = boxes.into_iter().unzip();
        let mailboxes: Arc<[Mailbox]> = mailboxes.into();
        let leftovers = inboxes.iter().map(Inbox::leftover).collect();
        let totals = Arc::new(Mutex::new(Totals::default()));
        let start = Instant::now();

        let to_control = control.clone();
        let answered = move |(shard, slot), answer| to_control.send(Message::Verified(shard, slot, answer));
        let verifier = tokens.map(|tokens| Verifier::start(tokens, answered)).transpose();
        let plane = ControlPlane::new(
            Admission::new(limits, draw_hashing(&mut random)),
            Arc::clone(&mailboxes),
            messages,
            verifier.map_err(StartError::Shard)?,
            start,
            Arc::clone(&totals),
        );
        let control_thread = std::thread::Builder::new()
            .name("control".to_owned())
            .spawn(move || plane.run())
            .map_err(StartError::Shard)?;
        let (desk, at_desk) = desk_channel();
        let (probes, from_handle) = bounded(1);
        let locks = Arc::new(Mutex::new(Locks::new(config, &apps.apps)));
        let desk_of_all = Desk::new(
            at_desk,
            Arc::clone(&mailboxes),
            control.clone(),
            Arc::clone(&locks),
            routing.clone(),
            from_handle,
            start,
        );
        let desk_thread = std::thread::Builder::new()
            .name("desk".to_owned())
            .spawn(move || desk_of_all.run())
            .map_err(StartError::Shard)?;

        let mut handle = ServerHandle {
            doors,
            cpus: cpus.clone(),
            mailboxes,
            leftovers,
            control,
            totals,
            shards: Vec::new(),
            control_thread,
            desk,
            desk_thread,
            probes,
            locks,
            running: Running {
                settings: settings.clone(),
                routes: routes.clone(),
                apps,
                tls: tls.clone(),
            },
        };
        let (started, starts) = bounded(count);
        let options = options(config, connections_max, count);
        let settings = protocol::Settings {
            signal_fish: Arc::new(settings),
            matchbox: config.matchbox_settings(),
            relay: config.relay_settings(),
        };
        let sites = Arc::new(site::sites(config, &handle.doors, routes));
        for ((at, inbox), (listeners, cpu)) in inboxes.into_iter().enumerate().zip(listeners.into_iter().zip(cpus)) {
            let plan = Plan {
                index: ShardIndex(shard_count(at)),
                settings: settings.clone(),
                sites: Arc::clone(&sites),
                options: options.clone(),
                tls: tls.clone(),
                routing: routing.clone(),
                random: Box::new(StdRng::from_rng(&mut random)),
            };
            let surroundings = Surroundings {
                cpu,
                listeners,
                inbox,
                mailboxes: Arc::clone(&handle.mailboxes),
                control: handle.control.clone(),
                desk: handle.desk.clone(),
                start,
            };
            match ShardThread::spawn(plan, surroundings, started.clone()) {
                Ok(shard) => handle.shards.push(shard),
                Err(error) => return Err(handle.give_up(error)),
            }
        }
        drop(started);
        for _ in 0..count {
            // A shard whose executor fails drops its sender without a word, and its thread holds the reason.
            if starts.recv().is_err() {
                return Err(handle.give_up(io::Error::other("its executor failed")));
            }
        }
        Ok(handle)
    }
}

impl ServerHandle {
    /// Address that the server listens on; with port 0 in the configuration, the port that was taken.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        // The main door is always there, and the first.
        self.doors[0].address
    }

    /// Addresses of the other listeners, and what they serve: `matchbox`, `relay`.
    pub fn other_addresses(&self) -> impl Iterator<Item = (&'static str, SocketAddr)> {
        self.doors.iter().skip(1).map(|door| (door.serves.name(), door.address))
    }

    /// The CPU of each shard; `None` for one that is not pinned.
    #[must_use]
    pub fn cpus(&self) -> &[Option<usize>] {
        &self.cpus
    }

    /// What the server has counted, at most about a second old.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether every shard, the control plane and the desk answer; waits for them for three seconds at most.
    #[must_use]
    pub fn answers(&self) -> bool {
        /// The desk itself waits for a little more than a second, and may have to end a collection before.
        const WAIT_MAX: Duration = Duration::from_secs(3);
        let (to, answer) = bounded(1);
        // One that was not answered is still there if the desk stands still.
        self.probes.try_send(to).is_ok() && answer.recv_timeout(WAIT_MAX).unwrap_or(false)
    }

    /// Applies what may change while the server runs (D45): `security.authorized_apps`, `security.cors_origins`,
    /// `security.trusted_proxies` and `security.client_ip_header`. Nothing else of `config` is looked at. Connections,
    /// sessions and rooms stay; an app that is missing now accepts no new authentications.
    ///
    /// # Errors
    /// When a shard took no mail for a second: it has ended, or its mailbox stays full. The other shards have the change.
    pub fn reload(&mut self, config: &Config) -> io::Result<()> {
        let Running {
            settings,
            routes,
            apps,
            tls,
        } = &mut self.running;
        if let Some(before) = tls {
            // What is on stays on: whether there is TLS is for a restart.
            *before = crate::tls::load(config, Some(before)).map_err(io::Error::other)?;
        }
        apps.set(&config.security.authorized_apps);
        settings.apps.clone_from(&apps.apps);
        let reload = Arc::new(Reload {
            settings: Arc::new(settings.clone()),
            sites: Arc::new(site::sites(config, &self.doors, routes.clone())),
            tls: tls.clone(),
        });
        *self.locks.lock().unwrap_or_else(PoisonError::into_inner) = Locks::new(config, &apps.apps);
        // First the control plane, which then knows every app that a shard asks for.
        self.control.send(Message::Apps(apps.limits.clone()));
        if self.mail_all(|| Mail::Reload(Arc::clone(&reload))) {
            Ok(())
        } else {
            Err(io::Error::other("a shard took no mail"))
        }
    }

    /// Mails to every shard. Returns whether all of them took it.
    fn mail_all(&self, mail: impl Fn() -> Mail) -> bool {
        let mut taken = true;
        for mailbox in self.mailboxes.iter() {
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

    /// Closes every client with 1001, waits for at most `server.drain_timeout_secs`, and ends every thread (D35). Returns
    /// what the server counted in its life.
    ///
    /// # Errors
    /// When a shard's executor failed; everything else has ended nevertheless.
    pub fn shutdown(self) -> io::Result<Totals> {
        self.mail_all(|| Mail::Drain);
        self.wait()
    }

    /// Waits until the server has ended, and returns what it counted in its life.
    ///
    /// # Errors
    /// When a shard's executor failed.
    pub fn wait(self) -> io::Result<Totals> {
        let mut result = Ok(());
        for shard in self.shards {
            result = result.and(shard.join());
        }
        for leftover in self.leftovers {
            leftover.give_back(|notice| self.control.send(Request::Notice(notice).into()));
        }
        // The desk ends when nobody can ask it any more.
        drop(self.desk);
        if self.desk_thread.join().is_err() {
            result = result.and(Err(io::Error::other("the desk panicked")));
        }
        self.control.send(Message::Stop);
        if self.control_thread.join().is_err() {
            result = result.and(Err(io::Error::other("the control plane panicked")));
        }
        result.map(|()| self.totals.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Ends what has started and says why the rest did not.
    fn give_up(self, error: io::Error) -> StartError {
        match self.shutdown() {
            Ok(_) => StartError::Shard(error),
            Err(first) => StartError::Shard(first),
        }
    }
}

fn options(config: &Config, connections_max: usize, shards: usize) -> Options {
    Options {
        codec: ws::Limits {
            message_bytes_max: config.security.max_message_size,
            discard_bytes_max: DISCARD_BYTES_MAX,
        },
        outbound_bytes_max: config.websocket.max_outbound_bytes,
        outbound_total_bytes_max: config.outbound_total_bytes() / shards.max(1),
        messages_per_sec_max: config.websocket.max_messages_per_sec,
        fanout_bytes_per_sec_max: config.websocket.max_fanout_bytes_per_sec,
        batching: config.websocket.enable_batching,
        message_timeout: config.websocket.message_timeout,
        ping_timeout: config.server.ping_timeout,
        drain_timeout: Duration::from_secs(config.server.drain_timeout_secs),
        ticketless_max: ticketless_per_shard(shards),
        slots_max: connections_max + SLOTS_SPARE,
        relay: config.relay_options(),
        ..Options::default()
    }
}

/// Shard counts come from a configuration that allows far fewer than 65,536.
fn shard_count(count: usize) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}

/// One CPU per shard; `None` for shards that are not pinned.
pub(crate) fn choose_cpus(config: &Config) -> Result<Vec<Option<usize>>, StartError> {
    let available: Vec<usize> = core_affinity::get_core_ids()
        .unwrap_or_default()
        .into_iter()
        .map(|core| core.id)
        .collect();
    if let Some(&missing) = config.shards.cpus.iter().find(|cpu| !available.contains(cpu)) {
        return Err(StartError::Cpu(missing));
    }
    let chosen = if config.shards.cpus.is_empty() {
        available
    } else {
        config.shards.cpus.clone()
    };
    let count = match config.shards.count {
        // A container may be allowed less time than its CPUs have.
        0 if config.shards.cpus.is_empty() => {
            let quota = std::thread::available_parallelism().map_or(1, usize::from);
            chosen.len().min(quota).max(1)
        }
        0 => chosen.len(),
        count => count,
    };
    if !config.shards.pin || count > chosen.len() {
        return Ok(vec![None; count]);
    }
    Ok(chosen.into_iter().take(count).map(Some).collect())
}

/// Opens every door of the configuration. Returns where they are now, and for each shard a listener per door.
fn open_doors(config: &Config, shards: usize) -> Result<(Vec<Door>, Vec<Vec<TcpListener>>), StartError> {
    let mut listeners: Vec<Vec<TcpListener>> = (0..shards).map(|_| Vec::new()).collect();
    let mut doors = Vec::new();
    for door in doors::doors(config) {
        let failed = |error| StartError::Listen {
            address: door.address,
            keys: door.serves.keys(),
            error,
        };
        let first = listen(door.address).map_err(failed)?;
        let address = first.local_addr().map_err(failed)?;
        let mut of_door = vec![first];
        for _ in 1..shards {
            of_door.push(listen_again(address).map_err(failed)?);
        }
        for (of_shard, listener) in listeners.iter_mut().zip(of_door) {
            of_shard.push(listener);
        }
        doors.push(Door { address, ..door });
    }
    Ok((doors, listeners))
}
