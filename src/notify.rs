//! Tells a service manager how far the server is (sd_notify): a datagram to the socket that `NOTIFY_SOCKET` names. Without
//! such a variable nobody is told. Nothing here waits or fails: a manager that takes no datagrams misses some.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr as UnixAddress, UnixDatagram};

/// The service manager, if there is one.
#[derive(Debug)]
pub struct ServiceManager {
    socket: Option<UnixDatagram>,
}

impl ServiceManager {
    /// The one that this process's environment names.
    #[must_use]
    pub fn from_environment() -> Self {
        Self {
            socket: std::env::var_os("NOTIFY_SOCKET").and_then(|address| connect(&address)),
        }
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
