//! Nothing moves when nothing is wrong: noise alone, through the whole engine.

use std::f64::consts::TAU;
use std::time::Duration;

use pathvane_engine::EventKind;
use pathvane_score::Class;
use pathvane_sim::net::{Link, Loss};
use pathvane_sim::world::{Setup, World};

use crate::{MS, SECOND, settled_as};

/// Half a percent of loss on the way up, each in its own manner.
const NOISES: [(&str, Loss); 3] = [
    ("random losses", Loss::Bernoulli { ppm: 5_000 }),
    ("gaps of 20 ms", Loss::Gaps { to_bad_ppm: 5_025, to_good_ppm: 1_000_000 }),
    ("gaps of 40 ms", Loss::Gaps { to_bad_ppm: 2_513, to_good_ppm: 500_000 }),
];

/// What steering did: moves, switches of the kernel, and what peers were told.
#[derive(Debug, Default, PartialEq)]
struct Deeds {
    moves: usize,
    switches: usize,
    updates: usize,
}

/// Delay that follows the hour: up to 6 ms more each way at noon.
fn diurnal(second: u64) -> Duration {
    Duration::from_secs_f64((3.0 - 3.0 * (TAU * second as f64 / 86_400.0).cos()) / 1e3)
}

/// A world under one noise on both paths, with 0.1 % of packets 20 to 120 ms late each way.
fn noisy(class: Class, loss: Loss, seed: u64) -> World {
    let mut setup = Setup::two_regions().seed(seed);
    setup.engine.services[0].class = class;
    let (mut world, ..) = settled_as(setup);
    for path in 0..2 {
        world.up_link(path).loss = loss;
        world.impair(path, |link| {
            link.jitter = MS / 2;
            link.spikes_ppm = 1_000;
        });
    }
    world
}

/// Lives with the noise until its gaps are known, then counts what steering does while the delay
/// swings with the hour.
fn live(class: Class, loss: Loss, seed: u64, learning: Duration, time: Duration) -> Deeds {
    let delays = Setup::two_regions().delays;
    let mut world = noisy(class, loss, seed);
    world.run_for(learning);
    let mut deeds = Deeds::default();
    for minute in 0..time.as_secs() / 60 {
        for (path, delay) in delays.iter().enumerate() {
            let delay = *delay + diurnal(60 * minute);
            world.impair(path, |link: &mut Link| link.delay = delay);
        }
        world.forget();
        world.run_for(60 * SECOND);
        count(&world, &mut deeds);
    }
    deeds
}

fn count(world: &World, deeds: &mut Deeds) {
    for event in world.events() {
        match event.kind {
            EventKind::Move(_) => deeds.moves += 1,
            EventKind::FibGroup { .. } => deeds.switches += 1,
            EventKind::Signal { .. } => deeds.updates += 1,
            _ => {}
        }
    }
}

#[test]
fn noise_moves_nothing_and_tells_nobody() {
    for (noise, loss) in NOISES {
        for (seed, class) in (1..).zip(Class::ALL) {
            let deeds = live(class, loss, seed, 1_200 * SECOND, 900 * SECOND);
            assert_eq!(deeds, Deeds::default(), "{noise}, {class}");
        }
    }
}

#[test]
fn an_outage_in_the_noise_is_still_left() {
    for (noise, loss) in NOISES {
        let mut world = noisy(Class::Voice, loss, 12);
        world.run_for(600 * SECOND);
        let leader = world.leader().expect("a leader");
        world.impair(leader, |link| link.blackhole = true);
        let took = world.run_until(5 * SECOND, |world| world.leader() == Some(1 - leader));
        assert!(took.is_some_and(|took| took < 600 * MS), "{noise}: {took:?}");
    }
}

/// `cargo xtask soak noise-day`: minutes in a release build. Standbys of the other classes are probed so
/// seldom that a few gaps in a row may look like loss once in some days: that may be told.
#[test]
#[ignore = "a whole day of each noise"]
fn a_whole_day_of_noise_moves_nothing_and_tells_nobody() {
    println!(
        "| noise, 24 h through the engine after an hour of it | class | moves | switches | UPDATEs |"
    );
    println!("|---|---|---|---|---|");
    let mut sound = true;
    for (noise, loss) in NOISES {
        for class in Class::ALL {
            let deeds = live(class, loss, 7, 3_600 * SECOND, 86_400 * SECOND);
            let Deeds { moves, switches, updates } = deeds;
            println!("| 0.5 % in {noise} | {class} | {moves} | {switches} | {updates} |");
            let told = if class == Class::Voice { updates } else { 0 };
            sound &= moves + switches + told == 0;
        }
    }
    assert!(sound, "noise moved something");
}
