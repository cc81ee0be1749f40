//! The listeners of the shards.

use rustix::io::Errno;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

/// Connections that may wait in a listener's queue; the kernel cuts it to `net.core.somaxconn`.
pub const BACKLOG: i32 = 4096;

/// Bytes that the kernel may hold for one connection until its client takes them (D26). The kernel counts its own overhead
/// besides and allows twice as much. A client 100 ms away still gets 10 Mbit/s.
pub const SEND_BUFFER_BYTES: usize = 128 * 1024;
/// Bytes that the kernel may hold of one client until they are read; the kernel allows twice as much.
pub const RECEIVE_BUFFER_BYTES: usize = 64 * 1024;
/// Bytes behind which the kernel takes no more for a client that has not even been sent them.
const NOT_SENT_BYTES: u32 = 64 * 1024;

/// Binds `address`, for nobody else. `[::]` takes IPv4 as well, and is `0.0.0.0` on a machine without IPv6.
///
/// # Errors
/// What the system says: address in use, not available, no permission.
pub fn bind(address: SocketAddr) -> io::Result<Socket> {
    let bound = new_listener(address).and_then(|socket| socket.bind(&address.into()).map(|()| socket));
    match bound {
        Err(error) if address.ip() == Ipv6Addr::UNSPECIFIED && lacks_family(&error) => {
            bind((Ipv4Addr::UNSPECIFIED, address.port()).into())
        }
        bound => bound,
    }
}

/// Whether the machine has no IPv6: not built into the kernel, or switched off.
fn lacks_family(error: &io::Error) -> bool {
    let error = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(error, Some(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL))
}

/// [Binds](bind) `address` and listens. Fails if another socket listens there, whoever owns it; port 0 takes a free port.
///
/// The port is bound without `SO_REUSEPORT`, which would share it silently; the option is set afterwards, so that the
/// other shards can [`listen_again`].
///
/// # Errors
/// What the system says: address in use, not available, no permission.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = bind(address)?;
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
    if address.is_ipv6() {
        // The system's own default may be either.
        socket.set_only_v6(address.ip() != Ipv6Addr::UNSPECIFIED)?;
    }
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

    /// A machine without IPv6 has one family, which serves as well.
    #[test]
    fn an_unspecified_address_serves_both_families() {
        let listener = listen((Ipv6Addr::UNSPECIFIED, 0).into()).unwrap();
        let bound = listener.local_addr().unwrap();
        let another = listen_again(bound).unwrap();
        assert_eq!(another.local_addr().unwrap(), bound);
        std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, bound.port())).unwrap();
        if bound.is_ipv6() {
            std::net::TcpStream::connect((Ipv6Addr::LOCALHOST, bound.port())).unwrap();
            let taken = listen((Ipv4Addr::UNSPECIFIED, bound.port()).into());
            assert_eq!(taken.unwrap_err().kind(), io::ErrorKind::AddrInUse);
        }
    }

    #[test]
    fn other_shards_listen_at_the_port_of_the_first() {
        let first = listen((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let address = first.local_addr().unwrap();
        let second = listen_again(address).unwrap();
        assert_eq!(second.local_addr().unwrap(), address);
    }
}
