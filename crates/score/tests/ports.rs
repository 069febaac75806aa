//! Source ports and first hops: which member of a bundle is broken, and on which side of the
//! first hop a fault is.

mod sim;

use pathvane_score::{MonitorConfig, Reasons, State, StreamSpec};
use sim::{Gilbert, Path, ms, secs, wobble};

const TWO_REFLECTORS: [StreamSpec; 2] = [StreamSpec::new(0, 8), StreamSpec::new(1, 8)];

fn settled(streams: &[StreamSpec]) -> Path {
    let mut path = Path::new(MonitorConfig::default(), streams, 5);
    path.run_for(secs(60), &mut |_, _, rng| Some(wobble(ms(20), rng)));
    assert_eq!(path.state(), State::Up);
    path
}

#[test]
fn one_silent_port_of_eight_degrades_as_a_member_of_a_bundle() {
    let mut path = settled(&TWO_REFLECTORS);
    let from = path.now;
    let mut sent = 0_u32;
    path.run_for(secs(5), &mut |_, stream, rng| {
        sent += u32::from(stream == 0);
        (stream != 0 || sent % 8 != 3).then(|| wobble(ms(20), rng))
    });
    let ailing = |it: &pathvane_score::Verdict| it.reasons.contains(Reasons::ECMP_MEMBER);
    let (at, verdict) = path.first(from, ailing).unwrap();
    assert_eq!(verdict.state, State::Degraded);
    assert!(at.since(from) < secs(1), "{:?}", at.since(from));
    assert_eq!(path.entries(State::Down), 0);
    assert_eq!(path.monitor.verdict().evidence.silent_ports, 1);
    let silent: Vec<u32> = path.monitor.figures().map(|it| it.silent_ports.count_ones()).collect();
    assert_eq!(silent, [1, 0]);
    path.run_for(secs(1), &mut |_, _, rng| Some(wobble(ms(20), rng)));
    assert_eq!(path.monitor.verdict().evidence.silent_ports, 0);
}

#[test]
fn half_of_the_ports_silent_is_no_outage() {
    let mut path = settled(&TWO_REFLECTORS);
    let mut sent = [0_u32; 2];
    path.run_for(secs(20), &mut |_, stream, rng| {
        sent[stream] += 1;
        (sent[stream] % 8 < 4).then(|| wobble(ms(20), rng))
    });
    assert_eq!(path.state(), State::Degraded);
    assert_eq!(path.monitor.verdict().evidence.silent_ports, 8);
}

#[test]
fn random_loss_is_no_member_of_a_bundle() {
    for loss in [0.001, 0.02, 0.10] {
        let mut path = settled(&TWO_REFLECTORS);
        let mut random = [Gilbert::random(loss); 2];
        path.run_for(secs(1800), &mut |_, stream, rng| {
            (!random[stream].loses(rng)).then(|| wobble(ms(20), rng))
        });
        let blamed = |it: &pathvane_score::Verdict| it.reasons.contains(Reasons::ECMP_MEMBER);
        assert!(path.verdicts.iter().all(|(_, it)| !blamed(it)), "{loss}");
    }
}

#[test]
fn an_outage_is_found_as_fast_on_eight_ports_and_blames_none() {
    let mut path = settled(&TWO_REFLECTORS);
    let from = path.now;
    path.run_for(secs(2), &mut |_, _, _| None);
    let (at, _) = path.first(from, |it| it.state == State::Down).unwrap();
    assert!(at.since(from) < ms(150), "{:?}", at.since(from));
    path.run_for(secs(60), &mut |_, _, rng| Some(wobble(ms(20), rng)));
    let blamed = |it: &pathvane_score::Verdict| it.reasons.contains(Reasons::ECMP_MEMBER);
    assert!(path.verdicts.iter().all(|(_, it)| !blamed(it)));
}

#[test]
fn a_fault_is_told_on_its_side_of_the_first_hop() {
    let streams = [StreamSpec::from(0), StreamSpec::from(1), StreamSpec::first_hop()];
    for (hop_answers, place) in [(true, Reasons::TRANSIT), (false, Reasons::LAST_MILE)] {
        let mut path = settled(&streams);
        path.run_for(secs(3), &mut |_, stream, _| (stream == 2 && hop_answers).then_some(ms(1)));
        let verdict = path.monitor.verdict();
        assert_eq!(verdict.state, State::Down);
        assert_eq!(verdict.reasons, Reasons::SILENCE.with(place));
    }
    // Loss beyond the first hop, and on the way to it.
    for (near, place) in [(0.0, Reasons::TRANSIT), (0.2, Reasons::LAST_MILE)] {
        let mut path = settled(&streams);
        path.run_for(secs(5), &mut |_, stream, rng| {
            let loss = if stream == 2 { near } else { 0.2 };
            (rng.f64() >= loss).then(|| wobble(ms(20), rng))
        });
        let verdict = path.monitor.verdict();
        assert!(verdict.reasons.contains(Reasons::LOSS.with(place)), "{verdict:?}");
    }
}

#[test]
fn a_first_hop_that_does_not_answer_is_no_fault_of_the_path() {
    let streams = [StreamSpec::from(0), StreamSpec::from(1), StreamSpec::first_hop()];
    let mut path = settled(&streams);
    path.run_for(secs(60), &mut |_, stream, rng| (stream != 2).then(|| wobble(ms(20), rng)));
    assert_eq!((path.state(), path.monitor.verdict().reasons), (State::Up, Reasons::NONE));
    assert_eq!(path.monitor.verdict().evidence.reflectors, 2);
}
