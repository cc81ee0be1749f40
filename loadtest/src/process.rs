//! What processes and threads use of the machine, read from `/proc`.

use serde::Serialize;

/// Processor time and memory of a process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Use {
    /// Seconds of processor time in user space.
    pub user_s: f64,
    /// Seconds of processor time in the kernel.
    pub system_s: f64,
    /// Resident memory in bytes.
    pub resident_bytes: u64,
    /// Seconds that its threads were ready to run and waited for a processor; 0 where the kernel does not tell.
    pub waited_s: f64,
}

/// What process `pid` used so far; `None` if there is no such process.
#[must_use]
pub fn usage(pid: u32) -> Option<Use> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let used = parse(&stat, &status, rustix::param::clock_ticks_per_second())?;
    Some(Use {
        waited_s: waited_s(pid),
        ..used
    })
}

/// Seconds that all threads of a process waited for a processor.
fn waited_s(pid: u32) -> f64 {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten();
    let waits = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("schedstat")).ok());
    waits.filter_map(|schedule| waited_ns(&schedule)).sum::<u64>() as f64 / 1e9
}

/// Nanoseconds that the calling thread waited for a processor; 0 where the kernel does not tell.
#[must_use]
pub fn thread_waited_ns() -> u64 {
    let schedule = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    waited_ns(&schedule).unwrap_or(0)
}

/// The second of three fields: time on the run queue.
fn waited_ns(schedule: &str) -> Option<u64> {
    schedule.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// Processor time of the calling thread, in nanoseconds.
#[must_use]
pub fn thread_cpu_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}

fn parse(stat: &str, status: &str, ticks_per_second: u64) -> Option<Use> {
    // The name of the process, in parentheses, may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let seconds = |index: usize| Some(fields.get(index)?.parse::<u64>().ok()? as f64 / ticks_per_second as f64);
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = resident.split_ascii_whitespace().next()?.parse().ok()?;
    // Fields 14 and 15 of stat, counted from 1; the part after the name starts with field 3.
    Some(Use {
        user_s: seconds(11)?,
        system_s: seconds(12)?,
        resident_bytes: kibibytes * 1024,
        waited_s: 0.0,
    })
}

/// Raises the soft limit of open files to the hard one.
pub fn raise_file_limit() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    // Without it, running out of descriptors is reported when it happens.
    let _ = rustix::process::setrlimit(rustix::process::Resource::Nofile, raised);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let stat = "7 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 250 150 0 0";
        let used = parse(stat, "Name:\tx\nVmRSS:\t  2048 kB\n", 100).unwrap();
        assert_eq!(
            used,
            Use {
                user_s: 2.5,
                system_s: 1.5,
                resident_bytes: 2 << 20,
                waited_s: 0.0
            }
        );
    }

    #[test]
    fn our_own_use_can_be_read() {
        assert!(usage(std::process::id()).unwrap().resident_bytes > 0);
        assert_eq!(usage(u32::MAX), None);
    }
}
