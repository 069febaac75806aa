//! First hops are evidence of where a fault is, and of nothing else.

use pathvane_engine::{EventKind, PathId};
use pathvane_score::{Reasons, State};
use pathvane_sim::world::{Setup, World};

use crate::{MS, SECOND, settled_as, state};

const SIDES: Reasons = Reasons::LAST_MILE.with(Reasons::TRANSIT);

fn reasons(world: &World, path: usize) -> Reasons {
    world.engine().path(PathId(u16::try_from(path).expect("small"))).verdict.reasons
}

/// The sides of first hops that verdicts on a path named, in words.
fn named(world: &World, path: usize) -> Vec<&'static str> {
    let evidence = world.events().iter().filter_map(|event| match &event.kind {
        EventKind::Verdict { path: on, evidence, .. } if on.index() == path => Some(evidence),
        _ => None,
    });
    let side = |text: &String| SIDES.names().filter(|side| text.contains(side)).collect::<Vec<_>>();
    let mut named: Vec<_> = evidence.flat_map(side).collect();
    named.dedup();
    named
}

#[test]
fn a_fault_beyond_the_first_hop_is_transit_and_moves() {
    let (mut world, leader, other) = settled_as(Setup::two_regions().first_hops());
    let broke = world.now();
    world.impair(leader, |link| link.blackhole = true);
    world.run_for(400 * MS);
    assert_eq!(reasons(&world, leader), Reasons::SILENCE.with(Reasons::TRANSIT));
    assert_eq!((state(&world, leader), world.leader()), (State::Down, Some(other)));
    assert!(world.up().longest_outage(broke) < 300 * MS, "{}", world.story(broke));
    world.run_for(10 * SECOND);
    assert_eq!((named(&world, leader), named(&world, other)), (vec!["transit"], vec![]));
}

#[test]
fn a_fault_before_the_first_hop_is_the_last_miles_and_moves_nothing() {
    let (mut world, leader, other) = settled_as(Setup::two_regions().first_hops());
    let broke = world.now();
    world.impair_last_mile(|link| link.blackhole = true);
    world.run_for(2 * SECOND);
    for path in [leader, other] {
        assert_eq!(reasons(&world, path), Reasons::SILENCE.with(Reasons::LAST_MILE));
        assert_eq!(named(&world, path), ["last-mile"]);
    }
    assert_eq!((world.moves(broke).len(), world.leader()), (0, Some(leader)));
}

#[test]
fn a_first_hop_is_no_second_reflector() {
    let mut setup = Setup::two_regions().first_hops();
    for path in &mut setup.engine.paths {
        path.probes.remove(1);
    }
    let (mut world, leader, other) = settled_as(setup);
    let broke = world.now();
    world.impair(leader, |link| link.blackhole = true);
    world.gateway(leader, false);
    world.run_for(5 * SECOND);
    // One reflector and the first hop are silent: the service moves, and nothing is withdrawn.
    assert_eq!((state(&world, leader), world.leader()), (State::Degraded, Some(other)));
    assert!(!crate::scenes::withheld(&world, leader, broke), "{}", world.story(broke));
    let verdict = world.engine().path(PathId(u16::try_from(leader).expect("small"))).verdict;
    assert_eq!((verdict.evidence.reflectors, verdict.evidence.silent), (1, 1));
}

#[test]
fn first_hops_that_answer_nothing_are_told_once_and_do_no_harm() {
    let mut world = World::new(Setup::two_regions().first_hops());
    for path in [0, 1] {
        world.gateway(path, false);
    }
    world.tell(pathvane_engine::Input::Command(pathvane_engine::Command::Start));
    world.condition(true);
    world.run_for(120 * SECOND);
    let told = world.events().iter().filter(|it| matches!(it.kind, EventKind::FirstHopMute { .. }));
    assert_eq!(told.count(), 2, "one for each path");
    let leader = world.leader().expect("a leader");
    let broke = world.now();
    assert_eq!((state(&world, 0), state(&world, 1)), (State::Up, State::Up));
    world.impair(leader, |link| link.blackhole = true);
    world.run_for(5 * SECOND);
    assert_eq!((reasons(&world, leader), world.leader()), (Reasons::SILENCE, Some(1 - leader)));
    assert!(world.up().longest_outage(broke) < 300 * MS, "{}", world.story(broke));
}

#[test]
fn a_first_hop_that_falls_silent_alone_moves_and_says_nothing() {
    let (mut world, leader, _) = settled_as(Setup::two_regions().first_hops());
    let broke = world.now();
    world.gateway(leader, false);
    world.run_for(60 * SECOND);
    assert_eq!((reasons(&world, leader), state(&world, leader)), (Reasons::NONE, State::Up));
    assert_eq!((world.moves(broke).len(), world.signals(leader, broke)), (0, vec![]));
}
