//! Slow streams beside fast ones: they never delay a verdict, they contradict and confirm it.

mod sim;

use pathvane_score::{MonitorConfig, Reasons, State, StreamSpec, Verdict};
use sim::{Path, ms, secs, wobble};

/// Two reflectors, and a slow stream to a third.
const WITH_WITNESS: [StreamSpec; 3] =
    [StreamSpec::new(0, 1), StreamSpec::new(1, 1), StreamSpec::new(2, 1).with_slow(true)];

fn settled(streams: &[StreamSpec], seed: u64) -> Path {
    let mut path = Path::new(MonitorConfig::default(), streams, seed);
    path.run_for(secs(60), &mut |_, _, rng| Some(wobble(ms(20), rng)));
    assert_eq!(path.state(), State::Up);
    path
}

fn silent(verdict: &Verdict) -> bool {
    verdict.reasons.contains(Reasons::SILENCE)
}

#[test]
fn a_slow_stream_does_not_delay_the_silence_of_the_others() {
    for seed in 0..20 {
        let mut path = settled(&WITH_WITNESS, seed);
        // At any phase between two probes of the slow stream.
        path.run_for(ms(50 * seed), &mut |_, _, rng| Some(wobble(ms(20), rng)));
        let from = path.now;
        path.run_for(secs(5), &mut |_, _, _| None);
        let (at, _) = path.first(from, |it| it.state == State::Down).unwrap();
        assert!(at.since(from) < ms(150), "{seed}: {:?}", at.since(from));
        assert_eq!(path.entries(State::Down), 1);
    }
}

#[test]
fn an_answer_to_a_slow_stream_contradicts_silence_for_good() {
    let mut path = settled(&WITH_WITNESS, 5);
    let from = path.now;
    path.run_for(secs(30), &mut |_, stream, rng| (stream == 2).then(|| wobble(ms(20), rng)));
    assert_ne!(path.state(), State::Down, "the path carries something");
    assert!(!silent(path.monitor.verdict()));
    assert!(path.monitor.verdict().reasons.contains(Reasons::LOSS));
    assert!(path.entries(State::Down) <= 1, "until the first answer, and never again");
    // When it falls silent as well, nothing contradicts any more.
    let from = from + secs(30);
    path.run_for(secs(10), &mut |_, _, _| None);
    let (at, _) = path.first(from, |it| it.state == State::Down).unwrap();
    assert!(at.since(from) < secs(6), "{:?}", at.since(from));
}

#[test]
fn a_slow_stream_that_falls_silent_moves_nothing() {
    let mut path = settled(&WITH_WITNESS, 5);
    path.run_for(secs(600), &mut |_, stream, rng| (stream != 2).then(|| wobble(ms(20), rng)));
    assert_eq!(path.state(), State::Up);
    assert_eq!(path.entries(State::Degraded) + path.entries(State::Down), 0);
}

#[test]
fn beside_one_reflector_its_silence_confirms_that_the_path_is_down() {
    let streams = [StreamSpec::new(0, 1), StreamSpec::new(1, 1).with_slow(true)];
    let mut path = settled(&streams, 5);
    let from = path.now;
    path.run_for(secs(6), &mut |_, _, _| None);
    let (at, verdict) = path.first(from, silent).unwrap();
    assert_eq!(verdict.state, State::Degraded, "one reflector alone may be dead");
    assert!(at.since(from) < ms(150), "{:?}", at.since(from));
    let (at, _) = path.first(from, |it| it.state == State::Down).unwrap();
    assert!(at.since(from) > secs(2) && at.since(from) < secs(5), "{:?}", at.since(from));
}

#[test]
fn slow_streams_alone_are_the_measure() {
    let streams = [StreamSpec::new(0, 1).with_slow(true), StreamSpec::new(1, 1).with_slow(true)];
    let mut path = settled(&streams, 5);
    let from = path.now;
    path.run_for(secs(10), &mut |_, _, _| None);
    let (at, _) = path.first(from, |it| it.state == State::Down).unwrap();
    assert!(at.since(from) < secs(5), "{:?}", at.since(from));
}

#[test]
fn who_never_answered_confirms_no_silence() {
    for slow in [true, false] {
        let streams = [StreamSpec::new(0, 1), StreamSpec::new(1, 1).with_slow(slow)];
        let mut path = Path::new(MonitorConfig::default(), &streams, 7);
        path.run_for(secs(600), &mut |_, it, rng| (it == 0).then(|| wobble(ms(20), rng)));
        assert_eq!(path.state(), State::Up);
        let from = path.now;
        path.run_for(secs(10), &mut |_, _, _| None);
        assert!(path.first(from, silent).is_some_and(|(at, _)| at.since(from) < ms(150)));
        assert!(
            path.first(from, Verdict::may_withdraw).is_none(),
            "one reflector alone may be dead"
        );
    }
}

#[test]
fn who_never_answered_does_not_slow_the_others() {
    for slow in [true, false] {
        let third = StreamSpec::new(2, 1).with_slow(slow);
        let streams = [StreamSpec::new(0, 1), StreamSpec::new(1, 1), third];
        let mut path = Path::new(MonitorConfig::default(), &streams, 7);
        path.run_for(secs(600), &mut |_, it, rng| (it != 2).then(|| wobble(ms(20), rng)));
        path.run_for(ms(50), &mut |_, _, _| None);
        assert_eq!(path.monitor.probe_interval(path.role), ms(5));
    }
}
