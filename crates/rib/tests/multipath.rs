//! Multipath: which routes are as good as the best one, and that changes of them are told.

mod common;

use common::*;
use pathvane_rib::{PeerConfig, RibConfig, Sharing};
use pathvane_wire::{Attrs, BgpId, FamilySet, Origin};

const PREFIX: &str = "192.0.2.0/24";

/// External peers 0 to 3 and internal ones 10 and 11; changes of all prefixes are told.
fn lab(multipath: u8, multipath_relax: bool) -> Lab {
    let basic = RibConfig::new(OUR_AS, BgpId(9), 3);
    let mut lab = Lab::with(RibConfig { multipath, multipath_relax, ..basic });
    (0..4).for_each(|n| _ = lab.add(n, open_config(), external(n)));
    (10..12).for_each(|n| _ = lab.add(n, PeerConfig::default(), internal(n)));
    lab.rib.watch(&[net("0.0.0.0/0")]);
    lab
}

fn sharing(lab: &Lab) -> Vec<u16> {
    lab.rib.multipath(&net(PREFIX)).iter().map(|best| best.peer.0).collect()
}

/// Who shares the traffic if these routes are there.
fn among(multipath: u8, relax: bool, routes: &[(u16, Attrs)]) -> Vec<u16> {
    let mut lab = lab(multipath, relax);
    routes.iter().rev().for_each(|(peer, attrs)| lab.say(*peer, &[PREFIX], attrs));
    sharing(&lab)
}

#[test]
fn only_what_ties_down_to_the_last_steps_is_equal() {
    let (near, far) = (path(&[7, 8]), path(&[7, 8, 9]));
    let late = Attrs { origin: Origin::Incomplete, ..near.clone() };
    let preferred = Attrs { local_pref: Some(101), ..near.clone() };
    let equal = [(0, near.clone()), (1, path(&[7, 6])), (3, near.clone())];
    assert_eq!(among(4, false, &equal), [0, 1, 3]);
    assert_eq!(among(4, false, &[(0, near.clone()), (1, far)]), [0], "a longer AS path");
    assert_eq!(among(4, false, &[(0, near.clone()), (1, late)]), [0], "another ORIGIN");
    assert_eq!(among(4, false, &[(0, with_med(&[7, 8], 5)), (1, near.clone())]), [1], "MED");
    assert_eq!(among(4, false, &[(1, near.clone()), (10, near.clone())]), [1], "internal");
    assert_eq!(among(4, false, &[(10, preferred), (11, near.clone())]), [10], "LOCAL_PREF");
    assert_eq!(among(4, false, &[(10, near.clone()), (11, near)]), [10, 11], "two internal ones");
}

#[test]
fn another_neighbouring_as_shares_only_if_that_is_allowed() {
    // MED is compared within one AS only, so the second of AS 7 is out in any case.
    let routes = [(0, with_med(&[7, 9], 5)), (1, with_med(&[8, 9], 9)), (2, with_med(&[7, 9], 6))];
    assert_eq!(among(4, false, &routes), [0]);
    assert_eq!(among(4, true, &routes), [0, 1]);

    let mut lab = lab(4, false);
    routes.iter().for_each(|(peer, attrs)| lab.say(*peer, &[PREFIX], attrs));
    let explain = lab.rib.explain(&net(PREFIX)).expect("routes");
    assert_eq!(explain.candidates[0].sharing, None, "the best one, with nobody to share with");
}

#[test]
fn next_hops_are_counted_and_not_routes() {
    let mut lab = lab(2, false);
    for (peer, next_hop) in [(0, "10.0.0.1"), (1, "10.0.0.1"), (2, "10.0.0.2"), (3, "10.0.0.3")] {
        lab.announce(peer, &[net(PREFIX)], &path(&[7]), hop(next_hop));
    }
    assert_eq!(sharing(&lab), [0, 1, 2]);
    let explain = lab.rib.explain(&net(PREFIX)).expect("routes");
    let told: Vec<_> = explain.candidates.iter().map(|it| it.sharing).collect();
    let shares = Some(Sharing::Shares);
    assert_eq!(told, [shares, shares, shares, Some(Sharing::Full)]);
    let page = lab.rib.loc_rib(pathvane_rib::Cursor::default(), 10);
    assert!(page.items[0].best && page.items[0].shares);
}

#[test]
fn without_multipath_one_route_has_the_traffic_and_nobody_is_told_more() {
    let routes = [(0, path(&[7])), (1, path(&[7]))];
    assert_eq!(among(1, true, &routes), [0]);
    let mut lab = lab(1, true);
    routes.iter().for_each(|(peer, attrs)| lab.say(*peer, &[PREFIX], attrs));
    let explain = lab.rib.explain(&net(PREFIX)).expect("routes");
    assert!(explain.candidates.iter().all(|it| it.sharing.is_none() && !it.route.shares));
    while lab.rib.poll_change().is_some() {}
    lab.say(1, &[PREFIX], &with_med(&[7], 5));
    assert!(lab.rib.poll_change().is_none(), "the best route is as it was");
}

#[test]
fn every_way_in_and_out_of_the_set_is_told() {
    let mut lab = lab(4, false);
    let told = |lab: &mut Lab| {
        lab.work();
        let mut told = false;
        while let Some(change) = lab.rib.poll_change() {
            told |= change.prefix == net(PREFIX);
        }
        (told, sharing(lab))
    };
    lab.say(0, &[PREFIX], &path(&[7]));
    lab.say(1, &[PREFIX], &path(&[7]));
    assert_eq!(told(&mut lab), (true, vec![0, 1]));
    lab.say(1, &[PREFIX], &with_med(&[7], 5));
    assert_eq!(told(&mut lab), (true, vec![0]), "a worse MED");
    lab.say(1, &[PREFIX], &path(&[7]));
    assert_eq!(told(&mut lab), (true, vec![0, 1]));
    let (second, all) = (pathvane_rib::PeerId(1), [net("0.0.0.0/0")]);
    lab.rib.set_preference(second, &all, -20);
    assert_eq!(told(&mut lab), (true, vec![0]), "measurement prefers the other");
    lab.rib.set_preference(second, &all, 0);
    assert_eq!(told(&mut lab), (true, vec![0, 1]));
    lab.rib.set_next_hop_reachable(lab.remote(1).up.address, false);
    assert_eq!(told(&mut lab), (true, vec![0]), "its next hop cannot be reached");
    lab.rib.set_next_hop_reachable(lab.remote(1).up.address, true);
    assert_eq!(told(&mut lab), (true, vec![0, 1]));
    lab.down(1, FamilySet::EMPTY);
    assert_eq!(told(&mut lab), (true, vec![0]), "its session is gone");
}

#[test]
fn peers_are_told_the_best_route_alone() {
    let mut lab = lab(4, false);
    lab.say(0, &[PREFIX], &path(&[7]));
    lab.settle();
    let before = lab.heard(3);
    assert_eq!(before.iter().filter(|heard| heard.starts_with('+')).count(), 1);
    lab.say(1, &[PREFIX], &path(&[7]));
    assert!(lab.heard(3).is_empty(), "an equal route more is no news to them");
}
