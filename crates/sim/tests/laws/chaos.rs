//! Whatever broke, in whatever order: once all is repaired, all is well again.

use std::time::Duration;

use pathvane_sim::net::{Link, Loss};
use pathvane_sim::world::{Setup, World};

use crate::{MS, SECOND, established};

/// One random misfortune, or its end.
fn misfortune(world: &mut World, rng: &mut fastrand::Rng, delays: &[Duration]) {
    let path = rng.usize(0..2);
    let burst =
        Loss::GilbertElliott { to_bad_ppm: 10_000, to_good_ppm: 200_000, bad_loss_ppm: 800_000 };
    match rng.u32(0..12) {
        0 => world.up_link(path).blackhole = true,
        1 => world.down_link(path).blackhole = true,
        2 => world.impair(path, |link| link.blackhole = true),
        3 => world.cut_sessions(path),
        4 => world.impair(path, |link| link.loss = Loss::Bernoulli { ppm: 30_000 }),
        5 => world.up_link(path).loss = burst,
        6 => world.impair(path, |link| link.jitter = 40 * MS),
        7 => world.reflector(path, rng.usize(0..2), rng.bool()),
        8 => world.stall(Duration::from_millis(rng.u64(10..2_000))),
        9 => world.with_router(path, |router, now| router.handle_maintenance(now, 15 * SECOND)),
        10 => world.impair_last_mile(|link| link.blackhole = true),
        _ => repair(world, delays),
    }
}

fn repair(world: &mut World, delays: &[Duration]) {
    for (path, delay) in delays.iter().enumerate() {
        world.impair(path, |link| *link = Link::new(*delay));
        (0..2).for_each(|nth| world.reflector(path, nth, true));
    }
    world.impair_last_mile(|link| *link = Link::new(Duration::ZERO));
}

#[test]
fn after_any_misfortunes_a_repaired_world_is_well_again() {
    for seed in 0..6 {
        let setup = Setup::two_regions().seed(seed);
        let delays = setup.delays.clone();
        let mut world = World::settled(setup);
        let mut rng = fastrand::Rng::with_seed(seed);
        for _ in 0..25 {
            misfortune(&mut world, &mut rng, &delays);
            world.run_for(Duration::from_millis(rng.u64(100..20_000)));
        }
        repair(&mut world, &delays);
        let repaired = world.now();
        world.run_for(600 * SECOND);
        let story = || format!("seed {seed}: {}", world.story(repaired - 30 * SECOND));
        let lately = world.now() - 60 * SECOND;
        assert!(established(&world, 0) && established(&world, 1), "{}", story());
        assert_eq!((world.up().lost(lately), world.down().lost(lately)), (0, 0), "{}", story());
        assert_eq!(world.moves(lately).len(), 0, "{}", story());
        let leader = world.leader().expect("a leader");
        assert_eq!(world.down().path(), Some(leader), "{}", story());
        assert_eq!(world.held(leader), Some(20_000), "{}", story());
        // Not less than 30000: a path that failed often is still damped.
        assert!(world.held(1 - leader).is_some_and(|med| med >= 30_000), "{}", story());
    }
}
