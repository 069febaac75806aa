//! Next-hop objects and groups of them.

use std::net::IpAddr;

use super::message::{Batch, Body, Value};
use super::{ON_LINK, OURS, family, flag, kind};

/// The length of `nhmsg`.
const FIXED: usize = 8;

const NHA_ID: u16 = 1;
const NHA_GROUP: u16 = 2;
const NHA_OIF: u16 = 5;
const NHA_GATEWAY: u16 = 6;

/// A next-hop object, or a group of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct NextHop {
    pub(crate) id: u32,
    pub(crate) interface: Option<u32>,
    pub(crate) gateway: Option<IpAddr>,
    /// The members, if it is a group.
    pub(crate) group: Vec<Member>,
}

/// An object in a group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Member {
    pub(crate) id: u32,
    /// How many flows it gets, relative to the others: not zero.
    pub(crate) weight: u8,
}

impl NextHop {
    pub(crate) fn request_all(batch: &mut Batch) {
        batch.begin(kind::GET_NEXT_HOP, flag::DUMP, &[0; FIXED]);
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
        batch.number(NHA_OIF, interface);
        if let Some(gateway) = gateway {
            batch.address(NHA_GATEWAY, gateway);
        }
    }

    /// Writes a group.
    pub(crate) fn write_group(batch: &mut Batch, flags: u16, id: u32, members: &[Member]) {
        Self::begin(batch, kind::NEW_NEXT_HOP, flags, 0, 0, id);
        let value: Vec<u8> = members.iter().copied().flat_map(entry).collect();
        batch.attribute(NHA_GROUP, &value);
    }

    /// Removes an object or group, and with it whatever routes still use it.
    pub(crate) fn remove(batch: &mut Batch, id: u32) {
        Self::begin(batch, kind::DEL_NEXT_HOP, 0, 0, 0, id);
    }

    fn begin(batch: &mut Batch, message: u16, flags: u16, family: u8, bits: u32, id: u32) {
        let mut fixed = [0; FIXED];
        fixed[0] = family;
        if message == kind::NEW_NEXT_HOP {
            fixed[2] = OURS;
        }
        fixed[4..].copy_from_slice(&bits.to_ne_bytes());
        batch.begin(message, flags, &fixed);
        batch.number(NHA_ID, id);
    }

    /// Reads an object if it is ours.
    pub(crate) fn read_ours(body: Body<'_>) -> Option<Self> {
        let fixed = body.fixed::<FIXED>()?;
        if fixed[2] != OURS {
            return None;
        }
        let mut object = Self { id: 0, interface: None, gateway: None, group: Vec::new() };
        for (kind, value) in body.attributes(FIXED) {
            match kind {
                NHA_ID => object.id = value.number()?,
                NHA_OIF => object.interface = value.number(),
                NHA_GATEWAY => object.gateway = value.address(),
                NHA_GROUP => {
                    object.group = value.0.chunks_exact(8).filter_map(member).collect();
                }
                _ => {}
            }
        }
        Some(object)
    }
}

/// `struct nexthop_grp`: a number, the weight less one, three reserved bytes.
fn entry(member: Member) -> [u8; 8] {
    let [a, b, c, d] = member.id.to_ne_bytes();
    [a, b, c, d, member.weight.saturating_sub(1), 0, 0, 0]
}

fn member(entry: &[u8]) -> Option<Member> {
    let id = Value(entry.get(..4)?).number()?;
    Some(Member { id, weight: entry.get(4)?.saturating_add(1) })
}
