//! Law 2: move first here, then there. Law 3: dead: withdraw, degraded: re-rank. Law 6: a
//! shared fault moves nothing.

use std::time::Duration;

use pathvane_clock::Instant;
use pathvane_engine::Signal;
use pathvane_score::State;
use pathvane_sim::net::Loss;
use pathvane_sim::world::{Setup, World};

use crate::scenes::peers_down;
use crate::{MS, SECOND, established, settled, settled_as, state};

#[test]
fn a_silent_death_costs_each_direction_well_under_a_second() {
    for seed in 0..10 {
        let mut setup = Setup::two_regions().seed(seed);
        setup.vpc.delay.change = 50 * MS;
        let (mut world, leader, other) = settled_as(setup);
        for path in [leader, other] {
            world.impair(path, |link| link.jitter = 4 * MS);
        }
        world.run_for(10 * SECOND + 37 * MS * u32::try_from(seed).expect("small"));
        let broke = world.now();
        world.impair(leader, |link| link.blackhole = true);
        world.run_for(10 * SECOND);
        let (up, down) = (world.up().longest_outage(broke), world.down().longest_outage(broke));
        assert!(up < 500 * MS, "seed {seed}: to the cloud {up:?}");
        assert!(down < 600 * MS, "seed {seed}: to the site {down:?}");
        assert_eq!(world.moves(broke).len(), 1, "seed {seed}: one move");
        assert_eq!(world.leader(), Some(other), "seed {seed}");
    }
}

#[test]
fn one_silent_reflector_re_ranks_but_withdraws_nothing() {
    let (mut world, leader, _) = settled();
    let broke = world.now();
    world.reflector(leader, 0, false);
    world.run_for(60 * SECOND);
    assert_ne!(state(&world, leader), State::Down);
    let withheld = world.signals(leader, broke).iter().any(|(_, s)| *s == Signal::Withhold);
    assert!(!withheld, "{:?}", world.signals(leader, broke));
    assert!(world.held(leader).is_some());
    assert_eq!((world.up().lost(broke), world.down().lost(broke)), (0, 0));
}

#[test]
fn a_lossy_path_is_re_ranked_and_not_withdrawn() {
    let (mut world, leader, other) = settled();
    let broke = world.now();
    world.impair(leader, |link| link.loss = Loss::Bernoulli { ppm: 60_000 });
    let took = world.run_until(20 * SECOND, |world| world.leader() == Some(other));
    assert!(took.is_some(), "moved for quality");
    world.run_for(20 * SECOND);
    let med = world.held(leader).expect("still announced");
    assert!(med >= 30_000, "{med}");
    assert!(world.held(other).is_some_and(|med| med <= 20_000));
    assert!(established(&world, leader));
    let withheld = world.signals(leader, broke).iter().any(|(_, s)| *s == Signal::Withhold);
    assert!(!withheld);
}

/// Kills what is behind both routers, one region after the other; the MEDs still held.
fn nothing_left(withdraw_last: bool) -> [Option<u32>; 2] {
    let mut setup = Setup::two_regions();
    setup.engine.services[0].withdraw_last = withdraw_last;
    let (mut world, leader, other) = settled_as(setup);
    for path in [leader, other] {
        (0..2).for_each(|nth| world.reflector(path, nth, false));
        world.run_for(20 * SECOND);
    }
    [world.held(leader), world.held(other)]
}

#[test]
fn the_last_usable_way_is_not_withdrawn() {
    assert!(nothing_left(false).iter().any(Option::is_some));
}

#[test]
fn the_last_usable_way_is_withdrawn_where_the_operator_opted_in() {
    assert_eq!(nothing_left(true), [None, None]);
}

fn last_mile_outage(outage: Duration) -> (World, usize, Instant) {
    let (mut world, leader, _) = settled();
    let broke = world.now();
    world.impair_last_mile(|link| link.blackhole = true);
    world.run_for(outage);
    world.impair_last_mile(|link| link.blackhole = false);
    world.run_for(30 * SECOND);
    (world, leader, broke)
}

const OUTAGES: [Duration; 3] = [Duration::from_millis(500), SECOND, Duration::from_secs(10)];

#[test]
fn a_last_mile_outage_costs_no_more_than_itself() {
    for outage in OUTAGES {
        let (world, _, broke) = last_mile_outage(outage);
        for flow in [world.up(), world.down()] {
            let longer = flow.longest_outage(broke).saturating_sub(outage);
            assert!(longer <= 100 * MS, "after {outage:?}: {longer:?} longer");
        }
        assert_eq!(peers_down(&world, broke), 0);
    }
}

#[test]
fn a_last_mile_outage_moves_and_withdraws_nothing() {
    for outage in OUTAGES {
        let (world, leader, broke) = last_mile_outage(outage);
        assert_eq!(world.moves(broke).len(), 0, "after {outage:?}: {}", world.story(broke));
        assert_eq!(world.leader(), Some(leader));
        for path in 0..2 {
            let withheld = world.signals(path, broke).iter().any(|(_, s)| *s == Signal::Withhold);
            assert!(!withheld, "after {outage:?}: {}", world.story(broke));
        }
    }
}

#[test]
fn paths_that_share_a_risk_and_fail_together_are_left_together() {
    let mut setup = Setup::regions(&[("east", 10), ("central", 12), ("west", 20)]);
    setup.engine.paths[0].shared_risk.push("conduit".to_owned());
    setup.engine.paths[1].shared_risk.push("conduit".to_owned());
    let mut world = World::settled(setup);
    let broke = world.now();
    for path in [0, 1] {
        world.impair(path, |link| link.blackhole = true);
    }
    world.run_for(10 * SECOND);
    assert_eq!((world.leader(), world.down().path()), (Some(2), Some(2)));
    for flow in [world.up(), world.down()] {
        assert!(flow.longest_outage(broke) < 600 * MS, "{}", world.story(broke));
    }
}

#[test]
fn a_fault_is_not_fled_from_to_a_path_that_shares_its_risk() {
    for (risks, refuge) in [(["conduit", "carrier"], 2), (["carrier", "conduit"], 1)] {
        let mut setup = Setup::regions(&[("east", 10), ("central", 12), ("west", 20)]);
        // `east` shares one of two with `central` or with `west`.
        setup.engine.paths[0].shared_risk = vec!["conduit".to_owned(), "east".to_owned()];
        for (path, risk) in [(1, risks[0]), (2, risks[1])] {
            setup.engine.paths[path].shared_risk = vec![risk.to_owned(), "any".to_owned()];
        }
        let mut world = World::settled(setup);
        let broke = world.now();
        assert_eq!(world.leader(), Some(0));
        world.impair(0, |link| link.blackhole = true);
        world.run_for(5 * SECOND);
        let moves = world.moves(broke);
        assert_eq!((world.leader(), moves.len()), (Some(refuge), 1), "{}", world.story(broke));
        let shares =
            format!("shares `conduit` with it, {} does not", ["", "central", "west"][refuge]);
        assert!(moves[0].cause.contains(&shares), "{}", moves[0].cause);
    }
}
