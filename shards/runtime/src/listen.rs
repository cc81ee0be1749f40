//! The listeners of the shards.

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener};

/// Connections that may wait in a listener's queue; the kernel cuts it to `net.core.somaxconn`.
pub const BACKLOG: i32 = 4096;

/// Binds `address` and listens. Fails if another socket listens there, whoever owns it; port 0 takes a free port.
///
/// The port is bound without `SO_REUSEPORT`, which would share it silently; the option is set afterwards, so that the
/// other shards can [`listen_again`].
///
/// # Errors
/// What the system says: address in use, not available, no permission.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
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
pub fn listen_again(address: SocketAddr) -> io::Result<TcpListener> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn a_taken_port_is_not_shared() {
        let first = listen((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let taken = listen(first.local_addr().unwrap());
        assert_eq!(taken.unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn other_shards_listen_at_the_port_of_the_first() {
        let first = listen((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let address = first.local_addr().unwrap();
        let second = listen_again(address).unwrap();
        assert_eq!(second.local_addr().unwrap(), address);
    }
}
