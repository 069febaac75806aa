//! Multipath: the routes of a prefix that are as good as its best one, and may share its traffic.
//!
//! Steps a to e of the Decision Process say which of two routes is better; the steps after them only
//! make sure that one is left. Routes between which nothing but those decides are equal (RFC 4271
//! section 9.1.2.2). Which they are is worked out when it is asked for: nothing is stored of it, and
//! what peers are told is the best route as ever.

use alloc::vec::Vec;

use ipnet::IpNet;
use pathvane_wire::NextHop;
use smallvec::SmallVec;

use crate::decide::equals;
use crate::rib::Rib;
use crate::{Best, Sharing};

/// The routes that are equal, by their places, the best one first.
pub(crate) type Equals = SmallVec<[(usize, Sharing); 8]>;

impl Rib {
    /// Whether several routes may share a prefix's traffic.
    pub(crate) const fn is_multipath(&self) -> bool {
        self.config.multipath > 1
    }

    /// The routes that share the traffic of a prefix: the best one, and after it those that are as
    /// good, over [`crate::RibConfig::multipath`] next hops at most. They come from one neighbouring
    /// AS, unless [`crate::RibConfig::multipath_relax`] says that they need not.
    pub fn multipath(&self, prefix: &IpNet) -> Vec<Best> {
        let Some(id) = self.find(prefix) else { return Vec::new() };
        if !self.is_multipath() {
            return self
                .table
                .best(id)
                .map(|route| self.best_view(id, &route))
                .into_iter()
                .collect();
        }
        let equals = self.equals(id).into_iter();
        let sharing = equals.filter(|(_, sharing)| *sharing == Sharing::Shares);
        sharing.map(|(at, _)| self.best_view(id, &self.table.route(id, at))).collect()
    }

    /// The routes of an entry that are equal, and whether each shares the traffic.
    pub(crate) fn equals(&self, id: u32) -> Equals {
        let routes = equals(self.contenders(id), self.config.always_compare_med);
        let Some(best) = routes.first().copied() else { return Equals::new() };
        let mut hops: SmallVec<[NextHop; 8]> = SmallVec::new();
        let share = |route: &crate::decide::Contender| {
            if route.neighbor_as != best.neighbor_as && !self.config.multipath_relax {
                return (route.at, Sharing::OtherAs);
            }
            let hop = self.sets.next_hop(self.table.route(id, route.at).set);
            if !hops.contains(&hop) {
                if hops.len() >= usize::from(self.config.multipath) {
                    return (route.at, Sharing::Full);
                }
                hops.push(hop);
            }
            (route.at, Sharing::Shares)
        };
        routes.iter().map(share).collect()
    }
}
