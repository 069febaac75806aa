//! Bursts of loss that strike all streams of a path and spare some of their probes: the noise of a crowded link.

mod sim;

use fastrand::Rng;
use pathvane_clock::{Duration, Instant};
use pathvane_score::{Class, MonitorConfig, State};
use sim::{Gilbert, Path, ms, secs, wobble};

/// Bad and good times, in steps of 20 ms; a bad one loses half of what it strikes.
struct Link {
    process: Gilbert,
    bad: bool,
    until: Instant,
}

impl Link {
    fn answer(&mut self, now: Instant, rng: &mut Rng) -> Option<Duration> {
        while self.until <= now {
            self.bad = self.process.loses(rng);
            self.until = self.until.max(now - ms(20)) + ms(20);
        }
        (!self.bad || rng.bool()).then(|| wobble(ms(20), rng))
    }
}

#[test]
fn bursts_that_spare_some_probes_break_no_limit_once_they_are_known() {
    let (mut degraded, mut violated) = (0, 0);
    for seed in 0..4 {
        let mut link = Link { process: Gilbert::new(0.01, 3.5), bad: false, until: Instant::ZERO };
        let mut path = Path::new(MonitorConfig::default(), &[0_u8, 1], seed);
        path.run_for(secs(900), &mut |now, _, rng| link.answer(now, rng));
        let before = path.entries(State::Degraded);
        for _ in 0..3600 {
            path.run_for(secs(1), &mut |now, _, rng| link.answer(now, rng));
            violated += usize::from(path.monitor.score(Class::Voice).violations.any());
        }
        degraded += path.entries(State::Degraded) - before;
    }
    assert_eq!((degraded, violated), (0, 0));
}
