//! The Decision Process: each step, and independence of the order of arrival.

mod common;

use common::*;
use pathvane_rib::{Outcome, PeerConfig, PeerId, RibConfig, Step};
use pathvane_wire::{Attrs, BgpId, FamilySet, Origin};

const PREFIX: &str = "192.0.2.0/24";

/// All orders of `0..n`.
fn permutations(n: usize) -> Vec<Vec<usize>> {
    if n == 0 {
        return vec![vec![]];
    }
    let shorter = permutations(n - 1);
    shorter
        .iter()
        .flat_map(|order| {
            (0..n).map(|at| {
                let mut order = order.clone();
                order.insert(at, n - 1);
                order
            })
        })
        .collect()
}

/// External peers 0..4, internal ones 10..14, and an external observer 20.
fn lab(always_compare_med: bool) -> Lab {
    let config = RibConfig { always_compare_med, ..RibConfig::new(OUR_AS, BgpId(9), 3) };
    let mut lab = Lab::with(config);
    for n in 0..4 {
        lab.add(n, open_config(), external(n));
        lab.add(10 + n, PeerConfig::default(), internal(10 + n));
    }
    lab.add(20, open_config(), external(20));
    lab
}

fn best(lab: &Lab) -> Option<(u16, Step)> {
    let explain = lab.rib.explain(&net(PREFIX))?;
    match &explain.candidates.first()?.outcome {
        Outcome::Best(step) => Some((explain.candidates[0].route.peer.0, *step)),
        _ => None,
    }
}

/// Announces the routes in every order, and each time with every one withdrawn and announced again
/// at the end; checks that the best route and what the observer is told are always the same.
fn in_every_order(routes: &[(u16, Attrs)], always_compare_med: bool, expected: (u16, Step)) {
    let mut told = None;
    for order in permutations(routes.len()) {
        let mut lab = lab(always_compare_med);
        for at in &order {
            let (peer, attrs) = &routes[*at];
            lab.say(*peer, &[PREFIX], attrs);
        }
        assert_eq!(best(&lab), Some(expected), "{order:?}");
        for (peer, attrs) in routes {
            lab.unsay(*peer, &[PREFIX]);
            let others: Vec<_> = routes.iter().filter(|(p, _)| p != peer).cloned().collect();
            if always_compare_med || others.len() == 5 {
                let mut fresh = self::lab(always_compare_med);
                others.iter().for_each(|(p, attrs)| fresh.say(*p, &[PREFIX], attrs));
                assert_eq!(best(&lab), best(&fresh), "{order:?} without {peer}");
            }
            lab.say(*peer, &[PREFIX], attrs);
            assert_eq!(best(&lab), Some(expected), "{order:?} after {peer} came back");
        }
        lab.settle();
        let now = lab.told(20, PREFIX).cloned();
        assert!(now.is_some());
        assert_eq!(now, *told.get_or_insert(now.clone()), "{order:?}");
    }
}

/// By peer.
type Routes = Vec<(u16, Attrs)>;

fn preferred(asns: &[u32], local_pref: u32) -> Attrs {
    Attrs { local_pref: Some(local_pref), ..path(asns) }
}

#[test]
fn each_step_decides_where_those_before_it_tie() {
    let long = path(&[65100, 1, 2]);
    let late = Attrs { origin: Origin::Egp, ..path(&[65100, 1]) };
    let reflected = |id: u32, clusters: &[u32]| Attrs {
        originator_id: Some(BgpId(id)),
        cluster_list: clusters.iter().map(|id| BgpId(*id)).collect(),
        ..path(&[7, 8])
    };
    let table: Vec<(Routes, (u16, Step))> = vec![
        (vec![(1, path(&[65100]))], (1, Step::Only)),
        (vec![(0, path(&[1])), (10, preferred(&[7, 8, 9], 101))], (10, Step::Preference)),
        (vec![(0, long), (1, path(&[65100, 1]))], (1, Step::AsPath)),
        (vec![(0, late), (1, path(&[65100, 1]))], (1, Step::Origin)),
        (vec![(0, with_med(&[7, 1], 5)), (1, with_med(&[7, 2], 4))], (1, Step::Med)),
        (vec![(0, with_med(&[7, 1], 5)), (1, path(&[7, 2]))], (1, Step::Med)),
        (vec![(0, with_med(&[7, 1], 5)), (1, with_med(&[8, 2], 4))], (0, Step::Identifier)),
        (vec![(1, path(&[7, 8])), (10, path(&[7, 8]))], (1, Step::External)),
        (vec![(2, path(&[7])), (1, path(&[8]))], (1, Step::Identifier)),
        (vec![(10, path(&[7, 8])), (11, reflected(3, &[1]))], (11, Step::Identifier)),
        (vec![(10, reflected(3, &[1, 2])), (11, reflected(3, &[1]))], (11, Step::ClusterList)),
        (vec![(10, reflected(3, &[1])), (11, reflected(3, &[1]))], (10, Step::Address)),
    ];
    for (routes, expected) in table {
        in_every_order(&routes, false, expected);
    }
}

#[test]
fn med_within_one_as_is_no_total_order_and_yet_all_orders_agree() {
    // 0 beats 1 by MED, 1 beats 2 by identifier, 2 beats 0 by being external: a cycle for a
    // comparison by pairs. By elimination, 1 goes first, and 2 is left.
    let cycle =
        [(10, with_med(&[7, 1], 10)), (0, with_med(&[7, 2], 20)), (1, with_med(&[8, 3], 0))];
    in_every_order(&cycle, false, (1, Step::External));
    let six = [
        (0, with_med(&[7, 1], 30)),
        (1, with_med(&[7, 2], 10)),
        (2, with_med(&[8, 1], 5)),
        (3, with_med(&[8, 2], 50)),
        (10, with_med(&[7, 3], 0)),
        (11, with_med(&[9, 3], 0)),
    ];
    in_every_order(&six, false, (2, Step::External));
}

#[test]
fn med_can_be_compared_across_ases() {
    let routes =
        [(0, with_med(&[7, 1], 30)), (1, with_med(&[8, 2], 10)), (2, with_med(&[9, 1], 20))];
    in_every_order(&routes, false, (0, Step::Identifier));
    in_every_order(&routes, true, (1, Step::Med));
}

#[test]
fn an_explanation_lists_every_route_with_the_step_at_which_it_lost() {
    let mut lab = lab(false);
    lab.say(0, &[PREFIX], &path(&[7, 8]));
    lab.say(1, &[PREFIX], &path(&[7, 8, 9]));
    lab.say(2, &[PREFIX], &path(&[6, 8]));
    lab.say(3, &[PREFIX], &path(&[65000, 8]));
    lab.say(10, &[PREFIX], &preferred(&[1], 50));
    let explain = lab.rib.explain(&net(PREFIX)).unwrap();
    let lines: Vec<String> =
        explain.candidates.iter().map(|c| format!("{} {}", c.route.peer, c.outcome)).collect();
    assert_eq!(
        lines,
        [
            "0 best: lower BGP Identifier",
            "2 lost: lower BGP Identifier elsewhere",
            "1 lost: shorter AS path elsewhere",
            "10 lost: higher degree of preference elsewhere",
            "3 not feasible: our AS is in its AS path",
        ]
    );
    assert!(lab.rib.explain(&net("10.0.0.0/8")).is_none());
}

#[test]
fn paths_with_identifiers_compete_and_are_withdrawn_one_by_one() {
    let mut lab = Lab::open(2);
    lab.add_path = FamilySet::IPV4;
    let prefix = [net(PREFIX)];
    let next_hop = hop("10.0.0.0");
    lab.announce_path(0, 7, &prefix, &path(&[65100, 1]), next_hop);
    lab.announce_path(0, 3, &prefix, &path(&[65100, 2]), next_hop);
    lab.announce_path(0, 9, &prefix, &path(&[65100]), next_hop);
    let counts = |lab: &Lab| lab.rib.counts(PeerId(0), pathvane_wire::Family::IPV4_UNICAST);
    assert_eq!(counts(&lab).received, 3);
    lab.settle();
    assert_eq!(lab.told(1, PREFIX).unwrap().1.as_path.to_string(), "65000 65100");
    lab.withdraw_path(0, 9, &prefix);
    assert_eq!(best(&lab), Some((0, Step::PathId)));
    lab.settle();
    assert_eq!(lab.told(1, PREFIX).unwrap().1.as_path.to_string(), "65000 65100 2");
    lab.withdraw_path(0, 3, &prefix);
    lab.withdraw_path(0, 3, &prefix);
    lab.withdraw_path(0, 7, &prefix);
    lab.settle();
    assert_eq!((counts(&lab).received, lab.told(1, PREFIX)), (0, None));
}

#[test]
fn a_peer_cannot_pile_up_paths_for_one_prefix() {
    let mut lab = Lab::open(1);
    lab.add_path = FamilySet::IPV4;
    for id in 1..=100 {
        lab.announce_path(0, id, &[net(PREFIX)], &path(&[65100, id]), hop("10.0.0.0"));
    }
    let counts = lab.rib.counts(PeerId(0), pathvane_wire::Family::IPV4_UNICAST);
    assert_eq!(counts.received as usize, pathvane_rib::Faults::MAX_PATHS);
    let faults = lab.rib.faults(PeerId(0)).unwrap();
    assert_eq!(faults.too_many_paths as usize, 100 - pathvane_rib::Faults::MAX_PATHS);
}
