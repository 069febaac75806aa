//! Attributes that go out as they came: from the octets of a set to those of an UPDATE, undecoded.

use bytes::{BufMut, BytesMut};
use pathvane_wire::attr::{RawAttr, code, each};
use pathvane_wire::{Asn, AttrFlags};

const WELL_KNOWN: AttrFlags = AttrFlags::TRANSITIVE;
const OPTIONAL: AttrFlags = AttrFlags::OPTIONAL.union(AttrFlags::TRANSITIVE);
/// AS_SEQUENCE (RFC 4271 section 4.3).
const SEQUENCE: u8 = 2;
/// The most AS numbers of a path that, with one more, has a length of one octet.
const LONGEST: usize = 62;

/// Appends what is told to an external peer with AS numbers of four octets about a route that one like it
/// sent without fault, if policy leaves its attributes alone: `asn` is before the path, and what is not
/// passed on is gone.
///
/// False if the octets are not those that [`pathvane_wire::Attrs::encode`] would write, or have an attribute
/// that needs a closer look; what `out` holds is of no use then.
pub(crate) fn relay(octets: &[u8], asn: Asn, out: &mut BytesMut) -> bool {
    out.reserve(octets.len() + 6);
    let (mut last, mut mandatory) = (0, 0);
    for RawAttr { offset, len, flags, code, value } in each(octets) {
        // In the order of codes, and without the bits that mean nothing.
        if code <= last || octets[offset] != flags.bits() {
            return false;
        }
        last = code;
        let kind = flags.difference(AttrFlags::PARTIAL);
        let same = match code {
            code::NEXT_HOP
            | code::MED
            | code::LOCAL_PREF
            | code::ORIGINATOR_ID
            | code::CLUSTER_LIST => continue,
            code::AS_PATH => {
                mandatory += 1;
                if flags == WELL_KNOWN && put_path(value, asn, out) {
                    continue;
                }
                false
            }
            code::ORIGIN => {
                mandatory += 1;
                flags == WELL_KNOWN
            }
            code::ATOMIC_AGGREGATE => flags == WELL_KNOWN,
            code::AGGREGATOR | code::OTC => kind == OPTIONAL,
            code::COMMUNITIES => kind == OPTIONAL && is_sorted::<4>(value),
            code::LARGE_COMMUNITIES => kind == OPTIONAL && is_sorted::<12>(value),
            _ => false,
        };
        if !same {
            return false;
        }
        out.put_slice(&octets[offset..offset + len]);
    }
    mandatory == 2
}

/// Appends an AS_PATH with `asn` before it; false if it is anything but one sequence, or is long.
fn put_path(value: &[u8], asn: Asn, out: &mut BytesMut) -> bool {
    let asns = match value {
        [] => value,
        [SEQUENCE, count, asns @ ..] if asns.len() == usize::from(*count) * 4 => asns,
        _ => return false,
    };
    let count = asns.len() / 4;
    if count > LONGEST {
        return false;
    }
    let (len, count) = (asns.len() as u8 + 6, count as u8 + 1);
    out.put_slice(&[WELL_KNOWN.bits(), code::AS_PATH, len, SEQUENCE, count]);
    out.put_slice(&asn.0.to_be_bytes());
    out.put_slice(asns);
    true
}

/// Whether items of `N` octets are there, in order, and each once.
fn is_sorted<const N: usize>(value: &[u8]) -> bool {
    let (items, _) = value.as_chunks::<N>();
    !items.is_empty() && items.is_sorted_by(|a, b| a < b)
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use pathvane_wire::{
        AsPath, Attrs, Community, DecodeContext, EncodeContext, FamilySet, LargeCommunity,
        MAX_LEN_EXTENDED, Origin, PeerKind, RawAttrs,
    };
    use proptest::prelude::*;

    use super::*;
    use crate::group::prepared;
    use crate::sets::Source;

    const US: Asn = Asn(4_200_000_000);

    fn encode(peer: PeerKind) -> EncodeContext {
        EncodeContext {
            peer,
            four_octet_as: true,
            add_path: FamilySet::EMPTY,
            extended_next_hop: FamilySet::EMPTY,
            max_len: MAX_LEN_EXTENDED,
        }
    }

    fn decode(peer: PeerKind) -> DecodeContext {
        DecodeContext {
            peer,
            four_octet_as: true,
            families: FamilySet::ALL,
            add_path: FamilySet::EMPTY,
            extended_next_hop: FamilySet::EMPTY,
        }
    }

    /// The long way: decoded, prepared, and encoded again; `None` if there is a fault.
    fn told(octets: &[u8], from: PeerKind) -> Option<BytesMut> {
        let checked = RawAttrs::from_bytes(octets).check(&decode(from));
        let source = if from == PeerKind::Internal { Source::Internal } else { Source::External };
        let mut attrs = prepared(checked.attrs, PeerKind::External, source, 0);
        attrs.as_path.prepend(US, 1);
        let mut out = BytesMut::new();
        attrs.encode(&encode(PeerKind::External), &mut out);
        checked.faults.is_empty().then_some(out)
    }

    prop_compose! {
        fn plain()(
            origin in 0..3_u8,
            path in prop::collection::vec(1..u32::MAX, 0..70),
            med in any::<Option<u32>>(),
            local_pref in any::<Option<u32>>(),
            atomic_aggregate in any::<bool>(),
            communities in prop::collection::vec(0..4_u32, 0..4),
            large in prop::collection::vec(0..4_u32, 0..4),
            otc in any::<Option<u32>>(),
            clusters in prop::collection::vec(any::<u32>(), 0..3),
        ) -> Attrs {
            Attrs {
                origin: [Origin::Igp, Origin::Egp, Origin::Incomplete][usize::from(origin)],
                as_path: AsPath::sequence(path.into_iter().map(Asn)),
                med,
                local_pref,
                atomic_aggregate,
                communities: communities.into_iter().map(Community).collect(),
                large_communities: large
                    .into_iter()
                    .map(|n| LargeCommunity { global: n, local1: 1, local2: n })
                    .collect(),
                cluster_list: clusters.into_iter().map(pathvane_wire::BgpId).collect(),
                otc: otc.map(Asn),
                ..Attrs::default()
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// What we would write ourselves takes the short way, to the same octets.
        #[test]
        fn plain_attributes_are_relayed(attrs in plain(), internal in any::<bool>()) {
            let from = if internal { PeerKind::Internal } else { PeerKind::External };
            let mut octets = BytesMut::new();
            attrs.encode(&encode(from), &mut octets);
            let mut out = BytesMut::new();
            let relayed = relay(&octets, US, &mut out);
            prop_assert_eq!(relayed, attrs.as_path.asns().len() <= LONGEST);
            if relayed {
                prop_assert_eq!(Some(out), told(&octets, from));
            }
        }

        /// Attributes of any form and order: either the same octets as by the long way, or none.
        #[test]
        fn whatever_is_relayed_is_what_would_have_been_told(
            attrs in plain(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
            swap in any::<Option<(prop::sample::Index, prop::sample::Index)>>(),
            added in prop::collection::vec(
                (prop::sample::select(alloc::vec![0x40_u8, 0x80, 0xc0, 0xe0, 0xd0, 0x90]), any::<u8>(), 0..40_u8),
                0..2,
            ),
        ) {
            let mut octets = BytesMut::new();
            attrs.encode(&encode(PeerKind::External), &mut octets);
            let mut list: Vec<Vec<u8>> =
                each(&octets).map(|a| octets[a.offset..a.offset + a.len].to_vec()).collect();
            for (flags, code, len) in added {
                let mut attribute = alloc::vec![flags, code];
                attribute.extend((flags & 0x10 != 0).then_some(0));
                attribute.push(len);
                attribute.extend(0..len);
                list.push(attribute);
            }
            if let Some((a, b)) = swap {
                let (a, b) = (a.index(list.len()), b.index(list.len()));
                list.swap(a, b);
            }
            let mut octets = list.concat();
            for (at, octet) in changes {
                let at = at.index(octets.len());
                octets[at] = octet;
            }
            let mut out = BytesMut::new();
            if let Some(told) = told(&octets, PeerKind::External) && relay(&octets, US, &mut out) {
                prop_assert_eq!(out, told);
            }
        }
    }
}
