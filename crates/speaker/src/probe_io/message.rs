//! One datagram with its control messages, in and out.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, RecvMsg, SockaddrStorage, Timestamps, recvmsg,
    sendmsg,
};
use nix::sys::time::TimeSpec;

/// Octets of the largest datagram taken; larger ones come out as truncated.
const LARGEST: usize = 2048;
/// The stamp was taken when the driver got the packet (linux/errqueue.h).
const SCM_TSTAMP_SND: u32 = 0;

/// A reusable buffer for one datagram and what the kernel says of it.
pub(crate) struct Inbox {
    bytes: Box<[u8]>,
    control: Vec<u8>,
}

/// The address of ours that a datagram was sent to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Local {
    pub(crate) addr: IpAddr,
    pub(crate) interface: u32,
}

/// A datagram as the kernel delivered it.
#[derive(Debug)]
pub(crate) struct Message<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) from: Option<SocketAddr>,
    pub(crate) truncated: bool,
    pub(crate) details: Details,
}

/// The control messages that we ask for.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Details {
    /// When it was received or, from the error queue, sent.
    pub(crate) stamp: Option<TimeSpec>,
    pub(crate) ttl: Option<u8>,
    pub(crate) traffic_class: Option<u8>,
    pub(crate) local: Option<Local>,
    /// Which send a transmit stamp is about; wraps.
    pub(crate) sent_key: Option<u32>,
    /// How many datagrams the kernel has dropped for want of room since the socket was opened, if that is
    /// asked for and not zero; wraps.
    pub(crate) overflowed: Option<u32>,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        let control = nix::cmsg_space!(
            Timestamps,
            libc::c_int,
            libc::c_int,
            libc::in6_pktinfo,
            u32,
            (libc::sock_extended_err, libc::sockaddr_in6)
        );
        Self { bytes: vec![0; LARGEST].into_boxed_slice(), control }
    }

    /// Takes the next datagram without blocking.
    pub(crate) fn receive(&mut self, fd: BorrowedFd<'_>) -> io::Result<Message<'_>> {
        self.take(fd, MsgFlags::MSG_DONTWAIT)
    }

    /// Takes the next entry of the error queue: a transmit stamp, or an error of the network.
    pub(crate) fn receive_error(&mut self, fd: BorrowedFd<'_>) -> io::Result<Message<'_>> {
        self.take(fd, MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_ERRQUEUE)
    }

    fn take(&mut self, fd: BorrowedFd<'_>, flags: MsgFlags) -> io::Result<Message<'_>> {
        let mut parts = [IoSliceMut::new(&mut self.bytes)];
        let control = Some(self.control.as_mut_slice());
        let received = recvmsg::<SockaddrStorage>(fd.as_raw_fd(), &mut parts, control, flags)?;
        let from = received.address.as_ref().and_then(socket_addr);
        let truncated = received.flags.contains(MsgFlags::MSG_TRUNC);
        let details = details(&received);
        let len = received.bytes;
        Ok(Message { bytes: &self.bytes[..len.min(LARGEST)], from, truncated, details })
    }
}

/// Sends `bytes` to `to` from the address in `local`, with the given traffic class.
pub(crate) fn send_from(
    fd: BorrowedFd<'_>,
    bytes: &[u8],
    to: SocketAddr,
    local: Option<Local>,
    traffic_class: u8,
) -> io::Result<usize> {
    let (v4, v6);
    let (tos, class) = (traffic_class, i32::from(traffic_class));
    let source = match local.map(|local| (local.addr, local.interface)) {
        Some((IpAddr::V4(addr), _)) => {
            v4 = packet_info_v4(addr);
            Some(ControlMessage::Ipv4PacketInfo(&v4))
        }
        Some((IpAddr::V6(addr), interface)) => {
            v6 = packet_info_v6(addr, interface);
            Some(ControlMessage::Ipv6PacketInfo(&v6))
        }
        None => None,
    };
    let class = match to {
        SocketAddr::V4(_) => ControlMessage::Ipv4Tos(&tos),
        SocketAddr::V6(_) => ControlMessage::Ipv6TClass(&class),
    };
    let parts = [IoSlice::new(bytes)];
    let to = SockaddrStorage::from(to);
    let flags = MsgFlags::MSG_DONTWAIT;
    let sent = match source {
        Some(source) => sendmsg(fd.as_raw_fd(), &parts, &[source, class], flags, Some(&to)),
        None => sendmsg(fd.as_raw_fd(), &parts, &[class], flags, Some(&to)),
    };
    Ok(sent?)
}

fn packet_info_v4(addr: Ipv4Addr) -> libc::in_pktinfo {
    let source = libc::in_addr { s_addr: u32::from(addr).to_be() };
    libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: source, ipi_addr: libc::in_addr { s_addr: 0 } }
}

/// Names the interface only where the address means nothing without it; routing decides elsewhere.
fn packet_info_v6(addr: Ipv6Addr, interface: u32) -> libc::in6_pktinfo {
    let scoped = addr.is_unicast_link_local();
    libc::in6_pktinfo {
        ipi6_addr: libc::in6_addr { s6_addr: addr.octets() },
        ipi6_ifindex: if scoped { interface } else { 0 },
    }
}

fn details(received: &RecvMsg<'_, '_, SockaddrStorage>) -> Details {
    let mut details = Details::default();
    let Ok(messages) = received.cmsgs() else { return details };
    for message in messages {
        match message {
            ControlMessageOwned::ScmTimestampsns(stamps) => details.stamp = software(stamps),
            ControlMessageOwned::Ipv4Ttl(ttl) | ControlMessageOwned::Ipv6HopLimit(ttl) => {
                details.ttl = u8::try_from(ttl).ok();
            }
            ControlMessageOwned::Ipv4Tos(tos) => details.traffic_class = Some(tos),
            ControlMessageOwned::Ipv6TClass(class) => {
                details.traffic_class = u8::try_from(class).ok();
            }
            ControlMessageOwned::Ipv4PacketInfo(info) => {
                let addr = Ipv4Addr::from(u32::from_be(info.ipi_spec_dst.s_addr));
                let interface = u32::try_from(info.ipi_ifindex).unwrap_or(0);
                details.local = Some(Local { addr: addr.into(), interface });
            }
            ControlMessageOwned::Ipv6PacketInfo(info) => {
                let addr = Ipv6Addr::from(info.ipi6_addr.s6_addr);
                details.local = Some(Local { addr: addr.into(), interface: info.ipi6_ifindex });
            }
            ControlMessageOwned::RxqOvfl(dropped) => details.overflowed = Some(dropped),
            ControlMessageOwned::Ipv4RecvErr(error, _)
            | ControlMessageOwned::Ipv6RecvErr(error, _) => details.sent_key = sent_key(&error),
            _ => {}
        }
    }
    details
}

/// The software stamp; zero means that the kernel has none yet.
fn software(stamps: Timestamps) -> Option<TimeSpec> {
    Some(stamps.system).filter(|time| time.tv_sec() != 0)
}

fn sent_key(error: &libc::sock_extended_err) -> Option<u32> {
    let is_stamp =
        error.ee_origin == libc::SO_EE_ORIGIN_TIMESTAMPING && error.ee_info == SCM_TSTAMP_SND;
    is_stamp.then_some(error.ee_data)
}

fn socket_addr(addr: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = addr.as_sockaddr_in() {
        return Some(SocketAddrV4::from(*v4).into());
    }
    addr.as_sockaddr_in6().map(|v6| SocketAddrV6::from(*v6).into())
}
