//! Links, routes, rules and next-hop objects as rtnetlink spells them.

use std::net::IpAddr;

use ipnet::IpNet;

use super::message::{Batch, Body, Value};
use super::{OURS, kind};

/// `ifinfomsg`, `ifaddrmsg`, `rtmsg`, `fib_rule_hdr`, `nhmsg`: lengths of the fixed parts.
const LINK_FIXED: usize = 16;
const ROUTE_FIXED: usize = 12;
const RULE_FIXED: usize = 12;
const NEXT_HOP_FIXED: usize = 8;

const UNICAST: u8 = 1;
const UNREACHABLE: u8 = 7;
/// Unicast, blackhole, unreachable, prohibit.
const USABLE_KINDS: [u8; 4] = [UNICAST, 6, UNREACHABLE, 8];
const DEAD: u32 = 1;
const ON_LINK: u32 = 4;
const LINK_DOWN: u32 = 16;

mod attribute {
    pub(super) const IFLA_IFNAME: u16 = 3;
    pub(super) const RTA_DST: u16 = 1;
    pub(super) const RTA_OIF: u16 = 4;
    pub(super) const RTA_GATEWAY: u16 = 5;
    pub(super) const RTA_PRIORITY: u16 = 6;
    pub(super) const RTA_MULTIPATH: u16 = 9;
    pub(super) const RTA_TABLE: u16 = 15;
    pub(super) const RTA_VIA: u16 = 18;
    pub(super) const RTA_NH_ID: u16 = 30;
    pub(super) const FRA_SRC: u16 = 2;
    pub(super) const FRA_PRIORITY: u16 = 6;
    pub(super) const FRA_FWMARK: u16 = 10;
    pub(super) const FRA_TABLE: u16 = 15;
    pub(super) const FRA_PROTOCOL: u16 = 21;
    pub(super) const NHA_ID: u16 = 1;
    pub(super) const NHA_GROUP: u16 = 2;
    pub(super) const NHA_OIF: u16 = 5;
    pub(super) const NHA_GATEWAY: u16 = 6;
}

/// `AF_INET` or `AF_INET6`.
fn family(ipv6: bool) -> u8 {
    if ipv6 { libc::AF_INET6 as u8 } else { libc::AF_INET as u8 }
}

/// A network interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) name: String,
    /// Administratively up, with a carrier or without the notion of one.
    pub(crate) up: bool,
    /// Has no link layer addresses to resolve, so needs no gateway.
    pub(crate) point_to_point: bool,
}

impl Link {
    pub(crate) fn request_all(batch: &mut Batch) {
        batch.begin(kind::GET_LINK, super::flag::DUMP, &[0; LINK_FIXED]);
    }

    /// Asks for the link of that name.
    pub(crate) fn request(batch: &mut Batch, name: &str) {
        batch.begin(kind::GET_LINK, 0, &[0; LINK_FIXED]);
        let mut text = name.as_bytes().to_vec();
        text.push(0);
        batch.attribute(attribute::IFLA_IFNAME, &text);
    }

    /// Asks for the link of that number.
    pub(crate) fn request_index(batch: &mut Batch, index: u32) {
        let mut fixed = [0; LINK_FIXED];
        fixed[4..8].copy_from_slice(&index.to_ne_bytes());
        batch.begin(kind::GET_LINK, 0, &fixed);
    }

    /// Reads a link; `None` for reports of its role elsewhere, such as in a bridge.
    pub(crate) fn read(body: Body<'_>) -> Option<Self> {
        let fixed = body.fixed::<LINK_FIXED>()?;
        if fixed[0] != libc::AF_UNSPEC as u8 {
            return None;
        }
        let index = u32::from_ne_bytes(*fixed[4..].first_chunk()?);
        let flags = u32::from_ne_bytes(*fixed[8..].first_chunk()?);
        let set = |bits: i32| flags & bits as u32 == bits as u32;
        let mut names = body.attributes(LINK_FIXED);
        let (_, name) = names.find(|(kind, _)| *kind == attribute::IFLA_IFNAME)?;
        Some(Self {
            index,
            name: name.text()?,
            up: set(libc::IFF_UP | libc::IFF_RUNNING),
            point_to_point: set(libc::IFF_POINTOPOINT) || set(libc::IFF_NOARP),
        })
    }
}

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

/// A route.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Route {
    pub(crate) prefix: IpNet,
    pub(crate) table: u32,
    pub(crate) protocol: u8,
    pub(crate) metric: u32,
    pub(crate) object: Option<u32>,
    /// Has a way out whose carrier is not lost, or is an operator's anchor (blackhole and kin).
    pub(crate) usable: bool,
}

impl Route {
    /// Asks for one family's routes of `table` (all if zero) and `protocol` (all if zero).
    pub(crate) fn request_all(batch: &mut Batch, ipv6: bool, table: u32, protocol: u8) {
        let mut fixed = [0; ROUTE_FIXED];
        fixed[0] = family(ipv6);
        fixed[5] = protocol;
        batch.begin(kind::GET_ROUTE, super::flag::DUMP, &fixed);
        if table != 0 {
            batch.number(attribute::RTA_TABLE, table);
        }
    }

    /// Asks how packets to `address` are routed; answered with one route.
    pub(crate) fn request(batch: &mut Batch, address: IpAddr) {
        let mut fixed = [0; ROUTE_FIXED];
        fixed[0] = family(address.is_ipv6());
        fixed[1] = if address.is_ipv6() { 128 } else { 32 };
        batch.begin(kind::GET_ROUTE, 0, &fixed);
        batch.address(attribute::RTA_DST, address);
    }

    /// The interface in the answer to [`Self::request`].
    pub(crate) fn read_interface(body: Body<'_>) -> Option<u32> {
        let mut attributes = body.attributes(ROUTE_FIXED);
        attributes.find(|(kind, _)| *kind == attribute::RTA_OIF)?.1.number()
    }

    /// Writes a route of ours.
    pub(crate) fn write(
        batch: &mut Batch,
        flags: u16,
        prefix: IpNet,
        table: u32,
        metric: u32,
        target: Target,
    ) {
        let kind = if target == Target::Unreachable { UNREACHABLE } else { UNICAST };
        Self::begin(batch, kind::NEW_ROUTE, flags, prefix, table, metric, kind, target);
        match target {
            Target::Object(id) => batch.number(attribute::RTA_NH_ID, id),
            Target::Unreachable => {}
            Target::Via { interface, gateway } => {
                batch.number(attribute::RTA_OIF, interface);
                match gateway {
                    Some(gateway) if is_ipv6(prefix) == gateway.is_ipv6() => {
                        batch.address(attribute::RTA_GATEWAY, gateway);
                    }
                    Some(gateway) => batch.attribute(attribute::RTA_VIA, &via(gateway)),
                    None => {}
                }
            }
        }
    }

    /// Removes a route of ours; other daemons' routes for the prefix do not match.
    pub(crate) fn remove(batch: &mut Batch, prefix: IpNet, table: u32, metric: u32) {
        let target = Target::Unreachable;
        Self::begin(batch, kind::DEL_ROUTE, 0, prefix, table, metric, 0, target);
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of rtmsg")]
    fn begin(
        batch: &mut Batch,
        message: u16,
        flags: u16,
        prefix: IpNet,
        table: u32,
        metric: u32,
        kind: u8,
        target: Target,
    ) {
        let mut fixed = [0; ROUTE_FIXED];
        fixed[0] = family(is_ipv6(prefix));
        fixed[1] = prefix.prefix_len();
        fixed[5] = OURS;
        fixed[7] = kind;
        if message == kind::DEL_ROUTE {
            fixed[6] = NOWHERE;
        }
        if let Target::Via { gateway, .. } = target {
            match gateway {
                Some(_) => fixed[8..].copy_from_slice(&ON_LINK.to_ne_bytes()),
                None => fixed[6] = LINK_SCOPE,
            }
        }
        batch.begin(message, flags, &fixed);
        if prefix.prefix_len() > 0 {
            batch.address(attribute::RTA_DST, prefix.network());
        }
        batch.number(attribute::RTA_TABLE, table);
        batch.number(attribute::RTA_PRIORITY, metric);
    }

    /// Reads a route.
    pub(crate) fn read(body: Body<'_>) -> Option<Self> {
        let fixed = body.fixed::<ROUTE_FIXED>()?;
        let unspecified: IpAddr = match i32::from(fixed[0]) {
            libc::AF_INET => [0; 4].into(),
            libc::AF_INET6 => [0; 16].into(),
            _ => return None,
        };
        let flags = u32::from_ne_bytes(*fixed[8..].first_chunk()?);
        let mut address = unspecified;
        let mut route = Self {
            prefix: IpNet::new(unspecified, 0).ok()?,
            table: u32::from(fixed[4]),
            protocol: fixed[5],
            metric: 0,
            object: None,
            usable: USABLE_KINDS.contains(&fixed[7]) && flags & (DEAD | LINK_DOWN) == 0,
        };
        for (kind, value) in body.attributes(ROUTE_FIXED) {
            match kind {
                attribute::RTA_DST => address = value.address()?,
                attribute::RTA_TABLE => route.table = value.number()?,
                attribute::RTA_PRIORITY => route.metric = value.number()?,
                attribute::RTA_NH_ID => route.object = value.number(),
                attribute::RTA_MULTIPATH => route.usable &= any_leg_usable(value.0),
                _ => {}
            }
        }
        route.prefix = IpNet::new(address, fixed[1]).ok()?;
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

/// Any scope matches when removing.
const NOWHERE: u8 = 255;
/// The scope of destinations on the link itself.
const LINK_SCOPE: u8 = 253;

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

/// A rule that sends packets to a table.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Rule {
    pub(crate) ipv6: bool,
    pub(crate) priority: u32,
    pub(crate) mark: Option<u32>,
    pub(crate) source: Option<IpAddr>,
    pub(crate) table: u32,
}

impl Rule {
    pub(crate) fn request_all(batch: &mut Batch, ipv6: bool) {
        let mut fixed = [0; RULE_FIXED];
        fixed[0] = family(ipv6);
        batch.begin(kind::GET_RULE, super::flag::DUMP, &fixed);
    }

    /// Writes the rule, marked ours, with `message` saying whether to add or remove it.
    pub(crate) fn write(&self, batch: &mut Batch, message: u16, flags: u16) {
        const TO_TABLE: u8 = 1;
        let mut fixed = [0; RULE_FIXED];
        fixed[0] = family(self.ipv6);
        fixed[2] = match self.source {
            Some(IpAddr::V4(_)) => 32,
            Some(IpAddr::V6(_)) => 128,
            None => 0,
        };
        fixed[7] = TO_TABLE;
        batch.begin(message, flags, &fixed);
        batch.attribute(attribute::FRA_PROTOCOL, &[OURS]);
        batch.number(attribute::FRA_PRIORITY, self.priority);
        batch.number(attribute::FRA_TABLE, self.table);
        if let Some(mark) = self.mark {
            batch.number(attribute::FRA_FWMARK, mark);
        }
        if let Some(source) = self.source {
            batch.address(attribute::FRA_SRC, source);
        }
    }

    /// Reads a rule if it is ours.
    pub(crate) fn read_ours(body: Body<'_>) -> Option<Self> {
        let fixed = body.fixed::<RULE_FIXED>()?;
        let mut ours = false;
        let mut rule = Self {
            ipv6: i32::from(fixed[0]) == libc::AF_INET6,
            priority: 0,
            mark: None,
            source: None,
            table: u32::from(fixed[4]),
        };
        for (kind, value) in body.attributes(RULE_FIXED) {
            match kind {
                attribute::FRA_PROTOCOL => ours = value.0 == [OURS],
                attribute::FRA_PRIORITY => rule.priority = value.number()?,
                attribute::FRA_TABLE => rule.table = value.number()?,
                attribute::FRA_FWMARK => rule.mark = value.number(),
                attribute::FRA_SRC => rule.source = value.address(),
                _ => {}
            }
        }
        ours.then_some(rule)
    }
}

/// A next-hop object, or a group of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct NextHop {
    pub(crate) id: u32,
    pub(crate) interface: Option<u32>,
    pub(crate) gateway: Option<IpAddr>,
    /// The members, if it is a group.
    pub(crate) group: Vec<u32>,
}

impl NextHop {
    pub(crate) fn request_all(batch: &mut Batch) {
        batch.begin(kind::GET_NEXT_HOP, super::flag::DUMP, &[0; NEXT_HOP_FIXED]);
    }

    /// Writes an object: out of `interface`, through `gateway` if there is one; for IPv6
    /// routes if that is an IPv6 address or none, for IPv4 routes in any case with a gateway.
    pub(crate) fn write(
        batch: &mut Batch,
        flags: u16,
        id: u32,
        interface: u32,
        gateway: Option<IpAddr>,
    ) {
        let (af, bits) = match gateway {
            Some(gateway) => (family(gateway.is_ipv6()), ON_LINK),
            None => (family(true), 0),
        };
        Self::begin(batch, kind::NEW_NEXT_HOP, flags, af, bits, id);
        batch.number(attribute::NHA_OIF, interface);
        if let Some(gateway) = gateway {
            batch.address(attribute::NHA_GATEWAY, gateway);
        }
    }

    /// Writes a group of equal members.
    pub(crate) fn write_group(batch: &mut Batch, flags: u16, id: u32, members: &[u32]) {
        /// `struct nexthop_grp`: a number, the weight less one, three reserved bytes.
        const MEMBER: usize = 8;
        /// As many as any service has paths to spread over.
        const MOST: usize = 32;
        Self::begin(batch, kind::NEW_NEXT_HOP, flags, 0, 0, id);
        let mut value = [0; MEMBER * MOST];
        let count = members.len().min(MOST);
        for (slot, member) in value.chunks_exact_mut(MEMBER).zip(members) {
            slot[..4].copy_from_slice(&member.to_ne_bytes());
        }
        batch.attribute(attribute::NHA_GROUP, &value[..count * MEMBER]);
    }

    /// Removes an object or group, and with it whatever routes still use it.
    pub(crate) fn remove(batch: &mut Batch, id: u32) {
        Self::begin(batch, kind::DEL_NEXT_HOP, 0, 0, 0, id);
    }

    fn begin(batch: &mut Batch, message: u16, flags: u16, family: u8, bits: u32, id: u32) {
        let mut fixed = [0; NEXT_HOP_FIXED];
        fixed[0] = family;
        if message == kind::NEW_NEXT_HOP {
            fixed[2] = OURS;
        }
        fixed[4..].copy_from_slice(&bits.to_ne_bytes());
        batch.begin(message, flags, &fixed);
        batch.number(attribute::NHA_ID, id);
    }

    /// Reads an object if it is ours.
    pub(crate) fn read_ours(body: Body<'_>) -> Option<Self> {
        let fixed = body.fixed::<NEXT_HOP_FIXED>()?;
        if fixed[2] != OURS {
            return None;
        }
        let mut object = Self { id: 0, interface: None, gateway: None, group: Vec::new() };
        for (kind, value) in body.attributes(NEXT_HOP_FIXED) {
            match kind {
                attribute::NHA_ID => object.id = value.number()?,
                attribute::NHA_OIF => object.interface = value.number(),
                attribute::NHA_GATEWAY => object.gateway = value.address(),
                attribute::NHA_GROUP => {
                    object.group = value.0.chunks_exact(8).filter_map(member).collect();
                }
                _ => {}
            }
        }
        Some(object)
    }
}

fn member(entry: &[u8]) -> Option<u32> {
    Value(entry.get(..4)?).number()
}
