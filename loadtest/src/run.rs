//! One run: the threads of the generator, and the coordinator that watches them and the server's process.

use crate::accounting::Counts;
use crate::latency::Latency;
use crate::net::Net;
use crate::plan::Plan;
use crate::process::{self, Use};
use crate::refusal::Refusals;
use crate::rooms::ConnectionCounts;
use crate::scenario::{Gate, Outcome, Part, Progress, Scenario, loads_per_thread, scenarios};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Time between two samples of the coordinator.
const SAMPLE_EVERY: Duration = Duration::from_millis(250);
/// Time between two publications of a thread's progress, in nanoseconds.
const PUBLISH_NS: u64 = 50_000_000;
/// How long a stopped run may take to close its connections.
const STOP_LIMIT: Duration = Duration::from_secs(8);

/// The state of a run at one moment.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    /// Seconds since the run's epoch.
    pub at_s: f64,
    /// What the loads did so far, all threads together.
    pub progress: Progress,
    /// Processor time of each generator thread so far, in seconds.
    pub generator_cpu_s: Vec<f64>,
    /// Time that each generator thread waited for a processor so far, in seconds.
    pub generator_waited_s: Vec<f64>,
    /// What the server's process used so far.
    pub server: Option<Use>,
    /// Whether load is being measured at the moment.
    pub measuring: bool,
}

/// Everything a run found out.
#[derive(Debug)]
pub struct Run {
    /// The plan it followed.
    pub plan: Arc<Plan>,
    /// Latencies by kind, in the order in which they should be shown.
    pub latencies: Vec<Latency>,
    /// Messages, per sender.
    pub senders: Vec<Counts>,
    /// Deliveries that none of these senders made.
    pub strays: Counts,
    /// What became of connections.
    pub connections: ConnectionCounts,
    /// What the server refused.
    pub refusals: Refusals,
    /// Sessions, cycles or returns completed.
    pub completed: u64,
    /// Sessions, cycles or returns that failed or did not end in time.
    pub failed: u64,
    /// How much later than due messages were handed to the kernel.
    pub lag: Option<Latency>,
    /// Samples over the whole run.
    pub samples: Vec<Sample>,
    /// The measured part, in seconds since the epoch.
    pub measured_s: Option<(f64, f64)>,
    /// Whether it was stopped before its end.
    pub interrupted: bool,
}

#[derive(Debug, Default)]
struct Published {
    inside: AtomicU64,
    sent: AtomicU64,
    delivered: AtomicU64,
    expected: AtomicU64,
    completed: AtomicU64,
    failed: AtomicU64,
    cpu_ns: AtomicU64,
    waited_ns: AtomicU64,
}

/// Carries out `plan`. `watch` sees every sample; setting `stop` ends the run early, with the figures so far.
///
/// # Errors
/// A sentence: the plan makes no sense, the server's process does not exist, or no thread can be started.
pub fn run(plan: &Plan, stop: &AtomicBool, watch: &mut dyn FnMut(&Sample)) -> Result<Run, String> {
    plan.check()?;
    if let Some(pid) = plan.server_pid {
        process::usage(pid).ok_or_else(|| format!("--server-pid {pid}: there is no such process"))?;
    }
    process::raise_file_limit();
    let epoch = Instant::now();
    let plan = Arc::new(plan.clone());
    let gate = Arc::new(Gate::new(plan.threads * loads_per_thread(plan.load)));
    let published: Vec<_> = (0..plan.threads).map(|_| Published::default()).collect();
    // Tells runs apart that follow each other on the same server.
    let tag = run_tag();
    // The first is taken before any connection, so that the server's memory at rest is known.
    let mut samples = vec![take_sample(&plan, epoch, &gate, &published)];
    let failed = AtomicBool::new(false);
    let outcomes = std::thread::scope(|scope| {
        let mut threads = Vec::new();
        for thread in 0..plan.threads {
            let part = Part {
                plan: Arc::new(plan.share(thread)),
                thread,
                run: tag,
                first_room: (0..thread).map(|earlier| plan.share(earlier).rooms).sum(),
            };
            let (gate, published, failed) = (&gate, &published[thread], &failed);
            let work = move || {
                let alarm = Alarm(failed);
                let is_over = || stop.load(Ordering::Relaxed) || failed.load(Ordering::Relaxed);
                let outcomes = drive(&part, epoch, gate, &is_over, published)?;
                std::mem::forget(alarm);
                Ok(outcomes)
            };
            let name = format!("load-{thread}");
            let handle = std::thread::Builder::new().name(name).spawn_scoped(scope, work);
            threads.push(handle.map_err(|error| format!("cannot start a thread: {error}"))?);
        }
        let mut next = Instant::now();
        while threads.iter().any(|thread| !thread.is_finished()) {
            std::thread::sleep(Duration::from_millis(20));
            if Instant::now() >= next {
                next += SAMPLE_EVERY;
                let sample = take_sample(&plan, epoch, &gate, &published);
                watch(&sample);
                samples.push(sample);
            }
        }
        samples.push(take_sample(&plan, epoch, &gate, &published));
        threads
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|_| Err("a thread of the generator panicked".to_owned()))
            })
            .collect::<Result<Vec<_>, String>>()
    })?;
    Ok(gather(
        plan,
        &gate,
        outcomes.into_iter().flatten(),
        samples,
        stop.load(Ordering::Relaxed),
    ))
}

/// Raised by a thread that fails or panics: the others would wait for it at the gate for ever.
struct Alarm<'a>(&'a AtomicBool);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// One thread: turns of the loop until every load on it is over.
fn drive(
    part: &Part,
    epoch: Instant,
    gate: &Arc<Gate>,
    is_over: &dyn Fn() -> bool,
    published: &Published,
) -> Result<Vec<Outcome>, String> {
    let seed = part.run << 8 | u32::try_from(part.thread).unwrap_or(0);
    let mut net = Net::new(Arc::clone(&part.plan.target), epoch, seed).map_err(|error| format!("epoll: {error}"))?;
    let mut loads = scenarios(part, gate);
    let mut next_publication_ns = 0;
    let mut stopped: Option<Instant> = None;
    while !loads.iter().all(|load| load.is_finished()) {
        let now_ns = net.read_clock();
        let mut until_ns = u64::MAX;
        for (owner, load) in (0..).zip(&mut loads) {
            net.set_owner(owner);
            load.on_due(&mut net);
            until_ns = until_ns.min(load.next_due_ns(now_ns));
        }
        net.turn(&mut loads, until_ns);
        if now_ns >= next_publication_ns {
            next_publication_ns = now_ns + PUBLISH_NS;
            publish(&loads, published);
        }
        if is_over() {
            if stopped.is_none() {
                gate.end_early(now_ns);
                (0..).zip(&mut loads).for_each(|(owner, load)| {
                    net.set_owner(owner);
                    load.stop(&mut net);
                });
            }
            if stopped.get_or_insert_with(Instant::now).elapsed() > STOP_LIMIT {
                break;
            }
        }
    }
    publish(&loads, published);
    Ok(loads.into_iter().map(|load| load.finish()).collect())
}

fn publish(loads: &[Box<dyn Scenario>], published: &Published) {
    let mut progress = Progress::default();
    loads.iter().for_each(|load| load.progress(&mut progress));
    published.inside.store(progress.inside, Ordering::Relaxed);
    published.sent.store(progress.sent, Ordering::Relaxed);
    published.delivered.store(progress.delivered, Ordering::Relaxed);
    published.expected.store(progress.expected, Ordering::Relaxed);
    published.completed.store(progress.completed, Ordering::Relaxed);
    published.failed.store(progress.failed, Ordering::Relaxed);
    published.cpu_ns.store(process::thread_cpu_ns(), Ordering::Relaxed);
    published
        .waited_ns
        .store(process::thread_waited_ns(), Ordering::Relaxed);
}

fn take_sample(plan: &Plan, epoch: Instant, gate: &Gate, published: &[Published]) -> Sample {
    let sum =
        |field: fn(&Published) -> &AtomicU64| published.iter().map(|one| field(one).load(Ordering::Relaxed)).sum();
    let at_s = epoch.elapsed().as_secs_f64();
    let measured = measured(plan, gate);
    Sample {
        at_s,
        progress: Progress {
            inside: sum(|one| &one.inside),
            sent: sum(|one| &one.sent),
            delivered: sum(|one| &one.delivered),
            expected: sum(|one| &one.expected),
            completed: sum(|one| &one.completed),
            failed: sum(|one| &one.failed),
        },
        generator_cpu_s: published
            .iter()
            .map(|one| one.cpu_ns.load(Ordering::Relaxed) as f64 / 1e9)
            .collect(),
        generator_waited_s: published
            .iter()
            .map(|one| one.waited_ns.load(Ordering::Relaxed) as f64 / 1e9)
            .collect(),
        server: plan.server_pid.and_then(process::usage),
        measuring: measured.is_some_and(|(from, to)| at_s >= from && at_s <= to),
    }
}

fn measured(plan: &Plan, gate: &Gate) -> Option<(f64, f64)> {
    let from_s = gate.start_ns()? as f64 / 1e9 + plan.warm_up.as_secs_f64();
    let to_s = gate.end_ns()? as f64 / 1e9;
    (to_s > from_s).then_some((from_s, to_s))
}

fn gather(
    plan: Arc<Plan>,
    gate: &Gate,
    outcomes: impl Iterator<Item = Outcome>,
    samples: Vec<Sample>,
    interrupted: bool,
) -> Run {
    let measured_s = measured(&plan, gate);
    let mut run = Run {
        plan,
        latencies: Vec::new(),
        senders: Vec::new(),
        strays: Counts::default(),
        connections: ConnectionCounts::default(),
        refusals: Refusals::default(),
        completed: 0,
        failed: 0,
        lag: None,
        samples,
        measured_s,
        interrupted,
    };
    for outcome in outcomes {
        for latency in outcome
            .latencies
            .into_iter()
            .filter(|latency| !latency.total().is_empty())
        {
            match run.latencies.iter_mut().find(|known| known.name == latency.name) {
                Some(known) => known.add(&latency),
                None => run.latencies.push(latency),
            }
        }
        match (&mut run.lag, outcome.lag) {
            (Some(known), Some(lag)) => known.add(&lag),
            (known, lag) => *known = known.take().or(lag),
        }
        run.senders.extend(outcome.senders);
        run.strays.add(&outcome.strays);
        run.connections.add(&outcome.connections);
        run.refusals.add(&outcome.refusals);
        run.completed += outcome.completed;
        run.failed += outcome.failed;
    }
    run
}

/// Thirty-two bits of process id and wall clock, in units of about a millisecond.
fn run_tag() -> u32 {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    let [.., a, b, c, d] = (since.as_millis() ^ u128::from(std::process::id()) << 16).to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}
