//! A failover does not overload a standby while another path has room, and uses it if none has.

use std::time::Duration;

use pathvane_engine::{PathId, ServiceId};
use pathvane_score::Class;
use pathvane_sim::world::{Setup, World};

use crate::{MS, SECOND};

const MEGA: u64 = 1_000_000;

/// Two services of 60 Mbit/s over these paths, the nearer the earlier, with so much room each.
fn two_services(capacities: &[u64]) -> World {
    let regions = [("east", 10), ("central", 12), ("west", 20)];
    let mut setup = Setup::regions(&regions[..capacities.len()]);
    for (path, capacity) in setup.engine.paths.iter_mut().zip(capacities) {
        path.capacity = Some(*capacity);
    }
    let first = &mut setup.engine.services[0];
    first.load = Some(60 * MEGA);
    let mut second = first.clone();
    second.name = "desktops".to_owned();
    second.announce.clear();
    second.reach = vec!["10.200.0.0/16".parse().expect("a prefix")];
    second.checks.clear();
    setup.engine.services.push(second);
    World::settled(setup)
}

fn leaders(world: &World) -> [Option<usize>; 2] {
    [0, 1].map(|id| world.engine().service(ServiceId(id)).leader.map(PathId::index))
}

/// Kills path 0, which both services use; the leaders after `time`.
fn after_death(world: &mut World, time: Duration) -> [Option<usize>; 2] {
    assert_eq!(leaders(world), [Some(0); 2]);
    world.impair(0, |link| link.blackhole = true);
    world.run_for(time);
    leaders(world)
}

#[test]
fn a_standby_with_room_for_one_takes_one_and_the_other_goes_elsewhere() {
    let mut world = two_services(&[1000 * MEGA, 100 * MEGA, 100 * MEGA]);
    let broke = world.now();
    assert_eq!(after_death(&mut world, 500 * MS), [Some(1), Some(2)], "{}", world.story(broke));
    let moves = world.moves(broke);
    assert_eq!(moves.len(), 2);
    assert_eq!(moves[1].cause, "nothing gets through east; west has room, central has not");
    assert!(moves[1].alternatives[1].1.ends_with("120 % of its capacity used"), "{moves:?}");
    assert_eq!(world.engine().utilisation(ServiceId(1), PathId(1)), Some(1.2));
    // Nothing is wrong with that: nothing moves any more.
    world.run_for(120 * SECOND);
    assert_eq!(world.moves(broke).len(), 2, "{}", world.story(broke));
}

#[test]
fn with_room_for_both_both_go_to_the_best_standby() {
    let mut world = two_services(&[1000 * MEGA, 200 * MEGA, 200 * MEGA]);
    assert_eq!(after_death(&mut world, 500 * MS), [Some(1); 2]);
}

#[test]
fn the_last_usable_path_is_taken_full_or_not() {
    let mut world = two_services(&[1000 * MEGA, 100 * MEGA]);
    assert_eq!(after_death(&mut world, 500 * MS), [Some(1); 2]);
    world.impair(0, |link| link.blackhole = false);
    let apart = |world: &World| {
        leaders(world) == [Some(0), Some(1)] || leaders(world) == [Some(1), Some(0)]
    };
    world.run_until(300 * SECOND, apart).expect("one of them leaves the full path");
    world.run_for(SECOND);
    let since = world.now();
    world.run_for(120 * SECOND);
    assert_eq!(world.moves(since).len(), 0, "the other has room now: {}", world.story(since));
}

/// Of equally clean paths each is scored by its own width.
#[test]
fn bulk_goes_over_the_wide_path_though_the_narrow_one_is_nearer() {
    let mut setup = Setup::regions(&[("east", 10), ("west", 20)]);
    for (path, mega) in setup.engine.paths.iter_mut().zip([2, 8]) {
        path.capacity = Some(mega * MEGA);
    }
    setup.engine.services[0].class = Class::Bulk;
    let world = World::settled(setup);
    let service = world.engine().service(ServiceId(0));
    let scores: Vec<f64> = service.paths.iter().map(|(.., score)| score.value.round()).collect();
    assert_eq!((service.leader, scores), (Some(PathId(1)), vec![46.0, 92.0]));
}
