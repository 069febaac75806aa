//! Lists of prefixes with ranges of lengths.

use alloc::vec::Vec;

use ipnet::IpNet;
use pathvane_wire::Invalid;

/// The prefixes inside `net` whose length is in a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PrefixRange {
    net: IpNet,
    ge: u8,
    le: u8,
}

impl PrefixRange {
    /// `net` itself.
    pub fn exact(net: IpNet) -> PrefixRange {
        PrefixRange { net: net.trunc(), ge: net.prefix_len(), le: net.prefix_len() }
    }

    /// `net` and everything inside it.
    pub fn or_longer(net: IpNet) -> PrefixRange {
        PrefixRange { net: net.trunc(), ge: net.prefix_len(), le: net.max_prefix_len() }
    }

    /// The prefixes inside `net` of `ge` to `le` bits.
    ///
    /// # Errors
    ///
    /// Unless `net`'s length <= `ge` <= `le` <= the longest of the family.
    pub fn new(net: IpNet, ge: u8, le: u8) -> Result<PrefixRange, Invalid> {
        if net.prefix_len() > ge {
            return Err(Invalid { field: "ge", reason: "shorter than the prefix itself" });
        }
        if ge > le {
            return Err(Invalid { field: "le", reason: "less than ge" });
        }
        if le > net.max_prefix_len() {
            return Err(Invalid { field: "le", reason: "longer than an address" });
        }
        Ok(PrefixRange { net: net.trunc(), ge, le })
    }

    fn takes(&self, prefix: &IpNet) -> bool {
        (self.ge..=self.le).contains(&prefix.prefix_len())
    }
}

/// A set of [`PrefixRange`]s.
///
/// Lookup costs one binary search per distinct length of the listed nets, not one step per net.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrefixList {
    ranges: Vec<PrefixRange>,
    lengths: Vec<u8>,
}

impl PrefixList {
    /// Whether the prefix is in one of the ranges.
    pub fn contains(&self, prefix: &IpNet) -> bool {
        let shorter = self.lengths.iter().take_while(|len| **len <= prefix.prefix_len());
        shorter.into_iter().any(|len| {
            let Some(net) = shortened(prefix, *len) else { return false };
            let from = self.ranges.partition_point(|r| r.net < net);
            let of_net = self.ranges.iter().skip(from).take_while(|r| r.net == net);
            of_net.into_iter().any(|r| r.takes(prefix))
        })
    }

    /// The ranges, in order of their nets.
    pub fn ranges(&self) -> &[PrefixRange] {
        &self.ranges
    }
}

impl FromIterator<PrefixRange> for PrefixList {
    fn from_iter<I: IntoIterator<Item = PrefixRange>>(ranges: I) -> PrefixList {
        let mut ranges: Vec<PrefixRange> = ranges.into_iter().collect();
        ranges.sort_unstable();
        ranges.dedup();
        let mut lengths: Vec<u8> = ranges.iter().map(|r| r.net.prefix_len()).collect();
        lengths.sort_unstable();
        lengths.dedup();
        PrefixList { ranges, lengths }
    }
}

/// The net of `len` bits that holds `prefix`.
fn shortened(prefix: &IpNet, len: u8) -> Option<IpNet> {
    IpNet::new(prefix.addr(), len).ok().map(|net| net.trunc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    #[test]
    fn ranges_bound_the_length_inside_the_net() {
        let list: PrefixList = [
            PrefixRange::exact(net("10.0.0.0/8")),
            PrefixRange::new(net("192.0.2.0/24"), 25, 26).unwrap(),
            PrefixRange::or_longer(net("2001:db8::/32")),
        ]
        .into_iter()
        .collect();
        let table = [
            ("10.0.0.0/8", true),
            ("10.0.0.0/9", false),
            ("0.0.0.0/0", false),
            ("192.0.2.0/24", false),
            ("192.0.2.128/25", true),
            ("192.0.2.64/26", true),
            ("192.0.2.64/27", false),
            ("192.0.3.0/25", false),
            ("2001:db8::/32", true),
            ("2001:db8:1::/48", true),
            ("2001:db9::/48", false),
        ];
        for (prefix, expected) in table {
            assert_eq!(list.contains(&net(prefix)), expected, "{prefix}");
        }
    }

    #[test]
    fn nested_nets_each_count() {
        let list: PrefixList = [
            PrefixRange::new(net("10.0.0.0/8"), 24, 24).unwrap(),
            PrefixRange::new(net("10.0.0.0/8"), 16, 16).unwrap(),
            PrefixRange::exact(net("10.1.2.0/25")),
        ]
        .into_iter()
        .collect();
        for (prefix, expected) in [
            ("10.1.2.0/24", true),
            ("10.1.0.0/16", true),
            ("10.1.2.0/25", true),
            ("10.1.0.0/17", false),
        ] {
            assert_eq!(list.contains(&net(prefix)), expected, "{prefix}");
        }
    }

    #[test]
    fn impossible_ranges_are_refused() {
        assert_eq!(PrefixRange::new(net("10.0.0.0/8"), 7, 9).unwrap_err().field, "ge");
        assert_eq!(PrefixRange::new(net("10.0.0.0/8"), 9, 8).unwrap_err().field, "le");
        assert_eq!(PrefixRange::new(net("10.0.0.0/8"), 9, 33).unwrap_err().field, "le");
    }
}
