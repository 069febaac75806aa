//! Flaps remembered: a path that fails often is not trusted when it happens to work.

use pathvane_clock::{Duration, Instant};

/// One penalty counter in the shape of RFC 2439: it grows with each flap, halves with time,
/// suppresses above one threshold and lets go below another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Damping {
    /// The penalty halves in this time.
    pub half_life: Duration,
    /// Suppress from here.
    pub suppress: f64,
    /// Let go below this.
    pub reuse: f64,
    /// Never above this, which bounds the time of suppression.
    pub ceiling: f64,
    /// Flaps within this time of the first are one episode, which costs what its worst flap
    /// costs.
    pub episode: Duration,
}

/// The state of one [`Damping`].
#[derive(Clone, Debug)]
pub(crate) struct Penalty {
    config: Damping,
    value: f64,
    at: Instant,
    suppressed: bool,
    episode_since: Instant,
    episode_cost: f64,
    /// What the last flap added to `value` at `at`, below the ceiling; what it was charged with; and
    /// whether it is what suppressed.
    added: f32,
    charged: f32,
    tripped: bool,
}

impl Penalty {
    pub(crate) fn new(now: Instant, config: Damping) -> Self {
        Self {
            config,
            value: 0.0,
            at: now,
            suppressed: false,
            episode_since: now,
            episode_cost: 0.0,
            added: 0.0,
            charged: 0.0,
            tripped: false,
        }
    }

    /// Adds what a flap costs that is worth `cost`: less, if its episode has cost something before.
    pub(crate) fn add(&mut self, now: Instant, cost: f64) {
        let over = now.since(self.episode_since) >= self.config.episode;
        if over || self.episode_cost == 0.0 {
            self.episode_since = now;
            self.episode_cost = 0.0;
        }
        let amount = (cost - self.episode_cost).max(0.0);
        let before = self.value(now);
        self.episode_cost += amount;
        self.value = (before + amount).min(self.config.ceiling);
        self.at = now;
        self.added = (self.value - before) as f32;
        self.charged = amount as f32;
        self.tripped = !self.suppressed && self.value >= self.config.suppress;
        self.suppressed |= self.tripped;
    }

    /// Takes back what the last flap added: it was none.
    pub(crate) fn take_back(&mut self, now: Instant) {
        self.value = (self.value(now) - f64::from(self.added) * self.kept(now)).max(0.0);
        self.at = now;
        self.episode_cost = (self.episode_cost - f64::from(self.charged)).max(0.0);
        self.suppressed &= !self.tripped;
        (self.added, self.charged, self.tripped) = (0.0, 0.0, false);
    }

    /// The penalty of now.
    pub(crate) fn value(&self, now: Instant) -> f64 {
        if self.value == 0.0 { 0.0 } else { self.value * self.kept(now) }
    }

    /// What is left now of something that was added at `at`.
    fn kept(&self, now: Instant) -> f64 {
        let age = now.since(self.at).as_secs_f64();
        libm::exp2(-age / self.config.half_life.as_secs_f64())
    }

    /// The penalty as a share of what suppresses.
    pub(crate) fn share(&self, now: Instant) -> f64 {
        self.value(now) / self.config.suppress
    }

    /// Whether the path is suppressed at `now`.
    pub(crate) fn update(&mut self, now: Instant) -> bool {
        if self.suppressed && self.reuse_at().is_some_and(|at| at <= now) {
            self.suppressed = false;
        }
        self.suppressed
    }

    /// When the suppression ends if nothing happens.
    pub(crate) fn reuse_at(&self) -> Option<Instant> {
        let halvings = libm::log2(self.value / self.config.reuse).max(0.0);
        let wait = Duration::from_secs_f64(halvings * self.config.half_life.as_secs_f64());
        self.suppressed.then(|| self.at + wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::defaults as d;

    fn flap(config: Damping, every_s: u64, times: u64) -> (Penalty, Option<u64>) {
        let mut penalty = Penalty::new(Instant::ZERO, config);
        let mut suppressed_by = None;
        for i in 0..times {
            let now = Instant::from_secs(i * every_s);
            penalty.update(now);
            penalty.add(now, d::PENALTY_DOWN);
            if penalty.update(now) && suppressed_by.is_none() {
                suppressed_by = Some(i + 1);
            }
        }
        (penalty, suppressed_by)
    }

    #[test]
    fn outages_every_15_s_suppress_at_the_third() {
        assert_eq!(flap(d::DAMPING_FAST, 15, 10).1, Some(3));
    }

    #[test]
    fn slow_flaps_escape_the_fast_counter_but_not_the_slow_one() {
        assert_eq!(flap(d::DAMPING_FAST, 600, 100).1, None);
        assert!(flap(d::DAMPING_SLOW, 600, 100).1.is_some_and(|n| (8..=11).contains(&n)));
        assert_eq!(flap(d::DAMPING_SLOW, 3600, 100).1, None, "once an hour is bearable");
    }

    #[test]
    fn an_episode_of_fast_flaps_is_one_slow_flap() {
        let (penalty, _) = flap(d::DAMPING_SLOW, 10, 20);
        assert!(penalty.value(Instant::from_secs(190)) <= d::PENALTY_DOWN);
        let mut penalty = Penalty::new(Instant::ZERO, d::DAMPING_SLOW);
        let s = Instant::from_secs;
        penalty.add(s(0), d::PENALTY_DEGRADED);
        penalty.add(s(1), d::PENALTY_DOWN);
        assert!((penalty.value(s(1)) - d::PENALTY_DOWN).abs() < 1.0, "the worst counts");
        penalty.take_back(s(2));
        assert!((penalty.value(s(2)) - d::PENALTY_DEGRADED).abs() < 1.0, "taken back");
    }

    #[test]
    fn only_what_a_flap_added_is_taken_back() {
        let s = Instant::from_secs;
        let near =
            |penalty: &Penalty, at: u64, value: f64| (penalty.value(s(at)) - value).abs() < 20.0;
        // An outage, and in the same episode a step of delay that was taken for one.
        let mut penalty = Penalty::new(Instant::ZERO, d::DAMPING_SLOW);
        penalty.add(s(1000), d::PENALTY_DOWN);
        penalty.add(s(1060), d::PENALTY_DOWN);
        penalty.take_back(s(1061));
        assert!(near(&penalty, 1061, 1000.0), "the outage was one: {}", penalty.value(s(1061)));
        penalty.add(s(1070), d::PENALTY_DOWN);
        assert!(near(&penalty, 1070, 1000.0), "of the same episode");
        // The same across the end of an episode, and the next flap costs no more than it should.
        let mut penalty = Penalty::new(Instant::ZERO, d::DAMPING_SLOW);
        penalty.add(s(1000), d::PENALTY_DOWN);
        penalty.add(s(1299), d::PENALTY_DOWN);
        penalty.take_back(s(1301));
        penalty.add(s(1302), d::PENALTY_DOWN);
        let expected = 1000.0 * libm::exp2(-302.0 / 3600.0) + 1000.0;
        assert!(near(&penalty, 1302, expected), "{}", penalty.value(s(1302)));
    }

    #[test]
    fn what_was_taken_back_opens_no_episode() {
        let s = Instant::from_secs;
        let mut penalty = Penalty::new(Instant::ZERO, d::DAMPING_SLOW);
        penalty.add(s(1000), d::PENALTY_DOWN);
        penalty.take_back(s(1001));
        penalty.add(s(1290), d::PENALTY_DOWN);
        penalty.add(s(1310), d::PENALTY_DOWN);
        assert!((penalty.value(s(1310)) - 1000.0).abs() < 20.0, "one episode from 1290 s on");
    }

    #[test]
    fn a_suppression_by_mistake_ends_with_the_mistake() {
        let s = Instant::from_secs;
        let mut penalty = Penalty::new(Instant::ZERO, d::DAMPING_FAST);
        for at in [1, 2, 3] {
            penalty.add(s(at), d::PENALTY_DOWN);
        }
        assert!(penalty.update(s(3)));
        penalty.take_back(s(4));
        assert!(!penalty.update(s(4)) && penalty.reuse_at().is_none());
        // One that was there before stays.
        penalty.add(s(5), d::PENALTY_DOWN);
        penalty.add(s(6), d::PENALTY_DOWN);
        penalty.take_back(s(7));
        assert!(penalty.update(s(7)));
    }

    #[test]
    fn suppression_ends_at_the_announced_instant_and_the_ceiling_bounds_it() {
        let (mut penalty, _) = flap(d::DAMPING_FAST, 1, 1000);
        let last = Instant::from_secs(999);
        assert_eq!(penalty.value(last), d::DAMPING_FAST.ceiling);
        let end = penalty.reuse_at().unwrap();
        assert_eq!(end.since(last).as_secs(), 900, "five halvings");
        assert!(penalty.update(end - Duration::from_millis(1)));
        assert!(!penalty.update(end));
        assert_eq!(penalty.reuse_at(), None);
    }
}
