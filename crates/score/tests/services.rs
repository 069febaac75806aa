//! Whole services: simulated paths, their monitors and the selector together.

mod sim;

use fastrand::Rng;
use pathvane_clock::{Duration, Instant};
use pathvane_score::emodel::Codec;
use pathvane_score::{
    Candidate, Cause, Class, Compliance, Decision, MonitorConfig, OwnClass, PathId, Role, Selector,
    SelectorConfig, Sla, State,
};
use sim::{Gilbert, Path, ms, secs, wobble};

/// Some paths and a service that may use them all.
struct Service {
    class: Class,
    paths: Vec<Path>,
    selector: Selector,
    next_check: Option<Instant>,
    now: Instant,
    moves: Vec<(Instant, Decision)>,
}

impl Service {
    fn new(paths: usize, config: &MonitorConfig, seed: u64) -> Self {
        let path = |i| Path::new(config.clone(), &[0, 1], seed * 100 + i as u64);
        let now = Instant::from_secs(1);
        let mut service = Self {
            class: config.class,
            paths: (0..paths).map(path).collect(),
            selector: Selector::new(now, SelectorConfig::default(), seed),
            next_check: None,
            now,
            moves: Vec::new(),
        };
        service.decide();
        service.moves.clear();
        service
    }

    /// Lives for `time`, all paths in steps of 4 ms.
    fn run_for(
        &mut self,
        time: Duration,
        network: &mut dyn FnMut(usize, Instant, usize, &mut Rng) -> Option<Duration>,
    ) {
        let end = self.now + time;
        while self.now < end {
            self.now += ms(4);
            let mut news = self.next_check.is_some_and(|at| at <= self.now);
            for (i, path) in self.paths.iter_mut().enumerate() {
                let before = path.verdicts.len();
                path.run_until(self.now, &mut |now, stream, rng| network(i, now, stream, rng));
                news |= path.verdicts.len() != before;
            }
            if news {
                self.decide();
            }
        }
    }

    fn decide(&mut self) {
        let candidates: Vec<Candidate> =
            (0..).zip(&self.paths).map(|it| candidate(it, self.class)).collect();
        let decision = self.selector.decide(self.now, &candidates);
        self.next_check = decision.next_check;
        if decision.moved {
            self.moves.push((self.now, decision.clone()));
        }
        let leader = self.selector.decision().leader;
        let alerted = self.selector.decision().alerted;
        for (i, path) in (0..).zip(&mut self.paths) {
            path.role = match Some(PathId(i)) {
                it if it == leader => Role::Active,
                it if it == alerted => Role::Alerted,
                _ => Role::Standby,
            };
            path.monitor.set_role(self.now, path.role);
        }
    }

    fn leader(&self) -> u32 {
        self.selector.decision().leader.unwrap().0
    }
}

fn candidate((i, path): (u32, &Path), class: Class) -> Candidate {
    Candidate {
        path: PathId(i),
        verdict: *path.monitor.verdict(),
        score: path.monitor.score(class),
        shared_risk: 0,
        instances: (0, 0),
        utilisation: None,
        load: None,
        weight: 1.0,
        cost: 0.0,
    }
}

#[test]
fn a_blackhole_moves_the_service_and_healing_does_not_move_it_back() {
    let mut service = Service::new(2, &MonitorConfig::default(), 1);
    service.run_for(secs(60), &mut |_, _, _, rng| Some(wobble(ms(20), rng)));
    assert!(service.moves.is_empty() && service.leader() == 0);
    let fault = service.now;
    service.run_for(secs(10), &mut |path, _, _, rng| (path == 1).then(|| wobble(ms(25), rng)));
    let (at, decision) = &service.moves[0];
    assert_eq!((decision.leader, decision.cause), (Some(PathId(1)), Cause::LeaderDown));
    assert!(at.since(fault) < ms(150), "{:?}", at.since(fault));
    service.run_for(secs(300), &mut |_, _, _, rng| Some(wobble(ms(20), rng)));
    assert_eq!(service.moves.len(), 1);
}

#[test]
fn noise_moves_nothing_for_an_hour() {
    let mut service = Service::new(3, &MonitorConfig::default(), 2);
    let mut bursts = [[Gilbert::new(0.005, 3.5); 2]; 3];
    service.run_for(secs(3600), &mut |path, _, stream, rng| {
        // Jitter with a heavy tail: 1 in 200 takes up to 40 ms longer.
        let tail = if rng.u8(..) == 0 { rng.u64(0..40) } else { 0 };
        let rtt = ms([30, 34, 45][path] + rng.u64(0..4) + tail);
        (!bursts[path][stream].loses(rng)).then_some(rtt)
    });
    assert!(service.moves.is_empty(), "{:?}", service.moves);
    for path in &service.paths {
        assert_eq!(path.entries(State::Down) + path.entries(State::Degraded), 0);
    }
}

#[test]
fn loss_on_the_leader_moves_the_service_for_quality() {
    let mut service = Service::new(2, &MonitorConfig::default(), 3);
    service.run_for(secs(60), &mut |_, _, _, rng| Some(wobble(ms(20), rng)));
    let fault = service.now;
    let mut loss = [Gilbert::random(0.1); 2];
    service.run_for(secs(60), &mut |path, _, stream, rng| {
        (path == 1 || !loss[stream].loses(rng)).then(|| wobble(ms(20), rng))
    });
    assert_eq!(service.moves.len(), 1);
    let (at, decision) = &service.moves[0];
    assert_eq!(decision.cause, Cause::LeaderViolates);
    assert!(at.since(fault) < secs(3), "{:?}", at.since(fault));
}

#[test]
fn a_fault_that_all_paths_share_moves_nothing() {
    for seed in 0..10 {
        let mut service = Service::new(3, &MonitorConfig::default(), seed);
        service.run_for(secs(40), &mut |_, _, _, rng| Some(wobble(ms(30), rng)));
        // Our own network card dies, in the middle of somewhere.
        service.run_for(ms(seed * 7), &mut |_, _, _, rng| Some(wobble(ms(30), rng)));
        service.run_for(secs(20), &mut |_, _, _, _| None);
        assert!(service.moves.is_empty(), "seed {seed}: {:?}", service.moves);
        assert!(service.paths.iter().all(|path| path.state() == State::Down));
        // It comes back.
        service.run_for(secs(60), &mut |_, _, _, rng| Some(wobble(ms(30), rng)));
        assert!(service.moves.is_empty() && service.leader() == 0);
    }
}

#[test]
fn delay_on_every_path_at_once_moves_nothing() {
    let mut service = Service::new(2, &MonitorConfig::default(), 5);
    service.run_for(secs(60), &mut |_, _, _, rng| Some(wobble(ms(20), rng)));
    service.run_for(secs(120), &mut |_, _, _, rng| Some(wobble(ms(120), rng)));
    assert!(service.moves.is_empty(), "{:?}", service.moves);
}

#[test]
fn a_flapping_path_is_left_alone_until_it_is_the_last() {
    let mut service = Service::new(2, &MonitorConfig::default(), 6);
    service.run_for(secs(60), &mut |_, _, _, rng| Some(wobble(ms(20), rng)));
    // The leader flaps; the other is good enough but scores far less.
    let slow = |rng: &mut Rng| Some(wobble(ms(95), rng));
    for _ in 0..6 {
        service.run_for(secs(5), &mut |path, _, _, rng| if path == 1 { slow(rng) } else { None });
        service.run_for(secs(60), &mut |path, _, _, rng| {
            if path == 1 { slow(rng) } else { Some(wobble(ms(20), rng)) }
        });
    }
    assert_eq!(service.moves.len(), 1, "{:?}", service.moves);
    assert_eq!(service.paths[0].state(), State::Suppressed);
    service.run_for(secs(2), &mut |path, _, _, rng| (path == 0).then(|| wobble(ms(20), rng)));
    assert_eq!(service.leader(), 0, "suppression is waived");
}

#[test]
fn the_same_seed_lives_the_same_life() {
    let life = |seed| {
        let mut service = Service::new(2, &MonitorConfig::default(), seed);
        let mut loss = [Gilbert::new(0.02, 2.0); 4];
        service.run_for(secs(120), &mut |path, _, stream, rng| {
            (!loss[path * 2 + stream].loses(rng)).then(|| ms(20 + rng.u64(0..60)))
        });
        let verdicts = |path: &Path| format!("{:?}", path.verdicts);
        (service.paths.iter().map(verdicts).collect::<Vec<_>>(), service.moves)
    };
    assert_eq!(life(9), life(9));
    assert_ne!(life(9).0, life(10).0);
}

/// A class of one's own is scored like the class it names, and judged by its own limits.
#[test]
fn a_class_of_ones_own_has_its_own_limits_and_codec() {
    let own = |sla, codec| OwnClass {
        name: "own".to_owned(),
        like: Class::Voice,
        sla,
        codec,
        bulk_target_bps: 10e6,
    };
    let tolerant = Sla { max_rtt: Some(ms(300)), ..Sla::of(Class::Voice) };
    let own = vec![own(tolerant, Codec::G711_PLC), own(Sla::of(Class::Voice), Codec::G729A)];
    let config = MonitorConfig { own, ..MonitorConfig::default() };
    let mut path = Path::new(config, &[0, 1], 3);
    path.run_for(secs(30), &mut |_, _, rng| Some(wobble(ms(150), rng)));
    let monitor = &path.monitor;
    let (voice, tolerant, narrow) = (
        monitor.score(Class::Voice),
        monitor.own_score(0, Class::Voice),
        monitor.own_score(1, Class::Voice),
    );
    assert_eq!(voice.compliance, Compliance::Violates, "150 ms of round trip");
    assert_eq!(tolerant.compliance, Compliance::Complies);
    assert_eq!(tolerant.value, voice.value);
    assert!(narrow.value < voice.value - 9.0, "G.729A sounds worse");
    path.run_for(secs(1), &mut |_, _, _| None);
    assert_eq!(path.monitor.own_score(0, Class::Voice).compliance, Compliance::Violates);
}

/// Jitter that both paths have since they exist is usual on both: neither is a refuge from the other.
#[test]
fn two_paths_with_the_same_jitter_are_not_swapped_for_ever() {
    let mut service = Service::new(2, &MonitorConfig::default(), 7);
    service.run_for(secs(600), &mut |_, _, _, rng| Some(ms(20 + rng.u64(0..80))));
    assert!(service.moves.len() <= 1, "{:?}", service.moves);
    assert!(service.paths.iter().all(|path| path.monitor.score(Class::Voice).value > 60.0));
}

/// Classes whose paths are probed seldom leave a leader that breaks their limits, too, and stay on one
/// that breaks none. Nothing is probed faster while nothing is wrong.
#[test]
fn every_class_leaves_a_lossy_leader() {
    for class in Class::ALL {
        for seed in 0..3 {
            let mut service = Service::new(2, &MonitorConfig::of(class), seed);
            service.run_for(secs(300), &mut |_, _, _, rng| Some(wobble(ms(20), rng)));
            assert!(service.moves.is_empty() && service.leader() == 0);
            assert_eq!(service.paths[1].role, Role::Standby);
            let fault = service.now;
            let mut loss = [Gilbert::random(0.2); 2];
            service.run_for(secs(300), &mut |path, _, stream, rng| {
                (path == 1 || !loss[stream].loses(rng)).then(|| wobble(ms(20), rng))
            });
            assert_eq!(service.moves.len(), 1, "{class} {seed}: {:?}", service.moves);
            let took = service.moves[0].0.since(fault);
            assert!(took < secs(30), "{class} {seed}: {took:?}");
        }
    }
}

/// Both paths lose as much: a standby does not seem to be well for want of probes.
#[test]
fn no_class_flees_to_a_path_that_is_as_lossy() {
    for class in Class::ALL {
        for seed in 0..2 {
            let mut service = Service::new(2, &MonitorConfig::of(class), seed);
            let mut loss = [Gilbert::random(0.15); 4];
            service.run_for(secs(1800), &mut |path, _, stream, rng| {
                (!loss[2 * path + stream].loses(rng)).then(|| wobble(ms(20), rng))
            });
            assert!(service.moves.len() <= 2, "{class} {seed}: {:?}", service.moves);
        }
    }
}
