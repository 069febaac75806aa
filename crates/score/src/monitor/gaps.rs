//! Gaps: short times in which nothing came back on any stream, and then everything did.
//!
//! A path that shows them will show more. How long they last beyond a least length is taken for
//! exponential, as everything that ends by chance at any moment is. A silence is an outage when
//! it has lasted so long that the gaps of a whole day would not last longer once.

use pathvane_clock::{Duration, Instant};

use crate::defaults as d;

/// The gaps of one path, fading.
#[derive(Clone, Debug)]
pub(super) struct Gaps {
    began: Instant,
    at: Instant,
    count: f64,
    /// How much longer than [`d::GAP_LEAST`] all of them were together, in seconds.
    excess_s: f64,
}

impl Gaps {
    pub(super) fn new(now: Instant) -> Self {
        Self { began: now, at: now, count: 0.0, excess_s: 0.0 }
    }

    /// A silence of every stream has ended by itself; it had been `told` as an outage, or not.
    pub(super) fn learn(&mut self, now: Instant, gap: Duration, told: bool) {
        let Some(excess) = gap.checked_sub(d::GAP_LEAST) else { return };
        // Silence that lasts is no gap, even where nobody called it an outage: a witness contradicted it, or the
        // prober stood still.
        if gap > (if told { d::GAP_MISTAKEN } else { d::GAP_PATIENCE }) {
            return;
        }
        let kept = kept(now.since(self.at));
        let known = if self.count * kept < d::GAP_FORGOTTEN { 0.0 } else { kept };
        self.at = now;
        self.count = self.count * known + 1.0;
        self.excess_s = self.excess_s * known + excess.as_secs_f64();
    }

    /// How long a silence has to last to be none of these gaps; zero if there were none lately.
    pub(super) fn patience(&self, now: Instant) -> Duration {
        let kept_now = kept(now.since(self.at));
        let count = self.count * kept_now;
        if count < d::GAP_FORGOTTEN {
            return Duration::ZERO;
        }
        let excess_s = self.excess_s * kept_now;
        let guess_s = d::GAP_EXCESS_PRIOR.as_secs_f64() * d::GAP_PRIOR_WEIGHT;
        let mean_s = (excess_s + guess_s) / (count + d::GAP_PRIOR_WEIGHT);
        // The time in which they were counted, weighed as they are.
        let watched = 1.0 - kept(now.since(self.began));
        let watched_s = watched * d::GAP_HALF_LIFE.as_secs_f64() / core::f64::consts::LN_2;
        let a_day = count * d::DAY_S / watched_s.max(1.0);
        let times = libm::log(a_day).max(0.0) + d::GAP_CAUTION;
        d::GAP_LEAST + Duration::from_secs_f64(times * mean_s)
    }
}

/// What is left of a count after some time.
fn kept(age: Duration) -> f64 {
    libm::exp2(-age.as_secs_f64() / d::GAP_HALF_LIFE.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn gaps_every(seconds: u64, gap: Duration, times: u64, told: bool) -> (Gaps, Instant) {
        let mut gaps = Gaps::new(Instant::ZERO);
        let mut now = Instant::ZERO;
        for _ in 0..times {
            now += Duration::from_secs(seconds);
            gaps.learn(now, gap, told);
        }
        (gaps, now)
    }

    #[test]
    fn a_path_without_gaps_gets_no_patience() {
        let gaps = Gaps::new(Instant::ZERO);
        assert_eq!(gaps.patience(Instant::from_secs(1)), Duration::ZERO);
        let (short, now) = gaps_every(1, 59 * MS, 100, false);
        assert_eq!(short.patience(now), Duration::ZERO, "too short to count");
    }

    #[test]
    fn more_gaps_and_longer_ones_get_more_patience() {
        let patience = |seconds, gap| {
            let (gaps, now) = gaps_every(seconds, gap, 2000, false);
            gaps.patience(now)
        };
        let usual = patience(16, 89 * MS);
        // 5400 a day of 29 ms more: 60 + 29 x (8.6 + 5).
        assert!((450 * MS..460 * MS).contains(&usual), "{usual:?}");
        assert!(patience(160, 89 * MS) < usual);
        assert!(patience(16, 120 * MS) > usual + 200 * MS);
    }

    #[test]
    fn an_outage_teaches_nothing_but_a_gap_mistaken_for_one_does() {
        let (outages, now) = gaps_every(15, 700 * MS, 10, true);
        assert_eq!(outages.patience(now), Duration::ZERO);
        let (mistaken, now) = gaps_every(15, 160 * MS, 10, true);
        assert!(mistaken.patience(now) > 500 * MS);
    }

    #[test]
    fn a_lone_gap_costs_little_and_is_forgotten() {
        let mut gaps = Gaps::new(Instant::ZERO);
        let hour = Duration::from_secs(3600);
        let at = Instant::ZERO + 10 * hour;
        gaps.learn(at, 80 * MS, false);
        let after = |time| gaps.patience(at + time);
        assert!((205 * MS..225 * MS).contains(&after(MS)), "{:?}", after(MS));
        assert!(after(hour) < after(MS) && after(hour) > Duration::ZERO);
        assert_eq!(after(2 * hour + MS), Duration::ZERO);
        // Nor does the length of forgotten ones come back with the next.
        gaps.learn(at, 700 * MS, false);
        let next = at + 4 * hour;
        gaps.learn(next, 80 * MS, false);
        assert!((195 * MS..225 * MS).contains(&gaps.patience(next)), "{:?}", gaps.patience(next));
    }
}
