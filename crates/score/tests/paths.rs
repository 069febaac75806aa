//! Lives of paths: what happens to the network, and what the verdict says of it.

mod sim;

use fastrand::Rng;
use pathvane_clock::{Duration, Instant};
use pathvane_score::emodel::Codec;
use pathvane_score::{
    BfdState, Class, Compliance, Grade, LinkState, MonitorConfig, OwnClass, PathMonitor, Reasons,
    Role, Sla, State,
};
use sim::{Gilbert, Path, ms, secs, wobble};

/// A path of two reflectors that has been up for a minute.
fn settled(rtt_ms: u64, streams: &[u8], config: MonitorConfig) -> Path {
    let mut path = Path::new(config, streams, 42);
    path.run_for(secs(60), &mut |_, _, rng| Some(wobble(ms(rtt_ms), rng)));
    assert_eq!(path.state(), State::Up);
    path
}

fn up(rtt_ms: u64) -> Path {
    settled(rtt_ms, &[0, 1], MonitorConfig::default())
}

fn without_damping() -> MonitorConfig {
    MonitorConfig { damping: [None, None], ..MonitorConfig::default() }
}

#[test]
fn a_path_is_up_after_its_first_clean_probes() {
    let mut path = Path::new(MonitorConfig::default(), &[0, 1], 1);
    path.run_for(secs(4), &mut |_, _, _| Some(ms(20)));
    assert_eq!(path.state(), State::Init, "400 probes");
    path.run_for(secs(2), &mut |_, _, _| Some(ms(20)));
    assert_eq!(path.state(), State::Up, "more than 500");
    let verdict = path.monitor.verdict();
    assert_eq!(verdict.grade, Grade::A);
    assert!(verdict.mos > 4.3 && verdict.r_lcb > 85.0 && verdict.r_ucb <= 93.2);
}

#[test]
fn ten_seconds_are_enough_at_a_slow_rate() {
    let mut path = Path::new(MonitorConfig::of(Class::Bulk), &[0, 1], 1);
    path.run_for(ms(9_900), &mut |_, _, _| Some(ms(20)));
    assert_eq!(path.state(), State::Init);
    path.run_for(ms(200), &mut |_, _, _| Some(ms(20)));
    assert_eq!(path.state(), State::Up);
}

#[test]
fn bulk_is_no_faster_than_the_path_is_wide() {
    let score = |capacity_bps: Option<f64>, loss: f64| {
        let own = OwnClass {
            name: "backup".to_owned(),
            like: Class::Bulk,
            sla: Sla::of(Class::Bulk),
            codec: Codec::G711_PLC,
            bulk_target_bps: 100e6,
        };
        let config = MonitorConfig { capacity_bps, own: vec![own], ..MonitorConfig::default() };
        let mut path = Path::new(config, &[0, 1], 1);
        let mut losing = [Gilbert::random(loss); 2];
        path.run_for(secs(60), &mut |_, stream, rng| {
            (!losing[stream].loses(rng)).then_some(ms(50))
        });
        [path.monitor.score(Class::Bulk), path.monitor.own_score(0, Class::Bulk)]
    };
    let of = |mbps: f64, target: f64| 100.0 * (1.0 + mbps).log2() / (1.0 + target).log2();
    let near = |got: f64, want: f64| (got - want).abs() < 1e-9;
    let [unknown, _] = score(None, 0.0);
    assert!(unknown.value > 99.0 && unknown.ucb > 99.9, "{unknown:?}");
    for mbps in [0.5, 2.0, 8.0] {
        let [bulk, own] = score(Some(mbps * 1e6), 0.0);
        assert!(near(bulk.value, of(mbps, 10.0)), "{mbps}: {bulk:?}");
        assert!(near(own.value, of(mbps, 100.0)), "{mbps}: {own:?}");
    }
    assert_eq!(
        score(Some(2e6), 0.0)[0].compliance,
        Compliance::Violates,
        "too narrow for the class"
    );
    // A lossy path carries less than it is wide.
    let [wide, narrow] = [None, Some(8e6)].map(|capacity| score(capacity, 0.03)[0]);
    assert!(wide.value < of(8.0, 10.0) && wide.value == narrow.value, "{wide:?} {narrow:?}");
}

#[test]
fn silence_of_both_reflectors_is_down_and_recovery_takes_30_s() {
    let mut path = up(20);
    let fault = path.now;
    path.run_for(secs(5), &mut |_, _, _| None);
    let (at, verdict) = path.first(fault, |it| it.state == State::Down).unwrap();
    assert!(at.since(fault) < ms(150), "{:?}", at.since(fault));
    assert_eq!(verdict.reasons, Reasons::SILENCE);
    assert_eq!((verdict.evidence.silent, verdict.evidence.reflectors), (2, 2));
    assert_eq!(verdict.detected_at, at);
    assert!(verdict.may_withdraw() && !verdict.usable());
    assert_eq!(verdict.grade, Grade::Down);
    assert_eq!(path.monitor.score(Class::Voice).compliance, Compliance::Violates);

    let healed = path.now;
    path.run_for(secs(40), &mut |_, _, rng| Some(wobble(ms(20), rng)));
    let (recovering, _) = path.first(healed, |it| it.state == State::Recovering).unwrap();
    assert!(recovering.since(healed) < ms(100));
    let (up_again, _) = path.first(healed, |it| it.state == State::Up).unwrap();
    let took = up_again.since(recovering);
    assert!(took >= secs(30) && took < secs(31), "{took:?}");
}

#[test]
fn one_silent_reflector_of_two_is_the_reflectors_fault() {
    let mut path = up(20);
    path.run_for(secs(60), &mut |_, stream, _| (stream == 0).then_some(ms(20)));
    assert_eq!(path.state(), State::Up);
    let verdict = *path.monitor.verdict();
    assert_eq!(verdict.reasons, Reasons::REFLECTOR);
    assert_eq!((verdict.evidence.silent, verdict.grade), (1, Grade::A));
    assert_eq!(path.entries(State::Down) + path.entries(State::Degraded), 0);
    assert_eq!(path.monitor.score(Class::Voice).compliance, Compliance::Complies);
}

/// It is known to be silent: no path is probed faster for it, and what the other one loses is the path's.
#[test]
fn a_reflector_that_is_dead_for_good_costs_no_probes_and_blinds_no_detector() {
    for ever_answered in [true, false] {
        let mut path = Path::new(MonitorConfig::default(), &[0, 1], 42);
        path.run_for(secs(60), &mut |_, stream, rng| {
            (stream == 0 || ever_answered).then(|| wobble(ms(20), rng))
        });
        path.run_for(secs(60), &mut |_, stream, rng| (stream == 0).then(|| wobble(ms(20), rng)));
        assert_eq!(path.state(), State::Up);
        assert_eq!(path.monitor.probe_interval(Role::Standby), ms(100));
        assert_eq!(path.monitor.probe_interval(Role::Active), ms(20));
        // Two misses are a suspicion again, and a fault that runs may be the path's.
        path.run_for(ms(75), &mut |_, _, _| None);
        assert_eq!(path.state(), State::Suspect);
        assert!(path.monitor.verdict().evidence.missing);
        path.run_for(secs(40), &mut |_, stream, rng| (stream == 0).then(|| wobble(ms(20), rng)));
        assert_eq!(path.state(), State::Up);
        let fault = path.now;
        let mut loss = Gilbert::random(0.1);
        path.run_for(secs(10), &mut |_, stream, rng| {
            (stream == 0 && !loss.loses(rng)).then(|| wobble(ms(20), rng))
        });
        let (at, verdict) = path.first(fault, |it| it.state == State::Degraded).unwrap();
        assert!(at.since(fault) < secs(2), "{:?}", at.since(fault));
        assert!(verdict.reasons.contains(Reasons::LOSS));
    }
}

#[test]
fn a_route_that_gets_shorter_breaks_no_limit() {
    let mut path = up(70);
    let shorter = path.now;
    path.run_for(secs(60), &mut |_, _, rng| Some(wobble(ms(20), rng)));
    assert_eq!(path.state(), State::Up);
    assert_eq!(path.first(shorter, |it| it.state != State::Up), None);
    let mut path = up(70);
    for _ in 0..300 {
        path.run_for(ms(200), &mut |_, _, rng| Some(wobble(ms(20), rng)));
        let score = path.monitor.score(Class::Voice);
        assert_ne!(score.compliance, Compliance::Violates, "{score:?}");
    }
    assert!(path.monitor.call().buffer_ms <= 40.0, "{:?}", path.monitor.call());
}

/// Whatever one reflector does, be it silent or lossy, the other's longer way is not the path's delay.
#[test]
fn the_death_of_the_nearest_reflector_is_no_delay_of_the_path() {
    let rtt = |stream: usize, rng: &mut fastrand::Rng| Some(wobble(ms([20, 120][stream]), rng));
    for lossy in [false, true] {
        let mut path = Path::new(MonitorConfig::default(), &[0, 1], 42);
        path.run_for(secs(60), &mut |_, stream, rng| rtt(stream, rng));
        assert_eq!(path.monitor.score(Class::Voice).compliance, Compliance::Complies);
        let before = path.monitor.score(Class::Voice).value;
        for _ in 0..300 {
            path.run_for(ms(200), &mut |_, stream, rng| {
                let lost = stream == 0 && (!lossy || rng.f64() < 0.3);
                if lost { None } else { rtt(stream, rng) }
            });
            let score = path.monitor.score(Class::Voice);
            assert_ne!(score.compliance, Compliance::Violates, "{score:?}");
        }
        assert!((path.monitor.score(Class::Voice).value - before).abs() < 1.0);
        // A delay of the path shows on the reflector that is left.
        path.run_for(secs(10), &mut |_, stream, rng| (stream == 1).then(|| wobble(ms(220), rng)));
        assert!(path.monitor.score(Class::Voice).violations.rtt);
    }
}

#[test]
fn a_lone_reflectors_silence_re_ranks_but_does_not_withdraw() {
    let mut path = settled(20, &[0], MonitorConfig::default());
    let fault = path.now;
    path.run_for(secs(5), &mut |_, _, _| None);
    assert_eq!(path.entries(State::Down), 0);
    let (at, verdict) = path.first(fault, |it| it.state == State::Degraded).unwrap();
    assert!(at.since(fault) < ms(150));
    assert_eq!(verdict.reasons, Reasons::SILENCE);
    assert!(!verdict.usable() && !verdict.may_withdraw());
}

#[test]
fn a_path_never_heard_of_is_down_but_not_withdrawn() {
    let mut path = Path::new(MonitorConfig::default(), &[0, 1], 1);
    path.run_for(secs(5), &mut |_, _, _| None);
    let verdict = path.monitor.verdict();
    assert_eq!(verdict.state, State::Down);
    assert!(verdict.reasons.contains(Reasons::NEVER_ANSWERED));
    assert!(!verdict.may_withdraw() && !verdict.usable());
}

/// Its BGP session came up after its probes began, so there was no way back. It is new, and nothing to recover from.
#[test]
fn a_path_that_is_heard_at_last_is_new() {
    for streams in [&[0, 1][..], &[0]] {
        let mut path = Path::new(MonitorConfig::default(), streams, 1);
        path.run_for(secs(5), &mut |_, _, _| None);
        assert!(!path.monitor.verdict().passes());
        let heard = path.now;
        path.run_for(secs(11), &mut |_, _, _| Some(ms(20)));
        assert!(path.first(heard, |it| it.state == State::Init).unwrap().0.since(heard) < ms(100));
        assert!(path.first(heard, |it| it.state == State::Up).is_some());
        path.run_for(secs(2), &mut |_, _, _| None);
        assert!(!path.monitor.verdict().passes());
        path.run_for(secs(11), &mut |_, _, _| Some(ms(20)));
        assert_eq!(path.state(), State::Recovering, "it did work before");
    }
}

#[test]
fn one_silent_member_of_a_bundle_degrades() {
    let mut path = settled(20, &[0, 0, 1, 1], MonitorConfig::default());
    path.run_for(secs(2), &mut |_, stream, _| (stream != 1).then_some(ms(20)));
    assert_eq!(path.state(), State::Degraded);
    assert!(path.monitor.verdict().reasons.contains(Reasons::ECMP_MEMBER));
}

#[test]
fn link_and_bfd_speak_at_once() {
    let mut path = up(20);
    let now = path.now;
    path.monitor.link(now, LinkState::Down);
    let verdict = path.monitor.poll_verdict().unwrap();
    assert_eq!((verdict.state, verdict.reasons), (State::Down, Reasons::LINK_DOWN));
    assert!(verdict.may_withdraw());
    path.monitor.bfd(now, BfdState::Down);
    path.monitor.link(now, LinkState::Up);
    let verdict = path.monitor.poll_verdict().unwrap();
    assert_eq!((verdict.state, verdict.reasons), (State::Down, Reasons::BFD_DOWN));
    path.monitor.bfd(now, BfdState::Up);
    assert_eq!(path.monitor.poll_verdict().unwrap().state, State::Recovering);
}

#[test]
fn a_path_without_probes_lives_by_its_link() {
    let now = Instant::from_secs(1);
    let mut monitor = PathMonitor::new::<u8>(now, MonitorConfig::default(), &[]);
    monitor.link(now, LinkState::Up);
    let known = monitor.poll_timeout().unwrap();
    assert_eq!(known, now + secs(10));
    monitor.handle_timeout(known);
    assert_eq!(monitor.verdict().state, State::Up);
    monitor.link(known, LinkState::Down);
    monitor.link(known, LinkState::Up);
    assert_eq!(monitor.verdict().state, State::Recovering);
    monitor.handle_timeout(known + secs(30));
    assert_eq!(monitor.verdict().state, State::Up);
}

#[test]
fn the_operator_takes_out_and_gives_back() {
    let mut path = up(20);
    path.monitor.admin(path.now, true);
    let verdict = path.monitor.poll_verdict().unwrap();
    assert_eq!(verdict.state, State::Admin);
    assert!(!verdict.usable() && !verdict.may_withdraw());
    path.monitor.admin(path.now, false);
    assert_eq!(path.state(), State::Init);
    path.run_for(secs(6), &mut |_, _, _| Some(ms(20)));
    assert_eq!(path.state(), State::Up);
    assert_eq!(path.monitor.verdict().evidence.penalty, 0);
}

#[test]
fn a_dead_prober_freezes_the_verdict() {
    let mut path = up(20);
    path.probing = false;
    path.run_for(secs(3600), &mut |_, _, _| None);
    let verdict = *path.monitor.verdict();
    assert_eq!((verdict.state, verdict.reasons), (State::Up, Reasons::STALE));
    assert_eq!(path.monitor.poll_timeout(), None, "nothing to wait for");
    // Back to life: only fresh samples clear it.
    path.probing = true;
    path.run_for(ms(10), &mut |_, _, _| Some(ms(20)));
    assert!(path.monitor.verdict().reasons.contains(Reasons::STALE));
    path.run_for(secs(1), &mut |_, _, _| Some(ms(20)));
    assert_eq!(path.monitor.verdict().reasons, Reasons::NONE);
    assert_eq!(path.entries(State::Down), 0);
}

#[test]
fn a_path_that_died_while_the_prober_was_dead_is_found() {
    let mut path = up(20);
    path.probing = false;
    path.run_for(secs(60), &mut |_, _, _| None);
    path.probing = true;
    path.run_for(secs(1), &mut |_, _, _| None);
    assert_eq!(path.state(), State::Down);
    assert!(!path.monitor.verdict().reasons.contains(Reasons::STALE));
}

#[test]
fn a_late_timer_is_our_own_stall_and_not_an_outage() {
    let mut path = up(20);
    let stalled = path.now + ms(400);
    // The loop sleeps 400 ms; the replies that came meanwhile are read after the timers.
    path.monitor.handle_timeout(stalled);
    assert_eq!(path.state(), State::Up);
    let due = path.monitor.poll_timeout().unwrap();
    assert!(due > stalled && due <= stalled + ms(5), "one more look at the sockets");
}

/// The machine was moved: it stood still, and what was under way is lost.
#[test]
fn a_machine_that_stood_still_calls_no_path_dead() {
    for rtt_ms in [20, 60, 100] {
        for seed in 0..20 {
            let mut path = Path::new(MonitorConfig::default(), &[0, 1], seed);
            path.run_for(secs(60) + ms(seed), &mut |_, _, rng| Some(wobble(ms(rtt_ms), rng)));
            path.stand_still(secs(2));
            let from = path.now;
            path.run_for(secs(5), &mut |_, _, rng| Some(wobble(ms(rtt_ms), rng)));
            let bad = path.first(from, |it| !matches!(it.state, State::Up | State::Suspect));
            assert!(bad.is_none(), "{rtt_ms} ms, {seed}: {bad:?}");
            // If the path is dead as well, that is found with the probes sent since.
            path.stand_still(secs(2));
            let from = path.now;
            path.run_for(secs(1), &mut |_, _, _| None);
            let (at, _) = path.first(from, |it| it.state == State::Down).unwrap();
            assert!(at.since(from) < ms(rtt_ms + 100), "{rtt_ms}: {:?}", at.since(from));
        }
    }
}

/// Whoever wakes is late once more, with much to do.
#[test]
fn a_machine_that_wakes_in_two_steps_calls_no_path_dead() {
    for told_of_stalls in [false, true] {
        for (rtt_ms, second) in [(60, 12), (60, 30), (80, 50), (100, 20)] {
            for seed in 0..10 {
                let mut path = Path::new(MonitorConfig::default(), &[0, 1], seed);
                let mut well = |_: Instant, _: usize, rng: &mut Rng| Some(wobble(ms(rtt_ms), rng));
                path.run_for(secs(60) + ms(seed), &mut well);
                path.stand_still(secs(2));
                for late in [second, 0] {
                    if told_of_stalls {
                        path.monitor.stalled(path.now);
                    }
                    path.run_for(ms(2), &mut well);
                    path.now += ms(late);
                }
                path.run_for(secs(5), &mut well);
                assert_eq!(path.entries(State::Down), 0, "{rtt_ms} and {second} ms, {seed}");
            }
        }
    }
}

#[test]
fn a_stall_in_the_middle_of_silence_voids_it_until_the_sockets_were_read() {
    let mut path = up(60);
    let fault = path.now;
    // Probes are missing, silence is not certain yet, and the loop stands still.
    path.run_for(ms(110), &mut |_, _, _| None);
    assert!(path.monitor.verdict().evidence.missed > 0 && path.entries(State::Down) == 0);
    let awake = path.now + ms(300);
    path.monitor.handle_timeout(awake);
    assert_ne!(path.state(), State::Down);
    // Nothing was in the sockets: it is an outage after all.
    let mut now = awake;
    while path.state() != State::Down {
        now = path.monitor.poll_timeout().unwrap().max(now);
        path.monitor.handle_timeout(now);
    }
    // A new probe would have been answered by then.
    assert!((ms(60)..ms(75)).contains(&now.since(awake)) && now > fault, "{:?}", now.since(awake));
}

#[test]
fn a_slow_machine_still_sees_an_outage() {
    for told_of_stalls in [false, true] {
        let mut path = up(20);
        let mut now = path.now;
        let mut seq = 5_000_000;
        for _ in 0..40 {
            // Every turn of the loop comes 25 ms late.
            now += ms(25);
            seq += 1;
            if told_of_stalls {
                path.monitor.stalled(now);
            }
            path.monitor.handle_timeout(now);
            path.monitor.sent(now, 0, seq);
            path.monitor.sent(now, 1, seq);
        }
        assert_eq!(path.state(), State::Down, "{told_of_stalls}");
    }
}

#[test]
fn a_step_of_150_ms_ends_degraded_by_delay_and_not_down() {
    let mut path = up(20);
    let step = path.now;
    path.run_for(secs(20), &mut |_, _, rng| Some(wobble(ms(170), rng)));
    let verdict = *path.monitor.verdict();
    assert_eq!((verdict.state, verdict.reasons), (State::Degraded, Reasons::DELAY));
    // No detector can tell a step from an outage before the first late reply.
    let heard = step + ms(170 + 20);
    let down = path.verdicts.iter().filter(|(_, it)| it.state == State::Down);
    assert!(down.clone().all(|(at, _)| *at < heard), "down ends with the first late reply");
    assert_eq!(path.first(heard, |it| it.state != State::Degraded), None);
    assert_eq!(verdict.evidence.penalty, 463, "500 for degrading, less 20 s; no outage");
    assert_eq!(verdict.evidence.loss_ppm, 0);
    assert!(path.monitor.score(Class::Voice).violations.rtt);
    assert!(path.monitor.verdict().usable());
}

#[test]
fn patience_with_silence_never_calls_a_step_down() {
    let config = MonitorConfig { down_after: ms(200), ..MonitorConfig::default() };
    let mut path = settled(20, &[0, 1], config);
    path.run_for(secs(20), &mut |_, _, rng| Some(wobble(ms(170), rng)));
    assert_eq!(path.entries(State::Down), 0);
    assert_eq!(path.monitor.verdict().reasons, Reasons::DELAY);
    let fault = path.now;
    path.run_for(secs(5), &mut |_, _, _| None);
    let (at, _) = path.first(fault, |it| it.state == State::Down).unwrap();
    assert!(at.since(fault) > ms(350) && at.since(fault) < ms(400), "{:?}", at.since(fault));
}

#[test]
fn a_lasting_step_becomes_normal_and_the_path_recovers() {
    let mut path = up(20);
    path.run_for(secs(120), &mut |_, _, rng| Some(wobble(ms(60), rng)));
    assert_eq!((path.state(), path.entries(State::Degraded)), (State::Up, 1));
    assert!(path.monitor.verdict().evidence.usual_rtt_ns > 59_000_000);
}

#[test]
fn loss_of_20_percent_degrades_quickly_and_is_not_down() {
    for seed in 0..20 {
        let mut path = Path::new(MonitorConfig::default(), &[0, 1], seed);
        path.run_for(secs(30), &mut |_, _, rng| Some(wobble(ms(20), rng)));
        let fault = path.now;
        let mut loss = [Gilbert::random(0.2); 2];
        path.run_for(secs(60), &mut |_, stream, rng| {
            (!loss[stream].loses(rng)).then(|| wobble(ms(20), rng))
        });
        let (at, verdict) = path.first(fault, |it| it.state == State::Degraded).unwrap();
        assert!(at.since(fault) < ms(700), "seed {seed}: {:?}", at.since(fault));
        assert!(verdict.reasons.contains(Reasons::LOSS));
        assert_eq!(path.entries(State::Down), 0);
        let verdict = path.monitor.verdict();
        assert!(verdict.reasons.contains(Reasons::LOSS) && verdict.grade == Grade::D);
        assert!((150_000..250_000).contains(&verdict.evidence.loss_ppm));
    }
}

/// Long runs of losses at the start teach that losses cluster; that must not hold the path back for minutes.
#[test]
fn a_path_that_began_with_heavy_loss_recovers_when_it_is_over() {
    let mut path = Path::new(MonitorConfig::default(), &[0], 2);
    path.run_for(secs(3), &mut |_, _, rng| (rng.f64() >= 0.9).then(|| ms(20)));
    assert_eq!(path.state(), State::Degraded);
    path.run_for(secs(40), &mut |_, _, _| Some(ms(20)));
    assert_eq!(path.state(), State::Recovering, "{:?}", path.monitor.verdict().reasons);
    path.run_for(secs(30), &mut |_, _, _| Some(ms(20)));
    assert_eq!(path.state(), State::Up);
}

#[test]
fn a_blackhole_on_a_lossy_path_is_still_found() {
    let mut path = Path::new(MonitorConfig::default(), &[0, 1], 3);
    let mut loss = [Gilbert::random(0.2); 2];
    path.run_for(secs(300), &mut |_, stream, rng| {
        (!loss[stream].loses(rng)).then(|| wobble(ms(20), rng))
    });
    let fault = path.now;
    path.run_for(secs(2), &mut |_, _, _| None);
    let (at, _) = path.first(fault, |it| it.state == State::Down).unwrap();
    assert!(at.since(fault) < ms(250), "K stays sane: {:?}", at.since(fault));
}

#[test]
fn loss_towards_one_reflector_is_the_reflectors_fault() {
    let mut path = up(20);
    let mut loss = Gilbert::random(0.2);
    path.run_for(secs(60), &mut |_, stream, rng| {
        (stream == 1 || !loss.loses(rng)).then(|| wobble(ms(20), rng))
    });
    assert_eq!(path.entries(State::Down) + path.entries(State::Degraded), 0);
    assert!(path.monitor.verdict().reasons.contains(Reasons::REFLECTOR));
    assert!(path.monitor.verdict().score > 90.0, "the sound reflector's loss counts");
}

#[test]
fn jitter_is_told_and_costs_quality() {
    let mut path = up(20);
    path.run_for(secs(20), &mut |_, _, rng| Some(ms(20 + rng.u64(0..80))));
    let verdict = path.monitor.verdict();
    assert_eq!(verdict.state, State::Degraded);
    assert!(verdict.reasons.intersects(Reasons::JITTER.with(Reasons::DELAY)));
    assert!(path.monitor.score(Class::Voice).violations.delay_variation);
    let call = path.monitor.call();
    assert!(call.buffer_ms >= 60.0, "{call:?}");
}

/// Five seconds down, a minute up, six times.
fn flap(config: MonitorConfig) -> Path {
    let mut path = settled(20, &[0, 1], config);
    for _ in 0..6 {
        path.run_for(secs(5), &mut |_, _, _| None);
        path.run_for(secs(60), &mut |_, _, rng| Some(wobble(ms(20), rng)));
    }
    path
}

#[test]
fn flapping_suppresses_and_time_heals() {
    let mut path = flap(MonitorConfig::default());
    assert_eq!(path.state(), State::Suppressed);
    assert!(path.monitor.verdict().reasons.contains(Reasons::DAMPED));
    assert!(!path.monitor.verdict().usable() && path.monitor.verdict().passes());
    path.run_for(secs(600), &mut |_, _, rng| Some(wobble(ms(20), rng)));
    assert_eq!(path.state(), State::Up, "{:?}", path.monitor.verdict());
}

#[test]
fn without_damping_flapping_does_not_suppress() {
    let path = flap(without_damping());
    assert_eq!((path.entries(State::Suppressed), path.state()), (0, State::Up));
    assert_eq!(path.entries(State::Down), 6);
}

#[test]
fn outages_every_15_s_are_suppressed_at_the_third() {
    let mut path = up(40);
    let period = secs(15).as_nanos() as u64;
    path.run_for(secs(154), &mut |now, _, rng| {
        let out = now.as_nanos() % period < 700_000_000;
        (!out && rng.f64() > 0.002).then(|| ms(40 + rng.u64(0..20)))
    });
    let downs = || path.verdicts.iter().filter(|(_, it)| it.state == State::Down);
    assert!(downs().count() >= 10);
    let third = downs().nth(2).unwrap().0;
    let after = path.first(third, |it| it.state != State::Down).unwrap();
    assert_eq!(after.1.state, State::Suppressed);
    assert!(path.first(after.0, |it| it.usable()).is_none());
}

#[test]
fn bursts_of_loss_for_hours_are_neither_down_nor_degraded() {
    let mut path = Path::new(MonitorConfig::default(), &[0, 1], 11);
    let mut bursts = [Gilbert::new(0.005, 3.5); 2];
    path.run_for(secs(2 * 3600), &mut |_, stream, rng| {
        (!bursts[stream].loses(rng)).then(|| wobble(ms(25), rng))
    });
    assert_eq!(path.entries(State::Down), 0);
    assert_eq!(path.entries(State::Degraded), 0);
    assert_eq!(path.monitor.verdict().grade, Grade::A);
    let per_second = path.sent as f64 / (2.0 * 3600.0) / 2.0;
    assert!(per_second < 65.0, "boosting costs {per_second} probes a second");
}

#[test]
fn a_standby_that_may_have_to_lead_soon_is_looked_at_closely_for_a_moment() {
    let mut path = up(20);
    let calm =
        |path: &mut Path, time| path.run_for(time, &mut |_, _, rng| Some(wobble(ms(20), rng)));
    let tell = |path: &mut Path, role| {
        path.role = role;
        path.monitor.set_role(path.now, role);
        path.monitor.probe_interval(role)
    };
    assert_eq!(tell(&mut path, Role::Standby), ms(100));
    calm(&mut path, secs(10));
    assert_eq!(tell(&mut path, Role::Alerted), ms(5));
    calm(&mut path, ms(1900));
    assert_eq!(tell(&mut path, Role::Alerted), ms(5), "no news");
    calm(&mut path, ms(200));
    assert_eq!(path.monitor.probe_interval(Role::Alerted), ms(20));
    calm(&mut path, secs(10));
    assert_eq!(tell(&mut path, Role::Alerted), ms(20), "nor is that");
    assert_eq!(tell(&mut path, Role::Standby), ms(100));
    assert_eq!(tell(&mut path, Role::Alerted), ms(5));
    assert_eq!(tell(&mut path, Role::Active), ms(20), "it leads: its own evidence counts");
}

#[test]
fn probes_are_never_so_fast_that_replies_cannot_be_told_apart() {
    let mut path = up(600);
    assert_eq!(path.monitor.probe_interval(Role::Active), Duration::from_millis(20));
    path.run_for(secs(1), &mut |_, _, _| None);
    let boosted = path.monitor.probe_interval(Role::Active);
    assert!(boosted > ms(9), "{boosted:?}");
}

/// What `docs/SCORING.md` says of memory. The configuration is shared by paths that are judged alike.
#[test]
fn a_path_takes_no_more_memory_than_is_written_down() {
    let config = std::sync::Arc::new(MonitorConfig::default());
    let bytes = |streams: &[u8]| {
        PathMonitor::new(Instant::ZERO, std::sync::Arc::clone(&config), streams).state_bytes()
    };
    let (one, two) = (bytes(&[0]), bytes(&[0, 1]));
    assert!(one <= 2219 && two - one <= 1096, "{one} bytes, {two} with a second stream");
}

/// A router answers probes when it has time, and a queue of ours may stand before the card that stamps them.
#[test]
fn time_that_is_no_delay_of_the_path_is_waited_for() {
    let mut path = Path::new(MonitorConfig::default(), &[0, 1], 5);
    path.held = ms(30);
    for _ in 0..60 {
        path.run_for(secs(1), &mut |_, _, rng| Some(wobble(ms(20), rng)));
        assert!(path.monitor.figures().all(|it| it.missed_run == 0 && it.counters.missed == 0));
    }
    assert_eq!((path.state(), path.entries(State::Suspect)), (State::Up, 0));
    assert!(path.monitor.verdict().evidence.rtt_ns < 21_000_000);
    let fault = path.now;
    let mut loss = [Gilbert::random(0.2); 2];
    path.run_for(secs(5), &mut |_, stream, rng| {
        (!loss[stream].loses(rng)).then(|| wobble(ms(20), rng))
    });
    let (at, _) = path.first(fault, |it| it.state == State::Degraded).unwrap();
    assert!(at.since(fault) < secs(1), "{:?}", at.since(fault));
    assert!(path.monitor.verdict().evidence.loss_ppm > 100_000);
}

/// Nothing came back in time, and the delay of the path is as ever: an outage as any other, and counted.
#[test]
fn a_queue_of_our_own_that_holds_everything_up_is_an_outage_and_is_damped() {
    let mut path = up(20);
    path.held = ms(200);
    path.run_for(secs(2), &mut |_, _, rng| Some(wobble(ms(20), rng)));
    assert_eq!((path.state(), path.entries(State::Down)), (State::Recovering, 1));
    assert!(path.monitor.verdict().evidence.penalty > 950);
    path.run_for(secs(40), &mut |_, _, rng| Some(wobble(ms(20), rng)));
    assert_eq!((path.state(), path.entries(State::Down)), (State::Up, 1));
    // Its replies are waited for now; an outage is found later by as much.
    let fault = path.now;
    path.run_for(secs(2), &mut |_, _, _| None);
    let (at, _) = path.first(fault, |it| it.state == State::Down).unwrap();
    assert!(at.since(fault) < ms(400), "{:?}", at.since(fault));
}

#[test]
fn ratings_are_told_on_the_scale_of_the_codec_and_while_a_path_is_new() {
    for (codec, least) in [(Codec::G711_PLC, 85.0), (Codec::AMR_WB, 98.0)] {
        let config = MonitorConfig { codec, ..MonitorConfig::default() };
        let mut path = Path::new(config, &[0_u8, 1], 7);
        path.run_for(ms(300), &mut |_, _, rng| Some(wobble(ms(20), rng)));
        let verdict = path.monitor.verdict();
        assert_eq!(verdict.state, State::Init);
        assert!(verdict.r_ucb > least && verdict.mos > 4.0, "{verdict:?}");
        path.run_for(secs(60), &mut |_, _, rng| Some(wobble(ms(20), rng)));
        let verdict = path.monitor.verdict();
        assert!(verdict.r_lcb > least && verdict.r_ucb <= codec.scale.base(), "{verdict:?}");
    }
}

#[test]
fn a_path_that_begins_with_loss_has_no_past_to_pay_for() {
    let mut path = Path::new(MonitorConfig::default(), &[0_u8, 1], 7);
    path.run_for(secs(60), &mut |_, _, rng| (rng.f64() > 0.3).then(|| wobble(ms(20), rng)));
    assert_eq!((path.state(), path.entries(State::Up)), (State::Degraded, 0));
    assert_eq!(path.monitor.verdict().evidence.penalty, 0);
}
