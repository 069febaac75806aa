//! Next hops: the NEXT_HOP attribute and the field of MP_REACH_NLRI.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytes::{BufMut, BytesMut};

use crate::{AttrFlags, Family, FaultReason};

/// Where to send what follows a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NextHop {
    /// The address: global, or link-local where the peer gave nothing else.
    pub addr: IpAddr,
    /// The link-local address that came with a global IPv6 one (RFC 2545 section 3).
    pub link_local: Option<Ipv6Addr>,
}

impl From<IpAddr> for NextHop {
    fn from(addr: IpAddr) -> NextHop {
        NextHop { addr, link_local: None }
    }
}

impl fmt::Display for NextHop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.addr)?;
        match self.link_local {
            Some(link_local) => write!(f, " ({link_local})"),
            None => Ok(()),
        }
    }
}

impl NextHop {
    /// Reads the NEXT_HOP attribute (RFC 4271 section 5.1.3, RFC 7606 section 7.3).
    pub(crate) fn from_attribute(flags: AttrFlags, value: &[u8]) -> Result<NextHop, FaultReason> {
        if flags.kind() != AttrFlags::TRANSITIVE {
            return Err(FaultReason::Flags);
        }
        let octets: [u8; 4] = value.try_into().map_err(|_| FaultReason::Length)?;
        let next_hop = NextHop::from(IpAddr::from(octets));
        if next_hop.is_host() { Ok(next_hop) } else { Err(FaultReason::Value) }
    }

    /// Reads the next hop field of MP_REACH_NLRI; `None` if the family cannot have that length
    /// (RFC 4760 section 3, RFC 2545, and RFC 8950 if `extended`).
    pub(crate) fn from_mp(family: Family, extended: bool, value: &[u8]) -> Option<NextHop> {
        let is_v4 = family.afi == Family::IPV4_UNICAST.afi;
        match value.len() {
            4 if is_v4 => Some(NextHop::from(IpAddr::from(<[u8; 4]>::try_from(value).ok()?))),
            16 | 32 if !is_v4 || extended => {
                let (first, second) = value.split_at_checked(16)?;
                let first = Ipv6Addr::from(<[u8; 16]>::try_from(first).ok()?);
                let second = <[u8; 16]>::try_from(second).ok().map(Ipv6Addr::from);
                Some(NextHop::from_pair(first, second))
            }
            _ => None,
        }
    }

    /// A second address that is not link-local says nothing, and is dropped; one beside the
    /// unspecified address takes its place.
    fn from_pair(first: Ipv6Addr, second: Option<Ipv6Addr>) -> NextHop {
        let second = second.filter(Ipv6Addr::is_unicast_link_local);
        match second {
            Some(link_local) if first.is_unspecified() => NextHop::from(IpAddr::V6(link_local)),
            link_local => NextHop { addr: IpAddr::V6(first), link_local },
        }
    }

    /// Whether the address can be that of a host (RFC 4271 section 6.3): not unspecified,
    /// multicast or of the reserved class E. Loopback passes: the sender may share our host.
    pub(crate) fn is_host(&self) -> bool {
        match self.addr {
            IpAddr::V4(v4) => !v4.is_unspecified() && v4 < Ipv4Addr::new(224, 0, 0, 0),
            IpAddr::V6(v6) => !v6.is_unspecified() && !v6.is_multicast(),
        }
    }

    /// Whether routes of the family can have this next hop; IPv4 routes an IPv6 one only if
    /// `extended` (RFC 8950).
    pub(crate) fn fits(&self, family: Family, extended: bool) -> bool {
        match self.addr {
            IpAddr::V4(_) => family.afi == Family::IPV4_UNICAST.afi,
            IpAddr::V6(_) => family.afi != Family::IPV4_UNICAST.afi || extended,
        }
    }

    /// Octets of the next hop field of MP_REACH_NLRI with its length.
    pub(crate) fn mp_len(&self) -> usize {
        match (self.addr, self.link_local) {
            (IpAddr::V4(_), _) => 1 + 4,
            (IpAddr::V6(_), None) => 1 + 16,
            (IpAddr::V6(_), Some(_)) => 1 + 32,
        }
    }

    /// Appends the next hop field of MP_REACH_NLRI with its length.
    pub(crate) fn put_mp(&self, out: &mut BytesMut) {
        match (self.addr, self.link_local) {
            (IpAddr::V4(v4), _) => {
                out.put_u8(4);
                out.put_slice(&v4.octets());
            }
            (IpAddr::V6(v6), None) => {
                out.put_u8(16);
                out.put_slice(&v6.octets());
            }
            (IpAddr::V6(v6), Some(link_local)) => {
                out.put_u8(32);
                out.put_slice(&v6.octets());
                out.put_slice(&link_local.octets());
            }
        }
    }
}
