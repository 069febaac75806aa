//! Routes go in, the best ones come out.

mod common;

use common::*;
use pathvane_rib::{Outcome, PeerConfig, PeerId, Reason, Step};
use pathvane_wire::{Community, Family, FamilySet};

#[test]
fn a_route_is_announced_to_others_with_our_as_and_next_hop_and_withdrawn_again() {
    let mut lab = Lab::open(3);
    lab.say(0, &["192.0.2.0/24"], &with_med(&[65100, 1], 5));
    assert_eq!(lab.heard(1), ["+192.0.2.0/24", "EoR ipv4-unicast", "EoR ipv6-unicast"]);
    let (next_hop, attrs) = lab.told(1, "192.0.2.0/24").unwrap();
    assert_eq!(*next_hop, hop("10.0.255.1"));
    assert_eq!((attrs.as_path.to_string().as_str(), attrs.med), ("65000 65100 1", None));
    assert_eq!(lab.told(0, "192.0.2.0/24"), None);
    lab.unsay(0, &["192.0.2.0/24"]);
    assert_eq!(lab.heard(1), ["-192.0.2.0/24"]);
    assert_eq!(lab.heard(0), ["EoR ipv4-unicast", "EoR ipv6-unicast"]);
    let totals = lab.rib.totals();
    assert_eq!((totals.prefixes, totals.attribute_sets), (0, 0));
}

#[test]
fn the_source_of_the_best_route_is_told_to_forget_the_former_one() {
    let mut lab = Lab::open(2);
    lab.say(0, &["192.0.2.0/24"], &path(&[65100, 1]));
    lab.settle();
    assert!(lab.told(1, "192.0.2.0/24").is_some());
    lab.say(1, &["192.0.2.0/24"], &path(&[65101]));
    lab.settle();
    assert_eq!(lab.told(1, "192.0.2.0/24"), None);
    assert_eq!(lab.told(0, "192.0.2.0/24").unwrap().1.as_path.to_string(), "65000 65101");
    let explain = lab.rib.explain(&net("192.0.2.0/24")).unwrap();
    let outcomes: Vec<_> =
        explain.candidates.iter().map(|c| (c.route.peer.0, c.outcome.clone())).collect();
    assert_eq!(outcomes, [(1, Outcome::Best(Step::AsPath)), (0, Outcome::Lost(Step::AsPath))]);
}

#[test]
fn without_policy_an_external_peer_gives_and_gets_nothing_and_the_reason_says_what_to_do() {
    let mut lab = Lab::open(1);
    lab.add(1, PeerConfig::default(), external(1));
    lab.say(0, &["192.0.2.0/24"], &path(&[65100]));
    lab.say(1, &["198.51.100.0/24"], &path(&[65101]));
    lab.settle();
    assert_eq!(lab.rib.best(&net("198.51.100.0/24")), None);
    assert_eq!(lab.told(1, "192.0.2.0/24"), None);
    let explain = lab.rib.explain(&net("198.51.100.0/24")).unwrap();
    let outcome = &explain.candidates[0].outcome;
    assert_eq!(*outcome, Outcome::NotFeasible(Reason::NoImportPolicy));
    assert!(outcome.to_string().contains("RFC 8212") && outcome.to_string().contains("give"));
    let reason = lab.rib.not_advertised(PeerId(1), &net("192.0.2.0/24")).unwrap();
    assert_eq!(reason, Reason::NoExportPolicy);
    let counts = lab.rib.counts(PeerId(1), Family::IPV4_UNICAST);
    assert_eq!((counts.received, counts.accepted, counts.rejected()), (1, 0, 1));
    // Allowed afterwards, without a refresh.
    lab.rib.set_policy(PeerId(1), open_config());
    lab.settle();
    assert!(lab.rib.best(&net("198.51.100.0/24")).is_some());
    assert!(lab.told(1, "192.0.2.0/24").is_some() && lab.told(0, "198.51.100.0/24").is_some());
}

#[test]
fn a_looped_path_is_kept_but_no_candidate() {
    let mut lab = Lab::open(2);
    lab.say(0, &["192.0.2.0/24"], &path(&[65100, 65000, 7]));
    lab.settle();
    assert_eq!(lab.rib.best(&net("192.0.2.0/24")), None);
    let explain = lab.rib.explain(&net("192.0.2.0/24")).unwrap();
    assert_eq!(explain.candidates[0].outcome, Outcome::NotFeasible(Reason::AsLoop));
}

#[test]
fn internal_peers_get_local_pref_and_the_next_hop_unchanged_but_no_internal_routes() {
    let mut lab = Lab::open(1);
    lab.add(1, PeerConfig::default(), internal(1));
    lab.add(2, PeerConfig::default(), internal(2));
    lab.add(3, PeerConfig { next_hop_self: true, ..PeerConfig::default() }, internal(3));
    lab.say(0, &["192.0.2.0/24"], &with_med(&[65100, 1], 5));
    let mut attrs = path(&[7]);
    attrs.local_pref = Some(300);
    lab.say(1, &["198.51.100.0/24"], &attrs);
    lab.settle();
    let (next_hop, attrs) = lab.told(2, "192.0.2.0/24").unwrap();
    assert_eq!(*next_hop, hop("10.0.0.0"));
    assert_eq!((attrs.local_pref, attrs.med), (Some(100), Some(5)));
    assert_eq!(attrs.as_path.to_string(), "65100 1");
    assert_eq!(lab.told(3, "192.0.2.0/24").unwrap().0, hop("10.0.255.1"));
    assert_eq!(lab.told(2, "198.51.100.0/24"), None);
    let (_, attrs) = lab.told(0, "198.51.100.0/24").unwrap();
    assert_eq!((attrs.as_path.to_string().as_str(), attrs.local_pref), ("65000 7", None));
    let reason = lab.rib.not_advertised(PeerId(2), &net("198.51.100.0/24"));
    assert_eq!(reason, Some(Reason::InternalToInternal));
}

#[test]
fn segments_of_a_confederation_stay_inside_the_as() {
    let mut lab = Lab::open(1);
    lab.add(1, PeerConfig::default(), internal(1));
    lab.add(2, PeerConfig { client: true, ..PeerConfig::default() }, internal(2));
    let mut attrs = path(&[]);
    attrs.as_path = "(64600 64601) 7".parse().unwrap();
    lab.say(1, &["198.51.100.0/24"], &attrs);
    lab.settle();
    let told = |peer| lab.told(peer, "198.51.100.0/24").unwrap().1.as_path.to_string();
    assert_eq!((told(0).as_str(), told(2).as_str()), ("65000 7", "(64600 64601) 7"));
}

#[test]
fn well_known_communities_are_obeyed() {
    let mut lab = Lab::open(2);
    lab.add(2, PeerConfig::default(), internal(2));
    for (prefix, community, to_external, to_internal) in [
        ("192.0.2.0/24", Community::NO_EXPORT, false, true),
        ("198.51.100.0/24", Community::NO_EXPORT_SUBCONFED, false, true),
        ("203.0.113.0/24", Community::NO_ADVERTISE, false, false),
        ("10.9.0.0/16", Community::new(65000, 1), true, true),
    ] {
        let mut attrs = path(&[65100]);
        attrs.communities.insert(community);
        lab.say(0, &[prefix], &attrs);
        lab.settle();
        assert_eq!(lab.told(1, prefix).is_some(), to_external, "{community}");
        assert_eq!(lab.told(2, prefix).is_some(), to_internal, "{community}");
    }
}

#[test]
fn ipv6_routes_travel_over_the_same_session() {
    let mut lab = Lab::open(2);
    lab.announce(0, &[net("2001:db8:1::/48")], &path(&[65100]), hop("2001:db8::a"));
    lab.settle();
    assert_eq!(lab.told(1, "2001:db8:1::/48").unwrap().0, hop("2001:db8:ffff::1"));
    lab.withdraw_path(0, 0, &[net("2001:db8:1::/48")]);
    lab.settle();
    assert!(lab.remote(1).table.is_empty());
}

#[test]
fn ipv4_routes_get_an_ipv6_next_hop_only_where_that_was_negotiated() {
    let mut lab = Lab::open(1);
    let mut up = external(1);
    up.local_v4 = None;
    lab.add(1, open_config(), up.clone());
    let mut wide = external(2);
    wide.local_v4 = None;
    wide.encode.extended_next_hop = FamilySet::IPV4;
    lab.add(2, open_config(), wide);
    lab.say(0, &["192.0.2.0/24"], &path(&[65100]));
    lab.settle();
    assert_eq!(lab.told(1, "192.0.2.0/24"), None);
    let reason = lab.rib.not_advertised(PeerId(1), &net("192.0.2.0/24"));
    assert_eq!(reason, Some(Reason::NoNextHop));
    assert_eq!(lab.told(2, "192.0.2.0/24").unwrap().0, hop("2001:db8:ffff::1"));
}

#[test]
fn an_unreachable_next_hop_makes_its_routes_infeasible_until_it_is_back() {
    let mut lab = Lab::open(3);
    lab.say(0, &["192.0.2.0/24"], &path(&[65100]));
    lab.say(1, &["192.0.2.0/24"], &path(&[65101, 1]));
    lab.settle();
    lab.rib.set_next_hop_reachable("10.0.0.0".parse().unwrap(), false);
    lab.settle();
    assert_eq!(lab.told(2, "192.0.2.0/24").unwrap().1.as_path.to_string(), "65000 65101 1");
    let explain = lab.rib.explain(&net("192.0.2.0/24")).unwrap();
    let reason = Outcome::NotFeasible(Reason::NextHopUnreachable);
    assert_eq!(explain.candidates[1].outcome, reason);
    lab.rib.set_next_hop_reachable("10.0.0.0".parse().unwrap(), true);
    lab.settle();
    assert_eq!(lab.told(2, "192.0.2.0/24").unwrap().1.as_path.to_string(), "65000 65100");
}

#[test]
fn a_next_hop_that_is_the_peer_itself_is_not_announced_to_it() {
    let mut lab = Lab::open(1);
    lab.add(1, PeerConfig::default(), internal(1));
    lab.announce(0, &[net("192.0.2.0/24")], &path(&[65100]), hop("10.0.0.1"));
    lab.settle();
    assert_eq!(lab.told(1, "192.0.2.0/24"), None);
    let reason = lab.rib.not_advertised(PeerId(1), &net("192.0.2.0/24"));
    assert_eq!(reason, Some(Reason::NextHopIsPeer));
}
