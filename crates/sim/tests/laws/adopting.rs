//! Law 11: observing and frozen, not one byte and not one route changes.

use pathvane_engine::config::Mode;
use pathvane_engine::{Command, Input, Output, PathId, ServiceId};
use pathvane_sim::world::{Setup, World};

use crate::scenes::{kernel_was_asked, reflectors};
use crate::{MS, SECOND, settled};

#[test]
fn observing_asks_the_kernel_for_nothing_ever() {
    let mut setup = Setup::two_regions();
    setup.engine.mode = Mode::Observe;
    let mut world = World::settled(setup);
    let (start, broke) = (world.now() - 90 * SECOND, world.now());
    let wanted = world.engine().service(ServiceId(0)).wanted.expect("a choice");
    world.impair(wanted.index(), |link| link.blackhole = true);
    world.run_for(20 * SECOND);
    assert!(world.moves(start).iter().all(|moved| !moved.done));
    let moved = world.moves(broke);
    assert_eq!((moved.len(), world.leader()), (1, Some(0)), "decided and recorded");
    assert_eq!((world.signals(0, broke), world.signals(1, broke)), (vec![], vec![]));
    assert!(!kernel_was_asked(&world, start));
}

/// What is seen before steering acts has to be what would be seen then.
#[test]
fn the_path_that_carries_the_traffic_is_looked_at_closely_while_observing() {
    let mut setup = Setup::two_regions();
    setup.engine.mode = Mode::Observe;
    let mut world = World::settled(setup);
    world.impair(0, |link| link.blackhole = true);
    world.run_for(5 * SECOND);
    world.impair(0, |link| link.blackhole = false);
    world.run_for(60 * SECOND);
    let service = world.engine().service(ServiceId(0));
    assert_eq!((service.wanted, service.leader), (Some(PathId(1)), Some(PathId(0))));
    for path in 0..2 {
        let intervals = world.engine().path(PathId(path)).streams;
        assert!(intervals.iter().all(|stream| stream.interval == 20 * MS), "path {path}");
    }
}

#[test]
fn a_dead_path_is_not_withdrawn_while_observing() {
    let mut setup = Setup::two_regions();
    setup.engine.mode = Mode::Observe;
    let mut world = World::settled(setup);
    reflectors(&mut world, 0, false);
    world.run_for(20 * SECOND);
    assert_eq!((world.held(0), world.held(1)), (Some(20_000), Some(30_000)));
}

#[test]
fn frozen_asks_nothing_of_kernel_and_peers_until_released() {
    let (mut world, leader, other) = settled();
    world.tell(Input::Command(Command::Freeze));
    let frozen = world.now();
    reflectors(&mut world, leader, false);
    world.run_for(20 * SECOND);
    assert!(!kernel_was_asked(&world, frozen));
    assert_eq!((world.moves(frozen).len(), world.held(leader)), (0, Some(20_000)));
    world.tell(Input::Command(Command::Unfreeze));
    let switched = world.asked(frozen).any(|(_, output)| matches!(output, Output::FibGroup { .. }));
    assert!(switched, "at once");
    world.run_for(SECOND);
    assert_eq!((world.leader(), world.held(leader)), (Some(other), None));
}
