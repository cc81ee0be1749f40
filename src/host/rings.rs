//! The kernel and its io_uring.

use super::finding::Finding;
use io_uring::{IoUring, Probe, opcode};
use std::io;

/// Oldest kernel that has what the runtime uses.
pub(crate) const KERNEL_MIN: (u32, u32) = (5, 8);

pub(super) fn kernel() -> Finding {
    const SUBJECT: &str = "kernel";
    let uname = rustix::system::uname();
    let release = uname.release().to_string_lossy();
    match version(&release) {
        Some(version) if version < KERNEL_MIN => {
            Finding::failure(SUBJECT, format!("{release} is too old: {}", newer_kernel()))
        }
        Some(_) => Finding::fine(SUBJECT, release),
        None => Finding::advice(SUBJECT, format!("{release} is not a version that can be compared")),
    }
}

/// Asks the kernel for a ring of its own. The runtime would panic where this fails.
pub(crate) fn io_uring() -> Finding {
    const SUBJECT: &str = "io_uring";
    let ring = match IoUring::new(8) {
        Ok(ring) => ring,
        Err(error) => return Finding::failure(SUBJECT, refusal(&error)),
    };
    let mut probe = Probe::new();
    if let Err(error) = ring.submitter().register_probe(&mut probe) {
        return Finding::failure(SUBJECT, refusal(&error));
    }
    // These operations are checked: those of the runtime that Linux got last, and those that filters often forbid.
    let needed = [
        ("POLL_ADD", opcode::PollAdd::CODE),
        ("TIMEOUT", opcode::Timeout::CODE),
        ("ACCEPT", opcode::Accept::CODE),
        ("READ", opcode::Read::CODE),
        ("SEND", opcode::Send::CODE),
        ("RECV", opcode::Recv::CODE),
    ];
    let missing: Vec<_> = needed
        .iter()
        .filter(|(_, code)| !probe.is_supported(*code))
        .map(|(name, _)| *name)
        .collect();
    if missing.is_empty() {
        let present: Vec<_> = needed.iter().map(|(name, _)| *name).collect();
        Finding::fine(SUBJECT, format!("gives a ring, with {}", present.join(", ")))
    } else {
        let text = format!("lacks {}: install a newer kernel", missing.join(", "));
        Finding::failure(SUBJECT, text)
    }
}

/// Why there is no ring, and what helps.
fn refusal(error: &io::Error) -> String {
    let cure = match error.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
        Some(rustix::io::Errno::PERM | rustix::io::Errno::ACCESS) => match disabled_by_sysctl() {
            Some(2) => "io_uring is switched off: run sysctl kernel.io_uring_disabled=0",
            Some(1) => {
                "io_uring is kept from ordinary users: run sysctl kernel.io_uring_disabled=0, or add the user's group \
                 with sysctl kernel.io_uring_group"
            }
            _ => {
                "a seccomp filter blocks io_uring, as Docker's default one does: allow io_uring_setup, io_uring_enter and \
                 io_uring_register (docker run --security-opt seccomp=PROFILE)"
            }
        },
        Some(rustix::io::Errno::NOSYS) => &format!(
            "this kernel has no io_uring, or a sandbox hides it: {}, or leave the sandbox",
            newer_kernel()
        ),
        Some(rustix::io::Errno::NOMEM) => "raise the limit of locked memory (LimitMEMLOCK= of systemd, ulimit -l)",
        Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE) => {
            "raise the limit of open files (LimitNOFILE= of systemd, ulimit -n)"
        }
        _ => "the server runs only where io_uring works",
    };
    format!("cannot be used ({error}): {cure}")
}

fn newer_kernel() -> String {
    let (major, minor) = KERNEL_MIN;
    format!("install Linux {major}.{minor} or newer")
}

fn disabled_by_sysctl() -> Option<u32> {
    std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled")
        .ok()?
        .trim()
        .parse()
        .ok()
}

/// Major and minor of a release such as `6.1.0-13-amd64`.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_compare_as_versions() {
        assert_eq!(version("6.1.0-13-amd64"), Some((6, 1)));
        assert_eq!(version("5.15.153.1-microsoft-standard-WSL2"), Some((5, 15)));
        assert_eq!(version("rolling"), None);
        assert!(version("5.10.0").is_some_and(|version| version > KERNEL_MIN));
        assert!(version("4.19.300").is_some_and(|version| version < KERNEL_MIN));
    }
}
