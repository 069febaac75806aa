//! Monitors and a selector where probes are few: a fault of both paths at once moves nothing, however
//! long it takes to show.

mod candidates;
mod sim;

use pathvane_clock::{Duration, Instant};
use pathvane_score::{
    Candidate, Class, MonitorConfig, PathId, ProbeRates, Role, Selector, SelectorConfig, StreamSpec,
};
use sim::{Path, ms, secs, wobble};

/// A site of two paths, the first of which leads.
struct Site {
    paths: [Path; 2],
    selector: Selector,
    moves: usize,
}

impl Site {
    fn new(rates: ProbeRates, slow: bool, seed: u64) -> Self {
        let config = MonitorConfig { rates, ..MonitorConfig::of(Class::Bulk) };
        let streams = [0, 1].map(|nth| StreamSpec::new(nth, 1).with_slow(slow));
        let path = |seed| Path::new(config.clone(), &streams, seed).within(secs(1));
        Self {
            paths: [path(seed), path(seed + 1000)],
            selector: Selector::new(Instant::from_secs(1), SelectorConfig::default(), seed),
            moves: 0,
        }
    }

    fn run_until(&mut self, end: Instant, fault: Instant) {
        for path in &mut self.paths {
            path.run_until(end, &mut |now, _, rng| (now < fault).then(|| wobble(ms(20), rng)));
        }
        let [first, second] = &self.paths;
        let all = [candidate(0, first), candidate(1, second)];
        let decision = self.selector.decide(end, &all).clone();
        self.moves += usize::from(decision.moved);
        for (nth, path) in self.paths.iter_mut().enumerate() {
            let id = Some(PathId(nth as u32));
            let role = match () {
                () if decision.leader == id => Role::Active,
                () if decision.alerted == id => Role::Alerted,
                () => Role::Standby,
            };
            if path.role != role {
                path.role = role;
                path.monitor.set_role(path.now, role);
            }
        }
    }
}

fn candidate(id: u32, path: &Path) -> Candidate {
    let verdict = *path.monitor.verdict();
    Candidate { verdict, score: path.monitor.score(Class::Bulk), ..candidates::path(id, 0.0) }
}

#[test]
fn a_fault_of_both_paths_moves_nothing_at_any_rate() {
    for (active_mpps, standby_mpps, boost_mpps, slow) in [
        (50_000, 10_000, 200_000, false),
        (1_000, 1_000, 1_000, false),
        (1_000, 250, 1_000, false),
        (2_000, 1_000, 4_000, false),
        (5_000, 1_000, 5_000, false),
        // Far ends that take a connection a second.
        (50_000, 10_000, 200_000, true),
    ] {
        let rates = ProbeRates { active_mpps, standby_mpps, boost_mpps };
        for seed in 0..20 {
            let mut site = Site::new(rates, slow, seed);
            let fault = Instant::from_secs(301) + ms(37 * seed);
            let mut now = Instant::from_secs(1);
            while now < fault + secs(20) {
                now +=
                    if now < Instant::from_secs(300) { secs(1) } else { Duration::from_millis(5) };
                site.run_until(now, fault);
            }
            assert_eq!(site.moves, 1, "only the first choice; {rates:?}, slow {slow}, seed {seed}");
        }
    }
}
