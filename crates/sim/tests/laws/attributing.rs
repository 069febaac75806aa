//! Where a fault is: told by comparing paths, and with the verdict that it explains.

use pathvane_engine::{EventKind, PathId, Place};
use pathvane_sim::world::{Setup, World};

use crate::SECOND;

/// Two paths to the east, one to the west, all well.
fn two_ways_east() -> World {
    let mut setup = Setup::regions(&[("east", 10), ("east-too", 12), ("west", 20)]);
    setup.engine.paths[1].region = "east".to_owned();
    World::settled(setup)
}

/// Breaks some paths and tells where each one's fault is said to be.
fn places(world: &mut World, broken: &[usize]) -> [Option<Place>; 3] {
    for &path in broken {
        world.impair(path, |link| link.blackhole = true);
    }
    world.run_for(SECOND);
    [0, 1, 2].map(|path| world.engine().place(PathId(path)))
}

#[test]
fn a_fault_is_put_down_to_the_path_the_region_or_what_all_share() {
    let mut world = two_ways_east();
    assert_eq!(places(&mut world, &[]), [None; 3]);
    assert_eq!(places(&mut world, &[0]), [Some(Place::Path), None, None]);
    let region = Some(Place::Region);
    assert_eq!(places(&mut world, &[1]), [region, region, None]);
    assert_eq!(places(&mut world, &[2]), [Some(Place::Common); 3]);
}

#[test]
fn a_lone_path_to_a_region_says_nothing_of_the_region() {
    assert_eq!(places(&mut two_ways_east(), &[2]), [None; 3]);
}

#[test]
fn the_verdict_tells_where_the_fault_is() {
    let mut world = two_ways_east();
    let since = world.now();
    places(&mut world, &[0, 1]);
    let told = world.events().iter().filter(|event| event.at >= since).any(|event| {
        let EventKind::Verdict { evidence, .. } = &event.kind else { return false };
        evidence.contains("every path to region east ails, other regions do not")
    });
    assert!(told, "{}", world.story(since));
}
