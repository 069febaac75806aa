//! Address families, and the set of those that Pathvane routes.

use core::fmt;
use core::ops::{BitAnd, BitOr};
use core::str::FromStr;

use ipnet::IpNet;

use crate::Invalid;

/// An address family with its subsequent identifier (RFC 4760). Unknown code points are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Family {
    /// Address Family Identifier.
    pub afi: u16,
    /// Subsequent Address Family Identifier.
    pub safi: u8,
}

impl Family {
    /// IPv4 unicast, 1/1.
    pub const IPV4_UNICAST: Family = Family { afi: 1, safi: 1 };
    /// IPv6 unicast, 2/1.
    pub const IPV6_UNICAST: Family = Family { afi: 2, safi: 1 };

    /// The family whose unicast routes have this prefix.
    pub const fn of(prefix: &IpNet) -> Family {
        match prefix {
            IpNet::V4(_) => Family::IPV4_UNICAST,
            IpNet::V6(_) => Family::IPV6_UNICAST,
        }
    }

    /// The octets of the longest prefix of the family in NLRI, without a path identifier.
    pub(crate) const fn longest_nlri(self) -> usize {
        if self.afi == Family::IPV4_UNICAST.afi { 1 + 4 } else { 1 + 16 }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Family::IPV4_UNICAST => f.pad("ipv4-unicast"),
            Family::IPV6_UNICAST => f.pad("ipv6-unicast"),
            Family { afi, safi } => write!(f, "afi-{afi}-safi-{safi}"),
        }
    }
}

impl FromStr for Family {
    type Err = Invalid;

    /// Reads the names of the two families that Pathvane routes.
    fn from_str(text: &str) -> Result<Family, Invalid> {
        FamilySet::ALL
            .iter()
            .zip(["ipv4-unicast", "ipv6-unicast"])
            .find_map(|(family, name)| (name == text).then_some(family))
            .ok_or(Invalid::new("family", "not ipv4-unicast or ipv6-unicast"))
    }
}

/// A set of the families that Pathvane routes: IPv4 and IPv6 unicast.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct FamilySet(u8);

impl FamilySet {
    /// No family.
    pub const EMPTY: FamilySet = FamilySet(0);
    /// IPv4 unicast only.
    pub const IPV4: FamilySet = FamilySet(1);
    /// IPv6 unicast only.
    pub const IPV6: FamilySet = FamilySet(2);
    /// Both.
    pub const ALL: FamilySet = FamilySet(3);

    const fn bit(family: Family) -> u8 {
        match family {
            Family::IPV4_UNICAST => 1,
            Family::IPV6_UNICAST => 2,
            _ => 0,
        }
    }

    /// Whether the family is in the set; never true of one that Pathvane does not route.
    pub const fn contains(self, family: Family) -> bool {
        self.0 & FamilySet::bit(family) != 0
    }

    /// Whether the set holds nothing.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Adds a family; one that Pathvane does not route is left out.
    pub const fn insert(&mut self, family: Family) {
        self.0 |= FamilySet::bit(family);
    }

    /// Takes a family out.
    pub const fn remove(&mut self, family: Family) {
        self.0 &= !FamilySet::bit(family);
    }

    /// The families in the set, IPv4 first.
    pub fn iter(self) -> impl Iterator<Item = Family> + Clone {
        [Family::IPV4_UNICAST, Family::IPV6_UNICAST].into_iter().filter(move |f| self.contains(*f))
    }
}

impl BitAnd for FamilySet {
    type Output = FamilySet;

    fn bitand(self, other: FamilySet) -> FamilySet {
        FamilySet(self.0 & other.0)
    }
}

impl BitOr for FamilySet {
    type Output = FamilySet;

    fn bitor(self, other: FamilySet) -> FamilySet {
        FamilySet(self.0 | other.0)
    }
}

impl From<Family> for FamilySet {
    fn from(family: Family) -> FamilySet {
        FamilySet(FamilySet::bit(family))
    }
}

impl FromIterator<Family> for FamilySet {
    fn from_iter<I: IntoIterator<Item = Family>>(families: I) -> FamilySet {
        families.into_iter().fold(FamilySet::EMPTY, |set, family| set | family.into())
    }
}

impl fmt::Debug for FamilySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl fmt::Display for FamilySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, family) in self.iter().enumerate() {
            let gap = if i == 0 { "" } else { " " };
            write!(f, "{gap}{family}")?;
        }
        Ok(())
    }
}
