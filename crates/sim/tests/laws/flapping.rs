//! Law 5: recover slow, and remember flaps. Law 9: noise sends nothing, re-ranking is paced.

use std::time::Duration;

use pathvane_engine::Signal;
use pathvane_score::State;
use pathvane_sim::world::Setup;

use crate::scenes::{far_and_lossy, next_signal};
use crate::{MS, SECOND, settled, settled_as, state};

#[test]
fn five_seconds_down_a_minute_up_suppresses_at_last_unless_damping_is_off() {
    for damped in [true, false] {
        let mut setup = Setup::two_regions();
        if !damped {
            setup.engine.timing.monitor.damping = [None, None];
        }
        let (mut world, path, _) = settled_as(setup);
        let mut suppressed = false;
        for _ in 0..6 {
            world.impair(path, |link| link.blackhole = true);
            world.run_for(5 * SECOND);
            world.impair(path, |link| link.blackhole = false);
            let up = world.run_until(60 * SECOND, |world| state(world, path) == State::Suppressed);
            suppressed |= up.is_some();
            world.run_for(60 * SECOND - up.unwrap_or(60 * SECOND));
        }
        assert_eq!(suppressed, damped);
        let last = if damped { State::Suppressed } else { State::Up };
        assert_eq!(state(&world, path), last);
    }
}

#[test]
fn ten_minutes_of_ambient_loss_send_nothing() {
    let (mut world, leader, other) = far_and_lossy(3);
    let quiet = world.now();
    let sent = updates_sent(&world);
    world.run_for(600 * SECOND);
    assert_eq!(world.moves(quiet).len(), 0, "{}", world.story(quiet));
    assert_eq!((world.signals(leader, quiet), world.signals(other, quiet)), (vec![], vec![]));
    assert_eq!(updates_sent(&world), sent);
}

#[test]
fn noise_inside_a_grade_sends_nothing() {
    let (mut world, leader, other) = settled();
    for path in [leader, other] {
        world.impair(path, |link| link.jitter = 3 * MS);
    }
    world.run_for(10 * SECOND);
    let quiet = world.now();
    world.run_for(600 * SECOND);
    assert_eq!(world.moves(quiet).len(), 0);
    assert_eq!((world.signals(leader, quiet), world.signals(other, quiet)), (vec![], vec![]));
}

/// UPDATE messages that both routers received.
fn updates_sent(world: &pathvane_sim::world::World) -> u64 {
    world.routers().iter().map(|router| router.session().stats().received.update).sum()
}

#[test]
fn a_standby_that_comes_and_goes_is_re_ranked_at_a_measured_pace() {
    let mut setup = Setup::two_regions();
    // A path that is trusted again at once, so that every change is a reason to re-rank it.
    setup.engine.timing.monitor.damping = [None, None];
    setup.engine.timing.monitor.recover_after = Duration::ZERO;
    setup.engine.timing.monitor.recover_probes = 0;
    for path in &mut setup.engine.paths {
        path.probes.truncate(1);
    }
    let (mut world, _, standby) = settled_as(setup);
    let start = world.now();
    for _ in 0..30 {
        world.reflector(standby, 0, false);
        world.run_for(2 * SECOND);
        world.reflector(standby, 0, true);
        world.run_for(2 * SECOND);
    }
    let signals = world.signals(standby, start);
    let better: Vec<_> =
        signals.iter().filter(|(_, signal)| *signal == Signal::Announce { med: 30_000 }).collect();
    assert!(!better.is_empty(), "it does change: {signals:?}");
    for pair in better.windows(2) {
        assert!(pair[1].0.since(pair[0].0) >= 60 * SECOND, "{signals:?}");
    }
    let worse: Vec<_> =
        signals.iter().filter(|(_, signal)| *signal == Signal::Announce { med: 40_000 }).collect();
    for pair in worse.windows(2) {
        assert!(pair[1].0.since(pair[0].0) >= 5 * SECOND, "{signals:?}");
    }
}

#[test]
fn a_move_is_never_paced() {
    let mut setup = Setup::two_regions();
    for path in &mut setup.engine.paths {
        path.probes.truncate(1);
    }
    let (mut world, first, second) = settled_as(setup);
    world.reflector(first, 0, false);
    world.run_for(SECOND);
    world.reflector(first, 0, true);
    let undercut = next_signal(&mut world, second, 60 * SECOND).expect("given back");
    assert_eq!(undercut.1, Signal::Announce { med: 20_000 });
    // The second path was just made to look worse; now it has to look worse again.
    world.run_for(SECOND);
    let broke = world.now();
    world.reflector(second, 0, false);
    world.run_for(SECOND);
    let decided = world.moves(broke)[0].decided_at;
    let told = |path| world.signals(path, broke).first().copied();
    assert_eq!(told(second), Some((decided, Signal::Announce { med: 40_000 })));
    assert_eq!(told(first), Some((decided, Signal::Announce { med: 10_000 })));
}
