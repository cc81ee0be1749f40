//! The report as one self-contained page.

use super::Report;

/// The page.
#[must_use]
pub fn page(report: &Report) -> String {
    format!("<pre>{}</pre>", super::text::summary(report))
}
