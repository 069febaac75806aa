//! Where a fault is: told by comparing paths, and with the verdict that it explains.

use pathvane_engine::config::Check;
use pathvane_engine::{EventKind, Input, PathId, Place, ServiceId};
use pathvane_score::Reasons;
use pathvane_sim::net::{Link, Loss};
use pathvane_sim::world::{Setup, World};

use crate::{MS, SECOND};

/// Two paths to the east, one to the west, all well.
fn two_ways_east() -> World {
    World::settled(two_ways_east_setup())
}

fn two_ways_east_setup() -> Setup {
    let mut setup = Setup::regions(&[("east", 10), ("east-too", 12), ("west", 20)]);
    setup.engine.paths[1].region = "east".to_owned();
    setup
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
fn a_fault_of_paths_that_share_a_risk_is_put_down_to_it() {
    let mut setup = Setup::regions(&[("east", 10), ("west", 12), ("south", 20)]);
    for (path, risks) in [(0, ["conduit", "x"]), (1, ["y", "conduit"]), (2, ["x", "y"])] {
        setup.engine.paths[path].shared_risk = risks.map(str::to_owned).to_vec();
    }
    let mut world = World::settled(setup);
    assert_eq!(places(&mut world, &[0]), [None; 3], "a lone path says nothing");
    let risk = Some(Place::Risk);
    assert_eq!(places(&mut world, &[1]), [risk, risk, None]);
    let told = "other paths that share `conduit` ail too, and none that shares it is well";
    assert_eq!(world.engine().place_text(PathId(0)).as_deref(), Some(told));
    assert_eq!(places(&mut world, &[2]), [Some(Place::Common); 3]);
}

/// How the way of loss may be known.
#[derive(Clone, Copy, Debug)]
struct Counting {
    /// Source ports that probes leave from.
    ports: u8,
    /// Probes ask by Direct Measurement.
    asked: bool,
    /// Reflectors number their replies themselves, and say what they count.
    stateful: bool,
    counts: bool,
}

/// One port, and a reflector that numbers its replies.
const NUMBERED: Counting = Counting { ports: 1, asked: false, stateful: true, counts: false };

/// Of a path that loses a fifth of what one of its links carries, which ways the verdict names.
fn ways_of_loss(counting: Counting, link: fn(&mut World, usize) -> &mut Link) -> (bool, bool) {
    let mut setup = two_ways_east_setup();
    for probe in setup.engine.paths.iter_mut().flat_map(|path| &mut path.probes) {
        probe.ports = counting.ports;
        probe.options.direct = counting.asked;
    }
    let mut world = World::new(setup);
    world.counting(counting.stateful, counting.counts);
    world.settle();
    link(&mut world, 0).loss = Loss::Bernoulli { ppm: 200_000 };
    world.run_for(5 * SECOND);
    let reasons = world.engine().path(PathId(0)).verdict.reasons;
    assert!(reasons.contains(Reasons::LOSS), "{reasons}");
    (reasons.contains(Reasons::LOSS_FWD), reasons.contains(Reasons::LOSS_REV))
}

#[test]
fn loss_of_one_direction_is_put_down_to_it_though_nothing_was_lost_before() {
    assert_eq!(ways_of_loss(NUMBERED, World::up_link), (true, false));
    assert_eq!(ways_of_loss(NUMBERED, World::down_link), (false, true));
}

#[test]
fn loss_from_several_ports_is_put_down_to_its_direction_by_numbers_or_counts() {
    let counted = Counting { asked: true, stateful: false, counts: true, ..NUMBERED };
    for counting in [NUMBERED, counted, Counting { stateful: true, ..counted }] {
        for ports in [1, 8] {
            let counting = Counting { ports, ..counting };
            assert_eq!(ways_of_loss(counting, World::up_link), (true, false), "{counting:?}");
            assert_eq!(ways_of_loss(counting, World::down_link), (false, true), "{counting:?}");
        }
    }
}

#[test]
fn a_reflector_that_counts_nothing_names_no_direction() {
    // It is not asked, or it leaves zeros.
    for (asked, counts) in [(false, true), (true, false)] {
        let counting = Counting { ports: 8, asked, stateful: false, counts };
        assert_eq!(ways_of_loss(counting, World::down_link), (false, false), "{counting:?}");
    }
}

#[test]
fn the_verdict_tells_where_the_fault_is() {
    let mut world = two_ways_east();
    let since = world.now();
    places(&mut world, &[0, 1]);
    let told = world.events().iter().filter(|event| event.at >= since).any(|event| {
        let EventKind::Verdict { evidence, .. } = &event.kind else { return false };
        let bounds = evidence.split_once(" (R ").and_then(|(_, rest)| rest.split_once(" by "));
        let samples = bounds.and_then(|(_, rest)| rest.split_once(" probes), RTT "));
        evidence.contains("every path to region east ails, other regions do not")
            && samples.is_some_and(|(n, _)| n.parse::<u32>().is_ok_and(|n| n > 100))
    });
    assert!(told, "{}", world.story(since));
}

/// The same world with a second check in each region: those of `region` say what they are told.
fn with_instances(mut setup: Setup) -> (World, impl Fn(&mut World, usize, [bool; 2])) {
    let checks = &mut setup.engine.services[0].checks;
    let regions = checks.len();
    let second = |check: &Check| Check { name: format!("{}2", check.name), ..check.clone() };
    let seconds: Vec<_> = checks.iter().map(second).collect();
    checks.extend(seconds);
    let tell = move |world: &mut World, region: usize, healthy: [bool; 2]| {
        for (nth, healthy) in healthy.into_iter().enumerate() {
            let check = u16::try_from(region + regions * nth).expect("small");
            world.tell(Input::Health { service: ServiceId(0), check, healthy });
        }
    };
    (World::settled(setup), tell)
}

fn told(world: &World, path: u16) -> String {
    world.engine().place_text(PathId(path)).unwrap_or_default()
}

#[test]
fn instances_that_are_sick_at_the_end_of_a_way_that_works_are_the_regions() {
    let (mut world, instances) = with_instances(Setup::two_regions());
    instances(&mut world, 0, [false, true]);
    assert_eq!(world.engine().place(PathId(0)), None, "one of two is no majority");
    let since = world.now();
    instances(&mut world, 0, [false, false]);
    world.run_for(SECOND);
    assert_eq!(world.engine().place(PathId(0)), Some(Place::Region));
    assert_eq!(
        told(&world, 0),
        "the way to region east works, but 2 of 2 instances there are unhealthy"
    );
    assert_eq!(world.engine().place(PathId(1)), None);
    assert_eq!(world.moves(since).len(), 1, "for the instances' sake, as ever");
    // A lone path that ails as well: the checks may go the same way.
    world.impair(0, |link| link.blackhole = true);
    world.run_for(SECOND);
    assert_eq!(world.engine().place(PathId(0)), None);
}

#[test]
fn sick_instances_behind_several_paths_that_ail_are_the_regions() {
    let mut setup = Setup::regions(&[("east", 10), ("east-too", 12)]);
    setup.engine.paths[1].region = "east".to_owned();
    let (mut world, instances) = with_instances(setup);
    for path in [0, 1] {
        world.impair(path, |link| link.blackhole = true);
    }
    world.run_for(SECOND);
    assert_eq!(told(&world, 0), "", "two paths to one region, and no other to compare");
    instances(&mut world, 0, [false, false]);
    for path in [0, 1] {
        let sick = "every path to region east ails, and 2 of 2 instances there are unhealthy";
        assert_eq!(told(&world, path), sick);
    }
}

/// Of a path one of whose links changes, which alarms the verdict has, with their directions.
fn alarms(link: fn(&mut World, usize) -> &mut Link, change: fn(&mut Link)) -> Vec<&'static str> {
    let mut world = two_ways_east();
    change(link(&mut world, 0));
    world.run_for(5 * SECOND);
    let told = world.engine().path(PathId(0)).verdict.reasons.names();
    told.filter(|name| name.starts_with("delay") || name.starts_with("jitter")).collect()
}

#[test]
fn a_step_of_delay_is_put_down_to_its_direction() {
    let longer = |link: &mut Link| link.delay += 40 * MS;
    assert_eq!(alarms(World::up_link, longer), ["delay", "delay-forward"]);
    assert_eq!(alarms(World::down_link, longer), ["delay", "delay-reverse"]);
}

#[test]
fn jitter_is_put_down_to_its_direction() {
    let varying = |link: &mut Link| link.jitter = 60 * MS;
    for (link, named) in [
        (World::up_link as fn(&mut World, usize) -> &mut Link, "jitter-forward"),
        (World::down_link, "jitter-reverse"),
    ] {
        let alarms = alarms(link, varying);
        assert!(alarms.contains(&"jitter") && alarms.contains(&named), "{alarms:?}");
        let other = if named == "jitter-forward" { "reverse" } else { "forward" };
        assert!(!alarms.iter().any(|alarm| alarm.ends_with(other)), "{alarms:?}");
    }
}

#[test]
fn the_event_of_a_step_names_its_direction() {
    let mut world = two_ways_east();
    let since = world.now();
    World::down_link(&mut world, 0).delay += 40 * MS;
    world.run_for(SECOND);
    let told = world.events().iter().filter(|event| event.at >= since).any(|event| {
        let EventKind::Verdict { evidence, .. } = &event.kind else { return false };
        evidence.contains("delay+delay-reverse")
    });
    assert!(told, "{}", world.story(since));
}
