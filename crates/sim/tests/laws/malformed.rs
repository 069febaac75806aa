//! What one peer sends, whatever it is, costs another peer nothing.

use pathvane_clock::Instant;
use pathvane_engine::EventKind;
use pathvane_sim::world::{World, region_prefix};

use crate::scenes::{downs_of, peer_of};
use crate::{MS, SECOND, established, settled};

/// An UPDATE of these path attributes for 192.0.2.0/24.
fn update(attributes: &[u8]) -> Vec<u8> {
    update_with(attributes, &[24, 192, 0, 2])
}

pub(crate) fn update_with(attributes: &[u8], nlri: &[u8]) -> Vec<u8> {
    let len = |len: usize| u16::try_from(len).expect("short").to_be_bytes();
    let mut message = vec![0xff; 16];
    message.extend(len(23 + attributes.len() + nlri.len()));
    message.extend([2, 0, 0]);
    message.extend(len(attributes.len()));
    message.extend(attributes);
    message.extend(nlri);
    message
}

pub(crate) const ORIGIN: &[u8] = &[0x40, 1, 1, 0];
pub(crate) const AS_PATH: &[u8] = &[0x40, 2, 6, 2, 1, 0, 0, 0x40, 0xa6];
pub(crate) const NEXT_HOP: &[u8] = &[0x40, 3, 4, 169, 254, 10, 1];

/// The mandatory attributes and one more.
fn with(last: &[u8]) -> Vec<u8> {
    update(&[ORIGIN, AS_PATH, NEXT_HOP, last].concat())
}

/// One UPDATE for each way in which RFC 7606 wants the session to survive.
fn survivable() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("ORIGIN of no known value", update(&[&[0x40, 1, 1, 9], AS_PATH, NEXT_HOP].concat())),
        ("ORIGIN of two octets", update(&[&[0x40, 1, 2, 0, 0], AS_PATH, NEXT_HOP].concat())),
        ("ORIGIN with wrong flags", update(&[&[0xc0, 1, 1, 0], AS_PATH, NEXT_HOP].concat())),
        ("no ORIGIN", update(&[AS_PATH, NEXT_HOP].concat())),
        ("no AS_PATH", update(&[ORIGIN, NEXT_HOP].concat())),
        ("no NEXT_HOP", update(&[ORIGIN, AS_PATH].concat())),
        ("AS_PATH segment of no known type", {
            update(&[ORIGIN, &[0x40, 2, 6, 9, 1, 0, 0, 0x40, 0xa6], NEXT_HOP].concat())
        }),
        ("AS_PATH that ends early", {
            update(&[ORIGIN, &[0x40, 2, 4, 2, 2, 0, 0], NEXT_HOP].concat())
        }),
        ("NEXT_HOP of three octets", update(&[ORIGIN, AS_PATH, &[0x40, 3, 3, 1, 2, 3]].concat())),
        ("MULTI_EXIT_DISC of two octets", with(&[0x80, 4, 2, 0, 1])),
        ("ATOMIC_AGGREGATE of one octet", with(&[0x40, 6, 1, 0])),
        ("AGGREGATOR of two octets", with(&[0xc0, 7, 2, 0, 1])),
        ("COMMUNITIES of three octets", with(&[0xc0, 8, 3, 0, 0, 1])),
        ("EXTENDED COMMUNITIES of seven octets", with(&[0xc0, 16, 7, 0, 0, 0, 0, 0, 0, 1])),
        ("LARGE_COMMUNITY of eleven octets", with(&[&[0xc0, 32, 11][..], &[0; 11]].concat())),
        ("an attribute that overruns", with(&[0xc0, 8, 200, 0])),
        ("MP_UNREACH_NLRI marked transitive", with(&[0xc0, 15, 3, 0, 2, 1])),
        ("an entropy label marked well-known", with(&[0x40, 28, 1, 0])),
        ("a Prefix-SID with neither flag", with(&[0, 40, 3, 1, 0, 9])),
    ]
}

/// One UPDATE for each way in which nothing but a reset is left.
fn fatal() -> Vec<(&'static str, Vec<u8>)> {
    let good = [ORIGIN, AS_PATH, NEXT_HOP].concat();
    let mut overrun = update(&good);
    overrun[19..21].copy_from_slice(&500_u16.to_be_bytes());
    let mp_reach: &[u8] = &[0x80, 14, 9, 0, 1, 1, 4, 169, 254, 10, 1, 0];
    vec![
        ("a prefix of 33 bits", update_with(&good, &[33, 192, 0, 2, 0, 0])),
        ("withdrawn routes longer than the message", overrun),
        ("a well-known attribute of no known type", with(&[0x40, 200, 1, 0])),
        ("two MP_REACH_NLRI", update_with(&[&good[..], mp_reach, mp_reach].concat(), &[])),
    ]
}

fn faults_of(world: &World, path: usize, since: Instant) -> usize {
    let of =
        |kind: &EventKind| matches!(kind, EventKind::Fault { peer, .. } if *peer == peer_of(path));
    world.events().iter().filter(|event| event.at >= since && of(&event.kind)).count()
}

/// The other peer's session, its routes and the traffic are as they were.
fn assert_undisturbed(world: &World, other: usize, since: Instant, what: &str) {
    assert_eq!(downs_of(world, other, since), 0, "{what}");
    assert!(established(world, other), "{what}");
    let routes = world.engine().rib().explain(&region_prefix(other)).expect("its route");
    assert!(routes.candidates.iter().any(|it| it.route.peer == peer_of(other)), "{what}");
    assert_eq!(world.moves(since).len(), 0, "{what}");
    assert_eq!((world.up().lost(since), world.down().lost(since)), (0, 0), "{what}");
}

#[test]
fn attribute_errors_cost_the_route_and_no_session() {
    let (mut world, leader, other) = settled();
    for (what, bytes) in survivable() {
        let sent = world.now();
        world.router_says(leader, &bytes);
        world.run_for(200 * MS);
        assert_eq!(faults_of(&world, leader, sent), 1, "{what}: {}", world.story(sent));
        assert_eq!(downs_of(&world, leader, sent), 0, "{what}: {}", world.story(sent));
        assert_undisturbed(&world, other, sent, what);
    }
}

#[test]
fn a_fault_is_told_with_its_octets_and_many_of_one_moment_only_once() {
    let (mut world, leader, _) = settled();
    let sent = world.now();
    let bad = with(&[0xc0, 8, 3, 0xab, 0, 1]);
    world.router_says(leader, &[&bad[..], &bad, &bad].concat());
    world.run_for(200 * MS);
    let details: Vec<_> = world
        .events()
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::Fault { detail, .. } if event.at >= sent => Some(detail.clone()),
            _ => None,
        })
        .collect();
    let expected = "COMMUNITIES: wrong length (treat-as-withdraw): c0 08 03 ab 00 01; \
                    and 2 UPDATEs more with faults";
    assert_eq!(details, [expected]);
}

#[test]
fn a_fatal_update_costs_its_senders_session_only() {
    for (what, bytes) in fatal() {
        let (mut world, leader, other) = settled();
        let sent = world.now();
        world.router_says(leader, &bytes);
        world.run_for(500 * MS);
        assert_eq!(downs_of(&world, leader, sent), 1, "{what}: {}", world.story(sent));
        assert_eq!(downs_of(&world, other, sent), 0, "{what}");
        assert!(established(&world, other), "{what}");
        assert!(world.held(other).is_some(), "{what}");
        world.run_for(60 * SECOND);
        assert!(established(&world, leader), "{what}: it may come back");
        assert_eq!(downs_of(&world, other, sent), 0, "{what}");
    }
}
