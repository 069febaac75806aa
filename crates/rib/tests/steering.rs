//! The doors of steering: own routes, directives, offsets, service lanes and the feed of changes.

mod common;

use common::*;
use ipnet::IpNet;
use pathvane_rib::{Budget, Directive, OriginAttrs, PeerConfig, PeerId, Reason, RibConfig, Step};
use pathvane_wire::{BgpId, Community};

const VOICE: &str = "10.20.0.0/16";

fn undercut(med: u32) -> Option<Directive> {
    Some(Directive::Announce {
        med: Some(med),
        communities: vec![Community::new(65000, 7)],
        prepend: 0,
    })
}

/// Three external peers; VOICE is a service and originated with MED 20000.
fn voice() -> Lab {
    let mut lab = Lab::open(3);
    lab.rib.set_services(&[net(VOICE)]);
    let attrs = OriginAttrs { med: Some(20_000), ..OriginAttrs::default() };
    lab.rib.originate(net(VOICE), &attrs);
    lab.settle();
    (0..3).for_each(|n| assert_eq!(lab.heard(n)[0], format!("+{VOICE}")));
    lab
}

fn med(lab: &Lab, n: u16) -> Option<u32> {
    lab.told(n, VOICE).and_then(|(_, attrs)| attrs.med)
}

#[test]
fn a_directive_concerns_one_peer_and_one_prefix() {
    let mut lab = voice();
    lab.say(0, &["192.0.2.0/24"], &path(&[65100]));
    (0..3).for_each(|n| drop(lab.heard(n)));
    lab.rib.direct(PeerId(1), net(VOICE), undercut(10));
    assert!(lab.rib.has_pending(PeerId(1)) && !lab.rib.has_pending(PeerId(2)));
    assert_eq!(lab.heard(1), [format!("+{VOICE}")]);
    assert_eq!((lab.heard(0), lab.heard(2)), (vec![], vec![]));
    assert_eq!((med(&lab, 0), med(&lab, 1), med(&lab, 2)), (Some(20_000), Some(10), Some(20_000)));
    let communities = &lab.told(1, VOICE).unwrap().1.communities;
    assert_eq!(communities[..], [Community::new(65000, 7)]);
    lab.rib.direct(PeerId(1), net(VOICE), undercut(10));
    assert!(!lab.rib.has_pending(PeerId(1)), "the same again is no news");
    lab.rib.direct(PeerId(1), net(VOICE), Some(Directive::Withhold));
    assert_eq!(lab.heard(1), [format!("-{VOICE}")]);
    assert_eq!(lab.rib.not_advertised(PeerId(1), &net(VOICE)), Some(Reason::Withheld));
    lab.rib.direct(PeerId(1), net(VOICE), None);
    assert_eq!(lab.heard(1), [format!("+{VOICE}")]);
    assert_eq!(med(&lab, 1), Some(20_000));
}

#[test]
fn directives_hold_for_learned_routes_over_sessions_and_only_inside_services() {
    let mut lab = voice();
    lab.rib.withdraw_origin(net(VOICE));
    lab.say(0, &[VOICE, "192.0.2.0/24"], &path(&[65100]));
    lab.rib.direct(PeerId(1), net(VOICE), undercut(5));
    lab.rib.direct(PeerId(1), net("192.0.2.0/24"), Some(Directive::Withhold));
    lab.settle();
    assert_eq!(med(&lab, 1), Some(5));
    assert!(lab.told(1, "192.0.2.0/24").is_some());
    lab.down(1, pathvane_wire::FamilySet::EMPTY);
    lab.up(1, external(1));
    lab.settle();
    assert_eq!(med(&lab, 1), Some(5));
    lab.rib.set_services(&[net(VOICE), net("192.0.2.0/24")]);
    lab.settle();
    assert_eq!(lab.told(1, "192.0.2.0/24"), None);
    lab.rib.set_services(&[]);
    lab.settle();
    assert_eq!(med(&lab, 1), None);
    assert!(lab.told(1, "192.0.2.0/24").is_some());
}

#[test]
fn a_directive_does_not_overrule_export_policy() {
    let mut lab = voice();
    lab.add(3, PeerConfig { import: accept_all(), ..PeerConfig::default() }, external(3));
    lab.rib.direct(PeerId(3), net(VOICE), undercut(5));
    lab.settle();
    assert_eq!(lab.told(3, VOICE), None);
    assert_eq!(lab.rib.not_advertised(PeerId(3), &net(VOICE)), Some(Reason::NoExportPolicy));
}

#[test]
fn services_overtake_a_backlog_and_withdrawals_lead_in_each_lane() {
    let mut lab = Lab::open(3);
    lab.rib.set_services(&[net("10.0.0.0/8")]);
    lab.say(0, &["10.1.0.0/16", "192.0.2.0/24"], &path(&[65100]));
    lab.settle();
    lab.heard(2);
    let bulk: Vec<IpNet> = (0..100).map(|n| net(&format!("20.0.{n}.0/24"))).collect();
    lab.announce(0, &bulk, &path(&[65100]), hop("10.0.0.0"));
    lab.unsay(0, &["192.0.2.0/24"]);
    lab.say(0, &["10.2.0.0/16"], &path(&[65100]));
    lab.unsay(0, &["10.1.0.0/16"]);
    let heard = lab.heard(2);
    assert_eq!(heard[..3], ["-10.1.0.0/16", "+10.2.0.0/16", "-192.0.2.0/24"]);
    assert_eq!(heard.len(), 103);
}

#[test]
fn the_initial_table_begins_with_services() {
    let mut lab = Lab::open(1);
    lab.rib.set_services(&[net("30.0.0.0/8")]);
    let bulk: Vec<IpNet> = (0..100).map(|n| net(&format!("20.0.{n}.0/24"))).collect();
    lab.announce(0, &bulk, &path(&[65100]), hop("10.0.0.0"));
    lab.say(0, &["30.1.0.0/16"], &path(&[65100, 3]));
    lab.add(1, open_config(), external(1));
    assert_eq!(lab.heard(1)[0], "+30.1.0.0/16");
}

#[test]
fn an_offset_moves_what_is_inside_reach_and_nothing_else() {
    let mut lab = Lab::open(3);
    lab.add(3, PeerConfig::default(), internal(3));
    let all = ["10.128.0.0/24", "10.128.1.0/24", "10.129.0.0/24"];
    lab.say(0, &all, &path(&[65100]));
    lab.say(1, &all, &path(&[65101, 1]));
    lab.settle();
    (0..4).for_each(|n| drop(lab.heard(n)));
    lab.rib.set_preference(PeerId(1), &[net("10.128.0.0/16")], 50);
    lab.settle();
    for (prefix, peer) in all.iter().zip([1, 1, 0]) {
        assert_eq!(lab.rib.best(&net(prefix)).unwrap().peer, PeerId(peer), "{prefix}");
    }
    let told = lab.heard(2);
    assert_eq!(told, ["+10.128.0.0/24", "+10.128.1.0/24"]);
    assert_eq!(lab.told(3, "10.128.0.0/24").unwrap().1.local_pref, Some(150));
    assert_eq!(lab.told(3, "10.129.0.0/24").unwrap().1.local_pref, Some(100));
    let explain = lab.rib.explain(&net("10.128.0.0/24")).unwrap();
    assert_eq!(
        (explain.candidates[0].route.offset, explain.candidates[0].route.preference),
        (50, 150)
    );
    // The same best route with another degree of preference: only internal peers are told.
    lab.rib.set_preference(PeerId(1), &[net("10.128.0.0/16")], 60);
    lab.heard(3);
    assert_eq!(lab.told(3, "10.128.0.0/24").unwrap().1.local_pref, Some(160));
    lab.rib.set_preference(PeerId(1), &[net("10.128.0.0/16")], 0);
    lab.settle();
    assert_eq!(lab.rib.best(&net(all[0])).unwrap().peer, PeerId(0));
    assert_eq!(lab.told(3, "10.128.0.0/24").unwrap().1.local_pref, Some(100));
}

#[test]
fn an_offset_is_bounded_and_the_longest_reach_counts() {
    let config = RibConfig { preference_bound: 30, ..RibConfig::new(OUR_AS, BgpId(9), 3) };
    let mut lab = Lab::with(config);
    lab.add(0, open_config(), external(0));
    lab.say(0, &["10.1.0.0/24", "10.2.0.0/24"], &path(&[65100]));
    lab.rib.set_preference(PeerId(0), &[net("10.0.0.0/8")], 1000);
    lab.rib.set_preference(PeerId(0), &[net("10.2.0.0/16")], -20);
    lab.settle();
    assert_eq!(lab.rib.best(&net("10.1.0.0/24")).unwrap().preference, 130);
    assert_eq!(lab.rib.best(&net("10.2.0.0/24")).unwrap().preference, 80);
}

#[test]
fn steering_is_done_before_other_work() {
    let mut lab = Lab::open(2);
    let bulk: Vec<IpNet> =
        (0..2000).map(|n| net(&format!("20.{}.{}.0/24", n >> 8, n & 255))).collect();
    for n in 0..2 {
        lab.announce(n, &bulk, &path(&[65100 + u32::from(n), 1]), hop(&format!("10.0.0.{n}")));
        lab.say(n, &["10.1.0.0/16"], &path(&[65100 + u32::from(n), 1]));
    }
    lab.rib.watch(&[net("10.1.0.0/16")]);
    lab.settle();
    while lab.rib.poll_change().is_some() {}
    lab.rib.set_policy(PeerId(0), PeerConfig { import: policy(vec![]), ..open_config() });
    lab.rib.set_preference(PeerId(1), &[net("10.1.0.0/16")], 10);
    assert!(lab.rib.work(Budget { routes: 2 }));
    let change = lab.rib.poll_change().unwrap();
    assert_eq!(change.new.unwrap().peer, PeerId(1));
}

#[test]
fn only_watched_prefixes_are_told_each_once_with_the_newest_state() {
    let mut lab = Lab::open(2);
    lab.say(0, &["10.1.0.0/16", "192.0.2.0/24"], &path(&[65100, 1]));
    assert_eq!(lab.rib.poll_change(), None);
    lab.rib.watch(&[net("10.0.0.0/8")]);
    lab.settle();
    let change = lab.rib.poll_change().unwrap();
    assert_eq!((change.prefix, change.old, change.step), (net("10.1.0.0/16"), None, Step::Only));
    assert_eq!(change.new.unwrap().next_hop, hop("10.0.0.0"));
    assert_eq!(lab.rib.poll_change(), None);
    lab.say(1, &["10.1.0.0/16"], &path(&[65101]));
    lab.say(0, &["10.1.0.0/16"], &path(&[65100, 1, 2]));
    lab.say(0, &["192.0.2.0/24"], &path(&[65100]));
    assert!(lab.rib.has_changes());
    let change = lab.rib.poll_change().unwrap();
    assert_eq!(change.old.unwrap().peer, PeerId(0));
    assert_eq!((change.new, lab.rib.poll_change()), (lab.rib.best(&net("10.1.0.0/16")), None));
    lab.unsay(0, &["10.1.0.0/16"]);
    lab.unsay(1, &["10.1.0.0/16"]);
    let change = lab.rib.poll_change().unwrap();
    assert_eq!((change.new, lab.rib.poll_change()), (None, None));
    // There and back again between two polls changes nothing but candidates.
    lab.say(0, &["10.2.0.0/16"], &path(&[65100]));
    lab.unsay(0, &["10.2.0.0/16"]);
    let change = lab.rib.poll_change().unwrap();
    assert_eq!((change.old, change.new, change.candidates), (None, None, true));
}

#[test]
fn a_watched_prefix_is_told_when_any_candidate_comes_or_goes() {
    let mut lab = voice();
    lab.rib.watch(&[net(VOICE)]);
    lab.settle();
    assert_eq!(lab.rib.poll_change().unwrap().new.unwrap().peer, PeerId::LOCAL);
    // Our own route stays best, yet whether a site's peer has the prefix matters to law 4.
    lab.say(0, &[VOICE], &path(&[65100]));
    let change = lab.rib.poll_change().unwrap();
    assert!(change.candidates && change.old == change.new);
    lab.say(0, &[VOICE], &path(&[65100, 1]));
    assert_eq!(lab.rib.poll_change(), None);
    lab.say(0, &[VOICE], &path(&[65100, 65000]));
    assert!(lab.rib.poll_change().unwrap().candidates);
    lab.say(0, &[VOICE], &path(&[65100]));
    assert!(lab.rib.poll_change().unwrap().candidates);
    lab.down(0, pathvane_wire::FamilySet::EMPTY);
    lab.work();
    assert!(lab.rib.poll_change().unwrap().candidates);
    assert_eq!(lab.rib.poll_change(), None);
}

#[test]
fn our_own_route_may_ask_others_not_to_pass_it_on() {
    let mut lab = voice();
    let communities = vec![Community::NO_EXPORT];
    lab.rib.originate(net(VOICE), &OriginAttrs { communities, ..OriginAttrs::default() });
    lab.settle();
    let (_, attrs) = lab.told(0, VOICE).unwrap();
    assert_eq!((attrs.med, &attrs.communities[..]), (None, &[Community::NO_EXPORT][..]));
}

#[test]
fn pending_services_show_until_they_are_encoded() {
    let mut lab = voice();
    lab.say(0, &["192.0.2.0/24"], &path(&[65100]));
    assert!(lab.rib.has_pending(PeerId(1)) && !lab.rib.has_service_pending(PeerId(1)));
    lab.rib.direct(PeerId(1), net(VOICE), undercut(5));
    assert!(lab.rib.has_service_pending(PeerId(1)) && !lab.rib.has_service_pending(PeerId(2)));
    lab.rib.withdraw_origin(net(VOICE));
    assert!(lab.rib.has_service_pending(PeerId(2)));
    lab.send_some(1, 0);
    assert!(lab.rib.has_pending(PeerId(1)) && !lab.rib.has_service_pending(PeerId(1)));
}

#[test]
fn our_own_route_beats_learned_ones_and_gives_way_when_withdrawn() {
    let mut lab = voice();
    lab.say(0, &[VOICE], &path(&[65100]));
    lab.settle();
    assert_eq!(lab.rib.best(&net(VOICE)).unwrap().peer, PeerId::LOCAL);
    assert_eq!(lab.told(1, VOICE).unwrap().1.as_path.to_string(), "65000");
    lab.rib.originate(net(VOICE), &OriginAttrs { med: Some(30_000), ..OriginAttrs::default() });
    lab.settle();
    assert_eq!(med(&lab, 1), Some(30_000));
    lab.rib.withdraw_origin(net(VOICE));
    lab.settle();
    assert_eq!(lab.told(1, VOICE).unwrap().1.as_path.to_string(), "65000 65100");
    assert_eq!(lab.told(0, VOICE), None);
    lab.rib.withdraw_origin(net(VOICE));
}
