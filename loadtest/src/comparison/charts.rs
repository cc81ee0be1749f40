//! The charts of a comparison.

use super::figures::{CPU_EACH, Figure, P50_MS, P99_MS, USER_EACH, column, figure, verdict};
use super::rounds::{Reports, Round, in_order, relays};
use crate::floor::Floor;
use crate::report::chart::{Chart, Line, Scale, escape};
use crate::report::text::rounded;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The charts over all servers, below each of them what disturbed its runs.
pub(super) fn write(reports: &Reports, floor: Option<&Floor>, page: &mut String) {
    let relays = disturbed(reports, "relay");
    for chart in charts(reports, floor) {
        write_chart(&chart, &relays, page);
    }
    write_chart(&searches(reports), &disturbed(reports, "limit"), page);
}

fn charts(reports: &Reports, floor: Option<&Floor>) -> Vec<Chart> {
    let relays: Vec<_> = relays(reports).collect();
    let lines = |of: Figure| -> Vec<Line> {
        let mut lines: BTreeMap<&str, Vec<(f64, f64)>> = BTreeMap::new();
        for (_, servers) in &relays {
            for (server, rounds) in *servers {
                let asked = rounds.first().map_or(0.0, Round::asked_per_s);
                if let Some(value) = figure(rounds, &column("", of, rounded)) {
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
    if let Some(system) = floor.map(|floor| floor.system_us_each) {
        cpu.push(Line {
            name: "floor: bare sends".to_owned(),
            points: ends.iter().map(|end| (*end, system)).collect(),
        });
    }
    vec![
        chart("Median latency", "milliseconds", Scale::Logarithmic, lines(P50_MS)),
        chart("99th percentile", "milliseconds", Scale::Logarithmic, lines(P99_MS)),
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
            lines(USER_EACH),
        ),
    ]
}

/// The steps of the first search of each server.
fn searches(reports: &Reports) -> Chart {
    let servers = reports
        .iter()
        .filter(|(measure, _)| measure.starts_with("limit"))
        .flat_map(|(_, servers)| servers);
    let lines = servers.filter_map(|(server, rounds)| {
        let steps = rounds.first()?.steps.iter();
        Some(Line {
            name: server.clone(),
            points: steps.map(|step| (step.asked_per_s, step.p99_ms)).collect(),
        })
    });
    Chart {
        title: "99th percentile during the search for the limit".to_owned(),
        x_label: "deliveries per second asked for",
        y_label: "milliseconds",
        x_scale: Scale::Linear,
        y_scale: Scale::Logarithmic,
        lines: sorted(lines.collect()),
    }
}

fn sorted(mut lines: Vec<Line>) -> Vec<Line> {
    lines
        .iter_mut()
        .for_each(|line| line.points.sort_by(|a, b| a.0.total_cmp(&b.0)));
    lines
}

/// A chart, and below it in which of its runs the generator was in the way.
pub(super) fn write_chart(chart: &Chart, disturbed: &str, page: &mut String) {
    let svg = chart.to_svg();
    page.push_str(&svg);
    if !svg.is_empty() && !disturbed.is_empty() {
        // Writing to a String cannot fail.
        let _ = write!(page, "<p class=\"note\">{}</p>", escape(disturbed));
    }
}

/// In which runs of the measures of that kind the generator says something against itself; empty: in none.
pub(super) fn disturbed(reports: &Reports, kind: &str) -> String {
    let measures = reports.iter().filter(|(measure, _)| measure.starts_with(kind));
    let runs: Vec<String> = measures
        .flat_map(|(measure, servers)| in_order(servers).map(move |(server, rounds)| (measure, server, rounds)))
        .filter_map(|(measure, server, rounds)| {
            let (said, times) = verdict(rounds)?;
            Some(format!("{measure}, {server}: {said} ({times} of {})", rounds.len()))
        })
        .collect();
    runs.join("; ")
}
