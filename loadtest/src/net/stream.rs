//! The bytes of one connection: a non-blocking TCP socket.
//!
//! The rest of [`super::Net`] asks for nothing else of a connection, so another layer, such as TLS, has its place here.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};
use std::net::SocketAddr;

/// See the module.
#[derive(Debug)]
pub(super) struct Stream(OwnedFd);

impl Stream {
    /// Starts to connect; the socket takes output once it is connected.
    pub(super) fn connect(address: SocketAddr) -> Result<Self, Errno> {
        let family = match address {
            SocketAddr::V4(_) => AddressFamily::INET,
            SocketAddr::V6(_) => AddressFamily::INET6,
        };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
        sockopt::set_tcp_nodelay(&socket, true)?;
        match rustix::net::connect(&socket, &address) {
            Ok(()) | Err(Errno::INPROGRESS) => Ok(Self(socket)),
            Err(error) => Err(error),
        }
    }

    /// Why it could not connect, if it could not.
    pub(super) fn check_connected(&self) -> Result<(), Errno> {
        sockopt::socket_error(&self.0)?
    }

    /// Bytes received into `space`; 0 at the end of the stream, `AGAIN` if there are none for now.
    pub(super) fn receive(&self, space: &mut [u8]) -> Result<usize, Errno> {
        retry_on_intr(|| rustix::net::recv(&self.0, &mut *space, RecvFlags::empty())).map(|(_, received)| received)
    }

    /// Bytes taken of `bytes`; `AGAIN` if there is no room for now.
    pub(super) fn send(&self, bytes: &[u8]) -> Result<usize, Errno> {
        retry_on_intr(|| rustix::net::send(&self.0, bytes, SendFlags::NOSIGNAL))
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
