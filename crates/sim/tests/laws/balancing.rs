//! Strategy `balance`: several paths carry a service together, and each lives by a leader's laws.

use pathvane_clock::Instant;
use pathvane_engine::{Output, PathId, ServiceId, Signal, Via};
use pathvane_score::Strategy;
use pathvane_sim::net::Loss;
use pathvane_sim::world::{Setup, World, region_prefix};

use crate::scenes::{kernel_was_asked, reflectors, withheld, worsen};
use crate::{MS, SECOND, state};

/// Two tunnels, 10 and 12 ms long, to two routers of one region, which tell the same.
fn two_tunnels() -> Setup {
    tunnels(&[("east", 10), ("also-east", 12)])
}

fn tunnels(paths: &[(&str, u64)]) -> Setup {
    let mut setup = Setup::regions(paths);
    setup.engine.services[0].strategy = Strategy::Balance;
    setup.engine.multipath = 4;
    for router in &mut setup.routers {
        router.region = paths[0].0.to_owned();
    }
    setup
}

fn carry(world: &World) -> Vec<usize> {
    world.engine().service(ServiceId(0)).carry.iter().map(|share| share.path.index()).collect()
}

/// The paths that the latest packets took to the cloud and to the site.
fn taken(world: &World) -> [Vec<usize>; 2] {
    [world.up(), world.down()].map(|flow| {
        let packets = flow.packets();
        let latest = &packets[packets.len() - 18..];
        let mut paths: Vec<usize> = latest.iter().filter_map(|packet| packet.path).collect();
        paths.sort_unstable();
        paths.dedup();
        paths
    })
}

/// A settled world in which both carry, both ways.
fn balanced(setup: Setup) -> World {
    let world = World::settled(setup);
    assert_eq!(carry(&world), [0, 1], "{}", world.story(Instant::ZERO));
    assert_eq!(taken(&world), [[0, 1], [0, 1]]);
    world
}

#[test]
fn both_carry_with_equal_meds_and_what_both_offer_follows_the_group() {
    let world = balanced(two_tunnels());
    assert_eq!((world.held(0), world.held(1)), (Some(20_000), Some(20_000)));
    let told = world.asked(Instant::ZERO).filter_map(|(_, output)| match output {
        Output::FibRoute { prefix, via } if *prefix == region_prefix(0) => Some(*via),
        _ => None,
    });
    assert_eq!(told.last(), Some(Some(Via::Service(ServiceId(0)))));
    let lately = world.now() - 30 * SECOND;
    assert_eq!((world.up().lost(lately), world.down().lost(lately)), (0, 0));
    assert_eq!(world.moves(lately).len(), 0);
}

#[test]
fn a_prefix_that_one_of_them_alone_offers_goes_over_that_one() {
    let mut setup = two_tunnels();
    setup.routers[0].advertised.retain(|told| told.prefix != region_prefix(1));
    let world = balanced(setup);
    let told = world.asked(Instant::ZERO).filter_map(|(_, output)| match output {
        Output::FibRoute { prefix, via } if *prefix == region_prefix(1) => Some(*via),
        _ => None,
    });
    assert_eq!(told.last(), Some(Some(Via::Path(PathId(1)))));
}

#[test]
fn capacity_decides_how_much_each_carries() {
    let mut setup = two_tunnels();
    for (path, capacity) in setup.engine.paths.iter_mut().zip([1_000_000, 250_000]) {
        path.capacity = Some(capacity);
    }
    let world = balanced(setup);
    let carry = world.engine().service(ServiceId(0)).carry;
    assert_eq!(carry.iter().map(|share| share.weight).collect::<Vec<_>>(), [8, 2]);
    let packets = world.up().packets();
    let over_first = |packet: &&pathvane_sim::world::Packet| packet.path == Some(0);
    assert_eq!(packets[packets.len() - 100..].iter().filter(over_first).count(), 80);
}

#[test]
fn one_that_goes_silent_leaves_at_once_and_the_other_undercuts_what_it_held() {
    for seed in 0..5 {
        let mut world = balanced(two_tunnels().seed(seed));
        world.run_for(37 * MS * u32::try_from(seed).expect("small"));
        let broke = world.now();
        world.impair(1, |link| link.blackhole = true);
        let left = world.run_until(2 * SECOND, |world| carry(world) == [0]);
        assert!(left.is_some_and(|took| took < 500 * MS), "seed {seed}: {left:?}");
        let is_deed =
            |output: &&Output| matches!(output, Output::FibGroup { .. } | Output::Transmit { .. });
        let first = world.asked(broke).map(|(_, output)| output).find(is_deed);
        assert!(matches!(first, Some(Output::FibGroup { .. })), "first here, then there");
        world.run_for(3 * SECOND);
        assert_eq!(world.moves(broke).len(), 1, "{}", world.story(broke));
        assert_eq!(world.moves(broke)[0].cause, "nothing gets through also-east");
        let told = &world.moves(broke)[0];
        assert_eq!(told.alternatives.len(), world.engine().config().paths.len(), "{told:?}");
        assert_eq!((taken(&world), world.held(0)), ([vec![0], vec![0]], Some(10_000)));
        let lost = (world.up().lost(broke), world.down().lost(broke));
        assert!(lost.0 <= 15 && lost.1 <= 30, "half of half a second: {lost:?}");
    }
}

#[test]
fn one_that_gets_worse_leaves_without_a_loss_and_is_not_withdrawn() {
    let mut world = balanced(two_tunnels());
    let worse = world.now();
    worsen(&mut world, 1);
    world.run_for(20 * SECOND);
    assert_eq!(carry(&world), [0], "{}", world.story(worse));
    assert_eq!((world.up().lost(worse), world.down().lost(worse)), (0, 0));
    assert!(!withheld(&world, 1, worse));
    assert!(world.held(1).is_some_and(|med| med > 20_000));
    assert_eq!((world.moves(worse).len(), taken(&world)), (1, [vec![0], vec![0]]));
}

#[test]
fn one_that_is_well_again_returns_as_slowly_as_a_recovering_path() {
    let mut world = balanced(two_tunnels());
    world.impair(1, |link| link.blackhole = true);
    world.run_for(5 * SECOND);
    world.impair(1, |link| link.blackhole = false);
    let repaired = world.now();
    world.run_for(35 * SECOND);
    assert_eq!((world.moves(repaired).len(), carry(&world)), (0, vec![0]));
    let back = world.run_until(60 * SECOND, |world| carry(world) == [0, 1]);
    assert!(back.is_some(), "{}", world.story(repaired));
    world.run_for(30 * SECOND);
    assert_eq!(world.moves(repaired).len(), 1);
    assert_eq!((world.held(0), world.held(1)), (Some(20_000), Some(20_000)));
    assert_eq!(taken(&world), [[0, 1], [0, 1]]);
    assert_eq!((world.up().lost(repaired + SECOND), world.down().lost(repaired + SECOND)), (0, 0));
}

#[test]
fn a_fault_of_all_moves_and_withdraws_nothing() {
    let mut world = balanced(two_tunnels());
    let broke = world.now();
    world.impair_last_mile(|link| link.blackhole = true);
    world.run_for(10 * SECOND);
    world.impair_last_mile(|link| link.blackhole = false);
    world.run_for(30 * SECOND);
    assert_eq!(
        (world.moves(broke).len(), carry(&world)),
        (0, vec![0, 1]),
        "{}",
        world.story(broke)
    );
    assert!(!withheld(&world, 0, broke) && !withheld(&world, 1, broke));
    let worst = world.signals(0, broke).iter().chain(&world.signals(1, broke)).count();
    assert_eq!(worst, 0, "{}", world.story(broke));
}

#[test]
fn noise_moves_nothing_and_tells_nobody() {
    let mut world = balanced(two_tunnels().seed(11));
    for path in 0..2 {
        world.up_link(path).loss = Loss::Bernoulli { ppm: 5_000 };
        world.impair(path, |link| {
            link.jitter = MS / 2;
            link.spikes_ppm = 1_000;
        });
    }
    world.run_for(300 * SECOND);
    let since = world.now();
    world.run_for(600 * SECOND);
    assert_eq!(world.moves(since).len(), 0, "{}", world.story(since));
    assert!(!kernel_was_asked(&world, since));
    assert_eq!(world.signals(0, since).len() + world.signals(1, since).len(), 0);
}

#[test]
fn two_of_three_that_die_together_leave_together() {
    let mut world = World::settled(tunnels(&[("east", 10), ("also-east", 12), ("third", 14)]));
    assert_eq!(carry(&world), [0, 1, 2]);
    let broke = world.now();
    for path in [0, 2] {
        reflectors(&mut world, path, false);
    }
    world.run_for(5 * SECOND);
    assert_eq!(carry(&world), [1], "{}", world.story(broke));
    assert_eq!(taken(&world), [[1], [1]]);
    assert!(world.signals(0, broke).iter().any(|(_, signal)| *signal == Signal::Withhold));
    // The last one that carries dies, too: it stays, and is not withdrawn.
    let last = world.now();
    reflectors(&mut world, 1, false);
    world.run_for(20 * SECOND);
    assert_eq!((carry(&world), withheld(&world, 1, last)), (vec![1], false));
}

#[test]
fn a_dead_prober_and_a_freeze_keep_the_set() {
    let mut world = balanced(two_tunnels());
    let dead = world.now();
    world.prober(false);
    reflectors(&mut world, 1, false);
    world.run_for(60 * SECOND);
    assert_eq!((world.moves(dead).len(), carry(&world)), (0, vec![0, 1]));
    world.prober(true);
    world.run_until(10 * SECOND, |world| carry(world) == [0]).expect("fresh samples move");
    let mut world = balanced(two_tunnels());
    world.tell(pathvane_engine::Input::Command(pathvane_engine::Command::Freeze));
    world.impair(1, |link| link.blackhole = true);
    let frozen = world.now();
    world.run_for(20 * SECOND);
    assert_eq!((world.moves(frozen).len(), carry(&world)), (0, vec![0, 1]));
    assert!(!kernel_was_asked(&world, frozen));
}

#[test]
fn a_flapping_one_is_damped() {
    let mut world = balanced(two_tunnels());
    let start = world.now();
    for _ in 0..20 {
        world.impair(1, |link| link.blackhole = true);
        world.run_for(4 * SECOND);
        world.impair(1, |link| link.blackhole = false);
        world.run_for(56 * SECOND);
    }
    let moves = world.moves(start).len();
    assert!(moves <= 8, "{moves} moves in 20 flaps: {}", state(&world, 1));
    assert_eq!(carry(&world), [0]);
}
