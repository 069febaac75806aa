//! Policies as tables: what goes in, and what comes out on the other side.

mod common;

use common::*;
use pathvane_rib::policy::{
    Action, AsPathRegex, Match, NextHopChange, PrefixList, PrefixRange, PrivateAs, Term, Verdict,
};
use pathvane_rib::{OriginAttrs, Outcome, PeerConfig, PeerId, Policy, Reason};
use pathvane_wire::{AsPath, Attrs, Community, ExtCommunity, Family, LargeCommunity, Origin};

const PREFIX: &str = "192.0.2.0/24";
const GREEN: Community = Community::new(65000, 1);
const RED: Community = Community::new(65000, 2);
const LARGE: LargeCommunity = LargeCommunity { global: 65000, local1: 1, local2: 2 };

fn received() -> Attrs {
    let mut attrs = with_med(&[65100, 13, 7], 50);
    attrs.communities.insert(GREEN);
    attrs.large_communities.insert(LARGE);
    attrs.ext_communities.insert(target("rt:65000:1"));
    attrs
}

fn target(text: &str) -> ExtCommunity {
    text.parse().unwrap()
}

fn regex(text: &str) -> Match {
    Match::AsPath(AsPathRegex::new(text).unwrap())
}

fn via(net_text: &str) -> Match {
    Match::NextHop([PrefixRange::or_longer(net(net_text))].into_iter().collect())
}

fn within(net_text: &str) -> Match {
    Match::Prefix([PrefixRange::or_longer(net(net_text))].into_iter().collect())
}

/// What an internal peer hears of a route that went through an import policy.
fn imported(terms: Vec<Term>) -> Option<Attrs> {
    let mut lab = Lab::new();
    lab.add(0, PeerConfig { import: policy(terms), ..open_config() }, external(0));
    lab.add(1, PeerConfig::default(), internal(1));
    lab.say(0, &[PREFIX], &received());
    lab.settle();
    lab.told(1, PREFIX).map(|(_, attrs)| attrs.clone())
}

#[test]
fn each_match_selects() {
    let table = [
        (within("192.0.0.0/16"), true),
        (within("192.1.0.0/16"), false),
        (Match::Prefix(PrefixList::default()), false),
        (Match::Family(Family::IPV4_UNICAST), true),
        (Match::Family(Family::IPV6_UNICAST), false),
        (Match::Community(GREEN.into()), true),
        (Match::Community(RED.into()), false),
        (Match::LargeCommunity(LARGE.into()), true),
        (Match::LargeCommunity(LargeCommunity { local2: 3, ..LARGE }.into()), false),
        (Match::Community("65000:*".parse().unwrap()), true),
        (Match::Community("65001:*".parse().unwrap()), false),
        (Match::LargeCommunity("*:1:*".parse().unwrap()), true),
        (Match::ExtCommunity("rt:65000:*".parse().unwrap()), true),
        (Match::ExtCommunity("soo:*:*".parse().unwrap()), false),
        (Match::Origin(Origin::Igp), true),
        (Match::Origin(Origin::Egp), false),
        (Match::Peer(vec![PeerId(4), PeerId(0)]), true),
        (Match::Peer(vec![PeerId(1)]), false),
        (via("0.0.0.0/0"), true),
        (via("203.0.113.0/24"), false),
        (regex("^65100_13_"), true),
        (regex("^13_"), false),
        (Match::AsPathContains(13.into()), true),
        (Match::AsPathContains(14.into()), false),
        (Match::NeighborAs(65100.into()), true),
        (Match::NeighborAs(13.into()), false),
    ];
    for (m, accepted) in table {
        let got = imported(vec![term("one", vec![m.clone()], vec![], Verdict::Accept)]);
        assert_eq!(got.is_some(), accepted, "{m:?}");
        let both = vec![Match::Community(GREEN.into()), m.clone()];
        let got = imported(vec![term("both", both, vec![], Verdict::Accept)]);
        assert_eq!(got.is_some(), accepted, "with a second match: {m:?}");
    }
}

#[test]
fn each_action_changes_what_it_names() {
    let with = |change: fn(&mut Attrs)| {
        let mut attrs = Attrs { local_pref: Some(100), ..received() };
        change(&mut attrs);
        attrs
    };
    let table: Vec<(Action, Attrs)> = vec![
        (Action::SetMed(7), with(|a| a.med = Some(7))),
        (Action::AddMed(7), with(|a| a.med = Some(57))),
        (Action::AddMed(-60), with(|a| a.med = Some(0))),
        (Action::SetLocalPref(300), with(|a| a.local_pref = Some(300))),
        (Action::AddLocalPref(-10), with(|a| a.local_pref = Some(90))),
        (Action::AddCommunity(RED), with(|a| a.communities.extend([RED]))),
        (Action::RemoveCommunity(GREEN.into()), with(|a| a.communities.clear())),
        (Action::SetCommunities(vec![RED]), with(|a| a.communities = [RED].into_iter().collect())),
        (Action::RemoveLargeCommunity(LARGE.into()), with(|a| a.large_communities.clear())),
        (
            Action::AddLargeCommunity(LargeCommunity { local1: 9, ..LARGE }),
            with(|a| a.large_communities.extend([LargeCommunity { local1: 9, ..LARGE }])),
        ),
        (Action::SetLargeCommunities(vec![]), with(|a| a.large_communities.clear())),
        (Action::RemoveCommunity("*:1".parse().unwrap()), with(|a| a.communities.clear())),
        (
            Action::AddExtCommunity(target("soo:1:2")),
            with(|a| a.ext_communities.extend([target("soo:1:2")])),
        ),
        (
            Action::RemoveExtCommunity("rt:*:*".parse().unwrap()),
            with(|a| a.ext_communities.clear()),
        ),
        (Action::SetExtCommunities(vec![]), with(|a| a.ext_communities.clear())),
        (Action::Prepend(2), with(|a| a.as_path.prepend(OUR_AS, 2))),
    ];
    for (action, expected) in table {
        let got = imported(vec![term("one", vec![], vec![action.clone()], Verdict::Accept)]);
        assert_eq!(got, Some(expected), "{action:?}");
    }
}

#[test]
fn the_first_verdict_counts_and_terms_without_one_go_on() {
    let tag = |community| vec![Action::AddCommunity(community)];
    let go_on = Term {
        name: "tag".into(),
        matches: vec![Match::Community(GREEN.into())],
        actions: tag(RED),
        verdict: None,
    };
    let got = imported(vec![
        go_on.clone(),
        // Sees what the term before it did.
        term("red", vec![Match::Community(RED.into())], vec![Action::SetMed(1)], Verdict::Accept),
        term("never", vec![], vec![], Verdict::Reject),
    ]);
    assert_eq!(got.map(|attrs| attrs.med), Some(Some(1)));
    assert_eq!(imported(vec![go_on]), None, "nothing decides: rejected");
    assert_eq!(imported(vec![]), None);
    let rejected = term("no", vec![Match::Community(GREEN.into())], vec![], Verdict::Reject);
    let accept = term("yes", vec![], vec![], Verdict::Accept);
    assert_eq!(imported(vec![rejected, accept]), None);
}

#[test]
fn prefix_matches_of_one_policy_are_told_apart_for_routes_with_equal_attributes() {
    let mut lab = Lab::open(1);
    let terms = vec![
        term("six", vec![Match::Family(Family::IPV6_UNICAST)], vec![], Verdict::Reject),
        term("ten", vec![within("10.0.0.0/8")], vec![Action::SetMed(10)], Verdict::Accept),
        term(
            "green twenty",
            vec![Match::Community(GREEN.into()), within("20.0.0.0/8")],
            vec![Action::SetMed(20)],
            Verdict::Accept,
        ),
        term("thirty", vec![within("30.0.0.0/8")], vec![], Verdict::Reject),
        term("rest", vec![], vec![], Verdict::Accept),
    ];
    lab.add(1, PeerConfig { export: policy(terms), ..open_config() }, external(1));
    lab.say(0, &["10.1.0.0/16", "20.1.0.0/16", "30.1.0.0/16", "40.1.0.0/16"], &received());
    lab.settle();
    let meds: Vec<_> = ["10.1.0.0/16", "20.1.0.0/16", "30.1.0.0/16", "40.1.0.0/16"]
        .map(|prefix| lab.told(1, prefix).map(|(_, attrs)| attrs.med))
        .into();
    assert_eq!(meds, [Some(Some(10)), Some(Some(20)), None, Some(None)]);
}

#[test]
fn the_reason_names_the_policy_and_the_term() {
    let mut lab = Lab::new();
    let no = term("no-green", vec![Match::Community(GREEN.into())], vec![], Verdict::Reject);
    lab.add(0, PeerConfig { import: policy(vec![no.clone()]), ..open_config() }, external(0));
    lab.add(1, PeerConfig { export: policy(vec![no]), ..open_config() }, external(1));
    lab.say(0, &[PREFIX], &received());
    let explain = lab.rib.explain(&net(PREFIX)).unwrap();
    let outcome = explain.candidates[0].outcome.clone();
    assert_eq!(outcome.to_string(), "not feasible: rejected by term no-green of policy test");
    lab.say(0, &[PREFIX], &path(&[65100]));
    let explain = lab.rib.explain(&net(PREFIX)).unwrap();
    let reason = Reason::Rejected { policy: "test".into(), term: None };
    assert_eq!(explain.candidates[0].outcome, Outcome::NotFeasible(reason));
    lab.add(2, open_config(), external(2));
    lab.say(2, &[PREFIX], &received());
    let reason = lab.rib.not_advertised(PeerId(1), &net(PREFIX)).unwrap();
    assert_eq!(reason.to_string(), "rejected by term no-green of policy test");
}

#[test]
fn too_many_matches_on_prefixes_are_refused() {
    let matches = |n| vec![Term { matches: vec![within("10.0.0.0/8"); n], ..Term::default() }];
    assert!(Policy::new("most", matches(Policy::MAX_PREFIX_MATCHES)).is_ok());
    let refused = Policy::new("more", matches(Policy::MAX_PREFIX_MATCHES + 1)).unwrap_err();
    assert_eq!(refused.field, "terms");
}

#[test]
fn peers_that_send_the_same_attributes_are_told_apart() {
    let mut lab = Lab::new();
    let of_one = Match::Peer(vec![PeerId(1)]);
    let terms = vec![
        term("one", vec![of_one.clone()], vec![Action::SetMed(1)], Verdict::Accept),
        term("rest", vec![], vec![Action::SetMed(2)], Verdict::Accept),
    ];
    let import = policy(terms);
    for n in [0, 1] {
        lab.add(n, PeerConfig { import: import.clone(), ..open_config() }, external(n));
    }
    lab.add(2, PeerConfig::default(), internal(2));
    let not_of_one = term("of-one", vec![of_one], vec![], Verdict::Reject);
    let rest = term("rest", vec![], vec![], Verdict::Accept);
    let export = policy(vec![not_of_one, rest]);
    lab.add(3, PeerConfig { export, ..open_config() }, external(3));
    // One attribute set, two senders, in turn: outcomes are kept, and must not be mixed up.
    for (n, prefix) in [(0, "10.1.0.0/16"), (1, "10.2.0.0/16"), (0, "10.3.0.0/16")] {
        lab.announce(n, &[net(prefix)], &received(), hop("10.0.0.9"));
    }
    lab.settle();
    let heard = |lab: &Lab, by, prefix| lab.told(by, prefix).map(|(_, attrs)| attrs.med);
    assert_eq!(heard(&lab, 2, "10.1.0.0/16"), Some(Some(2)));
    assert_eq!(heard(&lab, 2, "10.2.0.0/16"), Some(Some(1)));
    assert_eq!(heard(&lab, 2, "10.3.0.0/16"), Some(Some(2)));
    let told: Vec<bool> = ["10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"]
        .map(|prefix| heard(&lab, 3, prefix).is_some())
        .into();
    assert_eq!(told, [true, false, true], "export: of whom the route came");
}

#[test]
fn like_peers_that_share_an_encoding_hear_nothing_of_a_sender_that_policy_names() {
    let mut lab = Lab::open(2);
    let of_one = term("of-one", vec![Match::Peer(vec![PeerId(1)])], vec![], Verdict::Reject);
    let export = policy(vec![of_one, term("rest", vec![], vec![], Verdict::Accept)]);
    for n in 2..7 {
        lab.add(n, PeerConfig { export: export.clone(), ..open_config() }, external(n));
    }
    lab.settle();
    // One attribute set in one run: prefixes of the two senders in turn, and one of both.
    let prefix = |n: u16| format!("10.{n}.0.0/16");
    for n in 0..40 {
        lab.announce(n % 2, &[net(&prefix(n))], &received(), hop("10.0.0.9"));
    }
    lab.announce(1, &[net(&prefix(0))], &received(), hop("10.0.0.9"));
    lab.settle();
    let all_heard = |lab: &Lab, n: u16, expected: bool| {
        for by in 2..7 {
            assert_eq!(lab.told(by, &prefix(n)).is_some(), expected, "{by} of {n}");
        }
    };
    (0..40).for_each(|n| all_heard(&lab, n, n % 2 == 0));
    lab.withdraw_path(0, 0, &[net(&prefix(0))]);
    lab.settle();
    all_heard(&lab, 0, false);
    lab.announce(0, &[net(&prefix(0))], &received(), hop("10.0.0.9"));
    lab.settle();
    all_heard(&lab, 0, true);
}

/// What an external peer hears of a route with this path through an export policy of one action.
fn exported(asns: &[u32], action: Action) -> Option<(pathvane_wire::NextHop, Attrs)> {
    let mut lab = Lab::open(1);
    let export = policy(vec![term("one", vec![], vec![action], Verdict::Accept)]);
    lab.add(1, PeerConfig { export, ..open_config() }, external(1));
    lab.say(0, &[PREFIX], &path(asns));
    lab.settle();
    lab.told(1, PREFIX).map(|(next_hop, attrs)| (*next_hop, attrs.clone()))
}

#[test]
fn private_as_numbers_are_taken_out_or_replaced() {
    let asns = [65100, 13, 4_200_000_000, 64_512, 7];
    let told = |what| exported(&asns, Action::PrivateAs(what)).expect("told").1.as_path;
    let ours = OUR_AS;
    assert_eq!(told(PrivateAs::Remove), AsPath::sequence([ours, 13.into(), 7.into()]));
    let replaced = [ours, ours, 13.into(), ours, ours, 7.into()];
    assert_eq!(told(PrivateAs::Replace), AsPath::sequence(replaced));
    let mut lab = Lab::open(1);
    let remove = vec![Action::PrivateAs(PrivateAs::Remove)];
    let export = policy(vec![term("one", vec![], remove, Verdict::Accept)]);
    lab.add(1, PeerConfig { export, ..open_config() }, external(1));
    lab.say(0, &[PREFIX], &path(&[7, 64_512]));
    assert!(lab.heard(1).contains(&format!("+{PREFIX}")));
    lab.say(0, &[PREFIX], &path(&[7]));
    assert!(lab.heard(1).is_empty(), "it comes to the same");
    let mut sets: AsPath = "65100 {64512 64513} 7".parse().unwrap();
    sets.rewrite(|asn| (!asn.is_private()).then_some(asn));
    assert_eq!(sets, "7".parse().unwrap(), "a set that is empty goes");
}

#[test]
fn a_steered_prefix_is_told_with_the_link_bandwidth_of_the_peers_policy() {
    let mut lab = Lab::open(0);
    let rate = [target("link-bandwidth:65000:100M"), target("link-bandwidth:65000:1G")];
    for (n, rate) in (0..).zip(rate) {
        let add = vec![Action::AddExtCommunity(rate)];
        let export = policy(vec![term("rate", vec![], add, Verdict::Accept)]);
        lab.add(n, PeerConfig { export, ..open_config() }, external(n));
    }
    lab.rib.set_services(&[net(PREFIX)]);
    lab.rib.originate(net(PREFIX), &OriginAttrs { med: Some(20_000), ..OriginAttrs::default() });
    for (n, rate) in (0..).zip(rate) {
        lab.settle();
        let (_, attrs) = lab.told(n, PREFIX).expect("told");
        assert_eq!(attrs.ext_communities.iter().copied().collect::<Vec<_>>(), [rate], "{n}");
    }
}

#[test]
fn export_sets_next_hops_that_fit_the_family() {
    let told = |change| exported(&[65100], Action::SetNextHop(change)).map(|(hop, _)| hop.addr);
    let own = told(NextHopChange::Own).expect("told");
    let received = told(NextHopChange::Unchanged).expect("told");
    assert_ne!(own, received, "not ours: as received, to an external peer");
    let mut lab = Lab::new();
    let unchanged = vec![Action::SetNextHop(NextHopChange::Unchanged)];
    let export = policy(vec![term("one", vec![], unchanged, Verdict::Accept)]);
    lab.add(0, PeerConfig { export, ..open_config() }, external(0));
    lab.rib.originate(net(PREFIX), &OriginAttrs::default());
    lab.settle();
    let ours = lab.told(0, PREFIX).map(|(next_hop, _)| next_hop.addr);
    assert_eq!(ours, Some(own), "a route of our own has no other next hop");
    let third = [203, 0, 113, 7].into();
    assert_eq!(told(NextHopChange::Address(third)), Some(third));
    let wrong = std::net::IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]);
    assert_eq!(told(NextHopChange::Address(wrong)), None, "IPv6 for IPv4 needs RFC 8950");
}
