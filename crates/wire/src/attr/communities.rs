//! COMMUNITIES (RFC 1997).

use core::fmt;
use core::str::FromStr;

use bytes::{BufMut, BytesMut};

use super::raw::put_header;
use super::{Attrs, Draft, OPTIONAL_TRANSITIVE, Row, SortedSet, code};
use crate::parse::words;
use crate::{EncodeContext, FaultReason, Invalid};

pub(super) const ROW: Row =
    Row::well_known(code::COMMUNITIES, "COMMUNITIES", decode, encode).flags(OPTIONAL_TRANSITIVE);

/// A community: an AS number and a value of its own choice, two octets each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Community(pub u32);

/// The communities of a route.
pub type Communities = SortedSet<Community>;

/// Well-known communities with the names that operators use.
const WELL_KNOWN: [(Community, &str); 9] = [
    (Community::GRACEFUL_SHUTDOWN, "graceful-shutdown"),
    (Community::ACCEPT_OWN, "accept-own"),
    (Community::LLGR_STALE, "llgr-stale"),
    (Community::NO_LLGR, "no-llgr"),
    (Community::BLACKHOLE, "blackhole"),
    (Community::NO_EXPORT, "no-export"),
    (Community::NO_ADVERTISE, "no-advertise"),
    (Community::NO_EXPORT_SUBCONFED, "no-export-subconfed"),
    (Community::NOPEER, "no-peer"),
];

impl Community {
    /// The route is about to go away: prefer any other (RFC 8326).
    pub const GRACEFUL_SHUTDOWN: Community = Community(0xffff_0000);
    /// Accept the route though it is our own (RFC 7611).
    pub const ACCEPT_OWN: Community = Community(0xffff_0001);
    /// Kept from a peer that is long gone (RFC 9494).
    pub const LLGR_STALE: Community = Community(0xffff_0006);
    /// Not to be kept when the peer is long gone (RFC 9494).
    pub const NO_LLGR: Community = Community(0xffff_0007);
    /// Discard what is sent there (RFC 7999).
    pub const BLACKHOLE: Community = Community(0xffff_029a);
    /// Not to leave the AS or confederation (RFC 1997).
    pub const NO_EXPORT: Community = Community(0xffff_ff01);
    /// Not to be passed on to anyone (RFC 1997).
    pub const NO_ADVERTISE: Community = Community(0xffff_ff02);
    /// Not to leave the AS (RFC 1997).
    pub const NO_EXPORT_SUBCONFED: Community = Community(0xffff_ff03);
    /// Not to be passed on to bilateral peers (RFC 3765).
    pub const NOPEER: Community = Community(0xffff_ff04);

    /// The community `asn:value`.
    pub const fn new(asn: u16, value: u16) -> Community {
        Community((asn as u32) << 16 | value as u32)
    }
}

impl fmt::Display for Community {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match WELL_KNOWN.iter().find(|(community, _)| community == self) {
            Some((_, name)) => f.pad(name),
            None => write!(f, "{}:{}", self.0 >> 16, self.0 & 0xffff),
        }
    }
}

impl FromStr for Community {
    type Err = Invalid;

    /// Reads `65000:100`, or the name of a well-known community such as `no-export`.
    fn from_str(text: &str) -> Result<Community, Invalid> {
        if let Some((community, _)) = WELL_KNOWN.iter().find(|(_, name)| *name == text) {
            return Ok(*community);
        }
        let invalid = Invalid::new(
            "community",
            "not two numbers up to 65535 as in 65000:100, nor a name such as no-export",
        );
        let (asn, value) = text.split_once(':').ok_or(invalid)?;
        match (asn.parse(), value.parse()) {
            (Ok(asn), Ok(value)) => Ok(Community::new(asn, value)),
            _ => Err(invalid),
        }
    }
}

fn decode(draft: &mut Draft<'_>, value: &[u8]) -> Result<(), FaultReason> {
    draft.attrs.communities = words(value).ok_or(FaultReason::Length)?.map(Community).collect();
    Ok(())
}

fn encode(attrs: &Attrs, _: &EncodeContext, out: &mut BytesMut) {
    if !attrs.communities.is_empty() {
        let flags = attrs.transitive_flags(ROW.code);
        put_header(out, flags, ROW.code, attrs.communities.len() * 4);
        attrs.communities.iter().for_each(|community| out.put_u32(community.0));
    }
}
