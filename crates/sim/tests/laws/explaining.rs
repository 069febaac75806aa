//! Law 12: every move has a cause, evidence, alternatives, and its times in order.

use pathvane_clock::Instant;
use pathvane_engine::{EventKind, Move};
use pathvane_score::State;
use pathvane_sim::world::{Setup, World};

use crate::scenes::{reflectors, worsen};
use crate::{SECOND, settled, state};

/// When the kernel had the move, and when each peer's UPDATEs were on the wire.
fn times(world: &World, moved: &Move) -> (Vec<Instant>, Vec<Instant>) {
    let events = || world.events().iter();
    let kernel = events().filter_map(|event| match event.kind {
        EventKind::Kernel { move_id, at, ok: true } if move_id == moved.id => Some(at),
        _ => None,
    });
    let wire = events().filter_map(|event| match event.kind {
        EventKind::Wire { move_id, at, .. } if move_id == moved.id => Some(at),
        _ => None,
    });
    (kernel.collect(), wire.collect())
}

#[test]
fn a_life_full_of_moves_is_explained_move_by_move() {
    let mut world = World::settled(Setup::two_regions());
    let leader = world.leader().expect("a leader");
    reflectors(&mut world, leader, false);
    world.run_for(30 * SECOND);
    reflectors(&mut world, leader, true);
    world.run_until(120 * SECOND, |world| state(world, leader) == State::Up).expect("recovered");
    worsen(&mut world, 1 - leader);
    world.run_for(60 * SECOND);
    let moves = world.moves(Instant::ZERO);
    assert!(moves.len() >= 3, "the first choice, away, and back: {}", moves.len());
    for (nth, moved) in (1..).zip(moves) {
        assert_eq!(moved.id, nth, "numbered without a gap");
        assert!(!moved.cause.is_empty() && !moved.evidence.is_empty());
        assert_eq!(moved.alternatives.len(), 2, "every candidate is accounted for");
        assert_eq!(moved.alternatives[0].0, moved.to, "best first");
        assert!(moved.done);
        assert!(moved.detected_at <= moved.decided_at, "{moved:?}");
        let (kernel, wire) = times(&world, moved);
        assert_eq!(kernel.len(), 1, "{moved:?}");
        assert!(kernel.iter().chain(&wire).all(|at| *at >= moved.decided_at), "{moved:?}");
    }
}

#[test]
fn on_the_wire_means_that_the_bytes_left() {
    let (mut world, leader, other) = settled();
    let broke = world.now();
    world.sockets(false);
    reflectors(&mut world, leader, false);
    world.run_for(5 * SECOND);
    let moved = world.moves(broke)[0].clone();
    assert_eq!(world.leader(), Some(other), "next hops do not wait for sockets");
    assert_eq!(times(&world, &moved).1, [], "decided and encoded, and still here");
    world.sockets(true);
    let left = world.now();
    world.run_for(SECOND);
    assert_eq!(times(&world, &moved).1, [left; 2], "to both peers, at that moment");
}
