//! A stream whose probes the kernel refuses says nothing of its path, whatever it showed last.

mod sim;

use pathvane_score::{Class, Compliance, MonitorConfig, Reasons, State};
use sim::{Path, ms, secs, wobble};

/// A path of two streams that was sound for a minute with both, unless the second was refused from the start, and for
/// a minute without the second.
fn with_one_refused(streams: [u8; 2], seed: u64, from_the_start: bool) -> Path {
    let mut path = Path::new(MonitorConfig::default(), &streams, seed);
    path.refused = from_the_start.then_some(1);
    path.run_for(secs(60), &mut |_, _, rng| Some(wobble(ms(20), rng)));
    path.refused = Some(1);
    path.run_for(secs(60), &mut |_, _, rng| Some(wobble(ms(20), rng)));
    assert_eq!(path.state(), State::Up);
    path
}

#[test]
fn it_does_not_hide_silence() {
    for (seed, streams) in [[0, 1], [0, 0]].into_iter().enumerate() {
        for from_the_start in [false, true] {
            let mut path = with_one_refused(streams, seed as u64, from_the_start);
            let fault = path.now;
            path.run_for(secs(60), &mut |_, _, _| None);
            let silent = path.first(fault, |it| it.reasons.contains(Reasons::SILENCE));
            let (at, verdict) = silent.expect("silence is told");
            assert!(at.since(fault) < ms(200), "{:?}", at.since(fault));
            assert!(!verdict.passes());
            assert!(!path.monitor.verdict().may_withdraw(), "one reflector alone may be dead");
        }
    }
}

#[test]
fn it_does_not_hide_loss_nor_delay() {
    let mut path = with_one_refused([0, 1], 7, false);
    path.run_for(secs(30), &mut |_, _, rng| (rng.f64() > 0.3).then(|| wobble(ms(20), rng)));
    assert!(path.monitor.verdict().reasons.contains(Reasons::LOSS));
    assert_eq!(path.monitor.score(Class::Voice).compliance, Compliance::Violates);
    let mut path = with_one_refused([0, 1], 7, false);
    let fault = path.now;
    path.run_for(secs(5), &mut |_, _, rng| Some(wobble(ms(250), rng)));
    assert!(path.first(fault, |it| it.reasons.contains(Reasons::DELAY)).is_some());
}

#[test]
fn nor_does_its_last_alarm_stay() {
    let mut path = Path::new(MonitorConfig::default(), &[0_u8, 1], 7);
    path.run_for(secs(60), &mut |_, _, rng| Some(wobble(ms(20), rng)));
    path.run_for(secs(10), &mut |_, _, rng| (rng.f64() > 0.2).then(|| wobble(ms(20), rng)));
    assert!(path.monitor.verdict().reasons.contains(Reasons::LOSS));
    path.refused = Some(1);
    path.run_for(secs(300), &mut |_, _, rng| Some(wobble(ms(20), rng)));
    assert_eq!(path.state(), State::Up, "{:?}", path.monitor.verdict().reasons);
}
