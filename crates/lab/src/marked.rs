//! Datagrams with the mark that they travel with.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;

use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, SockaddrStorage, recvmsg, sendmsg,
};

/// A datagram's octets, and its Type of Service: DSCP and ECN.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Packet {
    pub(crate) tos: u8,
    pub(crate) bytes: Vec<u8>,
}

/// A socket on a free port that does not block and tells the marks of what it receives.
pub(crate) fn bind(address: Ipv4Addr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((address, 0))?;
    socket2::SockRef::from(&socket).set_recv_tos_v4(true)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// The next datagram that waits, and who sent it.
pub(crate) fn receive(socket: &UdpSocket, room: &mut [u8]) -> Option<(Packet, SocketAddr)> {
    let (mut parts, mut control) = ([IoSliceMut::new(room)], nix::cmsg_space!(u8));
    let flags = MsgFlags::MSG_DONTWAIT;
    let received = recvmsg::<SockaddrIn>(socket.as_raw_fd(), &mut parts, Some(&mut control), flags);
    let message = received.ok()?;
    let (len, from) = (message.bytes, message.address?);
    let marked = message.cmsgs().ok()?.find_map(|control| match control {
        ControlMessageOwned::Ipv4Tos(tos) => Some(tos),
        _ => None,
    });
    let packet = Packet { tos: marked.unwrap_or(0), bytes: room[..len].into() };
    Some((packet, SocketAddrV4::from(from).into()))
}

/// Sends a datagram with a mark; what the receiver does not take is lost, as on a network.
pub(crate) fn send(socket: &UdpSocket, bytes: &[u8], tos: u8, to: SocketAddr) {
    let (parts, control) = ([IoSlice::new(bytes)], ControlMessage::Ipv4Tos(&tos));
    let to = SockaddrStorage::from(to);
    let _ = sendmsg(socket.as_raw_fd(), &parts, &[control], MsgFlags::MSG_DONTWAIT, Some(&to));
}
