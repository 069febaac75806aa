//! Patterns of communities: exact ones, or with `*` for any number.

use core::fmt;
use core::net::Ipv4Addr;
use core::str::FromStr;

use pathvane_wire::{Community, ExtCommunity, Invalid, LargeCommunity};

/// A number, or any.
type Part = Option<u32>;

fn fits(part: Part, number: u32) -> bool {
    part.is_none_or(|wanted| wanted == number)
}

/// A number up to `max`, or `*`.
fn part(text: &str, max: u32) -> Option<Part> {
    match text {
        "*" => Some(None),
        number => number.parse().ok().filter(|number| *number <= max).map(Some),
    }
}

fn show(part: Part, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match part {
        Some(number) => write!(f, "{number}"),
        None => f.write_str("*"),
    }
}

/// Communities with these halves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommunityPattern([Part; 2]);

impl CommunityPattern {
    /// Whether a community is one of them.
    pub fn matches(&self, community: &Community) -> bool {
        let [asn, value] = self.0;
        fits(asn, community.0 >> 16) && fits(value, community.0 & 0xffff)
    }
}

impl From<Community> for CommunityPattern {
    fn from(community: Community) -> Self {
        Self([Some(community.0 >> 16), Some(community.0 & 0xffff)])
    }
}

impl fmt::Display for CommunityPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [Some(asn), Some(value)] => Community(asn << 16 | value).fmt(f),
            [asn, value] => {
                show(asn, f)?;
                f.write_str(":")?;
                show(value, f)
            }
        }
    }
}

impl FromStr for CommunityPattern {
    type Err = Invalid;

    /// Reads a community, or `65000:*`, `*:100`, `*:*`.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let exact = || text.parse::<Community>().map(Self::from);
        let Some((asn, value)) = text.split_once(':') else { return exact() };
        let max = u32::from(u16::MAX);
        match (part(asn, max), part(value, max)) {
            (Some(asn), Some(value)) => Ok(Self([asn, value])),
            _ => exact(),
        }
    }
}

/// Large communities with these parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LargeCommunityPattern([Part; 3]);

impl LargeCommunityPattern {
    /// Whether a community is one of them.
    pub fn matches(&self, community: &LargeCommunity) -> bool {
        let [global, local1, local2] = self.0;
        fits(global, community.global)
            && fits(local1, community.local1)
            && fits(local2, community.local2)
    }
}

impl From<LargeCommunity> for LargeCommunityPattern {
    fn from(community: LargeCommunity) -> Self {
        Self([Some(community.global), Some(community.local1), Some(community.local2)])
    }
}

impl fmt::Display for LargeCommunityPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, part) in self.0.into_iter().enumerate() {
            f.write_str(if at == 0 { "" } else { ":" })?;
            show(part, f)?;
        }
        Ok(())
    }
}

impl FromStr for LargeCommunityPattern {
    type Err = Invalid;

    /// Reads `4200000000:1:2` with `*` for any number.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let mut parts = text.split(':').map(|text| part(text, u32::MAX));
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(Some(a)), Some(Some(b)), Some(Some(c)), None) => Ok(Self([a, b, c])),
            _ => Err(Invalid {
                field: "large_community",
                reason: "not three numbers or * as in 4200000000:1:*",
            }),
        }
    }
}

/// Extended communities: one, or those of a name with these parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtCommunityPattern {
    /// This one.
    Exact(ExtCommunity),
    /// Route targets, route origins or link bandwidths, in the name of an AS (two or four octets) or address.
    Named {
        /// The subtype: 2 route target, 3 route origin (RFC 4360), 4 link bandwidth.
        subtype: u8,
        /// In whose name.
        global: ExtGlobal,
        /// The number.
        local: Option<u32>,
    },
}

/// In whose name an extended community is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtGlobal {
    /// Anybody's.
    Any,
    /// An AS's, in two octets or four.
    Asn(u32),
    /// An address's.
    Address(Ipv4Addr),
}

/// Names of subtypes (RFC 4360 sections 4 and 5).
const SUBTYPES: [(u8, &str); 3] = [(2, "rt"), (3, "soo"), (LINK_BANDWIDTH, "link-bandwidth")];
/// Its number is no number but a fraction, and not to be matched as one.
const LINK_BANDWIDTH: u8 = 4;
/// The bit of communities that stay in their AS.
const NOT_TRANSITIVE: u8 = 0x40;

impl ExtCommunityPattern {
    /// Whether a community is one of them.
    pub fn matches(&self, community: &ExtCommunity) -> bool {
        let (subtype, global, local) = match *self {
            Self::Exact(exact) => return exact == *community,
            Self::Named { subtype, global, local } => (subtype, global, local),
        };
        let [kind, sub, a, b, c, d, e, g] = community.0;
        if sub != subtype {
            return false;
        }
        let wide = u32::from_be_bytes([a, b, c, d]);
        let low = u32::from(u16::from_be_bytes([e, g]));
        let (theirs, number) = match kind & !NOT_TRANSITIVE {
            0 => {
                let number = u32::from_be_bytes([c, d, e, g]);
                (ExtGlobal::Asn(u32::from(u16::from_be_bytes([a, b]))), number)
            }
            1 => (ExtGlobal::Address(Ipv4Addr::from(wide)), low),
            2 => (ExtGlobal::Asn(wide), low),
            _ => return false,
        };
        (global == ExtGlobal::Any || global == theirs) && fits(local, number)
    }
}

impl From<ExtCommunity> for ExtCommunityPattern {
    fn from(community: ExtCommunity) -> Self {
        Self::Exact(community)
    }
}

impl fmt::Display for ExtCommunityPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (subtype, global, local) = match self {
            Self::Exact(exact) => return exact.fmt(f),
            Self::Named { subtype, global, local } => (subtype, global, local),
        };
        let name = SUBTYPES.iter().find(|(code, _)| code == subtype).map_or("?", |(_, name)| name);
        match global {
            ExtGlobal::Any => write!(f, "{name}:*:")?,
            ExtGlobal::Asn(asn) => write!(f, "{name}:{asn}:")?,
            ExtGlobal::Address(address) => write!(f, "{name}:{address}:")?,
        }
        show(*local, f)
    }
}

impl FromStr for ExtCommunityPattern {
    type Err = Invalid;

    /// Reads an extended community, or one of `rt:65000:*`, `soo:192.0.2.1:*`, `rt:*:100`, `rt:*:*`,
    /// `link-bandwidth:65000:*` (of either transitivity).
    fn from_str(text: &str) -> Result<Self, Invalid> {
        if !text.contains('*') {
            return text.parse::<ExtCommunity>().map(Self::Exact);
        }
        let invalid = Invalid {
            field: "ext_community",
            reason: "not rt: or soo: with numbers, an address or * as in rt:65000:*",
        };
        let named = || {
            let (name, rest) = text.split_once(':')?;
            let (subtype, _) = *SUBTYPES.iter().find(|(_, known)| *known == name)?;
            let (global, local) = rest.split_once(':')?;
            let global = match global {
                "*" => ExtGlobal::Any,
                text => match text.parse() {
                    Ok(address) => ExtGlobal::Address(address),
                    Err(_) => ExtGlobal::Asn(text.parse().ok()?),
                },
            };
            let local = part(local, u32::MAX)?;
            let readable = subtype != LINK_BANDWIDTH || local.is_none();
            readable.then_some(Self::Named { subtype, global, local })
        };
        named().ok_or(invalid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn patterns_take_what_they_say() {
        let community = |text: &str| text.parse::<Community>().unwrap();
        for (pattern, text, expected) in [
            ("65000:100", "65000:100", true),
            ("65000:100", "65000:101", false),
            ("65000:*", "65000:7", true),
            ("65000:*", "65001:7", false),
            ("*:7", "65001:7", true),
            ("*:*", "no-export", true),
            ("no-export", "no-export", true),
            ("65535:*", "no-export", true),
        ] {
            let read: CommunityPattern = pattern.parse().unwrap();
            assert_eq!(read.matches(&community(text)), expected, "{pattern} {text}");
            assert_eq!(read.to_string(), pattern);
        }
        for (pattern, text, expected) in [
            ("4200000000:1:2", "4200000000:1:2", true),
            ("4200000000:*:2", "4200000000:9:2", true),
            ("4200000000:*:2", "4200000000:9:3", false),
            ("*:*:*", "1:2:3", true),
        ] {
            let read: LargeCommunityPattern = pattern.parse().unwrap();
            assert_eq!(read.matches(&text.parse().unwrap()), expected, "{pattern} {text}");
            assert_eq!(read.to_string(), pattern);
        }
        for (pattern, text, expected) in [
            ("rt:65000:100", "rt:65000:100", true),
            ("rt:65000:100", "soo:65000:100", false),
            ("rt:65000:*", "rt:65000:70000", true),
            ("rt:65000:*", "rt:65000L:7", true),
            ("rt:65000:*", "rt:65001:7", false),
            ("rt:*:7", "rt:4200000000:7", true),
            ("soo:192.0.2.1:*", "soo:192.0.2.1:5", true),
            ("soo:192.0.2.1:*", "soo:192.0.2.2:5", false),
            ("rt:*:*", "rt:192.0.2.1:5", true),
            ("rt:*:*", "0x8002000000000001", false),
            ("link-bandwidth:65000:*", "link-bandwidth:65000:1G", true),
            ("link-bandwidth:*:*", "link-bandwidth-transitive:65000:1G", true),
            ("link-bandwidth:65000:*", "link-bandwidth:65001:1G", false),
            ("link-bandwidth:65000:1G", "link-bandwidth-transitive:65000:1G", false),
        ] {
            let read: ExtCommunityPattern = pattern.parse().unwrap();
            assert_eq!(read.matches(&text.parse().unwrap()), expected, "{pattern} {text}");
            assert_eq!(read.to_string(), pattern);
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in ["65536:*", "*", "65000", "65000:**", "a:*", "1:2:3", ""] {
            assert!(text.parse::<CommunityPattern>().is_err(), "{text}");
        }
        for text in ["1:2", "1:2:3:4", "*:*", "4294967296:*:*"] {
            assert!(text.parse::<LargeCommunityPattern>().is_err(), "{text}");
        }
        for text in ["*", "rt:*", "xx:65000:*", "rt:65000:*:*", "rt:x:*", "link-bandwidth:*:5"] {
            assert!(text.parse::<ExtCommunityPattern>().is_err(), "{text}");
        }
    }
}
