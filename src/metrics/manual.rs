//! `docs/metrics.md`, made from the table.

use super::table::{BUCKETS, METRICS, Source};
use std::fmt::Write;

/// The page.
#[must_use]
pub fn markdown() -> String {
    let mut out = BEFORE_THE_TABLE.to_owned();
    for metric in METRICS {
        let labels = match metric.source {
            Source::Server(_) => "",
            Source::Info(label, _) | Source::By(label, _) => label,
            Source::Shard(_) => "shard",
            Source::Latency(_) => "shard, le",
            Source::LatencyBy(label, _) => label,
        };
        // Writing into a string does not fail.
        let _ = writeln!(
            out,
            "| `{}` | {} | {labels} | {} | {} |",
            metric.name,
            metric.kind.name(),
            metric.counted,
            metric.help
        );
    }
    let bounds: Vec<_> = BUCKETS.iter().map(|bound| format!("{bound:?}")).collect();
    let _ = write!(
        out,
        "\n## Buckets\n\nHistograms have these bounds: {}.\n",
        bounds.join(", ")
    );
    out
}

const BEFORE_THE_TABLE: &str = "\
# Metrics

This page is made from the table in `src/metrics/table.rs`; a test keeps both equal.

| Path | Answer |
|---|---|
| `/metrics/prom`, `/v1/metrics/prom`, `/v2/metrics/prom` | Prometheus text, version 0.0.4 |
| `/metrics`, `/v1/metrics`, `/v2/metrics` | one JSON object |
| `/metrics/stream`, `/v1/metrics/stream`, `/v2/metrics/stream` | server-sent events: the same object once a second |

With `security.require_metrics_auth` they need `Authorization: Bearer TOKEN`, where TOKEN is `security.metrics_auth_token`
or `app_id:app_secret` of an app in `security.authorized_apps`. Without the right one the answer is 401.

Every request gets figures that are collected after it came; requests that come at the same time share a collection. A
shard that does not answer within a second does not hold an answer up: its figures are those of an earlier time,
`signal_fish_shard_up` is 0 and `signal_fish_shard_figures_age_seconds` says how old they are. Counters begin at 0 with the
process. The request that asks is itself a connection and is counted.

## JSON

At the top stand the documented keys `active_rooms`, `active_players`, `total_rooms_created`, `total_messages_sent` (messages
to clients) and `uptime_seconds`. Beside them:

| Key | What it holds |
|---|---|
| `totals` | metrics of the whole server, without `signal_fish_` in their names |
| `refusals`, `closes`, `desk_denied` | counts by reason, close code and what was asked for |
| `latency` | `relay`, `join` and `turn` over all shards: `count`, and `mean_ms`, `p50_ms`, `p90_ms`, `p99_ms`, `p999_ms`, `max_ms` since the start; null if nothing was measured |
| `process` | metrics that begin with `process_`, without that |
| `shards` | one object per shard: `shard`, its metrics without `signal_fish_shard_` in their names, and its own `latency` |

An event of the stream is `data: ` and the object on one line. At the top and in each shard it has one more key, `recent`,
whose `latency` is of the time since the event before; the first event of a server that nobody watched has none. The stream
ends when the server drains. A shard serves at most 32 streams; one more gets 503. A viewer that leaves 256 KiB unread is
disconnected.

## Table

| Name | Kind | Labels | Counted by | What it is |
|---|---|---|---|---|
";
