//! Where a result was measured.

use procfs::process::Process;
use procfs::{CpuInfo, Current, Meminfo};
use serde::{Deserialize, Serialize};
use std::process::Command;
use std::time::SystemTime;

/// Machine, kernel and revision.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
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
        let processors = CpuInfo::current().ok();
        let model = processors.as_ref().and_then(|info| info.model_name(0));
        let allowed = Process::myself().and_then(|process| process.status());
        Self {
            name: names.nodename().to_string_lossy().into_owned(),
            kernel: format!(
                "{} {}",
                names.sysname().to_string_lossy(),
                names.release().to_string_lossy()
            ),
            cpu: model.map_or_else(|| names.machine().to_string_lossy().into_owned(), str::to_owned),
            cpus: processors.as_ref().map_or(0, CpuInfo::num_cores),
            cpus_allowed: allowed
                .ok()
                .and_then(|status| status.cpus_allowed_list)
                .map(|ranges| list(&ranges))
                .unwrap_or_default(),
            memory_bytes: Meminfo::current().map_or(0, |memory| memory.mem_total),
            git_revision: git_revision().unwrap_or_default(),
            generator: format!("signal-fish-loadtest {}", env!("CARGO_PKG_VERSION")),
            time: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        }
    }
}

/// Ranges as the kernel writes them, such as `0-3,6`.
fn list(ranges: &[(u32, u32)]) -> String {
    let ranges = ranges.iter().map(|(first, last)| {
        if first == last {
            first.to_string()
        } else {
            format!("{first}-{last}")
        }
    });
    ranges.collect::<Vec<_>>().join(",")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_listed_as_the_kernel_does() {
        assert_eq!(list(&[(0, 3), (6, 6), (8, 9)]), "0-3,6,8-9");
    }

    #[test]
    fn this_machine_has_a_name_processors_memory_and_a_time() {
        let host = Host::look();
        assert!(
            !host.name.is_empty() && !host.cpu.is_empty() && !host.cpus_allowed.is_empty(),
            "{host:?}"
        );
        assert!(host.cpus > 0 && host.memory_bytes > 1 << 20, "{host:?}");
        assert!(humantime::parse_rfc3339(&host.time).is_ok(), "{host:?}");
    }
}
