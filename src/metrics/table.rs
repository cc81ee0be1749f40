//! The one table of metrics.

use super::collected::{Collected, OfShard};
use signal_fish_core::shard::{Figures, Latency};
use std::borrow::Cow;
use std::time::Duration;

/// One metric.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Name, as Prometheus has it.
    pub name: &'static str,
    /// What it is, in one sentence.
    pub help: &'static str,
    /// How it moves.
    pub kind: Kind,
    /// Who counts it.
    pub counted: &'static str,
    /// Where its value comes from.
    pub source: Source,
}

/// How a metric moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It is what is there now.
    Gauge,
    /// It tells how often something took how long.
    Histogram,
}

/// Where values come from, and which labels they have.
#[derive(Debug, Clone, Copy)]
pub enum Source {
    /// One value of the whole server; nothing if it is not known.
    Server(fn(&Collected) -> Option<f64>),
    /// Always 1; the text stands in this label.
    Info(&'static str, &'static str),
    /// One value for each value of this label.
    By(&'static str, fn(&Collected) -> Vec<Labelled>),
    /// One value for each shard, with the label `shard`; nothing of a shard of which it is not known.
    Shard(fn(&OfShard) -> Option<f64>),
    /// One histogram for each shard, with the label `shard`.
    Latency(fn(&Figures) -> &Latency),
    /// One histogram for each value of this label.
    LatencyBy(
        &'static str,
        for<'a> fn(&'a Collected) -> Vec<(&'static str, &'a Latency)>,
    ),
}

/// A value and what its label says.
pub type Labelled = (Cow<'static, str>, f64);

/// Upper bounds of the buckets of every histogram.
pub const BUCKETS: [Duration; 16] = [
    Duration::from_micros(25),
    Duration::from_micros(50),
    Duration::from_micros(100),
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2_500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(5),
];

impl Kind {
    /// As Prometheus names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

const SHARDS: &str = "shards";
const ADMISSION: &str = "admission";
const DESK: &str = "desk";
const SYSTEM: &str = "system";

/// A count is far below 2^53, up to which it is exact.
#[expect(clippy::cast_precision_loss, reason = "see above")]
fn exact(count: u64) -> f64 {
    count as f64
}

/// A counter that all shards count together.
macro_rules! sum {
    ($name:literal, $help:literal, $group:ident.$figure:ident) => {
        sum!($name, $help, |shard| shard.report.$group.$figure)
    };
    ($name:literal, $help:literal, |$shard:ident| $value:expr) => {
        Metric {
            name: concat!("signal_fish_", $name),
            help: $help,
            kind: Kind::Counter,
            counted: SHARDS,
            source: Source::Server(|collected| Some(exact(collected.sum(|$shard| $value)))),
        }
    };
}

/// What all shards hold together.
macro_rules! held {
    ($name:literal, $help:literal, $group:ident.$figure:ident) => {
        held!($name, $help, |shard| shard.report.$group.$figure)
    };
    ($name:literal, $help:literal, |$shard:ident| $value:expr) => {
        Metric {
            kind: Kind::Gauge,
            ..sum!($name, $help, |$shard| $value as u64)
        }
    };
}

/// What admission counts or holds.
macro_rules! admission {
    ($kind:ident, $name:literal, $help:literal, |$totals:ident| $value:expr) => {
        Metric {
            name: concat!("signal_fish_", $name),
            help: $help,
            kind: Kind::$kind,
            counted: ADMISSION,
            source: Source::Server(|collected| {
                let $totals = &collected.admission;
                Some(exact($value))
            }),
        }
    };
}

/// A counter of each shard.
macro_rules! each {
    ($name:literal, $help:literal, $group:ident.$figure:ident) => {
        each!($name, $help, |shard| shard.report.$group.$figure)
    };
    ($name:literal, $help:literal, |$shard:ident| $value:expr) => {
        Metric {
            name: concat!("signal_fish_shard_", $name),
            help: $help,
            kind: Kind::Counter,
            counted: SHARDS,
            source: Source::Shard(|shard| {
                let $shard = shard.figures.as_deref()?;
                Some(exact($value))
            }),
        }
    };
}

/// What each shard holds.
macro_rules! each_held {
    ($name:literal, $help:literal, $group:ident.$figure:ident) => {
        each_held!($name, $help, |shard| shard.report.$group.$figure)
    };
    ($name:literal, $help:literal, |$shard:ident| $value:expr) => {
        Metric {
            kind: Kind::Gauge,
            ..each!($name, $help, |$shard| $value as u64)
        }
    };
}

/// What the desk knows of each shard.
macro_rules! seen {
    ($name:literal, $help:literal, |$shard:ident| $value:expr) => {
        Metric {
            name: concat!("signal_fish_shard_", $name),
            help: $help,
            kind: Kind::Gauge,
            counted: DESK,
            source: Source::Shard(|$shard| Some($value)),
        }
    };
}

/// What each shard measures.
macro_rules! latency {
    ($name:literal, $help:literal, |$shard:ident| $value:expr) => {
        Metric {
            name: concat!("signal_fish_shard_", $name),
            help: $help,
            kind: Kind::Histogram,
            counted: SHARDS,
            source: Source::Latency(|$shard| $value),
        }
    };
}

/// What the system says.
macro_rules! system {
    ($kind:ident, $name:literal, $help:literal, |$collected:ident| $value:expr) => {
        Metric {
            name: $name,
            help: $help,
            kind: Kind::$kind,
            counted: SYSTEM,
            source: Source::Server(|$collected| $value),
        }
    };
}

/// Every metric. Those without a label `shard` come first; the names that public Signal Fish servers have keep their
/// meaning (D30).
pub const METRICS: &[Metric] = &[
    Metric {
        name: "signal_fish_build_info",
        help: "Always 1; the label is the version of the server.",
        kind: Kind::Gauge,
        counted: DESK,
        source: Source::Info("version", env!("CARGO_PKG_VERSION")),
    },
    Metric {
        name: "signal_fish_uptime_seconds",
        help: "Seconds since the start.",
        kind: Kind::Gauge,
        counted: DESK,
        source: Source::Server(|collected| Some(collected.uptime.as_secs_f64())),
    },
    // ----- connections
    sum!(
        "connections_total",
        "WebSocket connections opened.",
        signal_fish.sessions_begun
    ),
    held!("connections_active", "WebSocket connections open now.", gauges.sessions),
    sum!(
        "connections_disconnections_total",
        "WebSocket connections that ended.",
        signal_fish.sessions_ended
    ),
    admission!(
        Counter,
        "tickets_granted_total",
        "Connections admitted, HTTP included.",
        |totals| totals.connections_total
    ),
    admission!(
        Gauge,
        "tickets_held",
        "Connections that count against the limits now, HTTP included.",
        |totals| totals.connections_active
    ),
    admission!(
        Gauge,
        "addresses_active",
        "Client addresses with a connection now.",
        |totals| totals.addresses_active
    ),
    Metric {
        name: "signal_fish_closes_total",
        help: "WebSocket connections that ended, by close code; 1000 by the client, 1006 without a close frame.",
        kind: Kind::Counter,
        counted: SHARDS,
        source: Source::By("code", closes),
    },
    Metric {
        name: "signal_fish_tls_handshakes_total",
        help: "TLS handshakes that ended, by result: the version that was agreed on; failed; expired; displaced by a later one; refused, for want of a ticket; plain, where TLS has to come.",
        kind: Kind::Counter,
        counted: SHARDS,
        source: Source::By("result", handshakes),
    },
    sum!(
        "tls_handshakes_resumed_total",
        "TLS handshakes that resumed an earlier session.",
        counters.handshakes_resumed
    ),
    held!("tls_handshakes_active", "TLS handshakes under way now.", |shard| shard
        .report
        .handshakes),
    Metric {
        name: "signal_fish_tls_certificate_expiry_seconds",
        help: "Seconds until the certificate of the server expires, negative afterwards; nothing without TLS.",
        kind: Kind::Gauge,
        counted: DESK,
        source: Source::Server(|collected| collected.certificate_seconds),
    },
    Metric {
        name: "signal_fish_refusals_total",
        help: "What was refused, by reason.",
        kind: Kind::Counter,
        counted: "admission and shards",
        source: Source::By("reason", refusals),
    },
    sum!(
        "url_hints_ignored_total",
        "Rooms named in URLs that were not heeded because their shard holds far more connections than the others.",
        counters.hints_ignored
    ),
    sum!(
        "slow_consumer_closes_total",
        "Clients disconnected with 1013 because they read too slowly.",
        counters.closed_slow
    ),
    sum!(
        "silent_closes_total",
        "Clients disconnected for silence.",
        counters.closed_silent
    ),
    sum!(
        "incomplete_message_closes_total",
        "Clients disconnected because a message was not complete in time.",
        counters.closed_incomplete
    ),
    sum!(
        "invalid_message_closes_total",
        "Clients disconnected for too many invalid messages in a row.",
        signal_fish.closed_invalid
    ),
    sum!(
        "unauthenticated_closes_total",
        "Clients disconnected because they did not authenticate in time.",
        signal_fish.closed_unauthenticated
    ),
    sum!(
        "senders_paused_total",
        "Times that a sender was not read because it caused too much.",
        counters.senders_paused
    ),
    held!(
        "senders_paused",
        "Senders that are not read at the moment because they caused too much.",
        |shard| shard.paying
    ),
    sum!("authentications_total", "Apps accepted.", signal_fish.authentications),
    sum!(
        "authentications_failed_total",
        "Apps or SDKs refused.",
        signal_fish.authentications_failed
    ),
    // ----- rooms
    sum!("rooms_created_total", "Rooms created.", signal_fish.rooms_created),
    sum!("rooms_joined_total", "Joins of rooms that existed.", |shard| {
        let counters = &shard.report.signal_fish;
        counters.players_joined.saturating_sub(counters.rooms_created)
    }),
    sum!(
        "rooms_deleted_total",
        "Rooms removed, for whatever reason.",
        signal_fish.rooms_removed
    ),
    held!("rooms_active", "Rooms now.", gauges.rooms),
    admission!(Gauge, "bans_active", "Addresses that are banned now.", |totals| totals
        .bans_active),
    admission!(Gauge, "games_active", "Games, per app, with a room now.", |totals| {
        totals.games_active
    }),
    admission!(
        Counter,
        "room_cap_denials_total",
        "Rooms refused because the game or the app has all it may have.",
        |totals| totals.refusals.rooms_per_game + totals.refusals.rooms_per_app
    ),
    admission!(
        Counter,
        "rate_limit_rejections_total",
        "Joins, creations and authentications refused by a rate limit.",
        |totals| totals.refusals.join_rate + totals.refusals.creation_rate + totals.refusals.authentication_rate
    ),
    sum!("joins_failed_total", "Joins that failed.", signal_fish.joins_failed),
    sum!(
        "cleanup_empty_rooms_total",
        "Rooms removed because they were empty for too long.",
        signal_fish.rooms_removed_empty
    ),
    sum!(
        "cleanup_inactive_rooms_total",
        "Rooms removed because nobody in them said anything for too long.",
        signal_fish.rooms_removed_inactive
    ),
    // ----- players
    sum!(
        "players_joined_total",
        "Players who entered a room, returns not counted.",
        signal_fish.players_joined
    ),
    sum!(
        "players_left_total",
        "Players who left a room or dropped out of it.",
        signal_fish.players_left
    ),
    held!("players_active", "Players in rooms now.", gauges.players),
    sum!(
        "spectators_joined_total",
        "Spectators who came.",
        signal_fish.spectators_joined
    ),
    sum!(
        "spectators_left_total",
        "Spectators who went.",
        signal_fish.spectators_left
    ),
    held!("spectators_active", "Spectators in rooms now.", gauges.spectators),
    sum!("games_started_total", "Games started.", signal_fish.games_started),
    sum!(
        "authority_changes_total",
        "Authority taken, released or lost.",
        signal_fish.authority_changes
    ),
    // ----- messages
    sum!(
        "game_data_messages_total",
        "Game data messages received and relayed.",
        signal_fish.game_data_in
    ),
    sum!(
        "game_data_deliveries_total",
        "Game data messages delivered, one per recipient.",
        signal_fish.game_data_out
    ),
    sum!(
        "game_data_not_convertible_total",
        "MessagePack game data that has no JSON form for members that need one.",
        signal_fish.game_data_not_convertible
    ),
    sum!(
        "errors_validation_total",
        "Invalid messages, those over the size limit included.",
        signal_fish.invalid_messages
    ),
    // ----- reconnection
    sum!(
        "reconnection_tokens_issued_total",
        "Reconnection tokens given to players.",
        signal_fish.tokens_issued
    ),
    held!(
        "reconnection_sessions_active",
        "Dropped players who may return now.",
        gauges.awaited
    ),
    sum!(
        "reconnection_validation_failures_total",
        "Reconnects that failed.",
        signal_fish.reconnections_failed
    ),
    sum!(
        "reconnection_completions_total",
        "Players who returned, or took over their own connection.",
        |shard| shard.report.signal_fish.reconnections + shard.report.signal_fish.takeovers
    ),
    sum!(
        "reconnection_events_buffered_total",
        "Broadcasts kept for players who may return.",
        signal_fish.events_recorded
    ),
    sum!(
        "reconnection_events_given_up_total",
        "Broadcasts that were let go of because the replays of all rooms took too much memory.",
        signal_fish.events_given_up
    ),
    sum!(
        "cleanup_expired_players_total",
        "Dropped players who did not return in time.",
        signal_fish.reconnections_expired
    ),
    // ----- matchbox
    held!("matchbox_peers_active", "Peers of matchbox now.", |shard| shard
        .report
        .matchbox
        .1
        .peers),
    held!("matchbox_rooms_active", "Rooms of matchbox now.", |shard| shard
        .report
        .matchbox
        .1
        .rooms),
    sum!(
        "matchbox_peers_joined_total",
        "Peers of matchbox that entered a room.",
        |shard| { shard.report.matchbox.0.peers_joined }
    ),
    sum!(
        "matchbox_peers_refused_total",
        "Peers of matchbox refused because their room was full.",
        |shard| { shard.report.matchbox.0.peers_refused }
    ),
    sum!("matchbox_signals_total", "Signals of matchbox delivered.", |shard| {
        shard.report.matchbox.0.signals
    }),
    sum!(
        "matchbox_undeliverable_total",
        "Signals of matchbox dropped because their receiver was not there.",
        |shard| { shard.report.matchbox.0.undeliverable }
    ),
    sum!(
        "matchbox_ignored_total",
        "Messages to matchbox ignored because they are not of its protocol, or too large.",
        |shard| { shard.report.matchbox.0.ignored }
    ),
    // ----- the desk
    sum!(
        "desk_requests_total",
        "HTTP requests that the desk was asked to answer.",
        counters.inquiries
    ),
    sum!(
        "desk_requests_refused_total",
        "HTTP requests answered with 503 because the desk had too much to do, or did not answer.",
        |shard| shard.report.counters.inquiries_refused + shard.report.counters.inquiries_unanswered
    ),
    Metric {
        name: "signal_fish_desk_denied_total",
        help: "HTTP requests without the right token, by what was asked for.",
        kind: Kind::Counter,
        counted: DESK,
        source: Source::By("door", |collected| {
            let denied = &collected.denied;
            vec![
                ("metrics".into(), exact(denied.metrics)),
                ("admin".into(), exact(denied.admin)),
            ]
        }),
    },
    held!("streams_active", "Streams of metrics open now.", |shard| shard.streams),
    sum!("streams_total", "Streams of metrics opened.", counters.streams),
    sum!(
        "streams_unread_closes_total",
        "Streams closed because nobody read them.",
        counters.closed_unread_streams
    ),
    Metric {
        name: "signal_fish_control_up",
        help: "1 if the control plane answered in time, 0 if what admission counts is of an earlier time.",
        kind: Kind::Gauge,
        counted: DESK,
        source: Source::Server(|collected| Some(f64::from(u8::from(collected.admission_is_fresh)))),
    },
    // ----- the process
    Metric {
        name: "signal_fish_log_lines_lost_total",
        help: "Log lines that were lost because they could not be written, by destination.",
        kind: Kind::Counter,
        counted: SYSTEM,
        source: Source::By("destination", |collected| {
            let lost = collected.log_lines_lost.iter();
            lost.map(|(destination, lines)| ((*destination).into(), exact(*lines)))
                .collect()
        }),
    },
    system!(
        Gauge,
        "process_resident_memory_bytes",
        "Resident memory in bytes.",
        |collected| collected.process.resident_bytes.map(exact)
    ),
    system!(Gauge, "process_open_fds", "Open descriptors.", |collected| collected
        .process
        .open_files
        .map(exact)),
    system!(
        Gauge,
        "process_max_fds",
        "Descriptors that the process may open.",
        |collected| collected.process.open_files_max.map(exact)
    ),
    system!(
        Counter,
        "process_cpu_seconds_total",
        "Seconds on CPUs, in the kernel and outside.",
        |collected| Some(collected.process.cpu.as_secs_f64())
    ),
    system!(
        Gauge,
        "process_start_time_seconds",
        "When the server started, in seconds since 1970.",
        |collected| Some(collected.process.started.as_secs_f64())
    ),
    // ----- each shard
    seen!(
        "up",
        "1 if the shard answered in time, 0 if its figures are of an earlier time.",
        |shard| f64::from(u8::from(shard.is_fresh))
    ),
    seen!("figures_age_seconds", "Age of the figures of the shard.", |shard| shard
        .age
        .as_secs_f64()),
    seen!(
        "mailbox_depth",
        "Mail that the shard had not taken when it was asked.",
        |shard| exact(shard.mailbox_depth as u64)
    ),
    each_held!(
        "connections",
        "Connections now, in whatever phase, HTTP included.",
        |shard| shard.report.connections
    ),
    each_held!("sessions", "WebSocket connections open now.", gauges.sessions),
    each_held!("rooms", "Rooms now.", gauges.rooms),
    each_held!("players", "Players in rooms now.", gauges.players),
    each_held!("spectators", "Spectators in rooms now.", gauges.spectators),
    each_held!("streams", "Streams of metrics open now.", |shard| shard.streams),
    each_held!("outbox_bytes", "Bytes that wait to be sent.", |shard| shard
        .report
        .outbox_bytes),
    each_held!(
        "replay_bytes",
        "Bytes kept for players who may return.",
        gauges.replay_bytes
    ),
    each_held!(
        "senders_paused",
        "Senders that are not read at the moment because they caused too much.",
        |shard| shard.paying
    ),
    each!(
        "refusals_total",
        "Connections that got no ticket or no slot, requests that could not be served, and questions that admission answered \
         with no.",
        |shard| {
            let counters = &shard.report.counters;
            counters.refusals + counters.tickets_refused_unasked + counters.newcomers_refused + counters.heads_refused
        }
    ),
    each!(
        "accepted_total",
        "Connections accepted from the listener.",
        counters.accepted
    ),
    each!(
        "messages_in_total",
        "Game data messages received and relayed.",
        signal_fish.game_data_in
    ),
    each!("messages_out_total", "Messages to clients.", counters.messages_out),
    each!("bytes_out_total", "Bytes sent.", counters.bytes_out),
    each!("sends_total", "Calls of send.", counters.sends),
    each!("receives_total", "Calls of receive.", counters.receives),
    each!(
        "slow_consumer_closes_total",
        "Clients disconnected because they read too slowly.",
        counters.closed_slow
    ),
    each!(
        "senders_paused_total",
        "Times that a sender was not read because it caused too much.",
        counters.senders_paused
    ),
    each!(
        "handoffs_in_total",
        "Connections taken over from other shards.",
        counters.moves_in
    ),
    each!(
        "handoffs_out_total",
        "Connections moved to other shards.",
        counters.moves_out
    ),
    each!(
        "handoffs_failed_total",
        "Connections closed with 1013 because they could not move.",
        counters.moves_failed
    ),
    each!("asks_total", "Questions put to admission.", counters.asks),
    each!("turns_total", "Turns.", counters.turns),
    Metric {
        name: "signal_fish_shard_busy_seconds_total",
        help: "Seconds spent in turns; its rate is the load of the shard, from 0 to 1.",
        kind: Kind::Counter,
        counted: SHARDS,
        source: Source::Shard(|shard| Some(shard.figures.as_deref()?.turns.sum().as_secs_f64())),
    },
    latency!("turn_duration_seconds", "How long turns took.", |shard| &shard.turns),
    latency!(
        "relay_latency_seconds",
        "From the beginning of the turn that read game data to the end of the turn that sent it to the last recipient.",
        |shard| &shard.relays
    ),
    latency!(
        "join_latency_seconds",
        "From the beginning of the turn that read JoinRoom to the end of the turn that sent RoomJoined.",
        |shard| &shard.joins
    ),
];

fn closes(collected: &Collected) -> Vec<Labelled> {
    signal_fish_core::effects::Closes::CODES
        .into_iter()
        .map(|code| {
            let count = collected.sum(|shard| shard.report.counters.closes.of(code));
            (code.to_string().into(), exact(count))
        })
        .collect()
}

fn handshakes(collected: &Collected) -> Vec<Labelled> {
    let by_shards = |figure: fn(&Figures) -> u64| collected.sum(figure);
    [
        ("tls1.2", by_shards(|shard| shard.report.counters.handshakes_tls12)),
        ("tls1.3", by_shards(|shard| shard.report.counters.handshakes_tls13)),
        ("failed", by_shards(|shard| shard.report.counters.handshakes_failed)),
        ("expired", by_shards(|shard| shard.report.counters.handshakes_expired)),
        (
            "displaced",
            by_shards(|shard| shard.report.counters.handshakes_displaced),
        ),
        ("refused", by_shards(|shard| shard.report.counters.handshakes_refused)),
        ("plain", by_shards(|shard| shard.report.counters.handshakes_plain)),
    ]
    .into_iter()
    .map(|(result, count)| (result.into(), exact(count)))
    .collect()
}

fn refusals(collected: &Collected) -> Vec<Labelled> {
    let refusals = &collected.admission.refusals;
    let by_shards = |figure: fn(&Figures) -> u64| collected.sum(figure);
    [
        ("connections_per_address", refusals.connections_per_ip),
        ("server_full", refusals.connections),
        ("banned", refusals.banned),
        (
            "refused_a_moment_ago",
            by_shards(|shard| shard.report.counters.tickets_refused_unasked),
        ),
        ("join_rate", refusals.join_rate),
        ("creation_rate", refusals.creation_rate),
        ("authentication_rate", refusals.authentication_rate),
        ("rooms_per_game", refusals.rooms_per_game),
        ("rooms_per_app", refusals.rooms_per_app),
        ("no_slot", by_shards(|shard| shard.report.counters.newcomers_refused)),
        (
            "no_descriptor",
            by_shards(|shard| shard.report.counters.accepts_exhausted),
        ),
        ("bad_http", by_shards(|shard| shard.report.counters.heads_refused)),
    ]
    .into_iter()
    .map(|(reason, count)| (reason.into(), exact(count)))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_follow_the_rules_and_are_there_once() {
        let mut names = BTreeSet::new();
        for Metric {
            name,
            help,
            kind,
            source,
            ..
        } in METRICS
        {
            assert!(names.insert(name), "{name} is there twice");
            assert!(
                name.bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit())
            );
            assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
            let is_measured = matches!(source, Source::Latency(_) | Source::LatencyBy(..));
            assert_eq!(*kind == Kind::Histogram, is_measured, "{name}");
            let of_shards = matches!(source, Source::Shard(_) | Source::Latency(_));
            assert_eq!(name.starts_with("signal_fish_shard_"), of_shards, "{name}");
            assert!(
                help.ends_with('.') && !help.contains(['\\', '\n', '|']),
                "{name}: {help}"
            );
        }
    }

    #[test]
    fn buckets_grow() {
        assert!(BUCKETS.is_sorted_by(|a, b| a < b));
    }
}
