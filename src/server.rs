//! A server is started from a configuration and what an embedding program brings along.

use crate::Config;
use crate::apps::Apps;
use crate::cluster::{self, RELAYED_MAX, Redis};
use crate::config::Faults;
use crate::control::{Beside, ControlPlane, Message, Totals};
use crate::desk::{At, Desk, LOCAL_MAX, Locks};
use crate::directory::{Directory, FoundIds};
use crate::doors::{self, Door, Serves};
use crate::embedding::{Embedded, ObserverThread, RouteThread};
use crate::handle::{Life, Running, ServerHandle, Shared, Threads};
use crate::host::finding::{Finding, State};
use crate::host::{limits, rings};
use crate::site;
use crate::tokens::{Prepared, Verifier};
use crossbeam_channel::bounded;
use rand::rngs::{StdRng, SysRng};
use rand::{SeedableRng, TryRng};
use signal_fish_core::ShardIndex;
use signal_fish_core::admission::{Admission, Limits};
use signal_fish_core::entry::{Routing, draw_hashing};
use signal_fish_core::http::Routes;
use signal_fish_core::protocol::signal_fish::Settings;
use signal_fish_core::protocol::{self, Protocol};
use signal_fish_core::shard::{Options, Plan};
use signal_fish_core::ws;
use signal_fish_runtime::{
    Inbox, Mailbox, ShardThread, Surroundings, adopt, control_channel, desk_channel, listen, listen_again, mailbox,
    observer_channel,
};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};
use std::{fmt, io};

/// Largest message that is discarded rather than refused with 1009 (D10).
const DISCARD_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Slots of a shard beyond the connections that admission counts, for those that arrive, move or close.
pub(crate) const SLOTS_SPARE: usize = 1024;

/// A server in this process.
#[derive(Debug)]
pub struct Server;

/// Why a server did not start.
#[derive(Debug)]
pub enum StartError {
    /// The configuration does not hold together: every fault there is.
    Config(Faults),
    /// A route of the embedding program cannot be.
    Route {
        /// The path.
        path: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
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
    /// The machine lacks what every shard needs: io_uring, or memory that may be locked.
    Host(Finding),
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
            Self::Config(faults) => faults.fmt(f),
            Self::Route { path, problem } => write!(f, "route {path}: {problem}"),
            Self::Listen { address, keys, error } => write!(f, "cannot listen on {address}: {error} (see {keys})"),
            Self::Cpu(cpu) => write!(f, "CPU {cpu} is not available to this process (see `shards.cpus`)"),
            Self::Host(finding) => write!(f, "{}: {}", finding.subject, finding.text),
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
    pub(crate) fn start_embedded(
        config: &Config,
        routes: Routes<Protocol>,
        embedded: Embedded,
    ) -> Result<ServerHandle, StartError> {
        let cpus = choose_cpus(config)?;
        let count = cpus.len();
        if let Some(finding) = lacks_rings(count) {
            return Err(StartError::Host(finding));
        }
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
        let (doors, listeners) = open_doors(config, count, embedded.listener)?;

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
            observed: embedded.observer.is_some(),
            directory: embedded.directory.is_some(),
            event_buffer_total_bytes: config.event_buffer_total_bytes() / count.max(1),
            ..config.signal_fish_settings()
        };
        let connections_max = limits.connections_max;
        let (control, messages) = control_channel();
        let shared = cluster::options(config);
        // Mail of other nodes takes no place from verdicts.
        let of_nodes = shared.as_ref().map_or(0, |_| RELAYED_MAX + 1);
        let boxes: Vec<_> = (0..count)
            .map(|_| mailbox(connections_max + SLOTS_SPARE + count + of_nodes))
            .collect::<io::Result<_>>()
            .map_err(StartError::Shard)?;
        let (mailboxes, inboxes): (Vec<_>, Vec<_>) = boxes.into_iter().unzip();
        let mailboxes: Arc<[Mailbox]> = mailboxes.into();
        let leftovers = inboxes.iter().map(Inbox::leftover).collect();
        let totals = Arc::new(Mutex::new(Totals::default()));
        let start = Instant::now();

        let redis = shared.map(|options| Redis::start(options, &control, &mailboxes, &routing, start, &mut random));
        let redis = redis.transpose().map_err(StartError::Shard)?;
        let cluster = redis.as_ref().map(|redis| redis.sender.clone());
        let to_control = control.clone();
        let answered = move |(shard, slot), answer| to_control.send(Message::Verified(shard, slot, answer));
        let verifier = tokens.map(|tokens| Verifier::start(tokens, answered)).transpose();
        let found = FoundIds::default();
        let directory = embedded.directory.map(|directory| {
            let to_control = control.clone();
            Directory::start(directory, found.clone(), move |answered| {
                to_control.send(Message::AppAnswered(answered));
            })
        });
        let plane = ControlPlane::new(
            Admission::new(limits, draw_hashing(&mut random)),
            Arc::clone(&mailboxes),
            messages,
            Beside {
                cluster: cluster.clone(),
                verifier: verifier.map_err(StartError::Shard)?,
                directory: directory.transpose().map_err(StartError::Shard)?,
            },
            start,
            Arc::clone(&totals),
        );
        let control_thread = std::thread::Builder::new()
            .name("control".to_owned())
            .spawn(move || plane.run())
            .map_err(StartError::Shard)?;
        let (to_desk, at_desk) = desk_channel();
        let (local, from_process) = bounded(LOCAL_MAX);
        let locks = Arc::new(Mutex::new(Locks::new(config, &apps.apps, found)));
        let own_routes = RouteThread::spawn(embedded.routes, Arc::clone(&mailboxes)).map_err(StartError::Shard)?;
        let desk = Desk::new(
            At {
                shards: at_desk,
                process: from_process,
                own_routes,
            },
            Arc::clone(&mailboxes),
            control.clone(),
            Arc::clone(&locks),
            routing.clone(),
            redis.as_ref().map(|redis| Arc::clone(&redis.figures)),
            start,
        );
        let desk_thread = std::thread::Builder::new()
            .name("desk".to_owned())
            .spawn(move || desk.run())
            .map_err(StartError::Shard)?;
        let (to_observer, observer) = match embedded.observer {
            Some(observer) => {
                let (sender, receiver) = observer_channel();
                let thread = ObserverThread::spawn(observer, receiver).map_err(StartError::Shard)?;
                (Some(sender), Some(thread))
            }
            None => (None, None),
        };
        let threads = Threads {
            shards: Vec::new(),
            leftovers,
            control: control_thread,
            to_desk: to_desk.clone(),
            desk: desk_thread,
            observer,
            redis,
        };
        let handle = ServerHandle::new(Shared {
            doors,
            cpus: cpus.clone(),
            mailboxes,
            control,
            totals,
            local,
            locks,
            running: Mutex::new(Running {
                settings: settings.clone(),
                routes: routes.clone(),
                apps,
                tls: tls.clone(),
            }),
            life: Mutex::new(Life::Runs(Box::new(threads))),
            ended: Condvar::new(),
        });
        let (started, starts) = bounded(count);
        let options = options(config, connections_max, count);
        let settings = protocol::Settings {
            signal_fish: Arc::new(settings),
            matchbox: config.matchbox_settings(),
            relay: config.relay_settings(),
        };
        let sites = Arc::new(site::sites(config, &handle.shared().doors, routes));
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
                mailboxes: Arc::clone(&handle.shared().mailboxes),
                control: handle.shared().control.clone(),
                desk: to_desk.clone(),
                observer: to_observer.clone(),
                cluster: cluster.clone(),
                start,
            };
            match ShardThread::spawn(plan, surroundings, started.clone()) {
                Ok(shard) => handle.keep(shard),
                Err(error) => {
                    drop((to_desk, to_observer));
                    return Err(give_up(&handle, error));
                }
            }
        }
        drop((started, to_desk, to_observer));
        for _ in 0..count {
            // A shard whose executor fails drops its sender without a word, and its thread holds the reason.
            if starts.recv().is_err() {
                return Err(give_up(&handle, io::Error::other("its executor failed")));
            }
        }
        Ok(handle)
    }
}

/// What the shards cannot even start without: the runtime would panic.
fn lacks_rings(shards: usize) -> Option<Finding> {
    // The end of a ring interrupts a system call of its thread, which is the embedding program's here.
    let looked = std::thread::spawn(rings::io_uring).join();
    let rings = looked.unwrap_or_else(|_| Finding::failure("io_uring", "cannot be looked at"));
    let needed = [rings, limits::locked_memory(shards)];
    needed.into_iter().find(|finding| finding.state == State::Failure)
}

/// Ends what has started and says why the rest did not.
fn give_up(handle: &ServerHandle, error: io::Error) -> StartError {
    match handle.shutdown() {
        Ok(_) => StartError::Shard(error),
        Err(first) => StartError::Shard(first),
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
        ticketless_max: limits::ticketless_per_shard(shards),
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

/// Opens every door of the configuration; `given` takes the place of the main one. Returns where they are now, and for each
/// shard a listener per door.
fn open_doors(
    config: &Config,
    shards: usize,
    mut given: Option<TcpListener>,
) -> Result<(Vec<Door>, Vec<Vec<TcpListener>>), StartError> {
    let mut listeners: Vec<Vec<TcpListener>> = (0..shards).map(|_| Vec::new()).collect();
    let mut doors = Vec::new();
    for door in doors::doors(config) {
        let failed = |error| StartError::Listen {
            address: door.address,
            keys: door.serves.keys(),
            error,
        };
        let given = given.take_if(|_| door.serves == Serves::Main);
        let is_shared = given.is_some();
        let first = given.map_or_else(|| listen(door.address), adopt).map_err(failed)?;
        let address = first.local_addr().map_err(failed)?;
        for of_shard in listeners.iter_mut().skip(1) {
            // The shards accept from the one queue of a listener that they share, or each has a queue of its own.
            let another = if is_shared {
                first.try_clone()
            } else {
                listen_again(address)
            };
            of_shard.push(another.map_err(failed)?);
        }
        if let Some(of_first) = listeners.first_mut() {
            of_first.push(first);
        }
        doors.push(Door { address, ..door });
    }
    Ok((doors, listeners))
}
