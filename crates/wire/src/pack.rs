//! Packing routes into UPDATE messages.

use core::fmt;
use core::net::IpAddr;

use bytes::{BufMut, BytesMut};
use ipnet::IpNet;

use crate::attr::{AttrFlags, code, split_before};
use crate::frame::put_message;
use crate::nlri::{LONGEST_ENTRY, put_entries};
use crate::parse::put_sized;
use crate::{EncodeContext, Family, HEADER_LEN, Kind, NextHop};

/// What was appended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Packed {
    /// UPDATE messages.
    pub messages: usize,
    /// Prefixes in them.
    pub prefixes: usize,
}

/// Why routes cannot be announced to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsendable {
    /// A message with these attributes and one prefix would be longer than the peer takes.
    TooBig {
        /// Octets of the message with one path identifier and the longest prefix of the family.
        len: usize,
        /// The most the peer takes.
        max_len: usize,
    },
    /// The family cannot have such a next hop, or not without the negotiation of RFC 8950.
    NextHop(NextHop),
}

impl fmt::Display for Unsendable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unsendable::TooBig { len, max_len } => {
                write!(f, "an UPDATE of {len} octets, where the peer takes {max_len}")
            }
            Unsendable::NextHop(next_hop) => write!(f, "the next hop cannot be {next_hop}"),
        }
    }
}

impl core::error::Error for Unsendable {}

/// Appends UPDATE messages that withdraw the prefixes, as many as are needed.
///
/// Each item is a path identifier, which is sent only where negotiated, and a prefix of the family.
pub fn encode_withdrawals(
    family: Family,
    prefixes: impl IntoIterator<Item = (u32, IpNet)>,
    ctx: &EncodeContext,
    out: &mut BytesMut,
) -> Packed {
    let classic = family == Family::IPV4_UNICAST;
    let overhead = if classic { 4 } else { 4 + MP_UNREACH_OVERHEAD };
    pack(family, prefixes, overhead, ctx, out, |out, room, take| {
        if classic {
            put_sized(out, |out| take(out, room));
            out.put_u16(0);
        } else {
            out.put_u16(0);
            put_sized(out, |out| {
                put_wide_attr(out, code::MP_UNREACH_NLRI, |out| {
                    put_family(out, family);
                    take(out, room);
                });
            });
        }
    })
}

/// Appends UPDATE messages that announce the prefixes with one set of attributes and one next hop.
///
/// `attributes` is what [`crate::Attrs::encode`] wrote for the same context. IPv4 routes with an
/// IPv4 next hop use the classic fields, all others MP_REACH_NLRI.
///
/// # Errors
/// [`Unsendable`], and nothing appended, if the longest prefix of the family does not fit, or the
/// family cannot have the next hop.
pub fn encode_announcements(
    family: Family,
    next_hop: &NextHop,
    attributes: &[u8],
    prefixes: impl IntoIterator<Item = (u32, IpNet)>,
    ctx: &EncodeContext,
    out: &mut BytesMut,
) -> Result<Packed, Unsendable> {
    let classic = match next_hop.addr {
        IpAddr::V4(v4) if family == Family::IPV4_UNICAST => Some(v4),
        _ => None,
    };
    if !next_hop.fits(family, ctx.extended_next_hop.contains(family)) {
        return Err(Unsendable::NextHop(*next_hop));
    }
    let next_hop_len = if classic.is_some() { 7 } else { MP_REACH_OVERHEAD + next_hop.mp_len() };
    let overhead = 4 + attributes.len() + next_hop_len;
    let len = HEADER_LEN + overhead + 4 + family.longest_nlri();
    if len > ctx.max_len {
        return Err(Unsendable::TooBig { len, max_len: ctx.max_len });
    }
    Ok(pack(family, prefixes, overhead, ctx, out, |out, room, take| {
        out.put_u16(0);
        if let Some(v4) = classic {
            put_sized(out, |out| {
                let (before, after) = split_before(attributes, code::NEXT_HOP);
                out.put_slice(before);
                out.put_slice(&[AttrFlags::TRANSITIVE.bits(), code::NEXT_HOP, 4]);
                out.put_slice(&v4.octets());
                out.put_slice(after);
            });
            take(out, room);
        } else {
            put_sized(out, |out| {
                put_wide_attr(out, code::MP_REACH_NLRI, |out| {
                    put_family(out, family);
                    next_hop.put_mp(out);
                    out.put_u8(0);
                    take(out, room);
                });
                out.put_slice(attributes);
            });
        }
    }))
}

/// Appends the End-of-RIB marker of a family (RFC 4724 section 2).
pub fn encode_end_of_rib(family: Family, out: &mut BytesMut) {
    put_message(out, Kind::Update, |out| {
        out.put_u16(0);
        put_sized(out, |out| {
            if family != Family::IPV4_UNICAST {
                out.put_slice(&[AttrFlags::OPTIONAL.bits(), code::MP_UNREACH_NLRI, 3]);
                put_family(out, family);
            }
        });
    });
}

/// Attribute header with two octets of length, and family.
const MP_UNREACH_OVERHEAD: usize = 4 + 3;
/// The same, and the reserved octet; the next hop field comes on top.
const MP_REACH_OVERHEAD: usize = 4 + 3 + 1;

fn put_family(out: &mut BytesMut, family: Family) {
    out.put_u16(family.afi);
    out.put_u8(family.safi);
}

/// Appends an optional attribute of yet unknown length.
fn put_wide_attr(out: &mut BytesMut, code: u8, write: impl FnOnce(&mut BytesMut)) {
    out.put_u8((AttrFlags::OPTIONAL | AttrFlags::EXTENDED_LENGTH).bits());
    out.put_u8(code);
    put_sized(out, write);
}

/// Writes messages until no prefix is left. `body` writes one body around the NLRI, which `take`
/// writes up to `room` octets.
fn pack(
    family: Family,
    prefixes: impl IntoIterator<Item = (u32, IpNet)>,
    overhead: usize,
    ctx: &EncodeContext,
    out: &mut BytesMut,
    body: impl Fn(&mut BytesMut, usize, &mut dyn FnMut(&mut BytesMut, usize)),
) -> Packed {
    let add_path = ctx.add_path.contains(family);
    // Never less than one entry, so that each message takes at least one prefix.
    let room = ctx.max_len.saturating_sub(HEADER_LEN + overhead).max(LONGEST_ENTRY);
    let mut packed = Packed::default();
    let mut prefixes = prefixes.into_iter().peekable();
    while prefixes.peek().is_some() {
        put_message(out, Kind::Update, |out| {
            body(out, room, &mut |out, room| {
                packed.prefixes += put_entries(&mut prefixes, add_path, room, out);
            });
        });
        packed.messages += 1;
    }
    packed
}
