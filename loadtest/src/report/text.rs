//! The report as a table for a terminal.

use super::{LatencyReport, Report, StepReport};
use crate::run::Sample;
use std::fmt::Write as _;

/// The whole summary.
#[must_use]
pub fn summary(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write_summary(report, &mut out);
    out
}

/// One line on how a run goes.
#[must_use]
pub fn progress_line(sample: &Sample) -> String {
    let progress = &sample.progress;
    let mut line = format!("{:6.1} s", sample.at_s);
    let mut part = |name: &str, value: u64| {
        if value > 0 {
            let _ = write!(line, "  {name} {}", grouped(value));
        }
    };
    part("inside", progress.inside);
    part("sent", progress.sent);
    part("delivered", progress.delivered);
    part("outstanding", progress.expected.saturating_sub(progress.delivered));
    part("completed", progress.completed);
    part("failed", progress.failed);
    if let Some(server) = sample.server {
        let _ = write!(line, "  server RSS {}", bytes(server.resident_bytes as f64));
    }
    if sample.measuring {
        line.push_str("  measuring");
    }
    line
}

/// One line on a step of the search for the highest rate.
#[must_use]
pub fn step_line(step: &StepReport) -> String {
    format!(
        "rate {:8.2}  asked {:>10}/s  delivered {:>10}/s  p50 {:>9}  p99 {:>9}  {}{}",
        step.rate,
        rounded(step.asked_per_s),
        rounded(step.delivered_per_s),
        milliseconds(step.p50_ms),
        milliseconds(step.p99_ms),
        step.fault.as_deref().unwrap_or("holds"),
        step.generator
            .as_deref()
            .map(|said| format!("; {said}"))
            .unwrap_or_default()
    )
}

fn write_summary(report: &Report, out: &mut String) -> std::fmt::Result {
    let plan = &report.plan;
    writeln!(
        out,
        "{:?} against {} for {:.1} s measured{}",
        plan.load,
        plan.target.url,
        report.measured_s,
        { if report.interrupted { " (interrupted)" } else { "" } }
    )?;
    let host = &report.host;
    writeln!(
        out,
        "{}, {} ({} CPUs), {}, revision {}",
        host.name, host.cpu, host.cpus, host.kernel, host.git_revision
    )?;
    let connections = report.connections;
    writeln!(
        out,
        "\nconnections  {} attempted, {} opened, {} joins, {} failed, {} lost",
        grouped(connections.attempted),
        grouped(connections.opened),
        grouped(connections.joined),
        grouped(connections.failed),
        grouped(connections.lost)
    )?;
    if report.completed + report.failed > 0 {
        let each = report.throughput.completed_per_s;
        let (completed, failed) = (grouped(report.completed), grouped(report.failed));
        writeln!(out, "completed    {completed} ({each:.1}/s), {failed} failed")?;
    }
    if report.messages.sent > 0 {
        write_messages(report, out)?;
    }
    if !report.latencies.is_empty() {
        writeln!(
            out,
            "\n{:<24}{:>12}{:>11}{:>11}{:>11}{:>11}{:>11}",
            "latency", "count", "p50", "p90", "p99", "p99.9", "max"
        )?;
        report
            .latencies
            .iter()
            .try_for_each(|latency| write_latency(latency, out))?;
    }
    if !report.steps.is_empty() {
        writeln!(out, "\nsearch for the highest rate")?;
        for step in &report.steps {
            writeln!(out, "  {}", step_line(step))?;
        }
    }
    write_machine(report, out)?;
    for refusal in &report.refusals {
        let limit = if refusal.limit.is_empty() {
            String::new()
        } else {
            format!("  [limit: {}]", refusal.limit)
        };
        writeln!(
            out,
            "refused      {} × {}: {}{limit}",
            grouped(refusal.count),
            refusal.code,
            refusal.text
        )?;
    }
    Ok(())
}

fn write_messages(report: &Report, out: &mut String) -> std::fmt::Result {
    let (messages, rates) = (&report.messages, &report.throughput);
    writeln!(
        out,
        "messages     {} sent ({}/s), {} deliveries expected, {} delivered ({}/s)",
        grouped(messages.sent),
        rounded(rates.sent_per_s),
        grouped(messages.expected),
        grouped(messages.delivered),
        rounded(rates.delivered_per_s)
    )?;
    let faults = messages
        .faults()
        .map(|(name, count)| format!("{} {name}", grouped(count)));
    writeln!(out, "             {}", faults.join(", "))
}

fn write_latency(latency: &LatencyReport, out: &mut String) -> std::fmt::Result {
    writeln!(
        out,
        "{:<24}{:>12}{:>11}{:>11}{:>11}{:>11}{:>11}",
        latency.name,
        grouped(latency.count),
        milliseconds(latency.p50_ms),
        milliseconds(latency.p90_ms),
        milliseconds(latency.p99_ms),
        milliseconds(latency.p999_ms),
        milliseconds(latency.max_ms)
    )
}

fn write_machine(report: &Report, out: &mut String) -> std::fmt::Result {
    let generator = &report.generator;
    if !generator.busy_share.is_empty() {
        let shares: Vec<String> = generator
            .busy_share
            .iter()
            .map(|share| format!("{:.0} %", share * 100.0))
            .collect();
        write!(out, "\ngenerator    busy {}", shares.join(", "))?;
        if let Some(lag) = generator.lag_p99_ms {
            write!(out, ", sends late by {} at p99", milliseconds(lag))?;
        }
        writeln!(out)?;
    }
    if let Some(bottleneck) = &generator.bottleneck {
        writeln!(out, "ATTENTION    {bottleneck}")?;
    }
    let Some(server) = &report.server else { return Ok(()) };
    write!(
        out,
        "server       CPU {:.2} s user, {:.2} s system over {:.1} s",
        server.user_s, server.system_s, server.over_s
    )?;
    if let (Some(user), Some(system)) = (server.user_us_each, server.system_us_each) {
        let what = if report.messages.delivered > 0 {
            "delivery"
        } else {
            "session"
        };
        write!(out, " ({user:.2} + {system:.2} µs per {what})")?;
    }
    if server.waited_s > 0.0 {
        write!(out, ", waited {:.2} s for a processor", server.waited_s)?;
    }
    write!(
        out,
        "; RSS {} before, {} at the end, {} at most",
        bytes(server.resident_before_bytes as f64),
        bytes(server.resident_bytes as f64),
        bytes(server.resident_max_bytes as f64)
    )?;
    if let Some(each) = server.resident_each_bytes {
        write!(out, " ({} per connection)", bytes(each))?;
    }
    writeln!(out)
}

/// A number with its thousands apart.
#[must_use]
pub fn grouped(value: u64) -> String {
    group_digits(&value.to_string())
}

/// A rate as a whole number with its thousands apart.
#[must_use]
pub fn rounded(value: f64) -> String {
    group_digits(&format!("{:.0}", value.max(0.0)))
}

fn group_digits(digits: &str) -> String {
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A latency with three digits.
#[must_use]
pub fn milliseconds(value: f64) -> String {
    if value < 10.0 {
        format!("{value:.2} ms")
    } else if value < 100.0 {
        format!("{value:.1} ms")
    } else if value < 10_000.0 {
        format!("{value:.0} ms")
    } else {
        format!("{:.1} s", value / 1e3)
    }
}

/// An amount of memory.
#[must_use]
pub fn bytes(value: f64) -> String {
    if value.abs() < 10_000.0 {
        format!("{value:.0} B")
    } else if value.abs() < 10e6 {
        format!("{:.1} KiB", value / 1024.0)
    } else {
        format!("{:.1} MiB", value / 1048576.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_readable() {
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(grouped(999), "999");
        assert_eq!(milliseconds(0.123_4), "0.12 ms");
        assert_eq!(milliseconds(12_345.0), "12.3 s");
        assert_eq!(bytes(750.0), "750 B");
    }
}
