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
        path.run_for(secs(10), &mut |_, stream, rng| {
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

const HOP: [StreamSpec; 3] =
    [StreamSpec::new(0, 1), StreamSpec::new(1, 1), StreamSpec::first_hop()];

const SIDES: Reasons = Reasons::LAST_MILE.with(Reasons::TRANSIT);

#[test]
fn a_first_hop_that_never_answers_slows_no_probes() {
    let fastest = |hop_answers: bool| {
        let mut path = settled(&HOP[..2]);
        if !hop_answers {
            path = Path::new(MonitorConfig::default(), &HOP, 5);
            path.run_for(secs(60), &mut |_, stream, rng| {
                (stream != 2).then(|| wobble(ms(20), rng))
            });
        }
        path.run_for(ms(60), &mut |_, _, _| None);
        path.monitor.probe_interval(path.role)
    };
    assert_eq!(fastest(false), fastest(true));
    assert_eq!(fastest(false), ms(5), "boosted");
}

#[test]
fn answers_of_the_first_hop_make_no_path_known() {
    let mut path = Path::new(MonitorConfig::default(), &HOP, 5);
    path.run_for(secs(60), &mut |_, stream, _| (stream == 2).then_some(ms(1)));
    let verdict = path.monitor.verdict();
    assert_eq!(
        verdict.reasons,
        Reasons::SILENCE.with(Reasons::NEVER_ANSWERED).with(Reasons::TRANSIT)
    );
    assert!(!verdict.may_withdraw(), "{verdict:?}");
}

#[test]
fn a_first_hop_that_fell_silent_before_the_path_says_nothing() {
    for (loss, state) in [(1.0, State::Down), (0.3, State::Degraded)] {
        let mut path = settled(&HOP);
        path.run_for(secs(10), &mut |_, stream, rng| (stream != 2).then(|| wobble(ms(20), rng)));
        assert_eq!(path.monitor.verdict().reasons, Reasons::NONE);
        path.run_for(secs(5), &mut |_, stream, rng| {
            (stream != 2 && rng.f64() >= loss).then(|| wobble(ms(20), rng))
        });
        assert_eq!(path.state(), state);
        let told = path.verdicts.iter().find(|(_, verdict)| verdict.reasons.intersects(SIDES));
        assert!(told.is_none(), "{told:?}");
    }
}

#[test]
fn the_wrong_side_is_not_named_before_the_right_one() {
    for (near, place) in [(0.2, Reasons::LAST_MILE), (0.0, Reasons::TRANSIT)] {
        for beyond in [0.2, 1.0] {
            let near = if near > 0.0 { beyond } else { near };
            for seed in 0..10 {
                let mut path = Path::new(MonitorConfig::default(), &HOP, seed);
                path.run_for(secs(60), &mut |_, _, rng| Some(wobble(ms(20), rng)));
                path.run_for(secs(10), &mut |_, stream, rng| {
                    let loss = if stream == 2 { near } else { beyond };
                    (rng.f64() >= loss).then(|| wobble(ms(20), rng))
                });
                let sides: Vec<Reasons> = path.verdicts.iter().map(|(_, it)| it.reasons).collect();
                assert!(sides.iter().any(|it| it.contains(place)), "{near} {beyond}: {sides:?}");
                let wrong = SIDES.without(place);
                assert!(!sides.iter().any(|it| it.contains(wrong)), "{near} {beyond}: {sides:?}");
            }
        }
    }
}
