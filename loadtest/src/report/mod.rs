//! What a run found out, in figures that can be written down.

pub mod chart;
pub mod html;
pub mod text;

use crate::accounting::Counts;
use crate::host::Host;
use crate::latency::Latency;
use crate::plan::{Load, Plan};
use crate::refusal::Refusal;
use crate::rooms::ConnectionCounts;
use crate::run::{Run, Sample};
use serde::{Deserialize, Serialize};

/// A thread of the generator that is busy for a larger share of the time cannot be trusted to measure.
const BUSY_SHARE_MAX: f64 = 0.90;
/// A thread that waits for its processor for a larger share of the time is disturbed by other programs.
const WAITED_SHARE_MAX: f64 = 0.05;
/// A 99th percentile of send lag over this, in milliseconds, is the generator's own delay.
const LAG_P99_MS_MAX: f64 = 5.0;
/// Senders that are listed one by one.
const SENDERS_LISTED_MAX: usize = 10_000;
/// Quantiles that are written down.
const QUANTILES: [f64; 19] = [
    0.0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9999, 0.99999, 1.0,
];

/// The report of one run.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Where.
    pub host: Host,
    /// What was asked for.
    pub plan: Plan,
    /// Whether the run was stopped before its end.
    pub interrupted: bool,
    /// Seconds of the measured part.
    pub measured_s: f64,
    /// What became of connections.
    pub connections: ConnectionCounts,
    /// Sessions, cycles or returns completed.
    pub completed: u64,
    /// Sessions, cycles or returns that failed or did not end in time.
    pub failed: u64,
    /// All messages together, also those that no sender of the run sent.
    pub messages: Counts,
    /// Messages sent and deliveries made per second of the measured part.
    pub throughput: Throughput,
    /// Latencies.
    pub latencies: Vec<LatencyReport>,
    /// What the server refused, and which limit did.
    pub refusals: Vec<Refusal>,
    /// What the generator itself needed.
    pub generator: GeneratorUse,
    /// What the server's process needed, with `--server-pid`.
    pub server: Option<ServerUse>,
    /// Rates over time.
    pub series: Vec<SeriesPoint>,
    /// Messages per sender, the first ten thousand.
    pub senders: Vec<Counts>,
    /// Steps of `--find-limit`, empty otherwise.
    pub steps: Vec<StepReport>,
}

/// Rates over the measured part.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Throughput {
    /// Messages sent per second.
    pub sent_per_s: f64,
    /// Deliveries per second.
    pub delivered_per_s: f64,
    /// Sessions, cycles or returns per second.
    pub completed_per_s: f64,
}

/// Latencies of one kind, in milliseconds.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LatencyReport {
    /// What was measured.
    pub name: String,
    /// Measurements.
    pub count: u64,
    /// Mean.
    pub mean_ms: f64,
    /// Half were at most this.
    pub p50_ms: f64,
    /// 90 % were.
    pub p90_ms: f64,
    /// 99 % were.
    pub p99_ms: f64,
    /// 99.9 % were.
    pub p999_ms: f64,
    /// The longest.
    pub max_ms: f64,
    /// Quantile and latency.
    pub distribution: Vec<(f64, f64)>,
    /// Per interval of time.
    pub series: Vec<LatencyPoint>,
}

/// Latencies of one interval, in milliseconds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct LatencyPoint {
    /// Start of the interval, in seconds since the load's start.
    pub at_s: f64,
    /// Measurements.
    pub count: u64,
    /// Median.
    pub p50_ms: f64,
    /// 99th percentile.
    pub p99_ms: f64,
    /// Longest.
    pub max_ms: f64,
}

/// Rates between two samples.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct SeriesPoint {
    /// Seconds since the run began.
    pub at_s: f64,
    /// Messages sent per second.
    pub sent_per_s: f64,
    /// Deliveries per second.
    pub delivered_per_s: f64,
    /// Sessions per second.
    pub completed_per_s: f64,
    /// Members in rooms, or idle connections.
    pub inside: u64,
    /// Share of one processor that the server used, if watched.
    pub server_cpu: Option<f64>,
    /// Resident memory of the server in bytes, if watched.
    pub server_resident_bytes: Option<u64>,
    /// Share of one processor that the busiest thread of the generator used.
    pub generator_cpu: f64,
}

/// What the generator itself needed in the measured part.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct GeneratorUse {
    /// Share of the time that each thread was busy.
    pub busy_share: Vec<f64>,
    /// Share of the time that each thread waited for a processor that others had.
    pub waited_share: Vec<f64>,
    /// 99th percentile of the delay between when a message was due and when it was sent, in milliseconds.
    pub lag_p99_ms: Option<f64>,
    /// A sentence, if the generator or its machine rather than the server limited the run.
    pub bottleneck: Option<String>,
}

/// What the server's process needed.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ServerUse {
    /// Seconds between the samples that the processor times below are differences of.
    pub over_s: f64,
    /// Processor seconds in user space in the measured part.
    pub user_s: f64,
    /// Processor seconds in the kernel in the measured part.
    pub system_s: f64,
    /// Seconds in the measured part that its threads waited for a processor that others had.
    pub waited_s: f64,
    /// Microseconds in user space per delivery, or per completed session where nothing is relayed.
    pub user_us_each: Option<f64>,
    /// Microseconds in the kernel per delivery, or per completed session where nothing is relayed.
    pub system_us_each: Option<f64>,
    /// Resident memory before the first connection, in bytes.
    pub resident_before_bytes: u64,
    /// Largest resident memory seen, in bytes.
    pub resident_max_bytes: u64,
    /// Resident memory at the end of the measured part, in bytes.
    pub resident_bytes: u64,
    /// `idle`: growth of resident memory per connection at the end of the measured part, in bytes.
    pub resident_each_bytes: Option<f64>,
}

/// A step of the search for the highest rate.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct StepReport {
    /// Messages per second and player.
    pub rate: f64,
    /// Deliveries per second asked for.
    pub asked_per_s: f64,
    /// Deliveries per second that arrived.
    pub delivered_per_s: f64,
    /// Median latency.
    pub p50_ms: f64,
    /// 99th percentile.
    pub p99_ms: f64,
    /// Deliveries lost.
    pub lost: u64,
    /// Why the step failed; `None`: it held.
    pub fault: Option<String>,
    /// What the generator said against itself.
    pub generator: Option<String>,
    /// What the server needed.
    pub server: Option<ServerUse>,
}

impl Report {
    /// Sums up a run.
    #[must_use]
    pub fn new(run: &Run) -> Self {
        let mut messages = run.strays;
        run.senders.iter().for_each(|counts| messages.add(counts));
        let window = Window::of(run);
        Self {
            host: Host::look(),
            plan: (*run.plan).clone(),
            interrupted: run.interrupted,
            measured_s: run.measured_s.map_or(0.0, |(from, to)| to - from),
            connections: run.connections,
            completed: run.completed,
            failed: run.failed,
            messages,
            throughput: window
                .as_ref()
                .map_or_else(|| throughput_of_all(run, &messages), Window::throughput),
            latencies: run.latencies.iter().map(latency_report).collect(),
            refusals: run.refusals.list(),
            generator: generator_use(run, window.as_ref()),
            server: server_use(run, window.as_ref()),
            series: series(&run.samples),
            senders: run.senders.iter().take(SENDERS_LISTED_MAX).copied().collect(),
            steps: Vec::new(),
        }
    }

    /// The latency of that name, if it was measured.
    #[must_use]
    pub fn latency(&self, name: &str) -> Option<&LatencyReport> {
        self.latencies.iter().find(|latency| latency.name == name)
    }

    /// The report as JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Strings, numbers and lists only: this cannot fail.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// The same on one line and without the counts per sender: a tenth as long, for keeping many of them.
    #[must_use]
    pub fn to_brief_json(&self) -> String {
        let brief = Self {
            senders: Vec::new(),
            ..self.clone()
        };
        serde_json::to_string(&brief).unwrap_or_default() + "\n"
    }
}

/// The first and last sample of the measured part.
struct Window<'a> {
    first: &'a Sample,
    last: &'a Sample,
}

impl<'a> Window<'a> {
    fn of(run: &'a Run) -> Option<Self> {
        if run.plan.sessions_max > 0 {
            // A fixed amount of work is measured whole.
            return Some(Self {
                first: run.samples.first()?,
                last: run.samples.last()?,
            });
        }
        let first = run.samples.iter().find(|sample| sample.measuring)?;
        let last = run.samples.iter().rev().find(|sample| sample.measuring)?;
        (last.at_s > first.at_s).then_some(Self { first, last })
    }

    fn seconds(&self) -> f64 {
        self.last.at_s - self.first.at_s
    }

    /// Rates by what was done at the first and at the last sample.
    fn throughput(&self) -> Throughput {
        let (first, last) = (self.first.progress, self.last.progress);
        let per_s = |from: u64, to: u64| to.saturating_sub(from) as f64 / self.seconds();
        Throughput {
            sent_per_s: per_s(first.sent, last.sent),
            delivered_per_s: per_s(first.delivered, last.delivered),
            completed_per_s: per_s(first.completed, last.completed),
        }
    }
}

/// Rates of a run too short to be sampled.
fn throughput_of_all(run: &Run, messages: &Counts) -> Throughput {
    let seconds = run
        .measured_s
        .map_or(f64::INFINITY, |(from, to)| to - from + run.plan.warm_up.as_secs_f64());
    Throughput {
        sent_per_s: messages.sent as f64 / seconds,
        delivered_per_s: messages.delivered as f64 / seconds,
        completed_per_s: run.completed as f64 / seconds,
    }
}

fn latency_report(latency: &Latency) -> LatencyReport {
    let total = latency.total();
    let at = |quantile: f64| total.value_at_quantile(quantile) as f64 / 1e3;
    let interval_s = latency.interval_ns as f64 / 1e9;
    LatencyReport {
        name: latency.name.to_owned(),
        count: total.len(),
        mean_ms: total.mean() / 1e3,
        p50_ms: at(0.5),
        p90_ms: at(0.9),
        p99_ms: at(0.99),
        p999_ms: at(0.999),
        max_ms: total.max() as f64 / 1e3,
        distribution: QUANTILES.iter().map(|quantile| (*quantile, at(*quantile))).collect(),
        series: latency
            .intervals()
            .iter()
            .enumerate()
            .filter(|(_, interval)| !interval.is_empty())
            .map(|(index, interval)| LatencyPoint {
                at_s: index as f64 * interval_s,
                count: interval.len(),
                p50_ms: interval.value_at_quantile(0.5) as f64 / 1e3,
                p99_ms: interval.value_at_quantile(0.99) as f64 / 1e3,
                max_ms: interval.max() as f64 / 1e3,
            })
            .collect(),
    }
}

fn generator_use(run: &Run, window: Option<&Window<'_>>) -> GeneratorUse {
    let Some(window) = window else {
        return GeneratorUse {
            bottleneck: Some(
                "the generator cannot tell: the run was too short to see what it needed itself".to_owned(),
            ),
            ..GeneratorUse::default()
        };
    };
    let times = window.first.generator_cpu_s.iter().zip(&window.last.generator_cpu_s);
    let busy_share: Vec<f64> = times.map(|(from, to)| (to - from) / window.seconds()).collect();
    let waits = window
        .first
        .generator_waited_s
        .iter()
        .zip(&window.last.generator_waited_s);
    let waited_share: Vec<f64> = waits.map(|(from, to)| (to - from) / window.seconds()).collect();
    let lag = run.lag.as_ref().filter(|lag| !lag.total().is_empty());
    let lag_p99_ms = lag.map(|lag| lag.total().value_at_quantile(0.99) as f64 / 1e3);
    let busiest = busy_share.iter().copied().fold(0.0, f64::max);
    let waited = waited_share.iter().copied().fold(0.0, f64::max);
    let bottleneck = if waited > WAITED_SHARE_MAX {
        Some(format!(
            "other programs were in the way: the generator waited for its processor {:.0} % of the time, so latencies say \
             more about the machine than about the server",
            waited * 100.0
        ))
    } else if busiest > BUSY_SHARE_MAX {
        Some(format!(
            "the generator was the bottleneck: a thread was busy {:.0} % of the time; give it more --threads and processors",
            busiest * 100.0
        ))
    } else {
        lag_p99_ms.filter(|lag| *lag > LAG_P99_MS_MAX).map(|lag| {
            format!(
                "the generator was late: 1 % of its messages left more than {lag:.1} ms after they were due, because it \
                 read too much at once or its machine stood still"
            )
        })
    };
    GeneratorUse {
        busy_share,
        waited_share,
        lag_p99_ms,
        bottleneck,
    }
}

fn server_use(run: &Run, window: Option<&Window<'_>>) -> Option<ServerUse> {
    let before = run.samples.first()?.server?;
    let resident_max_bytes = run
        .samples
        .iter()
        .filter_map(|sample| sample.server)
        .map(|used| used.resident_bytes)
        .max()?;
    let mut used = ServerUse {
        resident_before_bytes: before.resident_bytes,
        resident_max_bytes,
        ..ServerUse::default()
    };
    let Some((window, first, last)) =
        window.and_then(|window| Some((window, window.first.server?, window.last.server?)))
    else {
        return Some(used);
    };
    used.over_s = window.seconds();
    used.user_s = last.user_s - first.user_s;
    used.system_s = last.system_s - first.system_s;
    used.waited_s = last.waited_s - first.waited_s;
    used.resident_bytes = last.resident_bytes;
    let (from, to) = (window.first.progress, window.last.progress);
    let delivered = to.delivered - from.delivered;
    let each = if delivered > 0 {
        delivered
    } else {
        to.completed - from.completed
    };
    if each > 0 {
        used.user_us_each = Some(used.user_s * 1e6 / each as f64);
        used.system_us_each = Some(used.system_s * 1e6 / each as f64);
    }
    if run.plan.load == Load::Idle && to.inside > 0 {
        let growth = last.resident_bytes as f64 - before.resident_bytes as f64;
        used.resident_each_bytes = Some(growth / to.inside as f64);
    }
    Some(used)
}

fn series(samples: &[Sample]) -> Vec<SeriesPoint> {
    // About three hundred points are enough for any chart.
    let step = samples.len().div_ceil(300).max(1);
    let samples: Vec<&Sample> = samples.iter().step_by(step).collect();
    samples
        .windows(2)
        .filter(|pair| pair[1].at_s > pair[0].at_s)
        .map(|pair| {
            let (from, to) = (pair[0], pair[1]);
            let seconds = to.at_s - from.at_s;
            let per_s = |from: u64, to: u64| to.saturating_sub(from) as f64 / seconds;
            let cpu = from
                .generator_cpu_s
                .iter()
                .zip(&to.generator_cpu_s)
                .map(|(from, to)| (to - from) / seconds);
            SeriesPoint {
                at_s: to.at_s,
                sent_per_s: per_s(from.progress.sent, to.progress.sent),
                delivered_per_s: per_s(from.progress.delivered, to.progress.delivered),
                completed_per_s: per_s(from.progress.completed, to.progress.completed),
                inside: to.progress.inside,
                server_cpu: from
                    .server
                    .zip(to.server)
                    .map(|(from, to)| (to.user_s + to.system_s - from.user_s - from.system_s) / seconds),
                server_resident_bytes: to.server.map(|used| used.resident_bytes),
                generator_cpu: cpu.fold(0.0, f64::max),
            }
        })
        .collect()
}
