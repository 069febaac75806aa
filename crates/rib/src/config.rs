//! What the operator and the engine tell the RIB.

use alloc::vec::Vec;

use pathvane_wire::{Asn, BgpId, Community, LargeCommunity, Origin};

/// The facts of the speaker that routes depend on.
#[derive(Clone, Copy, Debug)]
pub struct RibConfig {
    /// Our AS number.
    pub asn: Asn,
    /// Our BGP Identifier.
    pub id: BgpId,
    /// What our cluster is called where we reflect routes (RFC 4456 section 7). Defaults to `id`.
    pub cluster_id: BgpId,
    /// Seed of all hashes, drawn at random by the shell, so that peers cannot choose collisions.
    pub seed: u64,
    /// Compare MED between routes of different neighbouring ASes too; off in RFC 4271.
    pub always_compare_med: bool,
    /// How many next hops share the traffic of a prefix at most, where as many routes are as good as
    /// the best one; 1, the default: that of the best one alone. See [`crate::Rib::multipath`].
    pub multipath: u8,
    /// Such routes may come from different neighbouring ASes.
    pub multipath_relax: bool,
    /// Degree of preference of a route without LOCAL_PREF. Defaults to 100.
    pub default_preference: u32,
    /// The largest offset, either way, that [`crate::Rib::set_preference`] can add. Defaults to 1000.
    pub preference_bound: u32,
}

impl RibConfig {
    /// The defaults, for a speaker with this AS number and BGP Identifier.
    pub const fn new(asn: Asn, id: BgpId, seed: u64) -> RibConfig {
        RibConfig {
            asn,
            id,
            cluster_id: id,
            seed,
            always_compare_med: false,
            multipath: 1,
            multipath_relax: false,
            default_preference: 100,
            preference_bound: 1000,
        }
    }
}

/// How much one call of [`crate::Rib::work`] may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Prefixes to look at. One costs 10 ns if it is left alone, about 300 ns if its best route changes.
    pub routes: u32,
}

/// The attributes of a route of our own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginAttrs {
    /// ORIGIN; IGP unless the route comes from elsewhere.
    pub origin: Origin,
    /// MED to send; none if absent.
    pub med: Option<u32>,
    /// Communities to send. NO_EXPORT and its like are for those who receive the route: they do
    /// not keep us from sending it.
    pub communities: Vec<Community>,
    /// Large communities to send.
    pub large_communities: Vec<LargeCommunity>,
}

impl Default for OriginAttrs {
    fn default() -> OriginAttrs {
        OriginAttrs {
            origin: Origin::Igp,
            med: None,
            communities: Vec::new(),
            large_communities: Vec::new(),
        }
    }
}

/// What steering wants one peer to be told about one prefix, after export policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Directive {
    /// Announce with these changes. A route that export policy refuses stays refused.
    Announce {
        /// The MED, in place of what policy left; `None` leaves it.
        med: Option<u32>,
        /// Communities to add.
        communities: Vec<Community>,
        /// How often to prepend our own AS, beside the one time that is always done.
        prepend: u8,
    },
    /// Do not announce; withdraw if announced.
    Withhold,
}
