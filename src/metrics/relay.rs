//! The metrics of the room relay, under the names that its protocol documents (protocol 16.5).

use super::collected::Collected;
use super::table::{Kind, Labelled, Metric, Source};
use signal_fish_core::protocol::relay::{Counters, Gauges, Refusal};

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
        source: Source::Server(|_| Some(0.0)),
        ..metric(
            "signaling_redis_up",
            "Whether Redis answers; 0 without Redis.",
            Kind::Gauge,
        )
    },
    Metric {
        source: Source::Server(|_| Some(0.0)),
        ..metric(
            "signaling_circuit_breaker_open",
            "Whether the breaker is open; 0 without Redis.",
            Kind::Gauge,
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
