//! Law 3: dead: withdraw, but not on one witness and not the last way. Law 4: originate only
//! what is true.

use pathvane_engine::Command;
use pathvane_engine::Input;
use pathvane_score::State;
use pathvane_sim::world::{Setup, World};

use crate::scenes::{probe_source_held, reflectors, withheld};
use crate::{SECOND, settled, settled_as, state};

#[test]
fn a_lone_reflectors_silence_moves_but_withdraws_nothing() {
    let mut setup = Setup::two_regions();
    for path in &mut setup.engine.paths {
        path.probes.truncate(1);
    }
    let (mut world, leader, other) = settled_as(setup);
    let broke = world.now();
    world.reflector(leader, 0, false);
    world.run_for(60 * SECOND);
    assert_eq!((state(&world, leader), world.leader()), (State::Degraded, Some(other)));
    assert_eq!(world.held(leader), Some(40_000), "re-ranked");
    assert!(!withheld(&world, leader, broke));
}

#[test]
fn a_path_that_comes_back_is_announced_again_as_a_standby() {
    let (mut world, leader, other) = settled();
    reflectors(&mut world, leader, false);
    world.run_for(20 * SECOND);
    assert_eq!((world.held(leader), world.leader()), (None, Some(other)));
    reflectors(&mut world, leader, true);
    world.run_for(20 * SECOND);
    assert_eq!(world.held(leader), Some(40_000), "while it recovers");
}

#[test]
fn with_every_path_silent_the_last_way_stays() {
    for opted_in in [false, true] {
        let mut setup = Setup::two_regions();
        setup.engine.services[0].withdraw_last = opted_in;
        let (mut world, leader, other) = settled_as(setup);
        let broke = world.now();
        reflectors(&mut world, leader, false);
        reflectors(&mut world, other, false);
        world.run_for(30 * SECOND);
        assert_eq!((state(&world, leader), state(&world, other)), (State::Down, State::Down));
        let told = [withheld(&world, leader, broke), withheld(&world, other, broke)];
        assert_eq!(told, [opted_in; 2]);
        let held = [world.held(leader), world.held(other)];
        assert_eq!(held.map(|med| med.is_none()), [opted_in; 2], "{held:?}");
    }
}

#[test]
fn a_lost_condition_withdraws_even_the_last_way_and_its_return_announces_again() {
    let (mut world, leader, other) = settled();
    reflectors(&mut world, other, false);
    world.run_for(20 * SECOND);
    assert_eq!((world.held(leader), world.held(other)), (Some(20_000), None));
    world.condition(false);
    world.run_for(SECOND);
    assert_eq!((world.held(leader), world.held(other)), (None, None));
    assert_eq!(probe_source_held(&world, leader, leader), Some(20_000), "that stays true");
    world.condition(true);
    world.run_for(SECOND);
    assert_eq!((world.held(leader), world.held(other)), (Some(20_000), None));
}

#[test]
fn nothing_is_announced_before_its_condition_was_seen_to_hold() {
    let mut world = World::new(Setup::two_regions());
    world.tell(Input::Command(Command::Start));
    world.run_for(60 * SECOND);
    assert_eq!((world.held(0), world.held(1)), (None, None));
    world.condition(true);
    world.run_for(SECOND);
    let leader = world.leader().expect("a leader");
    assert_eq!((world.held(leader), world.held(1 - leader)), (Some(20_000), Some(30_000)));
}
