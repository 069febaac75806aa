//! Routes that are kept for a while though nobody stands by them: within a refresh (RFC 7313), and
//! long after their session (RFC 9494).

mod common;

use common::*;
use pathvane_rib::{Outcome, PeerId, Reason, Step};
use pathvane_wire::{Attrs, Community, Family, FamilySet};

const V4: Family = Family::IPV4_UNICAST;
const PEER: PeerId = PeerId(0);

/// Two open peers; the first has announced both prefixes and its End-of-RIB.
fn two() -> Lab {
    let mut lab = Lab::open(2);
    lab.say(0, &["20.0.0.0/24", "20.0.1.0/24"], &path(&[65100]));
    lab.end_of_rib(0, V4);
    lab.heard(1);
    lab
}

fn stale(lab: &Lab) -> u32 {
    lab.rib.counts(PEER, V4).stale
}

#[test]
fn what_a_refresh_does_not_repeat_goes_with_its_end() {
    let mut lab = two();
    lab.rib.begin_refresh(PEER, V4);
    assert_eq!((stale(&lab), lab.rib.refreshing(PEER)), (2, FamilySet::IPV4));
    assert_eq!(lab.heard(1), [""; 0], "nothing is withdrawn meanwhile");
    lab.say(0, &["20.0.0.0/24"], &path(&[65100]));
    assert_eq!(stale(&lab), 1);
    // An End-of-RIB is not the end of a refresh.
    lab.end_of_rib(0, V4);
    assert_eq!(stale(&lab), 1);
    lab.rib.end_refresh(PEER, V4);
    assert_eq!(lab.heard(1), ["-20.0.1.0/24"]);
    assert_eq!((stale(&lab), lab.rib.counts(PEER, V4).received), (0, 1));
    assert!(lab.rib.refreshing(PEER).is_empty());
}

#[test]
fn the_other_family_is_not_refreshed() {
    let mut lab = two();
    let v6 = net("2001:db8:1::/48");
    lab.announce(0, &[v6], &path(&[65100]), hop("2001:db8::9"));
    lab.end_of_rib(0, Family::IPV6_UNICAST);
    lab.heard(1);
    lab.rib.begin_refresh(PEER, V4);
    lab.rib.end_refresh(PEER, V4);
    assert_eq!(lab.heard(1).len(), 2, "both IPv4 prefixes go");
    assert!(lab.rib.best(&v6).is_some());
    assert_eq!(lab.rib.counts(PEER, Family::IPV6_UNICAST).stale, 0);
}

#[test]
fn markers_at_the_wrong_time_change_nothing() {
    let mut lab = Lab::open(2);
    lab.say(0, &["20.0.0.0/24"], &path(&[65100]));
    // Before End-of-RIB (RFC 7313 section 4), or without a beginning.
    lab.rib.begin_refresh(PEER, V4);
    lab.rib.end_refresh(PEER, V4);
    assert_eq!(lab.rib.counts(PEER, V4).received, 1);
    lab.end_of_rib(0, V4);
    lab.rib.end_refresh(PEER, V4);
    lab.settle();
    assert!(lab.rib.best(&net("20.0.0.0/24")).is_some());
}

#[test]
fn a_session_that_is_lost_within_a_refresh_keeps_all_routes_for_its_restart() {
    let mut lab = two();
    lab.rib.begin_refresh(PEER, V4);
    lab.say(0, &["20.0.0.0/24"], &path(&[65100]));
    lab.down(0, FamilySet::IPV4);
    lab.settle();
    assert_eq!((stale(&lab), lab.heard(1).len()), (2, 0));
    lab.up(0, external(0));
    lab.end_of_rib(0, V4);
    assert_eq!(lab.heard(1).len(), 2, "none was repeated");
}

#[test]
fn endless_refreshes_mistake_no_old_route_for_a_new_one() {
    let mut lab = two();
    for _ in 0..1000 {
        lab.rib.begin_refresh(PEER, V4);
        lab.say(0, &["20.0.0.0/24"], &path(&[65100]));
        lab.rib.end_refresh(PEER, V4);
        assert!(lab.rib.best(&net("20.0.0.0/24")).is_some());
        assert!(lab.rib.best(&net("20.0.1.0/24")).is_none_or(|_| lab.rib.has_work()));
    }
    lab.settle();
    assert_eq!(lab.rib.counts(PEER, V4).received, 1);
}

/// Attributes with these communities.
fn marked(asns: &[u32], communities: &[Community]) -> Attrs {
    let mut attrs = path(asns);
    communities.iter().for_each(|community| {
        attrs.communities.insert(*community);
    });
    attrs
}

/// Peer 0 announces a short path and one that is not to be kept, peer 1 a long path for the first
/// prefix; peer 2 knows LLGR_STALE, peer 3 does not.
fn four() -> Lab {
    let mut lab = Lab::open(2);
    let mut knows = external(2);
    knows.knows_long_lived = true;
    lab.add(2, open_config(), knows);
    lab.add(3, open_config(), external(3));
    lab.say(0, &["20.0.0.0/24", "20.0.1.0/24"], &path(&[65100]));
    lab.say(0, &["20.0.2.0/24"], &marked(&[65100], &[Community::NO_LLGR]));
    lab.end_of_rib(0, V4);
    lab.say(1, &["20.0.0.0/24"], &path(&[65101, 1, 2, 3]));
    lab.settle();
    lab
}

#[test]
fn long_lived_routes_are_the_last_resort_and_told_to_those_who_know() {
    let mut lab = four();
    let (shared, alone, refused) = (net("20.0.0.0/24"), net("20.0.1.0/24"), net("20.0.2.0/24"));
    lab.down(0, FamilySet::IPV4);
    lab.settle();
    assert_eq!(lab.rib.best(&shared).unwrap().peer, PEER, "stale, and as good as before");
    lab.rib.keep_long_lived(PEER, V4);
    lab.settle();
    assert_eq!(lab.rib.best(&shared).unwrap().peer, PeerId(1), "worse, but somebody stands by it");
    let explained = lab.rib.explain(&shared).unwrap();
    assert_eq!(explained.candidates[0].outcome, Outcome::Best(Step::LongLivedStale));
    assert!(lab.rib.best(&refused).is_none(), "NO_LLGR");
    assert_eq!(lab.rib.best(&alone).unwrap().peer, PEER);
    let (_, told) = lab.told(2, "20.0.1.0/24").expect("it knows such routes");
    assert!(told.communities.contains(&Community::LLGR_STALE));
    assert!(lab.told(3, "20.0.1.0/24").is_none());
    assert_eq!(lab.rib.not_advertised(PeerId(3), &alone), Some(Reason::LongLivedStale));
    assert!(lab.told(3, "20.0.0.0/24").is_some());

    // The peer is back: what it sends again is as good as new, the rest goes with its End-of-RIB.
    lab.up(0, external(0));
    lab.say(0, &["20.0.0.0/24"], &path(&[65100]));
    lab.settle();
    assert_eq!(lab.rib.best(&shared).unwrap().peer, PEER);
    assert!(lab.told(2, "20.0.1.0/24").is_some());
    lab.end_of_rib(0, V4);
    lab.settle();
    assert!(lab.told(2, "20.0.1.0/24").is_none());
    let (_, told) = lab.told(3, "20.0.0.0/24").expect("it is no long-lived one any more");
    assert!(!told.communities.contains(&Community::LLGR_STALE));
}

#[test]
fn long_lived_routes_survive_further_losses_until_their_time_is_up() {
    let mut lab = four();
    lab.down(0, FamilySet::IPV4);
    lab.rib.keep_long_lived(PEER, V4);
    lab.settle();
    for _ in 0..3 {
        lab.up(0, external(0));
        lab.down(0, FamilySet::IPV4);
        lab.rib.keep_long_lived(PEER, V4);
        lab.settle();
        assert!(lab.told(2, "20.0.1.0/24").is_some());
    }
    lab.rib.end_stale(PEER, V4);
    lab.settle();
    assert!(lab.told(2, "20.0.1.0/24").is_none());
    assert_eq!(lab.rib.counts(PEER, V4).received, 0);
}

#[test]
fn a_route_that_came_as_long_lived_is_the_last_resort_too() {
    let mut lab = four();
    lab.say(1, &["20.0.1.0/24"], &marked(&[65101], &[Community::LLGR_STALE]));
    lab.say(0, &["20.0.1.0/24"], &path(&[65100, 1, 2, 3, 4]));
    lab.settle();
    let explained = lab.rib.explain(&net("20.0.1.0/24")).unwrap();
    assert_eq!(explained.candidates[0].route.peer, PEER);
    assert_eq!(explained.candidates[1].outcome, Outcome::Lost(Step::LongLivedStale));
    lab.unsay(0, &["20.0.1.0/24"]);
    lab.settle();
    assert!(lab.told(3, "20.0.1.0/24").is_none() && lab.told(2, "20.0.1.0/24").is_some());
}

#[test]
fn watchers_hear_that_a_route_which_is_not_the_best_is_long_lived() {
    let mut lab = four();
    let shared = net("20.0.0.0/24");
    lab.rib.watch(&[shared]);
    lab.say(1, &["20.0.0.0/24"], &path(&[65101]));
    lab.say(0, &["20.0.0.0/24"], &path(&[65100, 1, 2]));
    lab.settle();
    while lab.rib.poll_change().is_some() {}
    lab.down(0, FamilySet::IPV4);
    lab.rib.keep_long_lived(PEER, V4);
    lab.settle();
    let change = lab.rib.poll_change().expect("news of a candidate");
    assert!(change.candidates && change.old == change.new);
}
