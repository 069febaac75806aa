//! Opening a socket with everything a probe needs set, or saying what is missing.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::sys::socket::sockopt::{Ipv4RecvTtl, Timestamping};
use nix::sys::socket::{TimestampingFlag, setsockopt};
use socket2::{Domain, Protocol, SockFilter, Socket, Type};

use crate::os_error::OsError;
use crate::sys;

/// What probes travel in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Carrier {
    /// UDP, for STAMP.
    Udp,
    /// ICMP or ICMPv6 echo, by the family of the source. A raw socket where we may open
    /// one, else a ping socket.
    Icmp {
        /// The echo identifier, different for each socket of the host; not zero.
        identifier: u16,
    },
    /// A TCP connection for each probe, which carries nothing.
    Tcp,
}

/// How a probe socket leaves the machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Spec {
    /// What probes travel in.
    pub carrier: Carrier,
    /// The path's probe source; the port (UDP only) zero for one of the kernel's choice.
    pub source: SocketAddr,
    /// The interface to leave and arrive through, whatever the routes say.
    pub device: Option<String>,
    /// The firewall mark that selects the path's routing table.
    pub mark: Option<u32>,
    /// The traffic class octet: DSCP in the upper six bits.
    pub traffic_class: u8,
    /// TTL or hop limit; RFC 8762 section 4.2.1 wants 255.
    pub ttl: u8,
    /// Whether the kernel tells the traffic class of what arrives.
    pub receive_class: bool,
    /// Packets are sent whole or not at all.
    pub dont_fragment: bool,
}

impl Spec {
    /// DSCP EF, as voice (RFC 3246).
    pub const EF: u8 = 0xb8;

    /// A probe socket from `source`, marked EF, with TTL 255, pinned to nothing.
    pub const fn new(carrier: Carrier, source: SocketAddr) -> Self {
        Self {
            carrier,
            source,
            device: None,
            mark: None,
            traffic_class: Self::EF,
            ttl: 255,
            receive_class: false,
            dont_fragment: false,
        }
    }
}

/// Says what was tried and what helps, beside the error of the operating system.
fn within<T>(
    result: io::Result<T>,
    doing: impl Into<String>,
    remedy: &'static str,
) -> Result<T, OsError> {
    result.map_err(|source| OsError::new(doing, source).with_remedy(remedy))
}

/// A bound, non-blocking socket with everything in `spec` set; `true` if its datagrams start with
/// an IPv4 header (raw ICMP).
pub(crate) fn open(spec: &Spec) -> Result<(Socket, bool), OsError> {
    let domain = Domain::for_address(spec.source);
    let (socket, raw) = match spec.carrier {
        Carrier::Udp => {
            let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP));
            (within(socket, "open a UDP socket", "raise the limit of open files")?, false)
        }
        Carrier::Icmp { identifier } => icmp_socket(domain, identifier)?,
        Carrier::Tcp => return Ok((open_tcp(spec)?, false)),
    };
    within(socket.set_nonblocking(true), "set O_NONBLOCK", "report this as a bug")?;
    apply(&socket, spec)?;
    receive_details(&socket, domain)?;
    if spec.receive_class {
        receive_class(&socket, domain)?;
    }
    if spec.dont_fragment {
        let set = sys::forbid_fragments(socket.as_fd(), domain == Domain::IPV6);
        within(set, "set IP_MTU_DISCOVER", "this kernel is too old")?;
    }
    bind(&socket, spec, raw)?;
    Ok((socket, raw && domain == Domain::IPV4))
}

/// A bound, non-blocking TCP socket with everything in `spec` set that concerns what it sends; it is
/// closed without a farewell.
pub(crate) fn open_tcp(spec: &Spec) -> Result<Socket, OsError> {
    let socket = Socket::new(Domain::for_address(spec.source), Type::STREAM, Some(Protocol::TCP));
    let socket = within(socket, "open a TCP socket", "raise the limit of open files")?;
    within(socket.set_nonblocking(true), "set O_NONBLOCK", "report this as a bug")?;
    within(socket.set_linger(Some(Duration::ZERO)), "set SO_LINGER", "report this as a bug")?;
    apply(&socket, spec)?;
    bind(&socket, spec, false)?;
    Ok(socket)
}

fn icmp_socket(domain: Domain, identifier: u16) -> Result<(Socket, bool), OsError> {
    let protocol = if domain == Domain::IPV4 { Protocol::ICMPV4 } else { Protocol::ICMPV6 };
    match Socket::new(domain, Type::RAW, Some(protocol)) {
        Ok(socket) => {
            let filter = socket.attach_filter(&echo_replies_to(domain, identifier));
            within(filter, "set SO_ATTACH_FILTER", "probe with STAMP, or lower the load of ICMP")?;
            Ok((socket, true))
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let socket = Socket::new(domain, Type::DGRAM, Some(protocol));
            let remedy = "grant CAP_NET_RAW, or put our group into net.ipv4.ping_group_range";
            Ok((within(socket, "open an ICMP socket", remedy)?, false))
        }
        Err(error) => {
            within(Err(error), "open a raw ICMP socket", "check the kernel's ICMP support")
        }
    }
}

/// A socket filter that lets only echo replies with our identifier through: a raw socket otherwise
/// wakes us for all ICMP of the host, our own requests on loopback included.
fn echo_replies_to(domain: Domain, identifier: u16) -> [SockFilter; 7] {
    const LOAD_HEADER_LEN: u32 = libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH;
    const LOAD_OCTET: u32 = libc::BPF_LD | libc::BPF_B | libc::BPF_IND;
    const LOAD_PAIR: u32 = libc::BPF_LD | libc::BPF_H | libc::BPF_IND;
    const CLEAR_INDEX: u32 = libc::BPF_LDX | libc::BPF_IMM;
    const IS_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    const RETURN: u32 = libc::BPF_RET | libc::BPF_K;
    let op = |code: u32, otherwise, k| SockFilter::new(code as u16, 0, otherwise, k);
    // Raw ICMP starts at the IPv4 header, raw ICMPv6 behind the IPv6 header.
    let (start, reply) =
        if domain == Domain::IPV4 { (LOAD_HEADER_LEN, 0) } else { (CLEAR_INDEX, 129) };
    [
        op(start, 0, 0),
        op(LOAD_OCTET, 0, 0),
        op(IS_EQUAL, 3, reply),
        op(LOAD_PAIR, 0, 4),
        op(IS_EQUAL, 1, identifier.into()),
        op(RETURN, 0, u32::MAX),
        op(RETURN, 0, 0),
    ]
}

/// Sets how packets leave: interface, mark, traffic class, TTL.
pub(crate) fn apply(socket: &Socket, spec: &Spec) -> Result<(), OsError> {
    if let Some(device) = &spec.device {
        let bound = socket.bind_device(Some(device.as_bytes()));
        let remedy = "check that the interface exists; the kernel may want CAP_NET_RAW";
        within(bound, format!("set SO_BINDTODEVICE {device}"), remedy)?;
    }
    if let Some(mark) = spec.mark {
        let remedy = "grant CAP_NET_ADMIN, or configure no mark";
        within(socket.set_mark(mark), format!("set SO_MARK {mark:#x}"), remedy)?;
    }
    let (class, ttl) = (u32::from(spec.traffic_class), u32::from(spec.ttl));
    if spec.source.is_ipv4() {
        within(
            socket.set_tos_v4(class),
            format!("set IP_TOS {class:#04x}"),
            "choose another DSCP",
        )?;
        within(socket.set_ttl_v4(ttl), format!("set IP_TTL {ttl}"), "choose 1 to 255")
    } else {
        let set = socket.set_tclass_v6(class);
        within(set, format!("set IPV6_TCLASS {class:#04x}"), "choose another DSCP")?;
        let set = socket.set_unicast_hops_v6(ttl);
        within(set, format!("set IPV6_UNICAST_HOPS {ttl}"), "choose 1 to 255")
    }
}

/// Asks for the TTL of what arrives.
pub(crate) fn receive_details(socket: &Socket, domain: Domain) -> Result<(), OsError> {
    let remedy = "this kernel is too old";
    if domain == Domain::IPV4 {
        let set = setsockopt(socket, Ipv4RecvTtl, &true).map_err(io::Error::from);
        within(set, "set IP_RECVTTL", remedy)
    } else {
        within(socket.set_recv_hoplimit_v6(true), "set IPV6_RECVHOPLIMIT", remedy)
    }
}

/// Asks for the traffic class of what arrives.
pub(crate) fn receive_class(socket: &Socket, domain: Domain) -> Result<(), OsError> {
    let remedy = "this kernel is too old";
    if domain == Domain::IPV4 {
        within(socket.set_recv_tos_v4(true), "set IP_RECVTOS", remedy)
    } else {
        within(socket.set_recv_tclass_v6(true), "set IPV6_RECVTCLASS", remedy)
    }
}

fn bind(socket: &Socket, spec: &Spec, raw: bool) -> Result<(), OsError> {
    let mut source = spec.source;
    if let Carrier::Icmp { identifier } = spec.carrier {
        // A ping socket's port is its identifier.
        source.set_port(if raw { 0 } else { identifier });
    }
    let remedy = "give the address to an interface of this host, or choose a free port";
    within(socket.bind(&source.into()), format!("bind to {source}"), remedy)
}

/// Turns kernel timestamps on and starts the count of sends anew; `false` if the kernel has none.
pub(crate) fn enable_stamps(socket: &impl std::os::fd::AsFd, transmit: bool) -> bool {
    let receive = TimestampingFlag::SOF_TIMESTAMPING_SOFTWARE
        | TimestampingFlag::SOF_TIMESTAMPING_RX_SOFTWARE;
    if !transmit {
        return setsockopt(socket, Timestamping, &receive).is_ok();
    }
    let both = receive
        | TimestampingFlag::SOF_TIMESTAMPING_TX_SOFTWARE
        | TimestampingFlag::SOF_TIMESTAMPING_OPT_ID
        | TimestampingFlag::SOF_TIMESTAMPING_OPT_TSONLY;
    // The count restarts only when OPT_ID is newly set.
    setsockopt(socket, Timestamping, &receive)
        .and_then(|()| setsockopt(socket, Timestamping, &both))
        .is_ok()
}
