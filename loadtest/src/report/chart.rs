//! Line charts as SVG, without scripts, so that a report can be mailed and printed.

use std::fmt::Write as _;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 76.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 44.0;
/// Apart even in greyscale and for most colour-blind readers.
const COLOURS: [&str; 9] = [
    "#0b6e99", "#d9730d", "#6a3d9a", "#2e7d32", "#b71c1c", "#111111", "#c51b7d", "#8c6d1f", "#7f8c8d",
];

/// How values are laid out along an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Equal steps, from zero.
    Linear,
    /// Powers of ten.
    Logarithmic,
    /// Quantiles by the number of nines: 0, 0.9, 0.99, ...
    Nines,
}

/// One line of a chart.
#[derive(Debug, Clone)]
pub struct Line {
    /// Name in the legend.
    pub name: String,
    /// Points from left to right.
    pub points: Vec<(f64, f64)>,
}

/// A chart.
#[derive(Debug, Clone)]
pub struct Chart {
    /// Heading.
    pub title: String,
    /// What runs along the bottom.
    pub x_label: &'static str,
    /// What runs upwards, with its unit.
    pub y_label: &'static str,
    /// Scale of the bottom.
    pub x_scale: Scale,
    /// Scale of the side.
    pub y_scale: Scale,
    /// Lines; empty ones are left out.
    pub lines: Vec<Line>,
}

struct Axis {
    scale: Scale,
    low: f64,
    high: f64,
}

impl Axis {
    fn over(scale: Scale, values: impl Iterator<Item = f64> + Clone) -> Self {
        let high = values.clone().fold(0.0, f64::max);
        match scale {
            Scale::Linear => {
                let step = nice_step(high);
                let steps = (high / step).ceil().max(1.0);
                Self {
                    scale,
                    low: 0.0,
                    high: steps * step,
                }
            }
            Scale::Logarithmic => {
                let low = values.filter(|value| *value > 0.0).fold(f64::INFINITY, f64::min);
                let low = if low.is_finite() { low.log10().floor() } else { 0.0 };
                let high = if high > 0.0 { high.log10().ceil() } else { 1.0 };
                Self {
                    scale,
                    low,
                    high: high.max(low + 1.0),
                }
            }
            Scale::Nines => Self {
                scale,
                low: 0.0,
                high: values.map(nines).fold(1.0, f64::max),
            },
        }
    }

    /// Where on the axis a value stands, from 0 to 1.
    fn place(&self, value: f64) -> f64 {
        let value = match self.scale {
            Scale::Linear => value,
            Scale::Logarithmic => value.max(1e-12).log10(),
            Scale::Nines => nines(value),
        };
        ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }

    fn ticks(&self) -> Vec<(f64, String)> {
        match self.scale {
            Scale::Linear => {
                let step = nice_step(self.high);
                let count = (self.high / step + 1e-9).floor();
                (0_u32..)
                    .map(f64::from)
                    .take_while(|tick| *tick <= count)
                    .map(|tick| (tick * step, short(tick * step)))
                    .collect()
            }
            Scale::Logarithmic => {
                let mut ticks = Vec::new();
                let mut power = self.low;
                while power <= self.high {
                    ticks.push((10_f64.powf(power), short(10_f64.powf(power))));
                    power += 1.0;
                }
                ticks
            }
            Scale::Nines => [
                (0.0, "0"),
                (0.5, "50 %"),
                (0.9, "90 %"),
                (0.99, "99 %"),
                (0.999, "99.9 %"),
                (0.9999, "99.99 %"),
            ]
            .into_iter()
            .filter(|(value, _)| nines(*value) <= self.high)
            .map(|(value, label)| (value, label.to_owned()))
            .collect(),
        }
    }
}

impl Chart {
    /// The chart as an SVG element; empty if there is nothing to draw.
    #[must_use]
    pub fn to_svg(&self) -> String {
        let lines: Vec<&Line> = self.lines.iter().filter(|line| line.points.len() > 1).collect();
        if lines.is_empty() {
            return String::new();
        }
        let points = || lines.iter().flat_map(|line| line.points.iter().copied());
        let x_axis = match Axis::over(self.x_scale, points().map(|point| point.0)) {
            // A line over time ends at the right edge.
            Axis {
                scale: Scale::Linear,
                low,
                ..
            } => Axis {
                scale: Scale::Linear,
                low,
                high: points().map(|point| point.0).fold(f64::MIN_POSITIVE, f64::max),
            },
            axis => axis,
        };
        let y_axis = Axis::over(self.y_scale, points().map(|point| point.1));
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = self.draw(&lines, &x_axis, &y_axis, &mut out);
        out
    }

    fn draw(&self, lines: &[&Line], x_axis: &Axis, y_axis: &Axis, out: &mut String) -> std::fmt::Result {
        let x = |value: f64| LEFT + x_axis.place(value) * (WIDTH - LEFT - RIGHT);
        let y = |value: f64| HEIGHT - BOTTOM - y_axis.place(value) * (HEIGHT - TOP - BOTTOM);
        write!(
            out,
            r#"<figure><figcaption>{}</figcaption><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">"#,
            escape(&self.title)
        )?;
        let (right, floor) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        for (value, label) in y_axis.ticks() {
            let at = y(value);
            write!(
                out,
                r#"<line class="grid" x1="{LEFT}" x2="{right}" y1="{at:.1}" y2="{at:.1}"/>"#
            )?;
            write!(
                out,
                r#"<text class="tick" x="{}" y="{:.1}" text-anchor="end">{label}</text>"#,
                LEFT - 8.0,
                at + 4.0
            )?;
        }
        for (value, label) in x_axis.ticks() {
            let at = x(value);
            write!(
                out,
                r#"<line class="grid" x1="{at:.1}" x2="{at:.1}" y1="{TOP}" y2="{floor}"/>"#
            )?;
            write!(
                out,
                r#"<text class="tick" x="{at:.1}" y="{}" text-anchor="middle">{label}</text>"#,
                floor + 18.0
            )?;
        }
        let middle = (LEFT + right) / 2.0;
        write!(
            out,
            r#"<text class="label" x="{middle}" y="{}" text-anchor="middle">{}</text>"#,
            HEIGHT - 6.0,
            self.x_label
        )?;
        let centre = (TOP + floor) / 2.0;
        write!(
            out,
            r#"<text class="label" x="14" y="{centre}" text-anchor="middle" transform="rotate(-90 14 {centre})">{}</text>"#,
            self.y_label
        )?;
        let mut legend = LEFT;
        for (line, colour) in lines.iter().zip(COLOURS.iter().cycle()) {
            let path: Vec<String> = line
                .points
                .iter()
                .map(|(at, value)| format!("{:.1},{:.1}", x(*at), y(*value)))
                .collect();
            write!(
                out,
                r#"<polyline fill="none" stroke="{colour}" stroke-width="2" points="{}"/>"#,
                path.join(" ")
            )?;
            write!(
                out,
                r#"<line x1="{legend}" x2="{}" y1="18" y2="18" stroke="{colour}" stroke-width="3"/>"#,
                legend + 18.0
            )?;
            write!(
                out,
                r#"<text class="legend" x="{}" y="22">{}</text>"#,
                legend + 24.0,
                escape(&line.name)
            )?;
            legend += 46.0 + 7.0 * line.name.chars().count() as f64;
        }
        write!(out, "</svg></figure>")
    }
}

/// Text that may stand in HTML.
#[must_use]
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

fn nines(quantile: f64) -> f64 {
    // The last quantile, 1, stands one decade past what six digits tell.
    -(1.0 - quantile).max(1e-6).log10()
}

fn nice_step(high: f64) -> f64 {
    if high <= 0.0 {
        return 1.0;
    }
    let raw = high / 5.0;
    let power = 10_f64.powf(raw.log10().floor());
    let factor = [1.0, 2.0, 2.5, 5.0, 10.0]
        .into_iter()
        .find(|factor| factor * power >= raw * 0.999)
        .unwrap_or(10.0);
    factor * power
}

fn short(value: f64) -> String {
    let (value, unit) = match value {
        value if value >= 1e9 => (value / 1e9, " G"),
        value if value >= 1e6 => (value / 1e6, " M"),
        value if value >= 1e4 => (value / 1e3, " k"),
        value => (value, ""),
    };
    let text = format!("{value:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_on_round_numbers() {
        let axis = Axis::over(Scale::Linear, [3.0, 97.0].into_iter());
        assert_eq!(axis.high, 100.0);
        assert_eq!(axis.ticks().len(), 6);
        let axis = Axis::over(Scale::Logarithmic, [0.3, 97.0].into_iter());
        assert_eq!((axis.low, axis.high), (-1.0, 2.0));
    }

    #[test]
    fn a_chart_of_nothing_is_nothing_and_names_are_escaped() {
        let mut chart = Chart {
            title: "<a>".to_owned(),
            x_label: "x",
            y_label: "y",
            x_scale: Scale::Linear,
            y_scale: Scale::Linear,
            lines: Vec::new(),
        };
        assert_eq!(chart.to_svg(), "");
        chart.lines.push(Line {
            name: "<b>".to_owned(),
            points: vec![(0.0, 0.0), (1.0, 0.0)],
        });
        let svg = chart.to_svg();
        assert!(
            svg.contains("&lt;a&gt;") && svg.contains("&lt;b&gt;") && !svg.contains("NaN"),
            "{svg}"
        );
    }
}
