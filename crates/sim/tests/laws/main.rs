//! The laws of steering, each as short scenarios in a simulated network.

mod adopting;
mod attributing;
mod balancing;
mod bfd;
mod blackholes;
mod chaos;
mod explaining;
mod failing;
mod faults;
mod first_hops;
mod flapping;
mod forwarding;
mod leaving;
mod limits;
mod malformed;
mod measuring;
mod noise;
mod outside;
mod recovering;
mod reloading;
mod room;
mod scenes;
mod sessions;
mod symmetric;
mod taking_out;
mod undercuts;
mod withdrawing;

use std::time::Duration;

use pathvane_clock::Instant;
use pathvane_engine::PathId;
use pathvane_score::State;
use pathvane_sim::cloud::Status;
use pathvane_sim::world::{Setup, World};

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// A settled world of two regions, its leader and the other path.
pub(crate) fn settled() -> (World, usize, usize) {
    settled_as(Setup::two_regions())
}

pub(crate) fn settled_as(setup: Setup) -> (World, usize, usize) {
    let world = World::settled(setup);
    let leader = world.leader().expect("a leader");
    (world, leader, 1 - leader)
}

pub(crate) fn state(world: &World, path: usize) -> State {
    world.engine().path(PathId(u16::try_from(path).expect("small"))).verdict.state
}

pub(crate) fn established(world: &World, path: usize) -> bool {
    world.routers()[path].status() == Status::Up
}

#[test]
fn a_fresh_speaker_finds_its_feet() {
    let (world, leader, other) = settled();
    assert!(established(&world, leader) && established(&world, other));
    assert_eq!((world.held(leader), world.held(other)), (Some(20_000), Some(30_000)));
    let lately = world.now() - 30 * SECOND;
    assert_eq!((world.up().lost(lately), world.down().lost(lately)), (0, 0));
    assert_eq!((world.up().path(), world.down().path()), (Some(leader), Some(leader)));
}

#[test]
fn the_first_choice_leads_from_the_start() {
    let world = World::settled(Setup::two_regions());
    assert_eq!(world.moves(Instant::ZERO).len(), 1, "{}", world.story(world.now()));
    assert_eq!(world.leader(), Some(0));
}

#[test]
fn the_same_seed_gives_the_same_life() {
    let life = |seed| {
        let (mut world, leader, _) = settled_as(Setup::two_regions().seed(seed));
        world.impair(leader, |link| link.jitter = 3 * MS);
        world.run_for(20 * SECOND);
        world.impair(leader, |link| link.blackhole = true);
        world.run_for(20 * SECOND);
        format!("{:?} {:?}", world.events(), world.down().packets())
    };
    assert!(life(5) == life(5));
    assert!(life(5) != life(6));
}
