//! The listeners of the shards.

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener};

/// Connections that may wait in a listener's queue; the kernel cuts it to `net.core.somaxconn`.
pub const BACKLOG: i32 = 4096;

/// Bytes that the kernel may hold for one connection until its client takes them (D26). The kernel counts its own overhead
/// besides and allows twice as much. A client 100 ms away still gets 10 Mbit/s.
pub const SEND_BUFFER_BYTES: usize = 128 * 1024;
/// Bytes that the kernel may hold of one client until they are read; the kernel allows twice as much.
pub const RECEIVE_BUFFER_BYTES: usize = 64 * 1024;
/// Bytes behind which the kernel takes no more for a client that has not even been sent them.
const NOT_SENT_BYTES: u32 = 64 * 1024;

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
    // Accepted sockets inherit these.
    socket.set_tcp_nodelay(true)?;
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
    socket.set_tcp_notsent_lowat(NOT_SENT_BYTES)?;
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
    fn a_client_that_does_not_read_holds_a_bounded_part_of_the_kernel() {
        use std::io::Write;
        let listener = listen((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        // The client's own buffer is none of ours.
        let client = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        client.set_recv_buffer_size(4096).unwrap();
        client.connect(&listener.local_addr().unwrap().into()).unwrap();
        let mut server = loop {
            match listener.accept() {
                Ok((server, _)) => break server,
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
        };
        server.set_nonblocking(true).unwrap();
        let mut taken = 0;
        while let Ok(bytes) = server.write(&[0; 16 * 1024]) {
            taken += bytes;
        }
        assert!(taken > 0 && taken <= 2 * SEND_BUFFER_BYTES, "{taken}");
    }

    #[test]
    fn other_shards_listen_at_the_port_of_the_first() {
        let first = listen((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let address = first.local_addr().unwrap();
        let second = listen_again(address).unwrap();
        assert_eq!(second.local_addr().unwrap(), address);
    }
}
