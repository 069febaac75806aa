//! Policies as tables: what goes in, and what comes out on the other side.

mod common;

use common::*;
use pathvane_rib::policy::{Action, Match, PrefixList, PrefixRange, Term, Verdict};
use pathvane_rib::{Outcome, PeerConfig, PeerId, Policy, Reason};
use pathvane_wire::{Attrs, Community, Family, LargeCommunity};

const PREFIX: &str = "192.0.2.0/24";
const GREEN: Community = Community::new(65000, 1);
const RED: Community = Community::new(65000, 2);
const LARGE: LargeCommunity = LargeCommunity { global: 65000, local1: 1, local2: 2 };

fn received() -> Attrs {
    let mut attrs = with_med(&[65100, 13, 7], 50);
    attrs.communities.insert(GREEN);
    attrs.large_communities.insert(LARGE);
    attrs
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
        (Match::Community(GREEN), true),
        (Match::Community(RED), false),
        (Match::LargeCommunity(LARGE), true),
        (Match::LargeCommunity(LargeCommunity { local2: 3, ..LARGE }), false),
        (Match::AsPathContains(13.into()), true),
        (Match::AsPathContains(14.into()), false),
        (Match::NeighborAs(65100.into()), true),
        (Match::NeighborAs(13.into()), false),
    ];
    for (m, accepted) in table {
        let got = imported(vec![term("one", vec![m.clone()], vec![], Verdict::Accept)]);
        assert_eq!(got.is_some(), accepted, "{m:?}");
        let both = vec![Match::Community(GREEN), m.clone()];
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
        (Action::RemoveCommunity(GREEN), with(|a| a.communities.clear())),
        (Action::SetCommunities(vec![RED]), with(|a| a.communities = [RED].into_iter().collect())),
        (Action::RemoveLargeCommunity(LARGE), with(|a| a.large_communities.clear())),
        (
            Action::AddLargeCommunity(LargeCommunity { local1: 9, ..LARGE }),
            with(|a| a.large_communities.extend([LargeCommunity { local1: 9, ..LARGE }])),
        ),
        (Action::SetLargeCommunities(vec![]), with(|a| a.large_communities.clear())),
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
        matches: vec![Match::Community(GREEN)],
        actions: tag(RED),
        verdict: None,
    };
    let got = imported(vec![
        go_on.clone(),
        // Sees what the term before it did.
        term("red", vec![Match::Community(RED)], vec![Action::SetMed(1)], Verdict::Accept),
        term("never", vec![], vec![], Verdict::Reject),
    ]);
    assert_eq!(got.map(|attrs| attrs.med), Some(Some(1)));
    assert_eq!(imported(vec![go_on]), None, "nothing decides: rejected");
    assert_eq!(imported(vec![]), None);
    let rejected = term("no", vec![Match::Community(GREEN)], vec![], Verdict::Reject);
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
            vec![Match::Community(GREEN), within("20.0.0.0/8")],
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
    let no = term("no-green", vec![Match::Community(GREEN)], vec![], Verdict::Reject);
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
