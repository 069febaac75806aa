//! Law 10: leaving step by step; kernel routes of an earlier run are kept until everything is known.

use pathvane_clock::Instant;
use pathvane_engine::{Command, EventKind, Input, Output, PeerId, Signal};
use pathvane_score::State;
use pathvane_session::DownCause;
use pathvane_sim::world::{Setup, World};
use pathvane_wire::{Family, cease, code};

use crate::scenes::reflectors;
use crate::{MS, SECOND, established, settled, state};

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

/// Law 1 holds while routes wait: paths are measured, and the first choice is made.
#[test]
fn after_a_restart_probe_sources_are_told_while_the_rest_waits_for_a_silent_peer() {
    let mut world = restarting();
    world.with_router(1, |router, now| router.handle_disable(now));
    start(&mut world);
    world.run_for(8 * SECOND);
    assert_eq!(world.held(0), None, "the silent peer may have something to tell yet");
    assert_eq!(state(&world, 0), State::Up, "{}", world.story(Instant::ZERO));
    assert_eq!(world.leader(), Some(0));
    world.run_for(3 * SECOND);
    assert!(world.held(0).is_some(), "10 s are enough: {}", world.story(Instant::ZERO));
}

#[test]
fn after_a_restart_a_speaker_without_services_waits_as_well() {
    let mut setup = Setup::two_regions();
    setup.engine.services.clear();
    setup.engine.peers.iter_mut().for_each(|peer| {
        peer.export = Some(0);
        peer.session.graceful_restart.as_mut().expect("bridged").restarting = true;
    });
    let mut world = World::new(setup);
    world.with_router(1, |router, now| router.handle_disable(now));
    world.tell(Input::Command(Command::Start));
    world.run_for(8 * SECOND);
    let told = |world: &World| {
        let counts = world.engine().rib().counts(PeerId(0), Family::IPV4_UNICAST);
        counts.advertised
    };
    assert!(established(&world, 0));
    assert_eq!(told(&world), 1, "the probe source of its path");
    world.run_for(3 * SECOND);
    assert!(!world.engine().rib().has_pending(PeerId(0)), "it waits no longer");
}

#[test]
fn a_move_after_a_restart_waits_for_nobody() {
    let mut setup = Setup::regions(&[("east", 10), ("west", 20), ("north", 30)]);
    setup.engine.peers.iter_mut().for_each(|peer| {
        peer.session.graceful_restart.as_mut().expect("bridged").restarting = true;
    });
    let mut world = World::new(setup);
    let begun = world.now();
    world.with_router(2, |router, now| router.handle_disable(now));
    start(&mut world);
    world.run_until(5 * SECOND, |world| world.leader() == Some(0)).expect("a first choice");
    assert_eq!((world.held(0), world.held(1)), (None, None), "it waits for the third peer");
    reflectors(&mut world, 0, false);
    world.run_until(3 * SECOND, |world| world.leader() == Some(1)).expect("a move");
    world.run_for(200 * MS);
    assert!(world.now().since(begun) < 9 * SECOND, "the wait is not over by itself");
    assert!(world.held(1).is_some(), "{}", world.story(Instant::ZERO));
}

#[test]
fn after_a_restart_nobody_waits_longer_than_needed() {
    let mut world = restarting();
    start(&mut world);
    world.run_for(5 * SECOND);
    assert!(world.held(0).is_some() && world.held(1).is_some(), "{}", world.story(Instant::ZERO));
}
