//! LARGE_COMMUNITY (RFC 8092).

use core::fmt;
use core::str::FromStr;

use bytes::{BufMut, BytesMut};

use super::raw::put_header;
use super::{Attrs, Draft, OPTIONAL_TRANSITIVE, Row, SortedSet, code};
use crate::parse::words;
use crate::{EncodeContext, FaultReason, Invalid};

pub(super) const ROW: Row =
    Row::well_known(code::LARGE_COMMUNITIES, "LARGE_COMMUNITY", decode, encode)
        .flags(OPTIONAL_TRANSITIVE);

/// A large community: an AS number and two values of its own choice, four octets each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LargeCommunity {
    /// The AS number in whose name the others are defined.
    pub global: u32,
    /// The first value, usually what to do.
    pub local1: u32,
    /// The second value, usually with what.
    pub local2: u32,
}

/// The large communities of a route.
pub type LargeCommunities = SortedSet<LargeCommunity>;

impl fmt::Display for LargeCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.global, self.local1, self.local2)
    }
}

impl FromStr for LargeCommunity {
    type Err = Invalid;

    /// Reads `4200000000:1:2`.
    fn from_str(text: &str) -> Result<LargeCommunity, Invalid> {
        let mut numbers = text.split(':').map(str::parse);
        match (numbers.next(), numbers.next(), numbers.next(), numbers.next()) {
            (Some(Ok(global)), Some(Ok(local1)), Some(Ok(local2)), None) => {
                Ok(LargeCommunity { global, local1, local2 })
            }
            _ => Err(Invalid::new(
                "large_community",
                "not three numbers up to 4294967295 as in 4200000000:1:2",
            )),
        }
    }
}

fn decode(draft: &mut Draft<'_>, value: &[u8]) -> Result<(), FaultReason> {
    let (triples, rest) = value.as_chunks::<12>();
    if triples.is_empty() || !rest.is_empty() {
        return Err(FaultReason::Length);
    }
    draft.attrs.large_communities = triples.iter().filter_map(|triple| read(triple)).collect();
    Ok(())
}

fn read(triple: &[u8]) -> Option<LargeCommunity> {
    let mut numbers = words(triple)?;
    Some(LargeCommunity {
        global: numbers.next()?,
        local1: numbers.next()?,
        local2: numbers.next()?,
    })
}

fn encode(attrs: &Attrs, _: &EncodeContext, out: &mut BytesMut) {
    if !attrs.large_communities.is_empty() {
        let flags = attrs.transitive_flags(ROW.code);
        put_header(out, flags, ROW.code, attrs.large_communities.len() * 12);
        for community in &attrs.large_communities {
            out.put_u32(community.global);
            out.put_u32(community.local1);
            out.put_u32(community.local2);
        }
    }
}
