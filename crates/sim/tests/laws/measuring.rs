//! Law 1: a path is measured on itself. Law 8: verdicts and sessions prove nothing of each other.

use pathvane_score::State;
use pathvane_sim::world::Setup;

use crate::{SECOND, established, peers_down, settled, settled_as, state};

#[test]
fn each_probe_source_is_announced_over_its_own_path_only() {
    let (world, ..) = settled();
    for (nth, router) in world.routers().iter().enumerate() {
        let sources: Vec<_> = router
            .routes()
            .map(|(prefix, ..)| prefix.to_string())
            .filter(|prefix| prefix.starts_with("10.255."))
            .collect();
        assert_eq!(sources, [format!("10.255.{}.1/32", nth + 1)]);
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

#[test]
fn verdicts_close_no_session() {
    let (mut world, leader, other) = settled();
    let broke = world.now();
    // The service dies behind the router: the session lives on.
    for nth in 0..2 {
        world.reflector(leader, nth, false);
    }
    world.run_for(200 * SECOND);
    assert_eq!((state(&world, leader), world.leader()), (State::Down, Some(other)));
    assert!(established(&world, leader), "the session is none of the verdict's business");
    assert_eq!(peers_down(&world, broke), 0);
    assert_eq!(world.held(leader), None, "and an Established session does not prove a path");
}

#[test]
fn a_session_that_drops_and_returns_does_not_make_a_path_dead() {
    let mut setup = Setup::two_regions();
    for peer in &mut setup.engine.peers {
        peer.session.hold_time = 60;
    }
    let (mut world, leader, _) = settled_as(setup);
    let cut = world.now();
    world.cut_sessions(leader);
    world.run_for(30 * SECOND);
    assert_eq!(peers_down(&world, cut), 1);
    assert!(established(&world, leader));
    assert_eq!(world.moves(cut).len(), 0, "graceful restart kept the routes on both sides");
    assert_eq!((world.up().lost(cut), world.down().lost(cut)), (0, 0));
}
