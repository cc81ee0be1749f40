//! Listeners, and waiting for a descriptor: the only unsafe code of the project.
#![allow(unsafe_code)]

use futures_lite::AsyncRead;
use futures_lite::future::poll_fn;
use glommio::net::TcpStream;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};
use std::pin::Pin;
use std::task::Poll;

/// Connections that may wait in a listener's queue; the kernel cuts it to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// Binds `address` and listens. Fails if another socket listens there, whoever owns it; port 0 takes a free port.
///
/// The port is bound without `SO_REUSEPORT`, which would share it silently; the option is set afterwards, so that the
/// other shards can [`listen_again`].
///
/// # Errors
/// What the system says: address in use, not available, no permission.
pub fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = new_listener(address)?;
    socket.bind(&SockAddr::from(address))?;
    socket.set_reuse_port(true)?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Another listener at an address that this process already listens on; the kernel spreads connections over them.
///
/// # Errors
/// What the system says.
pub fn listen_again(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = new_listener(address)?;
    socket.set_reuse_port(true)?;
    socket.bind(&SockAddr::from(address))?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn new_listener(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    // Accepted sockets inherit it.
    socket.set_tcp_nodelay(true)?;
    Ok(socket)
}

/// Waits until a descriptor is readable, as `poll(2)` means it, which need not be a socket. `duplicate` is one of it, and is
/// used up; the next one is returned, so that the process holds one at any time.
///
/// glommio waits for its own kinds of descriptors only. A stream of its has armed a poll when it is made, and looks at
/// nothing but that poll until it fires: so far, any descriptor will do.
///
/// # Errors
/// No descriptor is left for the next one.
pub(crate) async fn readable(descriptor: &OwnedFd, duplicate: OwnedFd) -> io::Result<OwnedFd> {
    // SAFETY: the duplicate is open, and ownership moves: `into_raw_fd` gives it up. That it is no TCP socket makes calls
    // on it fail and nothing worse.
    let mut stream = unsafe { TcpStream::from_raw_fd(duplicate.into_raw_fd()) };
    let mut armed = false;
    poll_fn(|cx| {
        // Any wake ends the wait; the caller looks for itself. A poll that has not fired is cancelled with the stream.
        if std::mem::replace(&mut armed, true) {
            return Poll::Ready(());
        }
        Pin::new(&mut stream).poll_read(cx, &mut []).map(|_| ())
    })
    .await;
    // The stream is dropped, and closes its descriptor, after this.
    descriptor.try_clone()
}
