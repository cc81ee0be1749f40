//! Our server's figures beside those of its rivals, and the bounds that they have to keep.

use super::figures::{
    BesideFloor, CPU_EACH, Column, DELIVERED_PER_S, P50_MS, P99_MS, RESIDENT_EACH, Table, USER_EACH, WRONG, column,
    figure, microseconds, verdict, worst,
};
use super::rounds::{OURS, Reports, Round, Servers};
use crate::floor::Floor;
use crate::report::text::{bytes, milliseconds, rounded};
use std::collections::BTreeMap;

/// A relay on Bun without any rule.
const BUN: &str = "bun";
/// Our server at an earlier revision.
const BEFORE: &str = "before";
/// The same without its batching window.
const UNBATCHED: &str = "before-unbatched";

const DELIVERED: &str = "delivered/s";
const P50: &str = "p50";
const P99: &str = "p99";
const CPU: &str = "CPU";
const USER: &str = "user CPU";
const LOST: &str = "lost or wrong";
const RESIDENT: &str = "RSS per joined connection";
const BESIDE_FLOOR: &str = "CPU beside the floor of its calls";

const CHURN: &str = "connect, join, close";
const IDLE: &str = "idle";
const LIMIT: &str = "highest lossless rate";

/// Load, figure, rival, and by how many times our figure may exceed the rival's.
const RATIOS_MAX: &[(&str, &str, &str, f64)] = &[
    ("28,000/s", P50, BUN, 0.9),
    ("28,000/s", P99, BUN, 0.8),
    ("28,000/s", CPU, BUN, 0.8),
    ("112,000/s", P50, BUN, 0.6),
    ("112,000/s", P99, BUN, 0.35),
    ("112,000/s", CPU, BUN, 0.85),
    ("224,000/s", P50, BUN, 0.5),
    ("224,000/s", P99, BUN, 0.35),
    ("224,000/s", USER, BUN, 0.6),
    ("448,000/s", USER, BUN, 0.6),
    ("896,000/s", USER, BUN, 0.6),
    (CHURN, CPU, BUN, 1.2),
    ("28,000/s", CPU, BEFORE, 0.9),
    ("28,000/s", USER, BEFORE, 0.6),
    ("28,000/s", BESIDE_FLOOR, UNBATCHED, 0.9),
    (CHURN, CPU, BEFORE, 0.9),
];

/// Load, figure, and how much ours may be.
const FIGURES_MAX: &[(&str, &str, f64)] = &[
    ("448,000/s", LOST, 0.0),
    ("896,000/s", LOST, 0.0),
    (IDLE, RESIDENT, 800.0),
];

const RELAY: &[Column] = &[
    column(DELIVERED, DELIVERED_PER_S, rounded),
    column(P50, P50_MS, milliseconds),
    column(P99, P99_MS, milliseconds),
    column(CPU, CPU_EACH, microseconds),
    column(USER, USER_EACH, microseconds),
    worst(LOST, WRONG, rounded),
];
const CYCLES: &[Column] = &[
    column(CPU, CPU_EACH, microseconds),
    column(USER, USER_EACH, microseconds),
];
const MEMORY: &[Column] = &[column(RESIDENT, RESIDENT_EACH, bytes)];
const HIGHEST: &[Column] = &[column(DELIVERED, DELIVERED_PER_S, rounded)];

/// Share of the rate asked for that has to arrive, or a bound at that rate says nothing.
const REACHED_MIN: f64 = 0.97;

/// One row per load and figure.
pub(super) fn table(reports: &Reports, floor: Option<&Floor>) -> Table {
    let mut rows = Vec::new();
    for (measure, servers) in reports {
        let asked = servers.values().flatten().next().map_or(0.0, Round::asked_per_s);
        let (name, columns) = match measure.split('-').next() {
            Some("relay") => (format!("{}/s", rounded(asked)), RELAY),
            Some("limit") => (LIMIT.to_owned(), HIGHEST),
            Some("idle") => (IDLE.to_owned(), MEMORY),
            Some("churn") => (CHURN.to_owned(), CYCLES),
            _ => continue,
        };
        let delivered = servers
            .get(OURS)
            .and_then(|rounds| figure(rounds, &column(DELIVERED, DELIVERED_PER_S, rounded)));
        let load = Load {
            name: &name,
            servers,
            reached: !measure.starts_with("relay")
                || delivered.is_none_or(|delivered| delivered >= REACHED_MIN * asked),
        };
        for column in columns {
            let value = |rounds: &[Round]| figure(rounds, column);
            rows.push(load.row(column.heading, BEFORE, value, column.show));
        }
        if let Some(floor) = floor.filter(|_| servers.contains_key(UNBATCHED)) {
            let value = |rounds: &[Round]| BesideFloor::of(rounds, floor).map(|beside| beside.ratio());
            let show = |ratio| format!("{ratio:.2}");
            rows.push(load.row(BESIDE_FLOOR, UNBATCHED, value, show));
        }
    }
    // Rates by size, then the other loads.
    rows.sort_by_key(|row: &Vec<String>| {
        let rate: String = row[0].split("/s").next().unwrap_or_default().replace(',', "");
        rate.parse().unwrap_or(u64::MAX)
    });
    let headings = [
        "load, figure",
        "ours",
        "bound",
        "bun",
        "ours / bun",
        "bound",
        "before",
        "ours / before",
        "bound",
        "generator",
    ];
    Table {
        title: "Bounds".to_owned(),
        note: format!(
            "A CPU figure is per delivery, or per connection where nothing is relayed. In the row `{BESIDE_FLOOR}` the earlier \
             server runs without its batching window. A bound says nothing where less than {:.0} % of the rate asked for arrived.",
            REACHED_MIN * 100.0
        ),
        headings: headings.map(str::to_owned).to_vec(),
        rows,
    }
}

/// A load that the servers were put under.
struct Load<'a> {
    name: &'a str,
    servers: &'a Servers,
    /// Whether our server delivered at the rate asked for; true where nothing is relayed.
    reached: bool,
}

impl Load<'_> {
    /// Our figure, Bun's, and that of `earlier`.
    fn row(
        &self,
        figure: &str,
        earlier: &str,
        value: impl Fn(&[Round]) -> Option<f64>,
        show: impl Fn(f64) -> String,
    ) -> Vec<String> {
        let of = |server: &str| self.servers.get(server).and_then(|rounds| value(rounds));
        let shown = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), &show);
        let ours = of(OURS);
        let most = FIGURES_MAX
            .iter()
            .find(|bound| (bound.0, bound.1) == (self.name, figure));
        let absolute = most.map(|bound| self.judge(ours, bound.2, &show));
        let mut row = vec![format!("{}, {figure}", self.name), shown(ours), cell(absolute)];
        for rival in [BUN, earlier] {
            let theirs = of(rival);
            let ratio = ours
                .zip(theirs)
                .filter(|(_, theirs)| *theirs > 0.0)
                .map(|(ours, theirs)| ours / theirs);
            let most = RATIOS_MAX
                .iter()
                .find(|bound| (bound.0, bound.1, bound.2) == (self.name, figure, rival));
            let bound = most.map(|bound| self.judge(ratio, bound.3, times));
            row.extend([shown(theirs), cell(ratio.map(times)), cell(bound)]);
        }
        row.push(self.verdicts(&[OURS, BUN, earlier]));
        row
    }

    fn judge(&self, value: Option<f64>, most: f64, show: impl Fn(f64) -> String) -> String {
        let kept = match value {
            None => "not measured",
            Some(_) if !self.reached => "rate not reached",
            Some(value) if value <= most => "kept",
            Some(_) => "missed",
        };
        format!("≤ {}: {kept}", show(most))
    }

    /// What the generator complained of about itself, and in how many runs against which server.
    fn verdicts(&self, servers: &[&str]) -> String {
        let mut runs: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for server in servers {
            let rounds = self.servers.get(*server).map_or(&[][..], Vec::as_slice);
            if let Some((said, times)) = verdict(rounds) {
                runs.entry(said)
                    .or_default()
                    .push(format!("{server} {times} of {}", rounds.len()));
            }
        }
        if runs.is_empty() {
            return "fine".to_owned();
        }
        let said: Vec<String> = runs
            .iter()
            .map(|(said, runs)| format!("{said} ({})", runs.join(", ")))
            .collect();
        said.join("; ")
    }
}

fn cell(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".to_owned())
}

fn times(ratio: f64) -> String {
    format!("{ratio:.2}×")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn round(value: Value) -> Round {
        serde_json::from_value(value).unwrap()
    }

    fn relay(rate: f64, p50_ms: f64, lost: u64) -> Round {
        let mut round = round(json!({
            "plan": {"rooms": 100, "players": 8, "spectators": 0, "rate": rate},
            "latencies": [{"p50_ms": p50_ms, "p99_ms": 2.0 * p50_ms}],
            "messages": {"lost": lost},
            "throughput": {"delivered_per_s": rate * 5_600.0},
            "server": {"user_us_each": 1.0, "system_us_each": 5.0},
        }));
        round.counts = serde_json::from_value(json!({"messages_out": 100, "sends": 100, "receives": 0})).unwrap();
        round
    }

    fn row_of<'a>(table: &'a Table, name: &str) -> &'a [String] {
        table.rows.iter().find(|row| row[0] == name).unwrap()
    }

    #[test]
    fn our_figure_is_judged_by_its_ratio_to_the_rivals() {
        let servers = [(OURS, 0.5), (BUN, 1.0), (BEFORE, 0.25)]
            .map(|(server, p50_ms)| (server.to_owned(), vec![relay(5.0, p50_ms, 0)]));
        let reports = Reports::from([("relay-005".to_owned(), Servers::from(servers))]);
        let table = table(&reports, None);
        let row = row_of(&table, "28,000/s, p50");
        assert_eq!(row[3..6], ["1.00 ms", "0.50×", "≤ 0.90×: kept"]);
        assert_eq!(row[6..9], ["0.25 ms", "2.00×", "-"]);
        assert_eq!(row_of(&table, "28,000/s, CPU")[5], "≤ 0.80×: missed");
        assert_eq!(row_of(&table, "28,000/s, p50")[9], "fine");
    }

    #[test]
    fn one_loss_in_one_round_breaks_the_bound() {
        let ours = vec![relay(80.0, 1.0, 0), relay(80.0, 1.0, 0), relay(80.0, 1.0, 1)];
        let reports = Reports::from([("relay-080".to_owned(), Servers::from([(OURS.to_owned(), ours)]))]);
        let table = table(&reports, None);
        assert_eq!(
            row_of(&table, "448,000/s, lost or wrong")[1..4],
            ["1", "≤ 0: missed", "-"]
        );
        assert_eq!(row_of(&table, "448,000/s, user CPU")[5], "≤ 0.60×: not measured");
    }

    #[test]
    fn a_rate_that_was_not_reached_keeps_no_bound() {
        let mut ours = relay(80.0, 1.0, 0);
        ours.throughput.delivered_per_s = 400_000.0;
        ours.generator.bottleneck = Some("the generator was late: by much".to_owned());
        let servers = [
            (OURS.to_owned(), vec![ours]),
            (BUN.to_owned(), vec![relay(80.0, 1.0, 0)]),
        ];
        let reports = Reports::from([("relay-080".to_owned(), Servers::from(servers))]);
        let table = table(&reports, None);
        assert_eq!(row_of(&table, "448,000/s, lost or wrong")[2], "≤ 0: rate not reached");
        let row = row_of(&table, "448,000/s, user CPU");
        assert_eq!(row[5], "≤ 0.60×: rate not reached");
        assert_eq!(row[9], "the generator was late (ours 1 of 1)");
    }

    #[test]
    fn only_a_relay_has_a_rate_to_reach() {
        let report = round(json!({
            "plan": {"rooms": 100, "players": 8, "spectators": 0, "rate": 1.0},
            "throughput": {"delivered_per_s": 0},
            "server": {"resident_each_bytes": 700},
        }));
        let servers = Servers::from([(OURS.to_owned(), vec![report])]);
        let table = table(&Reports::from([("idle".to_owned(), servers)]), None);
        let row = row_of(&table, "idle, RSS per joined connection");
        assert_eq!(row[2], "≤ 800 B: kept");
    }

    #[test]
    fn a_server_that_left_no_report_was_not_measured() {
        let servers = Servers::from([(BUN.to_owned(), vec![relay(80.0, 1.0, 0)])]);
        let table = table(&Reports::from([("relay-080".to_owned(), servers)]), None);
        let row = row_of(&table, "448,000/s, lost or wrong");
        assert_eq!(row[1..3], ["-", "≤ 0: not measured"]);
    }

    #[test]
    fn the_floor_is_compared_with_the_earlier_server_without_its_window() {
        let servers = [OURS, BEFORE, UNBATCHED].map(|server| (server.to_owned(), vec![relay(5.0, 1.0, 0)]));
        let reports = Reports::from([("relay-005".to_owned(), Servers::from(servers))]);
        let floor = Floor {
            system_us_each: 3.0,
            ..Floor::default()
        };
        let table = table(&reports, Some(&floor));
        let row = row_of(&table, "28,000/s, CPU beside the floor of its calls");
        assert_eq!((&*row[1], &*row[6], &*row[8]), ("2.00", "2.00", "≤ 0.90×: missed"));
    }

    #[test]
    fn every_bound_names_a_row() {
        let rates = [5.0, 20.0, 40.0, 80.0, 160.0];
        let mut reports: Reports = rates
            .iter()
            .map(|rate| {
                let servers = [OURS, UNBATCHED].map(|server| (server.to_owned(), vec![relay(*rate, 1.0, 0)]));
                (format!("relay-{rate:03}"), Servers::from(servers))
            })
            .collect();
        let server = json!({"user_us_each": 1.0, "system_us_each": 1.0, "resident_each_bytes": 1.0});
        let cycle = round(json!({"server": server}));
        for measure in ["churn", "idle"] {
            reports.insert(
                measure.to_owned(),
                Servers::from([(OURS.to_owned(), vec![cycle.clone()])]),
            );
        }
        let floor = Floor {
            user_us_each: 1.0,
            system_us_each: 1.0,
            receive_us_each: 1.0,
            ..Floor::default()
        };
        let table = table(&reports, Some(&floor));
        let loads = RATIOS_MAX.iter().map(|bound| (bound.0, bound.1));
        for (load, name) in loads.chain(FIGURES_MAX.iter().map(|bound| (bound.0, bound.1))) {
            row_of(&table, &format!("{load}, {name}"));
        }
    }
}
