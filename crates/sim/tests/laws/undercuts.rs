//! Law 2: how low the survivor goes, and when it comes up again
//! (`docs/adr/0003-what-a-peer-may-hold.md`).

use pathvane_clock::Instant;
use pathvane_engine::{Command, Input, Signal};
use pathvane_sim::world::{Setup, World};
use pathvane_wire::FamilySet;

use crate::scenes::{next_signal, peer_of, reflectors, way_back, worsen};
use crate::{MS, SECOND, settled, settled_as};

#[test]
fn a_second_death_during_the_undercut_goes_to_zero() {
    let setup = Setup::regions(&[("east", 10), ("west", 15), ("vpn", 20)]);
    let (mut world, first, _) = settled_as(setup);
    world.impair(first, |link| link.blackhole = true);
    world.run_for(5 * SECOND);
    let second = world.leader().expect("a survivor");
    assert_eq!(world.held(second), Some(10_000));
    world.impair(second, |link| link.blackhole = true);
    world.run_for(2 * SECOND);
    let third = world.leader().expect("the last one");
    assert_eq!(world.held(third), Some(0));
    for region in 0..3 {
        assert_eq!(way_back(&world, region), Some(third), "from region {region}");
    }
    // Both dead routes go with their hold timers, then the plan's own MED is enough again.
    world.run_for(300 * SECOND);
    assert_eq!(
        [world.held(first), world.held(second), world.held(third)],
        [None, None, Some(20_000)]
    );
}

#[test]
fn an_undercut_is_kept_until_the_dead_sessions_route_is_gone() {
    let (mut world, leader, other) = settled();
    world.impair(leader, |link| link.blackhole = true);
    world.run_for(SECOND);
    assert_eq!(world.held(other), Some(10_000));
    let gone = world.run_until(100 * SECOND, |world| world.held(leader).is_none());
    assert!(gone.is_some_and(|gone| gone > 30 * SECOND), "by the hold timer: {gone:?}");
    let gone = world.now();
    assert_eq!(world.held(other), Some(10_000), "kept up to that moment");
    let (at, signal) = next_signal(&mut world, other, 200 * SECOND).expect("given back");
    assert_eq!(signal, Signal::Announce { med: 20_000 });
    assert!(at.since(gone) >= world.engine().config().timing.undercut_restore);
    world.run_for(SECOND);
    assert_eq!(way_back(&world, leader), Some(other));
}

#[test]
fn an_undercut_outlives_the_session_that_left_the_dead_route_behind() {
    let (mut world, leader, other) = settled();
    world.impair(leader, |link| link.blackhole = true);
    world.run_for(SECOND);
    // Our end of the session goes; the NOTIFICATION drowns in the same hole.
    world.tell(Input::Command(Command::Reset { peer: peer_of(leader), text: String::new() }));
    assert!(forgets(&mut world, leader, other), "its router never forgot");
}

/// Whether the dead path's router forgets its route within 100 s; until then nothing may go there.
fn forgets(world: &mut World, dead: usize, survivor: usize) -> bool {
    for _ in 0..200 {
        if world.held(dead).is_none() {
            return true;
        }
        world.run_for(500 * MS);
        assert_eq!(world.held(survivor), Some(10_000));
        assert_eq!(way_back(world, dead), Some(survivor), "never back into the hole");
    }
    false
}

#[test]
fn an_undercut_outlives_a_reload_that_shortens_what_the_lost_session_had_agreed_on() {
    let (mut world, leader, other) = settled();
    world.impair(leader, |link| link.blackhole = true);
    world.run_for(SECOND);
    let mut peer = world.engine().config().peers[leader].clone();
    peer.session.hold_time = 3;
    peer.session.graceful_restart.as_mut().expect("offered").families = FamilySet::EMPTY;
    let reopened =
        world.with_engine(|engine, now| engine.change_peer(now, peer_of(leader), peer, false));
    assert!(reopened, "the NOTIFICATION drowns");
    assert!(forgets(&mut world, leader, other), "its router never forgot");
}

#[test]
fn a_router_without_a_hold_timer_never_forgets_and_the_undercut_stays() {
    // Zero from either side is zero for both (RFC 4271 section 4.2).
    let mut setup = Setup::two_regions();
    setup.routers.iter_mut().for_each(|router| router.hold_time = 0);
    let (mut world, leader, other) = settled_as(setup);
    world.impair(leader, |link| link.blackhole = true);
    world.run_for(SECOND);
    world.tell(Input::Command(Command::Reset { peer: peer_of(leader), text: String::new() }));
    assert!(!forgets(&mut world, leader, other), "nothing tells it");
    world.impair(leader, |link| link.blackhole = false);
    world.run_for(120 * SECOND);
    let held = [world.held(leader), world.held(other)];
    assert!(!held.contains(&Some(10_000)), "given back once it has heard from us: {held:?}");
}

#[test]
fn an_acknowledged_re_ranking_gives_the_undercut_back_after_a_while_and_no_sooner() {
    let (mut world, leader, other) = settled();
    let start = world.now();
    worsen(&mut world, leader);
    world.run_for(30 * SECOND);
    assert_eq!(world.leader(), Some(other));
    let [(lowered, Signal::Announce { med: 10_000 }), (raised, Signal::Announce { med: 20_000 })] =
        world.signals(other, start)[..]
    else {
        panic!("{}", world.story(start));
    };
    let restore = world.engine().config().timing.undercut_restore;
    let kept = raised.since(lowered);
    assert!(kept >= restore && kept < restore + SECOND, "{kept:?}");
    assert_eq!(world.held(leader), Some(40_000));
}

#[test]
fn a_withdrawal_over_a_dead_path_keeps_the_undercut_though_it_was_acknowledged() {
    let (mut world, leader, other) = settled();
    reflectors(&mut world, leader, false);
    world.run_for(30 * SECOND);
    // Whoever acknowledged sits behind a path on which nothing gets through.
    assert_eq!((world.held(leader), world.held(other)), (None, Some(10_000)));
    reflectors(&mut world, leader, true);
    world.run_for(60 * SECOND);
    assert_eq!(world.held(other), Some(20_000), "{}", world.story(Instant::ZERO));
}

#[test]
fn an_unacknowledged_withdrawal_keeps_the_undercut() {
    let (mut world, leader, other) = settled();
    // The router hears us, we do not hear it: nothing we tell it is acknowledged.
    world.down_link(leader).blackhole = true;
    world.run_for(SECOND);
    assert_eq!((world.held(leader), world.held(other)), (None, Some(10_000)));
    world.run_for(30 * SECOND);
    assert_eq!(world.held(other), Some(10_000), "for all we know the dead route may be there");
}
