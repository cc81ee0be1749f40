//! The search for the highest rate that a server relays within bounds.

use crate::plan::Plan;
use crate::report::{Report, StepReport};
use crate::run::{Sample, run};
use std::sync::atomic::{AtomicBool, Ordering};

/// Steps at most.
const STEPS_MAX: usize = 32;
/// Growth of the rate while it holds.
const GROWTH: f64 = 1.5;
/// The search ends when the highest rate that held and the lowest that did not are this close.
const CLOSE_ENOUGH: f64 = 1.04;

/// Raises the plan's rate until the 99th percentile passes `p99_ms_max`, something is lost, or the generator itself cannot
/// keep up, then closes in on the limit. A step that was too slow without losing anything is taken a second time, as a moment's
/// disturbance of the machine is no limit of the server. Every step is a run of its own, on fresh connections. Returns the report of the
/// highest rate that held (or of the first step, if none did), with every step in it.
///
/// # Errors
/// As [`run`].
pub fn find_limit(
    plan: &Plan,
    p99_ms_max: f64,
    stop: &AtomicBool,
    watch: &mut dyn FnMut(&Sample),
    tell: &mut dyn FnMut(&StepReport),
) -> Result<Report, String> {
    let mut steps: Vec<StepReport> = Vec::new();
    let mut best: Option<Report> = None;
    let mut first: Option<Report> = None;
    let (mut holds, mut fails) = (0.0_f64, f64::INFINITY);
    let mut rate = plan.rate;
    let mut slow_once: Option<f64> = None;
    while steps.len() < STEPS_MAX && !stop.load(Ordering::Relaxed) {
        let report = Report::new(&run(&Plan { rate, ..plan.clone() }, stop, watch)?);
        if report.interrupted && !steps.is_empty() {
            break;
        }
        let step = judge(&report, p99_ms_max);
        tell(&step);
        if step.fault.is_none() {
            holds = rate;
            best = Some(report);
        } else {
            let again = report.messages.is_clean() && slow_once != Some(rate);
            slow_once = Some(rate);
            first.get_or_insert(report);
            if again {
                steps.push(step);
                continue;
            }
            fails = rate;
        }
        steps.push(step);
        if fails / holds.max(1e-9) < CLOSE_ENOUGH || rate < 0.01 {
            break;
        }
        rate = match (holds > 0.0, fails.is_finite()) {
            (_, false) => rate * GROWTH,
            (false, true) => rate / 2.0,
            (true, true) => (holds * fails).sqrt(),
        };
    }
    let mut report = best
        .or(first)
        .ok_or("the search was stopped before its first step ended")?;
    report.steps = steps;
    Ok(report)
}

fn judge(report: &Report, p99_ms_max: f64) -> StepReport {
    let delivery = report.latency("delivery");
    let (p50_ms, p99_ms) = delivery.map_or((0.0, 0.0), |latency| (latency.p50_ms, latency.p99_ms));
    let asked_per_s = report.plan.deliveries_per_second();
    let delivered_per_s = report.throughput.delivered_per_s;
    let fault = if report.interrupted {
        Some("interrupted".to_owned())
    } else if !report.messages.is_clean() || report.connections.lost > 0 || report.connections.failed > 0 {
        let lost_connections = report.connections.lost + report.connections.failed;
        let connections = (lost_connections > 0).then(|| format!("{lost_connections} connections lost"));
        let faults = report.messages.faults();
        let faults = faults.iter().filter(|(_, count)| *count > 0);
        let faults = faults.map(|(name, count)| format!("{count} deliveries {name}"));
        Some(faults.chain(connections).collect::<Vec<_>>().join(", "))
    } else if p99_ms > p99_ms_max {
        Some(format!("p99 over {p99_ms_max} ms"))
    } else {
        None
    };
    StepReport {
        rate: report.plan.rate,
        asked_per_s,
        delivered_per_s,
        p50_ms,
        p99_ms,
        lost: report.messages.lost,
        fault,
        generator: report.generator.bottleneck.clone(),
        server: report.server,
    }
}
