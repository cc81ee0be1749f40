//! Sets the reports of several servers side by side: tables and charts from a folder that `scripts/compare.sh` filled.
//!
//! A report lies in `<measure>__<server>__<round>.json`, what the server counted beside it in `…__counts.json`, the floor in
//! `floor.json`. Figures are medians over the rounds.

use crate::report::chart::{Chart, Line, Scale, escape};
use crate::report::text::{bytes, milliseconds, rounded};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// The comparison in two forms.
#[derive(Debug)]
pub struct Comparison {
    /// For reading in a terminal or repository.
    pub markdown: String,
    /// A self-contained page with charts.
    pub page: String,
}

/// Reports by measure and server, one per round.
type Reports = BTreeMap<String, BTreeMap<String, Vec<Value>>>;

struct Column {
    heading: &'static str,
    /// Where in a report the figure stands; several are added up.
    pointers: &'static [&'static str],
    show: fn(f64) -> String,
    /// Whether the ratio to our server says something.
    ratio: bool,
}

const fn column(heading: &'static str, pointers: &'static [&'static str], show: fn(f64) -> String) -> Column {
    Column {
        heading,
        pointers,
        show,
        ratio: false,
    }
}

const fn compared(heading: &'static str, pointers: &'static [&'static str], show: fn(f64) -> String) -> Column {
    Column {
        heading,
        pointers,
        show,
        ratio: true,
    }
}

/// Processor time per delivery or session.
const CPU_EACH: &[&str] = &["/server/user_us_each", "/server/system_us_each"];

const RELAY: &[Column] = &[
    column("delivered/s", &["/throughput/delivered_per_s"], rounded),
    compared("p50", &["/latencies/0/p50_ms"], milliseconds),
    compared("p99", &["/latencies/0/p99_ms"], milliseconds),
    column("lost", &["/messages/lost"], rounded),
    compared("CPU per delivery", CPU_EACH, microseconds),
    column("user per delivery", &["/server/user_us_each"], microseconds),
    column("system per delivery", &["/server/system_us_each"], microseconds),
    column("generator late, p99", &["/generator/lag_p99_ms"], milliseconds),
    column("server waited for its core", &["/server/waited_s"], seconds),
];
const LIMIT: &[Column] = &[
    compared("highest delivered/s", &["/throughput/delivered_per_s"], rounded),
    column("p50 there", &["/latencies/0/p50_ms"], milliseconds),
    column("p99 there", &["/latencies/0/p99_ms"], milliseconds),
    column("lost there", &["/messages/lost"], rounded),
    compared("CPU per delivery", CPU_EACH, microseconds),
    column("user per delivery", &["/server/user_us_each"], microseconds),
    column("system per delivery", &["/server/system_us_each"], microseconds),
];
const IDLE: &[Column] = &[
    column("connections", &["/connections/joined"], rounded),
    compared("RSS per connection", &["/server/resident_each_bytes"], bytes),
    column("RSS before", &["/server/resident_before_bytes"], bytes),
    column("RSS holding", &["/server/resident_bytes"], bytes),
];
const CHURN: &[Column] = &[
    column("cycles", &["/completed"], rounded),
    column("failed", &["/failed"], rounded),
    compared("cycles/s", &["/throughput/completed_per_s"], rounded),
    compared("CPU per cycle", CPU_EACH, microseconds),
    column("user per cycle", &["/server/user_us_each"], microseconds),
    column("system per cycle", &["/server/system_us_each"], microseconds),
    compared("p99", &["/latencies/0/p99_ms"], milliseconds),
];
const FILL: &[Column] = &[
    column("rooms", &["/completed"], rounded),
    column("failed", &["/failed"], rounded),
    compared("time", &["/measured_s"], seconds),
    compared("CPU", &["/server/user_s", "/server/system_s"], seconds),
    column("user", &["/server/user_s"], seconds),
    column("system", &["/server/system_s"], seconds),
    column("p99 per room", &["/latencies/0/p99_ms"], milliseconds),
];

/// Reads the folder.
///
/// # Errors
/// A sentence: the folder or a file in it cannot be read, or is no report.
pub fn compare(folder: &Path) -> Result<Comparison, String> {
    let (reports, floor) = read(folder)?;
    let host = reports
        .values()
        .flat_map(BTreeMap::values)
        .flatten()
        .next()
        .map(|report| report["host"].clone());
    let host = host.ok_or_else(|| format!("{} holds no reports", folder.display()))?;
    let mut markdown = String::from("# Comparison\n\n");
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Comparison</title><style>{}</style></head>\
         <body><h1>Comparison</h1>",
        crate::report::html::STYLE
    );
    // Writing to a String cannot fail.
    let _ = write_host(&host, floor.as_ref(), &mut markdown, &mut page);
    for (measure, servers) in &reports {
        let _ = write_table(measure, servers, &mut markdown, &mut page);
    }
    if let Some(floor) = &floor {
        let _ = write_beside_floor(&reports, floor, &mut markdown, &mut page);
    }
    for chart in charts(&reports, floor.as_ref()) {
        page.push_str(&chart.to_svg());
    }
    page.push_str("</body></html>");
    Ok(Comparison { markdown, page })
}

fn read(folder: &Path) -> Result<(Reports, Option<Value>), String> {
    let fault = |path: &Path, error: &dyn std::fmt::Display| format!("cannot read {}: {error}", path.display());
    let mut reports = Reports::new();
    let mut floor = None;
    for entry in std::fs::read_dir(folder).map_err(|error| fault(folder, &error))? {
        let path = entry.map_err(|error| fault(folder, &error))?.path();
        let Some(name) = path
            .file_name()
            .and_then(|name| name.to_str())
            .and_then(|name| name.strip_suffix(".json"))
        else {
            continue;
        };
        if name.ends_with(COUNTS) {
            continue;
        }
        let text = std::fs::read_to_string(&path).map_err(|error| fault(&path, &error))?;
        let value: Value = serde_json::from_str(&text).map_err(|error| fault(&path, &error))?;
        match name.split("__").collect::<Vec<_>>()[..] {
            [measure, server, _round] => {
                let mut value = value;
                value["counts"] = counts(&path);
                let servers = reports.entry(measure.to_owned()).or_default();
                servers.entry(server.to_owned()).or_default().push(value);
            }
            ["floor"] => floor = Some(value),
            _ => {}
        }
    }
    Ok((reports, floor))
}

/// How the name of a file ends in which a server's counts lie.
const COUNTS: &str = "__counts";

/// What the server counted in the run of the report at `path`, null where it does not say: it may have died.
fn counts(path: &Path) -> Value {
    let path = format!("{}{COUNTS}.json", path.with_extension("").display());
    let text = std::fs::read_to_string(path).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// What a server took, beside what the calls that it made take at the least.
fn write_beside_floor(reports: &Reports, floor: &Value, markdown: &mut String, page: &mut String) -> std::fmt::Result {
    const HEADINGS: [&str; 7] = [
        "measure",
        "server",
        "sends per message",
        "receives per message",
        "these at the floor",
        "CPU per delivery",
        "ratio",
    ];
    let price = |name: &str| floor[name].as_f64().unwrap_or(0.0);
    let (send, receive) = (
        price("user_us_each") + price("system_us_each"),
        price("receive_us_each"),
    );
    let mut rows = Vec::new();
    for (measure, servers) in reports.iter().filter(|(measure, _)| measure.starts_with("relay")) {
        for (server, rounds) in servers {
            let median = |pointers: &'static [&'static str]| figure(measure, rounds, &column("", pointers, rounded));
            let (Some(messages), Some(sends), Some(receives), Some(cpu)) = (
                median(&["/counts/messages_out"]).filter(|messages| *messages > 0.0),
                median(&["/counts/sends"]),
                median(&["/counts/receives"]),
                median(&["/server/user_us_each", "/server/system_us_each"]),
            ) else {
                continue;
            };
            let least = (sends * send + receives * receive) / messages;
            rows.push([
                measure.clone(),
                server.clone(),
                format!("{:.2}", sends / messages),
                format!("{:.2}", receives / messages),
                microseconds(least),
                microseconds(cpu),
                format!("{:.2}", cpu / least),
            ]);
        }
    }
    if rows.is_empty() {
        return Ok(());
    }
    let note = format!(
        "A send costs {} at the floor and a receive {}. Messages, sends and receives are those of the server's whole life.",
        microseconds(send),
        microseconds(receive)
    );
    writeln!(
        markdown,
        "## Beside the floor\n\n{note}\n\n| {} |",
        HEADINGS.join(" | ")
    )?;
    writeln!(markdown, "|---|---|{}", "---:|".repeat(HEADINGS.len() - 2))?;
    write!(page, "<h2>Beside the floor</h2><p>{note}</p><table><tr>")?;
    HEADINGS
        .iter()
        .try_for_each(|heading| write!(page, "<th>{heading}</th>"))?;
    write!(page, "</tr>")?;
    for row in rows {
        writeln!(markdown, "| {} |", row.join(" | "))?;
        write!(page, "<tr>")?;
        row.iter()
            .try_for_each(|cell| write!(page, "<td>{}</td>", escape(cell)))?;
        write!(page, "</tr>")?;
    }
    writeln!(markdown)?;
    write!(page, "</table>")
}

fn write_host(host: &Value, floor: Option<&Value>, markdown: &mut String, page: &mut String) -> std::fmt::Result {
    let part = |name: &str| host[name].as_str().unwrap_or_default().to_owned();
    let mut text = format!(
        "{}, {} processors, {}, revision {}, {}. One core for the server, another for the generator. Ratios within one run \
         count, absolute figures belong to this machine.",
        part("cpu"),
        host["cpus"],
        part("kernel"),
        part("git_revision"),
        part("time")
    );
    if let Some(floor) = floor {
        let figure = |name: &str| floor[name].as_f64().unwrap_or(0.0);
        write!(
            text,
            " The floor, a bare loop of sends to as many sockets: {} sends/s, {} in the kernel and {} in user space each.",
            rounded(figure("sends_per_s")),
            microseconds(figure("system_us_each")),
            microseconds(figure("user_us_each"))
        )?;
    }
    writeln!(markdown, "{text}\n")?;
    write!(page, "<p class=\"sub\">{}</p>", escape(&text))
}

fn write_table(
    measure: &str,
    servers: &BTreeMap<String, Vec<Value>>,
    markdown: &mut String,
    page: &mut String,
) -> std::fmt::Result {
    let columns = columns(measure);
    let headings: Vec<&str> = columns.iter().map(|column| column.heading).collect();
    writeln!(
        markdown,
        "## {measure}\n\n| server | {} | rounds |",
        headings.join(" | ")
    )?;
    writeln!(markdown, "|---|{}", "---:|".repeat(columns.len() + 1))?;
    write!(page, "<h2>{}</h2><table><tr><th>server</th>", escape(measure))?;
    headings
        .iter()
        .try_for_each(|heading| write!(page, "<th>{heading}</th>"))?;
    write!(page, "<th>rounds</th></tr>")?;
    for (server, rounds) in servers {
        let ours = servers.get("ours").filter(|_| server != "ours");
        let values: Vec<String> = columns
            .iter()
            .map(|column| cell(measure, rounds, ours, column))
            .collect();
        writeln!(markdown, "| {server} | {} | {} |", values.join(" | "), rounds.len())?;
        write!(page, "<tr><td>{}</td>", escape(server))?;
        values.iter().try_for_each(|value| write!(page, "<td>{value}</td>"))?;
        write!(page, "<td>{}</td></tr>", rounds.len())?;
    }
    writeln!(markdown)?;
    write!(page, "</table>")
}

/// A figure and, where it says something, how many times ours it is.
fn cell(measure: &str, rounds: &[Value], ours: Option<&Vec<Value>>, column: &Column) -> String {
    let Some(value) = figure(measure, rounds, column) else {
        return "-".to_owned();
    };
    let ours = ours
        .filter(|_| column.ratio)
        .and_then(|ours| figure(measure, ours, column))
        .filter(|ours| *ours > 0.0);
    let ratio = ours.map(|ours| format!(" ({:.2}×)", value / ours)).unwrap_or_default();
    (column.show)(value) + &ratio
}

fn columns(measure: &str) -> &'static [Column] {
    match measure.split('-').next() {
        Some("limit") => LIMIT,
        Some("idle") => IDLE,
        Some("churn") => CHURN,
        Some("fill") => FILL,
        _ => RELAY,
    }
}

/// The median over the rounds; a search in which no rate held has no figures.
fn figure(measure: &str, rounds: &[Value], column: &Column) -> Option<f64> {
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
    let (low, high) = (
        values.get(values.len().checked_sub(1)? / 2)?,
        values.get(values.len() / 2)?,
    );
    Some((low + high) / 2.0)
}

fn sum(report: &Value, pointers: &[&str]) -> Option<f64> {
    pointers.iter().map(|pointer| report.pointer(pointer)?.as_f64()).sum()
}

fn charts(reports: &Reports, floor: Option<&Value>) -> Vec<Chart> {
    let relays: Vec<_> = reports
        .iter()
        .filter(|(measure, _)| measure.starts_with("relay"))
        .collect();
    let lines = |pointers: &'static [&'static str]| -> Vec<Line> {
        let mut lines: BTreeMap<&str, Vec<(f64, f64)>> = BTreeMap::new();
        for (measure, servers) in &relays {
            for (server, rounds) in *servers {
                let asked = rounds.first().map_or(0.0, asked_per_s);
                if let Some(value) = figure(measure, rounds, &column("", pointers, rounded)) {
                    lines.entry(server).or_default().push((asked, value));
                }
            }
        }
        sorted(
            lines
                .into_iter()
                .map(|(name, points)| Line {
                    name: name.to_owned(),
                    points,
                })
                .collect(),
        )
    };
    let chart = |title: &str, y_label, y_scale, lines| Chart {
        title: title.to_owned(),
        x_label: "deliveries per second asked for",
        y_label,
        x_scale: Scale::Linear,
        y_scale,
        lines,
    };
    let mut cpu = lines(&["/server/user_us_each", "/server/system_us_each"]);
    let ends: Vec<f64> = cpu
        .first()
        .map(|line| line.points.iter().map(|point| point.0).collect())
        .unwrap_or_default();
    if let Some(system) = floor.and_then(|floor| floor["system_us_each"].as_f64()) {
        cpu.push(Line {
            name: "floor: bare sends".to_owned(),
            points: ends.iter().map(|end| (*end, system)).collect(),
        });
    }
    vec![
        chart(
            "Median latency",
            "milliseconds",
            Scale::Logarithmic,
            lines(&["/latencies/0/p50_ms"]),
        ),
        chart(
            "99th percentile",
            "milliseconds",
            Scale::Logarithmic,
            lines(&["/latencies/0/p99_ms"]),
        ),
        chart(
            "Server CPU per delivery, user and system",
            "microseconds",
            Scale::Linear,
            cpu,
        ),
        chart(
            "Server CPU per delivery, user alone",
            "microseconds",
            Scale::Linear,
            lines(&["/server/user_us_each"]),
        ),
        chart(
            "99th percentile during the search for the limit",
            "milliseconds",
            Scale::Logarithmic,
            searches(reports),
        ),
    ]
}

/// The steps of the first search of each server.
fn searches(reports: &Reports) -> Vec<Line> {
    let servers = reports
        .iter()
        .filter(|(measure, _)| measure.starts_with("limit"))
        .flat_map(|(_, servers)| servers);
    let lines = servers.filter_map(|(server, rounds)| {
        let steps = rounds.first()?["steps"].as_array()?;
        let points = steps
            .iter()
            .filter_map(|step| Some((step["asked_per_s"].as_f64()?, step["p99_ms"].as_f64()?)));
        Some(Line {
            name: server.clone(),
            points: points.collect(),
        })
    });
    sorted(lines.collect())
}

fn sorted(mut lines: Vec<Line>) -> Vec<Line> {
    lines
        .iter_mut()
        .for_each(|line| line.points.sort_by(|a, b| a.0.total_cmp(&b.0)));
    lines
}

fn asked_per_s(report: &Value) -> f64 {
    let plan = |name: &str| report["plan"][name].as_f64().unwrap_or(0.0);
    plan("rooms") * plan("players") * plan("rate") * (plan("players") + plan("spectators") - 1.0)
}

fn microseconds(value: f64) -> String {
    format!("{value:.2} µs")
}

fn seconds(value: f64) -> String {
    format!("{value:.2} s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_the_median_of_the_rounds_that_held() {
        let rounds: Vec<Value> = [3.0, 1.0, 9.0, 5.0]
            .iter()
            .map(|value| serde_json::json!({"measured_s": value, "steps": [{"fault": null}]}))
            .collect();
        let time = column("", &["/measured_s"], rounded);
        assert_eq!(figure("fill", &rounds, &time), Some(4.0));
        assert_eq!(figure("fill", &rounds[..3], &time), Some(3.0));
        assert_eq!(figure("fill", &[], &time), None);
        let failed = [serde_json::json!({"measured_s": 1.0, "steps": [{"fault": "p99"}]})];
        assert_eq!(figure("limit", &failed, &time), None);
    }

    #[test]
    fn a_run_is_set_beside_the_floor_of_its_calls() {
        let run = |counts: Value| serde_json::json!({"counts": counts, "server": {"user_us_each": 1.0, "system_us_each": 5.0}});
        let counted = run(serde_json::json!({"messages_out": 100, "sends": 50, "receives": 20}));
        let servers = BTreeMap::from([
            ("ours".to_owned(), vec![counted]),
            ("died".to_owned(), vec![run(Value::Null)]),
        ]);
        let reports = Reports::from([("relay-005".to_owned(), servers)]);
        let floor = serde_json::json!({"user_us_each": 0.5, "system_us_each": 3.5, "receive_us_each": 5.0});
        let (mut markdown, mut page) = (String::new(), String::new());
        write_beside_floor(&reports, &floor, &mut markdown, &mut page).unwrap();
        // Half a send at 4 µs and a fifth of a receive at 5 µs make 3 µs.
        assert!(
            markdown.contains("| relay-005 | ours | 0.50 | 0.20 | 3.00 µs | 6.00 µs | 2.00 |"),
            "{markdown}"
        );
        assert!(!markdown.contains("died"), "{markdown}");
    }

    #[test]
    fn others_are_shown_with_their_ratio_to_ours() {
        let report = |value: f64| vec![serde_json::json!({"measured_s": value})];
        let time = compared("", &["/measured_s"], seconds);
        assert_eq!(cell("fill", &report(3.0), Some(&report(2.0)), &time), "3.00 s (1.50×)");
        assert_eq!(cell("fill", &report(3.0), None, &time), "3.00 s");
        assert_eq!(cell("fill", &[], None, &time), "-");
    }
}
