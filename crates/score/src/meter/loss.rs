//! How much is lost now, how much usually, and how losses cluster.

use pathvane_clock::{Duration, Instant};

use crate::defaults as d;

/// Counts that fade with time, by halves. Fading in steps instead of at every probe saves
/// the exponential; the error is below the step's share of the half-life (2 %).
#[derive(Clone, Debug)]
struct Fading<const N: usize> {
    at: Instant,
    counts: [f32; N],
}

impl<const N: usize> Fading<N> {
    fn new(now: Instant) -> Self {
        Self { at: now, counts: [0.0; N] }
    }

    /// Fades to `now` if a fiftieth of the half-life passed; says by which factor.
    fn fade(&mut self, now: Instant, half_life: Duration) -> Option<f32> {
        let age = now.since(self.at);
        if age < half_life / 50 {
            return None;
        }
        let factor = libm::exp2f(-age.as_secs_f32() / half_life.as_secs_f32());
        self.counts.iter_mut().for_each(|count| *count *= factor);
        self.at = now;
        Some(factor)
    }
}

const TRIALS: usize = 0;
const LOSSES: usize = 1;
const LOSSES_REV: usize = 2;

const AFTER_ANSWER: usize = 0;
const AFTER_ANSWER_LOST: usize = 1;
const AFTER_LOSS: usize = 2;
const AFTER_LOSS_LOST: usize = 3;

/// Loss of one stream: recent, and as a two-state process over minutes.
#[derive(Clone, Debug)]
pub(crate) struct LossLedger {
    recent: Fading<3>,
    usual: Fading<4>,
    /// Single probes that were counted lost and came late; fades with `usual`.
    late: f32,
    /// Losses at the end, up to one more than a burst may have.
    run: u32,
}

impl LossLedger {
    pub(crate) fn new(now: Instant) -> Self {
        Self { recent: Fading::new(now), usual: Fading::new(now), late: 0.0, run: 0 }
    }

    /// Counts the fate of a probe that was sent `gap` after the one before it, in the order of
    /// sending. Probes closer than usual weigh less in recent loss: they are sent when
    /// something was lost, and would show more loss than traffic meets.
    ///
    /// An answer says how many probes before it were lost in a row: a series that has not
    /// ended may yet be an outage.
    pub(crate) fn settle(&mut self, now: Instant, gap: Duration, lost: bool) -> Option<u32> {
        self.recent.fade(now, d::LOSS_RECENT);
        let weight = weight(gap);
        self.recent.counts[TRIALS] += weight;
        self.recent.counts[LOSSES] += weight * f32::from(u8::from(lost));
        if lost {
            self.run = (self.run + 1).min(d::BURST_LENGTH_MAX + 1);
            return None;
        }
        self.learn_run();
        self.usual.counts[AFTER_ANSWER] += f32::from(u8::from(self.run == 0));
        Some(core::mem::take(&mut self.run))
    }

    /// Lets the usual figures fade; says whether it was time to.
    pub(crate) fn fade_usual(&mut self, now: Instant) -> bool {
        let Some(factor) = self.usual.fade(now, d::LOSS_USUAL) else { return false };
        self.late *= factor;
        true
    }

    /// A burst of losses has ended: it is a habit of the path, unless it was an outage.
    fn learn_run(&mut self) {
        if (1..=d::BURST_LENGTH_MAX).contains(&self.run) {
            self.usual.counts[AFTER_ANSWER] += 1.0;
            self.usual.counts[AFTER_ANSWER_LOST] += 1.0;
            self.usual.counts[AFTER_LOSS] += self.run as f32;
            self.usual.counts[AFTER_LOSS_LOST] += (self.run - 1) as f32;
        }
    }

    /// Forgets recent loss.
    pub(crate) fn forgive(&mut self, now: Instant) {
        self.recent = Fading::new(now);
        self.run = 0;
    }

    /// A probe counted lost was only late. Returns whether it belonged to a series that had
    /// ended, and so had been evidence. Its weight is not known any more: a full one is taken.
    pub(crate) fn rescue(&mut self) -> bool {
        take_one(&mut self.recent.counts[LOSSES]);
        if self.run > 0 {
            self.run -= 1;
            return false;
        }
        // Of a series that has ended the length is not known any more; most are of one probe.
        let usual = &mut self.usual.counts;
        take_one(&mut usual[AFTER_ANSWER_LOST]);
        take_one(&mut usual[AFTER_LOSS]);
        usual[AFTER_ANSWER] += 1.0;
        self.late += 1.0;
        true
    }

    /// `count` of the losses, of probes that were sent `gap` apart, happened on the way back; fewer than
    /// was said before if it is negative.
    pub(crate) fn attribute_reverse(&mut self, count: i32, gap: Duration) {
        let reverse = &mut self.recent.counts[LOSSES_REV];
        *reverse = (*reverse + weight(gap) * count as f32).max(0.0);
    }

    /// Probes and losses of the last seconds, weighed by age.
    pub(crate) fn recent(&self) -> Tally {
        let [trials, losses, reverse] = self.recent.counts.map(f64::from);
        Tally { trials, losses, reverse: reverse.min(losses) }
    }

    /// The usual probability that a probe is lost whose predecessor was answered.
    pub(crate) fn usual_start(&self) -> f64 {
        let [trials, losses, ..] = self.usual.counts.map(f64::from);
        (losses + d::LOSS_PRIOR * d::LOSS_PRIOR_WEIGHT) / (trials + d::LOSS_PRIOR_WEIGHT)
    }

    /// The usual probability that a probe is missed, be it lost or only late, whose predecessor
    /// was answered: until a late reply comes nobody can tell the two apart.
    pub(crate) fn usual_miss(&self) -> f64 {
        let trials = f64::from(self.usual.counts[AFTER_ANSWER]);
        self.usual_start() + f64::from(self.late) / (trials + d::LOSS_PRIOR_WEIGHT)
    }

    /// The usual probability that a probe is lost whose predecessor was lost; `prior` with
    /// the weight of a few probes until this path has shown its own.
    pub(crate) fn usual_continuation(&self, prior: f64) -> f64 {
        let [_, _, trials, losses] = self.usual.counts.map(f64::from);
        (losses + prior * d::BURST_PRIOR_WEIGHT) / (trials + d::BURST_PRIOR_WEIGHT)
    }

    /// The same, and what it may be beyond: one deviation of what this path has shown.
    pub(crate) fn usual_continuation_bound(&self, prior: f64) -> f64 {
        let [_, _, trials, _] = self.usual.counts.map(f64::from);
        let mean = self.usual_continuation(prior);
        mean + libm::sqrt(mean * (1.0 - mean) * trials) / (trials + d::BURST_PRIOR_WEIGHT)
    }

    /// Probes and losses of the last minutes, weighed by age.
    pub(crate) fn usual_tally(&self) -> Tally {
        let [ok, ok_lost, bad, bad_lost] = self.usual.counts.map(f64::from);
        Tally { trials: ok + bad, losses: ok_lost + bad_lost, reverse: 0.0 }
    }

    /// The usual share of probes lost.
    pub(crate) fn usual(&self) -> f64 {
        let Tally { trials, losses, .. } = self.usual_tally();
        let prior = d::LOSS_PRIOR * d::LOSS_PRIOR_WEIGHT;
        (losses + prior) / (trials + d::LOSS_PRIOR_WEIGHT)
    }
}

/// What a probe that was sent `gap` after the one before it weighs in recent loss.
fn weight(gap: Duration) -> f32 {
    (gap.as_secs_f32() / d::LOSS_GAP_S).min(1.0)
}

fn take_one(count: &mut f32) {
    *count = (*count - 1.0).max(0.0);
}

/// Faded counts. Adding those of several streams pools them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Tally {
    pub(crate) trials: f64,
    pub(crate) losses: f64,
    pub(crate) reverse: f64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.trials += other.trials;
        self.losses += other.losses;
        self.reverse += other.reverse;
    }

    /// The share lost; 0 without probes.
    pub(crate) fn share(&self) -> f64 {
        if self.trials > 0.0 { (self.losses / self.trials).min(1.0) } else { 0.0 }
    }

    /// The number of probes with the same information if none had faded: `(sum w)^2 / sum w^2`,
    /// twice the sum for exponential weights.
    pub(crate) fn effective(&self) -> f64 {
        2.0 * self.trials
    }

    /// The bounds of the share lost at `z` deviations, wider by `design`: how much less
    /// bursty samples say than independent ones.
    pub(crate) fn bounds(&self, design: f64, z: f64) -> (f64, f64) {
        wilson(self.share(), self.effective() / design.max(1.0), z)
    }
}

/// Wilson's score interval of a share `p` seen in `n` trials, `z` deviations wide each way.
pub(crate) fn wilson(p: f64, n: f64, z: f64) -> (f64, f64) {
    if n <= 0.0 {
        return (0.0, 1.0);
    }
    let z2 = z * z;
    let middle = p + z2 / (2.0 * n);
    let half = z * libm::sqrt(p * (1.0 - p) / n + z2 / (4.0 * n * n));
    let scale = 1.0 + z2 / n;
    (((middle - half) / scale).max(0.0), ((middle + half) / scale).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GAP: Duration = Duration::from_millis(20);

    #[test]
    fn no_loss_bounds_loss_as_published() {
        for (n, percent) in [(50.0, 7.1), (500.0, 0.76), (3000.0, 0.13)] {
            let (lower, upper) = wilson(0.0, n, d::CONFIDENCE_Z);
            assert!(lower < 1e-12);
            assert!((upper * 100.0 - percent).abs() < percent * 0.02, "{n}: {upper}");
        }
        assert_eq!(wilson(0.5, 0.0, d::CONFIDENCE_Z), (0.0, 1.0));
    }

    #[test]
    fn recent_loss_follows_and_fades() {
        let mut ledger = LossLedger::new(Instant::ZERO);
        let mut now = Instant::ZERO;
        let mut run = |ledger: &mut LossLedger, probes: u32, every: u32| {
            for i in 0..probes {
                now += Duration::from_millis(20);
                ledger.settle(now, GAP, every > 0 && i % every == 0);
            }
        };
        run(&mut ledger, 3000, 10);
        assert!((ledger.recent().share() - 0.10).abs() < 0.01);
        assert!((ledger.recent().trials - 360.7).abs() < 10.0, "50/s * 5 s / ln 2");
        run(&mut ledger, 500, 0);
        assert!((ledger.recent().share() - 0.025).abs() < 0.005, "two half-lives later");
        assert!(ledger.usual() > 0.05, "the usual figure is slow");
    }

    #[test]
    fn faster_probing_during_loss_does_not_exaggerate_it() {
        let mut ledger = LossLedger::new(Instant::ZERO);
        let mut now = Instant::ZERO;
        for second in 0..60 {
            // A tenth of each second is bad, and is probed four times as fast.
            let (good, bad) = (Duration::from_millis(20), Duration::from_millis(5));
            for i in 0..65 {
                let gap = if i < 20 { bad } else { good };
                now += gap;
                ledger.settle(now, gap, i < 20 && second > 0);
            }
        }
        let share = ledger.recent().share();
        assert!((share - 0.1).abs() < 0.015, "{share}");
    }

    #[test]
    fn bursts_are_told_from_random_loss() {
        let (mut random, mut bursty) =
            (LossLedger::new(Instant::ZERO), LossLedger::new(Instant::ZERO));
        for i in 0..20_000_u64 {
            let now = Instant::from_millis(20 * i);
            random.settle(now, GAP, i % 100 == 0);
            bursty.settle(now, GAP, i % 400 < 4);
        }
        assert!((random.usual() - bursty.usual()).abs() < 0.002);
        assert!(random.usual_continuation(0.1) < 0.05);
        assert!((bursty.usual_continuation(0.1) - 0.75).abs() < 0.05);
        assert!((bursty.usual_start() - 0.0025).abs() < 0.0005);
    }

    #[test]
    fn rescued_probes_are_not_lost() {
        let mut ledger = LossLedger::new(Instant::ZERO);
        for i in 0..400 {
            // Bursts of four, and single probes that come late.
            let lost = i % 40 < 4;
            ledger.settle(Instant::from_millis(20 * i), GAP, lost || i % 4 == 2);
            if !lost && i % 4 == 3 {
                assert!(ledger.rescue());
            }
        }
        assert!((ledger.recent().share() - 0.1).abs() < 0.02);
        assert!((ledger.usual() - 0.1).abs() < 0.04);
        assert!(ledger.usual_miss() > ledger.usual_start() + 0.15, "late is a habit too");
        assert!((ledger.usual_continuation(0.5) - 0.75).abs() < 0.05);
    }
}
