//! Law 2, the kernel's side: a learned prefix follows its service where every path that carries offers it,
//! and stays on one that does where not.

use pathvane_engine::{Output, PathId, ServiceId, Via};
use pathvane_sim::world::{Setup, World, region_prefix};

use crate::SECOND;

/// Two regions, whose subnets both routers tell, the one of the west only if `everywhere`.
fn world(everywhere: bool, multipath: u8) -> World {
    let mut setup = Setup::two_regions();
    setup.engine.multipath = multipath;
    if !everywhere {
        setup.routers[0].advertised.retain(|told| told.prefix != region_prefix(1));
    }
    let world = World::settled(setup);
    assert_eq!(world.leader(), Some(0));
    world
}

/// What the kernel was last told of a region's subnet.
fn via(world: &World, region: usize) -> Option<Via> {
    let told = world.asked(pathvane_clock::Instant::ZERO).filter_map(|(_, output)| match output {
        Output::FibRoute { prefix, via } if *prefix == region_prefix(region) => Some(*via),
        _ => None,
    });
    told.last().flatten()
}

#[test]
fn what_the_leader_offers_follows_the_group_and_the_rest_another_path() {
    for multipath in [1, 4] {
        let (service, west) = (Via::Service(ServiceId(0)), Via::Path(PathId(1)));
        let mut world = self::world(false, multipath);
        assert_eq!([0, 1].map(|region| via(&world, region)), [Some(service), Some(west)]);
        world.impair(0, |link| link.blackhole = true);
        world.run_for(5 * SECOND);
        assert_eq!(world.leader(), Some(1));
        assert_eq!([0, 1].map(|region| via(&world, region)), [Some(service); 2]);
    }
}

#[test]
fn where_everybody_offers_everything_a_move_is_one_message() {
    let mut world = self::world(true, 4);
    let broke = world.now();
    world.impair(0, |link| link.blackhole = true);
    world.run_for(5 * SECOND);
    let asked = |wanted: fn(&Output) -> bool| {
        world.asked(broke).filter(|(_, output)| wanted(output)).count()
    };
    assert_eq!(asked(|output| matches!(output, Output::FibGroup { .. })), 1);
    assert_eq!(asked(|output| matches!(output, Output::FibRoute { .. })), 0);
}
