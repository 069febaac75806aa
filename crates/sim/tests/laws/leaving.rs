//! Law 10: leaving step by step; kernel routes of an earlier run are kept until everything is known.

use pathvane_clock::Instant;
use pathvane_engine::{Command, EventKind, Input, Output, Signal};
use pathvane_session::DownCause;
use pathvane_sim::world::{Setup, World};
use pathvane_wire::{cease, code};

use crate::{MS, SECOND, established, settled};

#[test]
fn a_drain_raises_then_withdraws_then_says_administrative_shutdown() {
    let (mut world, leader, other) = settled();
    let start = world.now();
    world.tell(Input::Command(Command::Drain { text: String::new() }));
    world.run_for(100 * MS);
    assert_eq!((world.held(leader), world.held(other)), (Some(40_000), Some(40_000)));
    world.run_until(10 * SECOND, |world| world.held(leader).is_none()).expect("withdrawn");
    let withdrawn = world.now();
    assert!(withdrawn.since(start) >= world.engine().config().timing.drain_wait);
    assert!(established(&world, leader), "withdrawn before the session ends");
    world.run_until(10 * SECOND, World::drained).expect("drained");
    for path in [leader, other] {
        let [(raised, Signal::Announce { med: 40_000 }), (withheld, Signal::Withhold)] =
            world.signals(path, start)[..]
        else {
            panic!("{}", world.story(start));
        };
        assert!(withheld.since(raised) >= world.engine().config().timing.drain_wait);
    }
    drained_comes_last(&world, start);
    world.run_for(SECOND);
    for router in world.routers() {
        let Some(DownCause::Received(told)) = router.last_down().map(|down| &down.cause) else {
            panic!("{:?}", router.last_down());
        };
        assert_eq!((told.code, told.subcode), (code::CEASE, cease::ADMINISTRATIVE_SHUTDOWN));
        assert_eq!(router.routes().count(), 0);
    }
}

fn drained_comes_last(world: &World, since: Instant) {
    let place = |wanted: fn(&Output) -> bool| {
        world.asked(since).filter(|(_, output)| wanted(output)).map(|(at, _)| at).last()
    };
    let closed = place(|output| matches!(output, Output::Close { .. }));
    let drained = place(|output| matches!(output, Output::Drained));
    assert!(closed.is_some() && closed <= drained, "{closed:?} {drained:?}");
}

#[test]
fn no_verdict_moves_traffic_while_leaving() {
    let (mut world, leader, _) = settled();
    let start = world.now();
    world.tell(Input::Command(Command::Drain { text: String::new() }));
    world.impair(leader, |link| link.blackhole = true);
    world.run_for(1_500 * MS);
    assert_eq!((world.moves(start).len(), world.leader()), (0, Some(leader)));
}

fn synced(world: &World) -> Option<Instant> {
    let mut asked = world.asked(Instant::ZERO);
    asked.find(|(_, output)| matches!(output, Output::FibSynced)).map(|(at, _)| at)
}

fn sessions_up(world: &World) -> usize {
    world.events().iter().filter(|event| matches!(event.kind, EventKind::PeerUp { .. })).count()
}

#[test]
fn kernel_routes_are_pruned_when_every_session_of_a_path_has_told_all() {
    let mut world = World::new(Setup::two_regions());
    world.tell(Input::Command(Command::Start));
    world.run_until(60 * SECOND, |world| sessions_up(world) == 2).expect("sessions");
    // The second router's routes are on their way, and stay there for a while.
    world.down_link(1).blackhole = true;
    world.run_for(20 * SECOND);
    assert_eq!(synced(&world), None, "one router has not told all");
    world.down_link(1).blackhole = false;
    world.run_for(30 * SECOND);
    assert!(synced(&world).is_some(), "{}", world.story(Instant::ZERO));
}

#[test]
fn kernel_routes_are_pruned_at_the_latest_after_a_while() {
    let mut world = World::new(Setup::two_regions());
    let start = world.now();
    world.with_router(1, |router, now| router.handle_disable(now));
    world.tell(Input::Command(Command::Start));
    let prune_after = world.engine().config().timing.prune_after;
    world.run_for(prune_after - SECOND);
    assert_eq!(synced(&world), None);
    world.run_for(2 * SECOND);
    assert_eq!(synced(&world).map(|at| at.since(start)), Some(prune_after));
}

/// A run that follows a crash, whose peers keep what the run before told them.
fn restarting() -> World {
    let mut setup = Setup::two_regions();
    for peer in &mut setup.engine.peers {
        peer.session.graceful_restart.as_mut().expect("bridged").restarting = true;
    }
    World::new(setup)
}

/// The site's prefix has its route in the kernel; the speaker begins.
fn start(world: &mut World) {
    world.condition(true);
    world.tell(Input::Command(Command::Start));
}

#[test]
fn after_a_restart_a_service_waits_for_no_other_peer() {
    let mut world = restarting();
    world.with_router(1, |router, now| router.handle_disable(now));
    start(&mut world);
    world.run_for(5 * SECOND);
    assert!(
        world.held(0).is_some(),
        "a silent peer holds up nothing: {}",
        world.story(Instant::ZERO)
    );
}

#[test]
fn after_a_restart_nobody_waits_longer_than_needed() {
    let mut world = restarting();
    start(&mut world);
    world.run_for(5 * SECOND);
    assert!(world.held(0).is_some() && world.held(1).is_some(), "{}", world.story(Instant::ZERO));
}
