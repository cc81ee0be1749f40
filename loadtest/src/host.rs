//! Where a result was measured.

use serde::Serialize;
use std::process::Command;
use std::time::SystemTime;

/// Machine, kernel and revision.
#[derive(Debug, Clone, Serialize)]
pub struct Host {
    /// Name of the machine.
    pub name: String,
    /// Operating system and its version.
    pub kernel: String,
    /// Model of the processor.
    pub cpu: String,
    /// Processors online.
    pub cpus: usize,
    /// Processors this process may run on.
    pub cpus_allowed: String,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Git revision of the working directory, with `-dirty` if it differs; empty outside of a repository.
    pub git_revision: String,
    /// Version of the generator.
    pub generator: String,
    /// Time of the measurement, RFC 3339.
    pub time: String,
}

impl Host {
    /// Looks around.
    #[must_use]
    pub fn look() -> Self {
        let names = rustix::system::uname();
        let cpu_info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let kibibytes =
            field(&memory, "MemTotal").and_then(|value| value.trim_end_matches(" kB").trim().parse::<u64>().ok());
        Self {
            name: names.nodename().to_string_lossy().into_owned(),
            kernel: format!(
                "{} {}",
                names.sysname().to_string_lossy(),
                names.release().to_string_lossy()
            ),
            cpu: field(&cpu_info, "model name").unwrap_or_else(|| names.machine().to_string_lossy().into_owned()),
            cpus: cpu_info.lines().filter(|line| line.starts_with("processor")).count(),
            cpus_allowed: field(&status, "Cpus_allowed_list").unwrap_or_default(),
            memory_bytes: kibibytes.unwrap_or(0) * 1024,
            git_revision: git_revision().unwrap_or_default(),
            generator: format!("signal-fish-loadtest {}", env!("CARGO_PKG_VERSION")),
            time: rfc_3339(SystemTime::now()),
        }
    }
}

fn field(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn git_revision() -> Option<String> {
    let output = Command::new("git")
        .args(["describe", "--always", "--dirty", "--abbrev=12"])
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn rfc_3339(time: SystemTime) -> String {
    let seconds = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Civil date from a day number, by eras of 400 years that begin in March.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_798_761_599, "2026-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc_3339(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
    }
}
