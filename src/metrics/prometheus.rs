//! The metrics as Prometheus reads them: text format 0.0.4.

use super::collected::Collected;
use super::relay::RELAY_METRICS;
use super::table::{BUCKETS, METRICS, Metric, Source};
use signal_fish_core::shard::Latency;
use std::fmt::{Display, Write};

/// Every metric of the table, each with its help and type.
#[must_use]
pub fn prometheus(collected: &Collected) -> String {
    write_all(METRICS, collected)
}

/// Every metric of the room relay, under its documented names.
#[must_use]
pub fn prometheus_of_relay(collected: &Collected) -> String {
    write_all(RELAY_METRICS, collected)
}

fn write_all(metrics: &[Metric], collected: &Collected) -> String {
    let mut out = String::with_capacity(64 * 1024);
    for metric in metrics {
        let Metric { name, help, kind, .. } = metric;
        let before = out.len();
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {}", kind.name());
        let head = out.len();
        write_samples(metric, collected, &mut out);
        if out.len() == head {
            // A metric without a value is no metric to those who read the text.
            out.truncate(before);
        }
    }
    out
}

// Writing into a string does not fail.
fn write_samples(metric: &Metric, collected: &Collected, out: &mut String) {
    let name = metric.name;
    match metric.source {
        Source::Server(value) => {
            if let Some(value) = value(collected) {
                let _ = writeln!(out, "{name} {value}");
            }
        }
        Source::Info(label, value) => {
            let _ = writeln!(out, "{name}{{{label}=\"{value}\"}} 1");
        }
        Source::By(label, values) => {
            for (is, value) in values(collected) {
                let _ = writeln!(out, "{name}{{{label}=\"{is}\"}} {value}");
            }
        }
        Source::Shard(value) => {
            for (index, shard) in collected.shards.iter().enumerate() {
                if let Some(value) = value(shard) {
                    let _ = writeln!(out, "{name}{{shard=\"{index}\"}} {value}");
                }
            }
        }
        Source::Latency(latency) => {
            for (index, shard) in collected.shards.iter().enumerate() {
                if let Some(figures) = &shard.figures {
                    write_histogram(name, "shard", index, latency(figures), out);
                }
            }
        }
        Source::LatencyBy(label, latencies) => {
            for (is, latency) in latencies(collected) {
                write_histogram(name, label, is, latency, out);
            }
        }
    }
}

fn write_histogram(name: &str, label: &str, is: impl Display, latency: &Latency, out: &mut String) {
    for limit in BUCKETS {
        let (limit, count) = (limit.as_secs_f64(), latency.count_up_to(limit));
        let _ = writeln!(out, "{name}_bucket{{{label}=\"{is}\",le=\"{limit}\"}} {count}");
    }
    let (count, sum) = (latency.count(), latency.sum().as_secs_f64());
    let _ = writeln!(
        out,
        "{name}_bucket{{{label}=\"{is}\",le=\"+Inf\"}} {count}\n{name}_sum{{{label}=\"{is}\"}} {sum}\n\
         {name}_count{{{label}=\"{is}\"}} {count}"
    );
}
