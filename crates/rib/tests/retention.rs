//! Routes that are kept for a while though nobody stands by them: within a refresh (RFC 7313).

mod common;

use common::*;
use pathvane_rib::PeerId;
use pathvane_wire::{Family, FamilySet};

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
