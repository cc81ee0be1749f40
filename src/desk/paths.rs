//! What is at the paths of the desk, and the answers that do not depend on figures (protocol 1).

use signal_fish_core::http::{Body, DeskAnswer};
use std::sync::Arc;

/// What a request wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// To know whether every shard answers.
    Alive,
    /// To know whether newcomers are welcome as well.
    Ready,
    /// The same, in the words of the room relay.
    RelayReady,
    /// Metrics as JSON.
    Json,
    /// Metrics as Prometheus reads them.
    Prometheus,
    /// Metrics of the room relay, as Prometheus reads them.
    Relay,
    /// Metrics as JSON, once a second.
    Stream,
}

impl Wanted {
    pub(super) fn needs_figures(self) -> bool {
        !matches!(self, Self::Alive | Self::Ready | Self::RelayReady)
    }

    pub(super) fn is_of_metrics(self) -> bool {
        self.needs_figures()
    }

    /// The answer to who asks how the server is. `is_well`: every shard answers. `is_redis_ready`: so does Redis, if it is
    /// needed.
    pub(super) fn standing(self, is_well: bool, is_redis_ready: bool) -> DeskAnswer {
        match self {
            Self::RelayReady if is_well && is_redis_ready => answer("200 OK", TEXT, "", text("ready")),
            Self::RelayReady => answer("503 Service Unavailable", TEXT, "", text("not-ready")),
            Self::Ready if is_well && !is_redis_ready => {
                answer("503 Service Unavailable", TEXT, "", text("Redis does not answer."))
            }
            _ => health(is_well),
        }
    }
}

/// The paths of the metrics, with their aliases.
pub(crate) const METRICS: [(&str, &str); 9] = [
    ("/metrics", JSON),
    ("/v1/metrics", JSON),
    ("/v2/metrics", JSON),
    ("/metrics/prom", PROMETHEUS),
    ("/v1/metrics/prom", PROMETHEUS),
    ("/v2/metrics/prom", PROMETHEUS),
    ("/metrics/stream", STREAM),
    ("/v1/metrics/stream", STREAM),
    ("/v2/metrics/stream", STREAM),
];

pub(super) const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";
const STREAM: &str = "text/event-stream";

/// What is at this path.
pub(super) fn find(path: &str) -> Option<Wanted> {
    match path {
        "/healthz" => return Some(Wanted::Alive),
        "/readyz" => return Some(Wanted::Ready),
        "/relay/readyz" => return Some(Wanted::RelayReady),
        "/relay/metrics" => return Some(Wanted::Relay),
        _ => {}
    }
    let (_, form) = METRICS.iter().find(|(known, _)| *known == path)?;
    Some(match *form {
        JSON => Wanted::Json,
        PROMETHEUS => Wanted::Prometheus,
        _ => Wanted::Stream,
    })
}

fn answer(status: &'static str, content_type: &'static str, headers: &'static str, body: Body) -> DeskAnswer {
    DeskAnswer {
        status,
        content_type,
        headers,
        body,
    }
}

/// A body of text.
fn text(body: &'static str) -> Body {
    Body::Whole(body.as_bytes().into())
}

/// `/healthz`, and `/readyz` as far as shards go.
fn health(is_well: bool) -> DeskAnswer {
    if is_well {
        answer("200 OK", TEXT, "", text("OK"))
    } else {
        answer("503 Service Unavailable", TEXT, "", text("A shard does not answer."))
    }
}

pub(super) fn json(body: Arc<[u8]>) -> DeskAnswer {
    answer("200 OK", JSON, "", Body::Whole(body))
}

pub(super) fn prometheus(body: Arc<[u8]>) -> DeskAnswer {
    answer("200 OK", PROMETHEUS, "", Body::Whole(body))
}

/// A stream; `x-accel-buffering` tells nginx to pass pieces on at once.
pub(super) fn stream() -> DeskAnswer {
    answer("200 OK", STREAM, "x-accel-buffering: no\r\n", Body::Stream)
}

/// The table of paths sends the desk only what it knows.
pub(super) fn not_found() -> DeskAnswer {
    answer("404 Not Found", TEXT, "", text("There is nothing at this path."))
}

/// The request does not show the right token.
pub(super) fn unauthorized() -> DeskAnswer {
    answer(
        "401 Unauthorized",
        TEXT,
        "www-authenticate: Bearer\r\n",
        text("This path needs `Authorization: Bearer` with the right token."),
    )
}
