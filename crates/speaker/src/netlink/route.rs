//! Routes.

use std::net::IpAddr;

use ipnet::IpNet;

use super::message::{Batch, Body};
use super::{ON_LINK, OURS, family, flag, kind};

/// The length of `rtmsg`.
const FIXED: usize = 12;

const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_MULTIPATH: u16 = 9;
const RTA_TABLE: u16 = 15;
const RTA_VIA: u16 = 18;
const RTA_NH_ID: u16 = 30;

/// Kinds of routes (`rtm_type`): ordinary ones, those that refuse packets, and in requests to
/// remove, any.
const UNICAST: u8 = 1;
const UNREACHABLE: u8 = 7;
const ANY_KIND: u8 = 0;
/// Unicast, blackhole, unreachable, prohibit.
const USABLE_KINDS: [u8; 4] = [UNICAST, 6, UNREACHABLE, 8];

/// Flags of routes and of their legs (`rtm_flags`, `rtnh_flags`).
const DEAD: u32 = 1;
const LINK_DOWN: u32 = 16;

/// Scopes (`rtm_scope`): anywhere, on the link itself, and in requests to remove, any.
const UNIVERSE: u8 = 0;
const LINK_SCOPE: u8 = 253;
const ANY_SCOPE: u8 = 255;

/// Where a route leads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Target {
    /// To the next-hop object or group of this number.
    Object(u32),
    /// Out of an interface, through a gateway that need not be on a connected prefix.
    Via { interface: u32, gateway: Option<IpAddr> },
    /// Nowhere: the packet is refused.
    Unreachable,
}

/// What the kernel tells routes apart by.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct RouteKey {
    pub(crate) prefix: IpNet,
    pub(crate) table: u32,
    pub(crate) metric: u32,
}

impl RouteKey {
    /// Writes a route of ours.
    pub(crate) fn write(self, batch: &mut Batch, flags: u16, target: Target) {
        let (kind, scope, bits) = match target {
            Target::Object(_) => (UNICAST, UNIVERSE, 0),
            Target::Unreachable => (UNREACHABLE, UNIVERSE, 0),
            Target::Via { gateway: Some(_), .. } => (UNICAST, UNIVERSE, ON_LINK),
            Target::Via { gateway: None, .. } => (UNICAST, LINK_SCOPE, 0),
        };
        self.begin(batch, (kind::NEW_ROUTE, flags), kind, scope, bits);
        match target {
            Target::Object(id) => batch.number(RTA_NH_ID, id),
            Target::Unreachable => {}
            Target::Via { interface, gateway } => {
                batch.number(RTA_OIF, interface);
                match gateway {
                    Some(gateway) if is_ipv6(self.prefix) == gateway.is_ipv6() => {
                        batch.address(RTA_GATEWAY, gateway);
                    }
                    Some(gateway) => batch.attribute(RTA_VIA, &via(gateway)),
                    None => {}
                }
            }
        }
    }

    /// Removes a route of ours; other daemons' routes for the prefix do not match.
    pub(crate) fn remove(self, batch: &mut Batch) {
        self.begin(batch, (kind::DEL_ROUTE, 0), ANY_KIND, ANY_SCOPE, 0);
    }

    fn begin(self, batch: &mut Batch, message: (u16, u16), kind: u8, scope: u8, bits: u32) {
        let mut fixed = [0; FIXED];
        fixed[0] = family(is_ipv6(self.prefix));
        fixed[1] = self.prefix.prefix_len();
        fixed[5] = OURS;
        fixed[6] = scope;
        fixed[7] = kind;
        fixed[8..].copy_from_slice(&bits.to_ne_bytes());
        batch.begin(message.0, message.1, &fixed);
        if self.prefix.prefix_len() > 0 {
            batch.address(RTA_DST, self.prefix.network());
        }
        batch.number(RTA_TABLE, self.table);
        batch.number(RTA_PRIORITY, self.metric);
    }
}

/// A route.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Route {
    pub(crate) key: RouteKey,
    pub(crate) protocol: u8,
    pub(crate) object: Option<u32>,
    /// Has a way out whose carrier is not lost, or is an operator's anchor (blackhole and kin).
    pub(crate) usable: bool,
}

impl Route {
    /// Asks for one family's routes of `table` (all if zero) and `protocol` (all if zero).
    pub(crate) fn request_all(batch: &mut Batch, ipv6: bool, table: u32, protocol: u8) {
        let mut fixed = [0; FIXED];
        fixed[0] = family(ipv6);
        fixed[5] = protocol;
        batch.begin(kind::GET_ROUTE, flag::DUMP, &fixed);
        if table != 0 {
            batch.number(RTA_TABLE, table);
        }
    }

    /// Asks how packets to `address` are routed; answered with one route.
    pub(crate) fn request(batch: &mut Batch, address: IpAddr) {
        let mut fixed = [0; FIXED];
        fixed[0] = family(address.is_ipv6());
        fixed[1] = if address.is_ipv6() { 128 } else { 32 };
        batch.begin(kind::GET_ROUTE, 0, &fixed);
        batch.address(RTA_DST, address);
    }

    /// The interface in the answer to [`Self::request`].
    pub(crate) fn read_interface(body: Body<'_>) -> Option<u32> {
        let mut attributes = body.attributes(FIXED);
        attributes.find(|(kind, _)| *kind == RTA_OIF)?.1.number()
    }

    /// Reads a route.
    pub(crate) fn read(body: Body<'_>) -> Option<Self> {
        let fixed = body.fixed::<FIXED>()?;
        let unspecified: IpAddr = match i32::from(fixed[0]) {
            libc::AF_INET => [0; 4].into(),
            libc::AF_INET6 => [0; 16].into(),
            _ => return None,
        };
        let flags = u32::from_ne_bytes(*fixed[8..].first_chunk()?);
        let mut address = unspecified;
        let mut route = Self {
            key: RouteKey {
                prefix: IpNet::new(unspecified, 0).ok()?,
                table: u32::from(fixed[4]),
                metric: 0,
            },
            protocol: fixed[5],
            object: None,
            usable: USABLE_KINDS.contains(&fixed[7]) && flags & (DEAD | LINK_DOWN) == 0,
        };
        for (kind, value) in body.attributes(FIXED) {
            match kind {
                RTA_DST => address = value.address()?,
                RTA_TABLE => route.key.table = value.number()?,
                RTA_PRIORITY => route.key.metric = value.number()?,
                RTA_NH_ID => route.object = value.number(),
                RTA_MULTIPATH => route.usable &= any_leg_usable(value.0),
                _ => {}
            }
        }
        route.key.prefix = IpNet::new(address, fixed[1]).ok()?;
        Some(route)
    }
}

/// Whether a `struct rtnexthop` in the list is neither dead nor without carrier.
fn any_leg_usable(mut legs: &[u8]) -> bool {
    while let Some(&[low, high, flags, ..]) = legs.first_chunk::<8>() {
        if u32::from(flags) & (DEAD | LINK_DOWN) == 0 {
            return true;
        }
        let len = usize::from(u16::from_ne_bytes([low, high])).max(8);
        legs = legs.get(len.next_multiple_of(4)..).unwrap_or_default();
    }
    false
}

fn is_ipv6(prefix: IpNet) -> bool {
    matches!(prefix, IpNet::V6(_))
}

/// `struct rtvia`: a gateway of another family than the route's.
fn via(gateway: IpAddr) -> Vec<u8> {
    let mut value = u16::from(family(gateway.is_ipv6())).to_ne_bytes().to_vec();
    match gateway {
        IpAddr::V4(gateway) => value.extend(gateway.octets()),
        IpAddr::V6(gateway) => value.extend(gateway.octets()),
    }
    value
}
