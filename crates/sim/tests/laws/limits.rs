//! Limits on prefixes: what a peer may announce, and what it may be told.

use std::time::Duration;

use pathvane_clock::Instant;
use pathvane_engine::config::{Beyond, MaxPrefixes};
use pathvane_engine::{Command, EventKind, Input, LimitStep};
use pathvane_session::DownCause;
use pathvane_sim::world::{Setup, World};
use pathvane_wire::{Family, cease, code};

use crate::malformed::{AS_PATH, NEXT_HOP, ORIGIN, update_with};
use crate::scenes::{downs_of, peer_of};
use crate::{SECOND, established, settled_as};

/// Nine prefixes at most, told at seven.
fn limited(beyond: Beyond) -> Setup {
    let mut setup = Setup::two_regions();
    for peer in &mut setup.engine.peers {
        peer.max_in = MaxPrefixes { most: [Some(9), None], warn_at: 80, beyond };
    }
    setup
}

/// So many prefixes inside 192.0.0.0/16 are announced by a router.
fn announce(world: &mut World, router: usize, count: u8) {
    let nlri: Vec<u8> = (0..count).flat_map(|nth| [24, 192, 0, nth]).collect();
    let bytes = update_with(&[ORIGIN, AS_PATH, NEXT_HOP].concat(), &nlri);
    world.router_says(router, &bytes);
    world.run_for(SECOND);
}

fn steps(world: &World, path: usize, since: Instant) -> Vec<LimitStep> {
    let step = |kind: &EventKind| match kind {
        EventKind::PrefixLimit { peer, step, .. } if *peer == peer_of(path) => Some(*step),
        _ => None,
    };
    let events = world.events().iter().filter(|event| event.at >= since);
    events.filter_map(|event| step(&event.kind)).collect()
}

#[test]
fn a_peer_near_its_limit_is_told_once() {
    let (mut world, leader, _) = settled_as(limited(Beyond::Close));
    let since = world.now();
    announce(&mut world, leader, 5);
    announce(&mut world, leader, 6);
    announce(&mut world, leader, 7);
    assert_eq!(steps(&world, leader, since), [LimitStep::Near], "{}", world.story(since));
    assert!(established(&world, leader));
}

#[test]
fn one_prefix_too_many_closes_for_good_and_says_which_limit() {
    let (mut world, leader, other) = settled_as(limited(Beyond::Close));
    let since = world.now();
    announce(&mut world, leader, 10);
    let Some(DownCause::Received(told)) = world.routers()[leader].last_down().map(|d| &d.cause)
    else {
        panic!("{}", world.story(since));
    };
    assert_eq!((told.code, told.subcode), (code::CEASE, cease::MAX_PREFIXES));
    assert_eq!(told.data, [0, 1, 1, 0, 0, 0, 9], "AFI, SAFI, limit (RFC 4486 section 4)");
    assert_eq!(steps(&world, leader, since), [LimitStep::Near, LimitStep::Closed(None)]);
    world.run_for(600 * SECOND);
    assert!(!established(&world, leader) && established(&world, other));
    assert_eq!((downs_of(&world, leader, since), downs_of(&world, other, since)), (1, 0));
    assert!(world.engine().peer(peer_of(leader)).closed.is_some());
    let text = String::new();
    world.tell(Input::Command(Command::Reset { peer: peer_of(leader), text }));
    world.run_for(60 * SECOND);
    assert!(established(&world, leader), "the operator opened it: {}", world.story(since));
}

#[test]
fn a_session_that_may_reopen_does_so_after_its_time_and_no_sooner() {
    let (mut world, leader, _) = settled_as(limited(Beyond::Reopen(Duration::from_secs(300))));
    let since = world.now();
    announce(&mut world, leader, 10);
    world.run_for(290 * SECOND);
    assert!(!established(&world, leader));
    world.run_for(60 * SECOND);
    assert!(established(&world, leader), "{}", world.story(since));
}

#[test]
fn a_limit_that_only_warns_closes_nothing() {
    let (mut world, leader, _) = settled_as(limited(Beyond::Warn));
    let since = world.now();
    announce(&mut world, leader, 20);
    assert_eq!(steps(&world, leader, since), [LimitStep::Beyond]);
    assert_eq!(downs_of(&world, leader, since), 0);
    let counts = world.engine().rib().counts(peer_of(leader), Family::IPV4_UNICAST);
    assert!(counts.received >= 20);
}

#[test]
fn a_peer_that_is_told_nearly_as_much_as_it_bears_is_named_once() {
    let mut setup = Setup::two_regions();
    for peer in &mut setup.engine.peers {
        (peer.max_out, peer.export) = ([Some(20), None], Some(0));
    }
    let (mut world, leader, other) = settled_as(setup);
    let since = world.now();
    announce(&mut world, leader, 10);
    assert_eq!(steps(&world, other, since), []);
    announce(&mut world, leader, 14);
    announce(&mut world, leader, 15);
    assert_eq!(steps(&world, other, since), [LimitStep::NearlyFull], "{}", world.story(since));
    announce(&mut world, leader, 40);
    let both = [LimitStep::NearlyFull, LimitStep::Withheld];
    assert_eq!(steps(&world, other, since), both);
    let counts = world.engine().rib().counts(peer_of(other), Family::IPV4_UNICAST);
    assert!(counts.advertised <= 20 && established(&world, other), "{counts:?}");
}

#[test]
fn the_last_words_and_the_mark_of_leaving_reach_the_peers() {
    let (mut world, leader, other) = settled_as(Setup::two_regions());
    world.tell(Input::Command(Command::Drain { text: "new kernel at 3\u{7}".into() }));
    world.run_for(SECOND);
    for path in [leader, other] {
        let marked = world.routers()[path].routes().all(|(_, route, _)| route.graceful_shutdown);
        assert!(marked, "GRACEFUL_SHUTDOWN is on everything (RFC 8326)");
    }
    world.run_until(10 * SECOND, World::drained).expect("drained");
    world.run_for(SECOND);
    let down = world.routers()[leader].last_down().expect("down");
    assert_eq!(down.notification().and_then(|n| n.shutdown_text()), Some("new kernel at 3\u{7}"));
    assert!(down.to_string().ends_with("new kernel at 3\\u{7}\""), "{down}");
}
