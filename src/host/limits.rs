//! Resource limits: open files and locked memory.

use super::finding::Finding;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CapabilitySet, capabilities};

/// Files that the process needs besides those of clients: standard streams, logs, and room for connections that are
/// being taken over or turned away.
pub(crate) const FILES_PROCESS: u64 = 128;
/// Lines of the log that may wait to be written, per destination.
pub(crate) const LINES_WAITING_MAX: usize = 16 * 1024;
/// Files of one shard: three rings, their events, an epoll set, the descriptor that wakes the shard, a listener.
pub(crate) const FILES_PER_SHARD: u64 = 16;
/// Connections of one shard that hold no ticket: refused ones that are told why, and idle ones that are kept alive. With a
/// low limit of open files there are fewer, an eighth of it for all shards.
const TICKETLESS_PER_SHARD_MAX: u64 = 128;
/// More connections than this are never assumed, however high the limit is: queues are sized by it.
const CONNECTIONS_ASSUMED_MAX: u64 = 1_000_000;
/// glommio starts no shard below this limit.
pub(crate) const LOCKED_BYTES_MIN: u64 = 512 * 1024;
/// Buffers registered on the three rings of a shard, with what goes with them.
pub(crate) const LOCKED_BYTES_PER_SHARD: u64 = 200 * 1024;

/// Raises the soft limits of open files and locked memory as far as this process may. Failing changes nothing; the check
/// that follows sees the limits as they are.
pub fn raise_limits() {
    let files = getrlimit(Resource::Nofile);
    let _ = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: files.maximum,
            maximum: files.maximum,
        },
    );
    let locked = getrlimit(Resource::Memlock);
    let unlimited = Rlimit {
        current: None,
        maximum: None,
    };
    if !may(CapabilitySet::SYS_RESOURCE) || setrlimit(Resource::Memlock, unlimited).is_err() {
        let _ = setrlimit(
            Resource::Memlock,
            Rlimit {
                current: locked.maximum,
                maximum: locked.maximum,
            },
        );
    }
}

/// Connections to assume where none are configured: what the present limit of open files allows beside this many shards.
#[must_use]
pub fn connections_by_open_files(shards: usize) -> usize {
    let files = open_files_limit();
    let connections = files
        .saturating_sub(reserved(files, shards))
        .min(CONNECTIONS_ASSUMED_MAX);
    usize::try_from(connections).unwrap_or(usize::MAX)
}

/// Connections without a ticket that each of this many shards may have, within the present limit of open files.
#[must_use]
pub(crate) fn ticketless_per_shard(shards: usize) -> usize {
    usize::try_from(ticketless(open_files_limit(), shards)).unwrap_or(usize::MAX)
}

fn open_files_limit() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

fn ticketless(files: u64, shards: usize) -> u64 {
    (files / 8 / (shards as u64).max(1)).min(TICKETLESS_PER_SHARD_MAX)
}

/// Files that clients with a ticket do not get.
fn reserved(files: u64, shards: usize) -> u64 {
    FILES_PROCESS + (FILES_PER_SHARD + ticketless(files, shards)) * shards as u64
}

/// Whether `wanted` connections, 0 for as many as may be, have a descriptor each beside those of the shards.
pub(super) fn open_files(wanted: usize, shards: usize) -> Finding {
    const SUBJECT: &str = "open files";
    let Some(limit) = getrlimit(Resource::Nofile).current else {
        return Finding::fine(SUBJECT, "unlimited");
    };
    let allowed = limit.saturating_sub(reserved(limit, shards));
    let cure = "raise the limit (LimitNOFILE= of systemd, ulimit -n)";
    if allowed == 0 {
        let needed = reserved(limit, shards) + 1;
        let text = format!("the limit is {limit}, but {shards} shards alone need {needed}: {cure}");
        return Finding::failure(SUBJECT, text);
    }
    if wanted as u64 > allowed {
        let text =
            format!("the limit {limit} allows {allowed} clients, not {wanted}: {cure} or lower server.max_connections");
        return Finding::failure(SUBJECT, text);
    }
    let text = format!("the limit {limit} allows {allowed} clients");
    if wanted == 0 && allowed < 1000 {
        return Finding::advice(SUBJECT, format!("{text}: {cure}"));
    }
    if wanted == 0 && allowed > CONNECTIONS_ASSUMED_MAX {
        let more = format!("to serve more than {CONNECTIONS_ASSUMED_MAX} set server.max_connections");
        return Finding::fine(SUBJECT, format!("{text}; {more}"));
    }
    Finding::fine(SUBJECT, text)
}

pub(crate) fn locked_memory(shards: usize) -> Finding {
    const SUBJECT: &str = "locked memory";
    let cure = "raise it (LimitMEMLOCK= of systemd, ulimit -l, memlock in limits.conf)";
    let Some(limit) = getrlimit(Resource::Memlock).current else {
        return Finding::fine(SUBJECT, "unlimited");
    };
    // The runtime refuses a limit below its minimum even where the kernel would not apply it.
    if limit < LOCKED_BYTES_MIN {
        let text = format!(
            "the limit is {} KiB, a shard needs {} KiB: {cure}",
            limit / 1024,
            LOCKED_BYTES_MIN / 1024
        );
        return Finding::failure(SUBJECT, text);
    }
    if may(CapabilitySet::IPC_LOCK) {
        return Finding::fine(SUBJECT, "CAP_IPC_LOCK lifts the limit for this process");
    }
    let needed = LOCKED_BYTES_PER_SHARD * shards as u64;
    if limit < needed {
        let text = format!(
            "the limit is {} KiB, {shards} shards need {} KiB: {cure}",
            limit / 1024,
            needed / 1024
        );
        return Finding::failure(SUBJECT, text);
    }
    Finding::fine(
        SUBJECT,
        format!("the limit {} KiB suffices for {shards} shards", limit / 1024),
    )
}

fn may(capability: CapabilitySet) -> bool {
    capabilities(None).is_ok_and(|sets| sets.effective.contains(capability))
}
