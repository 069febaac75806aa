//! Law 5: fail fast, recover slow. Law 7: make before break.

use pathvane_sim::net::Loss;

use crate::scenes::reflectors;
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
fn a_leader_lost_before_its_undercut_is_given_back_stops_no_clock() {
    let (mut world, leader, other) = settled();
    reflectors(&mut world, leader, false);
    world.run_for(2 * SECOND);
    reflectors(&mut world, leader, true);
    world.run_for(3 * SECOND);
    reflectors(&mut world, other, false);
    world.run_for(30 * SECOND);
    assert_eq!(world.leader(), Some(leader));
}
