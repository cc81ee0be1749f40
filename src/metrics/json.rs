//! The metrics as one JSON object (D30): the documented keys at the top, and beside them everything in the table.

use super::collected::{Collected, OfShard};
use super::table::{METRICS, Source};
use serde_json::{Map, Number, Value};
use signal_fish_core::shard::{Figures, Latency};
use std::time::Duration;

/// Beginning of the names of this server's own metrics; JSON leaves it out.
const OWN: &str = "signal_fish_";
/// Beginning of the names of metrics that each shard has.
const OF_SHARD: &str = "signal_fish_shard_";

/// The metrics as a JSON object on one line.
#[must_use]
pub fn json(collected: &Collected) -> String {
    Value::Object(object(collected)).to_string()
}

/// The same with `recent`, at the top and in each shard: what was measured since `earlier`.
#[must_use]
pub fn json_since(collected: &Collected, earlier: &Collected) -> String {
    let mut root = object(collected);
    let all = |latency| collected.latency(latency).since(&earlier.latency(latency));
    root.insert("recent".to_owned(), recent(all));
    if let Some(Value::Array(rows)) = root.get_mut("shards") {
        for (row, (now, then)) in rows.iter_mut().zip(collected.shards.iter().zip(&earlier.shards)) {
            let (Some(now), Some(then)) = (&now.figures, &then.figures) else {
                continue;
            };
            row["recent"] = recent(|latency| latency(now).since(latency(then)));
        }
    }
    Value::Object(root).to_string()
}

/// Percentiles of every latency in the table.
fn recent(measured: impl Fn(fn(&Figures) -> &Latency) -> Latency) -> Value {
    let of_table = METRICS.iter().filter_map(|metric| match metric.source {
        Source::Latency(latency) => Some((latency_name(metric.name), percentiles(&measured(latency)))),
        _ => None,
    });
    let latencies: Map<_, _> = of_table.collect();
    serde_json::json!({ "latency": latencies })
}

fn object(collected: &Collected) -> Map<String, Value> {
    let mut root = Map::new();
    for (key, value) in [
        ("active_rooms", collected.sum(|shard| shard.report.gauges.rooms as u64)),
        (
            "active_players",
            collected.sum(|shard| shard.report.gauges.players as u64),
        ),
        (
            "total_rooms_created",
            collected.sum(|shard| shard.report.signal_fish.rooms_created),
        ),
        (
            "total_messages_sent",
            collected.sum(|shard| shard.report.counters.messages_out),
        ),
        ("uptime_seconds", collected.uptime.as_secs()),
    ] {
        root.insert(key.to_owned(), value.into());
    }
    let (mut totals, mut process, mut latencies) = (Map::new(), Map::new(), Map::new());
    for metric in METRICS {
        match metric.source {
            Source::Server(value) => {
                let Some(value) = value(collected).map(number) else {
                    continue;
                };
                match metric.name.strip_prefix(OWN) {
                    Some(name) => totals.insert(name.to_owned(), value),
                    None => process.insert(metric.name.trim_start_matches("process_").to_owned(), value),
                };
            }
            Source::Info(label, value) => _ = totals.insert(label.to_owned(), value.into()),
            Source::By(_, values) => {
                let values = values(collected).into_iter();
                let values: Map<_, _> = values.map(|(is, value)| (is.into_owned(), number(value))).collect();
                let name = metric.name.trim_start_matches(OWN).trim_end_matches("_total");
                root.insert(name.to_owned(), values.into());
            }
            Source::Latency(latency) => {
                let all = collected.latency(latency);
                latencies.insert(latency_name(metric.name), percentiles(&all));
            }
            // The table of the whole server has none by another label.
            Source::Shard(_) | Source::LatencyBy(..) => {}
        }
    }
    let shards: Vec<_> = collected.shards.iter().enumerate().map(shard_row).collect();
    root.insert("totals".to_owned(), totals.into());
    root.insert("process".to_owned(), process.into());
    root.insert("latency".to_owned(), latencies.into());
    root.insert("shards".to_owned(), shards.into());
    root
}

fn shard_row((index, shard): (usize, &OfShard)) -> Value {
    let mut row = Map::new();
    row.insert("shard".to_owned(), index.into());
    let mut latencies = Map::new();
    for metric in METRICS {
        match metric.source {
            Source::Shard(value) => {
                if let Some(value) = value(shard) {
                    row.insert(metric.name.trim_start_matches(OF_SHARD).to_owned(), number(value));
                }
            }
            Source::Latency(latency) => {
                if let Some(figures) = &shard.figures {
                    latencies.insert(latency_name(metric.name), percentiles(latency(figures)));
                }
            }
            _ => {}
        }
    }
    row.insert("latency".to_owned(), latencies.into());
    row.into()
}

/// `relay` of `signal_fish_shard_relay_latency_seconds`.
fn latency_name(name: &str) -> String {
    let name = name.trim_start_matches(OF_SHARD);
    let end = ["_latency_seconds", "_duration_seconds"];
    let end = end.iter().find_map(|end| name.strip_suffix(end));
    end.unwrap_or(name).to_owned()
}

/// Milliseconds; null where nothing was measured.
fn percentiles(latency: &Latency) -> Value {
    // Whole microseconds, so that no digits follow that mean nothing.
    let ms = |time: Option<Duration>| {
        let micros = time.and_then(|time| u32::try_from(time.as_micros()).ok());
        micros.map_or(Value::Null, |micros| number(f64::from(micros) / 1000.0))
    };
    let mean = u32::try_from(latency.count())
        .ok()
        .and_then(|count| latency.sum().checked_div(count));
    let mut row = Map::new();
    row.insert("count".to_owned(), latency.count().into());
    row.insert("mean_ms".to_owned(), ms(mean));
    for (key, quantile) in [("p50_ms", 0.5), ("p90_ms", 0.9), ("p99_ms", 0.99), ("p999_ms", 0.999)] {
        row.insert(key.to_owned(), ms(latency.quantile(quantile)));
    }
    row.insert("max_ms".to_owned(), ms(latency.max()));
    row.into()
}

/// Whole numbers are written without a fraction.
fn number(value: f64) -> Value {
    /// Up to here every whole number is an `f64`.
    const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && (0.0..WHOLE_MAX).contains(&value) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole and within the range"
        )]
        return Value::from(value as u64);
    }
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}
