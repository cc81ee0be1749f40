//! Sockets by number: the only unsafe code of the project.
#![allow(unsafe_code)]

use glommio::net::{TcpListener, TcpStream};
use rustix::net::SendFlags;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

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
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.cloexec(),
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    Ok(socket)
}

/// Hands a listener to the executor of this thread.
pub(crate) fn adopt_listener(listener: std::net::TcpListener) -> TcpListener {
    // SAFETY: the descriptor is a listening TCP socket, and ownership moves: `into_raw_fd` gives it up.
    unsafe { TcpListener::from_raw_fd(listener.into_raw_fd()) }
}

/// Hands a connected socket to the executor of this thread.
pub(crate) fn adopt_stream(socket: OwnedFd) -> TcpStream {
    // SAFETY: the descriptor is a connected TCP socket, and ownership moves: `into_raw_fd` gives it up.
    unsafe { TcpStream::from_raw_fd(socket.into_raw_fd()) }
}

/// A second descriptor for the stream's socket, to move it to another thread.
pub(crate) fn duplicate(stream: &TcpStream) -> io::Result<OwnedFd> {
    borrow(stream).try_clone_to_owned()
}

/// Ends the sending direction.
pub(crate) fn shutdown_write(stream: &TcpStream) -> io::Result<()> {
    let fd = borrow(stream);
    socket2::SockRef::from(&fd).shutdown(Shutdown::Write)
}

fn borrow(stream: &TcpStream) -> BorrowedFd<'_> {
    // SAFETY: the stream owns the descriptor and outlives the borrow, which carries its lifetime.
    unsafe { BorrowedFd::borrow_raw(stream.as_raw_fd()) }
}

/// Sends without waiting; `WouldBlock` when the socket's buffer is full.
///
/// `fd` must be the descriptor of a slot that is still in use: the table forgets a slot's descriptor before the stream
/// that owns it is dropped.
pub(crate) fn send(fd: RawFd, bytes: &[u8]) -> io::Result<usize> {
    debug_assert!(fd >= 0);
    // SAFETY: by the rule above the descriptor is open for the duration of this call.
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    Ok(rustix::net::send(fd, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)?)
}
