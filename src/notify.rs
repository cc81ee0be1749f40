//! Tells a service manager how far the server is (sd_notify): a datagram to the socket that `NOTIFY_SOCKET` names. Without
//! such a variable nobody is told. Nothing here waits or fails: a manager that takes no datagrams misses some.

use listenfd::ListenFd;
use std::ffi::OsStr;
use std::net::{SocketAddr, TcpListener};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr as UnixAddress, UnixDatagram};
use std::time::Duration;

/// A manager that wants to hear more often is told this often.
const WATCHDOG_INTERVAL_MIN: Duration = Duration::from_millis(50);

/// The service manager, if there is one.
#[derive(Debug)]
pub struct ServiceManager {
    socket: Option<UnixDatagram>,
    watchdog: Option<Duration>,
}

/// The listener that a service manager has opened for this process (`LISTEN_FDS`), which is the main one then.
///
/// # Errors
/// When what it passes cannot be that.
pub fn passed_listener() -> Result<Option<TcpListener>, String> {
    let mut passed = ListenFd::from_env();
    if passed.len() > 1 {
        let text = "the service manager passes {} sockets, and only the main listener can be passed";
        return Err(text.replace("{}", &passed.len().to_string()));
    }
    let listener = match passed.len() {
        0 => return Ok(None),
        _ => passed.take_tcp_listener(0),
    };
    listener.map_err(|error| format!("the socket of the service manager is no TCP listener: {error}"))
}

impl ServiceManager {
    /// The one that this process's environment names.
    #[must_use]
    pub fn from_environment() -> Self {
        Self {
            socket: std::env::var_os("NOTIFY_SOCKET").and_then(|address| connect(&address)),
            watchdog: watchdog(
                std::env::var("WATCHDOG_USEC").ok().as_deref(),
                std::env::var("WATCHDOG_PID").ok().as_deref(),
            ),
        }
    }

    /// How often it wants to be told that the server is well, or else it ends the process: half of `WATCHDOG_USEC`, as its
    /// manual advises. Nothing if it does not want to.
    #[must_use]
    pub fn watchdog_interval(&self) -> Option<Duration> {
        self.socket.as_ref()?;
        Some((self.watchdog? / 2).max(WATCHDOG_INTERVAL_MIN))
    }

    /// The server is well.
    pub fn is_well(&self) {
        self.tell("WATCHDOG=1");
    }

    /// The server serves at this address.
    pub fn ready(&self, address: SocketAddr) {
        self.tell(&format!("READY=1\nSTATUS=Serving at {address}"));
    }

    /// The configuration is being read again; [`Self::ready`] follows.
    pub fn reloading(&self) {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let micros = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000;
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
    }

    /// The server says goodbye to its clients, for so many seconds at most.
    pub fn stopping(&self, seconds: u64) {
        self.tell(&format!("STOPPING=1\nSTATUS=Draining for at most {seconds} s"));
    }

    fn tell(&self, state: &str) {
        if let Some(socket) = &self.socket {
            let _ = socket.send(state.as_bytes());
        }
    }
}

/// The time after which the service manager gives up a process that says nothing; it may mean another one.
fn watchdog(micros: Option<&str>, pid: Option<&str>) -> Option<Duration> {
    let is_meant = pid.is_none_or(|pid| pid.trim().parse() == Ok(std::process::id()));
    let micros = micros?.trim().parse().ok().filter(|micros| *micros > 0 && is_meant)?;
    Some(Duration::from_micros(micros))
}

/// A path, or a name of the abstract namespace behind an `@`.
fn connect(address: &OsStr) -> Option<UnixDatagram> {
    let address = match address.as_bytes().strip_prefix(b"@") {
        Some(name) => UnixAddress::from_abstract_name(name),
        None => UnixAddress::from_pathname(address),
    };
    let socket = UnixDatagram::unbound().ok()?;
    socket.set_nonblocking(true).ok()?;
    socket.connect_addr(&address.ok()?).ok()?;
    Some(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watchdog_is_set_for_this_process_alone() {
        let own = std::process::id().to_string();
        let second = Some(Duration::from_secs(1));
        assert_eq!(watchdog(Some("1000000"), None), second);
        assert_eq!(watchdog(Some("1000000"), Some(&own)), second);
        for (micros, pid) in [
            (None, None),
            (Some("0"), None),
            (Some("soon"), None),
            (Some("-1"), None),
            (Some("1000000"), Some("1")),
            (Some("1000000"), Some("me")),
        ] {
            assert_eq!(watchdog(micros, pid), None, "{micros:?} {pid:?}");
        }
    }
}
