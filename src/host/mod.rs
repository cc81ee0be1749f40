//! What the server needs from the machine it runs on, checked before a player can notice that it is missing.

pub(crate) mod finding;
pub(crate) mod limits;
pub(crate) mod memory;
mod network;
pub(crate) mod rings;
mod worst_case;

pub use finding::{Finding, State};
pub use limits::{connections_by_open_files, raise_limits};
pub use worst_case::WorstCase;

use crate::Config;

/// Looks at everything. [`raise_limits`] comes first.
#[must_use]
pub fn check(config: &Config) -> Vec<Finding> {
    check_with(config, false)
}

/// The same; with `is_given` the main listener is there already.
#[must_use]
pub fn check_with(config: &Config, is_given: bool) -> Vec<Finding> {
    let cpus = crate::server::choose_cpus(config);
    let shards = cpus.as_ref().map_or_else(|_| config.shards_expected(), Vec::len);
    let mut findings = vec![
        rings::kernel(),
        rings::io_uring(),
        limits::locked_memory(shards),
        limits::open_files(config.server.max_connections, shards),
        worst_case::finding(config, shards),
        processors(config, cpus),
        network::backlog(),
    ];
    findings.extend(network::ports(config, is_given));
    findings.push(network::port_range(config));
    findings.extend(crate::tls::finding(config));
    #[cfg(feature = "cli")]
    findings.push(crate::logging::directory(&config.logging));
    findings
}

/// Where the runtime looks before it pins a thread.
const CPUS_ONLINE: &str = "/sys/devices/system/cpu/online";

fn processors(config: &Config, chosen: Result<Vec<Option<usize>>, crate::StartError>) -> Finding {
    let cpus = match chosen {
        Ok(cpus) => cpus,
        Err(error) => {
            let cure = "name only CPUs of the affinity mask, or widen it (taskset, CPUAffinity= of systemd)";
            return Finding::failure("CPUs", format!("{error}; {cure}"));
        }
    };
    if cpus.iter().any(Option::is_some) && std::fs::read_to_string(CPUS_ONLINE).is_err() {
        // The runtime would panic.
        let cure = "mount /sys, or set shards.pin to false";
        return Finding::failure(
            "CPUs",
            format!("{CPUS_ONLINE} cannot be read, so no shard can be pinned: {cure}"),
        );
    }
    let pinned: Vec<_> = cpus.iter().flatten().map(usize::to_string).collect();
    if !pinned.is_empty() {
        return Finding::fine("CPUs", format!("{} shards on CPUs {}", cpus.len(), pinned.join(",")));
    }
    if config.shards.pin {
        let text = "more shards than CPUs, so none is pinned: lower shards.count";
        return Finding::advice("CPUs", format!("{} shards: {text}", cpus.len()));
    }
    Finding::fine("CPUs", format!("{} shards, unpinned", cpus.len()))
}
