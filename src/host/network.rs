//! The port and what the kernel does around it.

use super::finding::Finding;
use crate::Config;
use crate::doors::{self, Door, Serves};
use signal_fish_runtime::BACKLOG;
use std::io::ErrorKind;

/// Whether the ports can be had. They are tried without SO_REUSEPORT, which would share them with a server that runs
/// already.
pub(super) fn ports(config: &Config, is_given: bool) -> impl Iterator<Item = Finding> {
    let doors = doors::doors(config).into_iter();
    let to_open = doors.filter(move |door| !is_given || door.serves != Serves::Main);
    to_open.map(port)
}

fn port(Door { serves, address, .. }: Door) -> Finding {
    const SUBJECT: &str = "port";
    let Err(error) = signal_fish_runtime::bind(address) else {
        let found = match address.port() {
            0 => format!("{} has a free one", address.ip()),
            _ => format!("{address} is free"),
        };
        return Finding::fine(SUBJECT, found);
    };
    let keys = serves.keys();
    let cure = match error.kind() {
        ErrorKind::AddrInUse => "another program listens there: stop it, or set another port",
        ErrorKind::PermissionDenied => {
            "ports below 1024 need CAP_NET_BIND_SERVICE (AmbientCapabilities= of systemd): grant it, or set another port"
        }
        ErrorKind::AddrNotAvailable => "bind must be an address of this machine",
        _ => "set another bind or port",
    };
    Finding::failure(SUBJECT, format!("cannot listen on {address} ({error}; {keys}): {cure}"))
}

pub(super) fn backlog() -> Finding {
    const SUBJECT: &str = "backlog";
    match number("/proc/sys/net/core/somaxconn") {
        Some(max) if i64::from(max) < i64::from(BACKLOG) => Finding::advice(
            SUBJECT,
            format!(
                "the kernel lets only {max} newcomers wait: for connection storms raise it with sysctl net.core.somaxconn, \
                 {BACKLOG} at most"
            ),
        ),
        Some(max) => Finding::fine(SUBJECT, format!("the kernel lets {max} newcomers wait")),
        None => Finding::advice(SUBJECT, "net.core.somaxconn cannot be read"),
    }
}

/// A port among those that the kernel gives to outgoing connections may be taken when the server restarts.
pub(super) fn port_range(config: &Config) -> Finding {
    const SUBJECT: &str = "port range";
    let Some((first, last)) = outgoing_ports() else {
        return Finding::advice(SUBJECT, "net.ipv4.ip_local_port_range cannot be read");
    };
    let port = u32::from(config.port);
    if port == 0 || port < first || port > last {
        return Finding::fine(SUBJECT, format!("outgoing connections use {first} to {last}"));
    }
    Finding::advice(
        SUBJECT,
        format!(
            "outgoing connections use {first} to {last} and may take port {port} while the server is down: reserve it with \
             sysctl net.ipv4.ip_local_reserved_ports={port}"
        ),
    )
}

fn outgoing_ports() -> Option<(u32, u32)> {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    let mut parts = text.split_whitespace();
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn number(path: &str) -> Option<u32> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}
