//! EXTENDED COMMUNITIES (RFC 4360, RFC 5668), link bandwidth among them.

use core::fmt;
use core::net::Ipv4Addr;
use core::str::FromStr;

use bytes::{BufMut, BytesMut};

use super::raw::put_header;
use super::{Attrs, Draft, OPTIONAL_TRANSITIVE, Row, SortedSet, code};
use crate::{Asn, EncodeContext, FaultReason, Invalid};

pub(super) const ROW: Row =
    Row::well_known(code::EXT_COMMUNITIES, "EXTENDED COMMUNITIES", decode, encode)
        .flags(OPTIONAL_TRANSITIVE);

/// An extended community: a type of one or two octets, and a value in the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExtCommunity(pub [u8; 8]);

/// The extended communities of a route.
pub type ExtCommunities = SortedSet<ExtCommunity>;

const NOT_TRANSITIVE: u8 = 0x40;
const TWO_OCTET_AS: u8 = 0;
const IPV4_ADDRESS: u8 = 1;
const FOUR_OCTET_AS: u8 = 2;
const ROUTE_TARGET: u8 = 2;
const ROUTE_ORIGIN: u8 = 3;
const LINK_BANDWIDTH: u8 = 4;

/// Link bandwidths by their transitivity, as operators name them.
const BANDWIDTHS: [(u8, &str); 2] = [
    (NOT_TRANSITIVE | TWO_OCTET_AS, "link-bandwidth"),
    (TWO_OCTET_AS, "link-bandwidth-transitive"),
];

/// Suffixes of rates, largest first.
const UNITS: [(u64, &str); 3] = [(1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")];

/// Subtypes with the names that operators use.
const SUBTYPES: [(u8, &str); 2] = [(ROUTE_TARGET, "rt"), (ROUTE_ORIGIN, "soo")];

impl ExtCommunity {
    /// Whether it may leave the AS (RFC 4360 section 2).
    pub const fn is_transitive(&self) -> bool {
        self.0[0] & NOT_TRANSITIVE == 0
    }

    /// The bandwidth of a link in the name of an AS, in bits a second: as a binary fraction of 32 bits
    /// in octets a second (draft-ietf-idr-link-bandwidth). An AS of four octets is AS_TRANS there.
    pub fn link_bandwidth(asn: Asn, bits: u64, transitive: bool) -> ExtCommunity {
        let [a, b] = asn.two_octets().to_be_bytes();
        #[expect(
            clippy::cast_possible_truncation,
            reason = "rounded to what the community can say"
        )]
        let [c, d, e, g] = ((bits as f64 / 8.0) as f32).to_be_bytes();
        let kind = if transitive { TWO_OCTET_AS } else { NOT_TRANSITIVE | TWO_OCTET_AS };
        ExtCommunity([kind, LINK_BANDWIDTH, a, b, c, d, e, g])
    }

    /// The bandwidth that this community says, in bits a second, if it says one in whole bits.
    pub fn bandwidth(&self) -> Option<u64> {
        let [kind, LINK_BANDWIDTH, _, _, c, d, e, g] = self.0 else { return None };
        BANDWIDTHS.iter().find(|(code, _)| *code == kind)?;
        let bits = f64::from(f32::from_be_bytes([c, d, e, g])) * 8.0;
        #[expect(clippy::cast_possible_truncation, reason = "compared with what it was cut from")]
        let whole = bits as u64;
        (whole as f64 == bits && whole < u64::MAX).then_some(whole)
    }

    fn show_bandwidth(&self, f: &mut fmt::Formatter<'_>) -> Option<fmt::Result> {
        let bits = self.bandwidth()?;
        let [kind, _, a, b, ..] = self.0;
        let (_, name) = BANDWIDTHS.iter().find(|(code, _)| *code == kind)?;
        let asn = u16::from_be_bytes([a, b]);
        let unit = UNITS.iter().find(|(unit, _)| bits > 0 && bits.is_multiple_of(*unit));
        let (unit, suffix) = unit.copied().unwrap_or((1, ""));
        Some(write!(f, "{name}:{asn}:{}{suffix}", bits / unit))
    }

    /// The community of a subtype in the name of an AS, in two octets if they suffice.
    fn of_as(subtype: u8, asn: Asn, value: u32) -> Option<ExtCommunity> {
        let [v0, v1, v2, v3] = value.to_be_bytes();
        let [a0, a1, a2, a3] = asn.0.to_be_bytes();
        match (a0, a1, v0, v1) {
            (0, 0, _, _) => Some(ExtCommunity([TWO_OCTET_AS, subtype, a2, a3, v0, v1, v2, v3])),
            (_, _, 0, 0) => Some(ExtCommunity([FOUR_OCTET_AS, subtype, a0, a1, a2, a3, v2, v3])),
            _ => None,
        }
    }

    fn of_address(subtype: u8, address: Ipv4Addr, value: u16) -> ExtCommunity {
        let [a0, a1, a2, a3] = address.octets();
        let [v0, v1] = value.to_be_bytes();
        ExtCommunity([IPV4_ADDRESS, subtype, a0, a1, a2, a3, v0, v1])
    }
}

impl fmt::Display for ExtCommunity {
    /// `rt:65000:100`, `soo:192.0.2.1:5`, `link-bandwidth:65000:100M`; others as `0x` and sixteen digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(shown) = self.show_bandwidth(f) {
            return shown;
        }
        let [kind, subtype, a, b, c, d, e, g] = self.0;
        let Some((_, name)) = SUBTYPES.iter().find(|(code, _)| *code == subtype) else {
            return write!(f, "{:#018x}", u64::from_be_bytes(self.0));
        };
        let low = u16::from_be_bytes([e, g]);
        match kind {
            TWO_OCTET_AS => {
                let asn = u16::from_be_bytes([a, b]);
                write!(f, "{name}:{asn}:{}", u32::from_be_bytes([c, d, e, g]))
            }
            IPV4_ADDRESS => write!(f, "{name}:{}:{low}", Ipv4Addr::new(a, b, c, d)),
            FOUR_OCTET_AS => {
                let asn = u32::from_be_bytes([a, b, c, d]);
                let mark = if asn <= u32::from(u16::MAX) { "L" } else { "" };
                write!(f, "{name}:{asn}{mark}:{low}")
            }
            _ => write!(f, "{:#018x}", u64::from_be_bytes(self.0)),
        }
    }
}

impl FromStr for ExtCommunity {
    type Err = Invalid;

    /// Reads `rt:65000:100`, `soo:192.0.2.1:5`, `rt:65000L:100` (an AS number in four octets where
    /// two would do), `link-bandwidth:65000:100M` (bits a second; `k`, `M`, `G`),
    /// `link-bandwidth-transitive:65000:1G`, or `0x` and sixteen digits.
    fn from_str(text: &str) -> Result<ExtCommunity, Invalid> {
        let invalid = Invalid::new(
            "ext_community",
            "not rt: or soo: with an AS or address and a number as in rt:65000:100, nor \
             link-bandwidth: with an AS and a rate as in link-bandwidth:65000:100M, nor 0x and 16 digits",
        );
        if let Some(digits) = text.strip_prefix("0x") {
            let value = u64::from_str_radix(digits, 16).ok().filter(|_| digits.len() == 16);
            return value.map(|v| ExtCommunity(v.to_be_bytes())).ok_or(invalid);
        }
        parse_bandwidth(text).or_else(|| parse_named(text)).ok_or(invalid)
    }
}

fn parse_bandwidth(text: &str) -> Option<ExtCommunity> {
    let (name, rest) = text.split_once(':')?;
    let (kind, _) = BANDWIDTHS.iter().find(|(_, known)| *known == name)?;
    let (asn, rate) = rest.split_once(':')?;
    let by_unit = UNITS.iter().find_map(|(unit, suffix)| Some((*unit, rate.strip_suffix(suffix)?)));
    let (unit, number) = by_unit.unwrap_or((1, rate));
    let bits = number.parse::<u64>().ok()?.checked_mul(unit)?;
    let asn: u16 = asn.parse().ok()?;
    let transitive = kind & NOT_TRANSITIVE == 0;
    Some(ExtCommunity::link_bandwidth(Asn(u32::from(asn)), bits, transitive))
}

fn parse_named(text: &str) -> Option<ExtCommunity> {
    let (name, rest) = text.split_once(':')?;
    let (subtype, _) = SUBTYPES.iter().find(|(_, known)| *known == name)?;
    let (global, value) = rest.split_once(':')?;
    if let Ok(address) = global.parse() {
        return Some(ExtCommunity::of_address(*subtype, address, value.parse().ok()?));
    }
    if let Some(wide) = global.strip_suffix('L') {
        let [a, b, c, d] = wide.parse::<u32>().ok()?.to_be_bytes();
        let [e, g] = value.parse::<u16>().ok()?.to_be_bytes();
        return Some(ExtCommunity([FOUR_OCTET_AS, *subtype, a, b, c, d, e, g]));
    }
    ExtCommunity::of_as(*subtype, Asn(global.parse().ok()?), value.parse().ok()?)
}

fn decode(draft: &mut Draft<'_>, value: &[u8]) -> Result<(), FaultReason> {
    let (communities, rest) = value.as_chunks::<8>();
    if communities.is_empty() || !rest.is_empty() {
        return Err(FaultReason::Length);
    }
    draft.attrs.ext_communities = communities.iter().copied().map(ExtCommunity).collect();
    Ok(())
}

fn encode(attrs: &Attrs, _: &EncodeContext, out: &mut BytesMut) {
    if !attrs.ext_communities.is_empty() {
        let flags = attrs.transitive_flags(ROW.code);
        put_header(out, flags, ROW.code, attrs.ext_communities.len() * 8);
        attrs.ext_communities.iter().for_each(|community| out.put_slice(&community.0));
    }
}
