//! Figures of a server under a load, and the tables that they are shown in.

use super::rounds::Round;
use crate::floor::Floor;
use crate::report::chart::escape;
use crate::report::text::rounded;
use std::fmt::Write as _;

/// The comparison in two forms.
#[derive(Debug)]
pub struct Comparison {
    /// For reading in a terminal or repository.
    pub markdown: String,
    /// A self-contained page with charts.
    pub page: String,
}

/// A figure of a round; `None` where the round has no such figure.
pub(super) type Figure = fn(&Round) -> Option<f64>;

pub(super) struct Column {
    pub(super) heading: &'static str,
    pub(super) of: Figure,
    pub(super) show: fn(f64) -> String,
    /// Whether the ratio to our server says something.
    pub(super) ratio: bool,
    /// Whether the worst round counts instead of the median.
    pub(super) worst: bool,
}

pub(super) const fn column(heading: &'static str, of: Figure, show: fn(f64) -> String) -> Column {
    Column {
        heading,
        of,
        show,
        ratio: false,
        worst: false,
    }
}

pub(super) const fn compared(heading: &'static str, of: Figure, show: fn(f64) -> String) -> Column {
    Column {
        ratio: true,
        ..column(heading, of, show)
    }
}

pub(super) const fn worst(heading: &'static str, of: Figure, show: fn(f64) -> String) -> Column {
    Column {
        worst: true,
        ..column(heading, of, show)
    }
}

pub(super) const DELIVERED_PER_S: Figure = |round| Some(round.throughput.delivered_per_s);
pub(super) const P50_MS: Figure = |round| Some(round.latencies.first()?.p50_ms);
pub(super) const P99_MS: Figure = |round| Some(round.latencies.first()?.p99_ms);
/// Deliveries with which anything went wrong.
pub(super) const WRONG: Figure = |round| Some(round.messages.wrong() as f64);
/// Processor time per delivery or session.
pub(super) const CPU_EACH: Figure = |round| Some(USER_EACH(round)? + SYSTEM_EACH(round)?);
pub(super) const USER_EACH: Figure = |round| round.server?.user_us_each;
pub(super) const SYSTEM_EACH: Figure = |round| round.server?.system_us_each;
pub(super) const RESIDENT_EACH: Figure = |round| round.server?.resident_each_bytes;

/// Headings and rows, written in both forms.
pub(super) struct Table {
    pub(super) title: String,
    pub(super) note: String,
    pub(super) headings: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
}

impl Table {
    /// Writes nothing if there are no rows.
    pub(super) fn write(&self, out: &mut Comparison) -> std::fmt::Result {
        if self.rows.is_empty() {
            return Ok(());
        }
        let Comparison { markdown, page } = out;
        write!(markdown, "## {}\n\n", self.title)?;
        write!(page, "<h2>{}</h2>", escape(&self.title))?;
        if !self.note.is_empty() {
            write!(markdown, "{}\n\n", self.note)?;
            write!(page, "<p>{}</p>", escape(&self.note))?;
        }
        writeln!(markdown, "| {} |", self.headings.join(" | "))?;
        writeln!(markdown, "|---|{}", "---:|".repeat(self.headings.len() - 1))?;
        let cells = |name: &str, row: &[String]| -> String {
            row.iter()
                .map(|cell| format!("<{name}>{}</{name}>", escape(cell)))
                .collect()
        };
        write!(page, "<table><tr>{}</tr>", cells("th", &self.headings))?;
        for row in &self.rows {
            writeln!(markdown, "| {} |", row.join(" | "))?;
            write!(page, "<tr>{}</tr>", cells("td", row))?;
        }
        writeln!(markdown)?;
        write!(page, "</table>")
    }
}

/// What a server took, beside what the calls that it made take at the least.
pub(super) struct BesideFloor {
    pub(super) sends_per_message: f64,
    pub(super) receives_per_message: f64,
    /// Microseconds per delivery that these calls take at the floor.
    pub(super) least: f64,
    /// Microseconds per delivery that the server took.
    pub(super) cpu: f64,
}

impl BesideFloor {
    /// `None` where the server did not say what it counted.
    pub(super) fn of(rounds: &[Round], floor: &Floor) -> Option<Self> {
        let median = |of: Figure| figure(rounds, &column("", of, rounded));
        let messages = median(|round| Some(round.counts?.messages_out)).filter(|messages| *messages > 0.0)?;
        let sends_per_message = median(|round| Some(round.counts?.sends))? / messages;
        let receives_per_message = median(|round| Some(round.counts?.receives))? / messages;
        let (send, receive) = prices(floor);
        Some(Self {
            sends_per_message,
            receives_per_message,
            least: sends_per_message * send + receives_per_message * receive,
            cpu: median(CPU_EACH)?,
        })
    }

    pub(super) fn ratio(&self) -> f64 {
        self.cpu / self.least
    }
}

/// Microseconds of a send and of a receive at the floor.
pub(super) fn prices(floor: &Floor) -> (f64, f64) {
    (floor.user_us_each + floor.system_us_each, floor.receive_us_each)
}

/// What the generator says against itself and in how many rounds; `None`: nothing.
pub(super) fn verdict(rounds: &[Round]) -> Option<(&str, usize)> {
    let mut said = rounds.iter().filter_map(Round::verdict);
    Some((said.next()?, said.count() + 1))
}

/// What the generator says of itself.
pub(super) fn said(rounds: &[Round]) -> String {
    verdict(rounds).map_or_else(
        || "fine".to_owned(),
        |(said, times)| format!("{said} ({times} of {})", rounds.len()),
    )
}

/// A figure over the rounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spread {
    pub(super) least: f64,
    pub(super) median: f64,
    pub(super) most: f64,
}

/// The figure over the rounds that have it; those of a search in which no rate held have none.
pub(super) fn spread(rounds: &[Round], of: Figure) -> Option<Spread> {
    let mut values: Vec<f64> = rounds.iter().filter(|round| round.held()).filter_map(of).collect();
    values.sort_by(f64::total_cmp);
    let (low, high) = (
        values.get(values.len().checked_sub(1)? / 2)?,
        values.get(values.len() / 2)?,
    );
    Some(Spread {
        least: *values.first()?,
        median: (low + high) / 2.0,
        most: *values.last()?,
    })
}

/// The median over the rounds, or the worst of them.
pub(super) fn figure(rounds: &[Round], column: &Column) -> Option<f64> {
    let spread = spread(rounds, column.of)?;
    Some(if column.worst { spread.most } else { spread.median })
}

pub(super) fn microseconds(value: f64) -> String {
    format!("{value:.2} µs")
}
