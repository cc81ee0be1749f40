//! Figures of a server under a load, and the tables that they are shown in.

use crate::report::chart::escape;
use crate::report::text::rounded;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The comparison in two forms.
#[derive(Debug)]
pub struct Comparison {
    /// For reading in a terminal or repository.
    pub markdown: String,
    /// A self-contained page with charts.
    pub page: String,
}

/// Reports by measure and server, one per round.
pub(super) type Reports = BTreeMap<String, BTreeMap<String, Vec<Value>>>;

pub(super) struct Column {
    pub(super) heading: &'static str,
    /// Where in a report the figure stands; several are added up.
    pub(super) pointers: &'static [&'static str],
    pub(super) show: fn(f64) -> String,
    /// Whether the ratio to our server says something.
    pub(super) ratio: bool,
    /// Whether the worst round counts instead of the median.
    pub(super) worst: bool,
}

pub(super) const fn column(
    heading: &'static str,
    pointers: &'static [&'static str],
    show: fn(f64) -> String,
) -> Column {
    Column {
        heading,
        pointers,
        show,
        ratio: false,
        worst: false,
    }
}

pub(super) const fn compared(
    heading: &'static str,
    pointers: &'static [&'static str],
    show: fn(f64) -> String,
) -> Column {
    Column {
        ratio: true,
        ..column(heading, pointers, show)
    }
}

pub(super) const fn worst(heading: &'static str, pointers: &'static [&'static str], show: fn(f64) -> String) -> Column {
    Column {
        worst: true,
        ..column(heading, pointers, show)
    }
}

/// What a server is called here whose own files lie in the repository.
pub(super) const OURS: &str = "ours";

/// Processor time per delivery or session.
pub(super) const CPU_EACH: &[&str] = &["/server/user_us_each", "/server/system_us_each"];

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
    pub(super) fn of(measure: &str, rounds: &[Value], floor: &Value) -> Option<Self> {
        let median = |pointers: &'static [&'static str]| figure(measure, rounds, &column("", pointers, rounded));
        let messages = median(&["/counts/messages_out"]).filter(|messages| *messages > 0.0)?;
        let sends_per_message = median(&["/counts/sends"])? / messages;
        let receives_per_message = median(&["/counts/receives"])? / messages;
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
pub(super) fn prices(floor: &Value) -> (f64, f64) {
    let price = |name: &str| floor[name].as_f64().unwrap_or(0.0);
    (
        price("user_us_each") + price("system_us_each"),
        price("receive_us_each"),
    )
}

/// What the generator says against itself and in how many rounds; `None`: nothing.
pub(super) fn verdict(rounds: &[Value]) -> Option<(&str, usize)> {
    let mut said = rounds.iter().filter_map(said_of_itself);
    Some((said.next()?, said.count() + 1))
}

/// The first words of it are enough. A search also ends where the generator does.
fn said_of_itself(report: &Value) -> Option<&str> {
    if let Some(said) = report.pointer("/generator/bottleneck").and_then(Value::as_str) {
        return said.split(':').next();
    }
    let mut steps = report["steps"].as_array()?.iter();
    steps
        .any(|step| step["generator"].is_string())
        .then_some("the generator was in the way at other rates")
}

/// The median over the rounds, or the worst of them; a search in which no rate held has no figures.
pub(super) fn figure(measure: &str, rounds: &[Value], column: &Column) -> Option<f64> {
    let held = |report: &&Value| {
        !measure.starts_with("limit")
            || report["steps"]
                .as_array()
                .is_some_and(|steps| steps.iter().any(|step| step["fault"].is_null()))
    };
    let mut values: Vec<f64> = rounds
        .iter()
        .filter(held)
        .filter_map(|report| sum(report, column.pointers))
        .collect();
    values.sort_by(f64::total_cmp);
    if column.worst {
        return values.last().copied();
    }
    let (low, high) = (
        values.get(values.len().checked_sub(1)? / 2)?,
        values.get(values.len() / 2)?,
    );
    Some((low + high) / 2.0)
}

fn sum(report: &Value, pointers: &[&str]) -> Option<f64> {
    pointers.iter().map(|pointer| report.pointer(pointer)?.as_f64()).sum()
}

pub(super) fn asked_per_s(report: &Value) -> f64 {
    let plan = |name: &str| report["plan"][name].as_f64().unwrap_or(0.0);
    plan("rooms") * plan("players") * plan("rate") * (plan("players") + plan("spectators") - 1.0)
}

pub(super) fn microseconds(value: f64) -> String {
    format!("{value:.2} µs")
}
