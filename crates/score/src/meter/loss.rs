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
const SQUARES: usize = 3;

const TIME: usize = 0;
const TIME_LOST: usize = 1;
const AFTER_ANSWER: usize = 2;
const AFTER_ANSWER_LOST: usize = 3;
const AFTER_LOSS: usize = 4;
const LATE: usize = 5;
const CLUSTERED: usize = 6;
const CLUSTER_SQUARES: usize = 7;

/// Loss of one stream: recent, and over minutes; there as a two-state process too.
///
/// Shares are of the time that probes stand for. The two-state process is one of probes, as the
/// detectors are that it serves.
#[derive(Clone, Debug)]
pub(crate) struct LossLedger {
    /// In seconds; and the squares of the weights, which tell how many probes they amount to.
    recent: Fading<4>,
    /// Seconds; then probes after an answered one, and how many of them were lost; probes after a lost
    /// one; single probes that were counted lost and came late; losses of bursts and the squares of their
    /// numbers.
    usual: Fading<8>,
}

impl LossLedger {
    pub(crate) fn new(now: Instant) -> Self {
        Self { recent: Fading::new(now), usual: Fading::new(now) }
    }

    /// Counts a lost probe with its `weight`, in the order of sending.
    pub(crate) fn lost(&mut self, now: Instant, weight: f32) {
        self.count(now, weight);
        self.recent.counts[LOSSES] += weight;
    }

    /// Counts an answered probe with its `weight`, in the order of sending, and the series of losses
    /// that it ends: a habit of the path, unless it was an outage. A series that has not ended may yet
    /// be one.
    pub(crate) fn answered(&mut self, now: Instant, weight: f32, series: Series) {
        self.count(now, weight);
        let usual = &mut self.usual.counts;
        usual[TIME] += weight;
        let losses = series.losses();
        if (1..=d::BURST_LENGTH_MAX).contains(&losses) {
            usual[TIME] += series.weight();
            usual[TIME_LOST] += series.weight();
            usual[AFTER_ANSWER] += 1.0;
            usual[AFTER_ANSWER_LOST] += 1.0;
            usual[AFTER_LOSS] += losses as f32;
        }
        usual[AFTER_ANSWER] += f32::from(u8::from(losses == 0));
    }

    /// Counts a burst of so many losses that is over.
    pub(crate) fn burst(&mut self, losses: u8) {
        let usual = &mut self.usual.counts;
        usual[CLUSTERED] += f32::from(losses);
        usual[CLUSTER_SQUARES] += f32::from(losses) * f32::from(losses);
    }

    fn count(&mut self, now: Instant, weight: f32) {
        let faded = self.recent.fade(now, d::LOSS_RECENT).unwrap_or(1.0);
        let recent = &mut self.recent.counts;
        recent[TRIALS] += weight;
        // Squares fade twice as fast; once they did with the others.
        recent[SQUARES] = recent[SQUARES] * faded + weight * weight;
    }

    /// Lets the usual figures fade; says whether it was time to.
    pub(crate) fn fade_usual(&mut self, now: Instant) -> bool {
        self.usual.fade(now, d::LOSS_USUAL).is_some()
    }

    /// From now on what was recent weighs so many times as much beside what comes. How much was lost is known as
    /// well as before; it is outweighed sooner, or later.
    pub(crate) fn rescale(&mut self, factor: f32) {
        let [trials, losses, reverse, squares] = &mut self.recent.counts;
        for weight in [trials, losses, reverse] {
            *weight *= factor;
        }
        *squares *= factor * factor;
    }

    /// By which factor what is recent weighs less than the seconds that are remembered.
    pub(crate) fn below_usual(&self) -> f32 {
        let remembered = d::LOSS_RECENT.as_secs_f32() / core::f32::consts::LN_2;
        remembered / self.recent.counts[TRIALS].max(1e-3)
    }

    /// Forgets recent loss.
    pub(crate) fn forgive(&mut self, now: Instant) {
        self.recent = Fading::new(now);
    }

    /// A probe counted lost, of a `weight`, was only late. If its series has `ended`, it is not known any more
    /// how long that was: most are of one probe.
    pub(crate) fn rescue(&mut self, weight: f32, ended: bool) {
        take(&mut self.recent.counts[LOSSES], weight);
        if ended {
            let usual = &mut self.usual.counts;
            take(&mut usual[TIME_LOST], weight);
            take(&mut usual[AFTER_ANSWER_LOST], 1.0);
            take(&mut usual[AFTER_LOSS], 1.0);
            usual[AFTER_ANSWER] += 1.0;
            usual[LATE] += 1.0;
        }
    }

    /// Losses that weigh so much together happened on the way back; fewer than was said before if it is
    /// negative.
    pub(crate) fn attribute_reverse(&mut self, weight: f32) {
        let reverse = &mut self.recent.counts[LOSSES_REV];
        *reverse = (*reverse + weight).max(0.0);
    }

    /// Probes and losses of the last seconds, weighed by age.
    pub(crate) fn recent(&self) -> Tally {
        let [trials, losses, reverse, squares] = self.recent.counts.map(f64::from);
        Tally { trials, losses, reverse: reverse.min(losses), squares }
    }

    /// The usual probability that a probe is lost whose predecessor was answered.
    pub(crate) fn usual_start(&self) -> f64 {
        let [trials, losses] = self.usual([AFTER_ANSWER, AFTER_ANSWER_LOST]);
        (losses + d::LOSS_PRIOR * d::LOSS_PRIOR_WEIGHT) / (trials + d::LOSS_PRIOR_WEIGHT)
    }

    /// The usual probability that a probe is missed, be it lost or only late, whose predecessor
    /// was answered: until a late reply comes nobody can tell the two apart.
    pub(crate) fn usual_miss(&self) -> f64 {
        let [trials, late] = self.usual([AFTER_ANSWER, LATE]);
        self.usual_start() + late / (trials + d::LOSS_PRIOR_WEIGHT)
    }

    /// The usual probability that a probe is lost whose predecessor was lost; `prior` with
    /// the weight of a few probes until this path has shown its own.
    pub(crate) fn usual_continuation(&self, prior: f64) -> f64 {
        let [trials, begun] = self.usual([AFTER_LOSS, AFTER_ANSWER_LOST]);
        // Each series but its first probe.
        (trials - begun + prior * d::BURST_PRIOR_WEIGHT) / (trials + d::BURST_PRIOR_WEIGHT)
    }

    /// How many times as much losses vary as independent ones would, of which a `share` is lost: they come in
    /// bursts that spare some probes, the number of whose losses this path has shown. At least 1.
    pub(crate) fn clustering(&self, share: f64) -> f64 {
        let [losses, squares] = self.usual([CLUSTERED, CLUSTER_SQUARES]);
        let shown = (squares + d::BURST_PRIOR_WEIGHT) / (losses + d::BURST_PRIOR_WEIGHT);
        // Independent losses have neighbours, too: that the next one is near has this chance each time.
        let near = 1.0 - libm::pow(1.0 - share.min(d::BURST_MAX), d::BURST_GAP.into());
        (shown * (1.0 - near) / (1.0 + near)).max(1.0)
    }

    /// The same, and what it may be beyond: one deviation of what this path has shown.
    pub(crate) fn usual_continuation_bound(&self, prior: f64) -> f64 {
        let [trials, _] = self.usual([AFTER_LOSS, AFTER_ANSWER_LOST]);
        let mean = self.usual_continuation(prior);
        mean + libm::sqrt(mean * (1.0 - mean) * trials) / (trials + d::BURST_PRIOR_WEIGHT)
    }

    /// Time and lost time of the last minutes, weighed by age. `usual` is the most that a probe weighs
    /// now; those of another role may have weighed more.
    pub(crate) fn usual_tally(&self, usual: f32) -> Tally {
        let [trials, losses] = self.usual([TIME, TIME_LOST]);
        let [after_answer, after_loss] = self.usual([AFTER_ANSWER, AFTER_LOSS]);
        let mean = trials / (after_answer + after_loss).max(1.0);
        let squares = trials * mean.max(usual.into()) / 2.0;
        Tally { trials, losses, reverse: 0.0, squares }
    }

    /// The usual share that is lost.
    pub(crate) fn usual_share(&self) -> f64 {
        let [after_answer, after_loss] = self.usual([AFTER_ANSWER, AFTER_LOSS]);
        let probes = after_answer + after_loss;
        let lost = probes * self.usual_tally(0.0).share();
        (lost + d::LOSS_PRIOR * d::LOSS_PRIOR_WEIGHT) / (probes + d::LOSS_PRIOR_WEIGHT)
    }

    fn usual(&self, of: [usize; 2]) -> [f64; 2] {
        of.map(|i| self.usual.counts[i].into())
    }
}

/// The probes lost in a row at the end, in the order of sending. In bytes, because they fit where numbers
/// would need more room; each weighs whole milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Series {
    weight_ms: [u8; 2],
    losses: u8,
}

impl Series {
    /// One more, of a `weight`.
    pub(crate) fn lost(&mut self, weight: f32) {
        self.losses = self.losses.saturating_add(1);
        self.weigh(self.weight_ms().saturating_add(milliseconds(weight)));
    }

    /// One of them, of a `weight`, was only late. Returns whether there was one.
    pub(crate) fn rescue(&mut self, weight: f32) -> bool {
        if self.losses == 0 {
            return false;
        }
        self.losses -= 1;
        self.weigh(self.weight_ms().saturating_sub(milliseconds(weight)));
        true
    }

    pub(crate) fn losses(self) -> u32 {
        self.losses.into()
    }

    /// Each weighs so many times as much as before.
    pub(crate) fn rescale(&mut self, factor: f32) {
        self.weigh(milliseconds(self.weight() * factor));
    }

    /// What they weigh together: seconds.
    pub(crate) fn weight(self) -> f32 {
        f32::from(self.weight_ms()) / 1e3
    }

    fn weight_ms(self) -> u16 {
        u16::from_ne_bytes(self.weight_ms)
    }

    fn weigh(&mut self, weight_ms: u16) {
        self.weight_ms = weight_ms.to_ne_bytes();
    }
}

/// A burst with gaps: losses with fewer than [`d::BURST_GAP`] answers between them (RFC 3611 section 4.7.2),
/// which a run of losses is not.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Burst {
    losses: u8,
    /// Since the last of them.
    answers: u8,
}

impl Burst {
    /// A probe was answered after so many lost ones. Says how many were lost in a burst that ends with it. What
    /// lasts for long is none, and neither is an outage.
    pub(crate) fn answered(&mut self, losses: u32) -> Option<u8> {
        if losses > d::BURST_LENGTH_MAX {
            *self = Self::default();
        } else if losses > 0 {
            *self = Self { losses: self.losses.saturating_add(losses as u8), answers: 0 };
        }
        if self.losses == 0 {
            return None;
        }
        self.answers += 1;
        if self.answers < d::BURST_GAP {
            return None;
        }
        let Self { losses, .. } = core::mem::take(self);
        (losses < u8::MAX).then_some(losses)
    }

    /// One of them was only late.
    pub(crate) fn rescue(&mut self) {
        self.losses = self.losses.saturating_sub(1);
    }

    /// Whether a loss now would be one more of them.
    pub(crate) fn runs(self) -> bool {
        self.losses > 0
    }
}

fn milliseconds(weight: f32) -> u16 {
    (weight * 1e3 + 0.5) as u16
}

/// What a probe weighs that was sent `gap` after the one before it, where they are `usual` apart: the
/// seconds that it stands for, so that faster probing while something is lost shows no more loss than
/// traffic meets. No probe stands for a time in which the prober stood still.
pub(crate) fn weight(gap: Duration, usual: Duration) -> f32 {
    gap.min(usual).as_secs_f32()
}

fn take(count: &mut f32, weight: f32) {
    *count = (*count - weight).max(0.0);
}

/// Faded counts. Adding those of several streams pools them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Tally {
    pub(crate) trials: f64,
    pub(crate) losses: f64,
    pub(crate) reverse: f64,
    /// The sum of the squared weights of the trials.
    pub(crate) squares: f64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.trials += other.trials;
        self.losses += other.losses;
        self.reverse += other.reverse;
        self.squares += other.squares;
    }

    /// The share lost; 0 without probes.
    pub(crate) fn share(&self) -> f64 {
        if self.trials > 0.0 { (self.losses / self.trials).min(1.0) } else { 0.0 }
    }

    /// The number of probes with the same information if none had faded and all weighed the same: `(sum
    /// w)^2 / sum w^2`, twice their number if only fading weighs them.
    pub(crate) fn effective(&self) -> f64 {
        if self.squares > 0.0 { self.trials * self.trials / self.squares } else { 0.0 }
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

/// The least share of which `p` seen in `n` trials may be chance at `z` deviations. Chance near nothing is
/// skewed, and more so if it strikes in bursts, so that deviations are those of the root of the share,
/// which hardly depend on it (Anscombe 1948); Wilson's interval is too sure there.
pub(crate) fn surely(p: f64, n: f64, z: f64) -> f64 {
    let root = libm::sqrt(p) - z / (2.0 * libm::sqrt(n));
    if n > 0.0 && root > 0.0 { root * root } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GAP: f32 = 0.02;

    /// A ledger with the series at its end, as a meter keeps them.
    struct Book {
        ledger: LossLedger,
        series: Series,
    }

    impl Book {
        fn new() -> Self {
            Self { ledger: LossLedger::new(Instant::ZERO), series: Series::default() }
        }

        fn settle(&mut self, now: Instant, weight: f32, lost: bool) {
            if lost {
                self.series.lost(weight);
                self.ledger.lost(now, weight);
            } else {
                self.ledger.answered(now, weight, core::mem::take(&mut self.series));
            }
        }

        fn rescue(&mut self) -> bool {
            let ended = !self.series.rescue(GAP);
            self.ledger.rescue(GAP, ended);
            ended
        }
    }

    impl core::ops::Deref for Book {
        type Target = LossLedger;

        fn deref(&self) -> &LossLedger {
            &self.ledger
        }
    }

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
    fn what_is_sure_may_not_be_chance() {
        // Of 100 probes one is lost by chance where 1 % is: five are, once in three hundred times, and
        // that is not four deviations.
        assert!(surely(0.0573, 100.0, d::CERTAIN_Z) < 0.01);
        assert!(wilson(0.0573, 100.0, d::CERTAIN_Z).0 > 0.01);
        assert!(surely(0.12, 100.0, d::CERTAIN_Z) > 0.01);
        assert_eq!(surely(0.5, 0.0, d::CERTAIN_Z), 0.0);
        assert_eq!(surely(0.01, 100.0, d::CERTAIN_Z), 0.0);
    }

    #[test]
    fn recent_loss_follows_and_fades() {
        let mut ledger = Book::new();
        let mut now = Instant::ZERO;
        let mut run = |ledger: &mut Book, probes: u32, every: u32| {
            for i in 0..probes {
                now += Duration::from_millis(20);
                ledger.settle(now, GAP, every > 0 && i % every == 0);
            }
        };
        run(&mut ledger, 3000, 10);
        assert!((ledger.recent().share() - 0.10).abs() < 0.01);
        assert!((ledger.recent().trials - 7.21).abs() < 0.2, "5 s / ln 2");
        assert!((ledger.recent().effective() - 721.0).abs() < 20.0, "twice 50/s of that");
        run(&mut ledger, 500, 0);
        assert!((ledger.recent().share() - 0.025).abs() < 0.005, "two half-lives later");
        assert!(ledger.usual_share() > 0.05, "the usual figure is slow");
    }

    #[test]
    fn faster_probing_during_loss_does_not_exaggerate_it() {
        let mut ledger = Book::new();
        let mut now = Instant::ZERO;
        for second in 0..60 {
            // A tenth of each second is bad, and is probed twenty times as fast as the rest of it.
            let (good, bad) = (Duration::from_millis(100), Duration::from_millis(5));
            for i in 0..29 {
                let gap = if i < 20 { bad } else { good };
                now += gap;
                ledger.settle(now, weight(gap, good), i < 20 && second > 0);
            }
        }
        let recent = ledger.recent();
        assert!((recent.share() - 0.1).abs() < 0.015, "{}", recent.share());
        // Seven seconds of nine slow probes, and a little for the fast ones, which say little more.
        let n = recent.effective();
        assert!((2.0 * 7.2 * 9.0..2.0 * 7.2 * 12.0).contains(&n), "{n}");
    }

    #[test]
    fn a_prober_that_stood_still_makes_no_probe_heavier() {
        let usual = Duration::from_millis(100);
        assert_eq!(weight(Duration::from_secs(3), usual), weight(usual, usual));
    }

    #[test]
    fn bursts_are_told_from_random_loss() {
        let (mut random, mut bursty) = (Book::new(), Book::new());
        for i in 0..20_000_u64 {
            let now = Instant::from_millis(20 * i);
            random.settle(now, GAP, i % 100 == 0);
            bursty.settle(now, GAP, i % 400 < 4);
        }
        assert!((random.usual_share() - bursty.usual_share()).abs() < 0.002);
        assert!(random.usual_continuation(0.1) < 0.05);
        assert!((bursty.usual_continuation(0.1) - 0.75).abs() < 0.05);
        assert!((bursty.usual_start() - 0.0025).abs() < 0.0005);
    }

    #[test]
    fn rescued_probes_are_not_lost() {
        let mut ledger = Book::new();
        for i in 0..400 {
            // Bursts of four, and single probes that come late.
            let lost = i % 40 < 4;
            ledger.settle(Instant::from_millis(20 * i), GAP, lost || i % 4 == 2);
            if !lost && i % 4 == 3 {
                assert!(ledger.rescue());
            }
        }
        assert!((ledger.recent().share() - 0.1).abs() < 0.02);
        assert!((ledger.usual_share() - 0.1).abs() < 0.04);
        assert!(ledger.usual_miss() > ledger.usual_start() + 0.15, "late is a habit too");
        assert!((ledger.usual_continuation(0.5) - 0.75).abs() < 0.05);
    }
}
