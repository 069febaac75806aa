//! Law 5: fail fast, recover slow. Law 7: make before break. Law 12: every move explains itself.

use pathvane_engine::EventKind;
use pathvane_sim::net::Loss;
use pathvane_sim::world::World;

use crate::{MS, SECOND, settled};

#[test]
fn a_repaired_path_does_not_lead_again_at_once() {
    let (mut world, leader, other) = settled();
    world.impair(leader, |link| link.blackhole = true);
    world.run_for(5 * SECOND);
    assert_eq!(world.leader(), Some(other));
    world.impair(leader, |link| link.blackhole = false);
    let repaired = world.now();
    world.run_for(20 * SECOND);
    assert_eq!((world.moves(repaired).len(), world.leader()), (0, Some(other)));
}

#[test]
fn a_flapping_path_is_damped() {
    let (mut world, leader, _) = settled();
    let start = world.now();
    for _ in 0..30 {
        world.impair(leader, |link| link.blackhole = true);
        world.run_for(4 * SECOND);
        world.impair(leader, |link| link.blackhole = false);
        world.run_for(16 * SECOND);
    }
    let moves = world.moves(start).len();
    assert!(moves <= 3, "{moves} moves in 30 flaps");
    let signals = world.signals(leader, start).len() + world.signals(1 - leader, start).len();
    assert!(signals <= 40, "{signals} signals in 30 flaps");
}

#[test]
fn damping_is_waived_when_there_is_no_alternative() {
    let (mut world, leader, other) = settled();
    for _ in 0..6 {
        world.impair(leader, |link| link.blackhole = true);
        world.run_for(4 * SECOND);
        world.impair(leader, |link| link.blackhole = false);
        world.run_for(10 * SECOND);
    }
    let broke = world.now();
    world.impair(other, |link| link.blackhole = true);
    world.run_for(10 * SECOND);
    assert_eq!(world.leader(), Some(leader), "the flapping path is better than a dead one");
    assert!(world.up().longest_outage(broke) < SECOND);
}

#[test]
fn a_move_for_quality_loses_no_packet_of_its_own() {
    let (mut world, leader, other) = settled();
    world.impair(leader, |link| {
        link.delay += 180 * MS;
        link.loss = Loss::None;
    });
    let worse = world.now();
    let took = world.run_until(30 * SECOND, |world| world.leader() == Some(other));
    assert!(took.is_some(), "moved away from the delay");
    world.run_for(20 * SECOND);
    assert_eq!((world.up().lost(worse), world.down().lost(worse)), (0, 0));
    assert_eq!(world.moves(worse).len(), 1);
}

#[test]
fn every_move_explains_itself() {
    let (mut world, leader, other) = settled();
    let broke = world.now();
    world.impair(leader, |link| link.blackhole = true);
    world.run_for(5 * SECOND);
    let moved = world.moves(broke)[0].clone();
    assert_eq!((moved.from.map(|p| p.index()), moved.to.index()), (Some(leader), other));
    assert!(!moved.cause.is_empty() && !moved.evidence.is_empty());
    assert_eq!(moved.alternatives.len(), 2);
    assert!(moved.done && broke <= moved.detected_at && moved.detected_at <= moved.decided_at);
    let later = |wanted: fn(&EventKind) -> Option<u64>| {
        world
            .events()
            .iter()
            .any(|event| event.at >= moved.decided_at && wanted(&event.kind) == Some(moved.id))
    };
    let kernel = |kind: &EventKind| match kind {
        EventKind::Kernel { move_id, ok: true, .. } => Some(*move_id),
        _ => None,
    };
    let wire = |kind: &EventKind| match kind {
        EventKind::Wire { move_id, .. } => Some(*move_id),
        _ => None,
    };
    assert!(later(kernel), "the time of the kernel's switch is recorded");
    assert!(later(wire), "the time on the wire is recorded");
}

#[test]
fn a_leader_lost_before_its_undercut_is_given_back_stops_no_clock() {
    let (mut world, leader, other) = settled();
    let both = |world: &mut World, region, alive| {
        (0..2).for_each(|nth| world.reflector(region, nth, alive));
    };
    both(&mut world, leader, false);
    world.run_for(2 * SECOND);
    both(&mut world, leader, true);
    world.run_for(3 * SECOND);
    both(&mut world, other, false);
    world.run_for(30 * SECOND);
    assert_eq!(world.leader(), Some(leader));
}
