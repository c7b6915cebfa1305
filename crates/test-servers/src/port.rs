//! A free port of loopback that nobody else gets, also while its server is down.

use crate::fault::{Result, cannot};
use socket2::{Domain, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

/// A port taken by a socket that does not listen. A server that sets `SO_REUSEADDR`, as all do, can listen there
/// beside it; the system gives the port to nobody else, neither to who asks for a free one nor to who connects
/// somewhere. So a server can be started on it without a race, and come back on it.
#[derive(Debug)]
pub(crate) struct ReservedPort {
    number: u16,
    _socket: Socket,
}

impl ReservedPort {
    pub(crate) fn new() -> Result<Self> {
        Self::take().map_err(cannot("find a free port"))
    }

    fn take() -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
        let address = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Self { number: address.port(), _socket: socket })
    }

    pub(crate) fn number(&self) -> u16 {
        self.number
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn a_port_is_reserved_once_and_its_owner_can_listen_on_it_again_and_again() {
        let ports: Vec<_> = (0..100).map(|_| ReservedPort::new().unwrap()).collect();
        let numbers: HashSet<_> = ports.iter().map(ReservedPort::number).collect();
        assert_eq!(numbers.len(), ports.len());

        let address = (Ipv4Addr::LOCALHOST, ports[0].number());
        for _ in 0..3 {
            assert_eq!(TcpStream::connect(address).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
            let listener = TcpListener::bind(address).unwrap();
            let _client = TcpStream::connect(address).unwrap();
            let _accepted = listener.accept().unwrap();
        }
    }
}
