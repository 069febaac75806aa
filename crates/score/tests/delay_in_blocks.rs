//! Delay that comes and goes, in blocks of some hundred milliseconds: variation, and no step.

mod sim;

use fastrand::Rng;
use pathvane_clock::{Duration, Instant};
use pathvane_score::{Class, MonitorConfig, Reasons, State};
use sim::{Path, ms, secs, wobble};

/// A path of two reflectors that has been up for a minute.
fn settled() -> Path {
    let mut path = Path::new(MonitorConfig::default(), &[0_u8, 1], 42);
    path.run_for(secs(60), &mut |_, _, rng| Some(wobble(ms(20), rng)));
    assert_eq!(path.state(), State::Up);
    path
}

/// Longer by `more` for `on` of every `every`.
fn in_blocks(
    now: Instant,
    every: Duration,
    on: Duration,
    more: Duration,
    rng: &mut Rng,
) -> Duration {
    let within = now.as_nanos() % every.as_nanos() as u64;
    wobble(ms(20), rng) + if within < on.as_nanos() as u64 { more } else { Duration::ZERO }
}

#[test]
fn delay_that_comes_and_goes_is_variation() {
    let mut path = settled();
    let from = path.now;
    path.run_for(secs(10), &mut |now, _, rng| Some(in_blocks(now, secs(1), ms(300), ms(60), rng)));
    let score = path.monitor.score(Class::Voice);
    assert!(score.violations.delay_variation, "{score:?}");
    assert!(path.first(from, |it| it.reasons.contains(Reasons::DELAY)).is_some());
}

#[test]
fn delay_that_comes_and_stays_is_none() {
    let mut path = settled();
    for _ in 0..30 {
        path.run_for(ms(500), &mut |_, _, rng| Some(wobble(ms(80), rng)));
        assert!(!path.monitor.score(Class::Voice).violations.any());
    }
}

#[test]
fn short_rises_of_delay_with_which_all_limits_are_kept_cost_no_trust() {
    let mut path = settled();
    for _ in 0..240 {
        path.run_for(secs(60), &mut |now, _, rng| {
            Some(in_blocks(now, secs(60), ms(200), ms(60), rng))
        });
        assert_eq!(path.monitor.verdict().evidence.penalty, 0);
        assert!(!path.monitor.score(Class::Voice).violations.any());
    }
    assert!(path.entries(State::Degraded) > 100, "they are told");
    // Where a limit is broken they are counted.
    let mut path = settled();
    path.run_for(secs(20), &mut |_, _, rng| Some(wobble(ms(900), rng)));
    assert!(path.monitor.score(Class::Voice).violations.any());
    assert!(path.monitor.verdict().evidence.penalty > 0);
}
