//! What was refused, and who was disconnected for a reason, in one line a minute. A minute without either has none.

use crate::control::Totals;
use std::fmt::Write as _;
use std::time::Duration;

/// Time between two lines.
pub const INTERVAL: Duration = Duration::from_secs(60);

/// A count since the start, in the words of the line.
type Count = (&'static str, fn(&Totals) -> u64);

/// Named as the reasons of `signal_fish_refusals_total`, as far as they are among them.
const REFUSED: &[Count] = &[
    ("connections_per_address", |totals| {
        totals.admission.refusals.connections_per_ip
    }),
    ("server_full", |totals| totals.admission.refusals.connections),
    ("refused_a_moment_ago", |totals| {
        totals.sum(|shard| shard.counters.tickets_refused_unasked)
    }),
    ("no_slot", |totals| totals.sum(|shard| shard.counters.newcomers_refused)),
    ("no_descriptor", |totals| {
        totals.sum(|shard| shard.counters.accepts_exhausted)
    }),
    ("bad_http", |totals| totals.sum(|shard| shard.counters.heads_refused)),
    ("join_rate", |totals| totals.admission.refusals.join_rate),
    ("creation_rate", |totals| totals.admission.refusals.creation_rate),
    ("rooms_per_game", |totals| totals.admission.refusals.rooms_per_game),
    ("rooms_per_app", |totals| totals.admission.refusals.rooms_per_app),
    ("authentication_rate", |totals| {
        totals.admission.refusals.authentication_rate
    }),
    ("authentications", |totals| {
        totals.sum(|shard| shard.signal_fish.authentications_failed)
    }),
    ("joins", |totals| totals.sum(|shard| shard.signal_fish.joins_failed)),
    ("returns", |totals| {
        totals.sum(|shard| shard.signal_fish.reconnections_failed)
    }),
    ("messages", |totals| {
        totals.sum(|shard| shard.signal_fish.invalid_messages)
    }),
];

const CLOSED: &[Count] = &[
    ("too_slow", |totals| totals.sum(|shard| shard.counters.closed_slow)),
    ("silent", |totals| totals.sum(|shard| shard.counters.closed_silent)),
    ("incomplete_message", |totals| {
        totals.sum(|shard| shard.counters.closed_incomplete)
    }),
    ("invalid_messages", |totals| {
        totals.sum(|shard| shard.signal_fish.closed_invalid)
    }),
    ("unauthenticated", |totals| {
        totals.sum(|shard| shard.signal_fish.closed_unauthenticated)
    }),
    ("broke_websocket", |totals| {
        totals.sum(|shard| {
            [1002, 1003, 1007, 1009]
                .map(|code| shard.counters.closes.of(code))
                .iter()
                .sum()
        })
    }),
    ("could_not_move", |totals| {
        totals.sum(|shard| shard.counters.moves_failed)
    }),
];

/// The counts at the end of the last minute.
#[derive(Debug)]
pub struct Minute {
    refused: Vec<u64>,
    closed: Vec<u64>,
}

impl Default for Minute {
    fn default() -> Self {
        Self {
            refused: vec![0; REFUSED.len()],
            closed: vec![0; CLOSED.len()],
        }
    }
}

impl Minute {
    /// Logs what was added since the last call.
    pub fn end(&mut self, totals: &Totals) {
        let refused = news(REFUSED, &mut self.refused, totals);
        let closed = news(CLOSED, &mut self.closed, totals);
        if refused.is_some() || closed.is_some() {
            tracing::info!(
                refused,
                closed,
                connections = totals.connections() as u64,
                "refused or closed for a reason in the last minute"
            );
        }
    }
}

/// `joins=3 messages=12`: what was added to each count that was added to.
fn news(counts: &[Count], last: &mut [u64], totals: &Totals) -> Option<String> {
    let mut line = String::new();
    for ((name, count), last) in counts.iter().zip(last) {
        let now = count(totals);
        let added = now.saturating_sub(std::mem::replace(last, now));
        if added > 0 {
            let space = if line.is_empty() { "" } else { " " };
            let _ = write!(line, "{space}{name}={added}");
        }
    }
    (!line.is_empty()).then_some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_added_is_told_and_only_once() {
        let mut totals = Totals::default();
        let mut last = vec![0; REFUSED.len()];
        assert_eq!(news(REFUSED, &mut last, &totals), None);
        totals.admission.refusals.connections_per_ip = 3;
        totals.admission.refusals.join_rate = 2;
        let told = news(REFUSED, &mut last, &totals);
        assert_eq!(told.as_deref(), Some("connections_per_address=3 join_rate=2"));
        assert_eq!(news(REFUSED, &mut last, &totals), None);
        totals.admission.refusals.join_rate = 7;
        assert_eq!(news(REFUSED, &mut last, &totals).as_deref(), Some("join_rate=5"));
    }
}
