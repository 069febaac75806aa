//! Law 11: adopt safely.

use pathvane_engine::config::Mode;
use pathvane_engine::{Command, Input, ServiceId};
use pathvane_sim::world::{Setup, World};

use crate::{SECOND, settled};

#[test]
fn observing_decides_and_records_and_touches_nothing() {
    let mut setup = Setup::two_regions();
    setup.engine.mode = Mode::Observe;
    let mut world = World::settled(setup);
    let broke = world.now();
    assert_eq!(world.leader(), Some(0), "the configuration's order leads");
    let wanted = world.engine().service(ServiceId(0)).wanted.expect("a choice").index();
    world.impair(wanted, |link| link.blackhole = true);
    world.run_for(20 * SECOND);
    let moves = world.moves(broke);
    assert!(!moves.is_empty() && moves.iter().all(|moved| !moved.done));
    assert_eq!(world.leader(), Some(0));
    assert_eq!((world.signals(0, broke), world.signals(1, broke)), (vec![], vec![]));
}

#[test]
fn frozen_means_frozen_until_released() {
    let (mut world, leader, other) = settled();
    world.tell(Input::Command(Command::Freeze));
    let frozen = world.now();
    world.impair(leader, |link| link.blackhole = true);
    world.run_for(20 * SECOND);
    assert_eq!((world.leader(), world.up().path()), (Some(leader), Some(leader)));
    assert_eq!((world.signals(leader, frozen), world.signals(other, frozen)), (vec![], vec![]));
    world.tell(Input::Command(Command::Unfreeze));
    world.run_for(SECOND);
    assert_eq!((world.leader(), world.up().path()), (Some(other), Some(other)));
}
