//! Sets the reports of several servers side by side: tables and charts from a folder that `scripts/compare.sh` filled.
//!
//! A report lies in `<measure>__<server>__<round>.json`, what the server counted beside it in `…__counts.json`, the floor in
//! `floor.json`, what each server was in `versions.json`. Figures are medians over the rounds with the least and the greatest
//! behind them, faults those of the worst round.

mod bounds;
mod charts;
mod figures;
mod rounds;
mod scale;

pub use figures::Comparison;

use crate::floor::Floor;
use crate::host::Host;
use crate::report::chart::escape;
use crate::report::text::{bytes, milliseconds, rounded};
use figures::{
    BesideFloor, CPU_EACH, Column, DELIVERED_PER_S, P50_MS, P99_MS, RESIDENT_EACH, SYSTEM_EACH, Table, USER_EACH,
    WRONG, column, compared, figure, microseconds, prices, said, spread, worst,
};
use rounds::{Found, OURS, Reports, Round, Servers, in_order, relays};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

const RELAY: &[Column] = &[
    column("delivered/s", DELIVERED_PER_S, rounded),
    compared("p50", P50_MS, milliseconds),
    compared("p99", P99_MS, milliseconds),
    worst("lost or wrong", WRONG, rounded),
    compared("CPU per delivery", CPU_EACH, microseconds),
    column("user per delivery", USER_EACH, microseconds),
    column("system per delivery", SYSTEM_EACH, microseconds),
    column("generator late, p99", |round| round.generator.lag_p99_ms, milliseconds),
    column(
        "server waited for its core",
        |round| Some(round.server?.waited_s),
        seconds,
    ),
];
const LIMIT: &[Column] = &[
    compared("highest delivered/s", DELIVERED_PER_S, rounded),
    column("p50 there", P50_MS, milliseconds),
    column("p99 there", P99_MS, milliseconds),
    worst("lost or wrong there", WRONG, rounded),
    compared("CPU per delivery", CPU_EACH, microseconds),
    column("user per delivery", USER_EACH, microseconds),
    column("system per delivery", SYSTEM_EACH, microseconds),
];
const IDLE: &[Column] = &[
    column("connections", |round| Some(round.connections.joined as f64), rounded),
    compared("RSS per connection", RESIDENT_EACH, bytes),
    column(
        "RSS before",
        |round| Some(round.server?.resident_before_bytes as f64),
        bytes,
    ),
    column("RSS holding", |round| Some(round.server?.resident_bytes as f64), bytes),
];
const CHURN: &[Column] = &[
    column("cycles", |round| Some(round.completed as f64), rounded),
    worst("failed", |round| Some(round.failed as f64), rounded),
    compared("cycles/s", |round| Some(round.throughput.completed_per_s), rounded),
    compared("CPU per cycle", CPU_EACH, microseconds),
    column("user per cycle", USER_EACH, microseconds),
    column("system per cycle", SYSTEM_EACH, microseconds),
    compared("p99", P99_MS, milliseconds),
];
const FILL: &[Column] = &[
    column("rooms", |round| Some(round.completed as f64), rounded),
    worst("failed", |round| Some(round.failed as f64), rounded),
    compared("time", |round| Some(round.measured_s), seconds),
    compared(
        "CPU",
        |round| Some(round.server?.user_s + round.server?.system_s),
        seconds,
    ),
    column("user", |round| Some(round.server?.user_s), seconds),
    column("system", |round| Some(round.server?.system_s), seconds),
    column("p99 per room", P99_MS, milliseconds),
];

/// Reads the folder.
///
/// # Errors
/// A sentence: the folder or a file in it cannot be read, or is no report.
pub fn compare(folder: &Path) -> Result<Comparison, String> {
    let found = Found::read(folder)?;
    let (reports, floor) = (&found.reports, found.floor.as_ref());
    let first = reports.values().flat_map(BTreeMap::values).flatten().next();
    let host = first.map(|round| &round.host);
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
    let _ = write_host(host, &found, &mut out);
    let _ = bounds::table(reports, floor).write(&mut out);
    let compared = reports
        .iter()
        .filter(|(measure, _)| !measure.starts_with(scale::MEASURE));
    for (measure, servers) in compared {
        let _ = table(measure, servers).write(&mut out);
    }
    if let Some(floor) = floor {
        let _ = floor_table(reports, floor).write(&mut out);
    }
    let _ = scale::write(reports, &mut out);
    charts::write(reports, floor, &mut out.page);
    out.page.push_str("</body></html>");
    Ok(out)
}

fn floor_table(reports: &Reports, floor: &Floor) -> Table {
    let (send, receive) = prices(floor);
    let mut rows = Vec::new();
    for (measure, servers) in relays(reports) {
        for (server, rounds) in in_order(servers) {
            let Some(beside) = BesideFloor::of(rounds, floor) else {
                continue;
            };
            rows.push(vec![
                format!("{measure}, {server}"),
                format!("{:.2}", beside.sends_per_message),
                format!("{:.2}", beside.receives_per_message),
                microseconds(beside.least),
                microseconds(beside.cpu),
                format!("{:.2}", beside.ratio()),
                said(rounds),
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
        "generator",
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

fn write_host(host: &Host, found: &Found, out: &mut Comparison) -> std::fmt::Result {
    let mut text = format!(
        "{}, {} processors, {}, revision {}, {}. The server has one core, the generator others. Ratios within one run \
         count, absolute figures belong to this machine. In the tables by measure, a ratio in brackets says how many times \
         ours a figure is; behind a median stand the least and the greatest of the rounds.",
        host.cpu, host.cpus, host.kernel, host.git_revision, host.time
    );
    for (server, version) in &found.versions {
        write!(text, " {server}: {version}.")?;
    }
    if let Some(floor) = &found.floor {
        write!(
            text,
            " The floor, a bare loop of sends to as many sockets: {} sends/s, {} in the kernel and {} in user space each.",
            rounded(floor.sends_per_s),
            microseconds(floor.system_us_each),
            microseconds(floor.user_us_each)
        )?;
    }
    writeln!(out.markdown, "{text}\n")?;
    write!(out.page, "<p class=\"sub\">{}</p>", escape(&text))
}

fn table(measure: &str, servers: &Servers) -> Table {
    let columns = columns(measure);
    let mut headings = vec!["server".to_owned()];
    headings.extend(columns.iter().map(|column| column.heading.to_owned()));
    headings.extend(["rounds", "generator"].map(str::to_owned));
    let row = |(server, rounds): (&String, &Vec<Round>)| {
        let ours = servers.get(OURS).filter(|_| server != OURS);
        let mut row = vec![server.clone()];
        row.extend(columns.iter().map(|column| cell(rounds, ours, column)));
        row.extend([rounds.len().to_string(), said(rounds)]);
        row
    };
    Table {
        title: measure.to_owned(),
        note: String::new(),
        headings,
        rows: in_order(servers).map(row).collect(),
    }
}

/// A figure, its spread over the rounds, and, where it says something, how many times ours it is.
fn cell(rounds: &[Round], ours: Option<&Vec<Round>>, column: &Column) -> String {
    let Some(value) = figure(rounds, column) else {
        return "-".to_owned();
    };
    let spread = spread(rounds, column.of)
        .filter(|_| !column.worst)
        .map_or_else(String::new, |spread| {
            let [least, most] = [spread.least, spread.most].map(column.show);
            if least == most {
                String::new()
            } else {
                format!(" [{least} to {most}]")
            }
        });
    let ours = ours
        .filter(|_| column.ratio)
        .and_then(|ours| figure(ours, column))
        .filter(|ours| *ours > 0.0);
    let ratio = ours.map(|ours| format!(" ({:.2}×)", value / ours)).unwrap_or_default();
    (column.show)(value) + &spread + &ratio
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

fn seconds(value: f64) -> String {
    format!("{value:.2} s")
}

#[cfg(test)]
mod tests {
    use super::figures::verdict;
    use super::*;
    use serde_json::{Value, json};

    fn round(value: Value) -> Round {
        serde_json::from_value(value).unwrap()
    }

    const TIME: Column = compared("", |round| Some(round.measured_s), seconds);

    fn times(values: &[f64]) -> Vec<Round> {
        let steps = json!([{"fault": null}]);
        let times = values.iter();
        times
            .map(|value| round(json!({"measured_s": value, "steps": steps})))
            .collect()
    }

    #[test]
    fn a_figure_is_the_median_of_the_rounds_that_held() {
        let rounds = times(&[3.0, 1.0, 9.0, 5.0]);
        assert_eq!(figure(&rounds, &TIME), Some(4.0));
        assert_eq!(figure(&rounds[..3], &TIME), Some(3.0));
        assert_eq!(figure(&[], &TIME), None);
        let failed = round(json!({"measured_s": 1.0, "steps": [{"fault": "p99"}]}));
        assert_eq!(figure(&[failed], &TIME), None);
    }

    #[test]
    fn a_run_is_set_beside_the_floor_of_its_calls() {
        let mut counted = round(json!({"server": {"user_us_each": 1.0, "system_us_each": 5.0}}));
        let died = counted.clone();
        counted.counts = serde_json::from_value(json!({"messages_out": 100, "sends": 50, "receives": 20})).unwrap();
        let servers = Servers::from([("ours".to_owned(), vec![counted]), ("died".to_owned(), vec![died])]);
        let reports = Reports::from([("relay-005".to_owned(), servers)]);
        let floor = Floor {
            user_us_each: 0.5,
            system_us_each: 3.5,
            receive_us_each: 5.0,
            ..Floor::default()
        };
        // Half a send at 4 µs and a fifth of a receive at 5 µs make 3 µs; a server without counts has no row.
        let row = ["relay-005, ours", "0.50", "0.20", "3.00 µs", "6.00 µs", "2.00", "fine"];
        assert_eq!(floor_table(&reports, &floor).rows, [row]);
    }

    #[test]
    fn others_are_shown_with_their_spread_and_their_ratio_to_ours() {
        let ours = times(&[2.0]);
        assert_eq!(cell(&times(&[3.0]), Some(&ours), &TIME), "3.00 s (1.50×)");
        assert_eq!(
            cell(&times(&[3.0, 2.5, 4.0]), Some(&ours), &TIME),
            "3.00 s [2.50 s to 4.00 s] (1.50×)"
        );
        assert_eq!(cell(&times(&[3.0]), None, &TIME), "3.00 s");
        assert_eq!(cell(&[], None, &TIME), "-");
    }

    #[test]
    fn faults_are_those_of_the_worst_round_whatever_they_are() {
        let rounds =
            [("lost", 0), ("forged", 7), ("lost", 3)].map(|(fault, count)| round(json!({"messages": {fault: count}})));
        assert_eq!(figure(&rounds, &worst("", WRONG, rounded)), Some(7.0));
        assert_eq!(cell(&rounds, None, &worst("", WRONG, rounded)), "7");
    }

    #[test]
    fn a_row_says_what_the_generator_says_against_itself() {
        let late = round(json!({"generator": {"bottleneck": "the generator was late: 1 % of its messages"}}));
        let rounds = [Round::default(), late];
        assert_eq!(verdict(&rounds), Some(("the generator was late", 1)));
        assert_eq!(said(&rounds), "the generator was late (1 of 2)");
        assert_eq!(verdict(&[Round::default()]), None);
        let late = "the generator was the bottleneck: a thread was busy 95 % of the time";
        let search = round(json!({"steps": [{"fault": null}, {"fault": "p99", "generator": late}]}));
        assert!(verdict(&[search]).is_some());
    }

    #[test]
    fn every_table_and_chart_has_the_verdict_of_the_generator() {
        let folder = tempfile::tempdir().unwrap();
        let relay = json!({
            "plan": {"rooms": 1, "players": 2, "rate": 5.0},
            "latencies": [{"p50_ms": 1.0, "p99_ms": 2.0}],
            "server": {"user_us_each": 1.0, "system_us_each": 5.0, "resident_each_bytes": 4.0},
            "generator": {"bottleneck": "the generator was late: by much"},
            "steps": [{"asked_per_s": 1.0, "p99_ms": 1.0}, {"asked_per_s": 2.0, "p99_ms": 1.0}],
        });
        let mut faster = relay.clone();
        faster["plan"]["rate"] = 20.0.into();
        let write = |name: &str, value: &Value| std::fs::write(folder.path().join(name), value.to_string()).unwrap();
        for measure in ["relay-005", "limit", "idle", "churn", "fill"] {
            write(&format!("{measure}__ours__1.json"), &relay);
        }
        write("relay-020__ours__1.json", &faster);
        for measure in ["relay-005", "relay-020"] {
            let counts = json!({"messages_out": 100, "sends": 50, "receives": 20});
            write(&format!("{measure}__ours__1__counts.json"), &counts);
        }
        write("floor.json", &json!({"user_us_each": 0.5}));
        let found = compare(folder.path()).unwrap();
        let tables: Vec<&str> = found.markdown.split("\n## ").skip(1).collect();
        assert_eq!(tables.len(), 8, "{}", found.markdown);
        for table in tables {
            assert!(table.contains("the generator was late"), "{table}");
        }
        let charts: Vec<&str> = found.page.split("<figure>").skip(1).collect();
        assert_eq!(charts.len(), 5, "{}", found.page);
        for chart in charts {
            assert!(chart.contains("the generator was late"), "{chart}");
        }
    }

    #[test]
    fn our_server_comes_first_and_every_table_has_both_forms() {
        let servers = Servers::from(["bun", "ours"].map(|name| (name.to_owned(), vec![Round::default()])));
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
