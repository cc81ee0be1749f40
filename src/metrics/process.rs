//! What the system says of the process.

use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};
use std::fs;
use std::time::{Duration, SystemTime};

/// What the process takes; nothing where the system does not say.
#[derive(Debug, Clone, Default)]
pub struct Process {
    /// Resident memory in bytes.
    pub resident_bytes: Option<u64>,
    /// Open descriptors.
    pub open_files: Option<u64>,
    /// Descriptors that it may open.
    pub open_files_max: Option<u64>,
    /// Time on CPUs since its start, in the kernel and outside.
    pub cpu: Duration,
    /// When the server started, since 1970.
    pub started: Duration,
}

impl Process {
    /// As it is now. `uptime` is the age of the server.
    #[must_use]
    pub fn read(uptime: Duration) -> Self {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Self {
            resident_bytes: resident_bytes(),
            open_files: open_files(),
            open_files_max: getrlimit(Resource::Nofile).current,
            cpu: Duration::new(
                u64::try_from(cpu.tv_sec).unwrap_or_default(),
                u32::try_from(cpu.tv_nsec).unwrap_or_default(),
            ),
            started: unix.unwrap_or_default().saturating_sub(uptime),
        }
    }
}

fn resident_bytes() -> Option<u64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

fn open_files() -> Option<u64> {
    let folder = "/proc/self/fd";
    // Linux 6.2 and newer tell the number as the size of the folder. Listing a hundred thousand entries takes long.
    match fs::metadata(folder).ok()?.len() {
        0 => Some(fs::read_dir(folder).ok()?.count() as u64),
        count => Some(count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_memory_files_and_time() {
        let process = Process::read(Duration::from_secs(1));
        assert!(process.resident_bytes > Some(100_000), "{process:?}");
        assert!(
            process.open_files >= Some(3) && process.open_files <= process.open_files_max,
            "{process:?}"
        );
        assert!(
            process.cpu > Duration::ZERO && process.started > Duration::from_secs(1_000_000_000),
            "{process:?}"
        );
    }
}
