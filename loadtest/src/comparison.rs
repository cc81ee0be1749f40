//! Sets the reports of several servers side by side: tables and charts from a folder that `scripts/compare.sh` filled.
//!
//! A report lies in `<measure>__<server>__<round>.json`, what the server counted beside it in `…__counts.json`, the floor in
//! `floor.json`, what each server was in `versions.json`. Figures are medians over the rounds, losses those of the worst.

mod bounds;
mod figures;

pub use figures::Comparison;

use crate::report::chart::{Chart, Line, Scale, escape};
use crate::report::text::{bytes, milliseconds, rounded};
use figures::{
    BesideFloor, CPU_EACH, Column, OURS, Reports, Table, asked_per_s, column, compared, figure, microseconds, prices,
    verdict, worst,
};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

const RELAY: &[Column] = &[
    column("delivered/s", &["/throughput/delivered_per_s"], rounded),
    compared("p50", &["/latencies/0/p50_ms"], milliseconds),
    compared("p99", &["/latencies/0/p99_ms"], milliseconds),
    worst("lost", &["/messages/lost"], rounded),
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
    worst("failed", &["/failed"], rounded),
    compared("cycles/s", &["/throughput/completed_per_s"], rounded),
    compared("CPU per cycle", CPU_EACH, microseconds),
    column("user per cycle", &["/server/user_us_each"], microseconds),
    column("system per cycle", &["/server/system_us_each"], microseconds),
    compared("p99", &["/latencies/0/p99_ms"], milliseconds),
];
const FILL: &[Column] = &[
    column("rooms", &["/completed"], rounded),
    worst("failed", &["/failed"], rounded),
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
    let found = read(folder)?;
    let (reports, floor) = (&found.reports, found.floor.as_ref());
    let host = reports
        .values()
        .flat_map(BTreeMap::values)
        .flatten()
        .next()
        .map(|report| report["host"].clone());
    let host = host.ok_or_else(|| format!("{} holds no reports", folder.display()))?;
    let mut out = Comparison {
        markdown: String::from("# Comparison\n\n"),
        page: format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Comparison</title><style>{}</style></head>\
             <body><h1>Comparison</h1>",
            crate::report::html::STYLE
        ),
    };
    // Writing to a String cannot fail.
    let _ = write_host(&host, &found, &mut out);
    let _ = bounds::table(reports, floor).write(&mut out);
    for (measure, servers) in reports {
        let _ = table(measure, servers).write(&mut out);
    }
    if let Some(floor) = floor {
        let _ = floor_table(reports, floor).write(&mut out);
    }
    for chart in charts(reports, floor) {
        out.page.push_str(&chart.to_svg());
    }
    out.page.push_str("</body></html>");
    Ok(out)
}

/// What lay in the folder.
struct Found {
    reports: Reports,
    floor: Option<Value>,
    /// What each server was, by its name.
    versions: Option<Value>,
}

fn read(folder: &Path) -> Result<Found, String> {
    let fault = |path: &Path, error: &dyn std::fmt::Display| format!("cannot read {}: {error}", path.display());
    let mut found = Found {
        reports: Reports::new(),
        floor: None,
        versions: None,
    };
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
                let servers = found.reports.entry(measure.to_owned()).or_default();
                servers.entry(server.to_owned()).or_default().push(value);
            }
            ["floor"] => found.floor = Some(value),
            ["versions"] => found.versions = Some(value),
            _ => {}
        }
    }
    Ok(found)
}

/// How the name of a file ends in which a server's counts lie.
const COUNTS: &str = "__counts";

/// What the server counted in the run of the report at `path`, null where it does not say: it may have died.
fn counts(path: &Path) -> Value {
    let path = format!("{}{COUNTS}.json", path.with_extension("").display());
    let text = std::fs::read_to_string(path).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

fn floor_table(reports: &Reports, floor: &Value) -> Table {
    let (send, receive) = prices(floor);
    let mut rows = Vec::new();
    for (measure, servers) in relays(reports) {
        for (server, rounds) in in_order(servers) {
            let Some(beside) = BesideFloor::of(measure, rounds, floor) else {
                continue;
            };
            rows.push(vec![
                format!("{measure}, {server}"),
                format!("{:.2}", beside.sends_per_message),
                format!("{:.2}", beside.receives_per_message),
                microseconds(beside.least),
                microseconds(beside.cpu),
                format!("{:.2}", beside.ratio()),
            ]);
        }
    }
    let headings = [
        "measure, server",
        "sends per message",
        "receives per message",
        "these at the floor",
        "CPU per delivery",
        "ratio",
    ];
    Table {
        title: "Beside the floor".to_owned(),
        note: format!(
            "A send costs {} at the floor and a receive {}. Messages, sends and receives are those of the server's whole life.",
            microseconds(send),
            microseconds(receive)
        ),
        headings: headings.map(str::to_owned).to_vec(),
        rows,
    }
}

/// The relay measures, by rising rate.
fn relays(reports: &Reports) -> impl Iterator<Item = (&String, &BTreeMap<String, Vec<Value>>)> {
    reports.iter().filter(|(measure, _)| measure.starts_with("relay"))
}

/// Our server first, the others by name.
fn in_order(servers: &BTreeMap<String, Vec<Value>>) -> impl Iterator<Item = (&String, &Vec<Value>)> {
    let ours = servers.get_key_value(OURS);
    ours.into_iter()
        .chain(servers.iter().filter(|(server, _)| *server != OURS))
}

fn write_host(host: &Value, found: &Found, out: &mut Comparison) -> std::fmt::Result {
    let part = |name: &str| host[name].as_str().unwrap_or_default().to_owned();
    let mut text = format!(
        "{}, {} processors, {}, revision {}, {}. The server has one core, the generator others. Ratios within one run \
         count, absolute figures belong to this machine. In the tables by measure, a ratio in brackets says how many times \
         ours a figure is.",
        part("cpu"),
        host["cpus"],
        part("kernel"),
        part("git_revision"),
        part("time")
    );
    let versions = found.versions.as_ref().and_then(Value::as_object);
    for (server, version) in versions.into_iter().flatten() {
        write!(text, " {server}: {}.", version.as_str().unwrap_or_default())?;
    }
    if let Some(floor) = &found.floor {
        let figure = |name: &str| floor[name].as_f64().unwrap_or(0.0);
        write!(
            text,
            " The floor, a bare loop of sends to as many sockets: {} sends/s, {} in the kernel and {} in user space each.",
            rounded(figure("sends_per_s")),
            microseconds(figure("system_us_each")),
            microseconds(figure("user_us_each"))
        )?;
    }
    writeln!(out.markdown, "{text}\n")?;
    write!(out.page, "<p class=\"sub\">{}</p>", escape(&text))
}

fn table(measure: &str, servers: &BTreeMap<String, Vec<Value>>) -> Table {
    let columns = columns(measure);
    let mut headings = vec!["server".to_owned()];
    headings.extend(columns.iter().map(|column| column.heading.to_owned()));
    headings.extend(["rounds", "generator"].map(str::to_owned));
    let row = |(server, rounds): (&String, &Vec<Value>)| {
        let ours = servers.get(OURS).filter(|_| server != OURS);
        let mut row = vec![server.clone()];
        row.extend(columns.iter().map(|column| cell(measure, rounds, ours, column)));
        let said = verdict(rounds).map_or_else(|| "fine".to_owned(), |(said, times)| format!("{said} ({times})"));
        row.extend([rounds.len().to_string(), said]);
        row
    };
    Table {
        title: measure.to_owned(),
        note: String::new(),
        headings,
        rows: in_order(servers).map(row).collect(),
    }
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

fn charts(reports: &Reports, floor: Option<&Value>) -> Vec<Chart> {
    let relays: Vec<_> = relays(reports).collect();
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
    let mut cpu = lines(CPU_EACH);
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
        // Half a send at 4 µs and a fifth of a receive at 5 µs make 3 µs; a server without counts has no row.
        let row = ["relay-005, ours", "0.50", "0.20", "3.00 µs", "6.00 µs", "2.00"];
        assert_eq!(floor_table(&reports, &floor).rows, [row]);
    }

    #[test]
    fn others_are_shown_with_their_ratio_to_ours() {
        let report = |value: f64| vec![serde_json::json!({"measured_s": value})];
        let time = compared("", &["/measured_s"], seconds);
        assert_eq!(cell("fill", &report(3.0), Some(&report(2.0)), &time), "3.00 s (1.50×)");
        assert_eq!(cell("fill", &report(3.0), None, &time), "3.00 s");
        assert_eq!(cell("fill", &[], None, &time), "-");
    }
    #[test]
    fn losses_are_those_of_the_worst_round() {
        let rounds = [0, 0, 7].map(|lost| serde_json::json!({"messages": {"lost": lost}}));
        assert_eq!(
            figure("relay-005", &rounds, &worst("", &["/messages/lost"], rounded)),
            Some(7.0)
        );
    }

    #[test]
    fn a_row_says_what_the_generator_says_against_itself() {
        let round = |said: Value| serde_json::json!({"generator": {"bottleneck": said}});
        let late = round("the generator was late: 1 % of its messages".into());
        assert_eq!(
            verdict(&[round(Value::Null), late]),
            Some(("the generator was late", 1))
        );
        assert_eq!(verdict(&[round(Value::Null)]), None);
        let late = "the generator was the bottleneck: a thread was busy 95 % of the time";
        let search = serde_json::json!({"steps": [{"fault": null}, {"fault": "p99", "generator": late}]});
        assert!(verdict(&[search]).is_some());
    }

    #[test]
    fn our_server_comes_first_and_every_table_has_both_forms() {
        let servers = BTreeMap::from(["bun", "ours"].map(|name| (name.to_owned(), vec![Value::Null])));
        let mut out = Comparison {
            markdown: String::new(),
            page: String::new(),
        };
        table("idle", &servers).write(&mut out).unwrap();
        let places = |text: &str| ["ours", "bun"].map(|name| text.find(name).unwrap());
        assert!(places(&out.markdown).is_sorted(), "{}", out.markdown);
        assert!(places(&out.page).is_sorted(), "{}", out.page);
    }
}
