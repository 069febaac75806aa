//! As much of BGP's bytes as a feed and a receiver need, and as little as makes them fast.
//!
//! It shares no code with the speaker, so that one's mistakes are not believed by the other.

use std::hash::{DefaultHasher, Hasher};

/// Marker, length and type.
pub(super) const HEADER: usize = 19;
pub(super) const OPEN: u8 = 1;
pub(super) const UPDATE: u8 = 2;
pub(super) const NOTIFICATION: u8 = 3;
pub(super) const KEEPALIVE: u8 = 4;
/// What every side offers, in seconds.
const HOLD_TIME: u16 = 240;

const ORIGIN: u8 = 1;
const AS_PATH: u8 = 2;
const NEXT_HOP: u8 = 3;
const MED: u8 = 4;
const COMMUNITIES: u8 = 8;
const WELL_KNOWN: u8 = 0x40;
const OPTIONAL: u8 = 0x80;
const OPTIONAL_TRANSITIVE: u8 = 0xC0;
const EXTENDED: u8 = 0x10;

/// An IPv4 prefix of at most 24 bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Prefix {
    /// The first 24 bits of its address.
    pub(super) base: u32,
    /// 16 to 24.
    pub(super) len: u8,
}

/// What a feed says about its prefixes, the next hop apart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Attributes {
    pub(super) path: Vec<u32>,
    pub(super) med: Option<u32>,
    /// In ascending order.
    pub(super) communities: Vec<u32>,
}

impl Attributes {
    /// The same one AS further away.
    pub(super) fn behind(&self, asn: u32) -> Self {
        let path = std::iter::once(asn).chain(self.path.iter().copied()).collect();
        Self { path, med: None, communities: self.communities.clone() }
    }

    /// A number for AS path, communities and next hop; never zero.
    pub(super) fn fingerprint(&self, next_hop: u32) -> u64 {
        let mut hasher = DefaultHasher::new();
        hasher.write_u8(2);
        self.path.iter().for_each(|asn| hasher.write(&asn.to_be_bytes()));
        self.communities.iter().for_each(|community| hasher.write_u32(*community));
        hasher.write_u32(next_hop);
        hasher.finish() | 1
    }
}

/// The fingerprint of encoded attributes; zero if they cannot be read.
pub(super) fn fingerprint(attributes: &[u8]) -> u64 {
    let (mut path, mut communities, mut next_hop) = (&[][..], &[][..], 0);
    for (_, kind, value) in each_attribute(attributes) {
        match kind {
            AS_PATH => path = value,
            COMMUNITIES => communities = value,
            NEXT_HOP => next_hop = word(value).unwrap_or(0),
            _ => {}
        }
    }
    let mut hasher = DefaultHasher::new();
    while let [kind, count, rest @ ..] = path {
        let Some((asns, more)) = rest.split_at_checked(usize::from(*count) * 4) else { return 0 };
        hasher.write_u8(*kind);
        asns.chunks_exact(4).for_each(|asn| hasher.write(asn));
        path = more;
    }
    let mut sorted: Vec<u32> = communities.chunks_exact(4).filter_map(word).collect();
    sorted.sort_unstable();
    sorted.iter().for_each(|community| hasher.write_u32(*community));
    hasher.write_u32(next_hop);
    hasher.finish() | 1
}

fn word(bytes: &[u8]) -> Option<u32> {
    bytes.try_into().ok().map(u32::from_be_bytes)
}

/// Flags, type and value of each attribute.
fn each_attribute(mut bytes: &[u8]) -> impl Iterator<Item = (u8, u8, &[u8])> {
    std::iter::from_fn(move || {
        let (flags, kind) = (*bytes.first()?, *bytes.get(1)?);
        let (len, start) = match flags & EXTENDED {
            0 => (usize::from(*bytes.get(2)?), 3),
            _ => (usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?])), 4),
        };
        let value = bytes.get(start..start + len)?;
        bytes = &bytes[start + len..];
        Some((flags, kind, value))
    })
}

/// The fields of an UPDATE.
#[derive(Clone, Copy, Debug)]
pub(super) struct Update<'a> {
    pub(super) withdrawn: &'a [u8],
    pub(super) attributes: &'a [u8],
    pub(super) announced: &'a [u8],
}

impl<'a> Update<'a> {
    /// `None` if lengths exceed the body.
    pub(super) fn parse(body: &'a [u8]) -> Option<Self> {
        let (withdrawn, rest) = field(body)?;
        let (attributes, announced) = field(rest)?;
        Some(Self { withdrawn, attributes, announced })
    }
}

/// What a length of two octets says, and what follows it.
fn field(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))
}

/// The prefixes of a field; of longer ones than 24 bits, the first 24. One that cannot be ends them.
pub(super) fn each_prefix(mut bytes: &[u8]) -> impl Iterator<Item = Prefix> {
    std::iter::from_fn(move || {
        let (&len, rest) = bytes.split_first()?;
        let (value, rest) = rest.split_at_checked(usize::from(len).div_ceil(8))?;
        bytes = rest;
        let base = match *value {
            [] => 0,
            [a] => u32::from(a) << 16,
            [a, b] => u32::from(a) << 16 | u32::from(b) << 8,
            [a, b, c] | [a, b, c, _] => u32::from(a) << 16 | u32::from(b) << 8 | u32::from(c),
            _ => return None,
        };
        Some(Prefix { base, len })
    })
}

/// Appends an OPEN for IPv4 unicast with four-octet AS numbers and nothing else.
pub(super) fn open(out: &mut Vec<u8>, asn: u32, id: u32) {
    let start = begin(out, OPEN);
    out.push(4);
    out.extend(u16::try_from(asn).unwrap_or(23_456).to_be_bytes());
    out.extend(HOLD_TIME.to_be_bytes());
    out.extend(id.to_be_bytes());
    out.extend([14, 2, 12, 1, 4, 0, 1, 0, 1, 65, 4]);
    out.extend(asn.to_be_bytes());
    end(out, start);
}

/// Appends a KEEPALIVE.
pub(super) fn keepalive(out: &mut Vec<u8>) {
    let start = begin(out, KEEPALIVE);
    end(out, start);
}

/// Appends an UPDATE that announces.
pub(super) fn announce(
    out: &mut Vec<u8>,
    attributes: &Attributes,
    next_hop: u32,
    prefixes: impl Iterator<Item = Prefix>,
) {
    let start = begin(out, UPDATE);
    out.extend([0, 0]);
    let length = out.len();
    out.extend([0, 0, WELL_KNOWN, ORIGIN, 1, 0]);
    let hops = attributes.path.len() as u8;
    out.extend([WELL_KNOWN, AS_PATH, 2 + 4 * hops, 2, hops]);
    attributes.path.iter().for_each(|asn| out.extend(asn.to_be_bytes()));
    out.extend([WELL_KNOWN, NEXT_HOP, 4]);
    out.extend(next_hop.to_be_bytes());
    if let Some(med) = attributes.med {
        out.extend([OPTIONAL, MED, 4]);
        out.extend(med.to_be_bytes());
    }
    if !attributes.communities.is_empty() {
        out.extend([OPTIONAL_TRANSITIVE, COMMUNITIES, 4 * attributes.communities.len() as u8]);
        attributes.communities.iter().for_each(|community| out.extend(community.to_be_bytes()));
    }
    set_length(out, length, 2);
    prefixes.for_each(|prefix| put(out, prefix));
    end(out, start);
}

/// Appends an UPDATE that withdraws.
pub(super) fn withdraw(out: &mut Vec<u8>, prefixes: impl Iterator<Item = Prefix>) {
    let start = begin(out, UPDATE);
    let length = out.len();
    out.extend([0, 0]);
    prefixes.for_each(|prefix| put(out, prefix));
    set_length(out, length, 2);
    out.extend([0, 0]);
    end(out, start);
}

/// Appends an UPDATE as a router would pass it on: `asn` before the path, its own next hop, no
/// MED. Nothing, if it cannot be read.
pub(super) fn pass_on(out: &mut Vec<u8>, body: &[u8], asn: u32, next_hop: u32) {
    let Some(update) = Update::parse(body) else { return };
    let start = begin(out, UPDATE);
    out.extend((update.withdrawn.len() as u16).to_be_bytes());
    out.extend(update.withdrawn);
    let length = out.len();
    out.extend([0, 0]);
    for (flags, kind, value) in each_attribute(update.attributes) {
        match (kind, value) {
            (AS_PATH, [2, count, asns @ ..]) => {
                out.extend([WELL_KNOWN, AS_PATH, value.len() as u8 + 4, 2, count + 1]);
                out.extend(asn.to_be_bytes());
                out.extend(asns);
            }
            (NEXT_HOP, _) => {
                out.extend([WELL_KNOWN, NEXT_HOP, 4]);
                out.extend(next_hop.to_be_bytes());
            }
            (MED, _) => {}
            _ => {
                out.extend([flags & !EXTENDED, kind, value.len() as u8]);
                out.extend(value);
            }
        }
    }
    set_length(out, length, 2);
    out.extend(update.announced);
    end(out, start);
}

fn put(out: &mut Vec<u8>, prefix: Prefix) {
    out.push(prefix.len);
    let octets = (prefix.base << 8).to_be_bytes();
    out.extend(&octets[..usize::from(prefix.len).div_ceil(8)]);
}

/// Starts a message; the answer is for [`end`].
fn begin(out: &mut Vec<u8>, kind: u8) -> usize {
    let start = out.len();
    out.extend([0xFF; 16]);
    out.extend([0, 0, kind]);
    start
}

fn end(out: &mut [u8], start: usize) {
    let len = (out.len() - start) as u16;
    out[start + 16..start + 18].copy_from_slice(&len.to_be_bytes());
}

/// Fills in the length, at `at`, of everything `after` octets behind it.
fn set_length(out: &mut [u8], at: usize, after: usize) {
    let len = (out.len() - at - after) as u16;
    out[at..at + 2].copy_from_slice(&len.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use pathvane_wire as wire;

    use super::*;

    fn attributes() -> Attributes {
        Attributes {
            path: vec![65_101, 3_000, 200_000],
            med: Some(7),
            communities: vec![1, 9 << 16],
        }
    }

    /// The speaker's own codec reads what is sent here.
    #[test]
    fn an_announcement_reads_as_meant() {
        let prefixes = [Prefix { base: 0x0B_00_00, len: 16 }, Prefix { base: 0x0C_01_02, len: 24 }];
        let mut out = Vec::new();
        announce(&mut out, &attributes(), 0x0A4D_0101, prefixes.into_iter());
        let frame = wire::frame(&out, wire::MAX_LEN).expect("sound").expect("whole");
        let context = wire::DecodeContext {
            peer: wire::PeerKind::External,
            four_octet_as: true,
            families: wire::FamilySet::IPV4,
            add_path: wire::FamilySet::EMPTY,
            extended_next_hop: wire::FamilySet::EMPTY,
        };
        let view = wire::UpdateView::parse(frame.body, &context).expect("sound");
        let reach = view.reaches().next().expect("announced");
        let read: Vec<String> = reach.nlri.map(|nlri| nlri.prefix.to_string()).collect();
        assert_eq!(read, ["11.0.0.0/16", "12.1.2.0/24"]);
        assert_eq!(reach.next_hop.to_string(), "10.77.1.1");
    }

    #[test]
    fn a_relayed_announcement_has_the_fingerprint_expected() {
        let mut out = Vec::new();
        announce(&mut out, &attributes(), 1, std::iter::once(Prefix { base: 0x0B_00_00, len: 20 }));
        let mut passed = Vec::new();
        pass_on(&mut passed, &out[HEADER..], 65_000, 2);
        let update = Update::parse(&passed[HEADER..]).expect("sound");
        assert_eq!(fingerprint(update.attributes), attributes().behind(65_000).fingerprint(2));
        assert_ne!(fingerprint(update.attributes), attributes().behind(65_000).fingerprint(1));
        let prefixes: Vec<_> = each_prefix(update.announced).collect();
        assert_eq!(prefixes, [Prefix { base: 0x0B_00_00, len: 20 }]);
        assert_eq!(usize::from(passed[17]), passed.len());
    }

    #[test]
    fn an_open_reads_as_meant() {
        let mut out = BytesMut::new();
        let mut bytes = Vec::new();
        open(&mut bytes, 200_000, 0x0102_0304);
        out.extend_from_slice(&bytes);
        let read = wire::Open::decode(&out[HEADER..]).expect("sound");
        assert_eq!((read.asn.0, read.hold_time), (200_000, 240));
        assert!(read.four_octet_as() && read.families() == wire::FamilySet::IPV4);
    }
}
