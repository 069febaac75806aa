//! What neither socket2 nor nix wraps: the crate's only unsafe code.
//!
//! Every function takes a borrowed descriptor (so it is open for the whole call) and hands the
//! kernel pointers to values that outlive the call; each block says why that is enough.
#![allow(unsafe_code)] // raw socket options, queue ioctls and tokio's descriptor registration

use std::ffi::c_int;
use std::io;
use std::mem::size_of;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use socket2::SockAddr;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The longest key that `TCP_MD5SIG` takes, in bytes.
pub(crate) const MD5_KEY_MAX: usize = 80;

/// `SIOCOUTQNSD`: bytes in the send queue that were not sent yet; absent from libc.
const SIOCOUTQNSD: libc::Ioctl = 0x894B;

/// `struct tcp_md5sig` of linux/tcp.h.
#[repr(C)]
struct TcpMd5Sig {
    addr: libc::sockaddr_storage,
    flags: u8,
    prefix_len: u8,
    key_len: u16,
    ifindex: c_int,
    key: [u8; MD5_KEY_MAX],
}

const _: () = assert!(size_of::<TcpMd5Sig>() == 216);

/// `TCP_MD5SIG_EXT` and its flag for keys of a whole prefix; absent from libc.
const TCP_MD5SIG_EXT: c_int = 32;
const TCP_MD5SIG_FLAG_PREFIX: u8 = 1;

/// Sets the TCP MD5 key (RFC 2385) for segments to and from `peer`, or all addresses that share its
/// first `prefix` bits; an empty key removes it.
///
/// Works on connecting and on listening sockets of the peer's address family; accepted sockets
/// inherit the key. Fails with `InvalidInput` for a key longer than [`MD5_KEY_MAX`], with
/// `ENOPROTOOPT` on kernels built without TCP MD5.
pub(crate) fn set_md5_key(
    socket: BorrowedFd<'_>,
    peer: IpAddr,
    prefix: Option<u8>,
    key: &[u8],
) -> io::Result<()> {
    if key.len() > MD5_KEY_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "TCP MD5 key over 80 bytes"));
    }
    let mut storage = SockAddr::from(SocketAddr::new(peer, 0)).as_storage();
    let mut option = TcpMd5Sig {
        // SAFETY: `SockAddrStorage` is a transparent, fully initialised `sockaddr_storage`.
        addr: *unsafe { storage.view_as::<libc::sockaddr_storage>() },
        flags: if prefix.is_some() { TCP_MD5SIG_FLAG_PREFIX } else { 0 },
        prefix_len: prefix.unwrap_or(0),
        key_len: key.len() as u16,
        ifindex: 0,
        key: [0; MD5_KEY_MAX],
    };
    option.key[..key.len()].copy_from_slice(key);
    let name = if prefix.is_some() { TCP_MD5SIG_EXT } else { libc::TCP_MD5SIG };
    set_option(socket, libc::IPPROTO_TCP, name, &option)
}

/// Drops segments that arrive with an IPv4 TTL or IPv6 hop limit below `min` (GTSM, RFC 5082).
pub(crate) fn set_min_ttl(socket: BorrowedFd<'_>, ipv6: bool, min: u8) -> io::Result<()> {
    let (level, name) = match ipv6 {
        false => (libc::IPPROTO_IP, libc::IP_MINTTL),
        true => (libc::IPPROTO_IPV6, libc::IPV6_MINHOPCOUNT),
    };
    set_option(socket, level, name, &c_int::from(min))
}

/// Sends packets with Don't Fragment; those that are larger than the path's MTU, as far as the kernel
/// knows it, are refused with `EMSGSIZE`.
pub(crate) fn forbid_fragments(socket: BorrowedFd<'_>, ipv6: bool) -> io::Result<()> {
    let (level, name, always) = match ipv6 {
        false => (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_DO),
        true => (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_DO),
    };
    set_option(socket, level, name, &always)
}

/// The path MTU of a connected socket, as far as the kernel knows it.
pub(crate) fn path_mtu(socket: BorrowedFd<'_>, ipv6: bool) -> io::Result<u32> {
    let (level, name) = match ipv6 {
        false => (libc::IPPROTO_IP, libc::IP_MTU),
        true => (libc::IPPROTO_IPV6, libc::IPV6_MTU),
    };
    let mut mtu: c_int = 0;
    let mut len = size_of::<c_int>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes to `mtu` and its count to `len`; both live
    // until after the call.
    let result = unsafe {
        let value = std::ptr::from_mut(&mut mtu).cast();
        libc::getsockopt(socket.as_raw_fd(), level, name, value, &mut len)
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(u32::try_from(mtu).unwrap_or(0))
}

/// Asks for the real-time priority `priority` (`SCHED_RR`) for the calling thread; processes that it
/// starts do not inherit it. Fails with `EPERM` without CAP_SYS_NICE or a limit that allows it.
pub(crate) fn set_real_time(priority: c_int) -> io::Result<()> {
    let param = libc::sched_param { sched_priority: priority };
    let policy = libc::SCHED_RR | libc::SCHED_RESET_ON_FORK;
    // SAFETY: the kernel reads one `sched_param` from a live reference; 0 means this thread.
    let result = unsafe { libc::sched_setscheduler(0, policy, &param) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Switches a boolean option of a netlink socket on.
pub(crate) fn set_netlink_flag(socket: BorrowedFd<'_>, name: c_int) -> io::Result<()> {
    set_option(socket, libc::SOL_NETLINK, name, &1_i32)
}

/// Bytes written to a TCP socket that the peer's TCP has not acknowledged (`SIOCOUTQ`).
pub(crate) fn unacknowledged(socket: BorrowedFd<'_>) -> io::Result<u32> {
    queue_length(socket, libc::TIOCOUTQ)
}

/// Bytes written to a TCP socket that were not sent even once (`SIOCOUTQNSD`).
pub(crate) fn unsent(socket: BorrowedFd<'_>) -> io::Result<u32> {
    queue_length(socket, SIOCOUTQNSD)
}

/// What TCP has seen of the way to its peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TcpFacts {
    /// Smoothed round-trip time, in microseconds; delayed acknowledgements are in it.
    pub rtt_us: u32,
    /// The least round-trip time of the last five minutes, in microseconds; zero if unknown.
    pub min_rtt_us: u32,
    /// Segments sent again since the connection began.
    pub retransmits: u32,
}

/// What TCP has seen of a connection's way (`TCP_INFO`).
pub(crate) fn tcp_facts(socket: BorrowedFd<'_>) -> io::Result<TcpFacts> {
    // Of `struct tcp_info` in linux/tcp.h, which only ever grows; the kernel fills what it knows.
    const RTT: usize = 68;
    const RETRANSMITS: usize = 100;
    const MIN_RTT: usize = 148;
    const LEN: usize = 192;
    let mut info = [0_u8; LEN];
    let mut len = LEN as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes to `info` and its count to `len`; both live
    // until after the call.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &mut len,
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    let at = |offset: usize| {
        let mut octets = [0; 4];
        octets.copy_from_slice(&info[offset..offset + 4]);
        u32::from_ne_bytes(octets)
    };
    // A kernel that has seen no round trip says the greatest number.
    let min_rtt_us = Some(at(MIN_RTT)).filter(|&us| us != u32::MAX).unwrap_or(0);
    Ok(TcpFacts { rtt_us: at(RTT), min_rtt_us, retransmits: at(RETRANSMITS) })
}

/// Registers a non-blocking descriptor with the current tokio runtime.
///
/// Panics outside of a runtime with I/O enabled.
pub(crate) fn watch(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is open and keeps its number until dropped, and it moves into the
    // `AsyncFd`, which never gives it out mutably here.
    let watched = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) };
    watched.map_err(|error| error.into_parts().1)
}

fn queue_length(socket: BorrowedFd<'_>, request: libc::Ioctl) -> io::Result<u32> {
    let mut bytes: c_int = 0;
    // SAFETY: both requests write one `int` to the pointer, which lives until after the call.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), request, &mut bytes) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(u32::try_from(bytes).unwrap_or(0))
}

/// `setsockopt` with a plain value; callers pair `name` with the type the kernel expects.
fn set_option<T>(socket: BorrowedFd<'_>, level: c_int, name: c_int, value: &T) -> io::Result<()> {
    // SAFETY: the kernel reads `size_of::<T>()` bytes from `value`, which is a live reference.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            std::ptr::from_ref(value).cast(),
            size_of::<T>() as libc::socklen_t,
        )
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
