//! Law 1: whatever is said about a path, its probes keep their own way there and back.

use pathvane_clock::Instant;
use pathvane_engine::{Command, EventKind, Input};
use pathvane_score::State;
use pathvane_sim::world::World;

use crate::scenes::{probe_source_held, reflectors, worsen};
use crate::{SECOND, settled, state};

/// Each router holds the probe source of its own path with the plan's primary MED, and no other.
fn assert_probe_sources(world: &World, when: &str) {
    for router in 0..2 {
        for path in 0..2 {
            let expected = (router == path).then_some(20_000);
            assert_eq!(probe_source_held(world, router, path), expected, "{when}");
        }
    }
}

fn steered_probe_sources(world: &World, since: Instant) -> usize {
    let sources: Vec<_> =
        world.engine().config().paths.iter().map(|path| path.probe_source).collect();
    let about = |kind: &EventKind| matches!(kind, EventKind::Signal { prefix, .. } if sources.contains(&prefix.addr()));
    world.events().iter().filter(|event| event.at >= since && about(&event.kind)).count()
}

#[test]
fn no_verdict_touches_a_probe_source() {
    let (mut world, leader, other) = settled();
    let start = world.now();
    assert_probe_sources(&world, "settled");
    worsen(&mut world, leader);
    world.run_for(60 * SECOND);
    assert_eq!((world.held(leader), world.leader()), (Some(40_000), Some(other)));
    assert_probe_sources(&world, "degraded");
    reflectors(&mut world, leader, false);
    world.run_for(20 * SECOND);
    assert_eq!((state(&world, leader), world.held(leader)), (State::Down, None));
    assert_probe_sources(&world, "withdrawn");
    reflectors(&mut world, leader, true);
    world.run_for(20 * SECOND);
    assert_eq!(state(&world, leader), State::Recovering);
    assert_probe_sources(&world, "recovering");
    world.condition(false);
    world.run_for(SECOND);
    assert_probe_sources(&world, "condition lost");
    world.tell(Input::Command(Command::Freeze));
    world.run_for(SECOND);
    assert_probe_sources(&world, "frozen");
    assert_eq!(steered_probe_sources(&world, start), 0);
}

#[test]
fn a_withdrawn_path_whose_forwarding_heals_is_seen_to_heal() {
    let (mut world, leader, _) = settled();
    reflectors(&mut world, leader, false);
    world.run_for(20 * SECOND);
    assert_eq!((state(&world, leader), world.held(leader)), (State::Down, None));
    reflectors(&mut world, leader, true);
    let seen = world.run_until(5 * SECOND, |world| state(world, leader) == State::Recovering);
    assert!(seen.is_some(), "measured all the time");
}

#[test]
fn a_dead_path_does_not_look_healed_after_the_move() {
    let (mut world, leader, other) = settled();
    for broken in [false, true] {
        // In the return direction only: its replies must not come back over the survivor.
        world.down_link(leader).blackhole = true;
        world.up_link(leader).blackhole = broken;
        world.run_for(60 * SECOND);
        assert_eq!((state(&world, leader), world.leader()), (State::Down, Some(other)));
    }
}

#[test]
fn a_withdrawn_path_is_still_measured_and_comes_back() {
    let (mut world, leader, other) = settled();
    world.impair(leader, |link| link.blackhole = true);
    world.run_for(5 * SECOND);
    assert_eq!((state(&world, leader), world.leader()), (State::Down, Some(other)));
    world.impair(leader, |link| link.blackhole = false);
    world.run_for(SECOND);
    assert_ne!(state(&world, leader), State::Down, "its probes return although it carries nothing");
}

#[test]
fn a_return_blackhole_of_the_leader_silences_it_alone() {
    let (mut world, leader, other) = settled();
    world.down_link(leader).blackhole = true;
    world.run_for(5 * SECOND);
    assert_eq!(state(&world, leader), State::Down);
    assert_eq!(state(&world, other), State::Up);
    assert_eq!(world.leader(), Some(other));
}
