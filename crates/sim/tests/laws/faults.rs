//! Law 6: a shared fault moves nothing, a dead prober freezes the last action, one sick instance
//! only tells.

use pathvane_engine::config::Check;
use pathvane_engine::{Event, EventKind, Input, PathId, ServiceId};
use pathvane_score::{State, Strategy};
use pathvane_sim::world::{Setup, World};

use crate::scenes::{reflectors, withheld};
use crate::{MS, SECOND, settled, settled_as, state};

#[test]
fn both_paths_failing_together_move_nothing() {
    let (mut world, leader, other) = settled();
    let broke = world.now();
    for path in [leader, other] {
        world.impair(path, |link| link.blackhole = true);
    }
    world.run_for(10 * SECOND);
    assert_eq!((state(&world, leader), state(&world, other)), (State::Down, State::Down));
    assert_eq!((world.moves(broke).len(), world.leader()), (0, Some(leader)));
    assert!(!withheld(&world, leader, broke) && !withheld(&world, other, broke));
}

#[test]
fn the_move_of_one_service_is_no_proof_for_another() {
    // Central and west die together, central is found dead first, and "desktops" flees from it to east.
    // "voice" has no east: west passes for all that is known yet, which is no reason to leave central.
    let mut setup = Setup::regions(&[("central", 10), ("west", 45), ("east", 20)]);
    let voice = &mut setup.engine.services[0];
    voice.strategy = Strategy::Ordered;
    let mut desktops = voice.clone();
    voice.paths = vec![PathId(1), PathId(0)];
    desktops.name = "desktops".to_owned();
    desktops.announce.clear();
    desktops.checks.clear();
    desktops.reach = vec!["10.200.0.0/16".parse().expect("a prefix")];
    desktops.paths = vec![PathId(0), PathId(2)];
    setup.engine.services.push(desktops);
    let mut world = World::settled(setup);
    let broke = world.now();
    for path in [0, 1] {
        world.impair(path, |link| link.blackhole = true);
    }
    world.run_for(10 * SECOND);
    let leaders = [0, 1].map(|id| world.engine().service(ServiceId(id)).leader.map(PathId::index));
    assert_eq!(leaders, [Some(1), Some(2)], "{}", world.story(broke));
    assert_eq!(world.moves(broke).len(), 1);
    assert!(!withheld(&world, 0, broke) && !withheld(&world, 1, broke), "{}", world.story(broke));
    let of_the_move =
        |event: &&Event| matches!(event.kind, EventKind::Signal { move_id: Some(_), .. });
    assert_eq!(
        world.events().iter().filter(|event| event.at >= broke).filter(of_the_move).count(),
        0
    );
}

#[test]
fn a_prober_that_cannot_send_freezes_everything() {
    let (mut world, leader, other) = settled();
    let dead = world.now();
    world.prober(false);
    world.run_for(10 * SECOND);
    reflectors(&mut world, leader, false);
    world.run_for(120 * SECOND);
    assert_eq!((world.moves(dead).len(), world.leader()), (0, Some(leader)));
    assert_eq!((state(&world, leader), state(&world, other)), (State::Up, State::Up));
    assert_eq!((world.signals(leader, dead), world.signals(other, dead)), (vec![], vec![]));
    world.prober(true);
    world.run_for(5 * SECOND);
    assert_eq!(world.leader(), Some(other), "fresh samples move");
}

#[test]
fn a_dead_prober_keeps_the_last_action_until_fresh_samples_come() {
    let (mut world, leader, other) = settled();
    reflectors(&mut world, leader, false);
    world.run_for(20 * SECOND);
    assert_eq!((world.leader(), world.held(leader)), (Some(other), None));
    world.prober(false);
    world.run_for(SECOND);
    reflectors(&mut world, leader, true);
    let dead = world.now();
    world.run_for(300 * SECOND);
    assert_eq!(
        (world.leader(), world.held(leader)),
        (Some(other), None),
        "out of date, not neutral"
    );
    assert_eq!(world.moves(dead).len(), 0);
    world.prober(true);
    world.run_for(60 * SECOND);
    assert!(world.held(leader).is_some(), "clean samples bring it back");
}

#[test]
fn a_loop_that_stood_still_moves_nothing() {
    for lag in [20 * MS, 60 * MS, 200 * MS, SECOND, 5 * SECOND] {
        // So far away that enough probes are always under way to look like silence.
        let (mut world, leader, other) = settled_as(Setup::regions(&[("east", 45), ("west", 45)]));
        let stalled = world.now();
        world.stall(lag);
        world.run_for(lag + 10 * SECOND);
        assert_eq!((world.moves(stalled).len(), world.leader()), (0, Some(leader)), "{lag:?}");
        for path in [leader, other] {
            let verdicts = world.story(stalled);
            assert!(!verdicts.contains("to: Down"), "{lag:?}: {verdicts}");
            assert_eq!(world.signals(path, stalled), [], "{lag:?}");
        }
    }
}

/// A settled world with two instances in each region, all healthy.
fn with_instances() -> (World, usize, usize) {
    let mut setup = Setup::two_regions();
    let checks = &mut setup.engine.services[0].checks;
    let second = |check: &Check| Check { name: format!("{}2", check.name), ..check.clone() };
    let seconds: Vec<_> = checks.iter().map(second).collect();
    checks.extend(seconds);
    let (mut world, leader, other) = settled_as(setup);
    for region in [leader, other] {
        instances(&mut world, region, [true, true]);
    }
    (world, leader, other)
}

fn instances(world: &mut World, region: usize, healthy: [bool; 2]) {
    for (nth, healthy) in healthy.into_iter().enumerate() {
        let check = u16::try_from(region + 2 * nth).expect("small");
        world.tell(Input::Health { service: ServiceId(0), check, healthy });
    }
}

#[test]
fn one_sick_instance_of_two_is_told_and_nothing_else() {
    let (mut world, leader, other) = with_instances();
    let sick = world.now();
    instances(&mut world, leader, [false, true]);
    world.run_for(60 * SECOND);
    let told = world.events().iter().filter(|event| event.at >= sick);
    let told = told.filter(|event| matches!(event.kind, EventKind::Health { healthy: false, .. }));
    assert_eq!(told.count(), 1);
    assert_eq!((world.moves(sick).len(), world.leader()), (0, Some(leader)));
    assert_eq!((world.signals(leader, sick), world.signals(other, sick)), (vec![], vec![]));
}

#[test]
fn a_sick_region_moves_the_service_and_no_verdict() {
    let (mut world, leader, other) = with_instances();
    let sick = world.now();
    instances(&mut world, leader, [false, false]);
    world.run_for(5 * SECOND);
    assert_eq!((world.moves(sick).len(), world.leader()), (1, Some(other)));
    assert_eq!((state(&world, leader), state(&world, other)), (State::Up, State::Up));
    assert!(!withheld(&world, leader, sick), "the path is not dead");
}

#[test]
fn with_both_regions_sick_nothing_moves() {
    let (mut world, leader, other) = with_instances();
    instances(&mut world, other, [false, false]);
    world.run_for(5 * SECOND);
    let sick = world.now();
    instances(&mut world, leader, [false, false]);
    world.run_for(60 * SECOND);
    assert_eq!((world.moves(sick).len(), world.leader()), (0, Some(leader)));
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
fn a_stream_that_the_kernel_refuses_does_not_hide_the_death_of_the_path() {
    let (mut world, leader, other) = settled();
    world.refuse(|nth| nth == 1);
    world.run_for(60 * SECOND);
    let broke = world.now();
    assert_eq!(world.leader(), Some(leader), "nothing is wrong with the path");
    world.impair(leader, |link| link.blackhole = true);
    world.run_for(SECOND);
    assert_eq!(world.leader(), Some(other), "{}", world.story(broke));
}
