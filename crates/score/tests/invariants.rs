//! What holds whatever happens, tried with random lives.

use fastrand::Rng;
use pathvane_clock::{Duration, Instant};
use pathvane_score::{
    BfdState, Candidate, Cause, Class, ClassScore, Compliance, Decision, Grade, LinkState,
    MonitorConfig, PathId, PathMonitor, Reasons, Role, Sample, Selector, SelectorConfig, State,
    Strategy, Verdict,
};

/// Does something to the monitor; time moves on by up to `step`.
fn disturb(monitor: &mut PathMonitor, now: &mut Instant, seqs: &mut [u32; 3], rng: &mut Rng) {
    *now += Duration::from_nanos(rng.u64(0..20_000_000));
    let stream = rng.usize(0..4);
    match rng.u32(0..1000) {
        0..400 if stream < 3 => {
            seqs[stream] = match rng.u8(..) {
                0 => rng.u32(..),
                _ => seqs[stream].wrapping_add(1),
            };
            monitor.sent(*now, stream, seqs[stream]);
        }
        400..800 => {
            let rtt = if rng.u8(..) == 0 { rng.u64(..) } else { rng.u64(0..200_000_000) };
            let seq = seqs[stream % 3].wrapping_sub(rng.u32(0..8));
            let sample = Sample {
                fwd_delay_ns: rng.bool().then(|| rng.i64(..)),
                rev_lost: rng.bool().then(|| rng.i32(..)),
                remarked: rng.u8(..) == 0,
                ..Sample::round_trip(seq, *now, rtt)
            };
            monitor.reply(*now, stream, &sample);
        }
        800..990 => monitor.handle_timeout(*now),
        990 => monitor.link(*now, [LinkState::Up, LinkState::Down][rng.usize(0..2)]),
        991 => monitor.bfd(*now, [BfdState::Up, BfdState::Down, BfdState::Off][rng.usize(0..3)]),
        992 => monitor.admin(*now, rng.bool()),
        993 => monitor.stalled(*now),
        994 => *now += Duration::from_secs(rng.u64(0..100)),
        _ => {}
    }
}

fn check(monitor: &PathMonitor, now: Instant) {
    let verdict = monitor.verdict();
    let Verdict { score, r_lcb, r_ucb, mos, .. } = *verdict;
    assert!((0.0..=100.0).contains(&score) && (1.0..=4.5).contains(&mos), "{verdict:?}");
    assert!(r_lcb <= r_ucb + 1e-9 && r_lcb >= 0.0 && r_ucb <= 100.0, "{verdict:?}");
    assert!(verdict.since <= now && verdict.detected_at <= now, "{verdict:?} at {now:?}");
    assert!(!(verdict.usable() && verdict.may_withdraw()), "{verdict:?}");
    let works = verdict.passes() && verdict.state != State::Init;
    assert!(works || verdict.grade == Grade::Down, "{verdict:?}");
    for class in Class::ALL {
        let score = monitor.score(class);
        assert!(score.lcb <= score.value + 1e-9 && score.value <= score.ucb + 1e-9, "{score:?}");
        assert!((0.0..=100.0).contains(&score.value), "{score:?}");
    }
    let interval = monitor.probe_interval(Role::Active);
    assert!(interval >= Duration::from_millis(5) && interval <= Duration::from_millis(20));
}

#[test]
fn a_monitor_stands_whatever_arrives_and_never_spins() {
    for seed in 0..20 {
        let mut rng = Rng::with_seed(seed);
        let mut now = Instant::from_secs(1);
        let mut monitor = PathMonitor::new(now, MonitorConfig::default(), &[0, 1, 1]);
        let mut seqs = [0; 3];
        for _ in 0..20_000 {
            disturb(&mut monitor, &mut now, &mut seqs, &mut rng);
            check(&monitor, now);
            if rng.u8(0..10) == 0 {
                // Everything that is due can be worked off: no timer is due for ever.
                let turns = (0..100).take_while(|_| {
                    monitor.handle_timeout(now);
                    monitor.poll_timeout().is_some_and(|at| at <= now)
                });
                assert!(turns.count() < 100, "seed {seed}: {:?}", monitor.verdict());
            }
        }
    }
}

#[test]
fn a_path_left_alone_falls_asleep() {
    for seed in 0..50 {
        let mut rng = Rng::with_seed(seed);
        let mut now = Instant::from_secs(1);
        let mut monitor = PathMonitor::new(now, MonitorConfig::default(), &[0, 1, 1]);
        let mut seqs = [0; 3];
        (0..500).for_each(|_| disturb(&mut monitor, &mut now, &mut seqs, &mut rng));
        for _ in 0..1000 {
            let Some(at) = monitor.poll_timeout() else { break };
            now = now.max(at);
            monitor.handle_timeout(now);
        }
        assert_eq!(monitor.poll_timeout(), None, "seed {seed}: {:?}", monitor.verdict());
    }
}

fn random_candidate(id: u32, rng: &mut Rng) -> Candidate {
    let now = Instant::from_secs(rng.u64(0..100));
    let mut verdict = Verdict::unknown(now);
    verdict.state = [
        State::Init,
        State::Up,
        State::Up,
        State::Up,
        State::Suspect,
        State::Degraded,
        State::Down,
        State::Recovering,
        State::Suppressed,
        State::Admin,
    ][rng.usize(0..10)];
    verdict.reasons = [Reasons::NONE, Reasons::NONE, Reasons::STALE, Reasons::DAMPED]
        [rng.usize(0..4)]
    .with_if(verdict.state == State::Down, Reasons::SILENCE);
    verdict.evidence.missing = rng.u8(0..10) == 0;
    let value = rng.f64() * 93.2;
    let score = ClassScore {
        value,
        lcb: value - 1.0,
        ucb: value + 1.0,
        compliance: [Compliance::Violates, Compliance::Unsure, Compliance::Complies]
            [rng.usize(0..3)],
        ..ClassScore::unknown(Class::Voice)
    };
    let utilisation = rng.bool().then(|| rng.f64() * 1.2);
    Candidate {
        path: PathId(id),
        verdict,
        score,
        shared_risk: if rng.bool() { rng.u64(0..8) } else { 0 },
        instances: (rng.u16(0..3), rng.u16(0..3)),
        utilisation,
        load: utilisation.map(|used| used * rng.f64()),
        weight: f64::from(rng.u8(1..=8)),
        cost: 0.0,
    }
}

/// Each path is named once; those that pass nothing apart.
fn check_names(decision: &Decision, all: &[Candidate]) {
    let mut named: Vec<PathId> =
        decision.carry.iter().chain(&decision.standbys).chain(&decision.out).copied().collect();
    named.sort();
    let mut given: Vec<PathId> = all.iter().map(|it| it.path).collect();
    given.sort();
    assert_eq!(named, given, "each path once");
    for path in &decision.out {
        assert!(all.iter().any(|it| it.path == *path && !it.verdict.passes()));
    }
    assert_eq!(decision.leader, decision.carry.first().copied());
}

fn works(it: &Candidate) -> bool {
    let served = it.instances.1 < 2 || it.instances.0 * 2 >= it.instances.1;
    it.verdict.usable() && it.score.compliance != Compliance::Violates && served
}

/// What must hold whatever carries together.
fn check_set(before: &[PathId], decision: &Decision, all: &[Candidate]) {
    check_names(decision, all);
    let carry = &decision.carry;
    assert!(!carry.is_empty() && carry.is_sorted(), "in the operator's order: {carry:?}");
    assert_eq!(decision.moved, before != carry.as_slice());
    if before.is_empty() || !decision.moved {
        return;
    }
    let find = |path: &PathId| all.iter().find(|it| it.path == *path).expect("a candidate");
    let passes = carry.iter().filter(|path| find(path).verdict.passes()).count();
    for left in before.iter().filter(|path| !carry.contains(path)).map(find) {
        assert!(passes > 0, "nothing is left for paths that pass nothing: {decision:?}");
        let patient = matches!(decision.cause, Cause::Better | Cause::LeaderFull);
        assert!(patient || !works(left), "one that works is not left in a hurry: {decision:?}");
    }
    for joined in carry.iter().filter(|path| !before.contains(path)).map(find) {
        assert!(joined.verdict.passes(), "{decision:?}");
        assert!(decision.cause != Cause::Joins || joined.verdict.usable(), "{decision:?}");
        let all: f64 = carry.iter().map(|path| find(path).weight).sum();
        let elsewhere = joined.load.unwrap_or(0.0) * (1.0 - joined.weight / all);
        let fits = joined.utilisation.is_none_or(|whole| whole - elsewhere <= 0.85 + 1e-9);
        assert!(decision.cause != Cause::Joins || fits, "it has room for its part: {decision:?}");
    }
}

#[test]
fn what_carries_together_is_sound_for_any_candidates() {
    for seed in 0..400 {
        let mut rng = Rng::with_seed(seed);
        let config = SelectorConfig { strategy: Strategy::Balance, ..SelectorConfig::default() };
        let mut now = Instant::from_secs(1000);
        let mut selector = Selector::new(now, config, seed);
        let mut all: Vec<Candidate> = (0..4).map(|id| random_candidate(id, &mut rng)).collect();
        for _ in 0..200 {
            let before = selector.decision().carry.clone();
            let decision = selector.decide(now, &all);
            check_set(&before, decision, &all);
            now += Duration::from_millis(rng.u64(1..5000));
            if rng.u8(0..4) == 0 {
                let at = rng.usize(0..4);
                all[at] = random_candidate(at as u32, &mut rng);
            }
        }
        // Left alone among paths that are well, they all carry in the end.
        all.iter_mut().for_each(|it| {
            *it = Candidate {
                utilisation: None,
                instances: (0, 0),
                ..random_candidate(it.path.0, &mut rng)
            };
            it.verdict = Verdict { state: State::Up, ..Verdict::unknown(now) };
            it.score.compliance = Compliance::Complies;
        });
        for _ in 0..600 {
            now += Duration::from_secs(1);
            selector.decide(now, &all);
        }
        assert_eq!(selector.decision().carry.len(), 4, "seed {seed}");
    }
}

fn check_decision(before: Option<PathId>, decision: &Decision, all: &[Candidate]) {
    check_names(decision, all);
    let leader = all.iter().find(|it| Some(it.path) == decision.leader).expect("a candidate leads");
    assert_eq!(decision.moved, before != decision.leader);
    let Some(old) = all.iter().find(|it| Some(it.path) == before).filter(|_| decision.moved) else {
        return;
    };
    assert!(leader.verdict.passes(), "never to a path that passes nothing: {decision:?}");
    let urgent = !matches!(decision.cause, Cause::Better | Cause::Preferred | Cause::LeaderFull);
    assert!(!(urgent && works(old)), "a leader that works is not left in a hurry: {decision:?}");
    if !urgent {
        assert!(leader.verdict.usable(), "{decision:?}");
    }
}

#[test]
fn decisions_are_sound_for_any_candidates() {
    for strategy in [Strategy::Best, Strategy::Ordered] {
        for seed in 0..200 {
            let mut rng = Rng::with_seed(seed);
            let config = SelectorConfig { strategy, ..SelectorConfig::default() };
            let mut now = Instant::from_secs(1000);
            let mut selector = Selector::new(now, config, seed);
            let mut all: Vec<Candidate> = (0..4).map(|id| random_candidate(id, &mut rng)).collect();
            for _ in 0..200 {
                let before = selector.decision().leader;
                let decision = selector.decide(now, &all);
                check_decision(before, decision, &all);
                now += Duration::from_millis(rng.u64(1..5000));
                if rng.u8(0..4) == 0 {
                    let at = rng.usize(0..4);
                    all[at] = random_candidate(at as u32, &mut rng);
                }
            }
        }
    }
}
