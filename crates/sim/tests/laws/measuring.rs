//! Law 1: whatever is said about a path, its probes keep their own way there and back.

use std::time::Duration;

use pathvane_clock::Instant;
use pathvane_engine::config::{Probe, ProbeKind};
use pathvane_engine::{Command, Engine, EventKind, Input, Output, PathId};
use pathvane_probe::Timestamp;
use pathvane_score::State;
use pathvane_sim::world::{Setup, World};

use crate::scenes::{probe_source_held, reflectors, worsen};
use crate::{MS, SECOND, settled, state};

/// Each router holds the probe source of its own path with the plan's primary MED, and no other.
fn assert_probe_sources(world: &World, when: &str) {
    for router in 0..2 {
        for path in 0..2 {
            let expected = (router == path).then_some(20_000);
            assert_eq!(probe_source_held(world, router, path), expected, "{when}");
        }
    }
}

fn steered_probe_sources(world: &World, since: Instant) -> usize {
    let sources: Vec<_> =
        world.engine().config().paths.iter().map(|path| path.probe_source).collect();
    let about = |kind: &EventKind| matches!(kind, EventKind::Signal { prefix, .. } if sources.contains(&prefix.addr()));
    world.events().iter().filter(|event| event.at >= since && about(&event.kind)).count()
}

#[test]
fn no_verdict_touches_a_probe_source() {
    let (mut world, leader, other) = settled();
    let start = world.now();
    assert_probe_sources(&world, "settled");
    worsen(&mut world, leader);
    world.run_for(60 * SECOND);
    assert_eq!((world.held(leader), world.leader()), (Some(40_000), Some(other)));
    assert_probe_sources(&world, "degraded");
    reflectors(&mut world, leader, false);
    world.run_for(20 * SECOND);
    assert_eq!((state(&world, leader), world.held(leader)), (State::Down, None));
    assert_probe_sources(&world, "withdrawn");
    reflectors(&mut world, leader, true);
    world.run_for(20 * SECOND);
    assert_eq!(state(&world, leader), State::Recovering);
    assert_probe_sources(&world, "recovering");
    world.condition(false);
    world.run_for(SECOND);
    assert_probe_sources(&world, "condition lost");
    world.tell(Input::Command(Command::Freeze));
    world.run_for(SECOND);
    assert_probe_sources(&world, "frozen");
    assert_eq!(steered_probe_sources(&world, start), 0);
}

#[test]
fn a_withdrawn_path_whose_forwarding_heals_is_seen_to_heal() {
    let (mut world, leader, _) = settled();
    reflectors(&mut world, leader, false);
    world.run_for(20 * SECOND);
    assert_eq!((state(&world, leader), world.held(leader)), (State::Down, None));
    reflectors(&mut world, leader, true);
    let seen = world.run_until(5 * SECOND, |world| state(world, leader) == State::Recovering);
    assert!(seen.is_some(), "measured all the time");
}

#[test]
fn a_dead_path_does_not_look_healed_after_the_move() {
    let (mut world, leader, other) = settled();
    for broken in [false, true] {
        // In the return direction only: its replies must not come back over the survivor.
        world.down_link(leader).blackhole = true;
        world.up_link(leader).blackhole = broken;
        world.run_for(60 * SECOND);
        assert_eq!((state(&world, leader), world.leader()), (State::Down, Some(other)));
    }
}

#[test]
fn a_withdrawn_path_is_still_measured_and_comes_back() {
    let (mut world, leader, other) = settled();
    world.impair(leader, |link| link.blackhole = true);
    world.run_for(5 * SECOND);
    assert_eq!((state(&world, leader), world.leader()), (State::Down, Some(other)));
    world.impair(leader, |link| link.blackhole = false);
    world.run_for(SECOND);
    assert_ne!(state(&world, leader), State::Down, "its probes return although it carries nothing");
}

#[test]
fn a_return_blackhole_of_the_leader_silences_it_alone() {
    let (mut world, leader, other) = settled();
    world.down_link(leader).blackhole = true;
    world.run_for(5 * SECOND);
    assert_eq!(state(&world, leader), State::Down);
    assert_eq!(state(&world, other), State::Up);
    assert_eq!(world.leader(), Some(other));
}

/// Nobody answers, so every path is as suspicious as can be and probed as fast as it may be.
#[test]
fn a_stream_with_a_floor_keeps_to_it_however_suspicious_its_path_is() {
    let mut config = Setup::regions(&[("east", 10), ("west", 20)]).first_hops().engine;
    let slowest = Duration::from_secs(2);
    for path in &mut config.paths {
        path.probes.push(Probe { kind: ProbeKind::Tcp, slowest, ..path.probes[0].clone() });
    }
    let probes = config.paths.iter().flat_map(|path| &path.probes);
    let floors: Vec<_> = probes.map(Probe::shortest_interval).collect();
    assert_eq!(floors.iter().filter(|floor| **floor == slowest).count(), 2);
    let mut now = Instant::from_millis(1);
    let mut engine = Engine::new(now, config, 1, Timestamp::from_unix_nanos(0));
    let mut sent = vec![Vec::new(); floors.len()];
    while now < Instant::from_secs(30) {
        match engine.poll() {
            Output::Probe(probe) => {
                sent[probe.stream.index()].push(now);
                engine.handle(now, Input::ProbeSent { stream: probe.stream, seq: probe.seq });
            }
            Output::Timeout(at) => {
                now = at.expect("probes are due");
                engine.handle(now, Input::Timeout);
            }
            _ => {}
        }
    }
    for (floor, times) in floors.iter().zip(&sent) {
        let apart = times.windows(2).map(|pair| pair[1].since(pair[0]));
        let shortest = apart.min().expect("several probes");
        match floor.is_zero() {
            true => assert!(shortest < Duration::from_millis(20), "boosted: {shortest:?}"),
            // Turns fall on a grid of half a millisecond.
            false => assert!(shortest + Duration::from_micros(500) >= *floor, "{shortest:?}"),
        }
        let least = (29.0 / floor.as_secs_f64().max(0.1)) as usize;
        assert!(times.len() >= least, "{} probes, not {least}", times.len());
    }
}

/// What would carry the service next must be known as well as what carries it, and as soon.
#[test]
fn the_best_standby_is_probed_as_fast_as_the_leader_that_looks_wrong() {
    let (mut world, leader, other) = settled();
    let interval = |world: &World, path: usize| {
        let streams = world.engine().path(PathId(u16::try_from(path).expect("small"))).streams;
        streams.iter().map(|stream| stream.interval).max().expect("a stream")
    };
    assert_eq!((interval(&world, leader), interval(&world, other)), (20 * MS, 100 * MS));
    world.impair(leader, |link| link.blackhole = true);
    let wrong =
        |world: &World| world.engine().path(PathId(leader as u16)).verdict.state == State::Suspect;
    world.run_until(SECOND, wrong).expect("a suspicion");
    assert_eq!((interval(&world, leader), interval(&world, other)), (5 * MS, 5 * MS));
    // It was nothing.
    world.impair(leader, |link| link.blackhole = false);
    world.run_for(5 * SECOND);
    assert_eq!((interval(&world, leader), interval(&world, other)), (20 * MS, 100 * MS));
}
