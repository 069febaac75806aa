//! Route reflection between internal peers (RFC 4456).

mod common;

use common::*;
use pathvane_rib::{Outcome, PeerConfig, PeerId, Reason, RibConfig, Step};
use pathvane_wire::{Attrs, BgpId};

const OURS: BgpId = BgpId(0x0aff_0001);
const CLUSTER: BgpId = BgpId(77);
const PREFIX: &str = "20.0.0.0/24";

/// Clients 0 and 1, other internal peers 2 and 3, the external peer 4.
fn reflector() -> Lab {
    let mut lab = Lab::with(RibConfig { cluster_id: CLUSTER, ..RibConfig::new(OUR_AS, OURS, 7) });
    for n in 0..4 {
        let config = PeerConfig { client: n < 2, next_hop_self: true, ..PeerConfig::default() };
        lab.add(n, config, internal(n));
    }
    lab.add(4, open_config(), external(4));
    lab
}

fn inside() -> Attrs {
    Attrs { local_pref: Some(150), med: Some(9), ..path(&[65200]) }
}

/// Who has been told of the prefix.
fn told(lab: &Lab) -> Vec<u16> {
    (0..5).filter(|n| lab.told(*n, PREFIX).is_some()).collect()
}

/// The BGP Identifier of peer `n`.
fn id(n: u16) -> BgpId {
    internal(n).id
}

#[test]
fn clients_are_told_everything_and_others_what_came_from_clients() {
    for (source, expected) in [(0, vec![1, 2, 3, 4]), (2, vec![0, 1, 4]), (4, vec![0, 1, 2, 3])] {
        let mut lab = reflector();
        lab.say(source, &[PREFIX], &if source == 4 { path(&[65104]) } else { inside() });
        lab.settle();
        assert_eq!(told(&lab), expected, "from {source}");
        lab.unsay(source, &[PREFIX]);
        lab.settle();
        assert_eq!(told(&lab), [0_u16; 0]);
    }
    let mut lab = reflector();
    lab.say(2, &[PREFIX], &inside());
    lab.settle();
    let why = lab.rib.not_advertised(PeerId(3), &net(PREFIX));
    assert_eq!(why, Some(Reason::InternalToInternal));
}

#[test]
fn a_reflected_route_says_where_it_came_from_and_is_otherwise_untouched() {
    let mut lab = reflector();
    lab.say(0, &[PREFIX], &inside());
    lab.settle();
    for n in 1..4 {
        let (next_hop, attrs) = lab.told(n, PREFIX).expect("it is told");
        let expected =
            Attrs { originator_id: Some(id(0)), cluster_list: vec![CLUSTER], ..inside() };
        assert_eq!(attrs, &expected, "to {n}");
        // `next_hop_self` is for what comes from outside (section 10).
        assert_eq!(next_hop.addr, internal(0).address);
    }
    let (_, attrs) = lab.told(4, PREFIX).expect("it is told");
    assert_eq!((attrs.originator_id, attrs.cluster_list.len()), (None, 0));
}

#[test]
fn the_first_originator_stays_and_clusters_add_up() {
    let mut lab = reflector();
    let other =
        Attrs { originator_id: Some(BgpId(5)), cluster_list: vec![BgpId(8), BgpId(9)], ..inside() };
    lab.say(2, &[PREFIX], &other);
    lab.settle();
    let (_, attrs) = lab.told(0, PREFIX).expect("it is told");
    assert_eq!(attrs.originator_id, Some(BgpId(5)));
    assert_eq!(attrs.cluster_list, [CLUSTER, BgpId(8), BgpId(9)]);
}

#[test]
fn what_comes_from_outside_is_not_reflected() {
    let mut lab = reflector();
    lab.say(4, &[PREFIX], &path(&[65104]));
    lab.settle();
    let (next_hop, attrs) = lab.told(0, PREFIX).expect("it is told");
    assert_eq!((attrs.originator_id, attrs.cluster_list.len()), (None, 0));
    assert_eq!(next_hop.addr.to_string(), "10.0.255.1", "next_hop_self");
}

#[test]
fn what_has_been_here_before_is_no_candidate() {
    for looped in [
        Attrs { originator_id: Some(OURS), ..inside() },
        Attrs { cluster_list: vec![BgpId(8), CLUSTER], ..inside() },
    ] {
        let mut lab = reflector();
        lab.say(0, &[PREFIX], &looped);
        lab.settle();
        assert_eq!(told(&lab), [0_u16; 0]);
        let explained = lab.rib.explain(&net(PREFIX)).unwrap();
        assert_eq!(explained.candidates[0].outcome, Outcome::NotFeasible(Reason::ClusterLoop));
    }
    // Our BGP Identifier in a CLUSTER_LIST is somebody else's cluster.
    let mut lab = reflector();
    lab.say(0, &[PREFIX], &Attrs { cluster_list: vec![OURS], ..inside() });
    lab.settle();
    assert_eq!(told(&lab), [1, 2, 3, 4]);
}

/// Routes of two clients that share every attribute and the next hop.
#[test]
fn equal_routes_of_two_clients_keep_their_originators() {
    let mut lab = reflector();
    let shared = hop("10.9.9.9");
    let (one, two) = (net("20.0.1.0/24"), net("20.0.2.0/24"));
    lab.announce(0, &[one], &inside(), shared);
    lab.announce(1, &[two], &inside(), shared);
    lab.settle();
    for (prefix, client) in [("20.0.1.0/24", 0), ("20.0.2.0/24", 1)] {
        for n in 2..4 {
            let (_, attrs) = lab.told(n, prefix).expect("it is told");
            assert_eq!(attrs.originator_id, Some(id(client)), "{prefix} to {n}");
        }
    }
    // The better of two such routes for one prefix goes: the other one is told, and its originator.
    lab.announce(1, &[one], &inside(), shared);
    lab.withdraw_path(0, 0, &[one]);
    lab.settle();
    let (_, attrs) = lab.told(2, "20.0.1.0/24").expect("it is told");
    assert_eq!(attrs.originator_id, Some(id(1)));
}

#[test]
fn of_two_reflected_routes_the_shorter_cluster_list_wins() {
    let mut lab = reflector();
    let through = |clusters: &[u32]| Attrs {
        originator_id: Some(BgpId(5)),
        cluster_list: clusters.iter().map(|id| BgpId(*id)).collect(),
        ..inside()
    };
    lab.say(2, &[PREFIX], &through(&[8, 9]));
    lab.say(3, &[PREFIX], &through(&[8]));
    lab.settle();
    let explained = lab.rib.explain(&net(PREFIX)).unwrap();
    assert_eq!(explained.candidates[0].route.peer, PeerId(3));
    assert_eq!(explained.candidates[0].outcome, Outcome::Best(Step::ClusterList));
}
