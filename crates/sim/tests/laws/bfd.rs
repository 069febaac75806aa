//! What BFD says (RFC 5882): a reason of a verdict for a path, the end of the session for a peer
//! whose operator said so, and nothing at all where an operator took it down.

use pathvane_engine::{BfdUser, ConnId, Direction, EventKind, Input, PathId, PeerId};
use pathvane_score::{BfdState, Reasons, State};
use pathvane_sim::world::{Setup, World};

use super::{MS, SECOND, settled, settled_as, state};

fn number(path: usize) -> u16 {
    u16::try_from(path).expect("small")
}

/// BFD of a path's own session, and of the session with its peer: C set by both ends or not.
fn path_says(world: &mut World, path: usize, state: BfdState) {
    let user = BfdUser::Path(PathId(number(path)));
    world.tell(Input::Bfd { user, state, independent: true });
}

fn peer_says(world: &mut World, path: usize, state: BfdState, independent: bool) {
    let user = BfdUser::Peer(PeerId(number(path)));
    world.tell(Input::Bfd { user, state, independent });
}

fn is_up(world: &World, path: usize) -> bool {
    world.engine().peer(PeerId(number(path))).session.established().is_some()
}

fn count(world: &World, wanted: impl Fn(&EventKind) -> bool) -> usize {
    world.events().iter().filter(|event| wanted(&event.kind)).count()
}

#[test]
fn a_failure_on_a_path_moves_its_traffic_in_the_same_instant() {
    let (mut world, leader, other) = settled();
    path_says(&mut world, leader, BfdState::Up);
    world.run_for(SECOND);
    let now = world.now();
    path_says(&mut world, leader, BfdState::Down);
    assert_eq!(state(&world, leader), State::Down);
    let reasons = world.engine().path(PathId(number(leader))).verdict.reasons;
    assert!(reasons.contains(Reasons::BFD_DOWN), "{reasons:?}");
    let moves = world.moves(now);
    assert_eq!(moves.len(), 1, "{}", world.story(now));
    assert_eq!((moves[0].to.index(), moves[0].decided_at), (other, now));
    assert!(is_up(&world, leader), "a verdict closes no session (law 8)");
    world.run_for(SECOND);
    assert_eq!(world.held(leader), None, "dead: withdrawn");
}

#[test]
fn a_session_taken_down_by_an_operator_says_nothing() {
    let (mut world, leader, _) = settled();
    let now = world.now();
    for said in [BfdState::Up, BfdState::Off, BfdState::Up] {
        path_says(&mut world, leader, said);
        peer_says(&mut world, leader, said, true);
        world.run_for(5 * SECOND);
    }
    assert_eq!(world.moves(now).len(), 0, "{}", world.story(now));
    assert!(is_up(&world, leader));
}

#[test]
fn a_failure_ends_the_session_of_its_peer_and_no_other() {
    let (mut world, leader, other) = settled();
    peer_says(&mut world, leader, BfdState::Up, true);
    peer_says(&mut world, leader, BfdState::Down, true);
    assert!(!is_up(&world, leader) && is_up(&world, other));
    let said = |kind: &EventKind| match kind {
        EventKind::PeerDown { reason, retained, .. } => reason.contains("BFD Down") && !retained,
        _ => false,
    };
    assert_eq!(count(&world, said), 1, "Cease, BFD Down (RFC 9384)");
    peer_says(&mut world, leader, BfdState::Down, true);
    assert_eq!(count(&world, |kind| matches!(kind, EventKind::Bfd { .. })), 2, "told once");
    world.run_for(60 * SECOND);
    assert!(is_up(&world, leader), "without `strict` it may come back before BFD does");
}

fn strict() -> World {
    let mut setup = Setup::two_regions();
    setup.engine.peers[0].bfd_strict = true;
    World::settled(setup)
}

#[test]
fn a_strict_session_waits_for_bfd_and_falls_with_it() {
    let mut world = strict();
    assert!(!is_up(&world, 0) && is_up(&world, 1));
    peer_says(&mut world, 0, BfdState::Up, true);
    assert!(world.run_until(30 * SECOND, |world| is_up(world, 0)).is_some());
    peer_says(&mut world, 0, BfdState::Down, true);
    assert!(!is_up(&world, 0));
    world.run_for(120 * SECOND);
    assert!(!is_up(&world, 0), "not before BFD is up");
    peer_says(&mut world, 0, BfdState::Up, true);
    assert!(world.run_until(30 * SECOND, |world| is_up(world, 0)).is_some());
}

#[test]
fn a_strict_session_outlives_an_operators_wish_but_does_not_come_back_without_bfd() {
    let mut world = strict();
    peer_says(&mut world, 0, BfdState::Up, true);
    world.run_until(30 * SECOND, |world| is_up(world, 0)).expect("up");
    peer_says(&mut world, 0, BfdState::Off, true);
    world.run_for(10 * SECOND);
    assert!(is_up(&world, 0), "RFC 5882 section 4.2");
    world.cut_sessions(0);
    world.run_for(120 * SECOND);
    assert!(!is_up(&world, 0));
    peer_says(&mut world, 0, BfdState::Up, true);
    assert!(world.run_until(30 * SECOND, |world| is_up(world, 0)).is_some());
}

#[test]
fn a_strict_session_that_ends_before_bfd_says_why_waits_for_it_all_the_same() {
    for late in [BfdState::Down, BfdState::Off] {
        let mut world = strict();
        peer_says(&mut world, 0, BfdState::Up, true);
        world.run_until(30 * SECOND, |world| is_up(world, 0)).expect("up");
        world.cut_sessions(0);
        world.run_for(100 * MS);
        peer_says(&mut world, 0, late, true);
        world.run_for(120 * SECOND);
        assert!(!is_up(&world, 0), "{late:?}: not before BFD is up");
        peer_says(&mut world, 0, BfdState::Up, true);
        assert!(world.run_until(30 * SECOND, |world| is_up(world, 0)).is_some(), "{late:?}");
    }
}

#[test]
fn a_second_connection_that_comes_to_nothing_costs_a_strict_session_nothing() {
    let mut world = strict();
    peer_says(&mut world, 0, BfdState::Up, true);
    world.run_until(30 * SECOND, |world| is_up(world, 0)).expect("up");
    peer_says(&mut world, 0, BfdState::Off, true);
    let (peer, conn, direction) = (PeerId(0), ConnId(1_000_000), Direction::Inbound);
    let local = ([169, 254, 10, 2], 179).into();
    world.tell(Input::Connected { peer, conn, direction, local });
    world.tell(Input::Closed { peer, conn });
    world.run_for(10 * SECOND);
    assert!(is_up(&world, 0), "{}", world.story(world.now() - 20 * SECOND));
}

#[test]
fn a_reload_that_asks_for_strictness_or_no_more_is_obeyed_at_once() {
    let (mut world, _, _) = settled();
    let change = |world: &mut World, strict: bool| {
        let mut peer = world.engine().config().peers[0].clone();
        peer.bfd_strict = strict;
        let reopened =
            world.with_engine(|engine, now| engine.change_peer(now, PeerId(0), peer, false));
        assert!(!reopened);
    };
    change(&mut world, true);
    assert!(is_up(&world, 0), "what is open stays");
    world.cut_sessions(0);
    world.run_for(120 * SECOND);
    assert!(!is_up(&world, 0), "what is not waits");
    change(&mut world, false);
    assert!(world.run_until(30 * SECOND, |world| is_up(world, 0)).is_some());
}

#[test]
fn a_strict_peer_that_a_reload_adds_waits_for_bfd_and_one_that_went_hears_nothing_more() {
    let mut world = World::settled(Setup::two_regions());
    let mut peer = world.engine().config().peers[0].clone();
    (peer.bfd_strict, peer.session.passive) = (true, true);
    let id = world.with_engine(|engine, now| engine.add_peer(now, peer));
    let state = |world: &World| world.engine().peer(id).session.state_name();
    assert_eq!(state(&world), "Idle");
    peer_says(&mut world, id.index(), BfdState::Up, true);
    assert_eq!(state(&world), "Active");
    world.with_engine(|engine, now| engine.remove_peer(now, id));
    let told = |world: &World| count(world, |kind| matches!(kind, EventKind::Bfd { .. }));
    let before = told(&world);
    peer_says(&mut world, id.index(), BfdState::Down, true);
    assert_eq!(told(&world), before, "its number means nothing any more");
}

#[test]
fn leaving_is_not_undone_by_bfd() {
    let mut world = strict();
    world.tell(Input::Command(pathvane_engine::Command::Drain { text: String::new() }));
    peer_says(&mut world, 0, BfdState::Up, true);
    world.run_for(30 * SECOND);
    assert!(world.drained() && !is_up(&world, 0));
}

/// A router that restarts gracefully: its session is gone, its routes are kept.
fn restarting() -> (World, usize) {
    let (mut world, leader, _) = settled_as(Setup::two_regions());
    peer_says(&mut world, leader, BfdState::Up, true);
    world.cut_sessions(leader);
    world.run_for(100 * MS);
    let kept = |kind: &EventKind| matches!(kind, EventKind::PeerDown { retained: true, .. });
    assert_eq!(count(&world, kept), 1, "{}", world.story(world.now() - SECOND));
    (world, leader)
}

#[test]
fn a_restart_that_takes_bfd_along_keeps_the_routes_and_one_that_cannot_does_not() {
    let dropped = |kind: &EventKind| matches!(kind, EventKind::StaleDropped { .. });
    let (mut world, leader) = restarting();
    peer_says(&mut world, leader, BfdState::Down, false);
    assert_eq!(count(&world, dropped), 0, "C clear: it may be the restart (RFC 5882 4.3.2)");
    let (mut world, leader) = restarting();
    peer_says(&mut world, leader, BfdState::Down, true);
    assert_eq!(count(&world, dropped), 1, "C set: the way is gone (RFC 5882 4.3.1)");
}
