//! Law 8: verdicts close no session, and a session proves nothing of a path.

use pathvane_score::State;
use pathvane_sim::world::{Setup, World};
use pathvane_wire::Family;

use crate::scenes::{downs_of, peer_of, peers_down, reflectors};
use crate::{SECOND, established, settled, settled_as, state};

#[test]
fn verdicts_close_no_session() {
    let (mut world, leader, other) = settled();
    let broke = world.now();
    // The service dies behind the router: the session lives on.
    reflectors(&mut world, leader, false);
    world.run_for(200 * SECOND);
    assert_eq!((state(&world, leader), world.leader()), (State::Down, Some(other)));
    assert!(established(&world, leader), "the session is none of the verdict's business");
    assert_eq!(peers_down(&world, broke), 0);
    assert_eq!(world.held(leader), None, "and an Established session does not prove a path");
}

#[test]
fn a_session_that_drops_and_returns_does_not_make_a_path_dead() {
    let (mut world, leader, _) = settled();
    let cut = world.now();
    world.cut_sessions(leader);
    world.run_for(30 * SECOND);
    assert_eq!(peers_down(&world, cut), 1);
    assert!(established(&world, leader));
    assert_eq!(world.moves(cut).len(), 0, "graceful restart kept the routes on both sides");
    assert_eq!((world.up().lost(cut), world.down().lost(cut)), (0, 0));
}

#[test]
fn a_cloud_router_in_maintenance_costs_nothing() {
    let (mut world, leader, _) = settled();
    let start = world.now();
    world.with_router(leader, |router, now| router.handle_maintenance(now, 20 * SECOND));
    world.run_for(120 * SECOND);
    assert_eq!(world.moves(start).len(), 0);
    assert_eq!((world.up().lost(start), world.down().lost(start)), (0, 0));
    assert_eq!(world.held(leader), Some(20_000));
}

#[test]
fn a_session_closed_by_the_router_is_survived_over_the_other() {
    let (mut world, leader, other) = settled();
    let closed = world.now();
    world.with_router(leader, |router, now| router.handle_disable(now));
    world.run_for(30 * SECOND);
    assert_eq!(world.down().path(), Some(other), "the VPC has no other way");
    assert_eq!(world.down().lost(closed), 0);
    assert_eq!(world.held(other).map(|med| med <= 30_000), Some(true));
}

/// BoRR for IPv4 unicast (RFC 7313).
fn begin_refresh() -> Vec<u8> {
    let mut message = vec![0xff; 16];
    message.extend([0, 23, 5, 0, 1, 1, 1]);
    message
}

#[test]
fn a_refresh_that_never_ends_is_ended_after_six_minutes() {
    let mut setup = Setup::two_regions();
    setup.routers.iter_mut().for_each(|router| router.route_refresh = true);
    let (mut world, _, other) = settled_as(setup);
    let begun = world.now();
    let counts = |world: &World| world.engine().rib().counts(peer_of(other), Family::IPV4_UNICAST);
    let received = counts(&world).received;
    assert!(received > 0);
    world.router_says(other, &begin_refresh());
    world.run_for(350 * SECOND);
    assert_eq!((counts(&world).stale, counts(&world).received), (received, received));
    world.run_for(12 * SECOND);
    assert_eq!(counts(&world).received, 0, "nothing was sent again");
    assert_eq!(downs_of(&world, other, begun), 0);
}
