//! Paths that the operator takes out and gives back.

use pathvane_engine::{Command, Input, PathId};
use pathvane_score::State;
use pathvane_sim::world::World;

use crate::{SECOND, settled, state};

fn take(world: &mut World, path: usize, out: bool) {
    let path = PathId(u16::try_from(path).expect("small"));
    world.tell(Input::Command(Command::TakeOut { path, out }));
    world.run_for(SECOND);
}

#[test]
fn a_path_that_is_taken_out_is_left_at_once_and_not_withdrawn() {
    let (mut world, leader, other) = settled();
    take(&mut world, leader, true);
    assert_eq!((state(&world, leader), world.leader()), (State::Admin, Some(other)));
    assert_eq!(world.held(leader), Some(40_000), "the last resort, not gone");
    world.run_for(60 * SECOND);
    assert_eq!(state(&world, leader), State::Admin, "however well it measures");
    take(&mut world, leader, false);
    assert_eq!((state(&world, leader), world.leader()), (State::Init, Some(other)));
    world.run_for(30 * SECOND);
    assert_eq!(state(&world, leader), State::Up);
}

#[test]
fn the_last_path_that_is_taken_out_goes_on_carrying() {
    let (mut world, leader, other) = settled();
    take(&mut world, other, true);
    assert_eq!(world.leader(), Some(leader));
    take(&mut world, leader, true);
    world.run_for(60 * SECOND);
    assert_eq!((world.leader(), state(&world, leader)), (Some(leader), State::Admin));
    assert!(world.held(leader).is_some() && world.held(other).is_some());
}

#[test]
fn whoever_is_frozen_takes_out_nothing_until_released() {
    let (mut world, leader, other) = settled();
    world.tell(Input::Command(Command::Freeze));
    take(&mut world, leader, true);
    assert_eq!((state(&world, leader), world.leader()), (State::Admin, Some(leader)));
    world.tell(Input::Command(Command::Unfreeze));
    world.run_for(SECOND);
    assert_eq!(world.leader(), Some(other));
}
