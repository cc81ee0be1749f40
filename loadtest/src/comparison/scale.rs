//! What more shards bring: measures `scale-<shards>`, each the search for the highest rate, with a load that grows with the
//! shards.

use super::charts::{disturbed, write_chart};
use super::figures::{
    CPU_EACH, Comparison, DELIVERED_PER_S, P99_MS, Table, WRONG, column, figure, microseconds, said, worst,
};
use super::rounds::{OURS, Reports, Round};
use crate::report::chart::{Chart, Line, Scale};
use crate::report::text::{milliseconds, rounded};

/// How the measures begin.
pub(super) const MEASURE: &str = "scale-";

/// Shards and their rounds, fewest first.
fn steps(reports: &Reports) -> Vec<(f64, &[Round])> {
    let steps = reports.iter().filter_map(|(measure, servers)| {
        let shards: u32 = measure.strip_prefix(MEASURE)?.parse().ok()?;
        Some((f64::from(shards), servers.get(OURS)?.as_slice()))
    });
    let mut steps: Vec<_> = steps.collect();
    steps.sort_by(|a, b| a.0.total_cmp(&b.0));
    steps
}

/// A table and a chart; nothing if no such measures were taken.
pub(super) fn write(reports: &Reports, out: &mut Comparison) -> std::fmt::Result {
    table(reports).write(out)?;
    write_chart(&chart(reports), &disturbed(reports, MEASURE), &mut out.page);
    Ok(())
}

fn highest(rounds: &[Round]) -> Option<f64> {
    figure(rounds, &column("", DELIVERED_PER_S, rounded))
}

/// Deliveries per second of one shard in the measure with the fewest shards.
fn of_one(steps: &[(f64, &[Round])]) -> Option<f64> {
    let (shards, rounds) = steps.first()?;
    Some(highest(rounds)? / shards)
}

fn table(reports: &Reports) -> Table {
    let steps = steps(reports);
    let one = of_one(&steps);
    let row = |(shards, rounds): &(f64, &[Round])| {
        let shown = |value: Option<f64>, show: fn(f64) -> String| value.map_or_else(|| "-".to_owned(), show);
        let total = highest(rounds);
        let of_ideal = total.zip(one).map(|(total, one)| total / (one * shards) * 100.0);
        vec![
            format!("{shards}"),
            shown(total, rounded),
            shown(total.map(|total| total / shards), rounded),
            shown(of_ideal, |share| format!("{share:.0} %")),
            balance(rounds),
            shown(figure(rounds, &column("", P99_MS, milliseconds)), milliseconds),
            shown(figure(rounds, &column("", CPU_EACH, microseconds)), microseconds),
            shown(figure(rounds, &worst("", WRONG, rounded)), rounded),
            rounds.len().to_string(),
            said(rounds),
        ]
    };
    let headings = [
        "shards",
        "highest delivered/s",
        "per shard",
        "of as many single shards",
        "share of a shard, least to most",
        "p99 there",
        "CPU per delivery",
        "lost or wrong there",
        "rounds",
        "generator",
    ];
    Table {
        title: "Over shards".to_owned(),
        note: "Rooms grow with the shards. A share is that of the messages which a shard sent in the life of its server; even \
               shares are 1."
            .to_owned(),
        headings: headings.map(str::to_owned).to_vec(),
        rows: steps.iter().map(row).collect(),
    }
}

/// How evenly the shards of the last round had to do; 1 is the mean.
fn balance(rounds: &[Round]) -> String {
    let by_shard = rounds.last().map_or(&[][..], |round| round.by_shard.as_slice());
    let mean = by_shard.iter().sum::<f64>() / by_shard.len().max(1) as f64;
    if mean <= 0.0 {
        return "-".to_owned();
    }
    let least = by_shard.iter().copied().fold(f64::INFINITY, f64::min);
    let most = by_shard.iter().copied().fold(0.0, f64::max);
    format!("{:.2} to {:.2}", least / mean, most / mean)
}

fn chart(reports: &Reports) -> Chart {
    let steps = steps(reports);
    let one = of_one(&steps).unwrap_or(0.0);
    let line = |name: &str, value: &dyn Fn(f64, &[Round]) -> Option<f64>| Line {
        name: name.to_owned(),
        points: steps
            .iter()
            .filter_map(|(shards, rounds)| Some((*shards, value(*shards, rounds)?)))
            .collect(),
    };
    Chart {
        title: "Highest rate over shards".to_owned(),
        x_label: "shards",
        y_label: "deliveries per second",
        x_scale: Scale::Linear,
        y_scale: Scale::Linear,
        lines: vec![
            line("all shards", &|_, rounds| highest(rounds)),
            line("as many single shards", &|shards, _| Some(one * shards)),
            line("per shard", &|shards, rounds| Some(highest(rounds)? / shards)),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::collections::BTreeMap;

    #[test]
    fn a_row_tells_the_total_the_share_of_a_shard_and_what_is_missing_to_the_ideal() {
        let measure = |shards: u32, per_s: f64| {
            let mut round: Round = serde_json::from_value(json!({"throughput": {"delivered_per_s": per_s}})).unwrap();
            round.by_shard = (0..shards).map(|shard| f64::from(2 + shard % 2)).collect();
            (
                format!("scale-{shards:03}"),
                BTreeMap::from([(OURS.to_owned(), vec![round])]),
            )
        };
        let reports = Reports::from([measure(10, 800.0), measure(1, 100.0), measure(2, 190.0)]);
        let rows = table(&reports).rows;
        assert_eq!(rows[0][..5], ["1", "100", "100", "100 %", "1.00 to 1.00"]);
        assert_eq!(rows[1][..5], ["2", "190", "95", "95 %", "0.80 to 1.20"]);
        assert_eq!(rows[2][..4], ["10", "800", "80", "80 %"]);
        assert_eq!(rows[2][9], "fine");
        assert!(chart(&reports).to_svg().contains("as many single shards"));
        assert_eq!(chart(&Reports::new()).to_svg(), "");
    }
}
