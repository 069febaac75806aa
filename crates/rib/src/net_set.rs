//! Nets to ask whether a prefix is inside one of them, and the zone: the prefixes that are.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use ipnet::IpNet;

use crate::table::Entry;

/// A prefix as a sort key: family, first address, length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ZoneKey {
    v6: bool,
    first: u128,
    len: u8,
}

impl ZoneKey {
    pub(crate) const START: ZoneKey = ZoneKey { v6: false, first: 0, len: 0 };

    pub(crate) fn of(prefix: &IpNet) -> ZoneKey {
        ZoneKey { v6: is_v6(prefix), first: bits(prefix.network()), len: prefix.prefix_len() }
    }

    /// The last key that anything inside `net` can have.
    pub(crate) fn last_inside(net: &IpNet) -> ZoneKey {
        ZoneKey { v6: is_v6(net), first: bits(net.broadcast()), len: u8::MAX }
    }

    /// The next key in order; `None` after the last.
    pub(crate) fn next(self) -> Option<ZoneKey> {
        // Lengths end at 128, so there is always room above.
        self.len.checked_add(1).map(|len| ZoneKey { len, ..self })
    }
}

fn is_v6(net: &IpNet) -> bool {
    matches!(net, IpNet::V6(_))
}

fn bits(address: core::net::IpAddr) -> u128 {
    match address {
        core::net::IpAddr::V4(v4) => u128::from(v4.to_bits()),
        core::net::IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// A set of nets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NetSet {
    /// None inside another, in order.
    nets: Vec<IpNet>,
}

impl NetSet {
    /// Whether the prefix is one of the nets or inside one.
    pub(crate) fn covers(&self, prefix: &IpNet) -> bool {
        if self.nets.is_empty() {
            return false;
        }
        let key = ZoneKey::of(prefix);
        let after = self.nets.partition_point(|net| ZoneKey::of(net) <= key);
        self.nets[..after].last().is_some_and(|net| net.contains(prefix))
    }

    pub(crate) fn extend(&mut self, nets: &[IpNet]) {
        let mut all: Vec<IpNet> = self.nets.iter().chain(nets).map(IpNet::trunc).collect();
        all.sort_unstable_by_key(ZoneKey::of);
        all.dedup();
        self.nets.clear();
        for net in all {
            // A net that holds this one comes before it, and nothing between them is disjoint.
            if !self.nets.last().is_some_and(|last| last.contains(&net)) {
                self.nets.push(net);
            }
        }
    }
}

impl From<&[IpNet]> for NetSet {
    fn from(nets: &[IpNet]) -> NetSet {
        let mut set = NetSet::default();
        set.extend(nets);
        set
    }
}

/// Which prefixes matter most, and where they are.
#[derive(Debug, Default)]
pub(crate) struct Zone {
    pub(crate) services: NetSet,
    pub(crate) watched: NetSet,
    /// Every `reach` that was ever steered, so that steering on and off moves nothing else.
    pub(crate) steered: NetSet,
    entries: BTreeMap<ZoneKey, u32>,
    /// Counts the changes of the nets, and of what they mean for entries.
    pub(crate) version: u32,
}

impl Zone {
    /// The flags that an entry of this prefix has.
    pub(crate) fn flags(&self, prefix: &IpNet) -> u8 {
        let flag = |set: &NetSet, flag| if set.covers(prefix) { flag } else { 0 };
        let flags = flag(&self.services, Entry::SERVICE) | flag(&self.watched, Entry::WATCHED);
        if flags != 0 || self.steered.covers(prefix) { flags | Entry::ZONE } else { 0 }
    }

    pub(crate) fn insert(&mut self, prefix: &IpNet, id: u32) {
        self.entries.insert(ZoneKey::of(prefix), id);
    }

    pub(crate) fn remove(&mut self, prefix: &IpNet) {
        self.entries.remove(&ZoneKey::of(prefix));
    }

    /// The first entry at `from` or after it.
    pub(crate) fn first(&self, from: ZoneKey) -> Option<(ZoneKey, u32)> {
        self.entries.range(from..).next().map(|(key, id)| (*key, *id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    #[test]
    fn a_set_covers_what_is_inside_one_of_its_nets() {
        let nets = ["10.1.0.0/16", "10.0.0.0/9", "10.1.2.0/24", "192.0.2.0/24", "2001:db8::/32"];
        let set = NetSet::from(&nets.map(net)[..]);
        for (prefix, expected) in [
            ("10.0.0.0/9", true),
            ("10.1.2.0/25", true),
            ("10.127.0.0/16", true),
            ("10.0.0.0/8", false),
            ("10.128.0.0/16", false),
            ("192.0.2.0/24", true),
            ("192.0.2.0/23", false),
            ("0.0.0.0/0", false),
            ("2001:db8:1::/48", true),
            ("2001:db9::/48", false),
            ("::/0", false),
        ] {
            assert_eq!(set.covers(&net(prefix)), expected, "{prefix}");
        }
        assert!(!NetSet::default().covers(&net("10.0.0.0/8")));
    }

    #[test]
    fn a_walk_over_a_net_sees_what_is_inside_and_nothing_else() {
        let mut zone = Zone::default();
        let all =
            ["9.0.0.0/8", "10.0.0.0/8", "10.0.0.0/9", "10.255.255.255/32", "11.0.0.0/8", "::/0"];
        for (id, text) in (0..).zip(all) {
            zone.insert(&net(text), id);
        }
        let within = net("10.0.0.0/8");
        let mut from = Some(ZoneKey::of(&within));
        let mut seen = Vec::new();
        while let Some((key, id)) = from.and_then(|from| zone.first(from)) {
            if key > ZoneKey::last_inside(&within) {
                break;
            }
            seen.push(id);
            from = key.next();
        }
        assert_eq!(seen, [1, 2, 3]);
    }
}
