//! AS numbers and BGP Identifiers.

use core::fmt;
use core::net::Ipv4Addr;
use core::str::FromStr;

use crate::Invalid;

/// An Autonomous System number of four octets (RFC 6793).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Asn(pub u32);

impl Asn {
    /// AS_TRANS, which stands for a number that two octets cannot hold (RFC 6793 section 9).
    pub const TRANS: Asn = Asn(23456);

    /// Whether the number is for private use (RFC 6996).
    pub const fn is_private(self) -> bool {
        matches!(self.0, 64_512..=65_534 | 4_200_000_000..=4_294_967_294)
    }

    /// The number as two octets carry it: itself, or [`Asn::TRANS`].
    pub fn two_octets(self) -> u16 {
        u16::try_from(self.0).unwrap_or(23_456)
    }
}

impl fmt::Display for Asn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl From<u32> for Asn {
    fn from(number: u32) -> Asn {
        Asn(number)
    }
}

impl FromStr for Asn {
    type Err = Invalid;

    /// Reads `65000`, `AS65000`, or the dotted form `1.10` (RFC 5396).
    fn from_str(text: &str) -> Result<Asn, Invalid> {
        let invalid = || Invalid::new("asn", "not a number from 0 to 4294967295");
        let digits = text.strip_prefix("AS").or(text.strip_prefix("as")).unwrap_or(text);
        match digits.split_once('.') {
            None => digits.parse().map(Asn).map_err(|_| invalid()),
            Some((high, low)) => {
                let high: u16 = high.parse().map_err(|_| invalid())?;
                let low: u16 = low.parse().map_err(|_| invalid())?;
                Ok(Asn(u32::from(high) << 16 | u32::from(low)))
            }
        }
    }
}

/// A BGP Identifier: four octets, unique inside an AS and not zero (RFC 6286).
///
/// Ordered as the unsigned number in network byte order, as collision detection and the Decision
/// Process compare it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BgpId(pub u32);

impl From<Ipv4Addr> for BgpId {
    fn from(address: Ipv4Addr) -> BgpId {
        BgpId(address.to_bits())
    }
}

impl From<BgpId> for Ipv4Addr {
    fn from(id: BgpId) -> Ipv4Addr {
        Ipv4Addr::from_bits(id.0)
    }
}

impl fmt::Display for BgpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Ipv4Addr::from(*self), f)
    }
}

impl FromStr for BgpId {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<BgpId, Invalid> {
        text.parse::<Ipv4Addr>()
            .map(BgpId::from)
            .map_err(|_| Invalid::new("bgp_identifier", "not a dotted quad"))
    }
}
