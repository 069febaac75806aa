//! Law 7: a symmetric service moves for quality only where both directions can; for a failure it
//! moves anyway.

use pathvane_sim::world::{Setup, World};

use crate::scenes::{reflectors, worsen};
use crate::{SECOND, established, settled_as};

/// A settled world whose standby works, but whose standby's session is away for two minutes:
/// its router is in maintenance and keeps forwarding.
fn unsignalled_standby(symmetric: bool) -> (World, usize, usize) {
    let mut setup = Setup::two_regions();
    setup.engine.services[0].symmetric = symmetric;
    let (mut world, leader, other) = settled_as(setup);
    world.with_router(other, |router, now| router.handle_maintenance(now, 110 * SECOND));
    world.run_for(SECOND);
    assert!(!established(&world, other));
    (world, leader, other)
}

#[test]
fn a_move_for_quality_waits_for_the_other_direction() {
    for symmetric in [true, false] {
        let (mut world, leader, other) = unsignalled_standby(symmetric);
        worsen(&mut world, leader);
        world.run_for(40 * SECOND);
        let expected = if symmetric { leader } else { other };
        assert_eq!(world.leader(), Some(expected), "symmetric: {symmetric}");
    }
}

#[test]
fn the_move_is_made_when_the_session_is_back() {
    let (mut world, leader, other) = unsignalled_standby(true);
    worsen(&mut world, leader);
    world.run_for(40 * SECOND);
    assert_eq!(world.leader(), Some(leader));
    world.run_for(120 * SECOND);
    assert!(established(&world, other));
    assert_eq!(world.leader(), Some(other));
}

#[test]
fn a_failure_moves_what_can_be_moved() {
    let (mut world, leader, other) = unsignalled_standby(true);
    reflectors(&mut world, leader, false);
    world.run_for(SECOND);
    assert_eq!(world.leader(), Some(other));
}
