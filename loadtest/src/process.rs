//! What processes and threads use of the machine, read from `/proc`.

use procfs::process::{Process, Task};
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
    let process = Process::new(i32::try_from(pid).ok()?).ok()?;
    let stat = process.stat().ok()?;
    let seconds = |ticks: u64| ticks as f64 / procfs::ticks_per_second() as f64;
    Some(Use {
        user_s: seconds(stat.utime),
        system_s: seconds(stat.stime),
        resident_bytes: process.status().ok()?.vmrss? * 1024,
        waited_s: waited_s(&process),
    })
}

/// Seconds that all threads of a process waited for a processor.
fn waited_s(process: &Process) -> f64 {
    let threads = process.tasks().into_iter().flatten().flatten();
    let waits = threads.filter_map(|thread| Some(thread.schedstat().ok()?.run_delay));
    waits.sum::<u64>() as f64 / 1e9
}

/// The calling thread, as `/proc` knows it.
fn this_thread() -> Option<Task> {
    let id = rustix::thread::gettid().as_raw_nonzero().get();
    Process::myself().ok()?.task_from_tid(id).ok()
}

/// Nanoseconds that the calling thread waited for a processor; 0 where the kernel does not tell.
#[must_use]
pub fn thread_waited_ns() -> u64 {
    this_thread()
        .and_then(|thread| Some(thread.schedstat().ok()?.run_delay))
        .unwrap_or(0)
}

/// Seconds of the calling thread in user space and in the kernel.
#[must_use]
pub fn thread_times() -> (f64, f64) {
    let seconds = |ticks: u64| ticks as f64 / procfs::ticks_per_second() as f64;
    let stat = this_thread().and_then(|thread| thread.stat().ok());
    stat.map_or((0.0, 0.0), |stat| (seconds(stat.utime), seconds(stat.stime)))
}

/// Processor time of the calling thread, in nanoseconds.
#[must_use]
pub fn thread_cpu_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
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
        let look = || this_thread().and_then(|thread| thread.stat().ok()).unwrap();
        let named = std::thread::Builder::new().name("a) S (c) 1 2".to_owned());
        let stat = named.spawn(look).unwrap().join().unwrap();
        assert_eq!((stat.comm.as_str(), stat.state), ("a) S (c) 1 2", 'R'));
    }

    #[test]
    fn our_own_use_can_be_read() {
        assert!(usage(std::process::id()).unwrap().resident_bytes > 0);
        assert_eq!(usage(u32::MAX), None);
    }
}
