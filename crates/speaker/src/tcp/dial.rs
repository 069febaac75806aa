//! Outbound connections.

use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::task::{Context, Poll, ready};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpStream;

use super::{Connection, Options};
use crate::os_error::OsError;

/// A connection that is being opened. Dropping it gives up.
#[derive(Debug)]
pub struct Dialing {
    stream: Option<TcpStream>,
    peer: SocketAddr,
}

impl Dialing {
    /// Starts connecting to `options.peer`; the SYN has been sent when this returns.
    ///
    /// Fails at once where a source address, interface or key cannot be had.
    pub fn start(options: &Options) -> Result<Self, OsError> {
        let peer = options.peer;
        let opening = |error| OsError::new(format!("dial {peer}"), error);
        let socket = Socket::new(
            Domain::for_address(peer),
            Type::STREAM.nonblocking().cloexec(),
            Some(Protocol::TCP),
        )
        .map_err(opening)?;
        options.apply(&socket)?;
        options.apply_password(&socket)?;
        if let Some(local) = options.local {
            socket.bind(&scoped(SocketAddr::new(local, 0), options)?.into()).map_err(|error| {
                OsError::new(format!("use {local} as the source towards {peer}"), error)
            })?;
        }
        match socket.connect(&scoped(peer, options)?.into()) {
            Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => {
                return Err(opening(error));
            }
            _ => {}
        }
        // Registered only now: an unconnected socket would report a hang-up.
        let stream = TcpStream::from_std(socket.into()).map_err(opening)?;
        Ok(Self { stream: Some(stream), peer })
    }

    /// The connection once it is open, or why it will not be; not to be polled after that.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Connection, OsError>> {
        let failed = |error| Poll::Ready(Err(OsError::new(format!("dial {}", self.peer), error)));
        let Some(stream) = &self.stream else {
            return failed(io::ErrorKind::NotConnected.into());
        };
        if let Err(error) = ready!(stream.poll_write_ready(cx)) {
            return failed(error);
        }
        match stream.take_error() {
            Ok(None) => {}
            Ok(Some(error)) | Err(error) => return failed(error),
        }
        let Some(stream) = self.stream.take() else { return Poll::Pending };
        match Connection::new(stream) {
            Ok(connection) => Poll::Ready(Ok(connection)),
            Err(error) => failed(error),
        }
    }
}

/// The address with its interface as scope, which link-local ones need (RFC 4007).
fn scoped(address: SocketAddr, options: &Options) -> Result<SocketAddr, OsError> {
    match (address.ip(), &options.interface) {
        (IpAddr::V6(ip), Some(interface)) if ip.is_unicast_link_local() => {
            let index = nix::net::if_::if_nametoindex(interface.as_str()).map_err(|error| {
                OsError::new(format!("find interface {interface}"), error.into())
            })?;
            Ok(SocketAddrV6::new(ip, address.port(), 0, index).into())
        }
        _ => Ok(address),
    }
}
