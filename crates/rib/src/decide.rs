//! The Decision Process for one prefix (RFC 4271 section 9.1.2.2, RFC 4456 section 9).
//!
//! Phase 2 of the RFC is an elimination: each step removes, from the routes still in
//! consideration, those that another one beats at this step. The result is a property of the set of
//! routes, so no order of arrival can change it, although "lower MED within one neighbouring AS" is
//! not a total order over routes.
//!
//! The steps here:
//!
//! 1. A route of our own beats any peer's (no step of the RFC: it has no degree of preference).
//! 2. A route that is not long-lived stale beats one that is (RFC 9494 section 4.3).
//! 3. Degree of preference (section 9.1.1), which local policy, LOCAL_PREF and measurement make.
//! 4. Length of the AS path (a).
//! 5. ORIGIN (b).
//! 6. MED within one neighbouring AS (c); a missing one is 0.
//! 7. External before internal (d).
//! 8. BGP Identifier, or ORIGINATOR_ID where there is one (f).
//! 9. Length of the CLUSTER_LIST (RFC 4456).
//! 10. Peer address (g).
//! 11. Path identifier, where one peer sends several routes (RFC 7911 leaves the choice to us).
//!
//! Interior cost (e) is not compared: a userspace speaker has no IGP.

use core::cmp::Reverse;
use core::net::IpAddr;

use smallvec::SmallVec;

use crate::Step;

/// A feasible route, as far as the Decision Process looks at it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contender {
    /// Its place among the routes of the prefix.
    pub(crate) at: usize,
    /// The outcome of steps 1 to 5; the higher, the better.
    pub(crate) rank: Rank,
    pub(crate) neighbor_as: u32,
    pub(crate) med: u32,
    pub(crate) external: bool,
    pub(crate) id: u32,
    pub(crate) clusters: u16,
    pub(crate) address: IpAddr,
    pub(crate) path_id: u32,
}

/// What steps 1 to 5 compare, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank {
    pub(crate) local: bool,
    pub(crate) fresh: bool,
    pub(crate) preference: u32,
    pub(crate) path_len: Reverse<u16>,
    pub(crate) origin: Reverse<u8>,
}

/// The routes in consideration.
pub(crate) type Contenders = SmallVec<[Contender; 8]>;

/// The route that is left, and the step that left it alone. `lost` hears of each route removed.
pub(crate) fn decide(
    mut left: Contenders,
    always_compare_med: bool,
    mut lost: impl FnMut(&Contender, Step),
) -> Option<(Contender, Step)> {
    let mut decided = Step::Only;
    let mut take = |left: &mut Contenders, step: Step, stays: &dyn Fn(&Contender) -> bool| {
        let before = left.len();
        left.retain(|c| {
            let stays = stays(c);
            if !stays {
                lost(c, step);
            }
            stays
        });
        if left.len() < before {
            decided = step;
        }
    };

    let best = left.iter().map(|c| c.rank).max()?;
    take(&mut left, Step::LocalOrigin, &|c| c.rank.local == best.local);
    take(&mut left, Step::LongLivedStale, &|c| c.rank.fresh == best.fresh);
    take(&mut left, Step::Preference, &|c| c.rank.preference == best.preference);
    take(&mut left, Step::AsPath, &|c| c.rank.path_len == best.path_len);
    take(&mut left, Step::Origin, &|c| c.rank.origin == best.origin);
    if left.len() > 1 {
        let lowest = lowest_meds(&left, always_compare_med);
        take(&mut left, Step::Med, &|c| {
            let group = if always_compare_med { 0 } else { c.neighbor_as };
            lowest.iter().all(|(asn, med)| *asn != group || *med == c.med)
        });
        let external = left.iter().any(|c| c.external);
        take(&mut left, Step::External, &|c| c.external == external);
        let id = left.iter().map(|c| c.id).min()?;
        take(&mut left, Step::Identifier, &|c| c.id == id);
        let clusters = left.iter().map(|c| c.clusters).min()?;
        take(&mut left, Step::ClusterList, &|c| c.clusters == clusters);
        let address = left.iter().map(|c| c.address).min()?;
        take(&mut left, Step::Address, &|c| c.address == address);
        let path_id = left.iter().map(|c| c.path_id).min()?;
        take(&mut left, Step::PathId, &|c| c.path_id == path_id);
    }
    left.first().map(|winner| (*winner, decided))
}

/// The routes between which nothing decides but the steps that break ties (f and later), in the order
/// in which these would choose them.
pub(crate) fn equals(routes: Contenders, always_compare_med: bool) -> Contenders {
    let mut equals = Contenders::new();
    let best = decide(routes, always_compare_med, |lost, step| {
        if step >= Step::Identifier {
            equals.push(*lost);
        }
    });
    equals.extend(best.map(|(best, _)| best));
    equals.sort_by_key(|it| (it.id, it.clusters, it.address, it.path_id));
    equals
}

/// The lowest MED of each neighbouring AS; all count as one AS if MEDs are always compared.
fn lowest_meds(routes: &Contenders, always: bool) -> SmallVec<[(u32, u32); 8]> {
    let mut lowest: SmallVec<[(u32, u32); 8]> = SmallVec::new();
    for route in routes {
        let group = if always { 0 } else { route.neighbor_as };
        match lowest.iter_mut().find(|(asn, _)| *asn == group) {
            Some((_, med)) => *med = (*med).min(route.med),
            None => lowest.push((group, route.med)),
        }
    }
    lowest
}
