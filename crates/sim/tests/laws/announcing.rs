//! Law 4: originate only what is true. Law 6: instance health.

use pathvane_engine::{Input, ServiceId};

use crate::{SECOND, settled};

#[test]
fn a_condition_that_fails_withdraws_even_the_last_way() {
    let (mut world, leader, other) = settled();
    world.condition(false);
    world.run_for(SECOND);
    assert_eq!((world.held(leader), world.held(other)), (None, None));
    world.condition(true);
    world.run_for(SECOND);
    assert_eq!((world.held(leader), world.held(other)), (Some(20_000), Some(30_000)));
}

#[test]
fn a_lone_sick_instance_moves_nothing() {
    let (mut world, leader, _) = settled();
    let sick = world.now();
    let check = u16::try_from(leader).expect("small");
    for (check, healthy) in [(0, true), (1, true), (check, false)] {
        world.tell(Input::Health { service: ServiceId(0), check, healthy });
    }
    world.run_for(60 * SECOND);
    assert_eq!((world.moves(sick).len(), world.leader()), (0, Some(leader)));
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
