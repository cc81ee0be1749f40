//! The report as one self-contained page: no script, nothing fetched, fit for paper.

use super::chart::{Chart, Line, Scale, escape};
use super::text::{bytes, grouped, milliseconds, rounded};
use super::{LatencyReport, Report};
use std::fmt::Write as _;

/// Look of our pages on screen and paper.
pub const STYLE: &str = "
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1b1f24; max-width: 900px; margin: 2.5rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.15rem; margin: 2rem 0 .6rem; }
p.sub { color: #57606a; margin: .2rem 0 1.2rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: .7rem; }
.card { border: 1px solid #d0d7de; border-radius: 8px; padding: .6rem .8rem; }
.card b { display: block; font-size: 1.3rem; font-variant-numeric: tabular-nums; }
.card span { color: #57606a; font-size: .85rem; }
.bad b { color: #b71c1c; } .note { border-left: 4px solid #d9730d; padding: .4rem .8rem; background: #fff8f0; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .92rem; }
th, td { text-align: right; padding: .3rem .5rem; border-bottom: 1px solid #e4e8ec; }
th:first-child, td:first-child { text-align: left; } td.wide { text-align: left; }
figure { margin: 1.2rem 0; break-inside: avoid; } figcaption { font-weight: 600; }
svg { width: 100%; height: auto; } .grid { stroke: #e4e8ec; }
svg text { font: 12px system-ui, sans-serif; fill: #57606a; } svg .legend { fill: #1b1f24; font-size: 13px; }
footer { color: #57606a; font-size: .85rem; margin-top: 2rem; }
@page { margin: 14mm; }
@media print { body { margin: 0; max-width: none; font-size: 11pt; } h2 { break-after: avoid; } table, .cards { break-inside: avoid; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
";

/// The page.
#[must_use]
pub fn page(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write_page(report, &mut out);
    out
}

fn write_page(report: &Report, out: &mut String) -> std::fmt::Result {
    let plan = &report.plan;
    let title = format!("Load test: {:?}", plan.load);
    write!(
        out,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style></head><body><h1>{title}</h1>"
    )?;
    let interrupted = if report.interrupted { ", interrupted" } else { "" };
    write!(
        out,
        "<p class=\"sub\">{} · {} · {:.1} s measured{interrupted}</p>",
        escape(&plan.target.url),
        escape(&report.host.time),
        report.measured_s
    )?;
    write_verdict(report, out)?;
    write_cards(report, out)?;
    write_latencies(report, out)?;
    for chart in charts(report) {
        out.push_str(&chart.to_svg());
        write_verdict(report, out)?;
    }
    write_steps(report, out)?;
    write_refusals(report, out)?;
    write_parameters(report, out)?;
    let host = &report.host;
    write!(
        out,
        "<footer>{} · {} · {} processors (used: {}) · {} · {} memory · {} · revision {}</footer></body></html>",
        escape(&host.name),
        escape(&host.cpu),
        host.cpus,
        escape(&host.cpus_allowed),
        escape(&host.kernel),
        bytes(host.memory_bytes as f64),
        escape(&host.generator),
        escape(&host.git_revision)
    )
}

fn write_cards(report: &Report, out: &mut String) -> std::fmt::Result {
    let mut cards: Vec<(String, &str, bool)> = Vec::new();
    let messages = &report.messages;
    if messages.sent > 0 {
        cards.push((
            rounded(report.throughput.delivered_per_s),
            "deliveries per second",
            false,
        ));
        cards.push((grouped(messages.delivered), "delivered", false));
        for (name, count) in messages.faults() {
            cards.push((grouped(count), name, count > 0));
        }
    }
    if report.completed + report.failed > 0 {
        cards.push((grouped(report.completed), "completed", false));
        cards.push((
            format!("{:.1}", report.throughput.completed_per_s),
            "completed per second",
            false,
        ));
        cards.push((grouped(report.failed), "failed", report.failed > 0));
    }
    if let Some(latency) = report.latencies.first() {
        cards.push((milliseconds(latency.p50_ms), "median latency", false));
        cards.push((milliseconds(latency.p99_ms), "99th percentile", false));
    }
    cards.push((grouped(report.connections.joined), "joins", false));
    let gone = report.connections.failed + report.connections.lost;
    cards.push((grouped(gone), "connections failed or lost", gone > 0));
    if let Some(server) = &report.server {
        if let (Some(user), Some(system)) = (server.user_us_each, server.system_us_each) {
            cards.push((
                format!("{user:.2} + {system:.2} µs"),
                "server CPU each, user + system",
                false,
            ));
        }
        cards.push((bytes(server.resident_max_bytes as f64), "server memory at most", false));
        if let Some(each) = server.resident_each_bytes {
            cards.push((bytes(each), "server memory per connection", false));
        }
    }
    out.push_str("<div class=\"cards\">");
    for (figure, what, bad) in cards {
        let class = if bad { "card bad" } else { "card" };
        write!(out, "<div class=\"{class}\"><b>{figure}</b><span>{what}</span></div>")?;
    }
    out.push_str("</div>");
    Ok(())
}

fn write_latencies(report: &Report, out: &mut String) -> std::fmt::Result {
    if report.latencies.is_empty() {
        return Ok(());
    }
    out.push_str(
        "<h2>Latency</h2><table><tr><th>from when it was due</th><th>count</th><th>mean</th><th>p50</th><th>p90</th>\
         <th>p99</th><th>p99.9</th><th>max</th></tr>",
    );
    for latency in &report.latencies {
        write!(
            out,
            "<tr><td>{}</td><td>{}</td>",
            escape(&latency.name),
            grouped(latency.count)
        )?;
        for value in [
            latency.mean_ms,
            latency.p50_ms,
            latency.p90_ms,
            latency.p99_ms,
            latency.p999_ms,
            latency.max_ms,
        ] {
            write!(out, "<td>{}</td>", milliseconds(value))?;
        }
        out.push_str("</tr>");
    }
    out.push_str("</table>");
    write_verdict(report, out)
}

/// What the generator says against itself stands below every table and chart of what it measured: each may be cut out.
fn write_verdict(report: &Report, out: &mut String) -> std::fmt::Result {
    match &report.generator.bottleneck {
        Some(bottleneck) => write!(out, "<p class=\"note\">{}</p>", escape(bottleneck)),
        None => Ok(()),
    }
}

fn charts(report: &Report) -> Vec<Chart> {
    let mut charts = Vec::new();
    if let Some(latency) = report.latencies.first() {
        charts.push(over_time(latency));
    }
    charts.push(Chart {
        title: "Latency by percentile".to_owned(),
        x_label: "share of measurements",
        y_label: "milliseconds",
        x_scale: Scale::Nines,
        y_scale: Scale::Logarithmic,
        lines: report
            .latencies
            .iter()
            .map(|latency| Line {
                name: latency.name.clone(),
                points: latency.distribution.clone(),
            })
            .collect(),
    });
    let line = |name: &str, value: &dyn Fn(&super::SeriesPoint) -> Option<f64>| Line {
        name: name.to_owned(),
        points: report
            .series
            .iter()
            .filter_map(|point| Some((point.at_s, value(point)?)))
            .collect(),
    };
    let linear = |title: &str, y_label, lines: Vec<Line>| Chart {
        title: title.to_owned(),
        x_label: "seconds",
        y_label,
        x_scale: Scale::Linear,
        y_scale: Scale::Linear,
        lines,
    };
    if report.messages.sent > 0 {
        let delivered = line("delivered", &|point| Some(point.delivered_per_s));
        let sent = line("sent", &|point| Some(point.sent_per_s));
        charts.push(linear("Throughput", "messages per second", vec![delivered, sent]));
    }
    if report.completed > 0 {
        let completed = line("completed", &|point| Some(point.completed_per_s));
        charts.push(linear("Completed", "per second", vec![completed]));
    }
    let server = line("server", &|point| point.server_cpu.map(|share| share * 100.0));
    let generator = line("generator's busiest thread", &|point| Some(point.generator_cpu * 100.0));
    charts.push(linear("Processor", "% of one processor", vec![server, generator]));
    let memory = line("server", &|point| {
        point.server_resident_bytes.map(|bytes| bytes as f64 / 1_048_576.0)
    });
    charts.push(linear("Memory", "MiB resident", vec![memory]));
    charts
}

fn over_time(latency: &LatencyReport) -> Chart {
    let line = |name: &str, value: fn(&super::LatencyPoint) -> f64| Line {
        name: name.to_owned(),
        points: latency.series.iter().map(|point| (point.at_s, value(point))).collect(),
    };
    Chart {
        title: format!("Latency over time: {}", latency.name),
        x_label: "seconds",
        y_label: "milliseconds",
        x_scale: Scale::Linear,
        y_scale: Scale::Logarithmic,
        lines: vec![
            line("median", |point| point.p50_ms),
            line("99th percentile", |point| point.p99_ms),
            line("longest", |point| point.max_ms),
        ],
    }
}

fn write_steps(report: &Report, out: &mut String) -> std::fmt::Result {
    if report.steps.is_empty() {
        return Ok(());
    }
    out.push_str(
        "<h2>Search for the highest rate</h2><table><tr><th>rate per player</th><th>asked per s</th><th>delivered per s</th>\
         <th>p50</th><th>p99</th><th>lost</th><th>verdict</th><th>generator</th></tr>",
    );
    for step in &report.steps {
        write!(
            out,
            "<tr><td>{:.2}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td class=\"wide\">{}</td><td class=\"wide\">{}</td></tr>",
            step.rate,
            rounded(step.asked_per_s),
            rounded(step.delivered_per_s),
            milliseconds(step.p50_ms),
            milliseconds(step.p99_ms),
            grouped(step.lost),
            escape(step.fault.as_deref().unwrap_or("holds")),
            escape(step.generator.as_deref().unwrap_or("fine"))
        )?;
    }
    out.push_str("</table>");
    let mut points: Vec<(f64, f64)> = report
        .steps
        .iter()
        .map(|step| (step.asked_per_s, step.p99_ms))
        .collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let chart = Chart {
        title: "99th percentile by load".to_owned(),
        x_label: "deliveries per second asked for",
        y_label: "milliseconds",
        x_scale: Scale::Linear,
        y_scale: Scale::Logarithmic,
        lines: vec![Line {
            name: "p99".to_owned(),
            points,
        }],
    };
    out.push_str(&chart.to_svg());
    let said = report.steps.iter().filter(|step| step.generator.is_some()).count();
    if said > 0 {
        write!(
            out,
            "<p class=\"note\">In {said} of {} steps the generator or its machine was in the way: see the table.</p>",
            report.steps.len()
        )?;
    }
    Ok(())
}

fn write_refusals(report: &Report, out: &mut String) -> std::fmt::Result {
    if report.refusals.is_empty() {
        return Ok(());
    }
    out.push_str(
        "<h2>Refused or failed</h2><table><tr><th>code</th><th>count</th><th>what was said</th><th>limit</th></tr>",
    );
    for refusal in &report.refusals {
        write!(
            out,
            "<tr><td>{}</td><td>{}</td><td class=\"wide\">{}</td><td class=\"wide\">{}</td></tr>",
            escape(&refusal.code),
            grouped(refusal.count),
            escape(&refusal.text),
            escape(&refusal.limit)
        )?;
    }
    out.push_str("</table>");
    Ok(())
}

fn write_parameters(report: &Report, out: &mut String) -> std::fmt::Result {
    out.push_str("<h2>Parameters</h2><table>");
    if let Ok(serde_json::Value::Object(parameters)) = serde_json::to_value(&report.plan) {
        for (name, value) in parameters {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            write!(
                out,
                "<tr><td>{}</td><td>{}</td></tr>",
                escape(&name.replace('_', " ")),
                escape(&value)
            )?;
        }
    }
    out.push_str("</table>");
    Ok(())
}
