//! Network Layer Reachability Information: prefixes, with path identifiers where negotiated.

use core::iter::Peekable;
use core::net::{Ipv4Addr, Ipv6Addr};

use bytes::{BufMut, BytesMut};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::Family;
use crate::parse::{Parsed, octets, take};

/// One prefix of an UPDATE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nlri {
    /// The family the prefix was sent in.
    pub family: Family,
    /// The path identifier (RFC 7911); 0 where none was negotiated.
    pub path_id: u32,
    /// The prefix, without host bits.
    pub prefix: IpNet,
}

/// The prefixes of one field, read as they are asked for.
///
/// Comes only from an UPDATE that was found correct, so it has no errors to report.
#[derive(Clone, Copy, Debug)]
pub struct NlriIter<'a> {
    rest: &'a [u8],
    family: Family,
    add_path: bool,
}

impl<'a> NlriIter<'a> {
    /// A field without prefixes.
    pub(crate) const fn empty(family: Family) -> NlriIter<'a> {
        NlriIter { rest: &[], family, add_path: false }
    }

    /// The prefixes of a field, if its syntax is right to the end (RFC 7606 section 5.3); else how
    /// many octets come before the first entry that cannot be read.
    pub(crate) fn checked(
        field: &'a [u8],
        family: Family,
        add_path: bool,
    ) -> Result<NlriIter<'a>, usize> {
        let most = longest(family);
        let mut rest = field;
        while !rest.is_empty() {
            match entry(rest, add_path) {
                Ok((after, (_, bits, _))) if bits <= most => rest = after,
                _ => return Err(field.len() - rest.len()),
            }
        }
        Ok(NlriIter { rest: field, family, add_path })
    }

    /// Whether no prefix is left.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The family of all prefixes of the field.
    pub fn family(&self) -> Family {
        self.family
    }
}

impl Iterator for NlriIter<'_> {
    type Item = Nlri;

    #[inline]
    fn next(&mut self) -> Option<Nlri> {
        let (rest, (path_id, bits, octets)) = entry(self.rest, self.add_path).ok()?;
        let prefix = prefix(self.family, bits, octets)?;
        self.rest = rest;
        Some(Nlri { family: self.family, path_id, prefix })
    }
}

const fn longest(family: Family) -> u8 {
    if family.afi == Family::IPV4_UNICAST.afi { 32 } else { 128 }
}

/// One entry: path identifier, prefix length in bits, and the octets that hold the prefix.
#[inline]
fn entry(input: &[u8], add_path: bool) -> Parsed<'_, (u32, u8, &[u8])> {
    let (input, path_id) = if add_path { octets(input)? } else { (input, [0; 4]) };
    let (input, [bits]) = octets(input)?;
    let (input, address) = take(input, usize::from(bits.div_ceil(8)))?;
    Ok((input, (u32::from_be_bytes(path_id), bits, address)))
}

/// The prefix that octets with so many valid bits stand for; what is beyond the bits is dropped.
#[inline]
fn prefix(family: Family, bits: u8, octets: &[u8]) -> Option<IpNet> {
    if family.afi == Family::IPV4_UNICAST.afi {
        // Spelt out, because a copy of unknown length costs more than all the rest.
        let address = match *octets {
            [] => [0; 4],
            [a] => [a, 0, 0, 0],
            [a, b] => [a, b, 0, 0],
            [a, b, c] => [a, b, c, 0],
            [a, b, c, d] => [a, b, c, d],
            _ => return None,
        };
        let address = masked_v4(u32::from_be_bytes(address), bits);
        Ipv4Net::new(Ipv4Addr::from_bits(address), bits).ok().map(IpNet::V4)
    } else {
        let mut address = [0; 16];
        address.get_mut(..octets.len())?.copy_from_slice(octets);
        let address = masked_v6(u128::from_be_bytes(address), bits);
        Ipv6Net::new(Ipv6Addr::from_bits(address), bits).ok().map(IpNet::V6)
    }
}

#[inline]
const fn masked_v4(address: u32, bits: u8) -> u32 {
    match u32::MAX.checked_shr(bits as u32) {
        Some(host_bits) => address & !host_bits,
        None => address,
    }
}

#[inline]
const fn masked_v6(address: u128, bits: u8) -> u128 {
    match u128::MAX.checked_shr(bits as u32) {
        Some(host_bits) => address & !host_bits,
        None => address,
    }
}

/// Octets of an entry.
#[inline]
pub(crate) fn entry_len(prefix: &IpNet, add_path: bool) -> usize {
    usize::from(add_path) * 4 + 1 + usize::from(prefix.prefix_len().div_ceil(8))
}

/// The longest entry: a path identifier and an IPv6 prefix of full length.
pub(crate) const LONGEST_ENTRY: usize = 4 + Family::IPV6_UNICAST.longest_nlri();

/// Appends entries as long as they fit into `room` octets; returns how many.
pub(crate) fn put_entries(
    prefixes: &mut Peekable<impl Iterator<Item = (u32, IpNet)>>,
    add_path: bool,
    mut room: usize,
    out: &mut BytesMut,
) -> usize {
    // They are gathered in a block of known size, which costs less than to append each.
    let mut block = [0; 16 * LONGEST_ENTRY];
    let (mut used, mut count) = (0, 0);
    while let Some((path_id, prefix)) =
        prefixes.next_if(|(_, prefix)| entry_len(prefix, add_path) <= room)
    {
        if used + LONGEST_ENTRY > block.len() {
            out.put_slice(block.get(..used).unwrap_or_default());
            used = 0;
        }
        if let Some(place) = block.get_mut(used..used + LONGEST_ENTRY) {
            put_entry(place, add_path, path_id, &prefix);
        }
        let len = entry_len(&prefix, add_path);
        used += len;
        room -= len;
        count += 1;
    }
    out.put_slice(block.get(..used).unwrap_or_default());
    count
}

/// Writes an entry over the first octets of a place for the longest; host bits are left out.
#[inline]
fn put_entry(place: &mut [u8], add_path: bool, path_id: u32, prefix: &IpNet) {
    let place = match place.split_first_chunk_mut() {
        Some((first, rest)) if add_path => {
            *first = path_id.to_be_bytes();
            rest
        }
        _ => place,
    };
    // A copy of known length is cheaper than one of the length that counts.
    let Some((bits, address)) = place.split_first_mut() else { return };
    *bits = prefix.prefix_len();
    match prefix {
        IpNet::V4(net) => {
            if let Some(place) = address.first_chunk_mut() {
                *place = masked_v4(net.addr().to_bits(), *bits).to_be_bytes();
            }
        }
        IpNet::V6(net) => {
            if let Some(place) = address.first_chunk_mut() {
                *place = masked_v6(net.addr().to_bits(), *bits).to_be_bytes();
            }
        }
    }
}
