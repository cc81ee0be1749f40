//! What the server shows of itself. One table names every metric; JSON, Prometheus text and `docs/metrics.md` come from it.

mod collected;
mod json;
mod manual;
mod process;
mod prometheus;
mod relay;
mod table;

pub use collected::{Collected, Denied, OfShard};
pub use json::{json, json_since};
pub use manual::markdown;
pub use process::Process;
pub use prometheus::{prometheus, prometheus_of_relay};
pub use relay::RELAY_METRICS;
pub use table::{BUCKETS, Kind, Labelled, METRICS, Metric, Source};
