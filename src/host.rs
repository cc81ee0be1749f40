//! What the server needs from the machine it runs on.

use rustix::process::{Resource, getrlimit};

/// Files that the process needs besides those of its clients: rings, listeners, logs.
const FILES_RESERVED: u64 = 512;
/// More connections than this are never assumed, however high the limit of open files is: queues are sized by it.
const CONNECTIONS_ASSUMED_MAX: u64 = 1_000_000;

/// Connections that the present limit of open files allows.
#[must_use]
pub fn connections_by_open_files() -> usize {
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let connections = files.saturating_sub(FILES_RESERVED).min(CONNECTIONS_ASSUMED_MAX);
    usize::try_from(connections).unwrap_or(usize::MAX)
}
