//! How much memory this process may use.

use rustix::process::{Resource, getrlimit};
use std::fs;
use std::path::{Path, PathBuf};

/// What is taken for the memory of a machine that does not tell.
const UNKNOWN_BYTES: u64 = 1024 * 1024 * 1024;

/// Memory in bytes that this process may use: the machine's, or less if a control group or a resource limit allows less.
pub(crate) fn available_bytes() -> usize {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total(&text));
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let allowed = group(&groups).and_then(|group| least_limit(&group));
    let data = getrlimit(Resource::Data).current;
    let addresses = getrlimit(Resource::As).current;
    let bytes = [machine, allowed, data, addresses]
        .into_iter()
        .flatten()
        .min()
        .unwrap_or(UNKNOWN_BYTES);
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// `MemTotal` of `/proc/meminfo`, in bytes.
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// The folder of this process's control group (version 2).
fn group(groups: &str) -> Option<PathBuf> {
    let path = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    Some(Path::new("/sys/fs/cgroup").join(path))
}

/// The least `memory.max` of a control group and those around it.
fn least_limit(group: &Path) -> Option<u64> {
    let limits = group
        .ancestors()
        .take_while(|folder| folder.starts_with("/sys/fs/cgroup"));
    limits
        .filter_map(|folder| fs::read_to_string(folder.join("memory.max")).ok()?.trim().parse().ok())
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_the_machine_is_read_in_bytes() {
        assert_eq!(total("MemTotal:       24576 kB\nMemFree: 1 kB\n"), Some(24576 * 1024));
        assert_eq!(total("MemFree: 1 kB\n"), None);
    }

    #[test]
    fn the_group_is_found_among_those_of_the_old_kind() {
        let groups = "1:cpu:/a\n0::/system.slice/it.service\n";
        let expected = Path::new("/sys/fs/cgroup/system.slice/it.service");
        assert_eq!(group(groups).as_deref(), Some(expected));
        assert_eq!(group("1:cpu:/a\n"), None);
    }

    #[test]
    fn there_is_some_memory() {
        assert!(available_bytes() > 1024 * 1024);
    }
}
