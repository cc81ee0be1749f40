//! The metrics of the room relay, under the names that its protocol documents (protocol 16.5).

use super::collected::Collected;
use super::table::{Kind, Labelled, Metric, Source};
use crate::cluster::{Figures, Operation};
use signal_fish_core::protocol::relay::{Counters, Gauges, Refusal};
use signal_fish_core::shard::Latency;

/// What the relay counts and holds.
pub const RELAY_METRICS: &[Metric] = &[
    Metric {
        source: Source::Server(|collected| Some(held(collected, |gauges| gauges.sessions))),
        ..metric(
            "signaling_active_connections",
            "Connections to the relay now.",
            Kind::Gauge,
        )
    },
    Metric {
        source: Source::Server(|collected| Some(held(collected, |gauges| gauges.rooms))),
        ..metric("signaling_local_rooms", "Rooms now.", Kind::Gauge)
    },
    Metric {
        source: Source::Server(|collected| Some(sum(collected, |counters| counters.forwarded))),
        ..metric(
            "signaling_messages_forwarded_total",
            "Messages delivered to clients, peer-disconnected not counted.",
            Kind::Counter,
        )
    },
    Metric {
        source: Source::Server(|collected| Some(sum(collected, |counters| counters.schema_rejects))),
        ..metric(
            "signaling_schema_rejects_total",
            "Messages that are not valid.",
            Kind::Counter,
        )
    },
    Metric {
        source: Source::By("scope", drops),
        ..metric(
            "signaling_rate_limit_drops_total",
            "Messages dropped, and connections refused, over a rate.",
            Kind::Counter,
        )
    },
    Metric {
        source: Source::Server(|collected| Some(sum(collected, |counters| counters.oversize_drops))),
        ..metric(
            "signaling_oversize_drops_total",
            "Messages dropped because they are too large.",
            Kind::Counter,
        )
    },
    Metric {
        source: Source::Server(|collected| Some(sum(collected, |counters| counters.closed_slow))),
        ..metric(
            "signaling_backpressure_closes_total",
            "Clients closed because they did not read.",
            Kind::Counter,
        )
    },
    Metric {
        source: Source::By("reason", refused),
        ..metric(
            "signaling_refused_connections_total",
            "Connections that did not get in.",
            Kind::Counter,
        )
    },
    Metric {
        source: Source::Server(|collected| Some(redis(collected, |redis| u64::from(redis.up)))),
        ..metric(
            "signaling_redis_up",
            "Whether Redis answers; 0 without Redis.",
            Kind::Gauge,
        )
    },
    Metric {
        source: Source::Server(|collected| Some(redis(collected, |redis| u64::from(redis.breaker_open)))),
        ..metric(
            "signaling_circuit_breaker_open",
            "Whether the breaker is open, or half open; 0 without Redis.",
            Kind::Gauge,
        )
    },
    Metric {
        source: Source::Server(|collected| Some(redis(collected, |redis| redis.breaker_opened))),
        ..metric(
            "signaling_circuit_breaker_opened_total",
            "Times that the breaker was opened.",
            Kind::Counter,
        )
    },
    Metric {
        source: Source::Server(|collected| {
            let of_shards = sum(collected, |counters| counters.unpublished);
            Some(of_shards + redis(collected, |redis| redis.unpublished))
        }),
        ..metric(
            "signaling_redis_unpublished_total",
            "Messages that were not published to other nodes.",
            Kind::Counter,
        )
    },
    Metric {
        source: Source::Server(|collected| Some(redis(collected, |redis| redis.rejected))),
        ..metric(
            "signaling_redis_rejects_total",
            "Messages on channels of rooms that are not valid, or too large.",
            Kind::Counter,
        )
    },
    Metric {
        source: Source::Server(|collected| Some(redis(collected, |redis| redis.undelivered))),
        ..metric(
            "signaling_redis_undelivered_total",
            "Messages of other nodes that a shard did not take in time.",
            Kind::Counter,
        )
    },
    Metric {
        source: Source::Server(|collected| Some(redis(collected, |redis| redis.buried))),
        ..metric(
            "signaling_redis_dead_nodes_total",
            "Dead nodes whose clients this one removed.",
            Kind::Counter,
        )
    },
    Metric {
        source: Source::Server(|collected| Some(redis(collected, |redis| redis.seats as u64))),
        ..metric(
            "signaling_redis_seats",
            "Clients of this node in rooms that other nodes share.",
            Kind::Gauge,
        )
    },
    Metric {
        source: Source::Latency(|figures| &figures.fanouts),
        ..metric(
            "signaling_fanout_duration_seconds",
            "From the beginning of the turn that read a message of the room relay to the end of the turn that sent it last.",
            Kind::Histogram,
        )
    },
    Metric {
        source: Source::LatencyBy("operation", operations),
        ..metric(
            "signaling_redis_operation_duration_seconds",
            "How long operations of Redis took.",
            Kind::Histogram,
        )
    },
];

const fn metric(name: &'static str, help: &'static str, kind: Kind) -> Metric {
    Metric {
        name,
        help,
        kind,
        counted: "shards",
        source: Source::Server(|_| None),
    }
}

fn sum(collected: &Collected, counter: impl Fn(&Counters) -> u64) -> f64 {
    exact(collected.sum(|figures| counter(&figures.report.relay.0)))
}

fn held(collected: &Collected, gauge: impl Fn(&Gauges) -> usize) -> f64 {
    exact(collected.sum(|figures| gauge(&figures.report.relay.1) as u64))
}

fn redis(collected: &Collected, figure: impl Fn(&Figures) -> u64) -> f64 {
    exact(collected.redis.as_deref().map_or(0, figure))
}

fn operations(collected: &Collected) -> Vec<(&'static str, &Latency)> {
    let Some(redis) = collected.redis.as_deref() else {
        return Vec::new();
    };
    let operations = Operation::ALL.iter();
    operations
        .map(|operation| (operation.label(), redis.took(*operation)))
        .collect()
}

/// Counts below 2^53 are exact.
#[allow(clippy::cast_precision_loss, reason = "a count that large takes centuries")]
fn exact(count: u64) -> f64 {
    count as f64
}

fn drops(collected: &Collected) -> Vec<Labelled> {
    vec![
        ("client".into(), sum(collected, |counters| counters.client_rate_drops)),
        ("ip".into(), sum(collected, |counters| counters.ip_rate_drops)),
        ("room".into(), sum(collected, |counters| counters.room_rate_drops)),
        (
            "connection".into(),
            sum(collected, |counters| counters.refused[Refusal::Rate as usize]),
        ),
    ]
}

fn refused(collected: &Collected) -> Vec<Labelled> {
    let count = |refusal: Refusal| sum(collected, |counters| counters.refused[refusal as usize]);
    let refusals = Refusal::ALL.iter();
    refusals
        .map(|refusal| (refusal.label().into(), count(*refusal)))
        .collect()
}
